"""The page of a trained model: how it learnt, what it says, what it is measured against."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from idiolect.evaluation.comparison import Comparison
from idiolect.figures import LineChart, Series
from idiolect.journal import amount, duration, read_metrics
from idiolect.pretraining.paths import paths_chart
from idiolect.pretraining.run import Prepared
from idiolect.pretraining.settings import PretrainSettings
from idiolect.pretraining.starting import describe_start
from idiolect.report import Report
from idiolect.train.loop import Run

ACCURACIES = {
    "masked_accuracy": ("hidden tokens named", "Share of the hidden tokens that are the model's likeliest."),
    "pair_accuracy": (
        "pairs judged right",
        "Share of the pairs of which the model knows if the second text follows the first; half by chance.",
    ),
}
"""What the journal of an encoder has besides the loss, as the page calls it."""


def learning_page(report: Report, trained: Prepared, run: Run, folder: Path, comparison: Comparison | None) -> None:
    """Put all that a training left in its folder onto a page.

    Args:
        report: the page, with its heading.
        trained: what was trained.
        run: how it went.
        folder: with the journal.
        comparison: what the model is measured against, if it was.
    """
    lines = read_metrics(folder)
    steps = [line["step"] for line in lines]
    speeds = [float(line["tokens_per_second"] or 0.0) for line in lines]
    evaluated = [line for line in lines if line["val_loss"] is not None]
    report.figures_of_merit([("validation loss", round(run.val_loss, 4))])
    for key, (name, _) in ACCURACIES.items():
        if evaluated and key in evaluated[-1]:
            report.figures_of_merit([(name, f"{evaluated[-1][key]:.1%}")])
    if comparison is not None:
        report.figures_of_merit([("bits per byte", round(comparison.model.bits_per_byte, 3))])
    report.figures_of_merit(
        [
            ("parameters", trained.parameters),
            ("tokens/s", round(statistics.median(speeds))),
            ("training", duration(run.seconds)),
        ]
    )
    report.section("Learning")
    encoder = trained.settings.model == "encoder"
    what = "hidden token" if encoder else "next token"
    if encoder and trained.settings.pairs:
        what += ", or label of a pair"
    report.chart(
        LineChart(
            "Loss",
            [
                Series("training", steps, [line["train_loss"] for line in lines], noisy=True),
                Series("validation", [line["step"] for line in evaluated], [line["val_loss"] for line in evaluated]),
            ],
            x_label="step",
            y_label="nats per token",
            caption=f"The mean of −log p({what}): training batches as they came, and the validation text.",
        )
    )
    if accuracies := _accuracies(evaluated):
        report.chart(*accuracies)
    report.chart(
        LineChart(
            "Learning rate",
            [Series("learning rate", steps, [line["learning_rate"] for line in lines])],
            x_label="step",
            caption=_rates(trained.settings),
        ),
        LineChart(
            "Throughput",
            [Series("tokens/s", steps, speeds, noisy=True)],
            x_label="step",
            y_label="tokens/s",
            from_zero=True,
            caption="Tokens read in a second of training, without evaluations.",
        ),
    )
    if trained.task.start is not None:
        describe_start(report, trained.task.start, trained.task.speaker.tokenizer)
    if trained.settings.snapshot_every:
        report.chart(paths_chart("Path", {trained.settings.optimizer: folder}, trained))
    if comparison is not None:
        comparison.describe(report)
    report.section("Samples")
    samples = [(f"step {line['step']:,}", str(line["sample"])) for line in evaluated]
    if encoder:
        report.filled(
            samples,
            "Every fifth token was hidden: green where the model's likeliest is the one that stood there, orange where "
            "it is not, with the one that did behind it.",
        )
    else:
        report.samples([(label, trained.task.prompt, sample) for label, sample in samples])
    if run.forecast is not None:
        report.section("Forecast")
        on_disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        report.table(
            ["", "forecast", "measured"],
            [
                ["time", duration(run.forecast.seconds), duration(run.seconds)],
                ["memory", amount(run.forecast.memory_bytes), amount(run.memory_bytes)],
                ["disk", amount(run.forecast.disk_bytes), amount(on_disk)],
            ],
            caption="What was said before the first step, and what the training needed.",
        )


def _rates(settings: PretrainSettings) -> str:
    """Which learning rate the curve is, and what the others are."""
    if settings.optimizer != "muon":
        return f"Of {settings.optimizer}; at most {settings.highest_lr:g}."
    beside = f"at most {settings.highest_adamw_lr:g}"
    return f"Of Muon, at most {settings.highest_lr:g}; that of AdamW beside it takes the same course, {beside}."


def _accuracies(evaluated: list[dict[str, Any]]) -> list[LineChart]:
    """A chart for each accuracy that was measured."""
    charts = []
    for key, (name, caption) in ACCURACIES.items():
        measured = [line for line in evaluated if key in line]
        if measured:
            steps, shares = [line["step"] for line in measured], [line[key] for line in measured]
            charts.append(LineChart(name.capitalize(), [Series(name, steps, shares)], x_label="step", caption=caption))
    return charts
