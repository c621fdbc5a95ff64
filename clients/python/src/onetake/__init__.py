"""The Python client of Onetake, a gateway for AI-video models: submit, wait, download."""

from ._client import AsyncOnetake, AsyncVideoStream, Onetake, VideoStream
from ._errors import (
    ApiConnectionError,
    ApiError,
    AuthenticationError,
    BudgetError,
    ConflictError,
    DownloadError,
    GoneError,
    Interrupted,
    InvalidRequestError,
    NotFoundError,
    OnetakeError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    TaskFailedError,
    WaitTimeoutError,
    WebhookError,
)
from ._file import SavedFile
from ._types import Model, Reference, SubmitParams, Submitted, Task, WebhookEvent
from ._version import __version__
from ._webhook import verify_webhook

__all__ = [
    "ApiConnectionError",
    "ApiError",
    "AsyncOnetake",
    "AsyncVideoStream",
    "AuthenticationError",
    "BudgetError",
    "ConflictError",
    "DownloadError",
    "GoneError",
    "Interrupted",
    "InvalidRequestError",
    "Model",
    "NotFoundError",
    "Onetake",
    "OnetakeError",
    "PermissionDeniedError",
    "RateLimitError",
    "Reference",
    "SavedFile",
    "ServerError",
    "SubmitParams",
    "Submitted",
    "Task",
    "TaskFailedError",
    "VideoStream",
    "WaitTimeoutError",
    "WebhookError",
    "WebhookEvent",
    "__version__",
    "verify_webhook",
]
