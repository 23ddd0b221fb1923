"""One step of one process, and how several processes make it together.

A step is a module whose forward pass is the objective, so that whatever wraps modules (DistributedDataParallel
here) sees the whole computation and no objective needs to know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from idiolect.compute import Compute
from idiolect.data.batch import Batch
from idiolect.errors import UsageError
from idiolect.models.model import Model

Objective = Callable[[Model, Batch], Tensor]
"""(model, batch) -> the sum of the weighted losses; `fit` divides by the weight of the whole step."""


@runtime_checkable
class Carrying(Protocol):
    """An objective that carries something of each row from one step into the next, as a checkpoint must then do too."""

    def tensors(self) -> dict[str, Tensor]:
        """What it carries, by name: a line for each of a step's rows, of which only a process's own mean anything. None
        before the first step."""

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors` gave; an empty mapping forgets all."""


class Step(nn.Module):
    """The objective as a module around the model."""

    def __init__(self, model: Model, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self._objective = objective

    def forward(self, batch: Batch) -> Tensor:
        """The batch's summed loss."""
        return self._objective(self.model, batch)


class Group:
    """The processes of a run and this one's share of each step.

    Args:
        compute: where this process computes, and which of how many it is.
        step: the module; wrapped so that gradients are averaged over the processes.
        rows: rows in each step, over all processes.
        accumulate: micro-batches of a process's share.

    Raises:
        UsageError: there are fewer rows than processes times micro-batches.
    """

    def __init__(self, compute: Compute, step: nn.Module, rows: int, accumulate: int) -> None:
        if rows < compute.world * accumulate:
            raise UsageError(
                f"A batch of {rows} rows cannot be cut into {accumulate} micro-batches for each of "
                f"{compute.world} processes: give a larger --batch."
            )
        self._compute = compute
        self.step = step if compute.world == 1 else _distributed(compute, step)
        edges = torch.linspace(0, rows, compute.world * accumulate + 1).round().long().tolist()
        own = edges[compute.rank * accumulate : (compute.rank + 1) * accumulate + 1]
        self.first = own[0]
        """The first of this process's rows in each step."""
        self.count = own[-1] - own[0]
        """How many rows it has."""
        self._cuts = [edge - own[0] for edge in own]

    def micro_batches(self, share: Batch) -> list[Batch]:
        """This process's share of a step, cut into micro-batches."""
        return [share.rows(start, stop) for start, stop in zip(self._cuts, self._cuts[1:])]

    def gather_rows(self, tensor: Tensor) -> Tensor:
        """A line for each of a step's rows, from the process that has the row."""
        own = torch.zeros_like(tensor)
        own[self.first : self.first + self.count] = tensor[self.first : self.first + self.count]
        return self._compute.summed(own)

    def gather_gradients(self, *, now: bool) -> AbstractContextManager[object]:
        """The context of one backward pass: gradients are averaged over the processes only in the step's last one."""
        if now or not isinstance(self.step, DistributedDataParallel):
            return nullcontext()
        return self.step.no_sync()


def _distributed(compute: Compute, step: nn.Module) -> DistributedDataParallel:
    return DistributedDataParallel(step, device_ids=[compute.device] if compute.device.type == "cuda" else None)
