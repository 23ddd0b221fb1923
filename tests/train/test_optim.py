"""Which optimiser has which parameter, that each steps as a textbook has it, and that its state survives the disk in
every bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_run import TinyModel, TinyRows, plan, same_weights
from torch import nn

from idiolect.errors import UsageError
from idiolect.objectives.likelihood import Likelihood
from idiolect.train import reference
from idiolect.train.optim import DECAY, NEWTON_SCHULZ_STEPS, Optimizers, build_optimizers
from idiolect.train.plan import OptimizerName, Plan

NAMES: tuple[OptimizerName, ...] = get_args(OptimizerName)


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
                found[id(parameter)] = (type(part).__name__, group["weight_decay"] or group.get(DECAY, 0.0))
    return found


def test_muon_has_the_inner_matrices_and_adamw_the_rest() -> None:
    model = Odd()
    found = kinds(build_optimizers(model, plan(optimizer="muon", weight_decay=0.1)))
    muon = {name for name, p in model.named_parameters() if found[id(p)] == ("Muon", 0.1)}
    assert muon == {"blocks.0.weight", "top"}
    assert {found[id(p)] for name, p in model.named_parameters() if name not in muon} == {("AdamW", 0.0)}
    assert set(found) == set(map(id, model.parameters())), "every parameter, once"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "muon"])
def test_the_others_have_all_and_decay_matrices_and_spare_scales(name: OptimizerName) -> None:
    model = Odd()
    found = kinds(build_optimizers(model, plan(optimizer=name, weight_decay=0.1)))
    assert set(found) == set(map(id, model.parameters()))
    kind = {"adamw": "AdamW", "adagrad": "Adagrad", "rmsprop": "RMSprop"}.get(name, "SGD")
    for parameter in model.parameters():
        assert found[id(parameter)] == (kind, 0.1 if parameter.ndim > 1 else 0.0)


Rule = Callable[[int, float, float, object], tuple[float, object]]
"""(step from 1, weight, gradient, what is remembered) -> the weight and what is remembered."""


def rule_of(made: Plan, lr: float) -> Rule:
    """A plan's optimiser as `train/reference.py` has it."""
    kept = made.momentum
    rules: dict[str, Rule] = {
        "sgd": lambda t, w, g, s: (reference.sgd(w, g, lr), None),
        "momentum": lambda t, w, g, s: reference.momentum(w, g, s or 0.0, lr, kept),  # type: ignore[arg-type]
        "nesterov": lambda t, w, g, s: reference.nesterov(w, g, s or 0.0, lr, kept),  # type: ignore[arg-type]
        "adagrad": lambda t, w, g, s: reference.adagrad(w, g, s or 0.0, lr),  # type: ignore[arg-type]
        "rmsprop": lambda t, w, g, s: reference.rmsprop(w, g, s or 0.0, lr, made.beta2),  # type: ignore[arg-type]
        "adamw": lambda t, w, g, s: reference.adamw(
            w,
            g,
            s or (0.0, 0.0),  # type: ignore[arg-type]
            t,
            lr,
            (made.beta1, made.beta2),
        ),
    }
    return rules["adamw" if made.optimizer == "muon" else made.optimizer]


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("name", NAMES)
def test_each_steps_as_a_textbook_has_it(name: OptimizerName, decay: float) -> None:
    """Seven steps on random gradients, with a learning rate that changes, against plain Python in float64."""
    made = plan(optimizer=name, weight_decay=decay, lr=0.1, adamw_lr=0.07, momentum=0.8, beta1=0.7, beta2=0.9)
    random = torch.Generator().manual_seed(3)
    model = Odd()
    optimizers = build_optimizers(model, made)
    still = model.blocks[1].bias  # never has a gradient
    weights = {name: p.detach().double().clone() for name, p in model.named_parameters()}
    states: dict[str, list[object]] = {name: [None] * p.numel() for name, p in model.named_parameters()}
    averages = {name: torch.zeros_like(w) for name, w in weights.items()}
    for t in range(1, 8):
        share = 1.0 / t
        for key, p in model.named_parameters():
            gradient = torch.randn(p.shape, generator=random)
            p.grad = None if p is still else gradient
            decays = decay if p.ndim > 1 and not (name == "muon" and key not in ("blocks.0.weight", "top")) else 0.0
            if name == "muon" and key in ("blocks.0.weight", "top"):
                shrunk = weights[key] * (1 - made.highest_lr * share * decays)
                weights[key], averages[key] = reference.muon(
                    shrunk, gradient.double(), averages[key], made.highest_lr * share, 0.8, NEWTON_SCHULZ_STEPS
                )
            elif p is not still:
                lr = (made.adamw_lr if name == "muon" else made.highest_lr) * share
                rule, flat, old = rule_of(made, lr), weights[key].flatten(), states[key]
                for n, g in enumerate(gradient.flatten().tolist()):
                    flat[n], old[n] = rule(t, reference.decayed(float(flat[n]), lr, decays), g, old[n])
                weights[key] = flat.reshape(p.shape)
        optimizers.set_lr(share)
        optimizers.step()
        for key, p in model.named_parameters():
            assert torch.allclose(p.detach().double(), weights[key], atol=3e-6), f"{key} after step {t}"


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_a_momentum_of_zero_is_no_momentum(name: OptimizerName) -> None:
    with pytest.raises(UsageError, match=f"--optimizer {name} needs a momentum above 0"):
        plan(optimizer=name, momentum=0.0)


@pytest.mark.parametrize("name", NAMES)
def test_each_learns_with_what_it_is_given_by_default(name: OptimizerName) -> None:
    model, batch = TinyModel(), TinyRows().batch(0, 32)
    optimizers = build_optimizers(model, plan(optimizer=name))
    losses = []
    for _ in range(40):
        loss = Likelihood()(model, batch) / batch.weight
        loss.backward()
        optimizers.step()
        optimizers.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.98 * losses[0]


def step(model: TinyModel, optimizers: Optimizers, number: int) -> None:
    """One update by hand."""
    Likelihood()(model, TinyRows().batch(4 * number, 4)).backward()
    optimizers.set_lr(0.5)
    optimizers.step()
    optimizers.zero_grad()


@pytest.mark.parametrize("optimizer", NAMES)
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
    assert before.keys() == after.keys() and (len(before) > 4 or optimizer == "sgd")
    assert all(torch.equal(before[name], after[name]) for name in before)
    for number in range(3, 6):
        step(model, optimizers, number)
        step(other, resumed, number)
    assert same_weights(model, other)


def test_an_empty_state_is_a_state() -> None:
    optimizers = build_optimizers(TinyModel(), plan())
    optimizers.load_tensors({})
    assert optimizers.tensors() == {}


def test_adagrad_has_sums_before_its_first_step_and_keeps_them() -> None:
    model, other = TinyModel(), TinyModel()
    optimizers, resumed = (build_optimizers(m, plan(optimizer="adagrad")) for m in (model, other))
    assert optimizers.tensors()
    resumed.load_tensors({})
    assert resumed.tensors().keys() == optimizers.tensors().keys()
    for m, parts in ((model, optimizers), (other, resumed)):
        step(m, parts, 0)
    assert same_weights(model, other)


def test_the_learning_rate_is_a_share_of_each_highest() -> None:
    optimizers = build_optimizers(TinyModel(), plan(optimizer="muon", lr=0.02, adamw_lr=0.004))
    for share in (0.1, 1.0, 0.5):
        optimizers.set_lr(share)
        rates = [group["lr"] for part in optimizers.parts for group in part.param_groups]
        assert rates == [0.02 * share, 0.004 * share]
