"""lumaai."""

from lumaai import AuthenticationError, BadRequestError, LumaAI, NotFoundError

import driver


def script(simulator):
    client = LumaAI(auth_token=simulator.key, base_url=simulator.url, max_retries=0)
    boat = {"model": simulator.model, "prompt": "a paper boat", "duration": "5s", "resolution": "720p"}

    def create(**more):
        return client.generations.create(**{**boat, **more})

    def over(made):
        return driver.until(
            lambda answer: answer.state in ("completed", "failed"),
            lambda: client.generations.get(id=made.id),
        )

    made = create(keyframes={"frame0": {"type": "image", "url": "https://example.com/boat.png"}})
    assert made.state in ("queued", "dreaming"), made
    assert made.request.keyframes.frame0.url == "https://example.com/boat.png", made
    simulator.worked("create")

    done = over(made)
    assert done.state == "completed", done
    simulator.worked("poll")
    simulator.fetch(done.assets.video)

    listed = client.generations.list(limit=10, offset=0)
    assert made.id in [each.id for each in listed.generations], listed
    simulator.worked("list")

    failed = over(create(prompt="a boat [moderation]"))
    assert failed.failure_reason == "Advanced prompt moderation failed", failed
    assert driver.refused(BadRequestError, lambda: create(prompt="ab")).body["detail"].startswith("Prompt is too short")
    stranger = LumaAI(auth_token="wrong", base_url=simulator.url, max_retries=0)
    driver.refused(AuthenticationError, lambda: stranger.generations.get(id=made.id))
    simulator.worked("refusals")

    client.generations.delete(made.id)
    driver.refused(NotFoundError, lambda: client.generations.get(id=made.id))
    simulator.worked("delete")


driver.drive("lumaai", script)
