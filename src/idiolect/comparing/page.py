"""The page of a comparison: who did best, how each learnt, what it cost, what each says, and in what they differ."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from idiolect.comparing.columns import COST, LEARNT, Column, known
from idiolect.comparing.outcomes import Compared, Outcome, Training
from idiolect.comparing.settings import Budget
from idiolect.comparing.variants import Variant, differences
from idiolect.figures import LineChart, Series
from idiolect.journal import duration
from idiolect.report import Report

MOST_COLUMNS = 6
"""Settings that stand beside each other in a table; more stand below each other."""

Tried = tuple[Variant, Sequence[Training]]
"""A variant with its trainings."""

EQUAL: dict[Budget, str] = {
    "tokens": "Each variant read equally many tokens of the same text.",
    "parameters": (
        "Each variant read equally many tokens of the same text, and has about as many parameters as the first one, "
        "embeddings included: its width is the one that comes nearest."
    ),
    "time": (
        "Each variant was trained about as long as the first one took for its steps: a rehearsal of each said how many "
        "of its own steps fit."
    ),
}


def comparison_page(report: Report, compared: Compared, tried: Sequence[Tried], prompt: str) -> None:
    """Put a comparison onto a page.

    Args:
        report: the page, with its heading.
        compared: the figures.
        tried: each variant with its trainings, in the order of the figures.
        prompt: what the samples begin with.
    """
    _merits(report, compared)
    report.section("Result")
    report.text(EQUAL[compared.budget] + _how_read(tried) + _seeds(compared.outcomes[0].seeds))
    groups = compared.groups()
    for group in groups:
        if len(groups) > 1:
            report.text(_of_what(group))
        _learnt(report, group, compared)
    _cost(report, compared)
    report.section("Learning")
    for group in groups:
        names = {outcome.name for outcome in group}
        _curves(
            report, [(variant, trainings) for variant, trainings in tried if variant.name in names], group[0].question
        )
    report.section("Differences")
    _differences(report, [variant for variant, _ in tried])
    report.section("Samples")
    report.samples((variant.name, *_sample(variant, trainings[0], prompt)) for variant, trainings in tried)


def _merits(report: Report, compared: Compared) -> None:
    """The best, and how far it is ahead of the next."""
    scored = sorted(
        (outcome for outcome in compared.outcomes if outcome.bits_per_byte is not None),
        key=lambda outcome: outcome.bits_per_byte or 0.0,
    )
    if scored:
        report.figures_of_merit(
            [("lowest bits per byte", scored[0].name), ("its bits per byte", scored[0].bits_per_byte)]
        )
    trained = sum(outcome.seconds * outcome.seeds for outcome in compared.outcomes)
    report.figures_of_merit([("variants", len(compared.outcomes)), ("training, in all", duration(trained))])


def _how_read(tried: Sequence[Tried]) -> str:
    """A sentence on the order in which families read, where both orders are among them."""
    if {variant.settings.recurrent for variant, _ in tried} != {True, False}:
        return ""
    return (
        " Recurrent networks read it in order, their state carried from row to row; Transformers in shuffled windows, "
        "each by itself."
    )


def _seeds(seeds: int) -> str:
    return f" Figures are means over {seeds} seeds, with their standard deviation." if seeds > 1 else ""


def _of_what(group: Sequence[Outcome]) -> str:
    """Which variants are in a group, and why they are apart."""
    names = ", ".join(outcome.name for outcome in group)
    if group[0].question == "next token":
        return f"Next token: {names}."
    return (
        f"{group[0].question}: {names}. An encoder sees both sides of what it predicts, so its loss answers another "
        f"question, and cannot be compared with that of the others."
    )


def _learnt(report: Report, group: Sequence[Outcome], compared: Compared) -> None:
    """How well the variants of a group predict."""
    next_token = group[0].question == "next token"
    if next_token:
        bars = [(outcome.name, round(outcome.bits_per_byte or 0.0, 4)) for outcome in group]
        report.bars(
            "Bits per byte on held-out text",
            [*bars, *((name, round(bits, 4)) for name, bits in compared.yardsticks)],
            highlight=[outcome.name for outcome in group],
            caption="Lower is better. The validation text, each document scored whole, its end included."
            + (
                " Pale: what has no weights, an n-gram model of the same training tokens and compressors."
                if compared.yardsticks
                else ""
            ),
        )
    caption = "Strong: the best. The loss is in nats per token, over the whole validation text, read as in training"
    _table(
        report,
        LEARNT,
        group,
        caption + ("; bits per byte and perplexity (per token) are of its documents, as above." if next_token else "."),
    )


def _cost(report: Report, compared: Compared) -> None:
    """What the variants needed."""
    caption = (
        "Time and tokens per second are of the updates alone, without evaluations. Memory is what the training needed "
        "beyond what the process held before it: weights, optimiser, and whatever was held at once."
    )
    _table(report, COST, compared.outcomes, caption)


def _table(report: Report, columns: Sequence[Column], outcomes: Sequence[Outcome], caption: str) -> None:
    columns = known(columns, outcomes)
    cells = zip(*(column.cells(outcomes) for column in columns))
    report.table(
        ["", *(column.name for column in columns)],
        [[outcome.name, *row] for outcome, row in zip(outcomes, cells)],
        caption,
        best={(row, place) for place, column in enumerate(columns, start=1) for row in column.marked(outcomes)},
    )


def _curves(report: Report, tried: Sequence[Tried], question: str) -> None:
    """The losses of a group over tokens and over seconds."""
    of = "" if question == "next token" else f", {question}"
    several = len(tried[0][1]) > 1
    mean = " The mean over the seeds." if several else ""
    settings = tried[0][0].settings
    last = ""
    if settings.evaluate_tokens and not settings.patience:
        last = f" The last point is of all validation tokens, those before it of {settings.evaluate_tokens:,} of them."
    for by_time, over, x_label, caption in (
        (False, "tokens", "tokens read", "What each has learnt from as much text."),
        (True, "time", "seconds of training", "What each has learnt in as much time, on this machine."),
    ):
        report.chart(
            LineChart(
                f"Validation loss over {over}{of}",
                [Series(variant.name, *_mean_curve(trainings, by_time=by_time)) for variant, trainings in tried],
                x_label=x_label,
                y_label="nats per token",
                caption=caption + mean + last,
            )
        )
    report.chart(
        LineChart(
            f"Training loss{of}",
            [
                Series(
                    variant.name, trainings[0].tokens, [line["train_loss"] for line in trainings[0].lines], noisy=True
                )
                for variant, trainings in tried
            ],
            x_label="tokens read",
            y_label="nats per token",
            caption="Batches as they came." + (" Of the first seed." if several else ""),
        )
    )


def _mean_curve(trainings: Sequence[Training], *, by_time: bool) -> tuple[list[float], list[float]]:
    """Where a variant was evaluated, and its validation loss there, each the mean over its seeds."""
    points = list(zip(*(training.evaluated for training in trainings)))
    xs = [
        statistics.fmean((t.seconds if by_time else t.tokens)[place] for t, place in zip(trainings, places))
        for places in points
    ]
    ys = [statistics.fmean(t.lines[place]["val_loss"] for t, place in zip(trainings, places)) for places in points]
    return xs, ys


def _differences(report: Report, variants: Sequence[Variant]) -> None:
    """In which settings the variants differ: a column for each, or a row where they are many."""
    found = differences(variants)
    names, settings = [variant.name for variant in variants], [name.replace("_", " ") for name, _ in found]
    rows = [[_shown(value) for value in values] for _, values in found]
    if len(found) > MOST_COLUMNS:
        header = ["", *(name.replace("+", " + ") for name in names)]  # so that it can be broken
        cells = [[setting, *row] for setting, row in zip(settings, rows)]
    else:
        header = ["", *settings]
        cells = [[name, *row] for name, row in zip(names, zip(*rows))]
    report.table(
        header,
        cells,
        caption=(
            "All in which two variants differ, as it came out in the end: learning rates as they were used, sizes that "
            "follow from others. A dash: this kind of model has no such setting. All else is the same, or follows from "
            "the family; each variant's own page has it."
        ),
    )


def _sample(variant: Variant, training: Training, prompt: str) -> tuple[str, str]:
    """What the trained model said: the prompt, and what followed."""
    said = [str(training.lines[place]["sample"]) for place in training.evaluated if "sample" in training.lines[place]]
    return ("" if variant.settings.model == "encoder" else prompt), said[-1] if said else ""


def _shown(value: object) -> object:
    """A setting in a table."""
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, float) else value
