from __future__ import annotations

import asyncio
import hashlib
import inspect
import os
import pickle
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel
import httpx
import pytest
from conftest import KEY, URL, Connect, control

from onetake import (
    ApiConnectionError,
    AsyncOnetake,
    AuthenticationError,
    ConflictError,
    GoneError,
    InvalidRequestError,
    NotFoundError,
    Onetake,
    ServerError,
    SubmitParams,
    Task,
    TaskFailedError,
    WaitTimeoutError,
)

if TYPE_CHECKING:
    from pathlib import Path


def quick(**more: Any) -> SubmitParams:
    """The fastest video of the built-in model."""
    params = {
        "model": "onetake-preview",
        "prompt": "a paper boat",
        "duration": 1,
        "resolution": "480p",
        "seed": 1,
    }
    return cast("SubmitParams", {**params, **more})


def held(**more: Any) -> SubmitParams:
    """A video of the simulated OpenAI, which is made until it is finished."""
    return cast("SubmitParams", {"model": "sora-2", "prompt": "a paper boat [hold]", "duration": 4, **more})


@pytest.fixture
def metadata(request: pytest.FixtureRequest) -> dict[str, str]:
    """Differs from test to test."""
    return {"test": request.node.name}


def tasks_of(client: Onetake, metadata: dict[str, str]) -> list[str]:
    """The ids of the tasks of a test, newest first."""
    return [task["task_id"] for task in client.list(metadata=metadata, limit=2)]


