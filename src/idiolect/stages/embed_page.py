"""The page of word vectors: how they were learnt, how often their words occur, who is near whom."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np

from idiolect.artifact import Recipe
from idiolect.embeddings.learning import Learnt
from idiolect.embeddings.vectors import Vectors
from idiolect.embeddings.words import WordStream
from idiolect.figures import LineChart, Series
from idiolect.journal import amount, duration, read_metrics
from idiolect.report import Report
from idiolect.stages.page import close_page, page
from idiolect.stages.vectors_page import vectors_page

FREQUENT = 24
"""Words whose neighbours are shown."""
NEAR = 6


def embed_page(vectors: Vectors, stream: WordStream, learnt: Learnt, folder: Path, recipe: Recipe, out: Path) -> Report:
    """Put all that a training of word vectors left in its folder onto a page."""
    counts_V = stream.vocabulary.counts
    report = page(recipe, out, f"Vectors of {len(vectors):,} words, {vectors.dim} numbers each, by {vectors.kind}")
    lines = read_metrics(folder)
    report.figures_of_merit(
        [
            ("words", len(vectors)),
            ("words of text", int(counts_V.sum())),
            ("loss", round(learnt.state.loss, 3)),
            ("words/s", round(statistics.median(line["words_per_second"] for line in lines))),
            ("training", duration(learnt.state.seconds)),
        ]
    )
    vectors_page(report, vectors)
    report.section("Neighbours")
    report.text(
        "For words from the whole range of frequencies, the words whose vectors have the largest cosine with theirs."
    )
    report.table(["word", "occurrences", "neighbours"], _neighbours(vectors, counts_V))
    report.section("Learning")
    steps = [line["step"] for line in lines]
    report.chart(
        LineChart(
            "Loss",
            [Series("training", steps, [line["train_loss"] for line in lines], noisy=True)],
            x_label="million ids read",
            y_label="nats per pair",
            caption="Of a word and one of its context: its own −log p and those of the words drawn against it, or of "
            "the nodes on its path. One batch in 64 is measured.",
        ),
        LineChart(
            "Throughput",
            [Series("words/s", steps, [line["words_per_second"] for line in lines], noisy=True)],
            x_label="million ids read",
            y_label="words/s",
            from_zero=True,
            caption="Words of the vocabulary read in a second, those that are left out at random among them.",
        ),
    )
    report.section("Words")
    ranks = np.unique(np.geomspace(1, len(vectors), 200).astype(int))
    report.chart(
        LineChart(
            "Occurrences by rank",
            [Series("words", ranks.tolist(), counts_V[ranks - 1].tolist())],
            x_label="rank",
            y_label="occurrences",
            log_x=True,
            log_y=True,
            caption="Zipf's law would be a straight line.",
        )
    )
    report.section("Forecast")
    report.table(
        ["", "forecast", "measured"],
        [
            ["time", duration(learnt.state.forecast_seconds), duration(learnt.state.seconds)],
            ["memory", amount(learnt.state.forecast_bytes), amount(learnt.memory_bytes)],
        ],
        caption="What training was to need by its first million ids, and what it needed.",
    )
    return close_page(report, recipe, out)


def _neighbours(vectors: Vectors, counts_V: np.ndarray) -> list[list[object]]:
    """Words of falling frequency, with their nearest."""
    ranks = np.unique(np.geomspace(1, min(len(vectors), 20_000), FREQUENT).astype(int)) - 1
    words = [vectors.words[rank] for rank in ranks]
    near = vectors.neighbours_batch(words, NEAR)
    return [
        [word, int(counts_V[rank]), ", ".join(one.word for one in found)]
        for word, rank, found in zip(words, ranks, near)
    ]
