"""Rotary positions: a rotation, of which scores see only differences, and which stays exact at low precision."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from idiolect.nn.positions import Rotary, rotary_tables, rotate
from idiolect.nn.reference import turn


@settings(max_examples=25, deadline=None)
@given(
    half=st.integers(1, 8), length=st.integers(1, 12), theta=st.sampled_from([1.0, 100.0, 1e6]), seed=st.integers(0, 99)
)
def test_equals_turning_each_pair_by_its_angle(half: int, length: int, theta: float, seed: int) -> None:
    vectors = torch.randn(length, 2 * half, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    by_hand = torch.stack([turn(vector, position, theta) for position, vector in enumerate(vectors)])
    torch.testing.assert_close(rotate(vectors, rotary_tables(length, 2 * half, theta)), by_hand, atol=1e-5, rtol=1e-5)


def test_scores_depend_on_distance_alone_and_lengths_stay() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 1, 16, generator=generator).unbind()
    tables = rotary_tables(50, 16, 10000.0)
    queries, keys = rotate(query.expand(50, 16), tables), rotate(key.expand(50, 16), tables)
    scores = queries @ keys.T
    torch.testing.assert_close(scores[10:, 10:], scores[:-10, :-10], atol=1e-4, rtol=1e-4)
    assert scores[0].std() > 0.1
    torch.testing.assert_close(queries.norm(dim=-1), query.norm().expand(50))


def test_positions_from_the_middle_are_the_same_positions() -> None:
    rotary = Rotary(20, 8, 10000.0)
    for whole, part in zip(rotary(0, 20), rotary(5, 9)):
        assert torch.equal(whole[5:9], part)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_tables_stay_fp32_in_a_model_of_another_precision(dtype: torch.dtype) -> None:
    rotary = Rotary(3000, 8, 10000.0)
    before = rotary.cos_TC.clone()
    rotary.to(dtype)
    assert rotary.cos_TC.dtype == rotary.sin_TC.dtype == torch.float32
    assert torch.equal(rotary.cos_TC, before)


def test_tables_are_filled_when_a_model_comes_to_a_real_device_and_are_not_saved() -> None:
    with torch.device("meta"):
        rotary = Rotary(7, 4, 10000.0)
    assert rotary.cos_TC.is_meta
    rotary.to_empty(device="cpu")
    for filled, fresh in zip(rotary(0, 7), rotary_tables(7, 4, 10000.0)):
        assert torch.equal(filled, fresh)
    assert not rotary.state_dict()


def test_bf16_vectors_are_turned_in_fp32() -> None:
    vectors = torch.randn(2000, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    tables = rotary_tables(2000, 8, 10000.0)
    turned = rotate(vectors, tables)
    assert turned.dtype == torch.bfloat16
    assert torch.equal(turned, rotate(vectors.float(), tables).bfloat16())
