"""runwayml."""

from runwayml import AuthenticationError, BadRequestError, NotFoundError, RunwayML, TaskFailedError

import driver


def script(simulator):
    client = RunwayML(api_key=simulator.key, base_url=simulator.url, max_retries=0)
    boat = {"model": simulator.model, "prompt_text": "a paper boat", "ratio": "1280:720", "duration": 4}

    def create(**more):
        return client.text_to_video.create(**{**boat, **more})

    made = create()
    assert made.id, made
    simulator.worked("create")

    done = made.wait_for_task_output()
    assert done.status == "SUCCEEDED", done
    simulator.worked("poll")
    simulator.fetch(done.output[0])

    held = create(prompt_text="a boat [hold]")
    client.tasks.delete(held.id)
    driver.refused(NotFoundError, lambda: client.tasks.retrieve(held.id))
    simulator.worked("cancel")

    client.tasks.delete(made.id)
    driver.refused(NotFoundError, lambda: client.tasks.retrieve(made.id))
    simulator.worked("delete")

    failed = driver.refused(TaskFailedError, create(prompt_text="a boat [moderation]").wait_for_task_output)
    assert failed.task_details.failure_code.startswith("SAFETY"), failed.task_details
    driver.refused(BadRequestError, lambda: create(duration=11))
    driver.refused(AuthenticationError, lambda: client.with_options(api_key="wrong").tasks.retrieve(made.id))
    simulator.worked("refusals")


driver.drive("runwayml", script)
