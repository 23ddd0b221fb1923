"""Which optimiser has which parameter, and that its state survives the disk in every bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_run import TinyModel, TinyRows, plan, same_weights
from torch import nn

from idiolect.objectives.likelihood import Likelihood
from idiolect.train.optim import Optimizers, build_optimizers


class Odd(nn.Module):
    """Parameters of every number of dimensions, tied, nested and at the top."""

    def __init__(self) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(5, 4)
        self.tied = nn.Linear(4, 5)
        self.tied.weight = self.embed_tokens.weight
        self.lm_head = nn.Linear(4, 5)
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Conv1d(4, 4, 3)])
        self.scalar = nn.Parameter(torch.ones(()))
        self.top = nn.Parameter(torch.ones(4, 4))


def kinds(optimizers: Optimizers) -> dict[int, tuple[str, float]]:
    """By parameter: its optimiser and its decay; fails when one comes twice."""
    found: dict[int, tuple[str, float]] = {}
    for part in optimizers.parts:
        for group in part.param_groups:
            for parameter in group["params"]:
                assert id(parameter) not in found
                found[id(parameter)] = (type(part).__name__, group["weight_decay"])
    return found


def test_muon_has_the_inner_matrices_and_adamw_the_rest() -> None:
    model = Odd()
    found = kinds(build_optimizers(model, plan(optimizer="muon", weight_decay=0.1)))
    muon = {name for name, p in model.named_parameters() if found[id(p)] == ("Muon", 0.1)}
    assert muon == {"blocks.0.weight", "top"}
    assert {found[id(p)] for name, p in model.named_parameters() if name not in muon} == {("AdamW", 0.0)}
    assert set(found) == set(map(id, model.parameters())), "every parameter, once"


def test_adamw_decays_matrices_and_spares_scales() -> None:
    model = Odd()
    found = kinds(build_optimizers(model, plan(optimizer="adamw", weight_decay=0.1)))
    assert set(found) == set(map(id, model.parameters()))
    for parameter in model.parameters():
        assert found[id(parameter)] == ("AdamW", 0.1 if parameter.ndim > 1 else 0.0)


def step(model: TinyModel, optimizers: Optimizers, number: int) -> None:
    """One update by hand."""
    Likelihood()(model, TinyRows().batch(4 * number, 4)).backward()
    optimizers.set_lr(0.5)
    optimizers.step()
    optimizers.zero_grad()


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_state_comes_back_bit_for_bit(tmp_path: Path, optimizer: str) -> None:
    made = plan(optimizer=optimizer)
    model, other = TinyModel(), TinyModel(seed=9)
    optimizers = build_optimizers(model, made)
    for number in range(3):
        step(model, optimizers, number)
    save_file({**optimizers.tensors()}, tmp_path / "state.safetensors")
    other.load_state_dict(model.state_dict())
    resumed = build_optimizers(other, made)
    resumed.load_tensors(load_file(tmp_path / "state.safetensors"))
    before, after = optimizers.tensors(), resumed.tensors()
    assert before.keys() == after.keys() and len(before) > 4
    assert all(torch.equal(before[name], after[name]) for name in before)
    for number in range(3, 6):
        step(model, optimizers, number)
        step(other, resumed, number)
    assert same_weights(model, other)


def test_an_empty_state_is_a_state() -> None:
    optimizers = build_optimizers(TinyModel(), plan())
    optimizers.load_tensors({})
    assert optimizers.tensors() == {}


def test_the_learning_rate_is_a_share_of_each_highest() -> None:
    optimizers = build_optimizers(TinyModel(), plan(optimizer="muon", lr=0.02, adamw_lr=0.004))
    for share in (0.1, 1.0, 0.5):
        optimizers.set_lr(share)
        rates = [group["lr"] for part in optimizers.parts for group in part.param_groups]
        assert rates == [0.02 * share, 0.004 * share]
