"""docs/clients/python.md: one call, and `wait` in another process."""

import json
import os

from onetake import Onetake

with Onetake(max_retries=20) as client:
    if "TASK_ID" in os.environ:
        task = client.wait(os.environ["TASK_ID"])
    else:
        params = json.loads(os.environ["PARAMS"])
        task = client.generate(**params, idempotency_key=os.environ["IDEMPOTENCY_KEY"])
    client.download(task["task_id"], os.environ["FILE"])
