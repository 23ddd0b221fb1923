"""The page of a tokenizer: how short it makes held-out text, beside others, and how it uses its tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from idiolect.artifact import Recipe
from idiolect.figures import LineChart, Series
from idiolect.report import Report
from idiolect.stages.page import close_page, page
from idiolect.text.corpus import Corpus
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.bpe_learning import Learning
from idiolect.tokenizers.fertility import Fertility, measure, merge_curve, sample, total
from idiolect.tokenizers.words import WordTokenizer

SAMPLE_CHARACTERS = 1_000_000
"""Held-out text that the figures are measured on, all sources together."""
CURVE_CHARACTERS = 200_000
"""Text on which the curve over merges is drawn."""


def forgotten(learning: Learning) -> str:
    """What a cap on memory cost, in a sentence."""
    return (
        f"The cap on memory made the counter forget rare words {learning.forgotten:,} times: of any one word, at most "
        f"{learning.missing:,} occurrences are missing from its count."
    )


def tokenizer_page(
    tokenizer: Tokenizer,
    learning: Learning | None,
    others: Mapping[str, Tokenizer],
    corpus: Corpus,
    by: str,
    recipe: Recipe,
    out: Path,
) -> Report:
    """The report of a tokenizer that has just been learnt.

    Args:
        tokenizer: the one learnt.
        learning: what there is to tell of learning BPE.
        others: tokenizers to compare with, by name.
        corpus: its held-out documents are measured; all of them where none is held out.
        by: the field of the documents by which figures are told apart.
        recipe, out: for heading, settings and lineage.
    """
    texts = _held_out(corpus, by)
    found = measure(tokenizer, texts)
    whole = total(found.values())
    report = page(recipe, out, f"{tokenizer.vocab_size:,} tokens of kind {tokenizer.kind}")
    used = sum(1 for times in whole.uses.values() if times)
    report.figures_of_merit(
        [
            ("vocabulary", tokenizer.vocab_size),
            ("bytes per token", round(whole.bytes_per_token, 2)),
            ("tokens per word", round(whole.tokens_per_word, 2)),
            ("tokens of the vocabulary used", f"{100 * used / tokenizer.vocab_size:.0f}%"),
        ]
    )
    if learning is not None:
        report.figures_of_merit([("different words", learning.different_words)])
        if learning.forgotten:
            report.text(forgotten(learning))
    if isinstance(tokenizer, WordTokenizer):
        unknown = 100 * whole.uses[tokenizer.unknown] / max(1, whole.tokens)
        report.text(
            f"{unknown:.1f}% of the words of the held-out text are unknown. This tokenizer is not lossless: an unknown "
            "word cannot be read back, and decoding joins words by single spaces."
        )
    _sources(report, out.name, found, {name: measure(other, texts) for name, other in others.items()})
    _cut_text(report, tokenizer, next(iter(texts.values()))[0])
    if isinstance(tokenizer, BytePairTokenizer) and tokenizer.merges:
        _merges(report, tokenizer, learning, texts)
    _vocabulary(report, tokenizer, whole)
    return close_page(report, recipe, out)


def _held_out(corpus: Corpus, by: str) -> dict[str, list[str]]:
    """Text that the tokenizer did not learn from, by source; of all the text where nothing is held out."""
    for split in ("validation", None):
        texts = sample(corpus.documents(split), by, most_characters=SAMPLE_CHARACTERS)
        if any(texts.values()):
            return texts
    raise AssertionError("a corpus is never empty")


def _sources(
    report: Report, name: str, found: Mapping[str, Fertility], others: Mapping[str, Mapping[str, Fertility]]
) -> None:
    """A table of sources, with a column for each tokenizer."""
    report.section("Held-out text")
    columns = {name: found, **others}
    header = [
        "source",
        "bytes",
        *(f"{column}: {what}" for column in columns for what in ("bytes/token", "tokens/word")),
    ]
    rows: list[list[object]] = []
    parts = {source: [column[source] for column in columns.values()] for source in found}
    if len(found) > 1:
        parts["all"] = [total(column.values()) for column in columns.values()]
    for source, measured in parts.items():
        figures = [figure for one in measured for figure in (one.bytes_per_token, one.tokens_per_word)]
        rows.append([source, measured[0].text_bytes, *(round(figure, 3) for figure in figures)])
    caption = "More bytes per token mean shorter rows for a model; tokens per word tell how finely words are cut."
    report.table(header, rows, caption)


def _cut_text(report: Report, tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode("".join(filter(tokenizer.can_encode, text[:3000])))
    report.section("A held-out text in tokens")
    report.tokens(
        [(_shown(tokenizer, i), i) for i in ids[:300]],
        caption="The first 300 tokens. Each ground is one token; hover over it for its id.",
    )


def _merges(
    report: Report, tokenizer: BytePairTokenizer, learning: Learning | None, texts: Mapping[str, list[str]]
) -> None:
    """What each doubling of the merges brought, and how fast their pairs grew rare."""
    report.section("Merges")
    held_out = "".join(text for pieces in texts.values() for text in pieces)[:CURVE_CHARACTERS]
    curve = merge_curve(tokenizer, [held_out])
    charts = [
        LineChart(
            "Bytes per token",
            [Series("bytes per token", [merges + 1 for merges, _ in curve], [height for _, height in curve])],
            x_label="merges",
            log_x=True,
            caption="On held-out text, by the first merges alone.",
        )
    ]
    if learning is not None and learning.merge_counts:
        counts = learning.merge_counts
        charts.append(
            LineChart(
                "Occurrences",
                [Series("occurrences", range(1, len(counts) + 1), counts)],
                x_label="merge",
                log_x=True,
                log_y=True,
                caption="How often each pair stood in the text when it was merged.",
            )
        )
    report.chart(*charts)


def _vocabulary(report: Report, tokenizer: Tokenizer, whole: Fertility) -> None:
    """How long the tokens are, and which were never used."""
    report.section("Vocabulary")
    ordinary = [i for i in range(tokenizer.vocab_size) if i not in tokenizer.special_tokens.values()]
    lengths = Counter(min(len(tokenizer.token_bytes(i)), 16) for i in ordinary)
    used = Counter[int]()
    for i, times in whole.uses.items():
        used[min(len(tokenizer.token_bytes(i)), 16)] += times
    rows = [
        [f"{length}{'+' if length == 16 else ''}", lengths[length], round(100 * used[length] / max(1, whole.tokens), 1)]
        for length in sorted(lengths | used)
    ]
    report.table(["bytes", "tokens of the vocabulary", "% of the held-out text"], rows, "Tokens by their length.")
    longest = sorted(ordinary, key=lambda i: (-len(tokenizer.token_bytes(i)), i))[:20]
    table = [[i, _shown(tokenizer, i), whole.uses[i]] for i in longest]
    report.table(["id", "token", "times in the held-out text"], table, "The longest tokens.")
    unused = [i for i in ordinary if not whole.uses[i]]
    report.text(
        f"{len(unused):,} tokens do not occur in the held-out text: {', '.join(_names(tokenizer, unused[-60:]))}"
        f"{' and others' if len(unused) > 60 else ''}."
        if unused
        else "Every token occurs in the held-out text."
    )


def _names(tokenizer: Tokenizer, ids: list[int]) -> Iterator[str]:
    return (repr(_shown(tokenizer, i)) for i in ids)


def _shown(tokenizer: Tokenizer, token_id: int) -> str:
    return tokenizer.token_bytes(token_id).decode("utf-8", errors="replace")
