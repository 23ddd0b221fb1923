"""How long a run will take, how much memory and disk it needs: said before it starts, compared after it.

The time and the memory are those of a rehearsal: a few real updates, after which the weights are put back as they were.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from idiolect.compute import Compute, peak_memory
from idiolect.disk import write_durably
from idiolect.train.checkpoint import KEEP
from idiolect.train.optim import Optimizers
from idiolect.train.plan import Plan

REHEARSE_SECONDS = 0.5
"""A rehearsal stops after the first timed update that ends later than this."""
LONG_RUN = 100
"""Steps from which a run is worth a forecast."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run is expected to need."""

    seconds: float
    """Of training and evaluation, from the first step to the last."""
    memory_bytes: int
    """Most memory of this process at any moment of the training; yardsticks and report come after it."""
    disk_bytes: int
    """Most disk space of its folder at any moment: checkpoints, the one being written, snapshots, the final model."""

    def save(self, folder: Path) -> None:
        """Keep it beside the run, so that a resumed run can still be compared with it."""
        write_durably(folder / "forecast.json", json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> Forecast | None:
        """The forecast a run started with, if it made one."""
        path = folder / "forecast.json"
        return cls(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def rehearse(
    update: Callable[[int], object],
    evaluate: Callable[[], object],
    model: nn.Module,
    optimizers: Optimizers,
    plan: Plan,
    compute: Compute,
) -> Forecast:
    """Make a few real updates and one evaluation, time them, and put the weights back.

    Args:
        update: makes the update of a step.
        evaluate: evaluates the model once, as it will be every `evaluate_every` steps.
        model, optimizers: what the updates change. The optimisers must be built anew afterwards.
        plan: how many of each there will be.
        compute: the processes, which must all make the same number of updates.
    """
    with torch.no_grad():
        before = [parameter.clone() for parameter in model.parameters()]
    times = timed(update, compute, REHEARSE_SECONDS, most=50)
    start = time.perf_counter()
    evaluate()
    evaluation = time.perf_counter() - start
    snapshots = plan.steps // plan.snapshot_every + 1 if plan.snapshot_every else 0
    evaluations = plan.steps // plan.evaluate_every if plan.evaluate_every else 1
    state_bytes = sum(tensor.nbytes for tensor in optimizers.tensors().values())
    model_bytes = sum(parameter.nbytes for parameter in model.parameters())
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), before):
            parameter.copy_(value)
    return Forecast(
        seconds=statistics.median(times) * plan.steps + evaluation * evaluations,
        memory_bytes=peak_memory() + model_bytes + state_bytes,  # a checkpoint is read back
        disk_bytes=(KEEP + 1) * (model_bytes + state_bytes) + (1 + snapshots) * model_bytes,
    )


def timed(update: Callable[[int], object], compute: Compute, seconds: float, most: int) -> list[float]:
    """The times of updates that are made for so long, or `most` of them; the first one, a slow one, is left out."""
    began = time.perf_counter()
    update(0)
    times: list[float] = []
    while not times or (
        compute.total([time.perf_counter() - began])[0] < seconds * compute.world and len(times) < most
    ):
        start = time.perf_counter()
        update(len(times) + 1)
        times.append(time.perf_counter() - start)
    return times
