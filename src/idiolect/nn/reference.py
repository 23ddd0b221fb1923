"""Attention as a textbook writes it: score, softmax, weighted values. Slow; the fast path must equal it.

A query y looks at items x_1 … x_T. Item i has the score x_iᵀ W_keyᵀ W_query y; the softmax of the scores gives
weights α_i, non-negative and summing to 1; the output is Σ_i α_i W_value x_i. Self-attention puts each x_i in for y,
and several heads are added up. `decoder_attention` adds, one by one, what a decoder does besides.

Costs O(T²) Python steps. Shapes: T positions, H query heads, C channels of a head, D model width; no rows.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from idiolect.nn.attention import Attention
from idiolect.nn.norms import RMSNorm


def softmax(scores: Tensor) -> Tensor:
    """exp(score_i) / Σ_j exp(score_j), over the first dimension; the largest is taken off first, so none overflows."""
    raised = torch.exp(scores - scores.max(dim=0, keepdim=True).values)
    return raised / raised.sum(dim=0, keepdim=True)


def attend(
    query_D: Tensor, items_TD: Tensor, w_query_CD: Tensor, w_key_CD: Tensor, w_value_CD: Tensor
) -> tuple[Tensor, Tensor]:
    """One query's look at the items: the output (C,) and the weights (T,).

    Example:
        >>> eye = torch.eye(2)
        >>> attend(torch.zeros(2), torch.tensor([[1.0, 0.0], [0.0, 1.0]]), eye, eye, eye)[1].tolist()
        [0.5, 0.5]
    """
    scores_T = torch.stack([item_D @ w_key_CD.T @ w_query_CD @ query_D for item_D in items_TD])
    weights_T = softmax(scores_T)
    output_C = sum(weight * (w_value_CD @ item_D) for weight, item_D in zip(weights_T, items_TD))
    assert isinstance(output_C, Tensor)
    return output_C, weights_T


def multi_head(
    items_DT: Tensor, w_query_HCD: Tensor, w_key_HCD: Tensor, w_value_HCD: Tensor, w_output_HDC: Tensor
) -> Tensor:
    """Σ_h W_O^h W_V^h X softmax(Xᵀ W_K^hᵀ W_Q^h X / √C), the items being the columns of X (Vaswani et al. 2017, 3.2).

    No position is known and none is hidden: permuting the columns of X permutes the result (D, T).
    """
    result_DT = torch.zeros_like(items_DT)
    for w_query_CD, w_key_CD, w_value_CD, w_output_DC in zip(w_query_HCD, w_key_HCD, w_value_HCD, w_output_HDC):
        scores_ST = items_DT.T @ w_key_CD.T @ w_query_CD @ items_DT / math.sqrt(len(w_query_CD))
        result_DT = result_DT + w_output_DC @ w_value_CD @ items_DT @ softmax(scores_ST)
    return result_DT


def turn(vector_C: Tensor, position: int, theta: float) -> Tensor:
    """Turn each pair of channels (i, i + C/2) by the angle position · theta^(−2i/C)."""
    turned_C, half = vector_C.clone(), len(vector_C) // 2
    for i in range(half):
        angle = position * theta ** (-i / half)
        x, y = vector_C[i], vector_C[i + half]
        turned_C[i] = x * math.cos(angle) - y * math.sin(angle)
        turned_C[i + half] = y * math.cos(angle) + x * math.sin(angle)
    return turned_C


def normalise(vector_C: Tensor, norm: RMSNorm | None) -> Tensor:
    """The vector with a root mean square of 1, times the norm's gains; as it is where there is no norm."""
    if norm is None:
        return vector_C
    return vector_C / torch.sqrt((vector_C**2).mean() + norm.eps) * norm.weight


def decoder_attention(attention: Attention, hidden_TD: Tensor, theta: float) -> Tensor:
    """What `attention` computes for one row (T, D): queries and keys normalised, turned and grouped; causal."""
    size = attention.head_dim
    heads = attention.q_proj.weight.shape[0] // size
    queries_for_each_key = heads // (attention.k_proj.weight.shape[0] // size)
    result_TD = torch.zeros_like(hidden_TD)
    for head in range(heads):
        own = slice(head * size, (head + 1) * size)
        group = head // queries_for_each_key
        shared = slice(group * size, (group + 1) * size)
        keys, values = [], []
        for position, hidden_D in enumerate(hidden_TD):
            query_C = normalise(attention.q_proj.weight[own] @ hidden_D, attention.q_norm)
            key_C = normalise(attention.k_proj.weight[shared] @ hidden_D, attention.k_norm)
            keys.append(turn(key_C, position, theta))
            values.append(attention.v_proj.weight[shared] @ hidden_D)
            scores_S = torch.stack(keys) @ turn(query_C, position, theta) / math.sqrt(size)
            answer_C = softmax(scores_S) @ torch.stack(values)
            result_TD[position] += attention.o_proj.weight[:, own] @ answer_C
    return result_TD
