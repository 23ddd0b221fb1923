"""Attention: each position asks a question of the positions it may see, and takes a weighted mean of their answers.

This is the fast path: `torch.nn.functional.scaled_dot_product_attention`, and for short rows on a CPU two plain
products, which are faster there. `nn/reference.py` says the same as a textbook does, and the tests hold all equal.
Time grows with T · S, memory with T + S (with a mask or plain: T · S).

Shapes: B rows, T positions that ask, S positions that are asked, H query heads, G heads of keys and values, C channels
of a head, D model width; N = H + G + G heads of all three kinds, or H + G of queries and keys.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.nn.cache import KVCache
from idiolect.nn.norms import RMSNorm, rms_norm
from idiolect.nn.positions import Tables, rotate

SHORT = 256
"""Positions up to which a CPU attends by plain products: the fused kernel works in tiles too small for its own good
there (measured, forward and backward: 0.8 ms against 1.1 at 64 positions, 6.0 against 8.6 at 256, 76 against 34 at
512; docs/log.md)."""


def causal_mask(segments_BT: Tensor | None, held: int, positions: int, device: torch.device) -> Tensor | None:
    """What each new position may see, as a boolean mask for every layer of a forward pass; None where none is needed.

    Args:
        segments_BT: documents packed in a row: a position sees itself and what precedes it in its own document.
        held: positions before the new ones, in a cache.
        positions: how many are new.
        device: where the mask is needed.

    Returns:
        (B, 1, T, T) with segments; (T, held + T) for several positions behind others; else None: one position
        sees everything held, and a row without a cache is causal, which `Attention` does without a mask.
    """
    if segments_BT is not None:
        same_BTT = segments_BT[:, :, None] == segments_BT[:, None, :]
        return same_BTT.tril()[:, None]
    if held > 0 and positions > 1:
        return torch.ones(positions, held + positions, dtype=torch.bool, device=device).tril(diagonal=held)
    return None


def attend(queries_BHTC: Tensor, keys_BGSC: Tensor, values_BGSC: Tensor, mask: Tensor | None) -> Tensor:
    """Each query's mean of the values it may see, weighted by softmax(query · key / √C): (B, H, T, C).

    Args:
        queries_BHTC, keys_BGSC, values_BGSC: H a multiple of G; each key head serves H / G query heads.
        mask: True where a query may look. None: a single query sees everything, several are causal.
    """
    heads, positions = queries_BHTC.shape[1:3]
    group = heads // keys_BGSC.shape[1]
    if queries_BHTC.device.type != "cpu" or keys_BGSC.shape[2] > SHORT:
        causal = mask is None and positions > 1
        return F.scaled_dot_product_attention(
            queries_BHTC, keys_BGSC, values_BGSC, attn_mask=mask, is_causal=causal, enable_gqa=group > 1
        )
    if group > 1:
        keys_BGSC, values_BGSC = (held.repeat_interleave(group, dim=1) for held in (keys_BGSC, values_BGSC))
    scores_BHTS = (queries_BHTC * queries_BHTC.shape[3] ** -0.5) @ keys_BGSC.mT
    if mask is None and positions > 1:
        mask = torch.ones(positions, positions, dtype=torch.bool).tril()
    if mask is not None:  # −inf is added rather than filled in: the backward pass of a sum costs nothing
        scores_BHTS = scores_BHTS + torch.zeros_like(mask, dtype=scores_BHTS.dtype).masked_fill_(~mask, float("-inf"))
    answers_BHTC: Tensor = scores_BHTS.softmax(dim=-1) @ values_BGSC
    return answers_BHTC


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, section 3.2) with three changes that Qwen3 makes:

    - grouped queries: H / G query heads share a head of keys and values (Ainslie et al. 2023), and the cache shrinks;
    - QK-norm: queries and keys are RMS-normalised, so scores cannot run away (Dehghani et al. 2023, section 2.1);
    - rotary positions, and no biases.
    """

    def __init__(self, dim: int, heads: int, kv_heads: int, head_dim: int, norm_eps: float, layer: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        self.norm_eps = norm_eps
        self.layer = layer
        """Which of the model's layers this is: its place in the cache."""
        self.q_proj = nn.Linear(dim, heads * head_dim, bias=False)
        self.k_proj = nn.Linear(dim, kv_heads * head_dim, bias=False)
        self.v_proj = nn.Linear(dim, kv_heads * head_dim, bias=False)
        self.o_proj = nn.Linear(heads * head_dim, dim, bias=False)
        self.q_norm = RMSNorm(head_dim, norm_eps)
        self.k_norm = RMSNorm(head_dim, norm_eps)

    def forward(
        self, hidden_BTD: Tensor, tables: Tables, mask: Tensor | None = None, cache: KVCache | None = None
    ) -> Tensor:
        """(B, T, D) to (B, T, D).

        Args:
            hidden_BTD: the positions that ask; with a cache they are also put into it, to be asked.
            tables: the rotary tables of these T positions.
            mask: what `causal_mask` gave; True where a position may look.
            cache: keys and values of the positions before.
        """
        # Queries, keys and values come from one product, and queries and keys are normalised and turned as one: a small
        # model spends as much time between products as in them (docs/log.md).
        weights_ND = torch.cat((self.q_proj.weight, self.k_proj.weight, self.v_proj.weight))
        projected_BTNC = F.linear(hidden_BTD, weights_ND).view(*hidden_BTD.shape[:2], -1, self.head_dim)
        asking, asked = self.heads, self.kv_heads
        turning_BTNC, values_BTGC = torch.split(projected_BTNC, [asking + asked, asked], dim=2)
        gains_NC = torch.cat((self.q_norm.weight.expand(asking, -1), self.k_norm.weight.expand(asked, -1)))
        turned_BNTC = rotate(rms_norm(turning_BTNC, gains_NC, self.norm_eps).transpose(1, 2), tables)
        queries_BHTC, keys_BGSC = torch.split(turned_BNTC, [asking, asked], dim=1)
        values_BGSC = values_BTGC.transpose(1, 2)
        if cache is not None:
            keys_BGSC, values_BGSC = cache.extend(self.layer, keys_BGSC, values_BGSC)
        answers_BHTC = attend(queries_BHTC, keys_BGSC, values_BGSC, mask)
        merged_BTD: Tensor = self.o_proj(answers_BHTC.transpose(1, 2).flatten(2))
        return merged_BTD
