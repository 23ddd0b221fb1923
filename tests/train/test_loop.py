"""The training loop: one gradient however a batch is cut, nothing that is not finite, the best weights, a forecast."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from tiny_run import ALONE, DIM, TinyModel, TinyRows, lines_of, plan, same_weights, train
from torch import Tensor

from idiolect.checkpoints import newest_checkpoint
from idiolect.data.batch import Batch
from idiolect.errors import Interrupted, TrainingError, UsageError
from idiolect.models.model import Model
from idiolect.objectives.likelihood import Likelihood
from idiolect.train import forecast, loop
from idiolect.train.checkpoint import all_finite, read_checkpoint
from idiolect.train.loop import MOST_SKIPPED, fit
from idiolect.train.parallel import Group

Loss = Callable[[Model, Batch], Tensor]


def gradient_in_float64(batch: Batch) -> dict[str, Tensor]:
    """Of the mean loss over a whole batch at once, by the same formula in double precision."""
    model = TinyModel().double()
    logits = model(batch.ids_BT)
    losses = torch.logsumexp(logits, -1) - logits.gather(-1, batch.targets_BT[..., None])[..., 0]
    weights = batch.weights_BT.double()
    ((losses * weights).sum() / weights.sum()).backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("accumulate", range(1, 13))
def test_one_gradient_however_the_batch_is_cut(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, accumulate: int
) -> None:
    """With masks, so that the micro-batches count differently, and uneven cuts (12 rows in 5)."""
    seen: list[dict[str, Tensor]] = []
    rows = TinyRows(masked=0.7)
    trainer = loop._Trainer(
        TinyModel(), rows, Likelihood(), plan(batch=12, accumulate=accumulate, clip=0.0), ALONE, "fp32"
    )
    grads = dict(trainer.model.named_parameters())
    monkeypatch.setattr(
        trainer.optimizers,
        "step",
        lambda: seen.append({n: p.grad.clone() for n, p in grads.items() if p.grad is not None}),
    )
    update = trainer.update(0)
    batch = rows.batch(0, 12)
    expected = gradient_in_float64(batch)
    assert seen[0].keys() == expected.keys()
    for name, gradient in expected.items():
        assert (seen[0][name] - gradient).norm() <= 1e-6 * gradient.norm(), name
    assert update.tokens == batch.ids_BT.numel() and update.finite
    assert update.loss == pytest.approx(float(Likelihood()(TinyModel(), batch).detach()) / batch.weight, rel=1e-6)


@pytest.mark.parametrize(("rows", "world", "accumulate"), [(12, 1, 5), (7, 2, 3), (16, 4, 4), (5, 5, 1), (13, 3, 4)])
def test_shares_and_micro_batches_cover_a_step_once(rows: int, world: int, accumulate: int) -> None:
    edges = [0]
    for rank in range(world):
        compute = loop.Compute(torch.device("cpu"), 1, rank, world)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("idiolect.train.parallel._distributed", lambda compute, step: step)
            group = Group(compute, torch.nn.Identity(), rows, accumulate)
        assert group.first == edges[-1]
        pieces = group.micro_batches(TinyRows().batch(group.first, group.count))
        assert len(pieces) == accumulate and all(len(piece.ids_BT) > 0 for piece in pieces)
        assert sum(len(piece.ids_BT) for piece in pieces) == group.count
        edges.append(group.first + group.count)
    assert edges[-1] == rows


def test_a_batch_too_small_to_cut() -> None:
    with pytest.raises(
        UsageError, match=r"A batch of 3 rows cannot be cut into 4 micro-batches for each of 1 processes"
    ):
        Group(ALONE, torch.nn.Identity(), 3, 4)


def test_the_journal_of_a_run(tmp_path: Path) -> None:
    run, _ = train(tmp_path, plan(log_every=4))
    lines = lines_of(tmp_path)
    assert [line["step"] for line in lines] == [3, 4, 6, 8], "every fourth, and where it was evaluated"
    assert [line["val_loss"] is None for line in lines] == [False, True, False, False]
    assert [line.get("sample") for line in lines] == ["é", None, "é", "é"]
    assert run.val_loss == lines[-1]["val_loss"] and run.forecast is None and run.skipped == 0
    assert {"train_loss", "learning_rate", "gradient_norm"} <= lines[0].keys()


def test_it_learns(tmp_path: Path) -> None:
    train(tmp_path, plan(steps=60, batch=16, lr=0.05, checkpoint_every=0))
    losses = [line["train_loss"] for line in lines_of(tmp_path)]
    assert losses[-1] < 0.75 * losses[0]  # type: ignore[operator]


def spoilt(steps: set[int], value: float) -> Loss:
    """The likelihood, made non-finite in some steps, in its loss and so in its gradient."""
    calls = iter(range(10**9))

    def objective(model: Model, batch: Batch) -> Tensor:
        loss = Likelihood()(model, batch)
        return loss * value if next(calls) in steps else loss

    return objective


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_update_that_is_not_finite_is_left_out(tmp_path: Path, value: float) -> None:
    run, spoiled = train(tmp_path / "spoilt", plan(), model=TinyModel(), objective=spoilt({2, 5}, value))
    assert run.skipped == 2 and all_finite(dict(spoiled.named_parameters()))
    losses = [line["train_loss"] for line in lines_of(tmp_path / "spoilt")]
    assert [loss is None for loss in losses] == [step in (2, 5) for step in range(8)]
    for path in (tmp_path / "spoilt" / "checkpoints").iterdir():
        state, groups = read_checkpoint(path)
        assert state.skipped == (1 if state.step < 6 else 2)
        assert all(map(all_finite, groups.values()))
    # as if the two steps had not been: the optimiser, too, has not seen them
    trainer = loop._Trainer(TinyModel(), TinyRows(), Likelihood(), plan(), ALONE, "fp32")
    for step in range(8):
        if step not in (2, 5):
            trainer.update(step)
    assert same_weights(trainer.model, spoiled)


def test_a_finite_loss_with_a_gradient_that_is_not(tmp_path: Path) -> None:
    def objective(model: Model, batch: Batch) -> Tensor:
        (weight,) = (p for name, p in model.named_parameters() if name == "scale")
        return Likelihood()(model, batch) + (weight - weight.detach()).abs().sqrt().sum()  # its slope at 0 is infinite

    run, model = train(tmp_path, plan(steps=3), model=TinyModel(), objective=objective)
    assert run.skipped == 3 and same_weights(model, TinyModel())
    assert all(math.isfinite(float(str(line["train_loss"]))) for line in lines_of(tmp_path))


def test_a_run_that_cannot_go_on_says_so(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=rf"not finite for {MOST_SKIPPED + 1} steps running: lower the learning rate"
    ):
        train(tmp_path, plan(steps=60, checkpoint_every=7), objective=spoilt(set(range(9, 60)), math.nan))
    newest = newest_checkpoint(tmp_path / "checkpoints")
    assert newest is not None and all(map(all_finite, read_checkpoint(newest)[1].values()))


def test_weights_that_are_not_finite_never_reach_a_checkpoint(tmp_path: Path) -> None:
    model = TinyModel()

    def poison(first: int) -> None:
        if first == 5 * 6:
            with torch.no_grad():
                model.scale[0] = math.inf

    with pytest.raises(TrainingError, match=r"At step 6 .* not finite"):
        train(tmp_path, plan(), model=model, rows=TinyRows(poison))
    assert [path.name for path in sorted((tmp_path / "checkpoints").iterdir())] == ["step-00000002", "step-00000004"]


def test_a_step_without_weight_changes_nothing(tmp_path: Path) -> None:
    run, model = train(tmp_path, plan(steps=4), model=TinyModel(), rows=TinyRows(masked=1.1))
    assert same_weights(model, TinyModel()) and run.skipped == 4
    assert [line["train_loss"] for line in lines_of(tmp_path)] == [None] * 4


def test_a_run_with_nothing_to_learn_says_so(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=rf"nothing to learn for {MOST_SKIPPED + 1} steps running"):
        train(tmp_path, plan(steps=60), model=TinyModel(), rows=TinyRows(masked=1.1))


def course(*losses: float) -> Callable[[bool], Mapping[str, float]]:
    """Validation losses one after another; evaluation of everything gives 9."""
    left = iter(losses)
    return lambda final: {"val_loss": 9.0 if final else next(left)}


@pytest.mark.parametrize(
    ("losses", "steps", "best_step"),
    [
        ((3.0, 2.0, 2.5, 2.6, 0.0), 8, 4),  # two evaluations without a gain
        ((3.0, 2.0, 2.5, 1.0, 0.5, 0.4), 12, 12),  # it went on getting better
        ((3.0, 2.0, 2.5, 1.0, 1.5, 1.4), 12, 8),  # it ended before patience did
        ((math.nan, 2.0, math.nan, 2.0, 0.0), 8, 4),  # nothing is better for not being a number
    ],
)
def test_patience_stops_early_and_keeps_the_best(
    tmp_path: Path, losses: tuple[float, ...], steps: int, best_step: int
) -> None:
    made = plan(steps=12, evaluate_every=2, patience=2, checkpoint_every=3)
    run, model = train(tmp_path / "patient", made, evaluate=course(*losses))
    assert run.steps == steps and run.val_loss == 9.0
    straight = TinyModel(dropout=0.2)
    trainer = loop._Trainer(straight, TinyRows(), Likelihood(), made, ALONE, "fp32")
    for step in range(best_step):
        trainer.update(step)
    assert same_weights(straight, model)


@pytest.mark.parametrize("stop", range(1, 8))
def test_patience_survives_a_stop(tmp_path: Path, stop: int) -> None:
    losses = (3.0, 2.0, 2.5, 2.6, 0.0)
    made = plan(steps=12, evaluate_every=2, patience=2, checkpoint_every=1)

    def crash(first: int) -> None:
        if first == stop * 6:
            raise KeyboardInterrupt

    run, straight = train(tmp_path / "straight", made, evaluate=course(*losses))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", made, evaluate=course(*losses), rows=TinyRows(crash))
    resumed_run, resumed = train(tmp_path / "run", made, evaluate=course(*losses[stop // 2 :]))
    assert resumed_run.steps == run.steps == 8 and resumed_run.val_loss == 9.0
    assert same_weights(straight, resumed)


def test_a_rehearsal_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, straight = train(tmp_path / "straight", plan())
    monkeypatch.setattr(loop, "LONG_RUN", 8)
    monkeypatch.setattr(forecast, "REHEARSE_SECONDS", 0.02)
    rehearsed, before = [], TinyModel(dropout=0.2)
    real = loop.rehearse

    def watched(*given: object) -> forecast.Forecast:
        made = real(*given)  # type: ignore[arg-type]
        rehearsed.append(same_weights(given[2], before))  # type: ignore[arg-type]
        return made

    monkeypatch.setattr(loop, "rehearse", watched)
    run, model = train(tmp_path / "rehearsed", plan())
    assert rehearsed == [True] and same_weights(model, straight)
    assert lines_of(tmp_path / "rehearsed") == lines_of(tmp_path / "straight")
    assert run.forecast == forecast.Forecast.load(tmp_path / "rehearsed") and run.forecast is not None
    assert run.forecast.seconds > 0 and run.forecast.memory_bytes > 10**6
    parameters = sum(p.nbytes for p in model.parameters())
    assert run.forecast.disk_bytes >= 3 * 3 * parameters + parameters
    assert parameters == 4 * (11 * DIM * 2 + DIM * DIM + 2 * DIM)


def test_a_resumed_run_is_compared_with_its_first_forecast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "LONG_RUN", 8)
    monkeypatch.setattr(forecast, "REHEARSE_SECONDS", 0.0)
    asked: list[int] = []

    def stop(first: int) -> None:
        asked.append(first)
        if len(asked) == 7:  # two updates of the rehearsal, then the run's fifth
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, plan(), rows=TinyRows(stop))
    first = forecast.Forecast.load(tmp_path)
    assert asked == [0, 6, 0, 6, 12, 18, 24] and first is not None
    assert train(tmp_path, plan())[0].forecast == first


def test_an_interruption_is_an_error_with_its_own_code() -> None:
    assert Interrupted("stopped", 2).exit_code == 130 and fit.__doc__ and "Interrupted" in fit.__doc__
