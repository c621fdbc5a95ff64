"""Every snippet of the page does what the page says."""

from __future__ import annotations

import http.server
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from test_webhook import SECRET, signed

PAGE = Path(os.environ["PAGE"]).read_text(encoding="utf8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)

#: What they print, in their order.
PRINTED = [
    r"",
    r"queued 0\n(.*\n)*succeeded 100\nhttp://\S+\n",
    r"True\n",
    r"succeeded 1\n",
    r"lighthouse\.mp4 \d+ [0-9a-f]{64}\n",
    r"video/mp4 True\n",
    r"The webhook is not to be trusted: .+\n400\n",
    r"not accepted: duration .+\n",
    r"(video_\w+ \d+\n)+\{'order': '17'\}\n\[.*'onetake-preview'.*\]\n",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all of them run: they find what the ones before have made."""
    return tmp_path_factory.mktemp("docs")


@pytest.mark.parametrize("index", range(len(PRINTED)))
def test_snippet(index: int, folder: Path) -> None:
    assert len(SNIPPETS) == len(PRINTED)
    file = folder / f"snippet_{index}.py"
    file.write_text(SNIPPETS[index], encoding="utf8")
    result = subprocess.run([sys.executable, file], cwd=folder, capture_output=True, text=True, check=False)
    assert re.fullmatch(PRINTED[index], result.stdout), result.stdout + result.stderr
    assert (result.returncode, result.stderr) == (0, "")


EVENTS = [
    ('{"type": "video.succeeded", "data": {"task_id": "video_1"}}', "video.succeeded video_1"),
    ('{"object": "event", "type": "video.completed", "data": {"id": "video_2"}}', "video.completed video_2"),
    ('{"type": "webhook.test", "data": {"endpoint_id": "whep_1"}}', "the endpoint works"),
]


@pytest.mark.parametrize(("body", "printed"), EVENTS)
def test_the_receiver_of_the_page_takes_every_event(
    body: str, printed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    (snippet,) = (text for text in SNIPPETS if "def receive(" in text)
    names: dict[str, Any] = {}
    exec(snippet.rpartition("\nprint(receive(")[0], names)
    assert names["receive"](body.encode(), signed(body)) == 204
    assert capsys.readouterr().out == f"{printed}\n"


@pytest.mark.parametrize(("body", "printed"), EVENTS)
def test_the_server_of_the_page_about_webhooks_takes_every_event(
    body: str, printed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    page = Path(os.environ["PAGE"]).parent.parent / "webhooks.md"
    (snippet,) = re.findall(
        r"^```python\n(.*?)^```$", page.read_text(encoding="utf8"), re.DOTALL | re.MULTILINE
    )
    code, serving, _ = snippet.partition("\nThreadingHTTPServer(")
    assert serving
    names: dict[str, Any] = {}
    exec(code, names)
    # It waits for its threads when it is closed.
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), names["Hook"]) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            assert httpx.post(url, content=body.encode(), headers=signed(body)).status_code == 204
            assert httpx.post(url, content=b"{}", headers=signed(body)).status_code == 400
            assert httpx.post(url, content=b"{}").status_code == 400
        finally:
            server.shutdown()
            thread.join()
    assert capsys.readouterr().out == f"{printed}\n"


def test_the_types_of_the_package_are_found(folder: Path) -> None:
    """As those of a package that is installed."""
    file = folder / "typed.py"
    file.write_text(
        "from onetake import Onetake\nreveal_type(Onetake().get('video_1')['status'])\nOnetake().get(1)\n",
        encoding="utf8",
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "cache", "typed.py"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "'queued'" in result.stdout
    assert 'incompatible type "int"; expected "str"' in result.stdout
    assert "Found 1 error in 1 file" in result.stdout
