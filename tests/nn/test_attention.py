"""The fast attention equals the textbook's, in every shape and with every kind of mask."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from idiolect.nn import attention
from idiolect.nn.attention import Attention
from idiolect.nn.cache import KVCache
from idiolect.nn.masks import Sight, sight
from idiolect.nn.positions import rotary_tables
from idiolect.nn.reference import decoder_attention, multi_head, softmax


@pytest.fixture(autouse=True, scope="module", params=[0, attention.SHORT], ids=["fused", "plain"])
def both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test here holds for the fused kernel and for the plain products of short rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "SHORT", request.param)
        yield


THETA = 100.0


def make(dim: int, kv_heads: int, group: int, half: int, dtype: torch.dtype, seed: int) -> Attention:
    """Attention with random weights and gains."""
    attention = Attention(dim, kv_heads * group, kv_heads, 2 * half, qk_norm_eps=1e-6).to(dtype)
    generator = torch.Generator().manual_seed(seed)
    for parameter in attention.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator))
    return attention


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 2),
    positions=st.integers(1, 9),
    dim=st.integers(1, 9),
    kv_heads=st.integers(1, 3),
    group=st.integers(1, 3),
    half=st.integers(1, 4),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    seed=st.integers(0, 999),
)
def test_equals_the_reference(
    rows: int, positions: int, dim: int, kv_heads: int, group: int, half: int, dtype: torch.dtype, seed: int
) -> None:
    attention = make(dim, kv_heads, group, half, dtype, seed)
    hidden = torch.randn(rows, positions, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    with torch.no_grad():
        fast = attention(hidden, rotary_tables(positions, 2 * half, THETA), sight(positions, causal=True))
        slow = torch.stack([decoder_attention(attention, row, THETA) for row in hidden])
    tolerance = 1e-5 * (1 + float(slow.abs().max()))  # the tables are fp32 in either case
    torch.testing.assert_close(fast, slow, atol=tolerance, rtol=0)


@pytest.mark.parametrize("heads", [1, 3])
def test_without_norms_and_positions_it_is_the_formula_of_multi_head_attention(heads: int) -> None:
    dim, size, positions = 5, 4, 6
    attention = make(dim, heads, 1, size // 2, torch.float64, seed=1)
    attention.q_norm = attention.k_norm = None
    items_TD = torch.randn(positions, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    q, k, v = (getattr(attention, name).weight.view(heads, size, dim) for name in ("q_proj", "k_proj", "v_proj"))
    by_formula = multi_head(items_TD.T, q, k, v, attention.o_proj.weight.view(dim, heads, size).transpose(0, 1)).T
    torch.testing.assert_close(attention(items_TD[None], None, Sight())[0], by_formula)


def test_the_references_softmax_does_not_overflow() -> None:
    assert softmax(torch.tensor([1e4, 1e4, -1e4])).tolist() == [0.5, 0.5, 0.0]


@pytest.mark.parametrize("cuts", [[1] * 7, [7], [4, 3], [2, 1, 4], [6, 1]])
def test_with_a_cache_it_equals_the_reference_however_the_row_is_cut(cuts: list[int]) -> None:
    attention = make(6, 2, 2, 2, torch.float64, seed=3)
    hidden = torch.randn(1, 7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    cos, sin = rotary_tables(7, 4, THETA)
    cache = KVCache(1, 1, 2, 7, 4, dtype=torch.float64)
    parts = []
    with torch.no_grad():
        for size in cuts:
            new = slice(cache.length, cache.length + size)
            seen = sight(size, causal=True, held=cache.length)
            parts.append(attention(hidden[:, new], (cos[new], sin[new]), seen, cache))
            cache.advance(size)
        slow = decoder_attention(attention, hidden[0], THETA)
    torch.testing.assert_close(torch.cat(parts, dim=1)[0], slow, atol=1e-5, rtol=1e-5)


def test_scores_are_divided_by_the_root_of_the_head_size() -> None:
    attention = Attention(1, 1, 1, 4, qk_norm_eps=0.0)
    for parameter in attention.parameters():
        parameter.data.fill_(1.0)
    # Normalised queries and keys are (1, 1, 1, 1) times the sign of the item, so scores are ±4 / √4.
    share = math.exp(2) / (math.exp(2) + math.exp(-2))
    answer = attention(torch.tensor([[[1.0], [-1.0]]]), None, Sight())[0, 0, 0]
    assert answer.item() == pytest.approx(4 * (share * 1 + (1 - share) * -1), rel=1e-5)
