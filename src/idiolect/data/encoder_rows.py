"""From a stream of tokens to the rows an encoder learns from: tokens hidden, and pairs of texts true and false.

A row is `[CLS] text [SEP]` of a window of the stream, or `[CLS] a [SEP] b [SEP]` where b follows a in half of the rows
and is from another document in the others (Devlin et al. 2019, "BERT", section 3.1). Rows are a pure function of
(seed, index). Building one costs its own ids and a few draws.

Shapes: B rows, T positions, N ids of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from idiolect.data.batch import Batch, filled
from idiolect.data.masking import Masking
from idiolect.data.order import key_of
from idiolect.data.rows import segments_of
from idiolect.data.tokens import TokenStream
from idiolect.data.windows import ShuffledWindows
from idiolect.errors import CorpusError, UsageError
from idiolect.tokenizers.base import Tokenizer

Ids = npt.NDArray[np.int64]

_FOLLOWS, _ELSEWHERE = 0, 1
_TRIES: Final = 16  # to find a second text in another document
_LABEL_WEIGHT: Final = 0.15  # a row's label counts as much as the hidden tokens of a row together


@dataclass(frozen=True, slots=True)
class _Row:
    """A row before tokens are hidden."""

    ids_N: Ids
    types_N: Sequence[int]
    segments_N: Sequence[int]
    label: int | None = None


class EncoderRows:
    """Rows of windows of a stream, shuffled, each once an epoch.

    Args:
        stream: the ids.
        tokenizer: whose frame stands around a text or a pair.
        context: positions in a row.
        masking: which tokens are hidden.
        seed: of everything.
        pairs: whether rows are pairs of texts, half of which follow each other.
        across_documents: let attention cross from one document to the next.

    Raises:
        CorpusError: the text is shorter than a row, or has no second document for pairs.
        UsageError: the context has no room between the special tokens.

    Example:
        >>> rows = EncoderRows(stream, tokenizer, 128, Masking.of(tokenizer), seed=0, pairs=True)
        >>> rows.batch(first=32 * step, count=32)
    """

    def __init__(
        self,
        stream: TokenStream,
        tokenizer: Tokenizer,
        context: int,
        masking: Masking,
        seed: int,
        *,
        pairs: bool = False,
        across_documents: bool = False,
    ) -> None:
        around = len(tokenizer.framed([], [] if pairs else None).ids)
        self._width = context - around
        if self._width < 8:
            raise UsageError(f"A context of {context} leaves no room beside {around} special tokens: give 16 or more.")
        if len(stream) < self._width:
            raise CorpusError(
                f"The text is {len(stream):,} tokens and a row needs {self._width:,}: give more text, or a smaller "
                "--context."
            )
        if pairs and len(stream.starts) < 2:
            raise CorpusError("Pairs need a text of several documents: leave --pairs out.")
        self._stream, self._tokenizer, self._masking, self._seed = stream, tokenizer, masking, seed
        self._pairs, self._across = pairs, across_documents
        self._filler = tokenizer.role("pad") if "pad" in tokenizer.roles else tokenizer.end_of_text
        self._label_weight = _LABEL_WEIGHT * context if pairs else 0.0
        self._before = tokenizer.framed([-1]).ids.index(-1)  # special tokens in front of a text
        self._windows = ShuffledWindows(len(stream), self._width, seed)

    @property
    def per_epoch(self) -> int:
        """Rows in an epoch."""
        return self._windows.per_epoch

    def batch(self, first: int, count: int) -> Batch:
        """The rows `first` to `first + count` of the endless order, filled up to the longest of them."""
        starts = self._windows.starts(first, count).tolist()
        make = self._pair if self._pairs else self._single
        rows = [make(start, first + number) for number, start in enumerate(starts)]
        hidden = [self._masking.hide(row.ids_N, self._seed, first + n) for n, row in enumerate(rows)]
        labels = [row.label for row in rows]
        return Batch(
            ids_BT=filled([read for read, _ in hidden], self._filler),
            targets_BT=filled([row.ids_N for row in rows], self._filler),
            weights_BT=filled([chosen for _, chosen in hidden], 0).float(),
            segments_BT=self._segments(rows),
            types_BT=filled([row.types_N for row in rows], 0) if self._pairs else None,
            labels_B=torch.tensor([label or 0 for label in labels]) if self._pairs else None,
            label_weights_B=(
                torch.tensor([0.0 if label is None else self._label_weight for label in labels])
                if self._pairs
                else None
            ),
        )

    def _single(self, start: int, _: int) -> _Row:
        """A window, with its documents apart."""
        ids = self._stream.read(start, start + self._width)
        framed = self._tokenizer.framed(ids.tolist())
        segments_1N = None if self._across else segments_of(self._stream.starts, np.array([start]), self._width)
        own = [0] * self._width if segments_1N is None else segments_1N[0].tolist()
        behind = len(framed.ids) - self._before - self._width
        return _Row(np.array(framed.ids), framed.segments, [own[0]] * self._before + own + [own[-1]] * behind)

    def _pair(self, start: int, row: int) -> _Row:
        """The longest stretch of one document in a window, cut in two; every other time another second half."""
        random = np.random.Generator(np.random.Philox(key=key_of(self._seed, row, 1)))
        begin, end = self._longest(start)
        if end - begin < 2:
            ids, types = self._tokenizer.framed(self._stream.read(begin, end).tolist())
            return _Row(np.array(ids), types, [0] * len(ids))
        cut = begin + int(random.integers(max(1, (end - begin) // 4), max(2, (end - begin) * 3 // 4 + 1)))
        label, second = _FOLLOWS, (cut, end)
        if random.random() < 0.5 and (elsewhere := self._elsewhere(begin, end - cut, random)):
            label, second = _ELSEWHERE, elsewhere
        first_ids, second_ids = self._stream.read(begin, cut).tolist(), self._stream.read(*second).tolist()
        ids, types = self._tokenizer.framed(first_ids, second_ids)
        return _Row(np.array(ids), types, [0] * len(ids), label)

    def _longest(self, start: int) -> tuple[int, int]:
        """The longest part of a window that is of one document, without the mark that opens it."""
        end = start + self._width
        starts = self._stream.starts
        inside = starts[np.searchsorted(starts, start) : np.searchsorted(starts, end)].tolist()
        parts = list(zip([start, *(begin + 1 for begin in inside)], [*inside, end]))
        return max(parts, key=lambda part: part[1] - part[0])

    def _elsewhere(self, place: int, length: int, random: np.random.Generator) -> tuple[int, int] | None:
        """A stretch of at most this length in another document than that of `place`; None where none was found."""
        starts = self._stream.starts
        own = np.searchsorted(starts, place, side="right")
        for _ in range(_TRIES):
            begin = int(random.integers(len(self._stream)))
            document = np.searchsorted(starts, begin, side="right")
            stop = int(starts[document]) if document < len(starts) else len(self._stream)
            begin = begin + 1 if document and begin == starts[document - 1] else begin
            if document != own and stop - begin >= min(length, 4):
                return begin, min(stop, begin + length)
        return None

    def _segments(self, rows: Sequence[_Row]) -> Tensor | None:
        """The document of each position; what fills a row up is a document of its own. None where there is one each."""
        longest = max(len(row.ids_N) for row in rows)
        if all(len(row.ids_N) == longest and row.segments_N[-1] == row.segments_N[0] for row in rows):
            return None
        last = 1 + max(row.segments_N[-1] for row in rows)
        return filled([row.segments_N for row in rows], last)
