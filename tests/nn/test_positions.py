"""Rotary positions: a rotation, of which scores see only differences, and which stays exact at low precision."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from idiolect.errors import UsageError
from idiolect.nn.positions import RopeScaling, Rotary, rotary_tables, rotate, sinusoids
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


SCALINGS = {
    "linear": (RopeScaling("linear", 4.0), {"rope_type": "linear", "factor": 4.0}),
    "llama3": (
        RopeScaling("llama3", 8.0, 64, low_freq_factor=1.0, high_freq_factor=4.0),
        {
            **{"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 64},
            **{"low_freq_factor": 1.0, "high_freq_factor": 4.0},
        },
    ),
    "yarn": (
        RopeScaling("yarn", 4.0, 64),
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
    ),
    "yarn, given": (
        RopeScaling("yarn", 8.0, 128, beta_fast=16.0, beta_slow=2.0, attention_factor=1.5),
        {
            **{"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 128},
            **{"beta_fast": 16.0, "beta_slow": 2.0, "attention_factor": 1.5},
        },
    ),
    "yarn, not rounded": (
        RopeScaling("yarn", 4.0, 64, truncate=False),
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "truncate": False},
    ),
    "dynamic": (RopeScaling("dynamic", 4.0), {"rope_type": "dynamic", "factor": 4.0}),
}


@pytest.mark.parametrize("name", SCALINGS)
@pytest.mark.parametrize("head_dim", [8, 64])
def test_stretched_positions_are_those_of_transformers(name: str, head_dim: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import LlamaConfig
        from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
    scaling, record = SCALINGS[name]
    config = LlamaConfig(
        hidden_size=2 * head_dim,
        num_attention_heads=2,
        max_position_embeddings=256,
        rope_parameters={"rope_theta": 10000.0, **record},
    )
    cos, sin = LlamaRotaryEmbedding(config)(torch.zeros(1), torch.arange(256)[None])
    ours_cos, ours_sin = rotary_tables(256, head_dim, 10000.0, scaling)
    torch.testing.assert_close(ours_cos, cos[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(ours_sin[:, head_dim // 2 :], sin[0, :, head_dim // 2 :], atol=1e-6, rtol=0)


@pytest.mark.parametrize("given", [None, 1.25])
def test_longrope_is_that_of_transformers_within_the_context_it_was_trained_for(given: float | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import LlamaConfig
        from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
        from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
    short, long = tuple(1.0 + n / 8 for n in range(8)), tuple(2.0 + n for n in range(8))
    record = {"rope_theta": 1e4, "rope_type": "longrope", "short_factor": list(short), "long_factor": list(long)}
    record |= {"original_max_position_embeddings": 64} | ({} if given is None else {"attention_factor": given})
    config = LlamaConfig(
        hidden_size=32, num_attention_heads=2, head_dim=16, max_position_embeddings=256, rope_parameters=record
    )
    scaling = RopeScaling("longrope", 4.0, 64, short_factors=short, long_factors=long, attention_factor=given)
    speeds, size = ROPE_INIT_FUNCTIONS["longrope"](config, torch.device("cpu"), seq_len=64)
    assert scaling.size == pytest.approx(size)
    plain = 1.0 / 1e4 ** (torch.arange(0, 16, 2, dtype=torch.float32) / 16)
    torch.testing.assert_close(scaling.stretched(plain, 1e4), speeds, atol=1e-7, rtol=1e-6)
    cos, sin = LlamaRotaryEmbedding(config)(torch.zeros(1), torch.arange(64)[None])
    ours_cos, ours_sin = rotary_tables(64, 16, 1e4, scaling)
    torch.testing.assert_close(ours_cos, cos[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(ours_sin[:, 8:], sin[0, :, 8:], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "longrope", "factor": 2.0},
        {"kind": "longrope", "factor": 2.0, "original_context": 8, "short_factors": (0.0,)},
        {"kind": "linear", "factor": 0.5},
        {"kind": "llama3", "factor": 2.0},
        {"kind": "llama3", "factor": 2.0, "original_context": 8, "high_freq_factor": 1.0},
        {"kind": "yarn", "factor": 2.0, "original_context": 8, "beta_slow": 40.0},
    ],
)
def test_a_stretch_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        RopeScaling(**wrong)


def test_sinusoids_are_those_of_the_formula() -> None:
    table = sinusoids(torch.arange(7), 6)
    for position in range(7):
        for pair in range(3):
            angle = position / 10000 ** (2 * pair / 6)
            assert table[position, 2 * pair].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[position, 2 * pair + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)
