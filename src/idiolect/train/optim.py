"""The optimisers, and which parameters each of them has.

Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks") turns the momentum of a matrix
into the nearest orthogonal one before it steps; it is for the matrices inside the blocks. Embeddings, the output
head and norms go to AdamW (Loshchilov & Hutter 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from idiolect.train.muon import Muon
from idiolect.train.plan import Plan

NEWTON_SCHULZ_STEPS = 3
"""Iterations towards the orthogonal matrix; fewer are faster and coarser."""


class Optimizers:
    """The optimisers of a run, stepped together."""

    def __init__(self, parts: Sequence[Optimizer]) -> None:
        self.parts = list(parts)
        self._highest = [[float(group["lr"]) for group in part.param_groups] for part in self.parts]

    def set_lr(self, share: float) -> None:
        """Set every group's learning rate to a share of its highest."""
        for part, highest in zip(self.parts, self._highest):
            for group, lr in zip(part.param_groups, highest):
                group["lr"] = lr * share

    def step(self) -> None:
        """One update of every parameter."""
        for part in self.parts:
            part.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, each tensor under `<optimiser>.<parameter>.<name>`."""
        return {
            f"{number}.{index}.{name}": torch.as_tensor(value)
            for number, part in enumerate(self.parts)
            for index, state in part.state_dict()["state"].items()
            for name, value in state.items()
        }

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up a state that `tensors` gave."""
        for number, part in enumerate(self.parts):
            record = part.state_dict()
            record["state"] = {}
            for key, value in tensors.items():
                owner, index, name = key.split(".", 2)
                if int(owner) == number:
                    record["state"].setdefault(int(index), {})[name] = value
            part.load_state_dict(record)


def build_optimizers(model: nn.Module, plan: Plan) -> Optimizers:
    """The optimisers that a plan asks for, over every parameter of a model."""
    ends = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    ends |= {id(p) for name, p in model.named_parameters() if name.split(".")[-2:-1] == ["lm_head"] or p.ndim > 2}
    parameters = list(model.parameters())
    inner = [p for p in parameters if p.ndim == 2 and id(p) not in ends]
    outer = [p for p in parameters if p.ndim >= 2 and id(p) in ends]
    scales = [p for p in parameters if p.ndim < 2]
    betas = (plan.beta1, plan.beta2)
    if plan.optimizer == "adamw":
        groups = [
            {"params": inner + outer, "weight_decay": plan.weight_decay},
            {"params": scales, "weight_decay": 0.0},
        ]
        return Optimizers([AdamW(groups, lr=plan.highest_lr, betas=betas, fused=True)])
    muon = Muon(
        inner,
        lr=plan.highest_lr,
        weight_decay=plan.weight_decay,
        momentum=plan.momentum,
        steps=NEWTON_SCHULZ_STEPS,
    )
    adamw = AdamW(outer + scales, lr=plan.adamw_lr, betas=betas, weight_decay=0.0, fused=True)
    return Optimizers([muon, adamw])
