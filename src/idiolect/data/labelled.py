"""From texts with labels to the rows that a model with such a head learns from.

A row is a text, a pair of texts, or a text of words that each have a tag. Its label is the target of one position, of
weight 1: the first one, or the last where the head reads that; a tag, of the first piece of its word. Everything else
has weight 0, so that the objective is the likelihood of everything else. What fills a row up is a document of its own.

Rows are encoded once and kept: 4 bytes an id. Their order is a pure function of (seed, epoch, index).

Shapes: B rows, T positions, N ids of a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from idiolect.data.batch import Batch, filled
from idiolect.data.framing import Framing
from idiolect.data.order import key_of, permute
from idiolect.errors import CorpusError


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text, or two, and what is to be said of it.

    Example:
        >>> LabelledText("All animals breathe.", "entailment", second="Cats breathe.")
    """

    text: str
    label: str
    second: str | None = None


@dataclass(frozen=True, slots=True)
class TaggedWords:
    """The words of a text, and what is to be said of each.

    Example:
        >>> TaggedWords(("Ada", "lives", "in", "Zürich"), ("person", "other", "other", "place"))
    """

    words: Sequence[str]
    tags: Sequence[str]


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it is kept: its ids, which text each is of, and which positions have which label (by number)."""

    ids_N: npt.NDArray[np.uint32]
    types_N: npt.NDArray[np.uint8]
    places: Sequence[int]
    labels: Sequence[int]


class LabelledRows:
    """Every row once an epoch, in another order each time.

    Args:
        rows: of `label_rows` or `tag_rows`.
        filler: the id that fills up rows.
        seed: of the order.

    Raises:
        CorpusError: there is no row.

    Example:
        >>> rows = LabelledRows(label_rows(examples, framing, ("no", "yes"), last=False), framing.filler, seed=0)
        >>> rows.batch(first=32 * step, count=32)
    """

    def __init__(self, rows: Sequence[Row], filler: int, seed: int) -> None:
        if not rows:
            raise CorpusError("There is no example to learn from.")
        self._rows, self._filler, self._seed = rows, filler, seed

    @property
    def per_epoch(self) -> int:
        """Rows in an epoch."""
        return len(self._rows)

    def batch(self, first: int, count: int) -> Batch:
        """The rows `first` to `first + count` of the endless order, filled up to the longest of them."""
        epochs, places = np.divmod(np.arange(first, first + count), len(self._rows))
        chosen = np.empty(count, np.int64)
        for epoch in np.unique(epochs):
            inside = epochs == epoch
            chosen[inside] = permute(places[inside], len(self._rows), key_of(self._seed, int(epoch)))
        return as_batch([self._rows[int(number)] for number in chosen], self._filler)

    def in_order(self, count: int) -> Iterator[Batch]:
        """Every row once, as they were given, `count` at a time."""
        for first in range(0, len(self._rows), count):
            yield as_batch(self._rows[first : first + count], self._filler)


def label_rows(
    examples: Sequence[LabelledText], framing: Framing, labels: Sequence[str], *, last: bool, threads: int = 0
) -> list[Row]:
    """The rows of texts, each shortened to the context (`Framing.put_shortened`).

    Args:
        examples: texts or pairs.
        framing: how the model reads them.
        labels: the names; a label's number is its place here.
        last: whether the label is that of the last position rather than the first.
        threads: to encode with; 0: as many as this process may.

    Raises:
        CorpusError: a label is none of them.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    texts = [text for one in examples for text in (one.text, one.second) if text is not None]
    ids, starts = framing.tokenizer.encode_many(texts, threads=threads)
    pieces = iter(np.split(ids, starts[1:-1]))
    rows = []
    for number, one in enumerate(examples, start=1):
        first, second = next(pieces), None if one.second is None else next(pieces)
        found, types = framing.put_shortened(first, second)  # type: ignore[arg-type]  # arrays are sequences enough
        label = _number(numbers, one.label, f"Example {number}")
        rows.append(_row(found, types, [len(found) - 1 if last else 0], [label]))
    return rows


