"""What the API takes and answers with. A test compares it with the OpenAPI document of the gateway."""

from __future__ import annotations

from typing import Any, Literal, Union

from typing_extensions import NotRequired, Required, TypedDict, final

Status = Literal["queued", "in_progress", "succeeded", "failed"]


class Reference(TypedDict):
    """An image, a video or a sound that guides the video: one of `url`, `data`, `file_id` and `video_id`."""

    type: Literal["image", "video", "audio"]
    #: What it is for: `source` is the video to edit, `first_clip` the one to continue. Without: a reference.
    role: NotRequired[str]
    url: NotRequired[str]
    #: The bytes: data URL or base64.
    data: NotRequired[str]
    #: The id of a file of `POST /v1/files`.
    file_id: NotRequired[str]
    #: The id of a finished task of yours, whose video it is.
    video_id: NotRequired[str]


class SubmitParams(TypedDict, total=False):
    """What a video is made of. `models()` says what each model accepts; `None` is the same as leaving a field out."""

    model: Required[str]
    prompt: Required[str]
    negative_prompt: str | None
    #: Seconds. -1 lets the model decide, if it can.
    duration: float | str | None
    resolution: Literal["360p", "480p", "720p", "1080p", "4k"] | None
    aspect_ratio: Literal["16:9", "9:16", "1:1", "4:3", "3:4", "21:9"] | None
    #: `1280x720`: an alternative to `resolution` and `aspect_ratio`.
    size: str | None
    #: First frame: URL, data URL, base64 or the id of a file of `POST /v1/files`.
    image: str | None
    last_frame: str | None
    references: list[Reference] | None
    #: The short form of `references` for images without a role.
    reference_images: list[str] | None
    #: What becomes of an image that breaks the limits of the model.
    image_fit: Literal["error", "cover", "contain"] | None
    #: Source video: the id of a finished task of yours or a link.
    video_url: str | None
    generate_audio: bool | None
    seed: int | None
    style: str | None
    camera_fixed: bool | None
    watermark: bool | None
    prompt_extend: bool | None
    person_generation: str | None
    #: The most that the video may cost, in the currency of the model; a higher price is a 400.
    max_cost: float | str | None
    #: Up to 16 pairs, given back unchanged.
    metadata: dict[str, str] | None
    #: Where the end of the task is announced: a public URL.
    webhook_url: str | None
    #: Raw upstream parameters.
    provider_options: dict[str, Any] | None


class Submitted(TypedDict):
    """The answer of a submit."""

    task_id: str
    status: Literal["queued"]
    format: Literal["mp4"]
    created_at: int
    model: str
    #: What was rounded, redirected or fitted to what the upstream accepts.
    notes: NotRequired[list[str]]


class TaskError(TypedDict):
    """Why a task failed."""

    code: int
    message: str
    reason: str


class TaskUsage(TypedDict):
    """What a task cost."""

    seconds: float
    cost: float
    currency: str


@final
class Task(TypedDict):
    """
    A task as the gateway tells it.

    A server that speaks only submit, query and download of this API leaves out everything but `task_id`, `status`, `format`, `url` and `error`.
    """

    task_id: str
    status: Status
    format: Literal["mp4"]
    #: The video, once succeeded. Absent for the Sora 2 family, which uses the download endpoint.
    url: NotRequired[str]
    error: NotRequired[TaskError]
    model: str
    created_at: int
    started_at: NotRequired[int]
    completed_at: NotRequired[int]
    #: When the video is deleted.
    expires_at: NotRequired[int]
    #: 0 to 100.
    progress: NotRequired[int]
    #: Seconds until the task is expected to be done.
    eta: NotRequired[int]
    waiting_for: NotRequired[Literal["account_limit", "account_blocked", "project_limit"]]
    waiting_reason: NotRequired[str]
    retry_at: NotRequired[int]
    cancel_requested: NotRequired[Literal[True]]
    duration: NotRequired[float]
    resolution: str
    aspect_ratio: str
    size: str
    bytes: NotRequired[int]
    video_codec: NotRequired[str]
    audio_codec: NotRequired[str]
    content_credentials: NotRequired[Literal["present", "absent"]]
    thumbnail_url: NotRequired[str]
    usage: NotRequired[TaskUsage]
    metadata: NotRequired[dict[str, str]]
    notes: NotRequired[list[str]]


class ModelService(TypedDict):
    """A service or region of a provider that has or had a model."""

    id: str
    title: str
    #: The first day without the model.
    until: NotRequired[str]
    reason: NotRequired[str]
    successors: NotRequired[list[str]]
    source: NotRequired[str]
    checked: NotRequired[str]


