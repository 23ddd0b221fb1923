"""Truncated back-propagation through time: losses are those of the whole text, gradients stop where a row began."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from idiolect.data.batch import Batch
from idiolect.models.build import build
from idiolect.models.model import Model
from idiolect.models.spec import RecurrentSpec
from idiolect.objectives.carried import CarriedLikelihood
from idiolect.objectives.likelihood import Likelihood

LANES, T, STEPS = 3, 5, 4


def make(family: str) -> Model:
    model = build(RecurrentSpec(13, T, layers=2, dim=6, family=family))
    model.init_weights(0)
    return model.double()


def some_ids(rows: int, positions: int) -> Tensor:
    return torch.randint(13, (rows, positions), generator=torch.Generator().manual_seed(3))


def batch_of(ids: Tensor, segments: Tensor | None = None, lanes: Tensor | None = None) -> Batch:
    weights = torch.ones(len(ids), ids.shape[1] - 1)
    return Batch(ids[:, :-1], ids[:, 1:], weights, segments, lanes_B=torch.arange(len(ids)) if lanes is None else lanes)


families = pytest.mark.parametrize("family", ["rnn", "lstm", "gru"])


@families
@pytest.mark.parametrize("documents", [False, True])
@torch.no_grad()
def test_row_after_row_gives_the_loss_of_the_whole_text(family: str, documents: bool) -> None:
    model, objective, ids = make(family), CarriedLikelihood(LANES), some_ids(LANES, STEPS * T + 1)
    begins = torch.zeros(LANES, STEPS * T, dtype=torch.int64)
    if documents:
        begins[0, [3, 4, 5, 10]] = begins[1, 7] = begins[2, 19] = 1  # 5 and 10 are first in a row
    whole = Likelihood()(model, Batch(ids[:, :-1], ids[:, 1:], torch.ones(LANES, STEPS * T), begins.cumsum(1)))
    total = torch.zeros(())
    for step in range(STEPS):
        here = slice(step * T, (step + 1) * T)
        segments = begins[:, here].cumsum(1)
        total = total + objective(model, batch_of(ids[:, step * T : (step + 1) * T + 1], segments))
    torch.testing.assert_close(float(total), float(whole), rtol=1e-6, atol=0)
    assert objective.tensors()["states"].shape[0] == LANES


@families
def test_no_gradient_goes_back_beyond_the_row(family: str) -> None:
    model, objective, ids = make(family), CarriedLikelihood(LANES), some_ids(LANES, 2 * T + 1)
    objective(model, batch_of(ids[:, : T + 1]))
    held = objective.tensors()["states"].clone()
    assert held.any() and not held.requires_grad
    objective(model, batch_of(ids[:, T:])).backward()
    carried = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    cache = model.new_cache(LANES, T)
    cache.fill(held)  # type: ignore[attr-defined]
    logits = model.head(model.hidden(ids[:, T:-1], cache=cache))
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, T + 1 :].flatten(), reduction="sum").backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(carried[name], parameter.grad, rtol=1e-5, atol=1e-7)


@families
@torch.no_grad()
def test_lanes_in_parts_and_in_any_order(family: str) -> None:
    """Micro-batches, or the shares of processes: a row finds the state of its own lane."""
    model, ids = make(family), some_ids(LANES, 2 * T + 1)
    whole, parts = CarriedLikelihood(LANES), CarriedLikelihood(LANES)
    for here in (ids[:, : T + 1], ids[:, T:]):
        loss = whole(model, batch_of(here))
        pieces = [
            parts(model, batch_of(here[lanes], lanes=lanes)) for lanes in (torch.tensor([2, 0]), torch.tensor([1]))
        ]
        torch.testing.assert_close(sum(pieces), loss)
    torch.testing.assert_close(parts.tensors()["states"], whole.tensors()["states"])


def test_what_it_carries_is_given_and_taken_up() -> None:
    model, ids = make("lstm"), some_ids(LANES, 2 * T + 1)
    one, two = CarriedLikelihood(LANES), CarriedLikelihood(LANES)
    assert one.tensors() == {}
    fresh = float(one(model, batch_of(ids[:, T:])).detach())
    one.load_tensors({})
    one(model, batch_of(ids[:, : T + 1]))
    two.load_tensors(one.tensors())
    after = float(one(model, batch_of(ids[:, T:])).detach())
    assert float(two(model, batch_of(ids[:, T:])).detach()) == after != fresh
    one.load_tensors({})
    assert float(one(model, batch_of(ids[:, T:])).detach()) == fresh


def test_a_state_that_is_not_finite_starts_anew_and_the_others_go_on() -> None:
    model, ids = make("gru"), some_ids(LANES, T + 1)
    objective, other = CarriedLikelihood(LANES), CarriedLikelihood(LANES)
    other(model, batch_of(ids))
    states = torch.zeros_like(other.tensors()["states"])
    states[1, 0, 0, 2] = torch.nan
    objective.load_tensors({"states": states})
    assert not torch.isfinite(objective(model, batch_of(ids)))
    left = objective.tensors()["states"]
    assert not left[1].any() and torch.equal(left[[0, 2]], other.tensors()["states"][[0, 2]])
