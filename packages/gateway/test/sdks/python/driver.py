"""What the scripts here share: which simulators to drive, and how to tell the test which calls worked."""

import importlib.metadata
import json
import os
import sys
import time
import urllib.request
from pathlib import Path

# A PNG of 1280x720.
IMAGE = Path(os.environ["IMAGE"])


class Simulator:
    def __init__(self, target):
        self.name = target["simulator"]
        self.url = target["url"]
        self.key = target["key"]
        self.model = target["model"]
        self.options = target.get("options", {})
        self.image = Path(target.get("image", IMAGE))
        # Where the test looks for the finished video.
        self.video = Path(target["video"])

    def worked(self, call):
        report(simulator=self.name, call=call)

    def fetch(self, link):
        """Stores the video behind a link, for clients that leave that to their user."""
        with urllib.request.urlopen(link, timeout=30) as response:
            self.video.write_bytes(response.read())
        self.worked("link")


def drive(package, script):
    """Runs the script for each simulator of this client."""
    report(version=importlib.metadata.version(package))
    for target in json.loads(os.environ["TARGETS"]):
        script(Simulator(target))


def report(**line):
    # Not to standard output, where clients write, too.
    with open(os.environ["REPORT"], "a") as lines:
        lines.write(json.dumps(line) + "\n")


def refused(kind, call):
    """The client's own exception, which the call must raise."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} expected")


def until(finished, poll):
    """Polls until the answer is a finished one."""
    for _ in range(600):
        answer = poll()
        if finished(answer):
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not finished: {answer}")


def webhook(video):
    """The next webhook about this video that the test has received for this client."""
    for line in sys.stdin:
        if video in line:
            return json.loads(line)
    raise AssertionError("no webhook")
