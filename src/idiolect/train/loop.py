"""The one training loop, for every gradient method: batches and an objective in, better weights out.

An update is: gradients of the summed loss over all micro-batches and processes, divided by the step's total weight;
clip; step. A gradient that is not finite skips the update on every process alike. Whatever could differ after a
stop is a pure function of the step (rows, learning rate, dropout) or in the checkpoint (weights, optimiser), so a
resumed run is the same run. What an objective carries from step to step (`Carrying`) is in the checkpoint too.
"""

from __future__ import annotations

import math
import signal
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch

from idiolect.checkpoints import newest_checkpoint
from idiolect.compute import Compute, Precision, peak_memory
from idiolect.data.batch import Batch
from idiolect.data.order import key_of
from idiolect.errors import Interrupted, TrainingError
from idiolect.journal import Bar, Journal, amount, duration, say
from idiolect.models.model import Model
from idiolect.signals import noting_signals
from idiolect.train.checkpoint import State, all_finite, read_checkpoint, save_checkpoint
from idiolect.train.forecast import LONG_RUN, Forecast, rehearse, timed
from idiolect.train.optim import build_optimizers
from idiolect.train.parallel import Carrying, Group, Objective, Step
from idiolect.train.paths import save_snapshot
from idiolect.train.plan import Plan
from idiolect.train.schedule import share_of_lr

MOST_SKIPPED = 20
"""Updates in a row that may be skipped before the run gives up."""


class Rows(Protocol):
    """Where batches come from: any rows of an endless order, at once."""

    def batch(self, first: int, count: int) -> Batch:
        """The rows `first` to `first + count`."""


Evaluate = Callable[[bool], Mapping[str, float | str]]
"""Evaluates the model as it is, on everything if True: "val_loss", and whatever else the journal should keep."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a run."""

    steps: int
    """Updates made, fewer than planned after an early stop."""
    seconds: float
    """Time spent training and evaluating, over all the run's parts."""
    skipped: int
    """Updates left out because the gradient was not finite."""
    val_loss: float
    """Of the weights that remain, over all validation tokens; NaN without evaluation."""
    forecast: Forecast | None
    """What was expected of a long run."""
    memory_bytes: int
    """Most memory this process had held when the training ended."""


