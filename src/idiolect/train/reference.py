"""The optimisers as a textbook writes them, in plain Python: what PyTorch's and our own must equal.

θ is a weight, g the gradient of the loss in it, η the learning rate. Each rule takes one weight with what the optimiser
remembers of it and gives both back; they never look at another weight, but for Muon, which sees a matrix as a whole.
Slow: a call for each number.

Shapes: R rows and C columns of a matrix.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor

from idiolect.train.muon import COEFFICIENTS


def decayed(theta: float, lr: float, decay: float) -> float:
    """θ ← θ − η λ θ, beside the step of any rule: decoupled decay (Loshchilov & Hutter 2019, "Decoupled Weight Decay
    Regularization", section 2)."""
    return theta - lr * decay * theta


def sgd(theta: float, gradient: float, lr: float) -> float:
    """θ ← θ − η g: a step straight down (Robbins & Monro 1951).

    Example:
        >>> sgd(1.0, gradient=2.0, lr=0.25)
        0.5
    """
    return theta - lr * gradient


def momentum(theta: float, gradient: float, velocity: float, lr: float, kept: float) -> tuple[float, float]:
    """v ← μ v + g, θ ← θ − η v: a heavy ball (Polyak 1964). Where the slope stays the same, it ends up 1 / (1 − μ)
    times as fast as plain descent.

    Example:
        >>> momentum(1.0, gradient=2.0, velocity=2.0, lr=0.25, kept=0.5)
        (0.25, 3.0)
    """
    velocity = kept * velocity + gradient
    return theta - lr * velocity, velocity


def nesterov(theta: float, gradient: float, velocity: float, lr: float, kept: float) -> tuple[float, float]:
    """v ← μ v + g, θ ← θ − η (g + μ v): the ball looks ahead to where its speed takes it (Nesterov 1983; in this form
    Sutskever et al. 2013, section 2)."""
    velocity = kept * velocity + gradient
    return theta - lr * (gradient + kept * velocity), velocity


def adagrad(theta: float, gradient: float, total: float, lr: float, eps: float = 1e-10) -> tuple[float, float]:
    """s ← s + g², θ ← θ − η g / (√s + ε): the more a weight has been moved, the smaller its steps (Duchi et al. 2011,
    "Adaptive Subgradient Methods", section 1.3)."""
    total = total + gradient**2
    return theta - lr * gradient / (sqrt(total) + eps), total


def rmsprop(
    theta: float, gradient: float, square: float, lr: float, kept: float, eps: float = 1e-8
) -> tuple[float, float]:
    """s ← β₂ s + (1 − β₂) g², θ ← θ − η g / (√s + ε): AdaGrad that forgets (Tieleman & Hinton 2012, lecture 6.5)."""
    square = kept * square + (1 - kept) * gradient**2
    return theta - lr * gradient / (sqrt(square) + eps), square


def adamw(
    theta: float,
    gradient: float,
    averages: tuple[float, float],
    step: int,
    lr: float,
    betas: tuple[float, float],
    eps: float = 1e-8,
) -> tuple[float, tuple[float, float]]:
    """m ← β₁ m + (1 − β₁) g, s ← β₂ s + (1 − β₂) g², θ ← θ − η m̂ / (√ŝ + ε), where m̂ = m / (1 − β₁ᵗ) and
    ŝ = s / (1 − β₂ᵗ) make up for averages that began at 0 (Kingma & Ba 2015, "Adam", algorithm 1). `step` is t,
    from 1; the decay is `decayed`."""
    first = betas[0] * averages[0] + (1 - betas[0]) * gradient
    second = betas[1] * averages[1] + (1 - betas[1]) * gradient**2
    direction = first / (1 - betas[0] ** step) / (sqrt(second / (1 - betas[1] ** step)) + eps)
    return theta - lr * direction, (first, second)


def muon(
    theta_RC: Tensor, gradient_RC: Tensor, average_RC: Tensor, lr: float, kept: float, steps: int
) -> tuple[Tensor, Tensor]:
    """M ← μ M + (1 − μ) G, Θ ← Θ − η max(1, √(R / C)) O, where O is (1 − μ) G + μ M with singular values near 1
    (Jordan et al. 2024)."""
    average_RC = kept * average_RC + (1 - kept) * gradient_RC
    ahead_RC = (1 - kept) * gradient_RC + kept * average_RC
    rows, columns = theta_RC.shape
    return theta_RC - lr * max(1.0, sqrt(rows / columns)) * near_orthogonal(ahead_RC, steps), average_RC


def near_orthogonal(matrix_RC: Tensor, steps: int) -> Tensor:
    """Newton–Schulz by singular values: each goes through a s + b s³ + c s⁵ at every step."""
    a, b, c = COEFFICIENTS
    left, values, right = torch.linalg.svd(matrix_RC.double() / matrix_RC.double().norm(), full_matrices=False)
    for _ in range(steps):
        values = a * values + b * values**3 + c * values**5
    orthogonal_RC: Tensor = left @ torch.diag(values) @ right
    return orthogonal_RC
