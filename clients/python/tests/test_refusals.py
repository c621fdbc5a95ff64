"""What cannot work is said at once, and clearly."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any, Callable

import httpx
import pytest
from conftest import KEY, VIDEO, Connect, VirtualTime, control
from test_generate import quick
from test_silence import ENDED, ID, json_answer, serving

import onetake
from onetake import ApiConnectionError, Interrupted, Onetake, OnetakeError, TaskFailedError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY} ", "sk-ключ", "Bearer sk", ""])
def test_a_key_that_no_header_can_have(connect: Connect, key: str) -> None:
    with pytest.raises(ValueError, match="api_key") as wrong:
        connect(api_key=key)
    assert not key or key not in str(wrong.value)


@pytest.mark.parametrize("key", ["a b", "a\nb", "ключ", "", "a" * 256])
def test_an_idempotency_key_that_no_header_can_have(connect: Connect, key: str) -> None:
    client = connect()
    for call in (client.submit, client.generate):
        with pytest.raises(ValueError, match="idempotency_key must be 1 to 255 visible ASCII characters"):
            call(**quick(), idempotency_key=key)
    assert control("seen") == []


@pytest.mark.parametrize(
    ("location", "reason"),
    [("ftp://127.0.0.1/", "ftp://"), ("/", "[Rr]edirect")],
    ids=["another protocol", "in a circle"],
)
def test_a_redirect_that_leads_nowhere_is_no_outage(connect: Connect, location: str, reason: str) -> None:
    answer = f"HTTP/1.1 302 Found\r\nconnection: close\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
    with serving(answer.encode(), answer.encode()) as (url, _):
        client = connect(url)
        time = VirtualTime(client)
        for call in (client.get, client.wait):
            with pytest.raises(OnetakeError, match=reason) as refused:
                call(ID)
            assert not isinstance(refused.value, ApiConnectionError)
    assert time.sleeps == []


def test_an_outage_says_why(connect: Connect) -> None:
    with pytest.raises(ApiConnectionError, match=r"http://127\.0\.0\.1:1 .*(refused|failed)"):
        connect("http://127.0.0.1:1", max_retries=0).get(ID)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"data": 1}', b'"text"'])
def test_an_answer_of_another_server(connect: Connect, body: bytes) -> None:
    with serving(None, json_answer(body)) as (url, _):
        client = connect(url)
        calls: list[Callable[[], Any]] = [
            client.models,
            lambda: list(client.list()),
            lambda: client.get(ID),
            lambda: client.cancel(ID),
            lambda: client.submit(**quick()),
        ]
        for call in calls:
            with pytest.raises(ApiConnectionError, match="check base_url"):
                call()
        with pytest.raises(ApiConnectionError, match="check base_url"), client.stream(ID):
            pass


@pytest.mark.parametrize("told", [b"{}", b"[]", b"null"])
def test_an_event_that_tells_no_task_ends_its_stream(connect: Connect, told: bytes) -> None:
    stream = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: task\ndata: %s\n\n" % told
    with serving(stream, json_answer(ENDED)) as (url, _):
        assert connect(url).wait(ID)["status"] == "succeeded"


@pytest.mark.parametrize("more", [b"", b', "error": {}', b', "error": "why"'])
def test_a_failed_task_that_says_little(connect: Connect, more: bytes) -> None:
    with (
        serving(
            b"HTTP/1.1 404 None\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            json_answer(b'{"status": "failed"%s}' % more),
        ) as (url, _),
        pytest.raises(TaskFailedError, match="The task failed") as failed,
    ):
        connect(url).wait(ID)
    assert (failed.value.task_id, failed.value.code, failed.value.reason) == (ID, None, None)


def test_a_link_that_is_none(connect: Connect) -> None:
    task = b'{"task_id": "video_1", "status": "succeeded", "url": %s}'
    missing = b"HTTP/1.1 404 None\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    for link in (b'"http://x:port/"', b"1"):
        with serving(None, missing, json_answer(task % link)) as (url, _):
            client = connect(url)
            with pytest.raises(OnetakeError, match="no URL"), client.stream(ID):
                pass


def test_an_etag_that_no_request_can_have_is_not_sent_back(connect: Connect) -> None:
    control("video", limits=[1000], headers={"etag": '"\xe9"'})
    client = connect(VIDEO)
    VirtualTime(client)
    with client.stream(ID) as stream:
        pieces = iter(stream)
        assert len(next(pieces)) == 1000
        control("videoCut")
        with pytest.raises(ApiConnectionError):
            next(pieces)


def every_error() -> list[BaseException]:
    """One of each kind."""
    failed: Any = {"task_id": ID, "status": "failed", "error": {"code": 499, "message": "cancelled"}}
    made: dict[type, BaseException] = {
        TaskFailedError: TaskFailedError(failed),
        Interrupted: Interrupted("goes on", ID, "key"),
    }
    for name in onetake.__all__:
        kind = getattr(onetake, name)
        if not (isinstance(kind, type) and issubclass(kind, BaseException)) or kind in made:
            continue
        made[kind] = (
            kind(400, "Bad Request", httpx.Headers({"retry-after": "3"}), b'{"error": {"param": "seed"}}')
            if issubclass(kind, onetake.ApiError)
            else kind("a message")
        )
    return list(made.values())


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_errors_travel_between_processes(error: BaseException) -> None:
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(other), str(other), vars(other)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("name", ["n" * 236 + ".mp4", "雨" * 80 + ".mp4"])
def test_a_file_with_a_long_name(connect: Connect, name: str, tmp_path: Path) -> None:
    control("video", limits=[40_000])
    client = connect(VIDEO)
    VirtualTime(client)
    other = connect(VIDEO)
    # Interrupted, and gone on with.
    vars(client._core.http)["read"] = interrupted_after(client, 40_000)
    with pytest.raises(RuntimeError, match="the power went"):
        client.download(ID, tmp_path / name)
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [40_000]
    assert other.download(ID, tmp_path / name).bytes == 100_000
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert control("videoRanges") == [None, None, "bytes=40000-"]


def interrupted_after(client: Onetake, count: int) -> Callable[..., Any]:
    """A read that fails when so many bytes are there."""
    read_original = client._core.http.read
    received = 0

    async def read(*args: Any) -> bytes:
        nonlocal received
        if received == count:
            raise RuntimeError("the power went")
        piece = await read_original(*args)
        received += len(piece)
        return piece

    return read


def test_where_no_file_can_be_is_said_before_anything_is_fetched(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    client = connect(VIDEO)
    for path, error in [
        (tmp_path / "folder", IsADirectoryError),
        (tmp_path / "missing" / "boat.mp4", FileNotFoundError),
        (tmp_path / "file" / "boat.mp4", NotADirectoryError),
        (tmp_path / ("n" * 256), OSError),
    ]:
        with pytest.raises(error) as wrong:
            client.download(ID, path)
        assert wrong.value.filename == str(path)
    assert control("videoRanges") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
