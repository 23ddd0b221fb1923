"""What `embed --kind contextual` does: a language model reads a corpus, and each word's hidden states are averaged; and
the page of such vectors."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from idiolect.artifact import Recipe
from idiolect.compute import set_up
from idiolect.embeddings.vectors import Vectors
from idiolect.embeddings.word_contexts import Averaging, State, average_in_batches
from idiolect.embeddings.words import RuleWords, check_words
from idiolect.errors import CorpusError, ModelError
from idiolect.figures import LineChart, Series
from idiolect.journal import duration, read_metrics, say
from idiolect.model_folder import load_folder
from idiolect.models.model import Model
from idiolect.report import Report
from idiolect.stages.page import close_page, page
from idiolect.stages.vectors_page import frequencies, near_words, vectors_page
from idiolect.text.corpus import Corpus
from idiolect.tokenizers.base import Tokenizer

SHOWN = 15
"""Words that are shown of those that contexts change most, and least."""
_MET = 20  # times that such a word is met at least: the mean of a few is near each of them


class Reader(NamedTuple):
    """A language model with its tokenizer."""

    model: Model
    tokenizer: Tokenizer

    @classmethod
    def load(cls, folder: Path) -> Reader:
        """Raises ModelError where the folder's model is none that reads text for its own sake."""
        model, tokenizer, _ = load_folder(folder)
        if model.spec.head is not None:
            raise ModelError(
                f"{folder} is a model that gives labels, and its hidden states are made for them: name the language "
                "model that it was made from."
            )
        return cls(model, tokenizer)


class Averaged(NamedTuple):
    """What came out."""

    vectors: Vectors
    spread_V: NDArray[np.float64]
    """See `Averaging.spread`."""
    state: State


def average_contexts(
    reader: Reader,
    corpus: Corpus,
    cutter: RuleWords,
    folder: Path,
    *,
    min_count: int,
    max_words: int,
    threads: int,
    checkpoint_every: float,
) -> Averaged:
    """The mean hidden states of the words of a corpus's training part; a run found in the folder goes on."""
    compute = set_up(threads or None)
    say("Counting words.")
    vocabulary = cutter.count(corpus, min_count)
    check_words(vocabulary, min_count)
    words, occurrences = vocabulary.words[:max_words], int(vocabulary.counts[:max_words].sum())
    say(
        f"Reading {occurrences:,} words of text, {len(words):,} different ones, by a model of kind "
        f"{reader.model.spec.family} and width {reader.model.spec.dim}, {compute.threads} threads."
    )
    averaging = Averaging(reader.model.to(compute.device), reader.tokenizer, cutter, words)
    state = average_in_batches(
        averaging, _texts(corpus), folder, occurrences=occurrences, checkpoint_every=checkpoint_every
    )
    missing = len(words) - int(np.count_nonzero(averaging.seen_V))
    if missing == len(words):
        raise CorpusError("The model's tokenizer can write none of the words of this text: give text of its language.")
    if missing:
        say(f"{missing:,} words are left out: the model's tokens never spell them.")
    return Averaged(averaging.vectors(), averaging.spread(), state)


def _texts(corpus: Corpus) -> Iterator[str]:
    return (document.text for document in corpus.documents("train"))


def contexts_page(averaged: Averaged, folder: Path, recipe: Recipe, out: Path) -> Report:
    """Put all that an averaging left in its folder onto a page."""
    vectors, spread_V, state = averaged
    assert vectors.counts is not None
    report = page(recipe, out, f"Vectors of {len(vectors):,} words, {vectors.dim} numbers each, by their contexts")
    lines = read_metrics(folder)
    report.figures_of_merit(
        [
            ("words", len(vectors)),
            ("contexts", int(vectors.counts.sum())),
            ("tokens read", state.positions),
            ("tokens/s", round(statistics.median(line["tokens_per_second"] for line in lines))),
            ("reading", duration(state.seconds)),
        ]
    )
    report.text(
        "A language model has read the text, and a word's vector is the mean of its hidden states in all the contexts "
        "that the word stands in. Tokens are read twice, in windows that overlap by half, so that none is without "
        "context."
    )
    vectors_page(report, vectors)
    report.section("Neighbours")
    report.text(
        "For words from the whole range of frequencies, the words whose vectors have the largest cosine with theirs."
    )
    near_words(report, vectors)
    _spread(report, vectors, spread_V)
    report.section("Reading")
    report.chart(
        LineChart(
            "Throughput",
            [Series("tokens/s", [line["words"] for line in lines], [line["tokens_per_second"] for line in lines])],
            x_label="words averaged",
            y_label="tokens/s",
            from_zero=True,
            caption="Positions that the model computed in a second. "
            f"By the first batch it was to take {duration(state.forecast_seconds)}; it took {duration(state.seconds)}.",
        )
    )
    frequencies(report, vectors)
    return close_page(report, recipe, out)


def _spread(report: Report, vectors: Vectors, spread_V: NDArray[np.float64]) -> None:
    """Which words mean to the model what their contexts make of them."""
    assert vectors.counts is not None
    often = np.flatnonzero(vectors.counts >= _MET)
    if len(often) < 2 * SHOWN:
        return
    order = often[np.argsort(spread_V[often], kind="stable")]
    report.section("One vector for many contexts")
    report.text(
        "The share of the squared length of a word's hidden states that their mean does not hold: 0 where they are the "
        f"same in all contexts. Half of the words have less than {np.median(spread_V):.2f}. A word that is high on the "
        "list is many things, and one vector says little of it; a low one is the same wherever it stands. "
        f"Words met {_MET} times or more."
    )
    for title, rows in (("changed most by contexts", order[::-1][:SHOWN]), ("changed least", order[:SHOWN])):
        near = vectors.neighbours_batch([vectors.words[row] for row in rows], 5)
        report.table(
            [title, "share", "occurrences", "neighbours"],
            [
                [vectors.words[row], round(float(spread_V[row]), 3), int(vectors.counts[row]), ", ".join(names)]
                for row, names in zip(rows, ([one.word for one in found] for found in near))
            ],
        )