def tag_rows(
    examples: Sequence[TaggedWords], framing: Framing, labels: Sequence[str], *, every_piece: bool = False
) -> list[Row]:
    """The rows of tagged words. What does not fit into the context is left out with its tags.

    Args:
        examples: words with a tag each.
        framing: how the model reads them.
        labels: the names; a tag's number is its place here.
        every_piece: whether every piece of a word has the tag, rather than the first alone.

    Raises:
        CorpusError: a tag is none of them, there are not as many tags as words, or a word gives no token.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    rows = []
    for number, one in enumerate(examples, start=1):
        if len(one.words) != len(one.tags):
            raise CorpusError(f"Example {number} has {len(one.words)} words and {len(one.tags)} tags.")
        ids, word_of = pieces_of(one.words, framing)
        framed = framing.put_shortened(ids)
        before, kept = framing.before(), len(ids) if framing.context is None else min(len(ids), framing.room())
        told = [n for n in range(kept) if every_piece or n == 0 or word_of[n] != word_of[n - 1]]
        tags = [_number(numbers, one.tags[word_of[n]], f"Example {number}") for n in told]
        rows.append(_row(*framed, [before + n for n in told], tags))
    return rows


def pieces_of(words: Sequence[str], framing: Framing) -> tuple[list[int], list[int]]:
    """The ids of words that follow each other with spaces between, and which word each id is a piece of.

    Raises:
        CorpusError: a word gives no token.
    """
    tokenizer = framing.tokenizer
    spaced = [word if n == 0 or tokenizer.drops_first_space else f" {word}" for n, word in enumerate(words)]
    ids: list[int] = []
    word_of: list[int] = []
    for number, own in enumerate(tokenizer.encode_batch(spaced, threads=1) if spaced else []):
        if not own or not words[number].strip():
            raise CorpusError(f"Word {number + 1} ({words[number]!r}) gives no token: leave it out.")
        ids += own
        word_of += [number] * len(own)
    return ids, word_of


def label_names(examples: Sequence[LabelledText] | Sequence[TaggedWords]) -> tuple[str, ...]:
    """The labels that occur, in the order of their names.

    Example:
        >>> label_names([LabelledText("good", "positive"), LabelledText("bad", "negative")])
        ('negative', 'positive')
    """
    told = [one.tags if isinstance(one, TaggedWords) else [one.label] for one in examples]
    return tuple(sorted({name for names in told for name in names}))


def as_batch(rows: Sequence[Row], filler: int) -> Batch:
    """Rows as a model reads them, filled up to the longest."""
    longest = max(len(row.ids_N) for row in rows)
    ids_BT = filled([row.ids_N for row in rows], filler)
    targets_BT, weights_BT = torch.zeros_like(ids_BT), torch.zeros(ids_BT.shape)
    for number, row in enumerate(rows):
        targets_BT[number, row.places] = torch.tensor(row.labels, dtype=torch.int64)
        weights_BT[number, row.places] = 1.0
    even = all(len(row.ids_N) == longest for row in rows)
    paired = any(row.types_N.any() for row in rows)
    return Batch(
        ids_BT=ids_BT,
        targets_BT=targets_BT,
        weights_BT=weights_BT,
        segments_BT=None if even else filled([np.zeros(len(row.ids_N), np.int64) for row in rows], 1),
        types_BT=filled([row.types_N for row in rows], 0) if paired else None,
    )


def _row(ids: Sequence[int], types: Sequence[int], places: Sequence[int], labels: Sequence[int]) -> Row:
    return Row(np.array(ids, np.uint32), np.array(types, np.uint8), places, labels)


def _number(numbers: dict[str, int], label: str, owner: str) -> int:
    if label not in numbers:
        raise CorpusError(f"{owner} has the label {label!r}, which is none of {', '.join(map(repr, numbers))}.")
    return numbers[label]
