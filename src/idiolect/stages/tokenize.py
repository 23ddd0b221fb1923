"""`tokenize`: learn a tokenizer from the training part of a corpus."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from idiolect.artifact import Recipe, create, unchanged
from idiolect.config import verb
from idiolect.journal import say
from idiolect.report import Report
from idiolect.stages.page import close_page, page
from idiolect.text.corpus import Corpus
from idiolect.text.settings import ReadingSettings
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.words import WordTokenizer

SAMPLE_CHARACTERS = 1_000_000
"""Held-out text that the report's figures are measured on."""


@dataclass(frozen=True)
class TokenizeSettings(ReadingSettings):
    """Tokenizer."""

    kind: Literal["bpe", "words", "whitespace", "characters", "bytes"] = "bpe"
    """What tokens are: merges of bytes, the most frequent words (by rule, or between spaces), characters, bytes."""
    vocab_size: int = 8000
    """Ids in all, the special token and the 256 bytes included; for words and characters, the most there may be."""
    pattern: Literal["gpt2", "cl100k", "o200k", "llama3", "qwen2", "whitespace", "metaspace", "none"] = "gpt2"
    """How text is cut before pairs are merged."""
    ties: Literal["first", "huggingface"] = "first"
    """Which of equally frequent pairs is merged: the one met first, or the one of smallest ids."""


@verb
def tokenize(texts: Sequence[str], settings: TokenizeSettings, *, out: Path, force: bool = False) -> Tokenizer:
    """Learn a tokenizer from text.

    Example:
        >>> tokenizer = idiolect.tokenize(["letters/"], kind="bpe", vocab_size=8000, out="tok")
    """
    corpus = settings.corpus(texts)
    recipe = Recipe("tokenizer", settings, {"corpus": corpus.provenance()})
    if unchanged(out, recipe) and not force:
        say(f"{out} is up to date.")
        return Tokenizer.load(out)
    with create(out, recipe, force=force) as folder:
        tokenizer = Tokenizer.train(
            corpus,
            kind=settings.kind,
            vocab_size=settings.vocab_size,
            pattern=settings.pattern,
            ties=settings.ties,
        )
        tokenizer.save(folder)
        _report(tokenizer, corpus, recipe, out).write(folder / "report.html")
    say(f"Learnt a tokenizer of {tokenizer.vocab_size:,} tokens into {out}.")
    if isinstance(tokenizer, WordTokenizer):
        say("Words it does not know become <|unknown|>, and decoding joins words by single spaces: it is not lossless.")
    return tokenizer


def _report(tokenizer: Tokenizer, corpus: Corpus, recipe: Recipe, out: Path) -> Report:
    """The page of a tokenizer: how short it makes held-out text, and what its tokens look like."""
    text = _held_out(corpus)
    ids = tokenizer.encode(text)
    words = len(text.split()) or 1
    report = page(recipe, out, f"{tokenizer.vocab_size:,} tokens of kind {tokenizer.kind}")
    report.figures_of_merit(
        [
            ("vocabulary", tokenizer.vocab_size),
            ("bytes per token", round(len(text.encode()) / len(ids), 2)),
            ("tokens per word", round(len(ids) / words, 2)),
            ("tokens of the vocabulary used", f"{100 * len(set(ids)) / tokenizer.vocab_size:.0f}%"),
        ]
    )
    if isinstance(tokenizer, WordTokenizer):
        unknown = 100 * ids.count(tokenizer.unknown) / len(ids)
        report.text(
            f"{unknown:.1f}% of the words of the held-out text are unknown. This tokenizer is not lossless: an unknown "
            "word cannot be read back, and decoding joins words by single spaces."
        )
    report.section("A held-out text in tokens")
    report.tokens(
        [(tokenizer.token_bytes(i).decode("utf-8", errors="replace"), i) for i in ids[:300]],
        caption="The first 300 tokens. Each ground is one token; hover over it for its id.",
    )
    report.section("Longest tokens")
    longest = sorted(range(tokenizer.vocab_size), key=lambda i: (-len(tokenizer.token_bytes(i)), i))[:20]
    rows = [[i, tokenizer.token_bytes(i).decode("utf-8", errors="replace"), ids.count(i)] for i in longest]
    report.table(["id", "token", "times in the held-out text"], rows)
    return close_page(report, recipe, out)


def _held_out(corpus: Corpus) -> str:
    """Up to a million characters that the tokenizer did not learn from; of all the text where nothing is held out."""
    for split in ("validation", None):
        pieces = (document.text for document in corpus.documents(split))
        text = "".join(itertools.islice(pieces, 1000))[:SAMPLE_CHARACTERS]
        if text:
            return text
    raise AssertionError("a corpus is never empty")
