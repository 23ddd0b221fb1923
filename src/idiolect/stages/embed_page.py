"""The page of word vectors: how they were learnt, how often their words occur, who is near whom."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idiolect.artifact import Recipe
from idiolect.embeddings.cooccurrence import Cooccurrences
from idiolect.embeddings.learning import Learnt
from idiolect.embeddings.vectors import Vectors
from idiolect.embeddings.words import WordStream
from idiolect.figures import LineChart, Series
from idiolect.journal import amount, duration, read_metrics
from idiolect.report import Report
from idiolect.stages.page import close_page, page
from idiolect.stages.vectors_page import frequencies, near_words, vectors_page


def embed_page(
    vectors: Vectors,
    stream: WordStream,
    learnt: Learnt,
    pairs: Cooccurrences | None,
    singular_D: NDArray[np.float64] | None,
    folder: Path,
    recipe: Recipe,
    out: Path,
) -> Report:
    """Put all that a training of word vectors left in its folder onto a page.

    Args:
        vectors: what was learnt.
        stream: the words it was learnt from.
        learnt: how it went.
        pairs: how often words meet, where that is what was learnt from.
        singular_D: the singular values of PPMI; None: there was a training, with a journal.
        folder: where the journal is.
        recipe, out: of the artifact.
    """
    counts_V = stream.vocabulary.counts
    report = page(recipe, out, f"Vectors of {len(vectors):,} words, {vectors.dim} numbers each, by {vectors.kind}")
    lines = read_metrics(folder) if singular_D is None else []
    unit = "words" if pairs is None else "pairs"
    figures: list[tuple[str, object]] = [("words", len(vectors)), ("words of text", int(counts_V.sum()))]
    if pairs is not None:
        figures.append(("pairs that meet", pairs.length))
    if lines:
        figures.append(("loss", round(learnt.state.loss, 3)))
        figures.append((f"{unit}/s", round(statistics.median(line[f"{unit}_per_second"] for line in lines))))
    report.figures_of_merit([*figures, ("training" if lines else "SVD", duration(learnt.state.seconds))])
    vectors_page(report, vectors)
    report.section("Neighbours")
    report.text(
        "For words from the whole range of frequencies, the words whose vectors have the largest cosine with theirs."
    )
    near_words(report, vectors)
    if pairs is not None:
        _meetings(report, pairs)
    if singular_D is not None:
        _singular_values(report, singular_D)
    if lines:
        _learning(report, lines, unit)
    frequencies(report, vectors)
    if lines:
        report.section("Forecast")
        report.table(
            ["", "forecast", "measured"],
            [
                ["time", duration(learnt.state.forecast_seconds), duration(learnt.state.seconds)],
                ["memory", amount(learnt.state.forecast_bytes), amount(learnt.memory_bytes)],
            ],
            caption=f"What training was to need by its first million {'ids' if pairs is None else 'pairs'}, and what "
            "it needed.",
        )
    return close_page(report, recipe, out)


def _meetings(report: Report, pairs: Cooccurrences) -> None:
    """What was counted before."""
    report.section("Words that meet")
    runs = (
        f"Memory was full {pairs.runs:,} times: {pairs.runs:,} sorted runs went to disk, and were merged."
        if pairs.runs
        else "All counts fitted into memory."
    )
    share = 100 * pairs.length / (pairs.words * (pairs.words + 1) / 2)
    report.text(
        f"Two words of a text at a distance of up to {pairs.window} words count 1/distance, in both directions. "
        f"{pairs.length:,} different pairs meet, {share:.2f}% of all. {runs}"
    )


def _singular_values(report: Report, singular_D: NDArray[np.float64]) -> None:
    report.section("Singular values")
    report.chart(
        LineChart(
            "Singular values",
            [Series("values", list(range(1, len(singular_D) + 1)), singular_D.tolist())],
            x_label="direction",
            y_label="singular value",
            log_y=True,
            caption="Of the matrix of positive pointwise mutual information: how much of it each direction holds.",
        )
    )


def _learning(report: Report, lines: list[dict[str, Any]], unit: str) -> None:
    """Loss and throughput by what was read."""
    report.section("Learning")
    steps = [line["step"] for line in lines]
    x_label, y_label = (
        ("million ids read", "nats per pair") if unit == "words" else ("million pairs read", "f(x) e² / 2")
    )
    loss_caption = (
        "Of a word and one of its context: its own −log p and those of the words drawn against it, or of the nodes on "
        "its path. One batch in 64 is measured."
        if unit == "words"
        else "Of a pair of words that meet with weight x, in one direction: e is what the product of their vectors and "
        "their biases miss log x by, and f(x) = min(1, x / 100)^0.75. All pairs are measured."
    )
    rate_caption = (
        "Words of the vocabulary read in a second, those that are left out at random among them."
        if unit == "words"
        else "Pairs of words learnt from in a second, each direction for itself."
    )
    report.chart(
        LineChart(
            "Loss",
            [Series("training", steps, [line["train_loss"] for line in lines], noisy=True)],
            x_label=x_label,
            y_label=y_label,
            caption=loss_caption,
        ),
        LineChart(
            "Throughput",
            [Series(f"{unit}/s", steps, [line[f"{unit}_per_second"] for line in lines], noisy=True)],
            x_label=x_label,
            y_label=f"{unit}/s",
            from_zero=True,
            caption=rate_caption,
        ),
    )
