"""Every snippet of the page does what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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
