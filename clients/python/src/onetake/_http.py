from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any, Callable, TypeVar

import httpx

from ._errors import ApiConnectionError, ApiError, OnetakeError, api_error, is_transient
from ._timing import LONGEST_ASKED, Backoff, Deadline
from ._version import __version__

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from ._io import Io, Response

T = TypeVar("T")

_TIMEOUT = 60.0
_FIRST_RETRY = 0.5
_LONGEST_RETRY = 8.0
#: The slowest upload that the server allows for: 1 Mbit/s. Bytes a second.
_SLOWEST_UPLOAD = 125_000
_USER_AGENT = f"onetake-python/{__version__}"


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of the API."""

    #: Below the base URL. A whole URL of another origin is called without the API key.
    path: str
    deadline: Deadline
    method: str = "GET"
    query: Mapping[str, str | int | None] = dataclasses.field(default_factory=dict)
    body: object = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: Until the answer is there: the whole of it, or for `open` its headers. A large body has longer. Seconds.
    timeout: float = _TIMEOUT
    #: For `open`: the longest that will be waited for a piece of the body. Seconds.
    idle: float = _TIMEOUT
    #: Whether it may be sent again after a failure that says nothing of whether it was received.
    repeatable: bool = False


@dataclasses.dataclass(frozen=True)
class Answer:
    """JSON."""

    headers: httpx.Headers
    body: Any


class Http:
    """Makes calls, and repeats those that may be repeated."""

    def __init__(self, io: Io, base_url: str, api_key: str, max_retries: int) -> None:
        if not header_value(api_key):
            raise ValueError(
                "api_key must be visible ASCII characters, without a space or a line break, as the gateway showed it."
            )
        self.io = io
        self._base = _base_of(base_url)
        self._api_key = api_key
        self._max_retries = max_retries

    async def json(self, call: Call) -> Answer:
        """An answer with JSON. Raises an `ApiError`, an `ApiConnectionError` or a `WaitTimeoutError`."""

        async def once() -> Answer:
            began = self.io.now()
            response, timeout = await self._attempt(call, call.timeout)
            try:
                # A server that sends a byte now and then has no longer for it.
                content = await self.read_all(response, call.deadline, began + timeout)
            finally:
                await response.close()
            return Answer(response.headers, _json_of(content))

        return await self._repeated(call, once)

    async def open(self, call: Call) -> Response:
        """An answer whose body is still to be read. The caller closes it."""

        async def once() -> Response:
            return (await self._attempt(call, call.idle))[0]

        return await self._repeated(call, once)

    async def read(self, response: Response, deadline: Deadline, seconds: float) -> bytes:
        """The next piece of a body, empty at the end."""
        try:
            return await response.read(deadline.limit(seconds))
        except ApiConnectionError:
            deadline.limit(seconds)
            raise

    async def read_all(self, response: Response, deadline: Deadline, until: float) -> bytes:
        """The whole of a body."""
        pieces: list[bytes] = []
        while True:
            left = until - self.io.now()
            if left <= 0:
                raise ApiConnectionError("The answer does not end.")
            piece = await self.read(response, deadline, left)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)

    async def _attempt(self, call: Call, idle: float) -> tuple[Response, float]:
        """One attempt, and how long it may take."""
        url = self._url_of(call)
        content = None if call.body is None else json.dumps(call.body).encode()
        timeout = call.timeout + len(content or b"") / _SLOWEST_UPLOAD
        headers = {"user-agent": _USER_AGENT, **call.headers}
        if content is not None:
            headers["content-type"] = "application/json"
        if _origin(url) == _origin(self._base):
            headers["authorization"] = f"Bearer {self._api_key}"
        request = self.io.http.build_request(call.method, url, headers=headers, content=content)
        began = self.io.now()
        try:
            response = await self.io.send(request, call.deadline.limit(timeout), max(idle, timeout))
        except ApiConnectionError:
            call.deadline.limit(timeout)
            raise
        if 200 <= response.status < 300:
            return response, timeout
        try:
            content = await self.read_all(response, call.deadline, began + timeout)
        finally:
            await response.close()
        raise api_error(response.status, response.phrase, response.headers, content)

    async def _repeated(self, call: Call, once: Callable[[], Awaitable[T]]) -> T:
        backoff = Backoff(self.io, _FIRST_RETRY, _LONGEST_RETRY)
        failures = 0
        while True:
            try:
                return await once()
            except OnetakeError as error:
                if not call.repeatable or failures >= self._max_retries or not is_transient(error):
                    raise
                asked = error.retry_after if isinstance(error, ApiError) else None
                # Not waited for: the caller may have something better to do.
                if asked is not None and asked > LONGEST_ASKED:
                    raise
            failures += 1
            await call.deadline.sleep(backoff.next(asked))

    def _url_of(self, call: Call) -> httpx.URL:
        if re.match("https?:", call.path):
            try:
                url = httpx.URL(call.path)
            except httpx.InvalidURL as error:
                raise OnetakeError(f"The link of the server is no URL: {error}") from error
        else:
            # Both are encoded already.
            base = self._base.raw_path.rstrip(b"/")
            url = self._base.copy_with(raw_path=base + call.path.encode())
        known = {name: str(value) for name, value in call.query.items() if value is not None}
        return url.copy_merge_params(known) if known else url


def header_value(value: object) -> bool:
    """Whether it can be a key in a header: visible ASCII characters."""
    return isinstance(value, str) and re.fullmatch(r"[\x21-\x7e]+", value) is not None


def _base_of(given: str) -> httpx.URL:
    try:
        base = httpx.URL(given)
    except (TypeError, httpx.InvalidURL) as error:
        raise ValueError("base_url must be a URL, such as https://video.example.com.") from error
    if base.scheme not in ("http", "https") or not base.host:
        raise ValueError("base_url must begin with http:// or https://.")
    if base.userinfo or base.query or base.fragment:
        raise ValueError("base_url must have no user, no query and no fragment.")
    # Where people are used to clients whose base URL ends with it.
    return base.copy_with(raw_path=re.sub(rb"/v1$", b"", base.raw_path.rstrip(b"/")) or b"/")


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _json_of(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        # A page of a proxy, or half of an answer.
        raise ApiConnectionError("The answer is not JSON; check base_url.") from error
