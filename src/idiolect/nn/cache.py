"""What a model has already read, so that each new token costs one position: a decoder keeps keys and values.

It stands beside attention, which reads and extends it; the loop that drives it is in `generate/engine.py`.

Shapes: B rows, G heads of keys and values, T new positions, S positions held so far, C channels of a head.
"""

from __future__ import annotations

from typing import Protocol, Self

import torch
from torch import Tensor


class Cache(Protocol):
    """What a model remembers of the positions it has read: keys and values, or a recurrent network's state."""

    length: int
    """Positions read so far: the same for every row."""

    def repeat(self, rows: int) -> Self:
        """A cache whose `rows` rows all hold what the one row here holds: a prompt read once, continued often."""


class KVCache:
    """Preallocated keys and values of `layers` layers for `batch` rows of up to `length` positions.

    Memory: 2 · layers · batch · kv_heads · length · head_dim · bytes of `dtype`.
    """

    def __init__(
        self,
        layers: int,
        batch: int,
        kv_heads: int,
        length: int,
        head_dim: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = (layers, batch, kv_heads, length, head_dim)
        self._keys = torch.zeros(shape, dtype=dtype, device=device)
        self._values = torch.zeros(shape, dtype=dtype, device=device)
        self.capacity = length
        self.length = 0
        """Positions held: the same for every layer and row. The model advances it once per forward pass."""

    def extend(self, layer: int, keys_BGTC: Tensor, values_BGTC: Tensor) -> tuple[Tensor, Tensor]:
        """Put new positions of one layer behind those held; gives all of its keys and values (B, G, S + T, C)."""
        stop = self.length + keys_BGTC.shape[2]
        assert stop <= self.capacity, "the engine must make room before it calls the model"
        self._keys[layer, :, :, self.length : stop] = keys_BGTC
        self._values[layer, :, :, self.length : stop] = values_BGTC
        return self._keys[layer, :, :, :stop], self._values[layer, :, :, :stop]

    def advance(self, positions: int) -> None:
        """Count the positions that every layer has just added."""
        self.length += positions

    def repeat(self, rows: int) -> KVCache:
        """A cache whose `rows` rows all hold what the one row here holds: a prompt read once, continued often."""
        layers, _, kv_heads, capacity, head_dim = self._keys.shape
        wide = KVCache(layers, rows, kv_heads, capacity, head_dim, dtype=self._keys.dtype, device=self._keys.device)
        wide._keys[:, :, :, : self.length] = self._keys[:, :, :, : self.length]
        wide._values[:, :, :, : self.length] = self._values[:, :, :, : self.length]
        wide.length = self.length
        return wide
