"""google-genai at the Gemini API and at Vertex AI."""

import os

from google import genai
from google.genai import errors, types

import driver

IMAGE = types.Image.from_file(location=str(driver.IMAGE))
ASSET = types.VideoGenerationReferenceType.ASSET


def script(simulator):
    gemini = simulator.name == "gemini"
    client = at_gemini(simulator) if gemini else at_vertex(simulator)

    def create(prompt, image=None, video=None, **config):
        return client.models.generate_videos(
            model=simulator.model,
            source=types.GenerateVideosSource(prompt=prompt, image=image, video=video),
            config=types.GenerateVideosConfig(**config),
        )

    def finished(operation):
        return driver.until(lambda each: each.done, lambda: client.operations.get(operation))

    boat = create("a paper boat", IMAGE, duration_seconds=4, resolution="720p")
    reference = types.VideoGenerationReferenceImage(image=IMAGE, reference_type=ASSET)
    create("a boat", reference_images=[reference], duration_seconds=8)
    simulator.worked("create")

    [generated] = finished(boat).response.generated_videos
    simulator.worked("poll")

    if gemini:
        downloaded = client.files.download(file=generated.video)
        assert downloaded == generated.video.video_bytes
        simulator.worked("download")
    generated.video.save(str(simulator.video))

    source = types.Video(uri=generated.video.uri) if gemini else generated.video
    longer = create("it sails on", video=source, duration_seconds=8 if gemini else 7, resolution="720p")
    assert finished(longer).response.generated_videos

    filtered = finished(create("a boat [filtered]"))
    assert filtered.response.rai_media_filtered_count == 1, filtered
    assert finished(create("a boat [moderation]")).error["code"] == 3
    error = driver.refused(errors.ClientError, lambda: create("a boat", duration_seconds=5))
    assert error.code == 400, error
    simulator.worked("refusals")


def at_gemini(simulator):
    return genai.Client(vertexai=False, api_key=simulator.key, http_options=types.HttpOptions(base_url=simulator.url))


def at_vertex(simulator):
    return genai.Client(
        vertexai=True,
        project=os.environ["GOOGLE_CLOUD_PROJECT"],
        location=os.environ["GOOGLE_CLOUD_LOCATION"],
        http_options=types.HttpOptions(base_url=simulator.url),
    )


driver.drive("google-genai", script)
