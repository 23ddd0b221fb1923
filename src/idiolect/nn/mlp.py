"""The feed-forward layer: each position by itself, widened, gated and narrowed again.

It holds 3 · dim · mlp_dim parameters, most of a block's, and as many multiplications for each token.

Shapes: B rows, T positions, D model width.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SwiGLU(nn.Module):
    """W_down (silu(W_gate x) ⊙ W_up x) (Shazeer 2020, "GLU Variants Improve Transformer", eq. 6).

    The gate decides, channel by channel, how much of the widened vector passes. Gate and up stay two matrices: they
    are what the folder stores, and Muon makes each of them orthogonal by itself.
    """

    def __init__(self, dim: int, mlp_dim: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(dim, mlp_dim, bias=False)
        self.up_proj = nn.Linear(dim, mlp_dim, bias=False)
        self.down_proj = nn.Linear(mlp_dim, dim, bias=False)

    def forward(self, hidden_BTD: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        narrowed_BTD: Tensor = self.down_proj(F.silu(self.gate_proj(hidden_BTD)) * self.up_proj(hidden_BTD))
        return narrowed_BTD
