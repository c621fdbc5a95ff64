"""
What a client needs of the world, blocking or in an event loop.

Everything else is written once, as coroutines over `Io`. With `SyncIo` their operations block, so such a coroutine ends without ever
waiting for an event loop, and `run` takes its result.
"""

from __future__ import annotations

import abc
import contextlib
import contextvars
import inspect
import random
import socket
import threading
import time
from concurrent import futures
from typing import TYPE_CHECKING, Any, Callable, Protocol, TypeVar

import anyio
import anyio.to_thread
import httpx

from ._errors import ApiConnectionError, OnetakeError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator

T = TypeVar("T")

#: A client may wait for any number of tasks at once, each with a connection of its own.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Take the result of a coroutine whose operations all block."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise RuntimeError("An operation of the blocking client waits for an event loop.")


def iterate(items: AsyncGenerator[T, None]) -> Iterator[T]:
    """Take the items of a generator whose operations all block."""
    while True:
        try:
            item = run(items.__anext__())
        except StopAsyncIteration:
            return
        yield item


class Response(Protocol):
    """An answer whose body is still to be read."""

    status: int
    phrase: str
    headers: httpx.Headers

    async def read(self, seconds: float) -> bytes:
        """The next piece, empty at the end. An error if there is none for so long."""

    async def close(self) -> None:
        """Ends the body."""


class Io(abc.ABC):
    """Time, chance, and the operations that block or wait."""

    http: httpx.Client | httpx.AsyncClient

    def now(self) -> float:
        """Seconds. Only differences mean something."""
        return time.monotonic()

    def random(self) -> float:
        """At least 0, less than 1."""
        return random.random()  # noqa: S311 - of delays

    @abc.abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Let time pass."""

    @abc.abstractmethod
    async def send(self, request: httpx.Request, seconds: float, idle: float) -> Response:
        """
        Send a request, and return when the headers of the answer are there, within so many seconds.

        `idle` is the longest that will be waited for a piece of the body.
        """

    @abc.abstractmethod
    async def block(self, work: Callable[[], T]) -> T:
        """Do what blocks for a moment, such as writing to a file."""

    @abc.abstractmethod
    async def tell(self, callback: Callable[[Any], object], value: object) -> None:
        """Call back."""


@contextlib.contextmanager
def _translated(request: httpx.Request, seconds: float) -> Iterator[None]:
    try:
        yield
    except (httpx.TimeoutException, TimeoutError) as error:
        raise ApiConnectionError(f"Nothing came from the server within {seconds:g} s.") from error
    except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
        raise OnetakeError(f"The request cannot be sent: {error}") from error
    except httpx.HTTPError as error:
        origin = f"{request.url.scheme}://{request.url.netloc.decode()}"
        reason = str(error) or type(error).__name__
        raise ApiConnectionError(
            f"{origin} could not be reached, or the connection broke: {reason}"
        ) from error


class SyncIo(Io):
    """Operations that block."""

    def __init__(self, http: httpx.Client) -> None:
        self.http: httpx.Client = http

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - it is not called in an event loop

    async def send(self, request: httpx.Request, seconds: float, idle: float) -> Response:
        # Of each address, write and read.
        request.extensions["timeout"] = httpx.Timeout(seconds, pool=None).as_dict()
        with _translated(request, seconds):
            return _SyncResponse(_sent(self.http, request, seconds), idle)

    async def block(self, work: Callable[[], T]) -> T:
        return work()

    async def tell(self, callback: Callable[[Any], object], value: object) -> None:
        callback(value)


def _sent(http: httpx.Client, request: httpx.Request, seconds: float) -> httpx.Response:
    """
    Send it in a thread of its own, and give it up after so long.

    httpx's timeouts begin anew with each byte that arrives, and a look-up of a name has none: only from outside can all of it be bounded.
    """
    sent: futures.Future[httpx.Response] = futures.Future()
    streams: list[Any] = []

    def note(event: str, info: dict[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            streams.append(info["return_value"])
            # Given up before there was a connection: nothing may be sent on it any more.
            if sent.cancelled():
                _cut(info["return_value"])

    def send() -> None:
        try:
            response = http.send(request, stream=True, follow_redirects=True)
        except BaseException as error:
            with contextlib.suppress(futures.InvalidStateError):
                sent.set_exception(error)
            return
        try:
            sent.set_result(response)
        except futures.InvalidStateError:
            response.close()

    request.extensions["trace"] = note
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(send,), name="onetake-send", daemon=True).start()
    try:
        return sent.result(seconds)
    except BaseException as error:
        if sent.cancel():
            # So that the thread ends as well, unless it uses a connection from before.
            for stream in streams[-1:]:
                _cut(stream)
        elif not sent.exception():
            sent.result().close()
        if isinstance(error, futures.TimeoutError):
            raise TimeoutError from error
        raise


def _cut(stream: Any) -> None:
    """End what blocks in another thread with this connection."""
    connection = stream.get_extra_info("socket")
    if isinstance(connection, socket.socket):
        with contextlib.suppress(OSError):
            # Not the method of an SSL socket, which would change what the other thread reads with.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _SyncResponse:
    def __init__(self, response: httpx.Response, idle: float) -> None:
        self.status = response.status_code
        self.phrase = response.reason_phrase
        self.headers = response.headers
        self._response = response
        self._pieces = response.iter_bytes()
        # httpx reads it again when the body begins, and then never again.
        response.request.extensions["timeout"]["read"] = idle

    async def read(self, seconds: float) -> bytes:
        with _translated(self._response.request, seconds), self._cut_after(seconds):
            return next(self._pieces, b"")

    @contextlib.contextmanager
    def _cut_after(self, seconds: float) -> Iterator[None]:
        """Cut the connection after so long: nothing else ends a read that blocks, or that gets a byte of no piece now and then."""
        over = threading.Event()

        def cut() -> None:
            over.set()
            stream = self._response.extensions.get("network_stream")
            if stream:
                _cut(stream)

        timer = threading.Timer(seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except httpx.HTTPError as error:
            if over.is_set():
                raise TimeoutError from error
            raise
        finally:
            timer.cancel()
        # The end of a body that ends with its connection.
        if over.is_set():
            raise TimeoutError

    async def close(self) -> None:
        self._response.close()


class AsyncIo(Io):
    """Operations that wait in an event loop: asyncio or Trio."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http: httpx.AsyncClient = http

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def send(self, request: httpx.Request, seconds: float, idle: float) -> Response:
        request.extensions["timeout"] = httpx.Timeout(None).as_dict()
        with _translated(request, seconds), anyio.fail_after(seconds):
            return _AsyncResponse(await self.http.send(request, stream=True, follow_redirects=True))

    async def block(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work)

    async def tell(self, callback: Callable[[Any], object], value: object) -> None:
        told = callback(value)
        if inspect.isawaitable(told):
            await told


class _AsyncResponse:
    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.phrase = response.reason_phrase
        self.headers = response.headers
        self._response = response
        self._pieces: AsyncIterator[bytes] = response.aiter_bytes()

    async def read(self, seconds: float) -> bytes:
        with _translated(self._response.request, seconds), anyio.fail_after(seconds):
            try:
                return await self._pieces.__anext__()
            except StopAsyncIteration:
                return b""

    async def close(self) -> None:
        # Also if the task is cancelled, which would otherwise leave the connection to the pool half closed.
        with anyio.CancelScope(shield=True):
            await self._response.aclose()
