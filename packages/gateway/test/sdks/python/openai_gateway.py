"""openai-python at the gateway, which speaks its protocol for every model."""

import asyncio
import base64

import openai
from openai.types import Video

import driver


def script(gateway):
    client = openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0)
    videos = client.videos
    short = {"model": gateway.model, **gateway.options}

    once = {"Idempotency-Key": f"python-{gateway.name}"}
    asked = {"prompt": "a paper boat", "input_reference": gateway.image, **short}
    video = videos.create(**asked, extra_headers=once)
    assert video.status == "queued" and video.model == gateway.model, video
    assert videos.create(**asked, extra_headers=once).id == video.id
    gateway.worked("create")

    video = videos.poll(video.id)
    assert video.status == "completed" and video.progress == 100 and video.error is None, video
    assert (video.seconds, video.size) == (short["seconds"], short["size"]), video
    gateway.worked("poll")

    videos.download_content(video.id).write_to_file(gateway.video)
    poster = videos.download_content(video.id, variant="thumbnail")
    assert poster.response.headers["content-type"] == "image/jpeg", poster
    gateway.worked("download")

    if gateway.name == "sora":
        changes(client, video)
    else:
        error = driver.refused(openai.BadRequestError, lambda: videos.remix(video.id, prompt="at night"))
        assert error.code == "unsupported_operation" and error.param == "model", error

    files(client, gateway, short)

    other = asyncio.run(create_and_poll(gateway, short))
    assert other.status == "completed", other
    newest = [each.id for each in videos.list(limit=2)]
    assert newest[:2] == [other.id, video.id], newest
    assert [each.id for each in videos.list(limit=2, order="asc")] == newest[::-1]
    gateway.worked("list")

    assert videos.delete(other.id).deleted
    driver.refused(openai.NotFoundError, lambda: videos.retrieve(other.id))
    gateway.worked("delete")

    driver.refused(openai.BadRequestError, lambda: videos.create(prompt="a boat", **{**short, "seconds": "x"}))
    driver.refused(openai.BadRequestError, lambda: videos.create(prompt="a boat", extra_body={"fps": 1}, **short))
    stranger = client.with_options(api_key="wrong")
    driver.refused(openai.AuthenticationError, lambda: stranger.videos.retrieve(video.id))
    gateway.worked("refusals")


def files(client, gateway, short):
    image = gateway.image.read_bytes()
    expiry = {"anchor": "created_at", "seconds": 3600}
    file = client.files.create(file=gateway.image, purpose="vision", expires_after=expiry)
    assert client.files.wait_for_processing(file.id) == file and file.bytes == len(image), file
    assert file.id in [each.id for each in client.files.list(limit=1, purpose="vision")]
    assert client.files.content(file.id).read() == image
    # As an argument, this SDK takes files only.
    reference = {"input_reference": {"file_id": file.id}}
    video = client.videos.create(prompt="a boat of a file", extra_body=reference, **short)
    assert client.files.delete(file.id).deleted
    driver.refused(openai.NotFoundError, lambda: client.files.retrieve(file.id))
    driver.refused(
        openai.NotFoundError, lambda: client.videos.create(prompt="a boat", extra_body=reference, **short)
    )
    driver.refused(openai.BadRequestError, lambda: client.files.create(file=b"text", purpose="user_data"))
    video = client.videos.poll(video.id)
    assert video.status == "completed", video
    assert client.videos.delete(video.id).deleted
    gateway.worked("files")


def changes(client, video):
    videos = client.videos
    remix = videos.remix(video.id, prompt="at night")
    assert remix.remixed_from_video_id == video.id, remix
    # For these two, this SDK sends files only, although its types know ids.
    source = {"video": {"id": video.id}}
    edited = client.post("/videos/edits", body={**source, "prompt": "a red boat"}, cast_to=Video)
    more = {"prompt": "it sails on", "seconds": "4"}
    extended = client.post("/videos/extensions", body={**source, **more}, cast_to=Video)
    for change, seconds in ((remix, "4"), (edited, "4"), (extended, "8")):
        change = videos.poll(change.id)
        assert change.status == "completed" and change.seconds == seconds, change
        assert videos.delete(change.id).deleted
    upload = {"video": b"a video", "prompt": "a red boat", "extra_body": {"model": video.model}}
    error = driver.refused(openai.BadRequestError, lambda: videos.edit(**upload))
    assert error.code == "unsupported_operation", error
    failed = videos.create_and_poll(model=video.model, prompt="a boat [moderation]", seconds="4", size="1280x720")
    assert failed.status == "failed" and failed.error.code == "moderation_blocked", failed
    assert videos.delete(failed.id).deleted


async def create_and_poll(gateway, short):
    async with openai.AsyncOpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        image = {"image_url": "data:image/png;base64," + base64.b64encode(gateway.image.read_bytes()).decode()}
        # As an argument, this SDK takes files only.
        video = await client.videos.create(prompt="a kite", extra_body={"input_reference": image}, **short)
        return await client.videos.poll(video.id)


driver.drive("openai", script)
