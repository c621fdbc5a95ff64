"""Servers that connect and then say little or nothing."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from onetake import ApiConnectionError, Onetake, WaitTimeoutError, _wait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Connect

ID = "video_69095b4ce0048190893a01510c0c98b0"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
QUEUED = b'event: task\ndata: {"task_id": "video_1", "status": "queued"}\n\n'
ENDED = b'{"task_id": "video_1", "status": "succeeded"}'


def json_answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


@contextlib.contextmanager
def serving(stream: bytes | None, *queries: bytes | None) -> Iterator[tuple[str, list[str]]]:
    """
    A server that answers requests for streams and others with these bytes, and then leaves the connection open.

    None is no answer. Queries are answered in turn; the last answer stays.
    """
    seen: list[str] = []
    connections: list[socket.socket] = []
    answers = list(queries)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(65_536)
                path = head.split(b" ")[1].decode()
                seen.append(path)
                if path.endswith("/events"):
                    answer = stream
                else:
                    answer = answers.pop(0) if len(answers) > 1 else answers[0]
                connection.sendall(answer or b"")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in connections:
                connection.close()


@contextlib.contextmanager
def trickling(head: bytes, drip: bytes) -> Iterator[str]:
    """A server that answers every request with `head`, and then with `drip` again and again, each sooner than any client minds."""
    over = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            with contextlib.suppress(OSError):
                self.wfile.write(head)
                while not over.wait(0.02):
                    self.wfile.write(drip)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            over.set()
            server.shutdown()
            thread.join()


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("head", "drip"),
    [
        (b"HTTP/1.1 200 OK\r\nx-slow: ", b"a"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (CHUNKED + b"content-type: text/event-stream\r\n\r\n1;", b"a"),
        (CHUNKED + b"content-type: application/json\r\n\r\n", b"1\r\n \r\n"),
    ],
    ids=["headers", "early hints", "the size of a piece", "a body"],
)
def test_a_timeout_ends_what_trickles(
    connect: Connect, head: bytes, drip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As long as a piece of the body may take.
    monkeypatch.setattr(_wait, "_SILENCE", 0.3)
    before = threading.active_count()
    with trickling(head, drip) as url:
        client = connect(url)
        began = time.monotonic()
        with pytest.raises(WaitTimeoutError):
            client.wait(ID, timeout=0.5)
        # On a busy machine, but far from the 20 s that a query may take.
        assert time.monotonic() - began < 8
    for thread in threading.enumerate():
        if thread.name == "onetake-send":
            thread.join(10)
            assert not thread.is_alive()
    assert threading.active_count() <= before + 1


def test_nothing_is_sent_after_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is found late would otherwise send a submit of which the caller was told that it timed out."""
    found = threading.Event()
    look_up = socket.getaddrinfo

    def slow(*args: Any, **options: Any) -> Any:
        found.wait(30)
        return look_up(*args, **options)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        with Onetake(f"http://127.0.0.1:{listener.getsockname()[1]}", "sk-1") as client:
            with pytest.raises(WaitTimeoutError):
                client.wait(ID, timeout=0.3)
            found.set()
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(30)
                assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("stream", "query"),
    [
        (STREAM + QUEUED, None),
        (STREAM, None),
        (None, None),
        (b"HTTP/1.1 404 None\r\n", b"HTTP/1.1 200 OK\r\n"),
    ],
    ids=["after an event", "before any event", "at all", "in the middle of headers"],
)
def test_a_timeout_ends_it(connect: Connect, stream: bytes | None, query: bytes | None) -> None:
    with serving(stream, query) as (url, _):
        client = connect(url)
        with pytest.raises(WaitTimeoutError, match=r"within 0\.3 s") as late:
            client.wait(ID, timeout=0.3)
        assert late.value.task_id == ID


def test_streams_that_bring_nothing_are_given_up_for_queries(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_wait, "_FIRST_EVENT", 0.1)
    monkeypatch.setattr(_wait, "_FIRST_POLL", 0.01)
    queued = json_answer(ENDED.replace(b"succeeded", b"queued"))
    with serving(STREAM, queued, queued, queued, json_answer(ENDED)) as (url, seen):
        assert connect(url).wait(ID)["status"] == "succeeded"
    kinds = ["events" if path.endswith("/events") else path.partition("?")[2] for path in seen]
    assert kinds == ["events", "wait=30", "events", "wait=30", "wait=30", "wait=30"]


def test_a_stream_that_falls_silent_is_followed_by_a_query(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_wait, "_SILENCE", 0.1)
    with serving(STREAM + QUEUED, json_answer(ENDED)) as (url, seen):
        assert connect(url).wait(ID)["status"] == "succeeded"
    assert [path.rpartition("/")[2] for path in seen] == ["events", f"{ID}?wait=5"]


def test_a_page_is_no_task(connect: Connect) -> None:
    with (
        serving(None, json_answer(b"<html>")) as (url, _),
        pytest.raises(ApiConnectionError, match="not JSON; check base_url"),
    ):
        connect(url, max_retries=0).get(ID)
