"""From a stream of tokens to rows in reading order: each row of a step is in a lane, and goes on where the lane's row
in the step before stopped. For recurrent networks, which carry their state from one to the next.

The lanes stand in the stream at equal distances and walk through it side by side, so that together they read it once
in an epoch; then each goes on in what the next one has read, and at the end of the stream from its beginning. Where a
lane stands is a pure function of (seed, step, lane). Building a batch costs its own ids and nothing else.

Shapes: B rows, T positions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from idiolect.data.batch import Batch
from idiolect.data.order import key_of
from idiolect.data.tokens import TokenStream
from idiolect.errors import CorpusError

I64 = npt.NDArray[np.int64]


class TrainingLanes:
    """Row `step * lanes + lane` of the endless order is the lane's in that step.

    Args:
        stream: the ids.
        context: positions in a row: how far back a gradient goes.
        lanes: rows in a step.
        seed: of the place where the first lane begins.
        across_documents: let the state pass from one document to the next.

    Raises:
        CorpusError: the text is shorter than one row.

    Example:
        >>> rows = TrainingLanes(stream, context=64, lanes=12, seed=0)
        >>> rows.batch(first=12 * step, count=12)     # the rows of one step: any step, at once
    """

    def __init__(
        self, stream: TokenStream, context: int, lanes: int, seed: int, *, across_documents: bool = False
    ) -> None:
        if len(stream) < context + 1:
            raise CorpusError(
                f"The training text is {len(stream):,} tokens and a row needs {context + 1:,}: "
                f"give more text, or a smaller --context."
            )
        self._stream = stream
        self._context = context
        self._lanes = lanes
        self._across = across_documents
        self._predicted = len(stream) - 1
        self._begins = (np.arange(lanes) * self._predicted // lanes + key_of(seed) % self._predicted).astype(np.int64)

    def batch(self, first: int, count: int) -> Batch:
        """The rows `first` to `first + count` of the endless order."""
        steps, lanes = np.divmod(np.arange(first, first + count), self._lanes)
        firsts_B = self._begins[lanes] + steps * self._context
        places_BT = (firsts_B[:, None] + np.arange(self._context)) % self._predicted
        weights_BT = np.ones(places_BT.shape, np.float32)
        return _batch(self._stream, places_BT, weights_BT, lanes, across_documents=self._across)


class EvaluationLanes:
    """A stream read once by lanes side by side, each id predicted once; what a lane has too little is filled up at
    weight zero.

    Args:
        stream, context, lanes, across_documents: as for training.
        most_tokens: how much of the stream to take, from its beginning; None: all.
    """

    def __init__(
        self,
        stream: TokenStream,
        context: int,
        lanes: int,
        *,
        across_documents: bool = False,
        most_tokens: int | None = None,
    ) -> None:
        predicted = len(stream) - 1
        predicted = predicted if most_tokens is None else min(predicted, max(1, most_tokens))
        self._stream = stream
        self._context = context
        self._across = across_documents
        self._edges = np.arange(lanes + 1) * predicted // lanes

    def __len__(self) -> int:
        """Batches."""
        return -(-int(np.diff(self._edges).max()) // self._context)

    def __iter__(self) -> Iterator[Batch]:
        begins_B, stops_B = self._edges[:-1], self._edges[1:]
        for step in range(len(self)):
            places_BT = (begins_B + step * self._context)[:, None] + np.arange(self._context)
            weights_BT = (places_BT < stops_B[:, None]).astype(np.float32)
            places_BT = np.minimum(places_BT, len(self._stream) - 2)
            yield _batch(self._stream, places_BT, weights_BT, np.arange(len(begins_B)), across_documents=self._across)


def _batch(
    stream: TokenStream, places_BT: I64, weights_BT: npt.NDArray[np.float32], lanes_B: I64, *, across_documents: bool
) -> Batch:
    """The ids at these places, each with the one behind it to predict."""
    pairs = [_ids(stream, places_T) for places_T in places_BT]
    segments_BT = None if across_documents else _segments(stream.starts, places_BT)
    return Batch(
        ids_BT=torch.from_numpy(np.stack([ids_T for ids_T, _ in pairs])),
        targets_BT=torch.from_numpy(np.stack([targets_T for _, targets_T in pairs])),
        weights_BT=torch.from_numpy(weights_BT),
        segments_BT=None if segments_BT is None else torch.from_numpy(segments_BT),
        lanes_B=torch.from_numpy(lanes_B),
    )


def _ids(stream: TokenStream, places_T: I64) -> tuple[I64, I64]:
    """The ids at places that follow each other but where a lane comes to the stream's end, and those behind them."""
    edges = [0, *(np.flatnonzero(np.diff(places_T) != 1) + 1).tolist(), len(places_T)]
    runs = [
        stream.read(int(places_T[start]), int(places_T[start]) + stop - start + 1)
        for start, stop in itertools.pairwise(edges)
    ]
    return np.concatenate([run[:-1] for run in runs]), np.concatenate([run[1:] for run in runs])


def _segments(starts: I64, places_BT: I64) -> I64 | None:
    """How many documents have begun in the row up to each place; None when none does in any row."""
    nearest = np.searchsorted(starts, places_BT)
    begins_BT = places_BT == 0
    if len(starts):
        begins_BT |= starts[np.minimum(nearest, len(starts) - 1)] == places_BT
    return np.cumsum(begins_BT, axis=1) if begins_BT.any() else None
