from __future__ import annotations

import codecs
import re
from typing import NamedTuple

#: More than this without a line break is no stream of events. Characters.
_LONGEST_LINE = 4_000_000


class ServerSentEvent(NamedTuple):
    """One event of a stream."""

    event: str
    data: str


class EventParser:
    """
    Takes a stream of server-sent events piece by piece.

    As in https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """

    def __init__(self) -> None:
        # Also drops a byte order mark.
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._rest = ""
        self._event = ""
        self._data: list[str] = []

    def take(self, piece: bytes) -> list[ServerSentEvent]:
        """The events that this piece completes."""
        # A carriage return at the end may be half of a line break.
        lines = re.split(r"\r\n|\n|\r(?!\Z)", self._rest + self._decoder.decode(piece))
        self._rest = lines.pop()
        if len(self._rest) > _LONGEST_LINE:
            raise ValueError("The event stream has no line breaks.")
        events = (self._take_line(line) for line in lines)
        return [event for event in events if event]

    def _take_line(self, line: str) -> ServerSentEvent | None:
        if line == "":
            event = ServerSentEvent(self._event or "message", "\n".join(self._data)) if self._data else None
            self._event, self._data = "", []
            return event
        field, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if field == "event":
            self._event = value
        elif field == "data":
            self._data.append(value)
        return None
