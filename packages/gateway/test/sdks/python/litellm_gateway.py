"""LiteLLM's client of OpenAI at the gateway."""

import litellm

import driver


def script(gateway):
    at = {"api_base": gateway.url, "api_key": gateway.key}
    litellm.user_url_allowed_hosts = ["127.0.0.1"]

    def create(prompt, **more):
        return litellm.video_generation(
            model=f"openai/{gateway.model}", prompt=prompt, **{**at, **gateway.options, **more}
        )

    video = create("a paper boat")
    gateway.worked("create")
    done = driver.until(
        lambda each: each.status in ("completed", "failed"), lambda: litellm.video_status(video.id, **at)
    )
    assert done.status == "completed", done
    gateway.worked("poll")
    listed = litellm.video_list(custom_llm_provider="openai", **at)
    assert len(listed["data"]) >= 1, listed
    gateway.worked("list")
    gateway.video.write_bytes(litellm.video_content(video.id, **at))
    gateway.worked("download")
    if gateway.name == "sora":
        remix = litellm.video_remix(video_id=video.id, prompt="at night", **at)
        assert remix.id != video.id, remix
    error = driver.refused(Exception, lambda: create("a boat", api_key="wrong"))
    assert error.status_code == 401, repr(error)
    gateway.worked("refusals")


driver.drive("litellm", script)
