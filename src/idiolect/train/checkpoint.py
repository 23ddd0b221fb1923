"""Everything a training needs to go on as if it had never stopped (`checkpoints.py` says how it comes onto the disk).

    checkpoints/step-00000500/
      tensors.safetensors    weights, optimiser state, best weights, and what the objective carries from step to
                             step (under `model.`, `optimizer.`, `best.`, `objective.`)
      state.json             step, journal position, best loss …

The learning rate, the order of rows and dropout are pure functions of the step, so they have no state to save.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from idiolect import checkpoints
from idiolect.disk import file_digest

TENSORS: Final = "tensors.safetensors"
KEEP = 2
"""Checkpoints kept: the newest, and the one before it should the newest be damaged later."""


@dataclass
class State:
    """Where a run stands, apart from its tensors."""

    step: int = 0
    """Updates done."""
    journal_bytes: int = 0
    """Length of metrics.jsonl at that moment; what was written later is cut off on resuming."""
    best_loss: float | None = None
    """Lowest validation loss so far."""
    evaluations_without_gain: int = 0
    skipped: int = 0
    """Updates left out because the gradient was not finite."""
    seconds: float = 0.0
    """Time spent training, over all the run's parts."""
    threads: int = 0
    """Processor threads: sums round alike only with the same number."""


def save_checkpoint(folder: Path, state: State, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Write a checkpoint, read it back, and then drop the oldest.

    Args:
        folder: the run's `checkpoints` folder.
        state: where it stands.
        tensors: by group: "model", "optimizer", "best", "objective".
    """
    flat = {f"{group}.{name}": t.detach().cpu() for group, named in tensors.items() for name, t in named.items()}

    def write(path: Path) -> str:
        save_file(flat, path)
        return file_digest(path)

    checkpoints.save(folder, state.step, state, TENSORS, write, keep=KEEP)


def read_checkpoint(path: Path) -> tuple[State, dict[str, dict[str, Tensor]]]:
    """The state and the tensors of a checkpoint, by group.

    Raises:
        ArtifactError: something in it is not as it was written.
    """
    state = checkpoints.read(path, TENSORS, State)
    groups: dict[str, dict[str, Tensor]] = {}
    for key, tensor in load_file(path / TENSORS).items():
        group, name = key.split(".", 1)
        groups.setdefault(group, {})[name] = tensor
    return state, groups


def all_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether no tensor holds NaN or infinity."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
