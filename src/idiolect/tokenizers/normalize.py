"""Normalisation: what happens to a text before it is cut, so that what reads alike is alike.

`é` can be written as one character or as `e` and an accent; `ﬁ` is `fi` in one character; a text may have one space
or two. A tokenizer that is to see these as the same changes the text first, and then decoding cannot give back what
was there: `lossless` says whether it can. The steps, in this order:

1. a Unicode normal form (`unicodedata`, Unicode Standard Annex 15) and lower case;
2. SentencePiece's rule table (Kudo and Richardson, "SentencePiece", 2018, section 3.2), as its `.model` files carry
   it: strings and what each becomes, the longest that fits first;
3. SentencePiece's spaces: runs of them become one and those at both ends go, one is put in front, and each is written
   as `▁`, in this order.

A rule table is read once, at the cost of some tens of milliseconds, and checked whole; applying it takes one look-up
for each character.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Final, Literal, Self, get_args

import numpy as np

from idiolect.errors import TokenizerError
from idiolect.tokenizers.byte_level import utf8

Form = Literal["none", "nfc", "nfkc", "nfd", "nfkd"]

MARK: Final = "▁"
"""What SentencePiece writes in place of a space (U+2581), so that a space can be part of a piece."""

_MOST_STEPS = 2**20  # from character to character in all the rules of a table: SentencePiece's own have some 30,000
_EVERY_BYTE = np.arange(256, dtype=np.uint32)
_UTF8_LENGTH = [1] * 0xC0 + [2] * 0x20 + [3] * 0x10 + [4] * 0x10  # bytes of a character, by its first


@dataclass(frozen=True)
class Normalizer:
    """What is done to a text before it is cut. Called with a text, it gives the text normalised.

    Example:
        >>> Normalizer(form="nfkc", lowercase=True)("Ｆine ﬁsh")
        'fine fish'
        >>> Normalizer(collapse_spaces=True, prefix_space=True, mark=True)(" the  cat ")
        '▁the▁cat'

    Raises:
        TokenizerError: the rule table is damaged (when the normalizer is made), or the text has a lone surrogate.
    """

    form: Form = "none"
    """The Unicode normal form."""
    lowercase: bool = False
    """Whether capitals become small letters."""
    charsmap: bytes = b""
    """SentencePiece's rule table (`precompiled_charsmap`); empty: no rules."""
    collapse_spaces: bool = False
    """Whether runs of spaces become one and spaces at the ends go (`remove_extra_whitespaces`)."""
    prefix_space: bool = False
    """Whether a text that is not empty gets a space in front (`add_dummy_prefix`)."""
    mark: bool = False
    """Whether spaces are written as `▁` (`escape_whitespaces`)."""

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise TokenizerError(f"There is no normal form {self.form!r}: choose one of {', '.join(get_args(Form))}.")
        if self.charsmap:
            rules = _rules(self.charsmap)
            if self.collapse_spaces and rules.doubles_spaces:
                raise TokenizerError(
                    "The rule table makes two spaces in a row of one place, which SentencePiece would keep while it "
                    "collapses all others: such a table is not supported."
                )

    def __call__(self, text: str) -> str:
        """The text, normalised."""
        utf8(text)
        if not text:
            return text
        if self.form != "none":
            text = unicodedata.normalize(_UNICODE_NAMES[self.form], text)
        if self.lowercase:
            text = text.lower()
        if self.charsmap:
            text = _rules(self.charsmap).apply(text)
        if self.collapse_spaces:
            text = re.sub("  +", " ", text).strip(" ")
            if not text:
                return text
        if self.prefix_space:
            text = " " + text
        if self.mark:
            text = text.replace(" ", MARK)
            if self.collapse_spaces:
                text = text.rstrip(MARK)  # SentencePiece takes a mark that the text itself ends with for a space
        return text

    @property
    def lossless(self) -> bool:
        """Whether decoding can give any text back exactly.

        A prefix space is taken away again. A mark is read as a space, so a text that has `▁` itself does not come
        back: with `mark`, this is False.
        """
        return self in (Normalizer(), Normalizer(prefix_space=True))

    def to_json(self) -> dict[str, object]:
        """The settings as JSON values, the rule table in base64."""
        return asdict(self) | {"charsmap": base64.b64encode(self.charsmap).decode("ascii")}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """What `to_json` gave.

        Raises:
            TokenizerError: a setting is unknown or of a wrong type, or the rule table is damaged.
        """
        if not isinstance(value, Mapping):
            raise TokenizerError("The normalizer's settings are not a JSON object.")
        types = {field.name: type(field.default) for field in fields(cls)} | {"charsmap": str}
        for name, setting in value.items():
            if name not in types:
                raise TokenizerError(f"The normalizer has a setting that is not known: {name!r}.")
            if type(setting) is not types[name]:
                raise TokenizerError(f"The normalizer's setting {name} should be of type {types[name].__name__}.")
        settings = dict(value)
        try:
            settings["charsmap"] = base64.b64decode(settings.get("charsmap", ""), validate=True)
        except (binascii.Error, ValueError):
            raise TokenizerError("The normalizer's rule table is not in base64.") from None
        return cls(**settings)


_UNICODE_NAMES: dict[Form, Literal["NFC", "NFKC", "NFD", "NFKD"]] = {
    "nfc": "NFC",
    "nfkc": "NFKC",
    "nfd": "NFD",
    "nfkd": "NFKD",
}


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

    def _of_one(self, found: re.Match[str]) -> str:
        return self._alone.get(found[0], found[0])

    def _walk(self, text: str) -> str:
        written: list[str] = []
        place = 0
        while place < len(text):
            node, stop, output = 0, place + 1, text[place]
            for end in range(place, len(text)):
                child = self._after(node, text[end].encode())
                if child is None:
                    break
                node = child
                if self._ends_rule[node]:
                    stop, output = end + 1, self._output(node)
            written.append(output)
            place = stop
        return "".join(written)

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
