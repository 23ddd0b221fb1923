"""A model beside its yardsticks on the same text, in bits for each byte: an n-gram model of the same tokens, xz and
bz2.

Bits per byte can be compared whatever the tokenizer. What a model has learnt beyond counting is its distance from
the n-gram model; a model that loses to a general compressor has learnt little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from idiolect.data.tokens import Tokens, TokenStream
from idiolect.evaluation import compression
from idiolect.evaluation.ngram import KneserNey
from idiolect.evaluation.perplexity import Score, score
from idiolect.models.model import Model
from idiolect.report import Report
from idiolect.text.corpus import Document
from idiolect.tokenizers.base import Tokenizer

NGRAM_ORDER = 5
MOST_TRAINING_TOKENS = 5_000_000
"""The n-gram model and the compressors read at most this much of the training text, from its start."""
MOST_HELD_OUT_TOKENS = 1_000_000
"""Of validation tokens, at most this many are scored."""


@dataclass(frozen=True, slots=True)
class Baselines:
    """Scores of what a model should beat, on the same documents."""

    ngram: Score | None
    """None where the training tokens are not at hand."""
    compressed: compression.Yardsticks
    compressed_after_training: compression.Yardsticks | None
    """With the training text read first; None as above."""

    def rows(self) -> list[tuple[str, float]]:
        """Name and bits per byte of each."""
        rows = []
        if self.ngram is not None:
            rows.append((f"{NGRAM_ORDER}-gram (Kneser–Ney)", self.ngram.bits_per_byte))
        rows += [("xz -9", self.compressed.xz), ("bz2 -9", self.compressed.bz2)]
        if self.compressed_after_training is not None:
            after = self.compressed_after_training
            rows += [("xz -9, training text first", after.xz), ("bz2 -9, training text first", after.bz2)]
        return rows


@dataclass(frozen=True, slots=True)
class Comparison:
    """The score of a model, and of what it should beat where that was asked for."""

    model: Score
    baselines: Baselines | None

    def rows(self) -> list[tuple[str, float]]:
        """Name and bits per byte of each, the model first."""
        return [("this model", self.model.bits_per_byte), *(self.baselines.rows() if self.baselines else [])]

    def describe(self, report: Report) -> None:
        """Put the comparison on a page."""
        if self.baselines is None:
            return
        report.section("Yardsticks")
        report.bars(
            "Bits per byte on held-out text",
            self.rows(),
            highlight=["this model"],
            caption=(
                f"Lower is better. Measured on {self.model.documents:,} held-out documents of {self.model.bytes:,} "
                f"bytes ({self.model.tokens:,} tokens), each scored whole, its end included. The n-gram model is an "
                f"interpolated Kneser–Ney model of the same training tokens."
            ),
        )
        report.table(
            ["", "loss (nats per token)", "perplexity", "bits per byte"],
            [
                [name, round(s.loss, 4), round(s.perplexity, 2), round(s.bits_per_byte, 4)]
                for name, s in (("this model", self.model), (f"{NGRAM_ORDER}-gram", self.baselines.ngram))
                if s is not None
            ],
        )


def compare(
    model: Model, tokenizer: Tokenizer, documents: Callable[[], Iterable[Document]], training: TokenStream | None
) -> Comparison:
    """Score a model and its yardsticks.

    Args:
        model, tokenizer: what is measured.
        documents: gives the held-out documents, as often as it is called.
        training: the tokens the model was trained on, made with its own tokenizer.
    """
    return Comparison(score(model, tokenizer, documents()), baselines(tokenizer, documents, training))


def baselines(
    tokenizer: Tokenizer, documents: Callable[[], Iterable[Document]], training: TokenStream | None
) -> Baselines:
    """Score the yardsticks alone; the arguments are those of `compare`."""
    ngram = after = None
    if training is not None:
        learnt = KneserNey.learn(training.documents(MOST_TRAINING_TOKENS), tokenizer.vocab_size, NGRAM_ORDER)
        ngram = learnt.score(tokenizer, documents())
        read_before = decoded(training, tokenizer, MOST_TRAINING_TOKENS)
        after = compression.bits_per_byte_after_training(documents(), read_before)
    return Baselines(ngram, compression.bits_per_byte(documents()), after)


def score_on_tokens(model: Model, tokenizer: Tokenizer, tokens: Tokens) -> Score:
    """The score of a model on the validation text of the tokens that it was trained on."""
    return score(model, tokenizer, decoded(tokens.split("validation"), tokenizer, MOST_HELD_OUT_TOKENS))


def baselines_on_tokens(tokenizer: Tokenizer, tokens: Tokens) -> Baselines:
    """The yardsticks on the validation text of tokens, which have read their training text."""
    held_out = tokens.split("validation")
    return baselines(tokenizer, lambda: decoded(held_out, tokenizer, MOST_HELD_OUT_TOKENS), tokens.split("train"))


def decoded(stream: TokenStream, tokenizer: Tokenizer, most_tokens: int) -> Iterator[Document]:
    """The documents of a stream as text again."""
    end = tokenizer.end_of_text
    for ids in stream.documents(most_tokens):
        yield Document(
            tokenizer.decode(ids.tolist()), first=bool(ids[0] == end), last=bool(len(ids) > 1 and ids[-1] == end)
        )
