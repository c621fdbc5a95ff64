from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Callable

import httpx

from ._core import Core
from ._io import LIMITS, AsyncIo, SyncIo, iterate, run

if TYPE_CHECKING:
    import builtins
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from ._download import Opened, Variant
    from ._file import SavedFile
    from ._types import Model, Status, SubmitParams, Submitted, Task

_MAX_RETRIES = 5


def _setting(given: str | None, variable: str, argument: str) -> str:
    value = given if given is not None else os.environ.get(variable)
    if not value:
        raise ValueError(f"{argument} is missing: give it, or set {variable}.")
    return value


class _Video:
    """A video on its way. If the connection breaks, the rest is fetched; an error if that is impossible."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        #: The size of the whole, if the server tells it.
        self.bytes = opened.about.bytes
        #: The SHA-256 of the whole in hex digits, if the server tells it. Nothing has been compared with it.
        self.sha256 = opened.about.sha256
        self.content_type = opened.about.content_type


class VideoStream(_Video):
    """The pieces of a video."""

    def __iter__(self) -> Iterator[bytes]:
        """Go through the pieces."""
        while piece := run(self._opened.next()):
            yield piece


class AsyncVideoStream(_Video):
    """The pieces of a video."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Go through the pieces."""
        while piece := await self._opened.next():
            yield piece


class Onetake:
    """
    A client of a gateway. It keeps no state of a task, and any number of threads may use it at once.

    `base_url` may end with `/v1`; without it and `api_key`, `ONETAKE_URL` and `ONETAKE_API_KEY` are used. `max_retries` is how often a call that
    may be repeated is repeated after a failure; `wait` does not count. `http_client` replaces httpx's client, and stays yours to close.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        max_retries: int = _MAX_RETRIES,
        http_client: httpx.Client | None = None,
    ) -> None:
        url = _setting(base_url, "ONETAKE_URL", "base_url")
        key = _setting(api_key, "ONETAKE_API_KEY", "api_key")
        self._http = http_client or httpx.Client(limits=LIMITS)
        self._own = http_client is None
        self._core = Core(SyncIo(self._http), url, key, max_retries)

    def generate(
        self,
        *,
        on_progress: Callable[[Task], object] | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        **params: Unpack[SubmitParams],
    ) -> Task:
        """
        Make a video: submit, and wait until the task has succeeded.

        However often requests must be repeated, there is one task. `on_progress` is called with the task as it is first, and after each change.
        `timeout`, in seconds, ends the wait with a `WaitTimeoutError`, and not the task. Raises a `TaskFailedError` if the task failed; after any
        other error, `wait(error.task_id)` goes on with it.
        """
        return run(self._core.generate(params, on_progress, timeout, idempotency_key))

    def submit(self, *, idempotency_key: str | None = None, **params: Unpack[SubmitParams]) -> Submitted:
        """
        Submit a task, and return its id, once it is stored durably.

        `idempotency_key` is up to 255 visible ASCII characters, and a random one by default. A submit with the same key and parameters answers
        with the same task.
        """
        return run(self._core.submit(params, idempotency_key))

    def wait(
        self,
        task_id: str,
        *,
        on_progress: Callable[[Task], object] | None = None,
        timeout: float | None = None,
    ) -> Task:
        """Wait until a task has succeeded, in whatever process it was submitted. Raises a `TaskFailedError` if it failed."""
        return run(self._core.wait(task_id, on_progress, timeout))

    def get(self, task_id: str) -> Task:
        """Return a task as it is now, be it failed."""
        return run(self._core.get(task_id))

    def list(
        self,
        *,
        status: Status | None = None,
        model: str | None = None,
        metadata: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> Iterator[Task]:
        """
        Go through the tasks of the project, newest first.

        `metadata` are pairs that they were submitted with. Pages of `limit` tasks are fetched as they are needed.
        """
        return iterate(self._core.list(status, model, metadata, limit))

    def cancel(self, task_id: str) -> Task:
        """Cancel a task. One that its provider is still to stop is returned with `cancel_requested`; `wait` tells how it ends."""
        return run(self._core.cancel(task_id))

    def delete(self, task_id: str) -> None:
        """Erase a finished task with its prompt, its inputs and its video."""
        run(self._core.delete(task_id))

    def models(self) -> builtins.list[Model]:
        """Return the models, what each accepts and costs, and whether it can be used here."""
        return run(self._core.models())

    def download(
        self, task_id: str, file: str | os.PathLike[str], *, variant: Variant = "video"
    ) -> SavedFile:
        """
        Save the video of a finished task, or its poster frame (`variant="thumbnail"`).

        The file appears, or is replaced, when all bytes are there, on disk and checked: their number, and their SHA-256 if the server tells it.
        Until then they are in a hidden file beside it, with which another call goes on where this one was interrupted.
        """
        return run(self._core.download(task_id, file, variant))

    @contextlib.contextmanager
    def stream(self, task_id: str, *, variant: Variant = "video") -> Iterator[VideoStream]:
        """Open the bytes of a finished task, to go through them in pieces."""
        opened = run(self._core.open(task_id, variant))
        try:
            yield VideoStream(opened)
        finally:
            run(opened.close())

    def close(self) -> None:
        """Close the connections."""
        if self._own:
            self._http.close()

    def __enter__(self) -> Self:
        """Return the client, which is closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()


