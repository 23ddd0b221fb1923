"""SentencePiece's normaliser in plain Python: what `native/normalize.cpp` does, to be read and to be tested against.

Reading a large table takes 0.2 s, and applying it goes through English text at some 40 MB/s, ASCII at 130.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

import numpy as np

from idiolect.errors import TokenizerError

_MARK = "▁"
_MOST_STEPS = 2**20  # from character to character in all the rules of a table: SentencePiece's own have some 30,000
_EVERY_BYTE = np.arange(256, dtype=np.uint32)
_UTF8_LENGTH = [1] * 0xC0 + [2] * 0x20 + [3] * 0x10 + [4] * 0x10  # bytes of a character, by its first


def normalize(
    text: str,
    charsmap: bytes,
    *,
    collapse_spaces: bool,
    prefix_space: bool,
    prefix_once: bool,
    mark: bool,
    space_behind: bool = False,
    kept: Collection[str] = (),
) -> str:
    """What SentencePiece makes of a text; the arguments are those of `Normalizer`.

    Raises:
        TokenizerError: the rule table is damaged, or makes two spaces of one place while spaces are to be collapsed
            (which SentencePiece would leave alone, and this does not).
    """
    if not text:
        return text
    if charsmap:
        rules = _rules(charsmap)
        if collapse_spaces and rules.doubles_spaces:
            raise TokenizerError("The rule table makes two spaces in a row of one place.")
        pieces = list(rules.pieces(text, kept)) if kept or space_behind else [rules.apply(text)]
        text, only_spaces = "".join(pieces), set(pieces) == {" "}
    else:
        only_spaces = set(text) == {" "}
    if collapse_spaces:
        text = re.sub("  +", " ", text).strip(" ")
    if prefix_space and not space_behind and not (prefix_once and text[:1] in (" ", _MARK if mark else " ")):
        text = " " + text
    if mark:
        text = text.replace(" ", _MARK)
    if collapse_spaces:
        text = text.rstrip(_MARK if mark else " ")  # a mark that the text itself ends with is taken for a space
    if prefix_space and space_behind and not (collapse_spaces and only_spaces):
        text += _MARK if mark else " "
    return text


class _Rules:
    """The rules of SentencePiece's table: at each place the longest that fits is applied, else the character stays.

    A table is its index's length in bytes (u32, little-endian), the index, and the outputs, each closed by NUL. The
    index is a double array as darts-clone makes it: a trie over the bytes of the rules in 32-bit units, in which the
    child of a node by a byte stands at the node's base XOR that byte, and says there which byte it was. Where a rule
    ends, the unit at the base itself holds the place of its output.

    A rule of several characters can only fit where its second one stands. The characters that are second or later in
    any rule are few (accents, the vowels of Korean), so a text is cut into stretches in which only rules of one
    character can fit, which a regular expression finds, and clusters of a character and those few, which are walked.
    """

    def __init__(self, charsmap: bytes) -> None:
        size = int.from_bytes(charsmap[:4], "little")
        if size == 0 or size % 1024 or 4 + size >= len(charsmap) or charsmap[-1] != 0:
            raise _damaged(f"it has {len(charsmap)} bytes, and says that {size} of them are its index")
        units = np.frombuffer(charsmap, "<u4", size // 4, 4)
        self._labels = units & 0x800000FF  # the byte that leads here; the top bit marks places of outputs
        self._label = self._labels.tolist()
        self._ends_rule = (units >> 8 & 1 == 1).tolist()
        self._base = (np.arange(len(units), dtype=np.uint32) ^ (units >> 10 << ((units & 1 << 9) >> 6))).tolist()
        self._place = (units & 0x7FFFFFFF).tolist()
        self._outputs = charsmap[4 + size :]
        self._output_at: dict[int, str] = {}
        self._alone: dict[str, str] = {}  # the rules of one character
        later = self._check()
        self._single = _any_of(self._alone)
        self._later = _any_of(later)
        self._ascii = {ord(rule): output or None for rule, output in self._alone.items() if rule.isascii()}
        self._ascii_is_alone = not any(character.isascii() for character in later)
        self._cluster = re.compile(f"([\\s\\S]{self._later.pattern}+)")
        self.doubles_spaces = any("  " in output for output in self._output_at.values())

    def apply(self, text: str) -> str:
        if text.isascii() and self._ascii_is_alone:
            return text.translate(self._ascii)
        if not self._later.search(text):
            return self._single.sub(self._of_one, text)
        parts = self._cluster.split(text)  # stretch, cluster, stretch, …
        parts[0::2] = [self._single.sub(self._of_one, stretch) for stretch in parts[0::2]]
        parts[1::2] = [self._walk(cluster) for cluster in parts[1::2]]
        return "".join(parts)

    def pieces(self, text: str, kept: Collection[str]) -> Iterator[str]:
        """What each place becomes where some strings stay: the longest of them, else what the longest rule gives."""
        place = 0
        while place < len(text):
            found = max((string for string in kept if text.startswith(string, place)), key=len, default="")
            place, output = (place + len(found), found) if found else self._longest(text, place)
            yield output

    def _of_one(self, found: re.Match[str]) -> str:
        return self._alone.get(found[0], found[0])

    def _walk(self, text: str) -> str:
        written: list[str] = []
        place = 0
        while place < len(text):
            place, output = self._longest(text, place)
            written.append(output)
        return "".join(written)

    def _longest(self, text: str, place: int) -> tuple[int, str]:
        """Where the longest rule ends that fits at a place, and what it gives; else the character itself."""
        node, stop, output = 0, place + 1, text[place]
        for end in range(place, len(text)):
            child = self._after(node, text[end].encode())
            if child is None:
                break
            node = child
            if self._ends_rule[node]:
                stop, output = end + 1, self._output(node)
        return stop, output

    def _after(self, node: int, character: bytes) -> int | None:
        for byte in character:
            node = self._base[node] ^ byte
            if self._label[node] != byte:
                return None
        return node

    def _output(self, node: int) -> str:
        """What the rule that ends at this node gives."""
        place = self._place[self._checked_base(node)]
        if place not in self._output_at:
            end = self._outputs.find(b"\0", place)
            if end < 0:
                raise _damaged(f"an output would stand at byte {place} of {len(self._outputs)}")
            try:
                self._output_at[place] = self._outputs[place:end].decode()
            except UnicodeDecodeError:
                raise _damaged(f"the output at byte {place} is not UTF-8") from None
        return self._output_at[place]

    def _checked_base(self, node: int) -> int:
        base: int = self._base[node]
        if base >= len(self._base):
            raise _damaged(f"unit {node} points outside the index")
        return base

    def _check(self) -> set[str]:
        """Visit every node once, and look at all it points to; gives the characters that are later in any rule."""
        later: set[str] = set()
        visited = {0}
        pending: list[int] = []
        steps = 0
        for character, node in self._characters_after(0):
            if self._ends_rule[node]:
                self._alone[character] = self._output(node)
            visited.add(node)
            pending.append(node)
        pending = list(visited - {0})
        while pending:
            for character, node in self._characters_after(pending.pop()):
                steps += 1
                if steps > _MOST_STEPS:
                    raise _damaged("its rules have no end")
                later.add(character)
                if self._ends_rule[node]:
                    self._output(node)
                if node not in visited:
                    visited.add(node)
                    pending.append(node)
        return later

    def _characters_after(self, start: int) -> Iterator[tuple[str, int]]:
        """The characters by which rules go on after a node, and where they lead."""
        pending = [(b"", start)]
        labels = self._labels
        while pending:
            read, node = pending.pop()
            base = self._checked_base(node)
            children = base ^ _EVERY_BYTE  # inside: the units come in blocks of 256
            for byte in np.flatnonzero(labels[children] == _EVERY_BYTE).tolist():
                character, child = read + bytes([byte]), base ^ byte
                if len(character) < _UTF8_LENGTH[character[0]]:
                    if self._ends_rule[child]:
                        raise _damaged("a rule ends within a character")
                    pending.append((character, child))
                else:
                    try:
                        yield character.decode(), child
                    except UnicodeDecodeError:
                        raise _damaged("a rule is not UTF-8") from None


def _any_of(characters: Collection[str]) -> re.Pattern[str]:
    """The regular expression of one of these characters, or of any beyond U+FFFF where there is one such.

    Python finds a set of characters by a table, but keeps those beyond U+FFFF in a list that it goes through each time.
    """
    near = "".join(re.escape(character) for character in sorted(characters) if character <= "\uffff")
    far = "\U00010000-\U0010ffff" if any(character > "\uffff" for character in characters) else ""
    return re.compile(f"[{near}{far}]" if characters else "[^\\s\\S]")


@lru_cache(maxsize=16)
def _rules(charsmap: bytes) -> _Rules:
    return _Rules(charsmap)


def _damaged(how: str) -> TokenizerError:
    return TokenizerError(f"SentencePiece's rule table is damaged: {how}. Take it from its model file again.")
