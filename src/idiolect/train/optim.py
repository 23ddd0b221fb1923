"""The optimisers, and which parameters each of them has.

Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks") turns the momentum of a matrix
into the nearest orthogonal one before it steps; it is for the matrices inside the blocks. Embeddings, the output
head and norms then go to AdamW (Loshchilov & Hutter 2019). Each of the others has all parameters; `train/reference.py`
writes all of them out as a textbook does.

Decay is decoupled: a weight shrinks by decay · learning rate · itself, beside the step (Loshchilov & Hutter 2019,
section 2). AdamW and Muon do that themselves. PyTorch's SGD, Adagrad and RMSprop know only L2, a decay that is added to
the gradient and so goes through momentum and adaptive rates; theirs is left at 0 and the decay done here.

State: Muon, momentum and Nesterov, AdaGrad and RMSProp hold a number for each weight, AdamW two, plain descent none.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, AdamW, Optimizer, RMSprop

from idiolect.train.muon import Muon
from idiolect.train.plan import Plan

NEWTON_SCHULZ_STEPS = 3
"""Iterations towards the orthogonal matrix; fewer are faster and coarser."""

DECAY = "decoupled_decay"
"""The entry of a group of parameters with the decay that is done here rather than by PyTorch."""


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

    @torch.no_grad()
    def step(self) -> None:
        """One update of every parameter that has a gradient."""
        for part in self.parts:
            for group in part.param_groups:
                if group.get(DECAY):
                    trained = [p for p in group["params"] if p.grad is not None]
                    torch._foreach_mul_(trained, 1 - group["lr"] * group[DECAY])
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
        """Take up a state that `tensors` gave. What it has nothing of stays as it is: AdaGrad has its sums, of zeros,
        before the first step."""
        for number, part in enumerate(self.parts):
            record = part.state_dict()
            record["state"] = {index: dict(state) for index, state in record["state"].items()}
            for key, value in tensors.items():
                owner, index, name = key.split(".", 2)
                if int(owner) == number:
                    record["state"].setdefault(int(index), {})[name] = value
            part.load_state_dict(record)


def build_optimizers(model: nn.Module, plan: Plan) -> Optimizers:
    """The optimisers that a plan asks for, over every parameter of a model."""
    ends = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    heads = (["lm_head"], ["score"])
    ends |= {id(p) for name, p in model.named_parameters() if name.split(".")[-2:-1] in heads or p.ndim > 2}
    parameters = list(model.parameters())
    inner = [p for p in parameters if p.ndim == 2 and id(p) not in ends]
    outer = [p for p in parameters if p.ndim >= 2 and id(p) in ends]
    scales = [p for p in parameters if p.ndim < 2]
    decay, betas = plan.decay, (plan.beta1, plan.beta2)
    if plan.optimizer == "muon":
        muon = Muon(inner, lr=plan.highest_lr, weight_decay=decay, momentum=plan.momentum, steps=NEWTON_SCHULZ_STEPS)
        adamw = AdamW(outer + scales, lr=plan.highest_adamw_lr, betas=betas, weight_decay=0.0, fused=True)
        return Optimizers([muon, adamw])
    return Optimizers([_of_all(inner + outer, scales, plan)])


def _of_all(matrices: list[nn.Parameter], scales: list[nn.Parameter], plan: Plan) -> Optimizer:
    """An optimiser that has every parameter; matrices decay, scales do not."""
    lr, decay, kept = plan.highest_lr, plan.decay, plan.momentum
    if plan.optimizer == "adamw":
        groups = [{"params": matrices, "weight_decay": decay}, {"params": scales, "weight_decay": 0.0}]
        return AdamW(groups, lr=lr, betas=(plan.beta1, plan.beta2), fused=True)
    groups = [{"params": matrices, DECAY: decay}, {"params": scales, DECAY: 0.0}]
    match plan.optimizer:
        case "momentum" | "nesterov":
            return SGD(groups, lr=lr, momentum=kept, nesterov=plan.optimizer == "nesterov", fused=True)
        case "adagrad":  # PyTorch has it fused for the CPU alone
            return Adagrad(groups, lr=lr, fused=all(p.device.type == "cpu" for p in matrices + scales))
        case "rmsprop":
            return RMSprop(groups, lr=lr, alpha=plan.beta2, foreach=True)
        case _:
            return SGD(groups, lr=lr, fused=True)
