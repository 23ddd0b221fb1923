"""How optimisers go downhill: on two surfaces that textbooks draw, and in a training of yours, from the same weights on
the same batches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from idiolect.artifact import Artifact, Provenance, Recipe
from idiolect.compute import set_up
from idiolect.config import verb
from idiolect.errors import UsageError
from idiolect.figures import LineChart, Series
from idiolect.journal import read_metrics, say
from idiolect.landscape import Landscape, Track
from idiolect.making import create, unchanged
from idiolect.pretraining.paths import paths_chart
from idiolect.pretraining.run import prepare
from idiolect.pretraining.settings import PretrainSettings
from idiolect.report import Report
from idiolect.stages.page import close_page, page
from idiolect.stages.pretrain import pretrain
from idiolect.train.paths import Loss, best_descent, rosenbrock, valley
from idiolect.train.plan import OptimizerName, Plan

RATES = [2.0**-power for power in range(-1, 14)]
"""Learning rates of which each optimiser has the one that ends lowest, on the textbook's surfaces."""


@dataclass(frozen=True)
class OptimisersSettings(PretrainSettings):
    """Optimisers."""

    optimizers: tuple[OptimizerName, ...] = ("sgd", "momentum", "adamw", "muon")
    """Which to compare, each with its own learning rate unless --lr is given."""
    layers: int = 2
    """Blocks of attention and feed-forward, or layers of a recurrent network."""
    dim: int = 64
    """Width of the hidden states."""
    context: int = 64
    """Longest row, in tokens."""
    steps: int = 300
    """Updates of each model."""
    snapshot_every: int = 10
    """Steps between the dots of a path."""
    yardsticks: bool = False
    """Compare with an n-gram model, xz and bz2 on the validation text, in each model's report."""

    def __post_init__(self) -> None:
        """Raises UsageError for a value out of range."""
        super().__post_init__()
        if len(set(self.optimizers)) < max(2, len(self.optimizers)):
            raise UsageError("Name two optimisers or more, each once.")
        if not 1 <= self.snapshot_every <= self.steps:
            raise UsageError("snapshot_every must be at least 1 and at most steps: a path needs two dots.")


@verb
def optimisers(tokens: Path, settings: OptimisersSettings, *, out: Path = Path("optimisers")) -> Artifact:
    """Train a model with each of some optimisers, and draw the ways they took.

    Example:
        >>> idiolect.optimisers("tokens", optimizers=("sgd", "adamw"), out="optimisers")
    """
    folders: dict[str, Path] = {name: out / name for name in settings.optimizers}
    asked = {key: value for key, value in vars(settings).items() if key != "optimizers"}
    for name, folder in folders.items():
        pretrain(tokens, **{**asked, "optimizer": name}, out=folder)
    models: dict[str, Provenance] = {
        name: Artifact.open(folder, "model").provenance() for name, folder in folders.items()
    }
    recipe, target = Recipe("report", settings, models), out / "report"
    if not unchanged(target, recipe):
        with create(target, recipe, force=True) as making:
            report = page(recipe, out, f"The ways downhill of {', '.join(folders)}")
            _in_training(report, folders, tokens, settings)
            report.section("On surfaces of two weights")
            _on_surface(report, "A valley", valley, (-4.0, 1.2), (0.0, 0.0), (-4.6, 1.6, -1.5, 1.5), 40, settings)
            _on_surface(
                report, "A bent valley", rosenbrock, (-1.2, 1.0), (1.0, 1.0), (-1.8, 1.8, -0.8, 2.3), 150, settings
            )
            close_page(report, recipe, out).write(making / "report.html")
    say(f"The report is {(target / 'report.html').resolve()}")
    return Artifact.open(target, "report")


def _in_training(report: Report, folders: dict[str, Path], tokens: Path, settings: OptimisersSettings) -> None:
    """The curves, and the plane, of the real training."""
    journals = {name: read_metrics(folder) for name, folder in folders.items()}
    final = {name: float(lines[-1]["val_loss"]) for name, lines in journals.items()}
    report.figures_of_merit([(f"{name}: validation loss", value) for name, value in final.items()])
    report.section("In a training")
    compute = set_up(settings.threads)
    report.chart(paths_chart("Paths", folders, prepare(tokens, settings, compute)))
    steps = [line["step"] for line in journals[settings.optimizers[0]]]
    report.chart(
        LineChart(
            "Training loss",
            [
                Series(name, steps, [line["train_loss"] for line in lines], noisy=True)
                for name, lines in journals.items()
            ],
            x_label="step",
            y_label="nats per token",
            caption="The same initial weights, and the same batches in the same order.",
        )
    )
    report.table(
        ["optimiser", "highest learning rate", "decay", "validation loss", "tokens/s"],
        [
            [name, f"{plan.highest_lr:g}", f"{plan.decay:g}", round(final[name], 4), _speed(journals[name])]
            for name in settings.optimizers
            for plan in [replace(settings, optimizer=name).with_rates()]
        ],
    )


def _speed(lines: list[dict[str, float]]) -> int:
    return round(float(np.median([line["tokens_per_second"] or 0.0 for line in lines])))


def _on_surface(
    report: Report,
    title: str,
    loss: Loss,
    start: tuple[float, float],
    goal: tuple[float, float],
    frame: tuple[float, float, float, float],
    steps: int,
    settings: OptimisersSettings,
) -> None:
    """The paths on a loss of two weights, each with the best of some learning rates."""
    tracks = []
    for name in settings.optimizers:
        if name == "muon":  # it is for matrices
            continue
        plans = [_plan(name, steps, rate, settings) for rate in RATES]
        plan, path = best_descent(loss, start, plans)
        tracks.append(Track(f"{name} {plan.highest_lr:.2g}", path[:, 0], path[:, 1]))
    xs, ys = np.linspace(*frame[:2], 81), np.linspace(*frame[2:], 81)
    heights_YX = loss(torch.from_numpy(np.stack(np.meshgrid(xs, ys), axis=-1))).numpy()
    formula, _, meaning = " ".join((loss.__doc__ or "").split()).partition(": ")
    report.chart(
        Landscape(
            title,
            xs,
            ys,
            heights_YX,
            tracks,
            goal=goal,
            x_label="x",
            y_label="y",
            caption=f"{formula}, {meaning[0].lower()}{meaning[1:]} The cross is its lowest point. {steps} steps, each "
            f"optimiser with that learning rate of {len(RATES)} which ends lowest; it stands beside its name.",
        )
    )


def _plan(name: OptimizerName, steps: int, rate: float, settings: OptimisersSettings) -> Plan:
    return Plan(
        steps=steps,
        optimizer=name,
        lr=rate,
        weight_decay=0.0,
        momentum=min(settings.momentum, 0.9),
        beta1=settings.beta1,
        beta2=settings.beta2,
    )
