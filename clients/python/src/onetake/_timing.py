from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ._errors import WaitTimeoutError

if TYPE_CHECKING:
    from ._io import Io

#: A server that asks for more is not slept for as long: a wrong clock or a stray header must not stop a caller for a day. Seconds.
LONGEST_ASKED = 60.0


class Deadline:
    """When a call ends at the latest."""

    def __init__(self, io: Io, timeout: float | None) -> None:
        self._io = io
        self._timeout = timeout
        self._end = math.inf if timeout is None else io.now() + timeout

    def limit(self, seconds: float) -> float:
        """So many seconds, or fewer if the call ends earlier. Raises a `WaitTimeoutError` if it has ended."""
        left = self._end - self._io.now()
        if left <= 0:
            raise WaitTimeoutError(f"Not finished within {self._timeout:g} s.")
        return min(seconds, left)

    async def sleep(self, seconds: float) -> None:
        """Let time pass, and raise a `WaitTimeoutError` if the call ends meanwhile."""
        await self._io.sleep(self.limit(seconds))
        self.limit(seconds)


class Backoff:
    """Growing delays with jitter, so that many clients do not come back all at once."""

    def __init__(self, io: Io, first: float, longest: float) -> None:
        self._io = io
        self._first = first
        self._longest = longest
        self._delay = first

    def next(self, asked: float | None = None) -> float:
        """The delay before the next attempt, seconds. `asked` is what the server asked for: followed, within bounds."""
        jitter = 0.5 + self._io.random() / 2
        own = self._delay * jitter
        self._delay = min(self._longest, self._delay * 2)
        if asked is None:
            return own
        # A little later than asked for, and not at the same moment as everyone who was told the same. "At once" is no leave to flood the server.
        return max(self._first * jitter, min(asked, LONGEST_ASKED) * (1 + self._io.random() / 10))

    def reset(self) -> None:
        """Begin anew."""
        self._delay = self._first
