"""A server that has only submit, query and download, as the reference page describes them."""

from __future__ import annotations

import hashlib
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from conftest import REFERENCE, Connect, VirtualTime, control

from onetake import ApiConnectionError, DownloadError, NotFoundError, Task, TaskFailedError, WaitTimeoutError

if TYPE_CHECKING:
    from pathlib import Path

ID = "video_69095b4ce0048190893a01510c0c98b0"
QUERY = f"GET /v1/video/generations/{ID}"


def test_a_task_is_polled_after_growing_delays(connect: Connect) -> None:
    control("reference", statuses=["queued"] * 6 + ["in_progress"] * 2 + ["succeeded"])
    client = connect(REFERENCE)
    time = VirtualTime(client)
    told: list[Task] = []
    task = client.wait(ID, on_progress=told.append)
    link = f"{REFERENCE}/files/video.mp4"
    assert dict(task) == {"task_id": ID, "status": "succeeded", "format": "mp4", "url": link}
    assert [task["status"] for task in told] == ["queued", "in_progress", "succeeded"]
    # Jitter takes up to half of a delay. A change may be followed by another one soon.
    assert time.sleeps == [0.75, 1.5, 3, 6, 7.5, 7.5, 0.75, 1.5]
    # It is asked once for what it does not have.
    client.wait(ID)
    assert sum("/events" in request for request in control("referenceSeen")) == 1


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("4", 4.0), ("0", 0.5), (formatdate(0, usegmt=True), 0.5), ("86400", 60.0), ("soon", 0.5)],
)
def test_it_is_asked_again_no_sooner_than_it_says(connect: Connect, asked: str, expected: float) -> None:
    control("reference", headers={"retry-after": asked})
    client = connect(REFERENCE)
    time = VirtualTime(client, chance=0)
    client.wait(ID)
    assert time.sleeps == [expected, expected]


def test_one_that_refuses_to_hold_queries_is_asked_without(connect: Connect) -> None:
    control("reference", strict=True)
    client = connect(REFERENCE)
    VirtualTime(client)
    client.wait(ID)
    queries = [request for request in control("referenceSeen") if "/events" not in request]
    assert queries == [f"{QUERY}?wait=30", QUERY, QUERY, QUERY]


def test_a_failed_task_has_its_words(connect: Connect) -> None:
    control("reference", statuses=["failed"])
    with pytest.raises(TaskFailedError, match="Prompt contains inappropriate content") as failed:
        connect(REFERENCE).generate(model="sora-2", prompt="a paper boat")
    assert (failed.value.code, failed.value.reason, failed.value.task_id) == (400, None, ID)


def test_a_timeout_ends_the_wait_for_a_task_that_stays(connect: Connect) -> None:
    control("reference", statuses=["queued"])
    client = connect(REFERENCE)
    time = VirtualTime(client)
    with pytest.raises(WaitTimeoutError, match="within 60 s") as late:
        client.generate(model="sora-2", prompt="a paper boat", timeout=60)
    assert (late.value.task_id, sum(time.sleeps)) == (ID, 60)
    assert late.value.idempotency_key


def test_a_missing_task_says_nothing_about_event_streams(connect: Connect) -> None:
    client = connect(REFERENCE)
    for _ in range(2):
        with pytest.raises(NotFoundError) as missing:
            client.wait("video_none")
        assert missing.value.task_id == "video_none"
    assert sum("/events" in request for request in control("referenceSeen")) == 2


@pytest.mark.parametrize("links", [True, False])
def test_a_video_comes_by_its_link_or_in_json(connect: Connect, links: bool, tmp_path: Path) -> None:
    control("reference", statuses=["succeeded"], links=links)
    client = connect(REFERENCE)
    task = client.generate(model="sora-2", prompt="a paper boat")
    saved = client.download(task["task_id"], str(tmp_path / "boat.mp4"))
    video = b"a video, as far as clients can tell"
    assert saved.path.read_bytes() == video
    assert (saved.bytes, saved.sha256) == (len(video), hashlib.sha256(video).hexdigest())
    with pytest.raises(DownloadError, match="no poster frame"):
        client.download(ID, tmp_path / "boat.jpg", variant="thumbnail")
    with pytest.raises(NotFoundError):
        client.download("video_none", tmp_path / "none.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["boat.mp4"]


def test_one_out_of_reach_is_asked_for_ten_minutes(connect: Connect) -> None:
    # Nothing listens there: it is reserved (RFC 6335).
    client = connect("http://127.0.0.1:1", max_retries=2)
    time = VirtualTime(client)
    with pytest.raises(ApiConnectionError) as unreachable:
        client.wait(ID)
    assert unreachable.value.task_id == ID
    assert sum(time.sleeps) > 600
    assert max(time.sleeps) <= 10
    time.sleeps.clear()
    with pytest.raises(ApiConnectionError, match="could not be reached"):
        client.models()
    assert time.sleeps == [0.375, 0.75]
