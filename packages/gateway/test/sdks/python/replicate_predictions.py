"""replicate-python."""

import replicate
from replicate.exceptions import ModelError, ReplicateError

import driver


def script(simulator):
    client = replicate.Client(api_token=simulator.key, base_url=simulator.url)
    client.poll_interval = 0.02
    boat = {"prompt": "a paper boat", "duration": 5, "resolution": "480p"}

    def create(**more):
        return client.models.predictions.create(simulator.model, input={**boat, **more})

    prediction = create()
    assert prediction.status == "starting", prediction
    simulator.worked("create")

    prediction.wait()
    assert prediction.status == "succeeded", prediction
    simulator.worked("poll")

    simulator.video.write_bytes(client.run(simulator.model, input=boat, wait=False).read())
    simulator.worked("download")

    assert prediction.id in [each.id for each in client.predictions.list()]
    simulator.worked("list")

    held = create(prompt="a boat [hold]")
    held.cancel()
    assert held.status == "canceled", held
    simulator.worked("cancel")

    failing = {**boat, "prompt": "a boat [fail]"}
    driver.refused(ModelError, lambda: client.run(simulator.model, input=failing, wait=False))
    assert driver.refused(ReplicateError, lambda: create(duration="x")).status == 422
    stranger = replicate.Client(api_token="wrong", base_url=simulator.url)
    assert driver.refused(ReplicateError, lambda: stranger.predictions.get(prediction.id)).status == 401
    simulator.worked("refusals")


driver.drive("replicate", script)
