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

from onetake import WebhookError, verify_webhook

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
    assert (event["type"], event["data"]["task_id"]) == ("video.succeeded", task["task_id"])
    assert event["id"] == {name.lower(): value for name, value in headers.items()}["webhook-id"]
    # While the secret is rotated.
    assert verify_webhook(body.decode(), headers, [OTHER, secret]) == event
    with pytest.raises(WebhookError):
        verify_webhook(body.replace(b"succeeded", b"succeedeD"), headers, secret)
    with pytest.raises(WebhookError):
        verify_webhook(body, headers, OTHER)


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
