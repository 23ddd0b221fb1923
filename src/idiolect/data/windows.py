"""Where the windows of a stream begin, in an order that is a pure function of (seed, epoch, index)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from idiolect.data.order import key_of, permute


class ShuffledWindows:
    """Every window of a stream once an epoch. Each epoch cuts the stream at another offset, so windows differ from one
    to the next; nothing is kept, and any window is found at once.

    Args:
        length: ids that windows may cover, at least `width`.
        width: ids in a window.
        seed: of the order.

    Example:
        >>> ShuffledWindows(100, 10, seed=0).starts(first=12, count=3)
    """

    def __init__(self, length: int, width: int, seed: int) -> None:
        self._width = width
        self._seed = seed
        self.per_epoch = max(1, length // width - 1)
        """Windows in an epoch; the ids of one window are left over so that each epoch can start at an offset of its
        own."""
        self._offsets = min(width, length + 1 - self.per_epoch * width)

    def starts(self, first: int, count: int) -> npt.NDArray[np.int64]:
        """Where the windows `first` to `first + count` of the endless order begin."""
        starts = np.empty(count, np.int64)
        indices = np.arange(first, first + count)
        epochs = indices // self.per_epoch
        for epoch in np.unique(epochs):
            inside = epochs == epoch
            key = key_of(self._seed, int(epoch))
            offset = key_of(key, 1) % self._offsets
            windows = permute(indices[inside] % self.per_epoch, self.per_epoch, key)
            starts[inside] = offset + windows * self._width
        return starts
