from __future__ import annotations

import contextlib
import json
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ._types import Task


class OnetakeError(Exception):
    """Every error of this client."""

    #: The task that the call was about: `client.wait(task_id)` goes on with it, in any process.
    task_id: str | None = None
    #: What the submit was sent with. A submit with the same key and parameters answers with the same task.
    idempotency_key: str | None = None

    def __reduce__(self) -> Any:
        """Errors travel between processes, whatever their constructors take."""
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[OnetakeError], args: tuple[Any, ...], state: dict[str, Any]) -> OnetakeError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


@contextlib.contextmanager
def about_task(task_id: str) -> Iterator[None]:
    """Have errors name the task."""
    try:
        yield
    except OnetakeError as error:
        error.task_id = error.task_id or task_id
        raise


class ApiConnectionError(OnetakeError, ConnectionError):
    """There was no answer, or not all of one."""


class ApiError(OnetakeError):
    """The server refused the call. The subclasses tell the usual statuses apart, `reason` the rest."""

    def __init__(self, status: int, phrase: str, headers: Mapping[str, str], content: bytes) -> None:
        text = content.decode(errors="replace")
        body: Any
        try:
            body = json.loads(text)
        except ValueError:
            body = text
        error = body.get("error") if isinstance(body, dict) else None

        def word(name: str) -> str | None:
            value = error.get(name) if isinstance(error, dict) else None
            return value if isinstance(value, str) else None

        super().__init__(word("message") or f"The server answered with {status} {phrase}".rstrip())
        #: The HTTP status.
        self.status = status
        #: A word that says why, such as `model_not_found`.
        self.reason = word("reason")
        #: The field at fault.
        self.param = word("param")
        #: To be named when the problem is reported to the operator.
        self.request_id = word("request_id") or headers.get("x-request-id")
        #: How long the server asks to wait before another attempt, seconds.
        self.retry_after = retry_after(headers)
        #: The whole body, parsed if it is JSON.
        self.body: Any = body


class InvalidRequestError(ApiError):
    """400, 413, 415, 422: the request is wrong; `param` names the field."""


class AuthenticationError(ApiError):
    """401: the API key is missing or wrong."""


class BudgetError(ApiError):
    """402: the budget is spent."""


class PermissionDeniedError(ApiError):
    """403: the API key may not do this."""


class NotFoundError(ApiError):
    """404: there is no such task or model."""


class ConflictError(ApiError):
    """409: the task is in the wrong state, such as finished before it could be cancelled."""


class GoneError(ApiError):
    """410: it existed and is gone: a deleted task, a video past its time, a retired model."""


class RateLimitError(ApiError):
    """429: too many requests."""


class ServerError(ApiError):
    """5xx: the trouble is the server's."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    402: BudgetError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: RateLimitError,
}


def api_error(status: int, phrase: str, headers: Mapping[str, str], content: bytes) -> ApiError:
    """The error for an answer whose status is not a success."""
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    return kind(status, phrase, headers, content)


class WaitTimeoutError(OnetakeError, TimeoutError):
    """The call took longer than its `timeout`. The task goes on."""


class DownloadError(OnetakeError):
    """The bytes of a video are not what the server said they were."""


class WebhookError(OnetakeError):
    """A webhook that is not to be trusted."""


class TaskFailedError(OnetakeError):
    """The task ended without a video."""

    def __init__(self, task: Task) -> None:
        given: Any = task.get("error")
        # Another server may say less than the gateway.
        error: dict[str, Any] = given if isinstance(given, dict) else {}
        super().__init__(error.get("message") or "The task failed.")
        self.task = task
        self.task_id = task.get("task_id")
        #: Follows HTTP: 400 refused upstream, 499 cancelled, 504 expired.
        self.code: int | None = error.get("code")
        #: A word that says why, such as `content_rejected`.
        self.reason: str | None = error.get("reason")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while a task was submitted or waited for. The task goes on; the message says how to go on with it."""

    def __init__(self, message: str, task_id: str | None, idempotency_key: str | None) -> None:
        super().__init__(message)
        self.task_id = task_id
        self.idempotency_key = idempotency_key

    def __reduce__(self) -> Any:
        """As `OnetakeError` does."""
        return type(self), (*self.args, self.task_id, self.idempotency_key), self.__dict__


_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


def is_transient(error: OnetakeError) -> bool:
    """Whether another attempt of a call that may be repeated can end otherwise. An error that names a field is about the request."""
    if isinstance(error, ApiError):
        return error.status in _TRANSIENT and error.param is None
    return isinstance(error, ApiConnectionError)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """`Retry-After`, which is seconds or a date, in seconds from now."""
    value = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
