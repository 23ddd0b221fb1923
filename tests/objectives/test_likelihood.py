"""The likelihood equals its formula written out in plain Python, and so does its gradient."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from idiolect.data.batch import Batch
from idiolect.models.build import build
from idiolect.models.model import Model
from idiolect.models.spec import TransformerSpec
from idiolect.nn.cache import KVCache
from idiolect.objectives.likelihood import Likelihood, MaskedLikelihood


class Table(Model):
    """A model that is its logits: hidden states are rows of a table, the head doubles them."""

    def __init__(self, table_VV: Tensor) -> None:
        super().__init__()
        self.table_VV = nn.Parameter(table_VV)
        self.segments_seen: Tensor | None = None

    def hidden(
        self,
        ids_BT: Tensor,
        segments_BT: Tensor | None = None,
        cache: KVCache | None = None,
        types_BT: Tensor | None = None,
    ) -> Tensor:
        self.segments_seen = segments_BT
        return self.table_VV[ids_BT]

    def head(self, hidden_BTD: Tensor) -> Tensor:
        return 2 * hidden_BTD

    def init_weights(self, seed: int) -> None:
        raise NotImplementedError


def batch_of(seed: int, rows: int = 3, positions: int = 5, vocabulary: int = 7) -> Batch:
    """Random tokens with random weights, some of them zero."""
    random = torch.Generator().manual_seed(seed)
    ids = torch.randint(vocabulary, (rows, positions + 1), generator=random)
    weights = torch.rand(rows, positions, generator=random) * (torch.rand(rows, positions, generator=random) < 0.6)
    return Batch(ids[:, :-1], ids[:, 1:], weights)


def written_out(table: list[list[float]], batch: Batch) -> float:
    """Σ −w log softmax(2 · table[id])[target], in float64 and one position after another."""
    total = 0.0
    for row, targets, weights in zip(batch.ids_BT.tolist(), batch.targets_BT.tolist(), batch.weights_BT.tolist()):
        for token, target, weight in zip(row, targets, weights):
            logits = [2 * value for value in table[token]]
            total += weight * (math.log(sum(map(math.exp, logits))) - logits[target])
    return total


@pytest.mark.parametrize("seed", range(8))
def test_it_equals_its_formula(seed: int) -> None:
    table_VV = torch.randn(7, 7, generator=torch.Generator().manual_seed(seed)) * 3
    batch = batch_of(seed)
    loss = Likelihood()(Table(table_VV), batch)
    assert loss.shape == () and float(loss.detach()) == pytest.approx(written_out(table_VV.tolist(), batch), rel=1e-6)


def test_its_gradient_equals_finite_differences() -> None:
    table_VV = torch.randn(7, 7, generator=torch.Generator().manual_seed(0))
    batch, model = batch_of(1), Table(table_VV)
    Likelihood()(model, batch).backward()
    assert model.table_VV.grad is not None
    step, table = 1e-5, table_VV.tolist()
    for row in range(7):
        for column in range(7):
            value = table[row][column]
            ends = []
            for moved in (value + step, value - step):
                table[row][column] = moved
                ends.append(written_out(table, batch))
            table[row][column] = value
            slope = (ends[0] - ends[1]) / (2 * step)
            assert float(model.table_VV.grad[row, column]) == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_weight_zero_is_as_if_it_were_not_there() -> None:
    table_VV, batch = torch.randn(7, 7, generator=torch.Generator().manual_seed(0)), batch_of(2)
    other = torch.where(batch.weights_BT == 0, (batch.targets_BT + 1) % 7, batch.targets_BT)
    assert not torch.equal(other, batch.targets_BT)
    one, two = Table(table_VV), Table(table_VV)
    losses = []
    for model, targets in ((one, batch.targets_BT), (two, other)):
        losses.append(Likelihood()(model, Batch(batch.ids_BT, targets, batch.weights_BT)))
        losses[-1].backward()
    assert torch.equal(losses[0], losses[1])
    assert one.table_VV.grad is not None and two.table_VV.grad is not None
    assert torch.equal(one.table_VV.grad, two.table_VV.grad)
    nothing = Likelihood()(one, Batch(batch.ids_BT, batch.targets_BT, torch.zeros_like(batch.weights_BT)))
    assert float(nothing.detach()) == 0.0


def test_the_softmax_is_in_fp32_whatever_the_model_computes_in() -> None:
    table_VV = (torch.randn(7, 7, generator=torch.Generator().manual_seed(0)) * 4).bfloat16()
    batch = batch_of(3)
    loss = Likelihood()(Table(table_VV), batch)
    assert loss.dtype == torch.float32
    assert float(loss.detach()) == pytest.approx(written_out(table_VV.tolist(), batch), rel=1e-6)


def test_the_model_learns_which_document_a_position_is_of() -> None:
    batch, model = batch_of(4), Table(torch.zeros(7, 7))
    segments = torch.zeros_like(batch.ids_BT)
    Likelihood()(model, Batch(batch.ids_BT, batch.targets_BT, batch.weights_BT, segments))
    assert model.segments_seen is segments


def test_large_logits_stay_finite() -> None:
    batch = batch_of(5)
    loss = Likelihood()(Table(torch.eye(7) * 1e4), batch)
    assert math.isfinite(float(loss.detach()))


def test_the_loss_is_summed_in_fp32_under_autocast() -> None:
    table_VV, batch = torch.randn(7, 7, generator=torch.Generator().manual_seed(0)), batch_of(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = Likelihood()(Table(table_VV), batch)
    assert float(loss.detach()) == pytest.approx(written_out(table_VV.tolist(), batch), rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_computing_few_positions_gives_the_same(seed: int) -> None:
    table = torch.randn(7, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    batch = batch_of(seed)
    all_of_them, few = Table(table), Table(table)
    losses = Likelihood()(all_of_them, batch), Likelihood(few=True)(few, batch)
    torch.testing.assert_close(*losses)
    for loss in losses:
        loss.backward()
    torch.testing.assert_close(all_of_them.table_VV.grad, few.table_VV.grad)


def test_masked_tokens_and_pairs_are_one_weighted_likelihood() -> None:
    spec = TransformerSpec(
        **{"vocab_size": 7, "context": 5, "layers": 1, "dim": 8, "head_dim": 2, "mlp_dim": 4, "family": "encoder"},
        **{"masked_head": True, "pooler": True, "pair_head": True, "types": 2},
    )
    model = build(spec)
    model.init_weights(0)
    tokens = batch_of(3)
    types = torch.tensor([[0, 0, 1, 1, 1]] * 3)
    labels, label_weights = torch.tensor([1, 0, 1]), torch.tensor([0.5, 2.0, 0.0])
    batch = replace(tokens, types_BT=types, labels_B=labels, label_weights_B=label_weights)
    hidden = model.hidden(batch.ids_BT, types_BT=types)
    pairs = torch.log_softmax(model.pair_logits(hidden), dim=-1)
    expected = Likelihood().of_hidden(model, hidden, tokens) - 0.5 * pairs[0, 1] - 2 * pairs[1, 0]
    torch.testing.assert_close(MaskedLikelihood()(model, batch), expected)
    assert batch.weight == pytest.approx(tokens.weight + 2.5)
    cut = MaskedLikelihood()(model, batch.rows(0, 1)) + MaskedLikelihood()(model, batch.rows(1, 3))
    torch.testing.assert_close(cut, expected)


def test_a_batch_of_which_nothing_counts_costs_nothing() -> None:
    model = Table(torch.randn(7, 7))
    batch = replace(batch_of(1), weights_BT=torch.zeros(3, 5))
    for likelihood in (Likelihood(), Likelihood(few=True)):
        loss = likelihood(model, batch)
        loss.backward()
        assert loss.item() == 0.0 and batch.weight == 0.0
        assert not model.table_VV.grad.any()
