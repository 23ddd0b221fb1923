"""The feed-forward layer: each position by itself, widened, bent and narrowed again.

Gated it holds 3 · dim · mlp_dim parameters, plain 2 · dim · mlp_dim: most of a block's, and as many multiplications for
each token.

Shapes: B rows, T positions, D model width.
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["silu", "gelu", "gelu_tanh", "relu", "relu2"]


def activate(hidden: Tensor, activation: Activation) -> Tensor:
    """Bend each number: what makes a feed-forward layer more than a product of two matrices.

    - silu: x σ(x) (Elfwing et al. 2018);
    - gelu: x Φ(x), with the normal distribution's Φ (Hendrycks & Gimpel 2016); gelu_tanh: their approximation of it;
    - relu: max(x, 0); relu2: its square (So et al. 2021, "Primer", section 4.1).
    """
    match activation:
        case "silu":
            return F.silu(hidden)
        case "gelu":
            return F.gelu(hidden)
        case "gelu_tanh":
            return F.gelu(hidden, approximate="tanh")
        case "relu":
            return F.relu(hidden)
        case "relu2":
            return F.relu(hidden).square()


class GatedMLP(nn.Module):
    """W_down (activation(W_gate x) ⊙ W_up x): SwiGLU with silu, GeGLU with gelu (Shazeer 2020, "GLU Variants Improve
    Transformer", eq. 6 and 5).

    The gate decides, channel by channel, how much of the widened vector passes. Gate and up stay two matrices: they
    are what the folder stores, and Muon makes each of them orthogonal by itself.
    """

    def __init__(self, dim: int, mlp_dim: int, activation: Activation, *, bias: bool = False) -> None:
        super().__init__()
        self.activation = activation
        self.gate_proj = nn.Linear(dim, mlp_dim, bias=bias)
        self.up_proj = nn.Linear(dim, mlp_dim, bias=bias)
        self.down_proj = nn.Linear(mlp_dim, dim, bias=bias)

    def forward(self, hidden_BTD: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        gate = activate(self.gate_proj(hidden_BTD), self.activation)
        narrowed_BTD: Tensor = self.down_proj(gate * self.up_proj(hidden_BTD))
        return narrowed_BTD


class MLP(nn.Module):
    """W_down activation(W_up x) (Vaswani et al. 2017, section 3.3)."""

    def __init__(self, dim: int, mlp_dim: int, activation: Activation, *, bias: bool = False) -> None:
        super().__init__()
        self.activation = activation
        self.up_proj = nn.Linear(dim, mlp_dim, bias=bias)
        self.down_proj = nn.Linear(mlp_dim, dim, bias=bias)

    def forward(self, hidden_BTD: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        narrowed_BTD: Tensor = self.down_proj(activate(self.up_proj(hidden_BTD), self.activation))
        return narrowed_BTD
