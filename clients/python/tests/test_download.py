"""Downloads from a server that fails as it is told."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Callable

import pytest
from conftest import KEY, VIDEO, Connect, VirtualTime, control

from onetake import ApiConnectionError, DownloadError, Onetake

if TYPE_CHECKING:
    from pathlib import Path

    from onetake._io import Response
    from onetake._timing import Deadline

ID = "video_69095b4ce0048190893a01510c0c98b0"
BYTES = bytes((index * index) % 251 for index in range(100_000))
SHA256 = hashlib.sha256(BYTES).hexdigest()


def connected(connect: Connect) -> Onetake:
    """Without delays."""
    client = connect(VIDEO)
    VirtualTime(client)
    return client


def read(client: Onetake, *cuts: int) -> bytes:
    """Reads the video, and cuts the connection whenever one of these numbers of bytes is there."""
    video = b""
    with client.stream(ID) as stream:
        for piece in stream:
            video += piece
            if len(video) in cuts:
                control("videoCut")
    return video


def test_a_stream_goes_on_where_the_connection_broke(connect: Connect) -> None:
    control("video", limits=[40_000, 0, 10_000])
    assert read(connected(connect), 40_000, 50_000) == BYTES
    assert control("videoRanges") == [None, "bytes=40000-", "bytes=40000-", "bytes=50000-"]


def test_a_stream_is_given_up_if_there_is_never_one_more_byte(connect: Connect) -> None:
    control("video", limits=[1000, *[0] * 50])
    with pytest.raises(ApiConnectionError):
        read(connected(connect), 1000)


def test_a_stream_does_not_join_two_videos(connect: Connect) -> None:
    client = connected(connect)
    control("video", limits=[1000])
    with client.stream(ID) as stream:
        pieces = iter(stream)
        assert next(pieces) == BYTES[:1000]
        control("otherVideo")
        control("videoCut")
        with pytest.raises(DownloadError, match="another one"):
            next(pieces)


def test_a_stream_without_a_strong_etag_ends_with_the_connection(connect: Connect) -> None:
    control("video", limits=[1000], headers={"etag": 'W/"1"'})
    with pytest.raises(ApiConnectionError):
        read(connected(connect), 1000)


def test_an_empty_answer_is_never_a_video(connect: Connect, tmp_path: Path) -> None:
    control("emptyVideo")
    for headers in ({"x-accel-redirect": "/protected/1.mp4"}, {"content-length": None}):
        control("video", headers=headers)
        with pytest.raises(DownloadError, match="ONETAKE_SENDFILE"):
            connected(connect).download(ID, tmp_path / "boat.mp4")
    assert list(tmp_path.iterdir()) == []


def before_more_than(count: int, client: Onetake, act: Callable[[], None]) -> None:
    """Does something when so many bytes are there, before more are read. There are no more until the connection is cut."""
    http = client._core.http
    read_original = http.read
    received = 0

    async def read(response: Response, deadline: Deadline, seconds: float) -> bytes:
        nonlocal received
        if received == count:
            received += 1
            act()
        piece = await read_original(response, deadline, seconds)
        received += len(piece)
        return piece

    vars(http)["read"] = read


def test_a_file_is_replaced_by_all_bytes_although_the_connection_broke(
    connect: Connect, tmp_path: Path
) -> None:
    file = tmp_path / "boat.mp4"
    file.write_bytes(b"an older one")
    control("video", limits=[40_000])
    client = connected(connect)

    def cut() -> None:
        assert file.read_bytes() == b"an older one"
        control("videoCut")

    before_more_than(40_000, client, cut)
    saved = client.download(ID, file)
    assert (saved.path, saved.bytes, saved.sha256) == (file, len(BYTES), SHA256)
    assert file.read_bytes() == BYTES
    assert list(tmp_path.iterdir()) == [file]
    assert control("videoRanges") == [None, "bytes=40000-"]


def fail() -> None:
    raise RuntimeError("the power went")


def test_another_call_goes_on_where_one_was_interrupted(connect: Connect, tmp_path: Path) -> None:
    control("video", limits=[40_000])
    client = connected(connect)
    before_more_than(40_000, client, fail)
    with pytest.raises(RuntimeError, match="the power went"):
        client.download(ID, tmp_path / "boat.mp4")
    (part,) = tmp_path.iterdir()
    assert (part.name, part.stat().st_size) == (f".boat.mp4.{SHA256[:16]}.part", 40_000)
    assert connected(connect).download(ID, tmp_path / "boat.mp4").sha256 == SHA256
    assert control("videoRanges") == [None, None, "bytes=40000-"]
    assert (tmp_path / "boat.mp4").read_bytes() == BYTES
    assert [path.name for path in tmp_path.iterdir()] == ["boat.mp4"]


def test_without_a_digest_nothing_is_left_to_go_on_with(connect: Connect, tmp_path: Path) -> None:
    control("video", limits=[40_000], headers={"etag": '"1"'})
    client = connected(connect)
    before_more_than(40_000, client, fail)
    with pytest.raises(RuntimeError, match="the power went"):
        client.download(ID, tmp_path / "boat.mp4")
    assert list(tmp_path.iterdir()) == []


def test_two_calls_may_save_the_same_file_at_once(connect: Connect, tmp_path: Path) -> None:
    control("video", limits=[40_000])
    client = connected(connect)

    def overtake() -> None:
        with Onetake(VIDEO, KEY) as other:
            assert other.download(ID, tmp_path / "boat.mp4").sha256 == SHA256
        control("videoCut")

    before_more_than(40_000, client, overtake)
    assert client.download(ID, tmp_path / "boat.mp4").sha256 == SHA256
    assert (tmp_path / "boat.mp4").read_bytes() == BYTES
    assert [path.name for path in tmp_path.iterdir()] == ["boat.mp4"]


@pytest.mark.parametrize(
    ("left", "refused"),
    [(BYTES, False), (BYTES[:40_000], False), (bytes(len(BYTES)), True), (BYTES * 2, True)],
    ids=["whole", "half", "damaged", "longer"],
)
def test_a_part_that_a_crash_left(connect: Connect, left: bytes, refused: bool, tmp_path: Path) -> None:
    (tmp_path / f".boat.mp4.{SHA256[:16]}.part").write_bytes(left)
    client = connected(connect)
    if refused:
        with pytest.raises(DownloadError):
            client.download(ID, tmp_path / "boat.mp4")
        assert list(tmp_path.iterdir()) == []
        return
    assert client.download(ID, tmp_path / "boat.mp4").sha256 == SHA256
    assert [path.name for path in tmp_path.iterdir()] == ["boat.mp4"]
    assert (tmp_path / "boat.mp4").read_bytes() == BYTES
    # The first request tells what the bytes should be; what is there is not fetched again.
    assert control("videoRanges") == ([None] if left == BYTES else [None, "bytes=40000-"])


@pytest.mark.parametrize(
    "headers",
    [
        {"repr-digest": f"sha-256=:{base64.b64encode(bytes(32)).decode()}:"},
        {"etag": f'"{"0" * 64}"'},
    ],
    ids=["Repr-Digest", "ETag"],
)
def test_bytes_of_another_digest_are_refused(
    connect: Connect, headers: dict[str, str], tmp_path: Path
) -> None:
    control("video", headers=headers)
    with pytest.raises(DownloadError, match="SHA-256"):
        connected(connect).download(ID, tmp_path / "boat.mp4")
    assert list(tmp_path.iterdir()) == []
