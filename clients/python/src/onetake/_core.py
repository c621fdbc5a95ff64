"""The calls of a client, written once for `Onetake` and `AsyncOnetake`."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._download import Opened, Variant, open_download
from ._errors import ApiConnectionError, Interrupted, OnetakeError, about_task
from ._file import SavedFile, save
from ._http import Call, Http, header_value
from ._timing import Deadline
from ._wait import Abilities, OnProgress, task_of, task_path, wait_for_task

if TYPE_CHECKING:
    import builtins
    import os
    from collections.abc import AsyncGenerator, Iterator, Mapping

    from ._io import Io
    from ._types import Model, Status, SubmitParams, Submitted, Task

_TASKS = "/v1/video/generations"
#: The gateway fetches the inputs of a task for up to two minutes before it answers. Given up earlier, a repeat would begin anew. Seconds.
_SUBMIT_TIMEOUT = 180.0
_LONGEST_KEY = 255


@dataclasses.dataclass
class _About:
    """What is known of a task that is submitted or waited for."""

    task_id: str | None = None
    idempotency_key: str | None = None

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Have whatever ends the work say how to go on with the task, which goes on."""
        try:
            yield
        except OnetakeError as error:
            error.task_id = error.task_id or self.task_id
            error.idempotency_key = error.idempotency_key or self.idempotency_key
            raise
        except KeyboardInterrupt as interrupt:
            raise Interrupted(self._how(), self.task_id, self.idempotency_key) from interrupt
        # Such as a cancelled task of asyncio: it must stay what it is. Notes exist from Python 3.11 on.
        except BaseException as error:
            if hasattr(error, "add_note"):
                error.add_note(self._how())
            raise

    def _how(self) -> str:
        if self.task_id:
            return f"The task {self.task_id} goes on: wait({self.task_id!r}) waits for it again."
        return f"The task may have been accepted: call again with idempotency_key={self.idempotency_key!r}."


class Core:
    """All calls, as coroutines over `Io`."""

    def __init__(self, io: Io, base_url: str, api_key: str, max_retries: int) -> None:
        self.io = io
        self.http = Http(io, base_url, api_key, max_retries)
        self.abilities = Abilities()

    def _deadline(self, timeout: float | None = None) -> Deadline:
        return Deadline(self.io, timeout)

    async def generate(
        self,
        params: SubmitParams,
        on_progress: OnProgress | None,
        timeout: float | None,
        idempotency_key: str | None,
    ) -> Task:
        deadline = self._deadline(timeout)
        about = _About(idempotency_key=_checked_key(idempotency_key))
        with about.named():
            submitted = await self._submit(params, about, deadline)
            if on_progress:
                await self.io.tell(on_progress, submitted)
            known: dict[str, Any] = dict(submitted)
            return await wait_for_task(
                self.http, self.abilities, submitted["task_id"], on_progress, deadline, known
            )

    async def submit(self, params: SubmitParams, idempotency_key: str | None) -> Submitted:
        about = _About(idempotency_key=_checked_key(idempotency_key))
        with about.named():
            return await self._submit(params, about, self._deadline())

    async def _submit(self, params: SubmitParams, about: _About, deadline: Deadline) -> Submitted:
        call = Call(
            _TASKS,
            deadline,
            method="POST",
            body=params,
            headers={"idempotency-key": about.idempotency_key or ""},
            timeout=_SUBMIT_TIMEOUT,
            # Because of the key.
            repeatable=True,
        )
        submitted: Submitted = (await self.http.json(call)).body
        if not isinstance(submitted, dict) or not isinstance(submitted.get("task_id"), str):
            raise ApiConnectionError("The answer has no task_id; check base_url.")
        about.task_id = submitted["task_id"]
        return submitted

    async def wait(self, task_id: str, on_progress: OnProgress | None, timeout: float | None) -> Task:
        with _About(task_id).named():
            return await wait_for_task(
                self.http, self.abilities, task_id, on_progress, self._deadline(timeout)
            )

    async def get(self, task_id: str) -> Task:
        return await self._task(task_id, Call(task_path(task_id), self._deadline(), repeatable=True))

    async def list(
        self, status: Status | None, model: str | None, metadata: Mapping[str, str] | None, limit: int | None
    ) -> AsyncGenerator[Task, None]:
        query: dict[str, str | int | None] = {"status": status, "model": model, "limit": limit}
        query.update({f"metadata[{name}]": value for name, value in (metadata or {}).items()})
        while True:
            page = (await self.http.json(Call(_TASKS, self._deadline(), query=query, repeatable=True))).body
            for task in _list_of(page):
                yield task
            if not page.get("has_more") or page.get("next_cursor") is None:
                return
            query["after"] = page["next_cursor"]

    async def cancel(self, task_id: str) -> Task:
        return await self._task(
            task_id, Call(f"{task_path(task_id)}/cancel", self._deadline(), method="POST")
        )

    async def delete(self, task_id: str) -> None:
        with about_task(task_id):
            await self.http.json(Call(task_path(task_id), self._deadline(), method="DELETE"))

    async def models(self) -> builtins.list[Model]:
        answer = await self.http.json(Call("/v1/models", self._deadline(), repeatable=True))
        return _list_of(answer.body)

    async def download(self, task_id: str, file: str | os.PathLike[str], variant: Variant) -> SavedFile:
        with about_task(task_id):
            return await save(self.http, task_id, Path(file), variant)

    async def open(self, task_id: str, variant: Variant) -> Opened:
        with about_task(task_id):
            return await open_download(self.http, task_id, variant)

    async def _task(self, task_id: str, call: Call) -> Task:
        with about_task(task_id):
            task: Task = task_of((await self.http.json(call)).body)
            return task


def _checked_key(given: str | None) -> str:
    if given is None:
        return secrets.token_hex(16)
    if not header_value(given) or len(given) > _LONGEST_KEY:
        raise ValueError(f"idempotency_key must be 1 to {_LONGEST_KEY} visible ASCII characters.")
    return given


def _list_of(answer: object) -> builtins.list[Any]:
    """The items of a list that a server answered with."""
    items = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        raise ApiConnectionError("The answer is no list; check base_url.")
    return items
