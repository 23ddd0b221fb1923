"""How well a model predicts a text: loss, perplexity, bits per byte.

A document reaches a model as `<|endoftext|>`, its tokens, `<|endoftext|>`. Every token after the opening
one is predicted, the closing one too: a model must also say where a text ends. A text longer than the
model's window is read in windows that overlap, and each token is scored once, in the first window that
reaches it.

A recurrent network could read a text from end to end, but only one position after the other: many windows side by side
are many times faster. Its windows are four contexts long, and a token has at least one context before it.

Cost: one forward pass over each window, so with the default stride a Transformer reads a long text twice, a recurrent
network 4/3 times; the head runs on scored positions only. Memory: `batch_rows` rows of a window, logits of 2^24
numbers (64 MB) at a time, and a pool of windows that are sorted by length; the text itself streams.

Shapes: B rows, T positions, N positions scored, D model width, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from idiolect.errors import CorpusError, ModelError, UsageError
from idiolect.models.model import Model, evaluating

if TYPE_CHECKING:
    from idiolect.text.document import Document
    from idiolect.tokenizers.base import Tokenizer

_LOGITS_AT_ONCE = 2**24
_POOL = 2**20  # tokens of windows that are sorted by length together


@dataclass(frozen=True, slots=True)
class Score:
    """What predicting some documents cost. Scores of different documents add up.

    Raises:
        CorpusError: no documents, no text in them, or no token with another before it.

    Example:
        >>> half = Score(nats=2 * math.log(2), tokens=2, bytes=1, documents=1)
        >>> (half + half).bits_per_byte, (half + half).perplexity
        (2.0, 2.0)
    """

    nats: float
    """−log p of all predicted tokens together, natural logarithm."""
    tokens: int
    """Tokens predicted, each document's closing one included."""
    bytes: int
    """Length of the text in UTF-8, without the marks between documents."""
    documents: int

    def __post_init__(self) -> None:
        if self.documents == 0:
            raise CorpusError("There are no documents to score: name a text that is not empty.")
        if self.bytes == 0:
            raise CorpusError("The documents to score are all empty: name a text that is not empty.")
        if self.tokens == 0:
            raise CorpusError("The text to score is one token with nothing before it: name a longer text.")

    @property
    def loss(self) -> float:
        """Nats for each predicted token."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """exp(loss): among how many equally likely tokens the model might as well have chosen."""
        try:
            return math.exp(self.loss)
        except OverflowError:
            return math.inf

    @property
    def bits_per_byte(self) -> float:
        """Bits for each byte of text: comparable between tokenizers, and with a compressor's."""
        return self.nats / math.log(2) / self.bytes

    def __add__(self, other: Score) -> Score:
        return Score(
            self.nats + other.nats,
            self.tokens + other.tokens,
            self.bytes + other.bytes,
            self.documents + other.documents,
        )


@dataclass(frozen=True, slots=True)
class Stretch:
    """The tokens of a document, or of one part of a long one, with the marks that open and close it."""

    ids: Sequence[int]
    bytes: int
    """Length of its text in UTF-8."""
    continues: bool
    """Whether it follows on from the stretch before; otherwise its first token has nothing before it."""


def stretches(tokenizer: Tokenizer, documents: Iterable[Document]) -> Iterator[Stretch]:
    """The documents as tokens: `<|endoftext|>` before the first part and after the last.

    A part whose beginning is not among the documents (the end of a text that was split by position) stands for itself.
    """
    unfinished = False
    for document in documents:
        opening = [tokenizer.end_of_text] if document.first else []
        closing = [tokenizer.end_of_text] if document.last else []
        yield Stretch(
            ids=opening + tokenizer.encode(document.text) + closing,
            bytes=len(document.text.encode()),
            continues=unfinished and not document.first,
        )
        unfinished = not document.last


def score(
    model: Model,
    tokenizer: Tokenizer,
    documents: Iterable[Document],
    *,
    batch_rows: int = 16,
    stride: int | None = None,
) -> Score:
    """Predict every token of the documents and add up what that cost.

    Args:
        model: a causal language model; dropout is off while it is scored.
        tokenizer: the tokenizer it was trained with.
        documents: read once, as a stream; the parts of a long document follow each other.
        batch_rows: full windows that go through it together; of shorter rows, as many more.
        stride: tokens by which a window moves along a long text: each token has at least `window - stride`
            tokens before it where the text has them. None: half the window, or three quarters of a recurrent network's.

    Raises:
        CorpusError: nothing to predict.
        ModelError: a token outside the model's vocabulary, or a probability that is not finite.
        UsageError: `stride` or `batch_rows` out of range.

    Example:
        >>> result = score(model, tokenizer, corpus.documents(split="validation"))
        >>> print(f"{result.bits_per_byte:.3f} bits per byte, perplexity {result.perplexity:.1f}")
        1.874 bits per byte, perplexity 18.2
    """
    byte_count = document_count = 0

    def counted() -> Iterator[Stretch]:
        nonlocal byte_count, document_count
        for stretch in stretches(tokenizer, documents):
            byte_count += stretch.bytes
            document_count += not stretch.continues
            yield stretch

    nats, tokens = 0.0, 0
    window, stride = _reach(model, stride)
    for batch in _batches(_windows(counted(), window, stride), window, batch_rows):
        log_probs_N = _log_probs(model, batch)
        nats -= float(log_probs_N.sum())
        tokens += len(log_probs_N)
    return Score(nats, tokens, byte_count, document_count)


