"""Skip-gram and CBOW learnt from a stream of words: the loop around the native core, its journal and its checkpoints.

Training goes a chunk at a time (64 blocks, a million ids), so that it can say how it goes, stop and be saved between
chunks. What is random follows from seed, epoch and block, so the state is two matrices and the number of the chunk:
deterministic training, and fast training in one thread, go on bit for bit as if they had never stopped.

    checkpoints/step-00000012/
      matrices.f32    the input rows, then the output rows, as they lie in memory
      state.json      chunk, journal position, seconds …, and a sha256 over these and the matrices

Memory: the two matrices, a chunk of ids, and the vectors that come out. A checkpoint is written and read in pieces.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import resource
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from idiolect._native import EmbedModel, subword_buckets
from idiolect.disk import file_digest, flush_tree, write_durably
from idiolect.embeddings.subwords import Subwords
from idiolect.embeddings.words import WordStream
from idiolect.errors import ArtifactError, Interrupted, TrainingError, UsageError
from idiolect.journal import Bar, Journal, duration, say
from idiolect.signals import noting_signals

CHUNK: Final = 64
"""Blocks between two looks at the clock; a multiple of the lanes of deterministic training."""
PIECE: Final = 16 << 20
"""Bytes of a matrix that are written or read at a time."""
WORTH_SAYING: Final = 10.0
"""Seconds of training that are told beforehand."""
DEFAULT_LR: Final = {"skipgram": 0.04, "cbow": 0.05}
"""word2vec takes 0.025 and 0.05; what a batch sums bears a higher one, and agrees better with people (docs/log.md)."""


@dataclass(frozen=True)
class LearningSettings:
    """Learning."""

    dim: int = 100
    """Numbers in a vector."""
    epochs: int = 5
    """How often the text is read."""
    window: int = 5
    """Most words on each side that belong to a word's context; how many is drawn anew for each word."""
    loss: Literal["negative", "hierarchical"] = "negative"
    """Each pair against a few words drawn at random, or along the word's path in a Huffman tree."""
    negative: int = 5
    """Words drawn at random that each pair weighs against."""
    sample: float = 1e-4
    """Of words more frequent than this share of the text, occurrences are left out at random. 0: none."""
    lr: float = 0.0
    """Learning rate at the start; it falls to nearly 0. 0: 0.04 (skip-gram), 0.05 (CBOW)."""
    seed: int = 0
    """Of all that is random."""
    deterministic: bool = False
    """One result for any number of threads, at some cost in speed; otherwise the same only with --threads 1."""
    threads: int = 0
    """Processor threads. 0: as many as this process may use."""
    checkpoint_every: float = 60.0
    """Seconds between checkpoints. 0: none."""

    def __post_init__(self) -> None:
        for name, least in (("dim", 1), ("epochs", 1), ("window", 1), ("negative", 1), ("seed", 0), ("threads", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"'{name}' must be at least {least}, not {getattr(self, name)}.")
        for name in ("sample", "lr", "checkpoint_every"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"'{name}' must be 0 or more, not {getattr(self, name)}.")
        if self.dim > 10_000 or self.window > 1000 or self.negative > 1000 or self.seed >= 2**63:
            raise UsageError("dim can be 10,000 at most, window and negative 1,000, the seed less than 2^63.")


@dataclass
class State:
    """Where a training stands, apart from its matrices."""

    chunk: int = 0
    """Chunks done, over all epochs."""
    words: int = 0
    """Words of the vocabulary that were read."""
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
        rate=settings.lr or DEFAULT_LR[kind],
        epochs=settings.epochs,
        seed=settings.seed,
    )
    words, made = len(stream.vocabulary), None
    state = _restore(folder / "checkpoints", (model.input, model.output))
    if state is None:
        state = State(forecast_bytes=_memory() + 4 * words * settings.dim)
    _train(model, stream, settings, folder, state)
    if subwords is not None:
        made = Subwords(minn, maxn, model.input[words:, : settings.dim])
    return Learnt(model.vectors(0, words), made, state, _memory())


