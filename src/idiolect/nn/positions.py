"""Where a token stands: rotary positions (Su et al. 2021, "RoFormer", section 3.2.2).

Channels i and i + C/2 of a head are the two coordinates of a point in a plane; at position t the point is turned by the
angle t · theta^(−2i/C). A query's product with a key then depends on how far apart they stand, not on where. The pairs
(i, i + C/2) are llama's and Qwen3's layout.

The tables of all cosines and sines cost 2 · context · head_dim floats, computed once; to turn is three operations.

Shapes: T positions, C channels of a head; any dimensions before them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

Tables = tuple[Tensor, Tensor]
"""Cosines (T, C), and sines (T, C) with the sign of each channel's partner: − in the first half, + in the second."""


def rotary_tables(length: int, head_dim: int, theta: float, device: torch.device | None = None) -> Tables:
    """The tables of positions 0 … length − 1, in fp32 step by step as `transformers` does, so that logits are equal."""
    exponents_c = torch.arange(0, head_dim, 2, dtype=torch.float32, device=device) / head_dim
    angles_Tc = torch.arange(length, dtype=torch.float32, device=device)[:, None] * (1.0 / theta**exponents_c)
    cos_Tc, sin_Tc = angles_Tc.cos(), angles_Tc.sin()
    return torch.cat((cos_Tc, cos_Tc), dim=-1), torch.cat((-sin_Tc, sin_Tc), dim=-1)


def rotate(vectors: Tensor, tables: Tables) -> Tensor:
    """Turn vectors (…, T, C) by their positions; computed in fp32 or better, returned in the vectors' precision."""
    cos_TC, sin_TC = tables
    partners = vectors.roll(vectors.shape[-1] // 2, dims=-1)
    return torch.addcmul(vectors * cos_TC, partners, sin_TC).to(vectors.dtype)


class Rotary(nn.Module):
    """The tables of a model: `rotary(start, stop)` gives those of the positions from `start` to `stop`.

    They are no parameters, are not saved, and stay fp32 when the model is turned into another precision: rounded to
    bf16, far positions would fall together (transformers pull request 29285).
    """

    cos_TC: Tensor
    sin_TC: Tensor

    def __init__(self, length: int, head_dim: int, theta: float) -> None:
        super().__init__()
        self.length, self.head_dim, self.theta = length, head_dim, theta
        cos_TC, sin_TC = rotary_tables(length, head_dim, theta)
        self.register_buffer("cos_TC", cos_TC, persistent=False)
        self.register_buffer("sin_TC", sin_TC, persistent=False)

    def forward(self, start: int, stop: int) -> Tables:
        """Cosines and sines (stop − start, C)."""
        return self.cos_TC[start:stop], self.sin_TC[start:stop]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What `to`, `cuda`, `half` and the like come down to: follow to the device, but not to the precision."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        device = self.cos_TC.device
        self.cos_TC, self.sin_TC = rotary_tables(self.length, self.head_dim, self.theta, device)
        return self
