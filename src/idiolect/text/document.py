"""A document, and the parts in which a long one travels.

A document is one text with whatever else its row said (its fields). Most fit in one `Document`; a text longer than
about a million characters arrives as several, so that it is never held whole. Parts are cut where words are cut
anyway: just after a newline that is followed by something that is not white space, which is a boundary of the GPT-2
and cl100k pre-token patterns. Where the cuts fall depends on the text alone, not on the file it came in.

Cost: one part in memory, two while a long text is being read; at most `LONGEST_PART` characters each.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

PART = 1 << 20
"""Characters after which a part ends at the next good place."""

LONGEST_PART = 16 << 20
"""Characters after which a part ends, good place or not."""

LINE_START = re.compile(r"\n(?=\S)")


@dataclass(frozen=True, slots=True)
class Document:
    """A text, or a part of one, as a corpus hands it out.

    Example:
        >>> Document("To be, or not to be", {"source": "hamlet.txt"}).last
        True
    """

    text: str
    """The characters, exactly as in the file; never empty when it comes from a corpus."""
    fields: Mapping[str, object] = field(default_factory=dict)
    """What else its row had (JSON values), and "source", the file's name. All parts of a document have the same."""
    first: bool = True
    """Whether this part opens its document."""
    last: bool = True
    """Whether this part closes its document."""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A whole document where it lies: it can be read from its start as often as needed, and is not held."""

    fields: Mapping[str, object]
    parts: Callable[[], Iterator[str]]
    """Reads the text again, in the parts that `cut` makes."""

    @staticmethod
    def of(text: str, fields: Mapping[str, object]) -> StoredDocument:
        """A document whose text is in memory already."""
        return StoredDocument(fields, lambda: cut([text]))

    def length(self) -> int:
        """Number of characters; reads the whole text."""
        return sum(len(part) for part in self.parts())

    def digest(self) -> bytes:
        """128 bits that stand for the whole text; reads it."""
        state = hashlib.blake2b(digest_size=16)
        for part in self.parts():
            state.update(part.encode())
        return state.digest()

    def documents(self, start: int = 0, stop: int | None = None) -> Iterator[Document]:
        """`text[start:stop]`, part by part; only a piece from character 0 is `first`, only one to the end is `last`."""
        held = ""  # one piece is held back until it is known whether another follows
        first = start == 0
        position = 0
        for part in self.parts():
            piece = part[max(0, start - position) : None if stop is None else max(0, stop - position)]
            position += len(part)
            if held and piece:
                yield Document(held, self.fields, first, last=False)
                first = False
            held = piece or held
            if stop is not None and position >= stop:
                break
        if held:
            yield Document(held, self.fields, first, last=stop is None)


def cut(chunks: Iterable[str]) -> Iterator[str]:
    """Regroup a text that comes in chunks of any size into parts of about `PART` characters.

    A part ends just after the first newline at or beyond `PART` characters that is followed by something that is not
    white space, or after `LONGEST_PART` characters where there is none. The parts joined are the text.
    """
    held = ""
    searched = PART - 1  # no cut is possible before this index
    for chunk in chunks:
        held += chunk
        while True:
            line_start = LINE_START.search(held, searched)
            if line_start and line_start.end() <= LONGEST_PART:
                end = line_start.end()
            elif len(held) > LONGEST_PART:
                end = LONGEST_PART
            else:
                searched = max(PART - 1, len(held) - 1)  # a newline at the very end may yet become a cut
                break
            yield held[:end]
            held = held[end:]
            searched = PART - 1
    if held:
        yield held
