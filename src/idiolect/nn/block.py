"""One layer of a Transformer: attention between positions, then a feed-forward layer within each, both residual.

Pre-norm (Xiong et al. 2020), each part reads a normalised copy of the hidden states and adds what it found: with both
output projections at zero the block is the identity. Post-norm (Vaswani et al. 2017), the sum is normalised.

Shapes: B rows, T positions, D model width.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from idiolect.nn.attention import Attention
from idiolect.nn.cache import KVCache
from idiolect.nn.dropout import dropout
from idiolect.nn.masks import Sight
from idiolect.nn.mlp import MLP, GatedMLP
from idiolect.nn.norms import LayerNorm, RMSNorm
from idiolect.nn.positions import Tables

NormPlace = Literal["pre", "post"]


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); post-norm: norm(x + attention(x)), then norm(x + mlp(x)).

    Args:
        attention, mlp: the two parts.
        attention_norm, mlp_norm: the norm before each of them, or after each.
        norm_place: which of the two.
        residual: whether what a part found is added to what it read, or takes its place.
        dropout: the share of what a part found that is dropped, in training.
    """

    def __init__(
        self,
        attention: Attention,
        mlp: GatedMLP | MLP,
        attention_norm: RMSNorm | LayerNorm,
        mlp_norm: RMSNorm | LayerNorm,
        *,
        norm_place: NormPlace = "pre",
        residual: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.mlp = mlp
        self.attention_norm = attention_norm
        self.mlp_norm = mlp_norm
        self.norm_place = norm_place
        self.residual = residual
        self.dropout = dropout

    def forward(self, hidden_BTD: Tensor, tables: Tables | None, sight: Sight, cache: KVCache | None = None) -> Tensor:
        """(B, T, D) to (B, T, D); the other arguments are attention's."""
        if self.norm_place == "pre":
            found_BTD = self.attention(self.attention_norm(hidden_BTD), tables, sight, cache)
            hidden_BTD = self._joined(hidden_BTD, found_BTD)
            return self._joined(hidden_BTD, self.mlp(self.mlp_norm(hidden_BTD)))
        hidden_BTD = self.attention_norm(self._joined(hidden_BTD, self.attention(hidden_BTD, tables, sight, cache)))
        normed_BTD: Tensor = self.mlp_norm(self._joined(hidden_BTD, self.mlp(hidden_BTD)))
        return normed_BTD

    def _joined(self, hidden_BTD: Tensor, found_BTD: Tensor) -> Tensor:
        found_BTD = dropout(found_BTD, self.dropout, self.training)
        return hidden_BTD + found_BTD if self.residual else found_BTD
