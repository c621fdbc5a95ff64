"""The runtime in BytePlus's SDK, or the same in Volcengine's. The package is the argument."""

import base64
import importlib
import sys

import driver

[_, PACKAGE] = sys.argv
MODULE = {"volcengine-ark-runtime": "volcenginesdkarkruntime", "byteplus-python-sdk-v2": "byteplussdkarkruntime"}[PACKAGE]
runtime = importlib.import_module(MODULE)
errors = importlib.import_module(f"{MODULE}._exceptions")
PICTURE = f"data:image/png;base64,{base64.b64encode(driver.IMAGE.read_bytes()).decode()}"
FIRST_FRAME = {"type": "image_url", "image_url": {"url": PICTURE}, "role": "first_frame"}


def script(simulator):
    tasks = tasks_of(simulator.url, simulator.key)

    def create(prompt, *more, **parameters):
        return tasks.create(model=simulator.model, content=[{"type": "text", "text": prompt}, *more], **parameters)

    def ended(task, status):
        return driver.until(lambda each: each.status == status, lambda: tasks.get(task_id=task.id))

    task = create("a paper boat", FIRST_FRAME, resolution="480p", ratio="adaptive", duration=5, watermark=False)
    simulator.worked("create")

    done = ended(task, "succeeded")
    assert done.usage.completion_tokens > 0 and done.seed is not None, done
    simulator.worked("poll")
    simulator.fetch(done.content.video_url)

    listed = tasks.list(page_size=5, status="succeeded", task_ids=[task.id])
    assert [each.id for each in listed.items] == [task.id] and listed.total == 1, listed
    simulator.worked("list")

    waiting = create("a boat [queued]")
    tasks.delete(task_id=waiting.id)
    assert tasks.get(task_id=waiting.id).status == "cancelled"
    simulator.worked("cancel")

    tasks.delete(task_id=task.id)
    driver.refused(errors.ArkNotFoundError, lambda: tasks.get(task_id=task.id))
    simulator.worked("delete")

    failed = ended(create("a boat [moderation]"), "failed")
    assert failed.error.code and failed.error.message, failed
    driver.refused(errors.ArkBadRequestError, lambda: create("a boat", duration=99))
    stranger = tasks_of(simulator.url, "wrong")
    driver.refused(errors.ArkAuthenticationError, lambda: stranger.get(task_id=task.id))
    simulator.worked("refusals")


def tasks_of(url, key):
    return runtime.Ark(base_url=url, api_key=key, max_retries=0).content_generation.tasks


driver.drive(PACKAGE, script)
