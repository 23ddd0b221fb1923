"""Skip-gram and CBOW learnt from a stream of words; and the loop around the native core, which GloVe shares: its
journal and its checkpoints.

Training goes a chunk at a time (64 blocks, a million ids), so that it can say how it goes, stop and be saved between
chunks. What is random follows from seed, epoch and block, so the state is the matrices and the number of the chunk:
deterministic training, and fast training in one thread, go on bit for bit as if they had never stopped.

    checkpoints/step-00000012/
      matrices.f32    the matrices, as they lie in memory: the input rows, then the output rows
      state.json      chunk, journal position, seconds …

Memory: the two matrices, a chunk of ids, and the vectors that come out. A checkpoint is written and read in pieces.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from idiolect import checkpoints
from idiolect._native import EmbedModel, Trained, subword_buckets
from idiolect.embeddings.subwords import Subwords
from idiolect.embeddings.words import WordStream
from idiolect.errors import Interrupted, TrainingError, UsageError
from idiolect.journal import Bar, Journal, duration, say
from idiolect.signals import noting_signals

CHUNK: Final = 64
"""Blocks between two looks at the clock; a multiple of the lanes of deterministic training."""
WORTH_SAYING: Final = 10.0
"""Seconds of training that are told beforehand."""
MATRICES: Final = "matrices.f32"
Kind = Literal["skipgram", "cbow", "glove", "ppmi", "contextual"]
DEFAULTS: Final[dict[Kind, dict[str, Any]]] = {
    "skipgram": {"epochs": 5, "window": 5, "lr": 0.04},
    "cbow": {"epochs": 5, "window": 5, "lr": 0.075},
    "glove": {"epochs": 15, "window": 15, "lr": 0.1, "x_max": 10.0},
    "ppmi": {"window": 15},
    "contextual": {},
}
"""As in the programs of the authors, but for the rates (0.025, 0.05, 0.05 there): what a batch sums bears higher ones,
which agree better with people and learn more from short texts. GloVe's x_max is that of the authors' demonstration, 10,
not the paper's 100, which wants billions of words (docs/log.md)."""


