"""Muon: momentum made orthogonal (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks").

The same update as `torch.optim.Muon`, but for one thing: the Newton–Schulz iteration runs in fp32, not bf16. In bf16
the rounding of a gradient's last bit grows to a thousandth of the loss within 30 steps, and two processes are no
longer one run; in fp32 they stay within 5e-7. It costs a third more time in the optimiser (docs/log.md). Matrices
of one shape go through it together.

Shapes: N matrices of R rows and C columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic that takes singular values towards 1; chosen by its authors for steepness at 0, not for
convergence to exactly 1."""


def orthogonalise(matrices_NRC: Tensor, steps: int) -> Tensor:
    """The nearest orthogonal matrix of each, roughly: singular values between about 0.7 and 1.2 after 5 steps.

    Newton–Schulz: X ← aX + (bA + cA²)X with A = XXᵀ, from X of norm at most 1.
    """
    a, b, c = COEFFICIENTS
    wide = matrices_NRC.shape[1] <= matrices_NRC.shape[2]
    X = matrices_NRC if wide else matrices_NRC.mT
    X = X / X.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        A = X @ X.mT
        X = torch.baddbmm(X, torch.baddbmm(A, A, A, beta=b, alpha=c), X, beta=a)
    return X if wide else X.mT


class Muon(Optimizer):
    """Steps along orthogonalised momentum, with decoupled weight decay.

    Args:
        params: matrices.
        lr: of a square or wide matrix; a tall one of R rows and C columns steps √(R/C) times as far.
        weight_decay: each step by this times the learning rate.
        momentum: of the average of gradients; the step looks ahead (Nesterov).
        steps: of Newton–Schulz; fewer are faster and coarser.
    """

    def __init__(
        self, params: Iterable[Tensor], *, lr: float, weight_decay: float, momentum: float, steps: int
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "steps": steps}
        super().__init__(sorted(params, key=lambda p: tuple(p.shape)), defaults)

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """One update of every matrix that has a gradient."""
        for group in self.param_groups:
            trained = [p for p in group["params"] if p.grad is not None]
            for _, alike in groupby(trained, key=lambda p: p.shape):
                self._step_together(list(alike), group)

    def _step_together(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        averages = [self.state[p].setdefault("momentum_buffer", torch.zeros_like(p)) for p in matrices]
        gradients = [p.grad for p in matrices if p.grad is not None]
        torch._foreach_lerp_(averages, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, averages, group["momentum"])
        rows, columns = matrices[0].shape
        directions_NRC = orthogonalise(torch.stack(ahead), group["steps"])
        torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
        scale = -group["lr"] * max(1.0, rows / columns) ** 0.5
        torch._foreach_add_(matrices, list(directions_NRC.unbind()), alpha=scale)
