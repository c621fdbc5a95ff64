"""google-genai at the Interactions API, which makes videos with Gemini Omni."""

import base64

from google import genai
from google.genai import types

import driver


def script(simulator):
    client = genai.Client(
        vertexai=False, api_key=simulator.key, http_options=types.HttpOptions(base_url=simulator.url)
    )

    def create(prompt, task=None, **response_format):
        return client.interactions.create(
            model=simulator.model,
            input=prompt,
            background=True,
            response_format={"type": "video", "delivery": "uri", "duration": "4s", **response_format},
            generation_config={"video_config": {"task": task}} if task else None,
        )

    def finished(interaction):
        return driver.until(
            lambda each: each.status != "in_progress", lambda: client.interactions.get(interaction.id)
        )

    image = {
        "type": "image",
        "data": base64.b64encode(driver.IMAGE.read_bytes()).decode(),
        "mime_type": "image/png",
    }
    boat = create([image, {"type": "text", "text": "a paper boat"}], "image_to_video", resolution="720p")
    simulator.worked("create")

    video = finished(boat).output_video
    simulator.worked("poll")

    simulator.video.write_bytes(client.files.download(file=video.uri))
    simulator.worked("download")

    held = create("a paper boat [hold]")
    assert client.interactions.cancel(held.id).status == "cancelled"
    simulator.worked("cancel")

    client.interactions.delete(held.id)
    assert status_of(lambda: client.interactions.get(held.id)) == 400
    simulator.worked("delete")

    assert finished(create("a paper boat [moderation]")).output_video is None
    assert finished(create("a paper boat [fail]")).status == "failed"
    assert status_of(lambda: create("a paper boat", duration="2s")) == 400
    simulator.worked("refusals")


def status_of(call):
    # The interactions have exceptions of their own.
    return driver.refused(Exception, call).status_code


driver.drive("google-genai", script)