def token_log_probs(model: Model, ids: Sequence[int], *, batch_rows: int = 16, stride: int | None = None) -> Tensor:
    """log p(x_i | x_<i) in nats for each of `ids` but the first: float64 on the CPU, one shorter than `ids`.

    The first id is only ever read: begin with `tokenizer.end_of_text` to score a text from its first token.
    A long sequence is read in windows, as by `score`. The sum is the sequence's log-probability.

    Raises:
        ModelError: an id outside the model's vocabulary, or a probability that is not finite.
        UsageError: `stride` or `batch_rows` out of range.

    Example:
        >>> token_log_probs(model, [tokenizer.end_of_text, *tokenizer.encode("To be")]).sum()
        tensor(-9.1372, dtype=torch.float64)
    """
    return token_log_probs_batch(model, [ids], batch_rows=batch_rows, stride=stride)[0]


def token_log_probs_batch(
    model: Model, rows: Sequence[Sequence[int]], *, batch_rows: int = 16, stride: int | None = None
) -> list[Tensor]:
    """What `token_log_probs` gives for each of several sequences, which go through the model together.

    Example:
        >>> [len(one) for one in token_log_probs_batch(model, [[0, 7, 2], [0, 4]])]
        [2, 1]
    """
    length, stride = _reach(model, stride)
    windows = (
        replace(window, row=row)
        for row, ids in enumerate(rows)
        for window in _windows([Stretch(ids, bytes=0, continues=False)], length, stride)
    )
    parts: list[list[Tensor]] = [[torch.zeros(0, dtype=torch.float64)] for _ in rows]
    # Of one sequence every window is full but the last, so sorting by length keeps their order.
    for batch in _batches(windows, length, batch_rows):
        fresh = [window.fresh for window in batch]
        for window, values in zip(batch, torch.split(_log_probs(model, batch), fresh)):
            parts[window.row].append(values)
    return [torch.cat(values) for values in parts]


@dataclass(frozen=True, slots=True)
class _Window:
    """A row for the model: it reads all of `ids` but the last and predicts all but the first."""

    ids: Sequence[int]
    fresh: int
    """How many of the last ids are scored here; those before them are only context."""
    row: int = 0
    """Which of several sequences it is of."""


def _reach(model: Model, stride: int | None) -> tuple[int, int]:
    """How many positions a window has, and by how many it moves."""
    context = model.spec.context
    window, usual = (4 * context, 3 * context) if model.window is None else (context, max(1, context // 2))
    if stride is None:
        return window, usual
    if not 1 <= stride <= window:
        raise UsageError(f"The stride must be from 1 to the model's window ({window}), not {stride}.")
    return window, stride


def _windows(pieces: Iterable[Stretch], context: int, stride: int) -> Iterator[_Window]:
    """Cut each document into windows of at most `context` positions, so that every token is fresh in exactly one."""
    held: list[int] = []  # the document's tokens that are still needed
    done = 1  # how many of them are scored already, or have nothing before them
    for piece in pieces:
        if not piece.continues:
            if len(held) > done:
                yield _Window(held, fresh=len(held) - done)
            held, done = [], 1
        held = [*held, *piece.ids]
        start = 0
        while len(held) - start > context:
            yield _Window(held[start : start + context + 1], fresh=context + 1 - done)
            start += stride
            done = context + 1 - stride
        held = held[start:]
    if len(held) > done:
        yield _Window(held, fresh=len(held) - done)


def _batches(windows: Iterator[_Window], context: int, batch_rows: int) -> Iterator[list[_Window]]:
    """Windows of like length together, the longest first: at most `batch_rows * context` positions in a batch."""
    if batch_rows < 1:
        raise UsageError(f"batch_rows must be at least 1, not {batch_rows}.")
    while pool := list(islice(windows, max(batch_rows, _POOL // context))):
        pool.sort(key=lambda window: -len(window.ids))
        start = 0
        while start < len(pool):
            rows = batch_rows * context // (len(pool[start].ids) - 1)
            yield pool[start : start + rows]
            start += rows


@torch.inference_mode()
def _log_probs(model: Model, windows: Sequence[_Window]) -> Tensor:
    """log p of the fresh tokens of all windows, one window after the other: (N,) float64 on the CPU."""
    longest = max(len(window.ids) for window in windows)
    ids_BT = torch.zeros(len(windows), longest, dtype=torch.int64)  # padded behind, where a causal model cannot see
    fresh_BT = torch.zeros(len(windows), longest - 1, dtype=torch.bool)
    for row, window in enumerate(windows):
        end = len(window.ids)
        ids_BT[row, :end] = torch.tensor(window.ids)
        fresh_BT[row, end - 1 - window.fresh : end - 1] = True
    vocab_size = model.spec.vocab_size
    for odd in (int(ids_BT.min()), int(ids_BT.max())):
        if not 0 <= odd < vocab_size:
            raise ModelError(
                f"Token {odd} is outside the model's vocabulary of {vocab_size}: use the model's own tokenizer."
            )

    device = next(model.parameters()).device
    ids_BT, fresh_BT = ids_BT.to(device), fresh_BT.to(device)
    targets_N = ids_BT[:, 1:][fresh_BT]
    rows = max(1, _LOGITS_AT_ONCE // vocab_size)
    losses: list[Tensor] = []
    with evaluating(model):
        hidden_ND = model.hidden(ids_BT[:, :-1])[fresh_BT]
        for start in range(0, len(targets_N), rows):
            logits_NV = model.head(hidden_ND[None, start : start + rows])[0].float()
            losses.append(functional.cross_entropy(logits_NV, targets_N[start : start + rows], reduction="none"))
    log_probs_N = -torch.cat(losses).cpu().double()
    if not bool(torch.isfinite(log_probs_N).all()):
        raise ModelError(
            "The model's probabilities are not finite: its weights are damaged; use an earlier checkpoint."
        )
    return log_probs_N
