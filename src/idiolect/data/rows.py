"""From a stream of tokens to rows of a batch: shuffled windows for training, windows in order for evaluation.

A row is a window of `context + 1` ids: all but the last are read, all but the first are predicted. Documents that
share a row are packed: by default attention stays inside each (`Batch.segments_BT`). Building a batch costs its own
ids and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from idiolect.data.batch import Batch
from idiolect.data.tokens import TokenStream
from idiolect.data.windows import ShuffledWindows
from idiolect.errors import CorpusError


class TrainingRows:
    """Every window of a stream once an epoch, in an order that is a pure function of (seed, epoch, index).

    Each epoch cuts the stream at another offset, so windows differ from one to the next.

    Args:
        stream: the ids.
        context: positions in a row.
        seed: of the order.
        across_documents: let attention cross from one document to the next.

    Raises:
        CorpusError: the text is shorter than one row.

    Example:
        >>> rows = TrainingRows(stream, context=64, seed=0)
        >>> rows.batch(first=12 * step, count=12)     # the rows of one step: any step, at once
    """

    def __init__(self, stream: TokenStream, context: int, seed: int, *, across_documents: bool = False) -> None:
        if len(stream) < context + 1:
            raise CorpusError(
                f"The training text is {len(stream):,} tokens and a row needs {context + 1:,}: "
                f"give more text, or a smaller --context."
            )
        self._stream = stream
        self._context = context
        self._across = across_documents
        self._windows = ShuffledWindows(len(stream) - 1, context, seed)

    @property
    def per_epoch(self) -> int:
        """Rows in an epoch."""
        return self._windows.per_epoch

    def batch(self, first: int, count: int) -> Batch:
        """The rows `first` to `first + count` of the endless order."""
        starts = self._windows.starts(first, count)
        ids = np.stack([self._stream.read(int(start), int(start) + self._context + 1) for start in starts])
        segments = None if self._across else segments_of(self._stream.starts, starts, self._context)
        return _batch(ids, np.ones((count, self._context), np.float32), segments)


class EvaluationRows:
    """The windows of a stream in order, each id predicted once; what is short of a row at the end is filled up at
    weight zero.

    Args:
        stream, context, across_documents: as for training.
        rows: rows in a batch.
        most_tokens: how much of the stream to take, from its beginning; None: all.
    """

    def __init__(
        self,
        stream: TokenStream,
        context: int,
        rows: int,
        *,
        across_documents: bool = False,
        most_tokens: int | None = None,
    ) -> None:
        self._stream = stream
        self._context = context
        self._rows = rows
        self._across = across_documents
        predicted = len(stream) - 1
        self._predicted = predicted if most_tokens is None else min(predicted, max(1, most_tokens))

    def __len__(self) -> int:
        """Batches."""
        return -(-self._predicted // (self._rows * self._context))

    def __iter__(self) -> Iterator[Batch]:
        for first in range(0, self._predicted, self._rows * self._context):
            starts = np.arange(first, min(first + self._rows * self._context, self._predicted), self._context)
            ids = np.zeros((len(starts), self._context + 1), np.int64)
            weights = np.zeros((len(starts), self._context), np.float32)
            for row, start in enumerate(starts):
                piece = self._stream.read(int(start), min(int(start) + self._context, self._predicted) + 1)
                ids[row, : len(piece)] = piece
                weights[row, : len(piece) - 1] = 1.0
            segments = None if self._across else segments_of(self._stream.starts, starts, self._context)
            yield _batch(ids, weights, segments)


def segments_of(
    document_starts: npt.NDArray[np.int64], row_starts: npt.NDArray[np.int64], context: int
) -> npt.NDArray[np.int64] | None:
    """The document of each position of each row (B, T), counted from 0 in a row; None when no row has more than one."""
    first = np.searchsorted(document_starts, row_starts, side="right")
    last = np.searchsorted(document_starts, row_starts + context - 1, side="right")
    if (first == last).all():
        return None
    positions = row_starts[:, None] + np.arange(context)
    return np.searchsorted(document_starts, positions, side="right") - first[:, None]


def _batch(
    ids: npt.NDArray[np.int64], weights: npt.NDArray[np.float32], segments: npt.NDArray[np.int64] | None
) -> Batch:
    return Batch(
        ids_BT=torch.from_numpy(ids[:, :-1].copy()),
        targets_BT=torch.from_numpy(ids[:, 1:].copy()),
        weights_BT=torch.from_numpy(weights),
        segments_BT=None if segments is None else torch.from_numpy(segments),
    )
