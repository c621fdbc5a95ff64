"""The servers that `python.test.ts` has started, and both clients behind one blocking interface."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
from typing import TYPE_CHECKING, Any, Callable, Protocol, cast

import anyio.from_thread
import httpx
import pytest

from onetake import AsyncOnetake, Onetake

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = os.environ["ONETAKE_URL"]
KEY = os.environ["ONETAKE_API_KEY"]
REFERENCE = os.environ["REFERENCE_URL"]
VIDEO = os.environ["VIDEO_URL"]


def control(command: str, **arguments: object) -> Any:
    """Has `support/control.ts` do something to a server."""
    # Starting a gateway takes a while on a busy machine.
    response = httpx.post(f"{os.environ['CONTROL_URL']}/{command}", json=arguments, timeout=120)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture(autouse=True)
def _as_before_each_test() -> None:
    control("reset")


class Connect(Protocol):
    """Makes a client of a gateway, or of another server."""

    def __call__(self, base_url: str = URL, *, api_key: str = KEY, max_retries: int = 5) -> Onetake:
        """With these settings."""


@pytest.fixture(params=["blocking", "asyncio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """The blocking client, and the other one in an event loop of its own thread."""
    with contextlib.ExitStack() as stack:

        def blocking(base_url: str = URL, *, api_key: str = KEY, max_retries: int = 5) -> Onetake:
            return stack.enter_context(Onetake(base_url, api_key, max_retries=max_retries))

        def waiting(base_url: str = URL, *, api_key: str = KEY, max_retries: int = 5) -> Onetake:
            client = portal.call(functools.partial(AsyncOnetake, base_url, api_key, max_retries=max_retries))
            stack.callback(portal.call, client.aclose)
            return cast("Onetake", _Blocking(client, portal))

        if request.param == "blocking":
            yield blocking
            return
        portal = stack.enter_context(anyio.from_thread.start_blocking_portal("asyncio"))
        yield waiting


class _Blocking:
    """`AsyncOnetake`, called as `Onetake` is."""

    def __init__(self, client: AsyncOnetake, portal: anyio.from_thread.BlockingPortal) -> None:
        self._client = client
        self._portal = portal
        # For tests that replace its parts.
        self._core = client._core

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        if inspect.iscoroutinefunction(method):
            return lambda *args, **kwargs: self._portal.call(functools.partial(method, *args, **kwargs))
        return functools.partial(self._iterate if name == "list" else self._stream, method)

    def _iterate(self, method: Callable[..., Any], **arguments: object) -> Iterator[Any]:
        items = method(**arguments)
        while True:
            try:
                item = self._portal.call(items.__anext__)
            except StopAsyncIteration:
                return
            yield item

    @contextlib.contextmanager
    def _stream(self, method: Callable[..., Any], *args: object, **kwargs: object) -> Iterator[Any]:
        with self._portal.wrap_async_context_manager(method(*args, **kwargs)) as video:
            yield _BlockingVideo(video, self._portal)


class _BlockingVideo:
    def __init__(self, video: Any, portal: anyio.from_thread.BlockingPortal) -> None:
        self._video = video
        self._portal = portal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._video, name)

    def __iter__(self) -> Iterator[bytes]:
        pieces = self._video.__aiter__()
        while True:
            try:
                piece = self._portal.call(pieces.__anext__)
            except StopAsyncIteration:
                return
            yield piece


class VirtualTime:
    """Time that passes only by sleeping, which takes none. Chance is always the same."""

    def __init__(self, client: Onetake, chance: float = 0.5) -> None:
        self.sleeps: list[float] = []
        self._now = 0.0
        io = client._core.io

        async def sleep(seconds: float) -> None:
            self.sleeps.append(seconds)
            self._now += seconds

        vars(io).update(sleep=sleep, now=lambda: self._now, random=lambda: chance)
