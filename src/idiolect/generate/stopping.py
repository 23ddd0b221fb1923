"""Ending a text at a stop string while it still comes in, piece by piece.

Cost: each piece is searched once for every stop string, together with the little that was held back.
"""

from __future__ import annotations

from collections.abc import Sequence

from idiolect.errors import UsageError


class StopStrings:
    """Passes a text on until a stop string is complete; the stop string and what follows it never come out.

    Text that could be the beginning of a stop string is held back until it is clear. Of several stop strings the one
    that is complete first counts, and of those complete at the same character the longest: how the text was cut into
    pieces makes no difference.

    Example:
        >>> stops = StopStrings(["\\n\\n"])
        >>> stops.push("one\\n"), stops.push("two\\n"), stops.push("\\nthree"), stops.stopped
        ('one', '\\ntwo', '', True)
    """

    def __init__(self, stops: Sequence[str]) -> None:
        """Raises UsageError for an empty stop string, which would end every text at once."""
        if "" in stops:
            raise UsageError("A stop string must not be empty.")
        self._stops = tuple(stops)
        self._held = ""
        self.stopped = False
        """Whether a stop string has come: everything after it is dropped."""

    def push(self, piece: str) -> str:
        """The text that is certain now that `piece` has come."""
        if self.stopped:
            return ""
        text = self._held + piece
        found = [(text.find(stop), len(stop)) for stop in self._stops if stop in text]
        if found:
            self.stopped = True
            self._held = ""
            start, _ = min(found, key=lambda match: (match[0] + match[1], match[0]))
            return text[:start]
        certain = len(text) - self._longest_beginning(text)
        self._held = text[certain:]
        return text[:certain]

    def flush(self) -> str:
        """What is still held back, when no more text will come."""
        held, self._held = self._held, ""
        return held

    def _longest_beginning(self, text: str) -> int:
        """Length of the longest end of `text` with which a stop string could begin."""
        longest = max(map(len, self._stops), default=0)
        for length in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stops):
                return length
        return 0
