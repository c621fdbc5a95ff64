"""fal-client. The test sets FAL_QUEUE_RUN_HOST and FAL_KEY, which it reads."""

import fal_client
from fal_client.client import FalClientHTTPError

import driver


def script(simulator):
    boat = {"prompt": "a paper boat", "duration": "4s"}
    states, logs = [], []

    def update(status):
        states.append(type(status))
        logs.extend(getattr(status, "logs", None) or [])

    handle = fal_client.submit(simulator.model, boat)
    simulator.worked("create")

    for status in handle.iter_events(with_logs=True, interval=0.02):
        update(status)
    assert states[-1] is fal_client.Completed and logs and logs[0]["message"], (states, logs)
    assert handle.status().logs is None
    simulator.worked("poll")

    video = handle.get()["video"]
    assert fal_client.result(simulator.model, handle.request_id)["video"] == video
    simulator.fetch(video["url"])
    assert fal_client.subscribe(simulator.model, boat, with_logs=True, interval=0.02, on_queue_update=update)["video"]

    held = fal_client.submit(simulator.model, {**boat, "prompt": "a boat [hold]"})
    held.cancel()
    driver.refused(FalClientHTTPError, held.get)
    simulator.worked("cancel")

    wrong = {**boat, "duration": "5s"}
    error = driver.refused(FalClientHTTPError, lambda: fal_client.subscribe(simulator.model, wrong))
    assert error.status_code == 422, error
    stranger = fal_client.SyncClient(key="wrong:key")
    error = driver.refused(FalClientHTTPError, lambda: stranger.submit(simulator.model, boat))
    assert error.status_code == 401, error
    simulator.worked("refusals")


driver.drive("fal-client", script)
