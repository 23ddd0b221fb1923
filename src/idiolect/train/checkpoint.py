"""Everything a run needs to go on as if it had never stopped, on disk, whole or not at all.

    checkpoints/step-00000500/
      tensors.safetensors    weights, optimiser state, best weights, and what the objective carries from step to
                             step (under `model.`, `optimizer.`, `best.`, `objective.`)
      state.json             step, journal position, best loss …, and a sha256 over these and the tensors

A checkpoint is written under another name, flushed and renamed; older ones are deleted only after the new one has
been read back. The learning rate, the order of rows and dropout are pure functions of the step, so they have no
state to save.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from idiolect.disk import file_digest, flush_tree, write_durably
from idiolect.errors import ArtifactError

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
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"step-{state.step:08d}"
    partial = final.with_suffix(".partial")
    for leftover in folder.glob("*.partial"):
        shutil.rmtree(leftover)
    partial.mkdir()
    flat = {f"{group}.{name}": t.detach().cpu() for group, named in tensors.items() for name, t in named.items()}
    save_file(flat, partial / "tensors.safetensors")
    record = {"sha256": _digest(partial, state), **asdict(state)}
    write_durably(partial / "state.json", json.dumps(record, indent=2))
    flush_tree(partial)
    if final.exists():
        shutil.rmtree(final)
    os.rename(partial, final)
    flush_tree(folder)
    read_checkpoint(final)
    for old in _checkpoints(folder)[:-KEEP]:
        shutil.rmtree(old)


def newest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the highest step, or None before the first."""
    found = _checkpoints(folder)
    return found[-1] if found else None


def read_checkpoint(path: Path) -> tuple[State, dict[str, dict[str, Tensor]]]:
    """The state and the tensors of a checkpoint, by group.

    Raises:
        ArtifactError: something in it is not as it was written.
    """
    try:
        record = json.loads((path / "state.json").read_text(encoding="utf-8"))
        digest = record.pop("sha256")
        state = State(**record)
        whole = digest == _digest(path, state) and path.name == f"step-{state.step:08d}"
        flat = load_file(path / "tensors.safetensors") if whole else {}
    except (OSError, ValueError, TypeError, KeyError, SafetensorError):
        whole = False
    if not whole:
        raise ArtifactError(
            f"The checkpoint {path} is damaged: delete that folder, and the same command resumes from an earlier one."
        )
    groups: dict[str, dict[str, Tensor]] = {}
    for key, tensor in flat.items():
        group, name = key.split(".", 1)
        groups.setdefault(group, {})[name] = tensor
    return state, groups


def all_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether no tensor holds NaN or infinity."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())


def _digest(checkpoint: Path, state: State) -> str:
    return hashlib.sha256(
        (file_digest(checkpoint / "tensors.safetensors") + json.dumps(asdict(state))).encode()
    ).hexdigest()


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if path.suffix != ".partial")