@dataclass(frozen=True)
class LearningSettings:
    """Learning."""

    dim: int = 100
    """Numbers in a vector."""
    epochs: int = 0
    """How often the text, or for GloVe its pairs of words, are read. 0: 5 (GloVe: 15)."""
    window: int = 0
    """Most words on each side that belong to a word's context. Skip-gram and CBOW draw how many anew for each word;
    GloVe and PPMI weigh each by 1/distance. 0: 5 (GloVe, PPMI: 15)."""
    loss: Literal["negative", "hierarchical"] = "negative"
    """Each pair against a few words drawn at random, or along the word's path in a Huffman tree."""
    negative: int = 5
    """Words drawn at random that each pair weighs against."""
    sample: float = 1e-4
    """Of words more frequent than this share of the text, occurrences are left out at random. 0: none."""
    x_max: float = 0.0
    """GloVe: pairs that meet with at least this weight count alike, rarer ones as (weight / x_max)^0.75. 0: 10."""
    lr: float = 0.0
    """Learning rate at the start; it falls to nearly 0 (GloVe: as AdaGrad has it). 0: 0.04 (skip-gram),
    0.075 (CBOW), 0.1 (GloVe)."""
    seed: int = 0
    """Of all that is random."""
    deterministic: bool = False
    """One result for any number of threads, at some cost in speed; otherwise the same only with --threads 1. GloVe and
    PPMI always give one result."""
    threads: int = 0
    """Processor threads. 0: as many as this process may use."""
    checkpoint_every: float = 60.0
    """Seconds between checkpoints. 0: none."""

    def __post_init__(self) -> None:
        for name, least in (("dim", 1), ("epochs", 0), ("window", 0), ("negative", 1), ("seed", 0), ("threads", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"'{name}' must be at least {least}, not {getattr(self, name)}.")
        for name in ("sample", "x_max", "lr", "checkpoint_every"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"'{name}' must be 0 or more, not {getattr(self, name)}.")
        if self.dim > 10_000 or self.window > 1000 or self.negative > 1000 or self.seed >= 2**63 or self.x_max > 1e9:
            raise UsageError(
                "dim can be 10,000 at most, window and negative 1,000, the seed less than 2^63, x_max 1e9."
            )

    def of_kind(self, kind: Kind) -> Self:
        """These settings, with what is left open as the kind has it."""
        open_ones: dict[str, Any] = {name: getattr(self, name) or value for name, value in DEFAULTS[kind].items()}
        return replace(self, **open_ones)


@dataclass
class State:
    """Where a training stands, apart from its matrices."""

    chunk: int = 0
    """Chunks done, over all epochs."""
    words: int = 0
    """Words of the vocabulary, or for GloVe pairs, that were read."""
    seconds: float = 0.0
    """Time spent training, over all the run's parts."""
    loss: float = 0.0
    """Of the last chunk."""
    forecast_seconds: float = 0.0
    """Time that all of it was to take, by the first chunk."""
    forecast_bytes: int = 0
    """Memory that this process was to hold at most."""
    journal_bytes: int = 0
    """Length of metrics.jsonl at that moment."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What came out."""

    matrix_VD: NDArray[np.float32]
    """The vectors of the words."""
    subwords: Subwords | None
    state: State
    memory_bytes: int
    """The most that this process has held so far."""


def learn(
    stream: WordStream,
    settings: LearningSettings,
    folder: Path,
    *,
    kind: Literal["skipgram", "cbow"],
    subwords: tuple[int, int, int] | None = None,
) -> Learnt:
    """Learn vectors of the words of a stream; a run found in the folder goes on.

    Args:
        stream: the words, as ids.
        settings: how.
        folder: for the journal and the checkpoints.
        kind: predict each word of a window from the centre, or the centre from the mean of its window.
        subwords: lengths of the shortest and the longest n-gram, and the number of buckets; None: none.

    Raises:
        Interrupted: it was asked to stop; what it had done is saved.
        ArtifactError: the checkpoint that it would go on from is damaged.
    """
    settings = settings.of_kind(kind)
    buckets = 0
    grams = (np.zeros(0, np.int64), np.zeros(0, np.uint32))
    if subwords is not None:
        minn, maxn, buckets = subwords
        grams = subword_buckets([word.encode() for word in stream.vocabulary.words], minn, maxn, buckets)
    model = EmbedModel(
        stream.vocabulary.counts,
        *grams,
        buckets,
        cbow=kind == "cbow",
        hierarchical=settings.loss == "hierarchical",
        dim=settings.dim,
        window=settings.window,
        negative=settings.negative,
        sample=settings.sample,
        rate=settings.lr,
        epochs=settings.epochs,
        seed=settings.seed,
    )
    words = len(stream.vocabulary)

    def chunk(epoch: int, first: int, last: int) -> Trained:
        ids = stream.read(first, last)
        return model.train(
            ids, epoch, first, stream.blocks, threads=settings.threads, deterministic=settings.deterministic
        )

    state = train_in_chunks(
        chunk,
        (model.input, model.output),
        settings,
        folder,
        length=stream.blocks,
        size=CHUNK,
        result_bytes=4 * words * settings.dim,
    )
    made = None if subwords is None else Subwords(*subwords[:2], model.input[words:, : settings.dim])
    return Learnt(model.vectors(0, words), made, state, memory_used())


def memory_needed(words: int, settings: LearningSettings, buckets: int) -> int:
    """Bytes that a training holds: its two matrices and the vectors that come out."""
    width = -(-settings.dim // 16) * 16
    return 4 * (width * (2 * words + buckets) + settings.dim * words)


def memory_used() -> int:
    """The most memory that this process has held so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def train_in_chunks(
    chunk: Callable[[int, int, int], Trained],
    matrices: Sequence[NDArray[np.float32]],
    settings: LearningSettings,
    folder: Path,
    *,
    length: int,
    size: int,
    result_bytes: int,
    unit: Literal["words", "pairs"] = "words",
) -> State:
    """All chunks of all epochs that a run in the folder has not done yet; see `learn` for what it raises.

    Args:
        chunk: given epoch, first and last, trains on the places [first, last).
        matrices: what it changes, and all that it needs to go on.
        settings: those of the kind.
        folder: for the journal and the checkpoints.
        length: places in an epoch.
        size: places in a chunk.
        result_bytes: memory that is yet to be taken, for the forecast.
        unit: what `Trained.words` counts.
    """
    kept = folder / "checkpoints"
    newest, state = checkpoints.newest_checkpoint(kept), State(forecast_bytes=memory_used() + result_bytes)
    if newest is not None:
        state = checkpoints.read(newest, MATRICES, State)
        checkpoints.read_arrays(newest / MATRICES, matrices)
    chunks = -(-length // size)
    total = chunks * settings.epochs
    journal = Journal(folder, length=state.journal_bytes, step=state.chunk)
    saved = time.perf_counter()
    with closing(journal), noting_signals() as asked, Bar("embedding", total, state.chunk) as bar:
        while state.chunk < total:
            began = time.perf_counter()
            epoch, first = state.chunk // chunks, state.chunk % chunks * size
            trained = chunk(epoch, first, min(first + size, length))
            seconds = time.perf_counter() - began
            state.chunk += 1
            state.words += trained.words
            state.seconds += seconds
            state.loss = trained.loss / max(trained.pairs, 1)
            if not math.isfinite(state.loss):
                raise TrainingError("The loss is not finite: lower the learning rate (--lr).")
            if state.chunk == 1:
                state.forecast_seconds = seconds * length * settings.epochs / min(size, length)
                if state.forecast_seconds > WORTH_SAYING:
                    say(f"It will take about {duration(state.forecast_seconds)}.")
            rate = trained.words / seconds
            journal.write(
                {"step": state.chunk, "epoch": epoch + 1, "train_loss": state.loss, f"{unit}_per_second": round(rate)}
            )
            bar.update(state.chunk, f"epoch {epoch + 1}, loss {state.loss:.3f}, {rate / 1e6:.2f} M {unit}/s")
            due = 0 < settings.checkpoint_every <= time.perf_counter() - saved
            if state.chunk < total and (asked or due):
                state.journal_bytes = journal.position()
                write = partial(checkpoints.write_arrays, arrays=matrices)
                checkpoints.save(kept, state.chunk, state, MATRICES, write, keep=1)
                saved = time.perf_counter()
            if asked and state.chunk < total:
                raise Interrupted(
                    f"Stopped in epoch {epoch + 1}, and saved: the same command goes on from there.", asked[0]
                )
    return state