class ModelReferences(TypedDict):
    """References of one type and role."""

    type: Literal["image", "video", "audio"]
    role: NotRequired[str]
    max_items: int
    limits: NotRequired[str]


class ModelImageLimits(TypedDict):
    """What a provider demands of an image."""

    size: NotRequired[Literal["video"]]
    min_side: NotRequired[int]
    max_side: NotRequired[int]
    min_ratio: NotRequired[float]
    max_ratio: NotRequired[float]
    max_bytes: NotRequired[int]
    formats: NotRequired[list[Literal["jpeg", "png", "webp"]]]
    transparency: NotRequired[Literal[False]]
    by: NotRequired[Literal["url"]]
    source: str
    checked: str


class ModelParameter(TypedDict):
    """What a model accepts as one parameter."""

    type: Literal["string", "integer", "boolean", "image", "images", "references", "url"]
    aliases: list[str]
    allowed: NotRequired[list[str | float | bool]]
    minimum: NotRequired[int]
    maximum: NotRequired[int]
    max_length: NotRequired[int]
    max_items: NotRequired[int]
    takes: NotRequired[list[ModelReferences]]
    default: NotRequired[str | float | bool]
    limits: NotRequired[ModelImageLimits]
    auto: NotRequired[Literal[-1]]
    of: NotRequired[Literal["any", "own"]]
    rounds_to: NotRequired[dict[str, str | float | bool]]


class ModelRate(TypedDict):
    """The price of a second, under some conditions."""

    service: NotRequired[str]
    resolution: NotRequired[str]
    size: NotRequired[str]
    generate_audio: NotRequired[bool]
    with_video: NotRequired[bool]
    per_second: float
    micros_per_second: int
    micros_per_video: NotRequired[int]
    micros_per_token: NotRequired[float]


class ModelImagePrice(TypedDict):
    """What input images cost."""

    free: int
    micros_each: int


class ModelVideoPrice(TypedDict):
    """How many seconds of reference videos are charged."""

    most_seconds: NotRequired[float]
    least_of_result: NotRequired[float]


class ModelSource(TypedDict):
    """Where a price comes from."""

    url: str
    checked: str


class ModelPrice(TypedDict):
    """What a model costs."""

    currency: str
    free: bool
    billing: str
    rates: list[ModelRate]
    images: NotRequired[ModelImagePrice]
    videos: NotRequired[ModelVideoPrice]
    sources: list[ModelSource]


class ModelTimes(TypedDict):
    """Seconds from the submission upstream to the end there."""

    median: float
    p90: float


class Model(TypedDict):
    """A model, what it accepts and costs, and whether it can be used here."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    title: str
    family: str
    provider: str
    aliases: list[str]
    #: Whether this installation has an account for it.
    available: bool
    delivery: Literal["url", "download"]
    services: list[ModelService]
    parameters: dict[str, ModelParameter]
    sizes: list[str]
    #: Dependencies between parameters.
    rules: list[str]
    price: ModelPrice
    typical_seconds: ModelTimes
    cancel: Literal["queued", "running", "none"]
    notes: list[str]


class TaskEvent(TypedDict):
    """An event of a task."""

    #: The same for an event that arrives again.
    id: str
    type: Literal["video.started", "video.succeeded", "video.failed"]
    #: When it happened, in ISO 8601.
    timestamp: str
    #: The task as of the event.
    data: Task
    #: Only in the stream of events: the video was made through OpenAI's API, so that its webhook is an `OpenAIEvent`.
    api: NotRequired[Literal["openai"]]


@final
class OpenAIVideo(TypedDict):
    """What OpenAI's API tells of a video that has ended."""

    #: Also that of its task.
    id: str


class OpenAIEvent(TypedDict):
    """The end of a video that was made through OpenAI's API, in the words of that API."""

    id: str
    object: Literal["event"]
    type: Literal["video.completed", "video.failed"]
    #: When it happened, in seconds since 1970.
    created_at: int
    data: OpenAIVideo


@final
class TestedEndpoint(TypedDict):
    """The webhook endpoint that is tested."""

    endpoint_id: str


class EndpointTestEvent(TypedDict):
    """The test of a webhook endpoint."""

    id: str
    type: Literal["webhook.test"]
    #: In ISO 8601.
    timestamp: str
    data: TestedEndpoint


#: What a webhook announces: `"task_id" in event["data"]`, or another of these fields, tells which it is.
WebhookEvent = Union[TaskEvent, OpenAIEvent, EndpointTestEvent]
