"""What a model has already read, so that each new token costs one position: a decoder keeps keys and values, a
recurrent network its state.

It stands beside attention, which reads and extends it; the loop that drives it is in `generate/engine.py`.

Shapes: B rows, G heads of keys and values, T new positions, S positions held so far, C channels of a head; of a
recurrent network L layers, S tensors of a state, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

import torch
from torch import Tensor


class Cache(Protocol):
    """What a model remembers of the positions it has read: keys and values, or a recurrent network's state."""

    length: int
    """Positions read so far: those of the row that has read most."""

    def repeat(self, rows: int) -> Self:
        """A cache whose `rows` rows all hold what the one row here holds: a prompt read once, continued often."""

    def select(self, rows: Sequence[int]) -> Self:
        """A cache whose row i holds what row `rows[i]` holds here: rows that go on, change places, or part ways."""

    def beside(self, others: Sequence[Self]) -> Self:
        """A cache of the rows here and then those of the others, which may have read more positions or fewer."""


class KVCache:
    """Preallocated keys and values of `layers` layers for `batch` rows of up to `length` positions.

    Rows may hold unequally many positions. All have their last one in the same slot, so that new ones are put behind in
    one go; a row that holds fewer begins at a later slot, and what is before it is masked.

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
        """Slots in use, the same for every layer: the positions of the longest row. The model advances it once per
        forward pass."""
        self.starts: list[int] | None = None
        """The slot of each row's first position; None: all rows begin at 0."""

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
        return self.select([0] * rows)

    def select(self, rows: Sequence[int]) -> KVCache:
        """A cache whose row i holds what row `rows[i]` holds here; slots that none of them uses are left behind."""
        starts = None if self.starts is None else [self.starts[row] for row in rows]
        unused = min(starts) if starts else 0
        chosen = self._empty(len(rows), self.length - unused, starts and [start - unused for start in starts])
        index_B = torch.tensor(rows, device=self._keys.device)
        for here, there in ((self._keys, chosen._keys), (self._values, chosen._values)):
            there[..., : chosen.length, :] = here[:, :, :, unused : self.length][:, index_B]
        return chosen

    def beside(self, others: Sequence[KVCache]) -> KVCache:
        """A cache of the rows here and then those of the others; all end at the same slot, shorter ones begin later."""
        caches = [self, *others]
        length = max(cache.length for cache in caches)
        starts = [length - cache.length + start for cache in caches for start in cache.starts or [0] * cache.rows]
        joined = self._empty(len(starts), length, starts)
        first = 0
        for cache in caches:
            rows, slots = slice(first, first + cache.rows), slice(length - cache.length, length)
            joined._keys[:, rows, :, slots] = cache._keys[:, :, :, : cache.length]
            joined._values[:, rows, :, slots] = cache._values[:, :, :, : cache.length]
            first += cache.rows
        return joined

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self._keys.shape[1]

    def _empty(self, rows: int, length: int, starts: Sequence[int] | None) -> KVCache:
        """Room of the same kind for other rows, which are said to hold so much already."""
        layers, _, kv_heads, capacity, head_dim = self._keys.shape
        room = KVCache(layers, rows, kv_heads, capacity, head_dim, dtype=self._keys.dtype, device=self._keys.device)
        room.length = length
        room.starts = list(starts) if starts and any(starts) else None
        return room


class RecurrentState:
    """What a recurrent network holds behind the last position it has read, in each layer: as much after any number of
    positions. At first it is zero.

    Memory: layers · parts · batch · dim · bytes of `dtype`. What is put in has no history: a gradient ends here, which
    is what truncates back-propagation through time.
    """

    def __init__(
        self,
        layers: int,
        parts: int,
        batch: int,
        dim: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self._states_SBD = [torch.zeros(parts, batch, dim, dtype=dtype, device=device) for _ in range(layers)]
        self.length = 0
        """Positions read so far: those of the row that has read most."""

    def layer(self, layer: int) -> Tensor:
        """The state of one layer (S, B, D)."""
        return self._states_SBD[layer]

    def put(self, layer: int, state_SBD: Tensor) -> None:
        """Keep one layer's new state; what held the old one is left as it was."""
        self._states_SBD[layer] = state_SBD.detach()

    def advance(self, positions: int) -> None:
        """Count the positions that every layer has just read."""
        self.length += positions

    def tensor(self) -> Tensor:
        """All of it, rows first: (B, L, S, D)."""
        return torch.stack([state_SBD.transpose(0, 1) for state_SBD in self._states_SBD], dim=1)

    def fill(self, states_BLSD: Tensor) -> None:
        """Take up what `tensor` gave, of the same rows or others."""
        for layer, states_BSD in enumerate(states_BLSD.unbind(dim=1)):
            self.put(layer, states_BSD.transpose(0, 1).contiguous())

    def repeat(self, rows: int) -> RecurrentState:
        """A state whose `rows` rows all hold what the one row here holds: a prompt read once, continued often."""
        return self.select([0] * rows)

    def select(self, rows: Sequence[int]) -> RecurrentState:
        """A state whose row i holds what row `rows[i]` holds here: rows that go on, change places, or part ways."""
        states_BLSD = self.tensor()
        return self._of(states_BLSD[torch.tensor(rows, device=states_BLSD.device)], self.length)

    def beside(self, others: Sequence[RecurrentState]) -> RecurrentState:
        """A state of the rows here and then those of the others, which may have read more positions or fewer."""
        states = [self, *others]
        return self._of(torch.cat([state.tensor() for state in states]), max(state.length for state in states))

    def _of(self, states_BLSD: Tensor, length: int) -> RecurrentState:
        """A state of the same kind that holds other rows."""
        rows, layers, parts, dim = states_BLSD.shape
        state = RecurrentState(layers, parts, rows, dim, dtype=states_BLSD.dtype, device=states_BLSD.device)
        state.fill(states_BLSD)
        state.length = length
        return state
