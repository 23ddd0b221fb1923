"""Attention: each position asks a question of the positions it may see, and takes a weighted mean of their answers.

This is the fast path: `torch.nn.functional.scaled_dot_product_attention`, and for short rows on a CPU two plain
products, which are faster there. On a GPU, what hides more than the right side goes block by block
(`nn/flex_attention.py`). `nn/reference.py` says the same as a textbook does, and the tests hold all equal.
Time grows with T · S, memory with T + S (with a mask or plain: T · S).

Shapes: B rows, T positions that ask, S positions that are asked, H query heads, G heads of keys and values, C channels
of a head, D model width; N = H + G + G heads of all three kinds, or H + G of queries and keys.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.nn import flex_attention
from idiolect.nn.cache import KVCache
from idiolect.nn.masks import Sight
from idiolect.nn.norms import RMSNorm, rms_norm
from idiolect.nn.positions import Tables, rotate

SHORT = 256
"""Positions up to which a CPU attends by plain products: the fused kernel works in tiles too small for its own good
there (measured, forward and backward: 0.8 ms against 1.1 at 64 positions, 6.0 against 8.6 at 256, 76 against 34 at
512; docs/log.md)."""

Biases = Literal["none", "qkv", "all"]
"""Which linear layers add a vector of their own: none, those that make queries, keys and values, or all."""


def attend(queries_BHTC: Tensor, keys_BGSC: Tensor, values_BGSC: Tensor, sight: Sight) -> Tensor:
    """Each query's mean of the values it may see, weighted by softmax(query · key / √C): (B, H, T, C).

    Args:
        queries_BHTC, keys_BGSC, values_BGSC: H a multiple of G; each key head serves H / G query heads.
        sight: what each query may see.
    """
    if sight.blocks is not None:
        return flex_attention.attend(queries_BHTC, keys_BGSC, values_BGSC, sight)
    if queries_BHTC.device.type != "cpu" or keys_BGSC.shape[2] > SHORT:
        mask = sight.mask
        if mask is not None and mask.is_floating_point():
            mask = mask.to(queries_BHTC.dtype)
        grouped = queries_BHTC.shape[1] > keys_BGSC.shape[1]
        answered_BHTC: Tensor = F.scaled_dot_product_attention(
            queries_BHTC, keys_BGSC, values_BGSC, attn_mask=mask, is_causal=sight.causal, enable_gqa=grouped
        )
        return answered_BHTC
    weights_BHTS = attention_weights(queries_BHTC, keys_BGSC, sight)
    answers_BHTC: Tensor = weights_BHTS @ _for_each_query(values_BGSC, queries_BHTC)
    return answers_BHTC


def attention_weights(queries_BHTC: Tensor, keys_BGSC: Tensor, sight: Sight) -> Tensor:
    """How much each query looks at each key (B, H, T, S): softmax(query · key / √C) over those it may see."""
    keys_BHSC = _for_each_query(keys_BGSC, queries_BHTC)
    scores_BHTS = (queries_BHTC * queries_BHTC.shape[3] ** -0.5) @ keys_BHSC.mT
    mask = sight.mask
    if sight.causal:
        positions = queries_BHTC.shape[2]
        mask = torch.ones(positions, positions, dtype=torch.bool, device=queries_BHTC.device).tril()
    if mask is not None:  # −∞ is added rather than filled in: the backward pass of a sum costs nothing
        if not mask.is_floating_point():
            mask = torch.zeros_like(mask, dtype=scores_BHTS.dtype).masked_fill_(~mask, float("-inf"))
        scores_BHTS = scores_BHTS + mask
    return torch.softmax(scores_BHTS, dim=-1)


def _for_each_query(held_BGSC: Tensor, queries_BHTC: Tensor) -> Tensor:
    """Keys or values, each of G heads as often as it serves a query head: (B, H, S, C)."""
    group = queries_BHTC.shape[1] // held_BGSC.shape[1]
    return held_BGSC if group == 1 else held_BGSC.repeat_interleave(group, dim=1)


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, section 3.2), with what later models changed:

    - grouped queries: H / G query heads share a head of keys and values (Ainslie et al. 2023), and the cache shrinks;
    - QK-norm: queries and keys are RMS-normalised, so scores cannot run away (Dehghani et al. 2023, section 2.1);
    - rotary positions, where tables of them are given;
    - biases on none, some or all of the four products.

    Args:
        dim: width of the hidden states.
        heads, kv_heads, head_dim: H, G and C.
        layer: which of the model's layers this is: its place in the cache.
        biases: which products have one.
        qk_norm_eps: added to the mean square of queries and keys; None: they are not normalised.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        kv_heads: int,
        head_dim: int,
        layer: int = 0,
        *,
        biases: Biases = "none",
        qk_norm_eps: float | None = None,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        self.layer = layer
        self.q_proj = nn.Linear(dim, heads * head_dim, bias=biases != "none")
        self.k_proj = nn.Linear(dim, kv_heads * head_dim, bias=biases != "none")
        self.v_proj = nn.Linear(dim, kv_heads * head_dim, bias=biases != "none")
        self.o_proj = nn.Linear(heads * head_dim, dim, bias=biases == "all")
        self.q_norm = None if qk_norm_eps is None else RMSNorm(head_dim, qk_norm_eps)
        self.k_norm = None if qk_norm_eps is None else RMSNorm(head_dim, qk_norm_eps)

    def forward(self, hidden_BTD: Tensor, tables: Tables | None, sight: Sight, cache: KVCache | None = None) -> Tensor:
        """(B, T, D) to (B, T, D).

        Args:
            hidden_BTD: the positions that ask; with a cache they are also put into it, to be asked.
            tables: the rotary tables of these T positions; None: no position is turned.
            sight: what each position may see.
            cache: keys and values of the positions before.
        """
        queries_BHTC, keys_BGSC, values_BGSC = self.project(hidden_BTD, tables)
        if cache is not None:
            keys_BGSC, values_BGSC = cache.extend(self.layer, keys_BGSC, values_BGSC)
        answers_BHTC = attend(queries_BHTC, keys_BGSC, values_BGSC, sight)
        merged_BTD: Tensor = self.o_proj(answers_BHTC.transpose(1, 2).flatten(2))
        return merged_BTD

    def project(self, hidden_BTD: Tensor, tables: Tables | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, T, C), keys and values (B, G, T, C) of the hidden states."""
        # Queries, keys and values come from one product, and queries and keys are normalised and turned as one: a small
        # model spends as much time between products as in them (docs/log.md).
        parts = (self.q_proj, self.k_proj, self.v_proj)
        weights_ND = torch.cat([part.weight for part in parts])
        bias_N = None if self.q_proj.bias is None else torch.cat([part.bias for part in parts])
        projected_BTNC = F.linear(hidden_BTD, weights_ND, bias_N).view(*hidden_BTD.shape[:2], -1, self.head_dim)
        asking, asked = self.heads, self.kv_heads
        turning_BTNC, values_BTGC = torch.split(projected_BTNC, [asking + asked, asked], dim=2)
        if self.q_norm is not None and self.k_norm is not None:
            gains_NC = torch.cat((self.q_norm.weight.expand(asking, -1), self.k_norm.weight.expand(asked, -1)))
            turning_BTNC = rms_norm(turning_BTNC, gains_NC, self.q_norm.eps)
        turned_BNTC = turning_BTNC.transpose(1, 2)
        if tables is not None:
            turned_BNTC = rotate(turned_BNTC, tables)
        queries_BHTC, keys_BGTC = torch.split(turned_BNTC, [asking, asked], dim=1)
        return queries_BHTC, keys_BGTC, values_BTGC.transpose(1, 2)
