"""docs/openai-api.md, "When the network breaks"."""

import json
import os

from openai import OpenAI

params = json.loads(os.environ["PARAMS"])
request = {"model": params["model"], "prompt": params["prompt"]}
request.update(seconds=str(params["duration"]), size="1280x720")

client = OpenAI(
    base_url=os.environ["ONETAKE_URL"] + "/v1", api_key=os.environ["ONETAKE_API_KEY"], max_retries=20
)
once = {"Idempotency-Key": os.environ["IDEMPOTENCY_KEY"]}
if "TASK_ID" in os.environ:
    video = client.videos.poll(os.environ["TASK_ID"])
else:
    video = client.videos.create_and_poll(**request, extra_headers=once)
client.videos.download_content(video.id).write_to_file(os.environ["FILE"])
