"""How often words stand near each other, on disk: what GloVe and PPMI learn from.

Two words of a text at a distance of d <= window count 1/d. The tables of counts take no more memory than they are
given: what does not fit is written to disk as sorted runs, which are merged at the end. The counts are the same
whatever the memory and the number of threads.

    <folder>/pairs         two words (uint32), the smaller first, and their weight in each direction (float32)
    <folder>/pairs.json    how many there are; written last, so that where it is, all is

Cost: one pass over the stream, some 10 ns a pair of positions; 12 bytes of disk a different pair, and for a time 16 for
each of every run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from idiolect._native import CooccurrenceCounter
from idiolect.disk import flush, write_durably
from idiolect.embeddings.words import WordStream
from idiolect.errors import ArtifactError, CorpusError, UsageError

Pairs = NDArray[np.uint32]
"""Shape (n, 3): two words, and the bits of a weight."""

_PAIRS, _RECORD = "pairs", "pairs.json"
READ: Final = 1 << 20
"""Pairs that are read at a time."""
LEAST_MEMORY: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Cooccurrences:
    """The pairs of words of a stream that meet, in a random order."""

    path: Path
    words: int
    window: int
    length: int
    """Pairs in the file."""
    runs: int
    """How often memory was full."""

    def read(self, first: int, last: int) -> Pairs:
        """The pairs [first, last)."""
        return np.fromfile(self.path, "<u4", count=(last - first) * 3, offset=first * 12).reshape(-1, 3)

    def stretches(self) -> Iterator[Pairs]:
        """All pairs, a million at a time."""
        for first in range(0, self.length, READ):
            yield self.read(first, min(first + READ, self.length))

    @classmethod
    def count(cls, folder: Path, stream: WordStream, *, window: int, memory: int, threads: int = 0) -> Cooccurrences:
        """Count the pairs of a stream into a folder; where they are there already, take these.

        Raises:
            UsageError: memory that is too little.
            CorpusError: no two words meet.
            ArtifactError: the disk does not take what is written.

        Example:
            >>> pairs = Cooccurrences.count(folder, stream, window=15, memory=128 << 20)
        """
        if memory < LEAST_MEMORY:
            raise UsageError(f"'max_memory' is {memory} bytes: it must be at least {LEAST_MEMORY}.")
        if (folder / _RECORD).exists():
            record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
            return cls(**record | {"path": folder / _PAIRS})
        folder.mkdir(parents=True, exist_ok=True)
        runs = folder / "runs"
        words = len(stream.vocabulary)
        try:
            counter = CooccurrenceCounter(words, window, memory=memory, threads=threads, runs_path=str(runs))
            for ids in stream.stretches():
                counter.add(ids)
            length = counter.finish(str(folder / _PAIRS))
        except RuntimeError as error:
            raise ArtifactError(str(error)) from None
        counted = cls(folder / _PAIRS, words, window, length, counter.runs)
        runs.unlink(missing_ok=True)
        if length == 0:
            raise CorpusError("No two words stand near each other in this text: give texts of more than one word.")
        flush(counted.path)
        write_durably(folder / _RECORD, json.dumps(asdict(counted) | {"path": ""}))
        return counted


def weights_of(pairs: Pairs) -> NDArray[np.float32]:
    """The weights (n,) of pairs (n, 3)."""
    return pairs[:, 2].copy().view(np.float32)