def fit(
    model: Model,
    rows: Rows,
    objective: Objective,
    plan: Plan,
    *,
    compute: Compute,
    precision: Precision,
    folder: Path,
    evaluate: Evaluate,
) -> Run:
    """Train `model` in place.

    Args:
        model: on its device.
        rows: where batches come from.
        objective: (model, batch) -> summed loss.
        plan: how long, how fast, how often.
        compute, precision: where and in what numbers.
        folder: for `metrics.jsonl`, `tensorboard/`, `checkpoints/` and `snapshots/`; a run found there is resumed.
        evaluate: called every `plan.evaluate_every` steps and at the end, in the first process.

    Raises:
        Interrupted: on Ctrl-C or SIGTERM, after saving.
        TrainingError: the loss has not been finite for many steps.
        ArtifactError: the checkpoint to resume from is damaged.
    """
    trainer = _Trainer(model, rows, objective, plan, compute, precision)
    checkpoints = folder / "checkpoints"
    state, best = _resume(trainer, checkpoints, compute)
    forecast = _forecast(trainer, evaluate, folder, state)
    journal = Journal(folder, length=state.journal_bytes, step=state.step) if compute.leads else None
    val_loss, skipped_in_a_row = float("nan"), 0

    def save() -> None:
        tensors = {"model": _weights(model), "optimizer": trainer.optimizers.tensors(), "best": best}
        tensors["objective"] = trainer.carried()
        if not all(map(all_finite, tensors.values())):  # in every process alike
            raise TrainingError(
                f"At step {state.step:,} weights or optimiser state are not finite, so they were not saved: lower --lr "
                f"or give --clip."
            )
        if journal is not None:
            state.journal_bytes = journal.position()
            save_checkpoint(checkpoints, state, tensors)
        compute.wait()

    def snapshot() -> None:
        if plan.snapshot_every and state.step % plan.snapshot_every == 0 and compute.leads:
            save_snapshot(folder, state.step, _weights(model))

    def finished() -> bool:
        return state.step >= plan.steps or 0 < plan.patience <= state.evaluations_without_gain

    closing_journal = nullcontext() if journal is None else closing(journal)
    with closing_journal, noting_signals() as asked, Bar("training", plan.steps, state.step) as bar:
        snapshot()
        while not finished():
            began = time.perf_counter()
            update = trainer.update(state.step, stop=bool(asked))
            state.step += 1
            skipped_in_a_row = 0 if update.finite else skipped_in_a_row + 1
            state.skipped += not update.finite
            if skipped_in_a_row > MOST_SKIPPED and update.weight == 0:
                raise TrainingError(
                    f"There was nothing to learn for {skipped_in_a_row} steps running: all positions have weight 0."
                )
            if skipped_in_a_row > MOST_SKIPPED:
                raise TrainingError(
                    f"The gradient was not finite for {skipped_in_a_row} steps running: lower the learning rate (--lr)."
                )
            rate = update.tokens / (time.perf_counter() - began)
            line: dict[str, float | int | str | None] = {
                "step": state.step,
                "train_loss": update.loss,
                "val_loss": None,
                "tokens_per_second": round(rate, 1),
                "learning_rate": update.lr,
                "gradient_norm": update.norm,
            }
            due = plan.evaluate_every > 0 and state.step % plan.evaluate_every == 0
            if due or state.step == plan.steps:
                whole = state.step == plan.steps and not plan.patience  # the best is chosen on the same tokens
                line.update(evaluate(whole) if compute.leads else {})
                val_loss = compute.total([float(line["val_loss"] or 0.0)])[0]
                if math.isfinite(val_loss) and (state.best_loss is None or val_loss < state.best_loss):
                    state.best_loss, state.evaluations_without_gain = val_loss, 0
                    best = {name: w.detach().clone() for name, w in _weights(model).items()} if plan.patience else {}
                else:
                    state.evaluations_without_gain += 1
            state.seconds += time.perf_counter() - began
            if journal is not None and (state.step % plan.log_every == 0 or line["val_loss"] is not None):
                journal.write(line)
            snapshot()
            bar.update(state.step, f"loss {update.loss:.3f}  {rate:,.0f} tokens/s")
            if update.stop and not finished():
                save()
                raise Interrupted(
                    f"Stopped at step {state.step:,}, and saved: the same command goes on from there.",
                    asked[0] if asked else signal.SIGTERM,
                )
            if plan.checkpoint_every and state.step % plan.checkpoint_every == 0 and not finished():
                save()
    if plan.patience and best:
        _load_weights(model, best)
        val_loss = compute.total([float(evaluate(True)["val_loss"]) if compute.leads else 0.0])[0]
    return Run(state.step, state.seconds, state.skipped, val_loss, forecast, peak_memory())


def pace(
    model: Model,
    rows: Rows,
    objective: Objective,
    plan: Plan,
    *,
    compute: Compute,
    precision: Precision,
    seconds: float,
) -> float:
    """Seconds that an update takes: the mean of those made in about `seconds`. Their model is of no use afterwards."""
    trainer = _Trainer(model, rows, objective, plan, compute, precision)
    return statistics.fmean(timed(trainer.update, compute, seconds, most=plan.steps))


@dataclass(frozen=True, slots=True)
class _Update:
    """What one update saw."""

    loss: float
    tokens: float
    """Positions that were read."""
    weight: float
    """What they counted."""
    norm: float
    lr: float
    finite: bool
    stop: bool


