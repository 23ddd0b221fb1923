"""The textbook on learning: T13 what is masked, T14 the descent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from idiolect.data.masking import Masking
from idiolect.pretraining.masked_tokens import as_encoders
from idiolect.tokenizers.base import Tokenizer

CURVATURES = torch.tensor([1.0, 100.0], dtype=torch.float64)
"""An ill-conditioned quadratic: ½ Σ c θ², a hundred times steeper one way than the other."""


START = torch.tensor([1.0, 1.0], dtype=torch.float64)


TARGET = 1e-8
"""The loss to reach."""


MOST = 800
"""Updates after which a rule has failed."""


def loss_of(theta: Tensor) -> Tensor:
    return 0.5 * (CURVATURES * theta**2).sum()


def steps_to_target(optimizer: Callable[[list[Tensor]], torch.optim.Optimizer]) -> int:
    """Updates until the loss is below the target, or `MOST`."""
    theta = START.clone().requires_grad_()
    updates = optimizer([theta])
    for step in range(MOST):
        loss = loss_of(theta)
        if float(loss.detach()) < TARGET:
            return step
        updates.zero_grad()
        loss.backward()
        updates.step()
    return MOST


def best(rule: Callable[[float], Callable[[list[Tensor]], torch.optim.Optimizer]]) -> int:
    """With the learning rate that suits the rule best, of many."""
    return min(steps_to_target(rule(2.0**power / 100)) for power in (-2, 0, 0.5, 0.9, 2, 4))


def test_t13_masked_language_modelling_predicts_the_masked_positions_only() -> None:
    tokenizer = as_encoders(Tokenizer.train(["the cat"], kind="bytes"))
    masking, mask = Masking.of(tokenizer), tokenizer.role("mask")
    hidden = masked = same = 0
    for row in range(200):
        ids = np.random.default_rng(row).integers(256, size=100)
        read, chosen = masking.hide(ids, seed=0, row=row)
        assert (read[~chosen] == ids[~chosen]).all()
        hidden, masked = hidden + int(chosen.sum()), masked + int((read == mask).sum())
        same += int((read[chosen] == ids[chosen]).sum())
    assert hidden == 200 * 15
    assert masked / hidden == pytest.approx(0.8, abs=0.02) and same / hidden == pytest.approx(0.1, abs=0.02)


def test_t14_one_step_of_gradient_descent() -> None:
    """θ ← θ − η ∇, and ∇ of ½ c θ² is c θ."""
    theta = START.clone().requires_grad_()
    loss_of(theta).backward()
    assert theta.grad is not None and torch.equal(theta.grad, CURVATURES * START)
    torch.optim.SGD([theta], lr=0.001).step()
    assert torch.equal(theta.detach(), START - 0.001 * CURVATURES * START)


def test_t14_a_step_too_long_climbs() -> None:
    """Descent is certain only below 2 / the largest curvature."""
    for lr, falls in ((0.019, True), (0.021, False)):
        theta = START - lr * CURVATURES * START
        again = theta - lr * CURVATURES * theta
        assert (abs(float(again[1])) < abs(float(theta[1]))) is falls


def test_t14_momentum_and_adaptive_rates_need_fewer_steps() -> None:
    plain = best(lambda lr: lambda theta: torch.optim.SGD(theta, lr=lr))
    momentum = best(lambda lr: lambda theta: torch.optim.SGD(theta, lr=lr, momentum=0.8))
    adaptive = best(lambda lr: lambda theta: torch.optim.AdamW(theta, lr=100 * lr, betas=(0.8, 0.9), weight_decay=0.0))
    assert momentum < plain / 2 and adaptive < plain / 2, (plain, momentum, adaptive)
    assert plain < MOST