def memory_needed(words: int, settings: LearningSettings, buckets: int) -> int:
    """Bytes that a training holds: its two matrices and the vectors that come out."""
    width = -(-settings.dim // 16) * 16
    return 4 * (width * (2 * words + buckets) + settings.dim * words)


def _memory() -> int:
    """The most memory that this process has held so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _train(model: EmbedModel, stream: WordStream, settings: LearningSettings, folder: Path, state: State) -> None:
    """All chunks that are not done yet."""
    matrices, checkpoints = (model.input, model.output), folder / "checkpoints"
    chunks = -(-stream.blocks // CHUNK)
    total = chunks * settings.epochs
    journal = Journal(folder, length=state.journal_bytes, step=state.chunk)
    saved = time.perf_counter()
    with closing(journal), noting_signals() as asked, Bar("embedding", total, state.chunk) as bar:
        while state.chunk < total:
            began = time.perf_counter()
            epoch, first = state.chunk // chunks, state.chunk % chunks * CHUNK
            ids = stream.read(first, min(first + CHUNK, stream.blocks))
            trained = model.train(
                ids, epoch, first, stream.blocks, threads=settings.threads, deterministic=settings.deterministic
            )
            seconds = time.perf_counter() - began
            state.chunk += 1
            state.words += trained.words
            state.seconds += seconds
            state.loss = trained.loss / max(trained.pairs, 1)
            if not math.isfinite(state.loss):
                raise TrainingError("The loss is not finite: lower the learning rate (--lr).")
            if state.chunk == 1:
                state.forecast_seconds = seconds * stream.blocks * settings.epochs / min(CHUNK, stream.blocks)
                if state.forecast_seconds > WORTH_SAYING:
                    say(f"It will take about {duration(state.forecast_seconds)}.")
            rate = trained.words / seconds
            journal.write(
                {"step": state.chunk, "epoch": epoch + 1, "train_loss": state.loss, "words_per_second": round(rate)}
            )
            bar.update(state.chunk, f"epoch {epoch + 1}, loss {state.loss:.3f}, {rate / 1e6:.2f} M words/s")
            due = 0 < settings.checkpoint_every <= time.perf_counter() - saved
            if state.chunk < total and (asked or due):
                state.journal_bytes = journal.position()
                _save(checkpoints, state, matrices)
                saved = time.perf_counter()
            if asked and state.chunk < total:
                raise Interrupted(
                    f"Stopped in epoch {epoch + 1}, and saved: the same command goes on from there.", asked[0]
                )


def _pieces(matrices: Sequence[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """The matrices in stretches of rows of some megabytes, so that none is ever held twice."""
    for matrix in matrices:
        rows = max(PIECE // matrix[0].nbytes, 1)
        for start in range(0, len(matrix), rows):
            yield matrix[start : start + rows]


def _save(folder: Path, state: State, matrices: Sequence[NDArray[np.float32]]) -> None:
    """Write a checkpoint, read it back, and then drop the older ones."""
    final = folder / f"step-{state.chunk:08d}"
    partial = final.with_suffix(".partial")
    for leftover in folder.glob("*.partial"):
        shutil.rmtree(leftover)
    partial.mkdir(parents=True)
    written = hashlib.sha256()
    with open(partial / "matrices.f32", "wb") as file:
        for piece in _pieces(matrices):
            data = piece.tobytes()
            written.update(data)
            file.write(data)
    flush_tree(partial)
    if file_digest(partial / "matrices.f32") != written.hexdigest():
        raise ArtifactError(f"The disk gave back other numbers than were written to {partial}: check it.")
    record = {"sha256": _digest(written.hexdigest(), state), **asdict(state)}
    write_durably(partial / "state.json", json.dumps(record, indent=2))
    flush_tree(partial)
    os.rename(partial, final)
    flush_tree(folder)
    for old in _checkpoints(folder)[:-1]:
        shutil.rmtree(old)


def _restore(folder: Path, matrices: Sequence[NDArray[np.float32]]) -> State | None:
    """Fill the matrices from the newest checkpoint; None where there is none."""
    found = _checkpoints(folder)
    if not found:
        return None
    path = found[-1] / "matrices.f32"
    try:
        record = json.loads((found[-1] / "state.json").read_text(encoding="utf-8"))
        digest, state = record.pop("sha256"), State(**record)
        whole = path.stat().st_size == sum(matrix.nbytes for matrix in matrices)
        whole = whole and digest == _digest(file_digest(path), state)
    except (OSError, ValueError, TypeError, KeyError):
        whole = False
    if not whole:
        raise ArtifactError(
            f"The checkpoint {found[-1]} is damaged: delete that folder, and the same command begins again."
        )
    with open(path, "rb") as file:
        for piece in _pieces(matrices):
            piece[...] = np.fromfile(file, np.float32, piece.size).reshape(piece.shape)
    return state


def _digest(matrices: str, state: State) -> str:
    return hashlib.sha256((matrices + json.dumps(asdict(state))).encode()).hexdigest()


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if path.suffix != ".partial")
