from __future__ import annotations

import contextlib
import http.server
import json
import queue
import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import httpx
import pytest
from conftest import KEY, URL, Connect
from standardwebhooks.webhooks import Webhook
from test_generate import quick

from onetake import EndpointTestEvent, OpenAIEvent, WebhookError, WebhookEvent, verify_webhook

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAAQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type": "video.succeeded", "data": {"task_id": "video_1", "prompt": "雨"}}'


@contextlib.contextmanager
def receiver() -> Iterator[tuple[str, queue.Queue[tuple[bytes, Mapping[str, str]]]]]:
    """A server that takes webhooks, and what it has got."""
    received: queue.Queue[tuple[bytes, Mapping[str, str]]] = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(204)
            self.end_headers()
            received.put((body, dict(self.headers)))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/hook", received
        finally:
            server.shutdown()
            thread.join()


def test_what_the_gateway_signs_is_genuine(connect: Connect) -> None:
    authorization = {"authorization": f"Bearer {KEY}"}
    secret = httpx.get(f"{URL}/v1/webhook_secret", headers=authorization).json()["secret"]
    with receiver() as (url, received):
        task = connect().generate(**quick(webhook_url=url))
        body, headers = received.get(timeout=60)
    event = verify_webhook(body, headers, secret)
    assert event["type"] == "video.succeeded"
    assert about(event) == f"task {task['task_id']}"
    assert event["id"] == {name.lower(): value for name, value in headers.items()}["webhook-id"]
    # While the secret is rotated.
    assert verify_webhook(body.decode(), headers, [OTHER, secret]) == event
    with pytest.raises(WebhookError):
        verify_webhook(body.replace(b"succeeded", b"succeedeD"), headers, secret)
    with pytest.raises(WebhookError):
        verify_webhook(body, headers, OTHER)


def about(event: WebhookEvent) -> str:
    """What it is about. The types narrow."""
    data = event["data"]
    if "endpoint_id" in data:
        return f"endpoint {data['endpoint_id']}"
    if "task_id" in data:
        return f"task {data['task_id']}"
    return f"video {data['id']}"


def test_the_types_are_those_of_what_the_gateway_sends() -> None:
    with (
        receiver() as (url, received),
        httpx.Client(base_url=URL, headers={"authorization": f"Bearer {KEY}"}) as api,
    ):
        endpoint = api.post("/v1/webhook_endpoints", json={"url": url, "events": ["video.succeeded"]}).json()
        try:
            api.post(f"/v1/webhook_endpoints/{endpoint['id']}/test", json={}).raise_for_status()
            test = verify_webhook(*received.get(timeout=60), endpoint["secret"])
            body = {"model": "onetake-preview", "prompt": "a paper boat", "seconds": "1"}
            video = api.post("/v1/videos", json=body).raise_for_status().json()
            end = verify_webhook(*received.get(timeout=60), endpoint["secret"])
        finally:
            api.delete(f"/v1/webhook_endpoints/{endpoint['id']}")
    assert (test["type"], about(test)) == ("webhook.test", f"endpoint {endpoint['id']}")
    assert set(test) == set(EndpointTestEvent.__annotations__)
    assert (end["type"], about(end)) == ("video.completed", f"video {video['id']}")
    assert set(end) == set(OpenAIEvent.__annotations__)


def signed(body: str = BODY, age: timedelta = timedelta()) -> dict[str, str]:
    """Headers as the library signs them."""
    time = datetime.now(tz=timezone.utc) - age
    return {
        "Webhook-Id": "evt_1",
        "Webhook-Timestamp": str(int(time.timestamp())),
        "Webhook-Signature": Webhook(SECRET).sign("evt_1", time, body),
    }


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY, signed(age=timedelta(hours=1))),
        (BODY, signed(age=timedelta(hours=-1))),
        (BODY, {**signed(), "Webhook-Timestamp": "today"}),
        (BODY, {**signed(), "Webhook-Id": "evt_2"}),
        (BODY, {**signed(), "Webhook-Signature": "v1,guessed"}),
        (BODY, {**signed(), "Webhook-Signature": "nothing"}),
        (BODY, {}),
        ("no JSON", signed("no JSON")),
        (b"\xff", signed()),
    ],
    ids=["old", "future", "no time", "another id", "guessed", "none", "no headers", "no JSON", "no text"],
)
def test_what_is_not_to_be_trusted_is_refused(body: str | bytes, headers: dict[str, str]) -> None:
    assert verify_webhook(BODY, signed(), SECRET) == json.loads(BODY)
    with pytest.raises(WebhookError, match="not to be trusted"):
        verify_webhook(body, headers, SECRET)
    with pytest.raises(WebhookError, match="no secret"):
        verify_webhook(BODY, signed(), [])
