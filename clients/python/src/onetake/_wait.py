from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import quote

from ._errors import (
    ApiConnectionError,
    ApiError,
    InvalidRequestError,
    OnetakeError,
    RateLimitError,
    TaskFailedError,
    WaitTimeoutError,
    is_transient,
    retry_after,
)
from ._http import Call
from ._sse import EventParser
from ._timing import Backoff

if TYPE_CHECKING:
    from ._http import Http
    from ._io import Response
    from ._timing import Deadline
    from ._types import Task

#: The gateway holds a query for up to a minute; common proxies close what is silent for a minute. Seconds.
_HOLD = 30
#: While event streams work and one has just broken off: they tell of progress, and a held query does not. Seconds.
_SHORT_HOLD = 5
#: What a held query may take beyond its hold. Seconds.
_HOLD_SLACK = 20
#: A server that answers within this has not held a query. Seconds.
_HELD = 1.0
#: A stream begins with the task as it is. If that does not arrive, something on the way keeps it back. Seconds.
_FIRST_EVENT = 10.0
#: Three heartbeats of the gateway. A stream that is silent for longer is dead. Seconds.
_SILENCE = 45.0
#: Streams that connect and bring nothing, until no more are tried.
_FRUITLESS_STREAMS = 2
_FIRST_POLL = 1.0
#: What the reference service recommends is 3 to 5 s. Seconds.
_LONGEST_POLL = 10.0
#: How long a server may be out of reach before waiting for it ends. Seconds.
_LONGEST_OUTAGE = 600.0

OnProgress = Callable[[Any], object]


class Abilities:
    """What a server turned out not to have. Shared by all calls of a client."""

    def __init__(self) -> None:
        self.events = True
        self.hold = True


def task_path(task_id: str) -> str:
    """Where a task is."""
    return f"/v1/video/generations/{quote(task_id, safe='')}"


def task_of(answer: object) -> Any:
    """The task that a server answered with."""
    if not isinstance(answer, dict) or not isinstance(answer.get("status"), str):
        raise ApiConnectionError("The answer is no task; check base_url.")
    return answer


async def wait_for_task(
    http: Http,
    abilities: Abilities,
    task_id: str,
    on_progress: OnProgress | None,
    deadline: Deadline,
    known: dict[str, Any] | None = None,
) -> Task:
    """
    Wait until a task has succeeded.

    By its event stream, or by held queries where streams do not get through, or by polling where queries are not held. Raises a
    `TaskFailedError` if it failed.
    """
    task = await _Wait(http, abilities, task_id, on_progress, deadline, known).end()
    if task["status"] == "failed":
        raise TaskFailedError(task)
    return task


@dataclasses.dataclass(frozen=True)
class _Asked:
    task: Task
    retry_after: float | None
    #: The server waited for a change, so that it can be asked again at once.
    held: bool


