"""One layer of a Transformer: attention between positions, then a feed-forward layer within each, both residual.

Each part reads a normalised copy of the hidden states and adds what it found (pre-norm: Xiong et al. 2020): with both
output projections at zero the block is the identity.

Shapes: B rows, T positions, D model width.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.nn.attention import Attention
from idiolect.nn.cache import KVCache
from idiolect.nn.mlp import SwiGLU
from idiolect.nn.norms import RMSNorm
from idiolect.nn.positions import Tables


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); in training, `dropout` of what is added is dropped."""

    def __init__(self, attention: Attention, mlp: SwiGLU, dim: int, norm_eps: float, dropout: float) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(dim, norm_eps)
        self.self_attn = attention
        self.post_attention_layernorm = RMSNorm(dim, norm_eps)
        self.mlp = mlp
        self.dropout = dropout

    def forward(
        self, hidden_BTD: Tensor, tables: Tables, mask: Tensor | None = None, cache: KVCache | None = None
    ) -> Tensor:
        """(B, T, D) to (B, T, D); the other arguments are attention's."""
        found_BTD = self.self_attn(self.input_layernorm(hidden_BTD), tables, mask, cache)
        hidden_BTD = hidden_BTD + F.dropout(found_BTD, self.dropout, self.training)
        found_BTD = self.mlp(self.post_attention_layernorm(hidden_BTD))
        return hidden_BTD + F.dropout(found_BTD, self.dropout, self.training)