class _Trainer:
    """A model, its optimisers and its processes; makes one update at a time."""

    def __init__(
        self, model: Model, rows: Rows, objective: Objective, plan: Plan, compute: Compute, precision: Precision
    ) -> None:
        step: torch.nn.Module = Step(model, objective)
        if plan.compile:
            step = torch.compile(step)  # type: ignore[assignment]
        self.model = model
        self.plan = plan
        self.compute = compute
        self.group = Group(compute, step, plan.batch, plan.accumulate)
        self.optimizers = build_optimizers(model, plan)
        self._objective: object = objective  # it may be more than a function: `Carrying`
        self._rows = rows
        self._precision = precision

    def update(self, step: int, *, stop: bool = False) -> _Update:
        """The update of step `step` (from 0). `stop`: this process was asked to stop, which all then learn."""
        plan, group = self.plan, self.group
        self.compute.seed(key_of(plan.seed, step, self.compute.rank))  # dropout, the same after resuming
        share = self._rows.batch(step * plan.batch + group.first, group.count)
        micro_batches = [batch.to(self.compute.device) for batch in group.micro_batches(share)]
        read = sum(batch.ids_BT.numel() for batch in micro_batches)
        total, tokens = self.compute.total([sum(batch.weight for batch in micro_batches), float(read)])
        self.model.train()
        nats = 0.0
        for number, batch in enumerate(micro_batches):
            with group.gather_gradients(now=number == len(micro_batches) - 1):
                with self.compute.autocast(self._precision):
                    summed = group.step(batch)
                (summed * (self.compute.world / total if total else 0.0)).backward()
            nats += float(summed.detach())
        nats, stops = self.compute.total([nats, float(stop)])
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), plan.clip or float("inf"))
        finite = bool(torch.isfinite(norm)) and total > 0
        lr_share = share_of_lr(step, plan)
        if finite:
            self.optimizers.set_lr(lr_share)
            self.optimizers.step()
        self.optimizers.zero_grad()
        loss = nats / total if total else float("nan")
        return _Update(loss, tokens, total, float(norm), plan.highest_lr * lr_share, finite, stops > 0)

    def carried(self) -> dict[str, torch.Tensor]:
        """What the objective carries from step to step, of all processes' rows."""
        if not isinstance(self._objective, Carrying):
            return {}
        return {name: self.group.gather_rows(tensor) for name, tensor in self._objective.tensors().items()}

    def carry(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Have the objective take up what `carried` gave."""
        if isinstance(self._objective, Carrying):
            self._objective.load_tensors(tensors)

    def restart(self) -> None:
        """Forget what the optimisers have learnt, and what the objective carries."""
        self.optimizers = build_optimizers(self.model, self.plan)
        self.carry({})


def _resume(trainer: _Trainer, checkpoints: Path, compute: Compute) -> tuple[State, dict[str, torch.Tensor]]:
    """The state to start from: the newest checkpoint's, or a new one."""
    newest = newest_checkpoint(checkpoints)
    if newest is None:
        return State(threads=compute.threads), {}
    state, tensors = read_checkpoint(newest)
    _load_weights(trainer.model, tensors["model"])
    trainer.optimizers.load_tensors(tensors.get("optimizer", {}))
    trainer.carry(tensors.get("objective", {}))
    say(f"Resuming at step {state.step:,}.")
    if state.threads != compute.threads:
        say(
            f"It began with {state.threads} threads and goes on with {compute.threads}: sums may round differently "
            f"(--threads {state.threads} keeps them alike)."
        )
    return replace(state, threads=compute.threads), tensors.get("best", {})


def _forecast(trainer: _Trainer, evaluate: Evaluate, folder: Path, state: State) -> Forecast | None:
    """The forecast of a long run: made before its first step, read again when it is resumed."""
    if state.step or trainer.plan.steps < LONG_RUN:
        return Forecast.load(folder)

    def evaluate_once() -> None:
        if trainer.compute.leads:
            evaluate(False)
        trainer.compute.wait()

    forecast = rehearse(trainer.update, evaluate_once, trainer.model, trainer.optimizers, trainer.plan, trainer.compute)
    trainer.restart()
    if trainer.compute.leads:
        forecast.save(folder)
    say(
        f"Forecast: {duration(forecast.seconds)}, {amount(forecast.memory_bytes)} of memory and "
        f"{amount(forecast.disk_bytes)} of disk while it trains."
    )
    return forecast


def _weights(model: Model) -> dict[str, torch.Tensor]:
    """Every parameter by name, once."""
    return dict(model.named_parameters())


def _load_weights(model: Model, weights: Mapping[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name])
