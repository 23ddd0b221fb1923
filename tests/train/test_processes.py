"""Several processes make the same run as one, stop together, and rehearse together."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_run import TinyLanes, TinyModel, lines_of, plan, tiny_recurrent, train

from idiolect.checkpoints import newest_checkpoint
from idiolect.compute import Compute
from idiolect.objectives.carried import CarriedLikelihood
from idiolect.train.forecast import REHEARSE_SECONDS, rehearse
from idiolect.train.optim import build_optimizers


def processes(world: int, folder: Path, *changes: str) -> list[int]:
    """Run `tiny_run.py` in a group of processes; their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = []
    for rank in range(world):
        own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world, "MASTER_PORT": port}
        env = {**os.environ, "MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in own.items()}}
        command = [sys.executable, str(Path(__file__).with_name("tiny_run.py")), str(folder), *changes]
        group.append(subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True))
    try:
        errors = [process.communicate(timeout=100)[1] for process in group]
    finally:
        for process in group:
            process.kill()
    assert not any("Traceback" in error for error in errors), errors
    return [process.returncode for process in group]


def close(one: list[dict[str, object]], other: list[dict[str, object]]) -> bool:
    """Whether two journals tell of the same run within rounding."""
    names = ("train_loss", "val_loss", "gradient_norm", "learning_rate")
    pairs = [(a[name], b[name]) for a, b in zip(one, other, strict=True) for name in names]
    return all((a is None) == (b is None) for a, b in pairs) and all(
        a == pytest.approx(b, abs=1e-6) for a, b in pairs if a is not None
    )


def test_two_processes_equal_one_and_stop_as_one(tmp_path: Path) -> None:
    """Uneven shares (7 rows), micro-batches, masks; SIGTERM reaches the second process only, and then they resume."""
    changes = ("batch=7", "accumulate=2", "steps=10", "optimizer='muon'", "checkpoint_every=0")
    _, alone = train(tmp_path / "one", plan(batch=7, steps=10, optimizer="muon", checkpoint_every=0), model=TinyModel())
    two = tmp_path / "two"
    assert processes(2, two, *changes, "sigterm=1:3") == [143, 143]
    newest = newest_checkpoint(two / "checkpoints")
    assert newest is not None and newest.name == "step-00000005"
    assert close(lines_of(two), lines_of(tmp_path / "one")[:5])
    assert processes(2, two, *changes) == [0, 0]
    assert close(lines_of(two), lines_of(tmp_path / "one"))
    first, second = (load_file(two / f"weights-{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first), "in every bit"
    assert all(torch.allclose(first[name], p, atol=1e-5) for name, p in alone.named_parameters())


@pytest.mark.slow
def test_a_rehearsal_in_three_processes(tmp_path: Path) -> None:
    assert processes(3, tmp_path, "batch=6", "steps=100", "evaluate_every=50") == [0, 0, 0]
    train(tmp_path / "one", plan(batch=6, steps=99, evaluate_every=50), model=TinyModel())
    assert (tmp_path / "forecast.json").exists() and len(lines_of(tmp_path)) == 100


def test_all_processes_rehearse_equally_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long is long enough is agreed on; by their own clocks one would wait for an update that never comes."""
    made: list[int] = []
    told = iter(REHEARSE_SECONDS * share for share in (0.7, 1.9, 2.1))  # of two processes together
    monkeypatch.setattr(Compute, "total", lambda self, values: [next(told)])
    model = TinyModel()
    rehearse(
        made.append, lambda: None, model, build_optimizers(model, plan()), plan(), Compute(torch.device("cpu"), 1, 0, 2)
    )
    assert made == [0, 1, 2, 3]


def test_each_process_carries_its_own_lanes_and_a_checkpoint_holds_all(tmp_path: Path) -> None:
    """Uneven shares of lanes; the two stop, and resume; a checkpoint of theirs serves one process too."""
    straight = plan(batch=7, steps=8, checkpoint_every=0)
    carried = CarriedLikelihood(7)
    train(tmp_path / "one", straight, model=tiny_recurrent(0.0), rows=TinyLanes(7), objective=carried)
    changes = ("batch=7", "accumulate=2", "steps=8", "checkpoint_every=0", "recurrent=1")
    assert processes(2, tmp_path / "two", *changes, "sigterm=1:3") == [143, 143]
    newest = newest_checkpoint(tmp_path / "two" / "checkpoints")
    assert newest is not None
    states = load_file(newest / "tensors.safetensors")["objective.states"]
    assert states.shape[0] == 7 and states.flatten(1).any(dim=1).all()
    shutil.copytree(tmp_path / "two", tmp_path / "both")
    assert processes(2, tmp_path / "two", *changes) == [0, 0]
    model = tiny_recurrent(0.0)
    train(tmp_path / "both", straight, model=model, rows=TinyLanes(7), objective=CarriedLikelihood(7))
    for folder in ("two", "both"):
        assert close(lines_of(tmp_path / folder), lines_of(tmp_path / "one")), folder
