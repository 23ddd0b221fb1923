"""The special tokens around a text, or around two, and the roles that special tokens have.

Encoders read `[CLS] a [SEP] b [SEP]`, with a segment (BERT's token type) for each token that says which text it is of
(Devlin et al., "BERT", 2019, figure 2); RoBERTa has `<s> a </s></s> b </s>`, Llama `<s> a`. `Tokenizer.encode` gives a
text's own ids, for what stands around it is the caller's to decide (training puts the end of text between documents
itself); `Tokenizer.framed` puts ids into the frame. It costs a copy of the ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from idiolect.errors import TokenizerError

ROLES: Final = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
"""What a special token can be for: begin and end of a text, the unknown, between two texts, filling up a row, standing
for the whole text, hidden. The names are Hugging Face's, without `_token`."""

_TEXTS: Final = ("$A", "$B")
_PART = re.compile(r"(.+?)(?::(\d+))?", re.DOTALL)


class Part(NamedTuple):
    """One part of a frame: a special token, or where the first text (`$A`) or the second (`$B`) goes."""

    name: str
    """The special token's name, or the text's."""
    segment: int = 0
    """The segment of its ids."""
    is_text: bool = False
    """Whether the name is that of a text."""


class Framed(NamedTuple):
    """Ids with all that stands around them, and the segment of each."""

    ids: list[int]
    segments: list[int]


@dataclass(frozen=True)
class Frame:
    """What stands around one text, and around two.

    Example:
        >>> Frame.of("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")    # BERT's; a segment not given is 0

    Raises:
        TokenizerError: a text is missing or stands twice.
    """

    single: tuple[Part, ...] = (Part("$A", 0, True),)
    """The parts where there is one text."""
    pair: tuple[Part, ...] = (Part("$A", 0, True), Part("$B", 1, True))
    """The parts where there are two."""

    def __post_init__(self) -> None:
        for parts, needed in ((self.single, ["$A"]), (self.pair, ["$A", "$B"])):
            texts = [part.name for part in parts if part.is_text]
            if sorted(texts) != needed:
                raise TokenizerError(
                    f"A frame has each text once: {' and '.join(needed)}, and this has {' and '.join(texts) or 'none'}."
                )
            if any(not part.name or not 0 <= part.segment < 2**31 for part in parts):
                raise TokenizerError("A frame has a token without a name, or a segment below 0.")

    @classmethod
    def of(cls, single: str, pair: str) -> Frame:
        """A frame written as parts with spaces between them: names, `$A` and `$B`, each with `:segment` if not 0."""
        return cls(_parts(single), _parts(pair))

    @classmethod
    def bert(cls, cls_token: str = "[CLS]", sep_token: str = "[SEP]") -> Frame:
        """BERT's frame: `[CLS] a [SEP]`, and `[CLS] a [SEP] b [SEP]` whose second text has segment 1."""
        start, end = Part(cls_token), Part(sep_token)
        single = (start, *_A, end)
        return cls(single, (*single, Part("$B", 1, True), Part(sep_token, 1)))

    @classmethod
    def roberta(cls, cls_token: str = "<s>", sep_token: str = "</s>") -> Frame:
        """RoBERTa's frame: `<s> a </s>`, and `<s> a </s></s> b </s>`; all segments are 0."""
        start, end = Part(cls_token), Part(sep_token)
        single = (start, *_A, end)
        return cls(single, (*single, end, Part("$B", 0, True), end))

    @classmethod
    def ends(cls, bos: str | None, eos: str | None) -> Frame:
        """A token before each text, one behind each, or both: Llama's and T5's frames."""

        def around(text: str, segment: int) -> tuple[Part, ...]:
            before = () if bos is None else (Part(bos, segment),)
            behind = () if eos is None else (Part(eos, segment),)
            return (*before, Part(text, segment, True), *behind)

        return cls(around("$A", 0), (*around("$A", 0), *around("$B", 1)))

    def __str__(self) -> str:
        """The parts of both, as `of` takes them."""
        single, pair = (
            " ".join(f"{part.name}:{part.segment}" if part.segment else part.name for part in parts)
            for parts in (self.single, self.pair)
        )
        return f"{single}, around two: {pair}"

    @property
    def names(self) -> list[str]:
        """The special tokens in it, each once."""
        return list(dict.fromkeys(part.name for part in (*self.single, *self.pair) if not part.is_text))

    def put(self, special: Mapping[str, int], texts: Sequence[Iterable[int]]) -> Framed:
        """The ids of one or two texts in the frame.

        Args:
            special: the ids of the special tokens.
            texts: the ids of each text.
        """
        ids: list[int] = []
        segments: list[int] = []
        for part in self.single if len(texts) == 1 else self.pair:
            own = texts[_TEXTS.index(part.name)] if part.is_text else [special[part.name]]
            own = own.tolist() if isinstance(own, np.ndarray) else list(own)
            ids += own
            segments += [part.segment] * len(own)
        return Framed(ids, segments)

    def added(self, pair: bool = False) -> int:
        """How many ids it adds to those of one text, or of two."""
        return sum(not part.is_text for part in (self.pair if pair else self.single))

    def to_json(self) -> list[list[list[object]]]:
        """The parts as JSON values, for a fingerprint."""
        return [[[part.name, part.segment, part.is_text] for part in parts] for parts in (self.single, self.pair)]


_A: Final = (Part("$A", 0, True),)


def _parts(written: str) -> tuple[Part, ...]:
    parts = []
    for word in written.split():
        found = _PART.fullmatch(word)
        name, segment = (found[1], int(found[2] or 0)) if found else (word, 0)
        parts.append(Part(name, segment, name in _TEXTS))
    return tuple(parts)
