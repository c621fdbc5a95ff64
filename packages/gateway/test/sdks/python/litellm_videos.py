"""LiteLLM, which speaks the protocols of many providers. It deletes and cancels nothing, and lists only at some."""

from urllib.parse import urlsplit

import litellm

import driver

OPENAI = {"seconds": "4", "size": "1280x720"}
# LiteLLM's name of the provider, and how a short video is requested.
PROVIDERS = {
    "openai": ("openai", OPENAI),
    "azure": ("azure", OPENAI),
    "vllm-omni": ("hosted_vllm", OPENAI),
    "sglang": ("openai", OPENAI),
    "gemini": ("gemini", OPENAI),
    "dashscope": ("dashscope", {"seconds": "2", "resolution": "480P"}),
    "ark": ("volcengine", {"seconds": "5", "resolution": "480p", "aspect_ratio": "16:9"}),
    "minimax": ("minimax", {"seconds": "5", "resolution": "480P", "aspect_ratio": "1:1"}),
    "fal": ("fal_ai", {"duration": "4s"}),
}
LISTED = ("openai", "azure", "vllm-omni", "sglang", "ark")


def script(simulator):
    provider, options = PROVIDERS[simulator.name]
    at = {"api_base": simulator.url, "api_key": simulator.key}
    # It refuses to download from private addresses otherwise.
    litellm.user_url_allowed_hosts = [urlsplit(simulator.url).hostname]

    def create(prompt, **more):
        return litellm.video_generation(
            model=f"{provider}/{simulator.model}", prompt=prompt, **{**at, **options, **more}
        )

    video = create("a paper boat")
    simulator.worked("create")

    done = driver.until(
        lambda each: each.status in ("completed", "failed"), lambda: litellm.video_status(video.id, **at)
    )
    assert done.status == "completed", done
    simulator.worked("poll")

    if simulator.name in LISTED:
        listed = litellm.video_list(custom_llm_provider=provider, **at)
        assert [each["id"] for each in listed["data"]] == [video.id], listed
        simulator.worked("list")

    simulator.video.write_bytes(litellm.video_content(video.id, **at))
    simulator.worked("download")

    error = driver.refused(Exception, lambda: create("a boat", api_key="wrong"))
    assert error.status_code == 401, repr(error)
    simulator.worked("refusals")


driver.drive("litellm", script)