class _Wait:
    def __init__(
        self,
        http: Http,
        abilities: Abilities,
        task_id: str,
        on_progress: OnProgress | None,
        deadline: Deadline,
        known: dict[str, Any] | None,
    ) -> None:
        self._http = http
        self._io = http.io
        self._abilities = abilities
        self._path = task_path(task_id)
        self._on_progress = on_progress
        self._deadline = deadline
        self._backoff = Backoff(http.io, _FIRST_POLL, _LONGEST_POLL)
        self._known = known
        self._status: str | None = known.get("status") if known else None
        #: Since when the server has been out of reach.
        self._unreachable: float | None = None

    async def end(self) -> Task:
        """The task, once it has ended."""
        fruitless = 0
        while True:
            outcome = "none"
            if self._abilities.events and fruitless < _FRUITLESS_STREAMS:
                outcome, task = await self._watch()
                if task:
                    return task
                fruitless = fruitless + 1 if outcome == "fruitless" else 0
            try:
                asked = await self._ask(_SHORT_HOLD if outcome == "heard" else _HOLD)
            except OnetakeError as error:
                self._bear(error)
                await self._pause(error.retry_after if isinstance(error, ApiError) else None)
                continue
            self._unreachable = None
            # The task is there, so it was the path that the server did not know.
            if outcome == "unsupported":
                self._abilities.events = False
            if await self._has_ended(asked.task):
                return asked.task
            if not asked.held:
                await self._pause(asked.retry_after)

    async def _pause(self, asked: float | None) -> None:
        await self._deadline.sleep(self._backoff.next(asked))

    async def _has_ended(self, task: Task) -> bool:
        """Tell of the task if it changed, and say whether it has ended."""
        if task != self._known and self._on_progress:
            await self._io.tell(self._on_progress, task)
        self._known = dict(task)
        if task["status"] != self._status:
            self._backoff.reset()
        self._status = task["status"]
        return self._status in ("succeeded", "failed")

    def _bear(self, error: OnetakeError) -> None:
        """A server that cannot be reached is asked again for a while: it may be restarting, and the task goes on."""
        now = self._io.now()
        self._unreachable = now if self._unreachable is None else self._unreachable
        if not is_transient(error) or now - self._unreachable > _LONGEST_OUTAGE:
            raise error

    async def _ask(self, seconds: int) -> _Asked:
        """Query the task. A server that holds queries answers when the task has ended or the time is over."""
        if not self._abilities.hold:
            return await self._query(None)
        try:
            return await self._query(seconds)
        except InvalidRequestError:
            # A server that does not know `wait` may refuse it. If that is not why, the next query is refused as well.
            asked = await self._query(None)
            self._abilities.hold = False
            return asked

    async def _query(self, hold: int | None) -> _Asked:
        began = self._io.now()
        call = Call(self._path, self._deadline, query={"wait": hold}, timeout=(hold or 0) + _HOLD_SLACK)
        answer = await self._http.json(call)
        task = task_of(answer.body)
        took = self._io.now() - began
        held = hold is not None and (took >= hold * 0.8 or (took >= _HELD and task["status"] != self._status))
        return _Asked(task, retry_after(answer.headers), held)

    async def _watch(self) -> tuple[str, Task | None]:
        """
        Read the event stream to its end, and return how it ended, with the task if that has ended.

        "heard": it told of the task. "fruitless": it connected and told nothing, or there are too many. "unsupported": the server has none.
        "none": there was no connection.
        """
        began = self._io.now()
        try:
            response = await self._http.open(
                Call(
                    f"{self._path}/events",
                    self._deadline,
                    headers={"accept": "text/event-stream"},
                    timeout=_FIRST_EVENT,
                    idle=_SILENCE,
                )
            )
        except WaitTimeoutError:
            raise
        except OnetakeError as error:
            # The query that follows shows whether it is about the task or only about its events.
            if isinstance(error, RateLimitError):
                return "fruitless", None
            if isinstance(error, ApiError) and not is_transient(error):
                return "unsupported", None
            # A proxy that collects whole answers keeps back even the headers.
            return ("fruitless" if self._io.now() - began >= _FIRST_EVENT else "none"), None
        outcome = "fruitless"
        try:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                return "unsupported", None
            parser = EventParser()
            while (tasks := await self._read(response, parser, outcome)) is not None:
                for task in tasks:
                    outcome = "heard"
                    if await self._has_ended(task):
                        return outcome, task
        finally:
            await response.close()
        return outcome, None

    async def _read(self, response: Response, parser: EventParser, outcome: str) -> list[Task] | None:
        """The task after each change that the next piece of a stream tells of; None if there are no more pieces."""
        try:
            silence = _SILENCE if outcome == "heard" else _FIRST_EVENT
            piece = await self._http.read(response, self._deadline, silence)
            tasks = [task_of(json.loads(data)) for event, data in parser.take(piece) if event == "task"]
        # Cut off, or no stream of events.
        except (ApiConnectionError, ValueError):
            return None
        return tasks if piece else None