def test_a_video_is_made_and_saved(connect: Connect, metadata: dict[str, str], tmp_path: Path) -> None:
    client = connect()
    told: list[Task] = []
    task = client.generate(**quick(metadata=metadata), on_progress=told.append)
    assert (task["status"], task["model"], task["metadata"]) == ("succeeded", "onetake-preview", metadata)
    assert (told[0]["task_id"], told[0]["status"]) == (task["task_id"], "queued")
    assert told[-1] == task
    # A submit and a stream: nothing was polled.
    path = "/v1/video/generations"
    assert control("seen") == [f"POST {path}", f"GET {path}/{task['task_id']}/events"]

    saved = client.download(task["task_id"], tmp_path / "boat.mp4")
    video = saved.path.read_bytes()
    assert video[4:8] == b"ftyp"
    assert b"moov" in video
    assert (len(video), hashlib.sha256(video).hexdigest()) == (task["bytes"], saved.sha256)
    with client.stream(task["task_id"]) as stream:
        assert (stream.bytes, stream.sha256, stream.content_type) == (saved.bytes, saved.sha256, "video/mp4")
        assert b"".join(stream) == video
    assert client.download(task["task_id"], tmp_path / "boat.jpg", variant="thumbnail").path.read_bytes()[
        :2
    ] == (b"\xff\xd8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["boat.jpg", "boat.mp4"]

    assert client.get(task["task_id"])["status"] == "succeeded"
    with pytest.raises(ConflictError):
        client.cancel(task["task_id"])
    client.delete(task["task_id"])
    with pytest.raises(GoneError) as gone:
        client.get(task["task_id"])
    assert gone.value.task_id == task["task_id"]


def test_a_video_is_saved_whole_although_the_connection_breaks(connect: Connect, tmp_path: Path) -> None:
    client = connect()
    task = client.generate(**quick())
    control("fault", match="/content", times=3, fault={"cutAfter": 5000})
    saved = client.download(task["task_id"], tmp_path / "boat.mp4")
    assert saved.bytes == task["bytes"]
    assert hashlib.sha256(saved.path.read_bytes()).hexdigest() == saved.sha256
    assert sum("/content" in request for request in control("seen")) == 4


def test_tasks_are_listed_over_pages_and_cancelled(connect: Connect, metadata: dict[str, str]) -> None:
    client = connect()
    ids = [client.submit(**held(metadata=metadata))["task_id"] for _ in range(3)]
    assert tasks_of(client, metadata) == ids[::-1]
    control("finishing")
    assert [client.wait(task_id)["status"] for task_id in ids] == ["succeeded"] * 3
    task_id = client.submit(**quick(duration=8))["task_id"]
    client.cancel(task_id)
    with pytest.raises(TaskFailedError) as failed:
        client.wait(task_id)
    error = failed.value
    assert (error.code, error.reason, error.task_id) == (499, "cancelled", task_id)
    assert error.task["status"] == "failed"


def test_refusals_are_typed(connect: Connect) -> None:
    client = connect()
    models = {model["id"]: model for model in client.models()}
    assert models["onetake-preview"]["available"]
    with pytest.raises(InvalidRequestError) as wrong:
        client.generate(**quick(duration=1000))
    assert (wrong.value.status, wrong.value.param) == (400, "duration")
    assert wrong.value.reason
    assert wrong.value.request_id
    copy = pickle.loads(pickle.dumps(wrong.value))
    assert (type(copy), str(copy), vars(copy)) == (InvalidRequestError, str(wrong.value), vars(wrong.value))
    with pytest.raises(InvalidRequestError, match="negative_prompt"):
        client.submit(**quick(negative_promt="rain"))
    with pytest.raises(NotFoundError):
        client.wait(f"video_{'0' * 32}")
    with pytest.raises(AuthenticationError):
        connect(api_key="sk-wrong").models()


def test_a_lost_answer_and_a_busy_server_make_no_second_task(
    connect: Connect, metadata: dict[str, str]
) -> None:
    client = connect()
    control("fault", match="POST", times=1, fault={"lose": True})
    task = client.generate(**quick(metadata=metadata))
    control("fault", match="GET", times=1, fault={"answer": 503, "headers": {"retry-after": "0"}})
    assert tasks_of(client, metadata) == [task["task_id"]]


@pytest.mark.parametrize("bytes_", [100, 700])
def test_streams_that_are_cut_delay_it(connect: Connect, metadata: dict[str, str], bytes_: int) -> None:
    """After 100 bytes not one event has arrived, after 700 the second one is cut in the middle."""
    client = connect()
    control("fault", match="/events", times=3, fault={"cutAfter": bytes_})
    control("finishing")
    task = client.generate(**held(metadata=metadata))
    assert task["status"] == "succeeded"
    assert tasks_of(client, metadata) == [task["task_id"]]


@pytest.mark.parametrize("status", [404, 502])
def test_where_streams_do_not_get_through_queries_are_held(connect: Connect, status: int) -> None:
    client = connect()
    control("fault", match="/events", fault={"answer": status})
    control("finishing")
    assert client.generate(**held())["status"] == "succeeded"
    assert any("wait=30" in request for request in control("seen"))


def test_cut_connections_delay_it(connect: Connect, metadata: dict[str, str]) -> None:
    client = connect()
    cuts: list[str] = []

    def cut_once(task: Task) -> None:
        if task["status"] == "in_progress" and not cuts:
            cuts.append(task["task_id"])
            control("cut")
            control("finishing")

    task = client.generate(**held(metadata=metadata), on_progress=cut_once)
    assert task["status"] == "succeeded"
    assert cuts == tasks_of(client, metadata) == [task["task_id"]]


def test_a_restart_of_the_gateway_delays_it(connect: Connect, metadata: dict[str, str]) -> None:
    client = connect()
    restarts: list[str] = []

    def restart_once(task: Task) -> None:
        if task["status"] == "in_progress" and not restarts:
            restarts.append(task["task_id"])
            control("stop")
            control("start")
            control("finishing")

    task = client.generate(**held(metadata=metadata), on_progress=restart_once)
    assert (task["status"], task["metadata"]) == ("succeeded", metadata)
    assert restarts == tasks_of(client, metadata) == [task["task_id"]]
    assert connect().wait(task["task_id"])["status"] == "succeeded"


def test_a_submit_that_never_gets_through_says_with_which_key_to_try_again(
    connect: Connect, metadata: dict[str, str]
) -> None:
    client = connect(max_retries=0)
    params = quick(metadata=metadata)
    control("fault", match="POST", fault={"answer": 502})
    with pytest.raises(ServerError) as refused:
        client.generate(**params)
    key = refused.value.idempotency_key
    assert key
    control("fault", match="POST", fault={"lose": True})
    with pytest.raises(ApiConnectionError):
        client.submit(**params, idempotency_key=key)
    control("reset")
    task = client.generate(**params, idempotency_key=key)
    assert tasks_of(client, metadata) == [task["task_id"]]


def test_a_timeout_ends_the_wait_and_not_the_task(connect: Connect, metadata: dict[str, str]) -> None:
    client = connect()
    task_id = client.submit(**held(metadata=metadata))["task_id"]
    with pytest.raises(WaitTimeoutError) as late:
        client.wait(task_id, timeout=0.2)
    assert isinstance(late.value, TimeoutError)
    assert late.value.task_id == task_id
    control("finishing")
    assert client.wait(task_id, timeout=120)["status"] == "succeeded"
    assert tasks_of(client, metadata) == [task_id]


@pytest.mark.parametrize("error", [ValueError("mine"), ApiConnectionError("mine")])
def test_what_a_callback_raises_is_raised(connect: Connect, error: Exception) -> None:
    def fail(_: Task) -> None:
        raise error

    client = connect()
    task_id = client.submit(**quick())["task_id"]
    with pytest.raises(type(error), match="mine"):
        client.wait(task_id, on_progress=fail)


SCRIPT = """
import sys
from onetake import Onetake

def tell(task):
    if task["status"] == "in_progress":
        print(task["task_id"], flush=True)

with Onetake() as client:
    try:
        client.generate(model="sora-2", prompt="a paper boat [hold]", duration=4, on_progress=tell)
    except KeyboardInterrupt as interrupt:
        print(interrupt.task_id, flush=True)
        raise
"""


def test_ctrl_c_leaves_the_task_and_names_it() -> None:
    """And another process goes on with it."""
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert child.stdout
    assert child.stderr
    with child:
        try:
            task_id = child.stdout.readline().strip()
            # While it reads the event stream, or shortly before.
            child.send_signal(signal.SIGINT)
            assert child.stdout.read().strip().splitlines()[-1:] == [task_id]
            errors = child.stderr.read()
        finally:
            child.kill()
    assert f"Interrupted: The task {task_id} goes on: wait('{task_id}') waits for it again." in errors
    control("finishing")
    with Onetake(URL, KEY) as client:
        assert client.get(task_id)["status"] in ("in_progress", "succeeded")
        assert client.wait(task_id)["status"] == "succeeded"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelling_leaves_the_task(backend: str) -> None:
    """And no connection."""

    async def main() -> None:
        async with AsyncOnetake(URL, KEY) as client:
            known: list[str] = []
            with anyio.CancelScope() as scope:

                async def cancel(task: Task) -> None:
                    known.append(task["task_id"])
                    if task["status"] == "in_progress":
                        scope.cancel()
                    await anyio.lowlevel.checkpoint()

                await client.generate(**held(), on_progress=cancel)
            assert scope.cancelled_caught
            pool: Any = client._http._transport
            assert all(connection.is_idle() for connection in pool._pool.connections)
            control("finishing")
            assert (await client.wait(known[0]))["status"] == "succeeded"

    anyio.run(main, backend=backend)


def test_a_cancelled_call_says_which_task_goes_on() -> None:
    async def main() -> None:
        async with AsyncOnetake(URL, KEY) as client:
            known: list[str] = []

            def cancel(task: Task) -> None:
                known.append(task["task_id"])
                calling.cancel()

            calling = asyncio.ensure_future(client.generate(**held(), on_progress=cancel))
            with pytest.raises(asyncio.CancelledError) as cancelled:
                await calling
            if sys.version_info >= (3, 11):
                assert f"The task {known[0]} goes on" in cancelled.value.__notes__[0]
            with pytest.raises(ConnectionError) as unreachable:
                await AsyncOnetake("http://127.0.0.1:1", KEY, max_retries=0).submit(**held())
            assert isinstance(unreachable.value, ApiConnectionError)
            assert (unreachable.value.task_id, bool(unreachable.value.idempotency_key)) == (None, True)

    asyncio.run(main())


def test_many_wait_at_once_with_one_client() -> None:
    """More than httpx has connections for by default, and long calls do not hold up each other."""

    async def main() -> None:
        async with AsyncOnetake(URL, KEY) as client:
            task_id = (await client.submit(**held()))["task_id"]
            waiting = 0
            ended: list[str] = []

            async def wait() -> None:
                async def tell(_: Task) -> None:
                    nonlocal waiting
                    waiting += 1
                    if waiting == 120:
                        control("finishing")

                ended.append((await client.wait(task_id, on_progress=tell))["status"])

            async with anyio.create_task_group() as group:
                for _ in range(120):
                    group.start_soon(wait)
            assert ended == ["succeeded"] * 120

    anyio.run(main)


def test_both_clients_have_the_same_methods() -> None:
    def methods(client: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in vars(client).items()
            if not name.startswith("_") and callable(method)
        }

    blocking, waiting = methods(Onetake), methods(AsyncOnetake)
    waiting["close"] = waiting.pop("aclose")
    assert blocking == waiting


def test_a_client_is_made_of_arguments_or_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Onetake() as client:
        assert client.models()
    http = httpx.Client(headers={"x-team": "boats"})
    with Onetake(f"{URL}/v1/", KEY, http_client=http) as client:
        assert client.models()
    assert not http.is_closed
    http.close()
    for url, trouble in [
        ("video.example.com", "must begin with"),
        ("file:///v1", "must begin with"),
        ("https://me:secret@video.example.com", "must have no user"),
        ("https://video.example.com?key=1", "no query"),
    ]:
        with pytest.raises(ValueError, match=trouble):
            Onetake(url, KEY)
    monkeypatch.delenv("ONETAKE_API_KEY")
    with pytest.raises(ValueError, match="set ONETAKE_API_KEY"):
        Onetake(URL)
