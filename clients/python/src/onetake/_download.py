from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ._errors import ApiConnectionError, ApiError, DownloadError, NotFoundError
from ._http import Call
from ._timing import Backoff, Deadline
from ._wait import task_of, task_path

if TYPE_CHECKING:
    import httpx

    from ._http import Http
    from ._io import Response

Variant = Literal["video", "thumbnail"]

#: A connection that brings nothing for so long is given up. Seconds.
_STALL = 60.0
#: For the whole of a download that is JSON. Seconds.
_DECODE = 600.0
_FIRST_RETRY = 0.5
_LONGEST_RETRY = 8.0
#: How often the rest is asked for without one more byte.
_FRUITLESS_ATTEMPTS = 5
#: No video and no poster has no bytes.
_EMPTY = (
    "The answer has no bytes. Likely ONETAKE_SENDFILE is set, and this address is that of the gateway, which leaves "
    "sending to the reverse proxy in front of it: use the address of the proxy."
)


@dataclasses.dataclass(frozen=True)
class Resume:
    """Where a download goes on, if its bytes are still the same."""

    offset: int
    etag: str

    def headers(self) -> dict[str, str]:
        """The headers of a request for the rest."""
        return {"range": f"bytes={self.offset}-", "if-range": self.etag}


@dataclasses.dataclass(frozen=True)
class About:
    """What the server says of a video, or of its poster frame."""

    #: The size of the whole, if the server tells it.
    bytes: int | None
    #: The SHA-256 of the whole in hex digits, if the server tells it. Nothing has been compared with it.
    sha256: str | None
    content_type: str | None
    #: None if the download cannot be continued.
    etag: str | None


class Opened(Protocol):
    """A download on its way."""

    about: About
    #: Where it begins: 0, or where it was to go on.
    offset: int

    async def next(self) -> bytes:
        """The next piece, empty at the end."""

    async def close(self) -> None:
        """Ends it."""


async def open_download(http: Http, task_id: str, variant: Variant, resume: Resume | None = None) -> Opened:
    """
    Open the bytes of a finished task.

    The gateway has them at `…/content`. Another server may only have a link, or JSON with the bytes in base64.
    """
    no_deadline = Deadline(http.io, None)

    async def opened(path: str, query: dict[str, str | int | None]) -> tuple[Call, Response]:
        # Not encoded on the way, so that sizes and ranges are those of the video.
        headers = {"accept": "video/mp4, image/*;q=0.9", "accept-encoding": "identity"}
        call = Call(path, no_deadline, query=query, headers=headers, idle=_STALL, repeatable=True)
        asked = {**headers, **(resume.headers() if resume else {})}
        return call, await http.open(dataclasses.replace(call, headers=asked))

    try:
        content = "thumbnail" if variant == "thumbnail" else None
        call, response = await opened(f"{task_path(task_id)}/content", {"variant": content})
        if re.match("(?:video|image)/", _type_of(response) or ""):
            return await _stream(http, call, response, resume)
        await response.close()
    except ApiError as error:
        if not isinstance(error, NotFoundError) and error.status != 405:
            raise
    # If there is no such task, this says so.
    task = task_of((await http.json(Call(task_path(task_id), no_deadline, repeatable=True))).body)
    if variant == "thumbnail":
        raise DownloadError("The server has no poster frame of this video.")
    if task.get("url") is not None:
        if not isinstance(task["url"], str):
            raise DownloadError("The link to the video is no URL.")
        return await _stream(http, *await opened(task["url"], {}), resume)
    call, response = await opened("/v1/video/generations/download", {"id": task_id})
    if _type_of(response) == "application/json":
        return await _decoded(http, call, response)
    return await _stream(http, call, response, resume)


class _Whole:
    """A download that came as a whole: nothing to continue."""

    offset = 0

    def __init__(self, content: bytes) -> None:
        self.about = About(len(content), None, "video/mp4", None)
        self._content = content

    async def next(self) -> bytes:
        content, self._content = self._content, b""
        return content

    async def close(self) -> None:
        self._content = b""


async def _decoded(http: Http, call: Call, response: Response) -> Opened:
    try:
        content = await http.read_all(response, call.deadline, http.io.now() + _DECODE)
    finally:
        await response.close()
    try:
        answer: Any = json.loads(content)
        video = base64.b64decode(answer["base64"], validate=True)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise DownloadError("The answer of the download has no video.") from error
    size = answer.get("size")
    if size is not None and size != len(video):
        raise DownloadError(f"The video has {len(video)} bytes instead of {size}.")
    return _Whole(video)


