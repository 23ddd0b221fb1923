"""What an objective carries from step to step survives whatever a run does: crashes, rehearsals, micro-batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_run import TinyLanes, lines_of, plan, same_weights, tiny_recurrent, train

from idiolect.checkpoints import newest_checkpoint
from idiolect.models.model import Model
from idiolect.objectives.carried import CarriedLikelihood
from idiolect.objectives.likelihood import Likelihood
from idiolect.train import forecast, loop
from idiolect.train.checkpoint import read_checkpoint
from idiolect.train.plan import Plan

STEPS, BATCH = 8, 6


class CrashError(Exception):
    """What ends a run without warning."""


def recurrent(folder: Path, made: Plan, at: Callable[[int], None] = lambda first: None, dropout: float = 0.2) -> Model:
    """Train a recurrent network of its own, its rows in lanes."""
    model = tiny_recurrent(dropout)
    train(folder, made, model=model, rows=TinyLanes(made.batch, at), objective=CarriedLikelihood(made.batch))
    return model


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_crash_at_any_step_changes_nothing(tmp_path: Path, optimizer: str) -> None:
    made = plan(optimizer=optimizer, accumulate=2)
    straight = recurrent(tmp_path / "straight", made)
    assert not same_weights(straight, tiny_recurrent(0.2))
    for step in range(STEPS):

        def crash(first: int, step: int = step) -> None:
            if first == step * BATCH:
                raise CrashError

        with pytest.raises(CrashError):
            recurrent(tmp_path / f"{step}", made, crash)
        newest = newest_checkpoint(tmp_path / f"{step}" / "checkpoints")
        if newest is not None:
            assert read_checkpoint(newest)[1]["objective"]["states"].shape == (BATCH, 2, 2, 8)
        resumed = recurrent(tmp_path / f"{step}", made)
        assert same_weights(straight, resumed), f"crash at step {step}"
        assert lines_of(tmp_path / f"{step}") == lines_of(tmp_path / "straight")


def test_it_matters_that_the_state_is_carried(tmp_path: Path) -> None:
    carried = recurrent(tmp_path / "carried", plan())
    alone = tiny_recurrent(0.2)
    train(tmp_path / "alone", plan(), model=alone, rows=TinyLanes(BATCH), objective=Likelihood())
    assert not same_weights(carried, alone)
    one, two = (lines_of(tmp_path / name)[0]["train_loss"] for name in ("carried", "alone"))
    assert one == two, "at the first step there is nothing to carry"


@pytest.mark.parametrize("accumulate", [2, 3, 6])
def test_micro_batches_carry_what_the_whole_batch_carries(tmp_path: Path, accumulate: int) -> None:
    recurrent(tmp_path / "whole", plan(), dropout=0.0)
    recurrent(tmp_path / "cut", plan(accumulate=accumulate), dropout=0.0)
    whole, parts = (lines_of(tmp_path / name) for name in ("whole", "cut"))
    assert [line["train_loss"] for line in parts] == pytest.approx([line["train_loss"] for line in whole], abs=1e-6)


def test_a_rehearsal_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "REHEARSE_SECONDS", 0.01)
    straight = recurrent(tmp_path / "straight", plan())
    monkeypatch.setattr(loop, "LONG_RUN", 1)
    rehearsed = recurrent(tmp_path / "rehearsed", plan())
    assert (tmp_path / "rehearsed" / "forecast.json").exists()
    assert same_weights(straight, rehearsed)
    assert torch.equal(*(newest_states(tmp_path / name) for name in ("straight", "rehearsed")))


def newest_states(folder: Path) -> torch.Tensor:
    newest = newest_checkpoint(folder / "checkpoints")
    assert newest is not None
    return read_checkpoint(newest)[1]["objective"]["states"]
