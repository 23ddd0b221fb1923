"""A run that was stopped, killed or struck by damage goes on as if nothing had happened."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file
from tiny_run import TinyModel, TinyRows, lines_of, plan, same_weights, train

from idiolect.checkpoints import newest_checkpoint
from idiolect.errors import ArtifactError, Interrupted
from idiolect.train.plan import OptimizerName

STEPS, BATCH = 8, 6


class CrashError(Exception):
    """What ends a run without warning."""


def at_step(step: int, act: Callable[[], None]) -> TinyRows:
    """Rows that do something when step `step` (from 0) asks for them."""
    return TinyRows(lambda first: act() if first == step * BATCH else None)


def crash() -> None:
    raise CrashError


@pytest.mark.parametrize("optimizer", get_args(OptimizerName))
def test_a_crash_at_any_step_changes_nothing(tmp_path: Path, optimizer: str) -> None:
    made = plan(optimizer=optimizer, accumulate=2)
    _, straight = train(tmp_path / "straight", made)
    assert not same_weights(straight, TinyModel(dropout=0.2))
    for step in range(STEPS):
        folder = tmp_path / f"crash-{step}"
        with pytest.raises(CrashError):
            train(folder, made, rows=at_step(step, crash))
        newest = newest_checkpoint(folder / "checkpoints")
        assert (newest is None) == (step < 2)
        run, resumed = train(folder, made)
        assert same_weights(straight, resumed), f"crash at step {step}"
        assert lines_of(folder) == lines_of(tmp_path / "straight")
        assert run.steps == STEPS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_says_so(tmp_path: Path, number: int) -> None:
    made = plan(checkpoint_every=0)
    _, straight = train(tmp_path / "straight", made)
    before = signal.getsignal(number)
    for step in range(STEPS):
        folder = tmp_path / f"stop-{step}"
        rows = at_step(step, lambda: os.kill(os.getpid(), number))
        if step >= STEPS - 2:  # asked too late: it is at its end before it has stopped
            run, _ = train(folder, made, rows=rows)
            assert run.steps == STEPS and run.val_loss == run.val_loss
        else:
            with pytest.raises(Interrupted, match=rf"Stopped at step {step + 2}, and saved: the same command") as stop:
                train(folder, made, rows=rows)
            assert stop.value.exit_code == 128 + number
            assert newest_checkpoint(folder / "checkpoints") == folder / "checkpoints" / f"step-{step + 2:08d}"
        assert signal.getsignal(number) is before
        _, resumed = train(folder, made)
        assert same_weights(straight, resumed)
        assert lines_of(folder) == lines_of(tmp_path / "straight")


def test_interrupted_again_and_again(tmp_path: Path) -> None:
    made = plan(checkpoint_every=1)
    _, straight = train(tmp_path / "straight", made)
    for step in range(STEPS):
        with pytest.raises(CrashError):
            train(tmp_path / "broken", made, rows=at_step(step, crash))
    _, resumed = train(tmp_path / "broken", made)
    assert same_weights(straight, resumed) and lines_of(tmp_path / "broken") == lines_of(tmp_path / "straight")


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_serves(tmp_path: Path) -> None:
    made = plan()
    _, straight = train(tmp_path / "straight", made)
    with pytest.raises(CrashError):
        train(tmp_path / "run", made, rows=at_step(7, crash))
    newest = newest_checkpoint(tmp_path / "run" / "checkpoints")
    assert newest is not None and newest.name == "step-00000006"
    content = (newest / "tensors.safetensors").read_bytes()
    (newest / "tensors.safetensors").write_bytes(content[:-9] + bytes([content[-9] ^ 4]) + content[-8:])
    with pytest.raises(ArtifactError, match=r"step-00000006 is damaged: delete that folder, and the same command"):
        train(tmp_path / "run", made)
    shutil.rmtree(newest)
    _, resumed = train(tmp_path / "run", made)
    assert same_weights(straight, resumed) and lines_of(tmp_path / "run") == lines_of(tmp_path / "straight")


@pytest.mark.parametrize("steps", [2, 3])
def test_stopped_before_any_optimiser_had_a_state(tmp_path: Path, steps: int) -> None:
    """Updates with nothing to learn leave the optimisers empty; that too can be saved and read."""
    made = plan(steps=steps, checkpoint_every=1)
    nothing = TinyRows(masked=1.1)
    _, model = train(tmp_path / "run", made, rows=nothing)
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        assert not any(name.startswith("optimizer.") for name in load_file(path / "tensors.safetensors"))
    _, again = train(tmp_path / "run", made, rows=nothing)
    assert same_weights(model, again)


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tiny_run import plan, train
left = [int(sys.argv[3])]
def counted(call):
    def wrapper(*given, **named):
        left[0] -= 1
        if left[0] == 0:
            os._exit(9)
        return call(*given, **named)
    return wrapper
for name in ("rename", "fsync", "mkdir", "rmdir", "unlink"):
    setattr(os, name, counted(getattr(os, name)))
train(Path(sys.argv[2]), plan(steps=4, checkpoint_every=1))
print(int(sys.argv[3]) - left[0])
"""


@pytest.mark.slow
def test_killed_at_every_call_that_changes_the_disk(tmp_path: Path) -> None:
    made = plan(steps=4, checkpoint_every=1)
    _, straight = train(tmp_path / "straight", made)
    number = deaths = 0
    while True:
        number += 1
        folder = tmp_path / "run"
        command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(folder), str(number)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert ran.returncode in (0, 9), ran.stderr
        if ran.returncode == 0:
            break
        deaths += 1
        _, resumed = train(folder, made)
        assert same_weights(straight, resumed), f"death {number}"
        assert lines_of(folder) == lines_of(tmp_path / "straight")
        shutil.rmtree(folder)
    assert deaths > 15


def test_another_number_of_threads_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from idiolect.compute import Compute

    made = plan()
    with pytest.raises(CrashError):
        train(tmp_path, made, rows=at_step(5, crash))
    train(tmp_path, made, compute=Compute(torch.device("cpu"), threads=3))
    said = " ".join(capsys.readouterr().err.split())
    assert "Resuming at step 4." in said and "It began with 1 threads and goes on with 3" in said