async def _stream(http: Http, call: Call, response: Response, resume: Resume | None) -> Opened:
    offset = _start_of(response)
    if offset not in (0, resume.offset if resume else 0):
        await response.close()
        raise DownloadError("The answer begins somewhere else than asked for.")
    if _size_of(response) == 0:
        await response.close()
        raise DownloadError(_EMPTY)
    return _Stream(http, call, response, offset)


class _Stream:
    """A download that goes on after a broken connection."""

    def __init__(self, http: Http, call: Call, response: Response, offset: int) -> None:
        self.offset = offset
        self.about = About(
            bytes=_size_of(response),
            sha256=_sha256_of(call.path, response.headers),
            content_type=_type_of(response),
            etag=_strong(response.headers.get("etag")),
        )
        self._http = http
        self._call = call
        self._response: Response | None = response
        self._received = offset
        self._fruitless = 0
        self._backoff = Backoff(http.io, _FIRST_RETRY, _LONGEST_RETRY)

    async def next(self) -> bytes:
        size = self.about.bytes
        while True:
            try:
                piece = await self._read()
                if not piece and size is None and self._received == 0:
                    raise DownloadError(_EMPTY)
                if piece or size is None or self._received == size:
                    return piece
                raise ApiConnectionError(f"The connection ended after {self._received} of {size} bytes.")
            except ApiConnectionError as error:
                await self._reopen(error)

    async def _read(self) -> bytes:
        if self._response is None:
            raise ApiConnectionError("The connection broke.")
        piece = await self._http.read(self._response, self._call.deadline, _STALL)
        if piece:
            self._received += len(piece)
            self._fruitless = 0
            self._backoff.reset()
        if self.about.bytes is not None and self._received > self.about.bytes:
            raise DownloadError(f"There are more than {self.about.bytes} bytes.")
        return piece

    async def _reopen(self, trouble: ApiConnectionError) -> None:
        """Ask for the rest, and raise `trouble` if that is impossible or was tried often enough."""
        await self.close()
        self._fruitless += 1
        if self.about.etag is None or self._fruitless > _FRUITLESS_ATTEMPTS:
            raise trouble
        await self._call.deadline.sleep(self._backoff.next())
        rest = Resume(self._received, self.about.etag)
        headers = {**self._call.headers, **rest.headers()}
        response = await self._http.open(dataclasses.replace(self._call, headers=headers))
        if _start_of(response) != self._received or _size_of(response) != self.about.bytes:
            await response.close()
            raise DownloadError(
                "The video is another one than at the begin of the download, or cannot be continued."
            )
        self._response = response

    async def close(self) -> None:
        response, self._response = self._response, None
        if response:
            await response.close()


def _type_of(response: Response) -> str | None:
    return response.headers.get("content-type", "").split(";")[0].strip() or None


def _strong(etag: str | None) -> str | None:
    """`If-Range` takes no weak ones, and a header only ASCII."""
    return etag if etag and re.fullmatch(r'"[\x21\x23-\x7e]*"', etag) else None


def _start_of(response: Response) -> int:
    """The first byte of the answer; -1 if it does not say."""
    if response.status != 206:
        return 0
    found = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    return int(found[1]) if found else -1


def _size_of(response: Response) -> int | None:
    """The size of the whole. A length that was encoded on the way says nothing about the bytes."""
    headers = response.headers
    if headers.get("content-encoding", "identity") != "identity":
        return None
    if response.status == 206:
        found = re.search(r"/(\d+)$", headers.get("content-range", ""))
        return int(found[1]) if found else None
    length = headers.get("content-length")
    return int(length) if length and length.isdigit() else None


def _sha256_of(path: str, headers: httpx.Headers) -> str | None:
    """`Repr-Digest` (RFC 9530), or at `…/content` the gateway's `ETag`, which is the digest."""
    digest = re.search(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):", headers.get("repr-digest", ""))
    if digest:
        return base64.b64decode(digest[1]).hex()
    found = re.match(r'"([0-9a-f]{64})"$', headers.get("etag", "")) if path.endswith("/content") else None
    return found[1] if found else None
