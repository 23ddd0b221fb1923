"""How a model reads a text, or two: what stands around them, and what is left of them where they are too long.

An encoder, and any model whose tokenizer has a frame, reads them in the frame (`[CLS] a [SEP] b [SEP]`); a model
without one reads each behind the token that opens a document. It costs a copy of the ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from idiolect.errors import TokenizerError, UsageError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.frame import Frame, Framed


@dataclass(frozen=True, slots=True)
class Framing:
    """A tokenizer's ids as a model of a kind reads them.

    Example:
        >>> framing = Framing(tokenizer, encoder=True, context=128)
        >>> ids, segments = framing.put(tokenizer.encode("Who is it?"), tokenizer.encode("Me."))
    """

    tokenizer: Tokenizer
    encoder: bool
    """Whether the model sees both sides."""
    context: int | None = None
    """Positions it has; None: as many as one likes."""

    @property
    def filler(self) -> int:
        """The id that fills up rows."""
        return self.tokenizer.role("pad") if "pad" in self.tokenizer.roles else self.tokenizer.end_of_text

    def put(self, first: Sequence[int], second: Sequence[int] | None = None) -> Framed:
        """The ids of a text, or of two, with what stands around them, whole; an empty text is still one token."""
        if self.encoder or self.tokenizer.frame != Frame():
            framed = self.tokenizer.framed(first, second)
            return framed if framed.ids else Framed([self.tokenizer.end_of_text], [0])
        opened = [self.tokenizer.end_of_text, *first]
        if second is None:
            return Framed(opened, [0] * len(opened))
        behind = [self.tokenizer.end_of_text, *second]
        return Framed([*opened, *behind], [0] * len(opened) + [1] * len(behind))

    def put_shortened(self, first: Sequence[int], second: Sequence[int] | None = None) -> Framed:
        """The same within the context: of a text the end is left out; of two, always the end of the longer one, until
        they fit (`longest_first` of Hugging Face's tools)."""
        if self.context is None:
            return self.put(first, second)
        room = self.room(pair=second is not None)
        if second is None:
            return self.put(first[:room])
        return self.put(*shortened(first, second, room))

    def room(self, *, pair: bool = False) -> int:
        """How many ids of a text, or of two together, the context has room for.

        Raises:
            UsageError: for none.
        """
        assert self.context is not None, "no end to the room"
        around = len(self.put([], [] if pair else None).ids)
        if self.context <= around:
            raise UsageError(f"A context of {self.context} has no room for text beside {around} special tokens.")
        return self.context - around

    def before(self) -> int:
        """How many ids stand in front of a text."""
        return self.put([-1]).ids.index(-1)

    def check_types(self, types: int) -> None:
        """Raises TokenizerError where the second text of a pair is of a kind that an encoder has no vector for."""
        most = max(self.put([0], [0]).segments)
        if self.encoder and types and most >= types:
            raise TokenizerError(
                f"The tokenizer's frame has segments 0 to {most}, and the model vectors for {types} only: use the "
                "tokenizer it was trained with."
            )


def shortened(first: Sequence[int], second: Sequence[int], room: int) -> tuple[Sequence[int], Sequence[int]]:
    """Two texts without the end of the longer one, until both have room.

    Example:
        >>> shortened("abc", "defghijk", 7)
        ('abc', 'defg')
    """
    short = min(len(first), len(second), room // 2)
    if len(first) > len(second):
        return first[: room - short], second[:short]
    return first[:short], second[: room - short]


def together(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """The numbers of rows to be read together: of like length, `most` positions in all where a row is not longer.

    Example:
        >>> list(together([3, 9, 2], most=8))
        [[2, 0], [1]]
    """
    by_length = sorted(range(len(lengths)), key=lambda number: lengths[number])
    while by_length:
        count = 1
        while count < len(by_length) and (count + 1) * lengths[by_length[count]] <= most:
            count += 1
        yield by_length[:count]
        by_length = by_length[count:]