class AsyncOnetake:
    """
    `Onetake` for asyncio and Trio: the same methods, to be awaited.

    `on_progress` may also be a coroutine function. A call whose task is cancelled leaves the video task as it is.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        max_retries: int = _MAX_RETRIES,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        url = _setting(base_url, "ONETAKE_URL", "base_url")
        key = _setting(api_key, "ONETAKE_API_KEY", "api_key")
        self._http = http_client or httpx.AsyncClient(limits=LIMITS)
        self._own = http_client is None
        self._core = Core(AsyncIo(self._http), url, key, max_retries)

    async def generate(
        self,
        *,
        on_progress: Callable[[Task], Any] | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        **params: Unpack[SubmitParams],
    ) -> Task:
        """Make a video, as `Onetake.generate` does."""
        return await self._core.generate(params, on_progress, timeout, idempotency_key)

    async def submit(
        self, *, idempotency_key: str | None = None, **params: Unpack[SubmitParams]
    ) -> Submitted:
        """Submit a task, as `Onetake.submit` does."""
        return await self._core.submit(params, idempotency_key)

    async def wait(
        self,
        task_id: str,
        *,
        on_progress: Callable[[Task], Any] | None = None,
        timeout: float | None = None,
    ) -> Task:
        """Wait until a task has succeeded, as `Onetake.wait` does."""
        return await self._core.wait(task_id, on_progress, timeout)

    async def get(self, task_id: str) -> Task:
        """Return a task as it is now, be it failed."""
        return await self._core.get(task_id)

    def list(
        self,
        *,
        status: Status | None = None,
        model: str | None = None,
        metadata: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> AsyncGenerator[Task, None]:
        """Go through the tasks of the project, as `Onetake.list` does."""
        return self._core.list(status, model, metadata, limit)

    async def cancel(self, task_id: str) -> Task:
        """Cancel a task, as `Onetake.cancel` does."""
        return await self._core.cancel(task_id)

    async def delete(self, task_id: str) -> None:
        """Erase a finished task with its prompt, its inputs and its video."""
        await self._core.delete(task_id)

    async def models(self) -> builtins.list[Model]:
        """Return the models, what each accepts and costs, and whether it can be used here."""
        return await self._core.models()

    async def download(
        self, task_id: str, file: str | os.PathLike[str], *, variant: Variant = "video"
    ) -> SavedFile:
        """Save the video of a finished task, as `Onetake.download` does."""
        return await self._core.download(task_id, file, variant)

    @contextlib.asynccontextmanager
    async def stream(self, task_id: str, *, variant: Variant = "video") -> AsyncIterator[AsyncVideoStream]:
        """Open the bytes of a finished task, to go through them in pieces."""
        opened = await self._core.open(task_id, variant)
        try:
            yield AsyncVideoStream(opened)
        finally:
            await opened.close()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._own:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Return the client, which is closed at the end of the block."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.aclose()
