from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import hashlib
import os
import stat
import uuid
from typing import TYPE_CHECKING, BinaryIO

from ._download import About, Opened, Resume, Variant, open_download
from ._errors import ApiConnectionError, DownloadError

if TYPE_CHECKING:
    from pathlib import Path

    from ._http import Http


#: Of common file systems. Bytes.
_LONGEST_NAME = 255


@dataclasses.dataclass(frozen=True)
class SavedFile:
    """A video in a file."""

    path: Path
    bytes: int
    #: Hex digits.
    sha256: str


async def save(http: Http, task_id: str, path: Path, variant: Variant) -> SavedFile:
    """
    Save the video of a finished task.

    The file appears, or is replaced, when all bytes are there and checked. Until then they are in a hidden file beside it, with which another
    call goes on where this one was interrupted.
    """
    await http.io.block(lambda: _refuse_what_is_no_file(path))
    download = await open_download(http, task_id, variant)
    about = download.about
    part = _part_of(path, about)
    checked = False
    try:
        file = await http.io.block(lambda: _open(part))
        try:
            await _complete(http, file, download, task_id, variant)
            bytes_, sha256 = await http.io.block(lambda: _content_of(file))
            _check(bytes_, sha256, about)
            checked = True
            await http.io.block(lambda: _publish(file, part, path))
        finally:
            file.close()
    except BaseException as error:
        # What cannot be continued or is wrong is of no use. What was checked may be what another call is about to rename.
        if not _continues(about) or (isinstance(error, DownloadError) and not checked):
            part.unlink(missing_ok=True)
        raise
    finally:
        await download.close()
    return SavedFile(path, bytes_, sha256)


def _refuse_what_is_no_file(path: Path) -> None:
    """Before anything is fetched. The system says what is wrong with a name that is too long, or that leads through a file."""
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            raise IsADirectoryError(errno.EISDIR, "It is a folder; name a file in it", str(path))
    except FileNotFoundError as missing:
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "Its folder is missing", str(path)) from missing


async def _complete(http: Http, file: BinaryIO, whole: Opened, task_id: str, variant: Variant) -> None:
    """Fetch the bytes that the file does not have yet."""
    about = whole.about
    size = os.fstat(file.fileno()).st_size
    if size == 0 or about.etag is None or about.bytes is None:
        await _write(http, file, whole)
        return
    await whole.close()
    if size >= about.bytes:
        return
    rest = await open_download(http, task_id, variant, Resume(size, about.etag))
    try:
        if rest.about.sha256 != about.sha256:
            raise DownloadError("The video is another one than at the begin of the download; call again.")
        await _write(http, file, rest)
    finally:
        await rest.close()


async def _write(http: Http, file: BinaryIO, download: Opened) -> None:
    """
    Add to the end of the file, and change nothing that is there.

    So calls that write the same file at once leave its bytes as they are, and none changes them after another has checked them.
    """
    end = download.offset
    while piece := await download.next():
        await http.io.block(functools.partial(_append, file, end, piece))
        end += len(piece)


def _append(file: BinaryIO, start: int, piece: bytes) -> None:
    while (size := os.fstat(file.fileno()).st_size) < start + len(piece):
        file.seek(size)
        file.write(piece[size - start :])


def _open(part: Path) -> BinaryIO:
    # Not truncated: it may be a part of these bytes, and another call may be writing it. Not buffered, so that its size is what was written.
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(part, flags, 0o666), "r+b", buffering=0)


def _content_of(file: BinaryIO) -> tuple[int, str]:
    """What the file has, whoever wrote it."""
    digest = hashlib.sha256()
    size = 0
    file.seek(0)
    while piece := file.read(1 << 20):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


def _check(size: int, sha256: str, about: About) -> None:
    if about.bytes is not None and size < about.bytes:
        raise ApiConnectionError(f"There are {size} of {about.bytes} bytes.")
    if about.bytes is not None and size > about.bytes:
        raise DownloadError(f"There are more than {about.bytes} bytes.")
    if about.sha256 is not None and sha256 != about.sha256:
        raise DownloadError(f"The SHA-256 of the video is {sha256} instead of {about.sha256}.")


def _publish(file: BinaryIO, part: Path, path: Path) -> None:
    """Give the checked file its name, unless a call that wrote it as well did so before."""
    # Before the file has its name, so that a loss of power leaves no file that only looks whole.
    os.fsync(file.fileno())
    own = os.fstat(file.fileno())
    # Windows renames no open file.
    file.close()
    if _is(own, part):
        with contextlib.suppress(FileNotFoundError):
            part.replace(path)
    if not _is(own, path):
        raise DownloadError(f"Another call replaced or removed {path} meanwhile; call again.")


def _is(own: os.stat_result, path: Path) -> bool:
    try:
        return os.path.samestat(own, path.stat())
    except FileNotFoundError:
        return False


def _continues(about: About) -> bool:
    """Whether another call could go on with the bytes, and check them."""
    return about.sha256 is not None and about.etag is not None


def _part_of(path: Path, about: About) -> Path:
    """Beside the file, so that it can be renamed. Named after the bytes, so that only the same are continued; alone if they are not."""
    name = about.sha256 if about.sha256 and _continues(about) else uuid.uuid4().hex
    part = f".{path.name}.{name[:16]}.part"
    # Where the name of the file leaves no room, its digest stands for it.
    if len(os.fsencode(part)) > _LONGEST_NAME:
        part = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}.{name[:16]}.part"
    return path.parent / part
