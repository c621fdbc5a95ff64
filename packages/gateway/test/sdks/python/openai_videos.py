"""openai-python at the services that speak the OpenAI Videos protocol."""

import os

import openai

import driver


def script(simulator):
    client = openai.OpenAI(base_url=simulator.url, api_key=simulator.key, max_retries=0)
    videos = client.videos
    short = {"model": simulator.model, "seconds": "4", "size": "1280x720"}

    video = videos.create(prompt="a paper boat", input_reference=driver.IMAGE, **short)
    assert video.status == "queued", video
    simulator.worked("create")

    is_own_server = simulator.name in ("vllm-omni", "sglang")
    if not is_own_server:
        verify_webhook(client, video)
        simulator.worked("webhook")

    video = videos.poll(video.id, poll_interval_ms=20)
    assert video.status == "completed" and video.progress == 100, video
    simulator.worked("poll")

    videos.download_content(video.id).write_to_file(simulator.video)
    simulator.worked("download")

    if not is_own_server:
        remix = videos.remix(video.id, prompt="at night [hold]")
        assert remix.remixed_from_video_id == video.id, remix

    failing = videos.create(prompt="a boat [fail]", **short)
    listed = [each.id for each in videos.list(limit=2)]
    assert listed[0] == failing.id and listed[-1] == video.id, listed
    simulator.worked("list")

    failed = videos.poll(failing.id, poll_interval_ms=20)
    assert failed.status == "failed" and failed.error.message, failed
    assert videos.delete(failing.id).deleted
    driver.refused(openai.NotFoundError, lambda: videos.retrieve(failing.id))
    simulator.worked("delete")

    if simulator.name == "vllm-omni":
        held = videos.create(prompt="a boat [hold]", **short)
        assert videos.delete(held.id).deleted
        simulator.worked("cancel")

    # FastAPI's status for a field of a form.
    invalid = openai.UnprocessableEntityError if simulator.name == "sglang" else openai.BadRequestError
    driver.refused(invalid, lambda: videos.create(prompt="a boat", **{**short, "seconds": "x"}))
    stranger = client.with_options(api_key="wrong")
    driver.refused(openai.AuthenticationError, lambda: stranger.videos.retrieve(video.id))
    simulator.worked("refusals")


def verify_webhook(client, video):
    secret = os.environ["OPENAI_WEBHOOK_SECRET"]
    webhook = driver.webhook(video.id)
    event = client.webhooks.unwrap(webhook["body"], webhook["headers"], secret=secret)
    assert event.type == "video.completed" and event.data.id == video.id, event
    driver.refused(
        openai.InvalidWebhookSignatureError,
        lambda: client.webhooks.unwrap(webhook["body"] + " ", webhook["headers"], secret=secret),
    )


driver.drive("openai", script)
