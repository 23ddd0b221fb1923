"""The feed-forward layer's formula, and the block around it: residual, and dropping out in training only."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from idiolect.nn.attention import Attention
from idiolect.nn.block import Block
from idiolect.nn.masks import Sight
from idiolect.nn.mlp import GatedMLP
from idiolect.nn.norms import RMSNorm
from idiolect.nn.positions import rotary_tables

TABLES = rotary_tables(5, 4, 10000.0)
CAUSAL = Sight(causal=True)


@pytest.fixture
def block() -> Block:
    torch.manual_seed(0)
    return Block(
        Attention(8, 2, 1, 4, qk_norm_eps=1e-6),
        GatedMLP(8, 12, "silu"),
        RMSNorm(8, 1e-6),
        RMSNorm(8, 1e-6),
        dropout=0.5,
    )


def test_swiglu_equals_its_formula() -> None:
    torch.manual_seed(0)
    mlp = GatedMLP(3, 5, "silu").double()
    x = torch.randn(3, dtype=torch.float64)
    gate, up = mlp.gate_proj.weight @ x, mlp.up_proj.weight @ x
    by_hand = mlp.down_proj.weight @ (gate / (1 + torch.exp(-gate)) * up)
    torch.testing.assert_close(mlp(x[None, None])[0, 0], by_hand)


def test_a_block_adds_attention_and_then_the_mlp(block: Block) -> None:
    block.eval()
    hidden = torch.randn(2, 5, 8)
    middle = hidden + block.attention(block.attention_norm(hidden), TABLES, CAUSAL)
    expected = middle + block.mlp(block.mlp_norm(middle))
    torch.testing.assert_close(block(hidden, TABLES, CAUSAL), expected)


def test_dropout_acts_in_training_only(block: Block) -> None:
    hidden = torch.randn(1, 5, 8)
    block.eval()
    assert torch.equal(block(hidden, TABLES, CAUSAL), block(hidden, TABLES, CAUSAL))
    block.train()
    assert not torch.equal(block(hidden, TABLES, CAUSAL), block(hidden, TABLES, CAUSAL))


@pytest.mark.parametrize("silent", ["attention.o_proj", "mlp.down_proj"])
def test_each_part_drops_units_of_what_it_adds_and_scales_up_the_rest(block: Block, silent: str) -> None:
    nn.init.zeros_(block.get_submodule(silent).weight)
    hidden = torch.randn(1, 5, 8)
    added = block.train()(hidden, TABLES, CAUSAL) - hidden
    whole = block.eval()(hidden, TABLES, CAUSAL) - hidden
    kept = added != 0
    assert 0 < kept.sum() < added.numel()
    torch.testing.assert_close(added[kept], whole[kept] * 2, atol=1e-5, rtol=1e-4)  # 1 / (1 − 0.5)
