"""dashscope's VideoSynthesis."""

import dashscope
from dashscope import VideoSynthesis

import driver


def script(simulator):
    dashscope.base_http_api_url = simulator.url
    dashscope.api_key = simulator.key

    def create(prompt, **parameters):
        short = {"model": simulator.model, "resolution": "480P", "duration": 2}
        return VideoSynthesis.async_call(prompt=prompt, **{**short, **parameters})

    def ended(task, status):
        return driver.until(lambda each: each.output.task_status == status, lambda: VideoSynthesis.fetch(task)).output

    task = create("a paper boat", enable_thinking=True, watermark=False)
    assert task.status_code == 200 and task.output.task_status == "PENDING", task
    simulator.worked("create")

    done = ended(task, "SUCCEEDED")
    assert VideoSynthesis.wait(task).output.video_url == done.video_url
    simulator.worked("poll")
    simulator.fetch(done.video_url)

    listed = VideoSynthesis.list(model_name=simulator.model, page_size=5)
    assert task.output.task_id in [each["task_id"] for each in listed.output["data"]], listed
    simulator.worked("list")

    waiting = create("a boat [queued]")
    assert VideoSynthesis.cancel(waiting).status_code == 200
    assert VideoSynthesis.fetch(waiting).output.task_status == "CANCELED"
    assert VideoSynthesis.cancel(task).code == "UnsupportedOperation"
    simulator.worked("cancel")

    failed = ended(create("a boat", duration=99), "FAILED")
    assert failed["code"] == "InvalidParameter", failed
    refused = create("a boat", api_key="wrong")
    assert (refused.status_code, refused.code) == (401, "InvalidApiKey"), refused
    simulator.worked("refusals")


driver.drive("dashscope", script)
