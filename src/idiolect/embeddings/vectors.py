"""`Vectors`: words with a vector each, the object people hold. It answers who is near whom.

    <folder>/
      vectors.json           what the matrix is: format, kind, words, dim, and the subwords' minn and maxn
      vectors.safetensors    `vectors` (V, D) float32; where there are any, `counts` (V) int64, `buckets` (K, D) float32
      words.txt              one word a line, in the order of the rows; a backslash is written \\\\, line ends \\n, \\r

A folder is read without a copy: the matrix stays in its file, and the system keeps in memory what is used of it.
Making a `Vectors` costs one pass over the matrix, for the lengths of its rows, and a dictionary of the words.

Shapes: V words, D dimensions, K buckets of subwords.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from idiolect.embeddings.mapped import mapped_tensors
from idiolect.errors import UsageError, VectorsError

FORMAT: Final = 1
ABOUT, TENSORS, WORDS = "vectors.json", "vectors.safetensors", "words.txt"
_BLOCK: Final = 2**22  # numbers that are looked at together

FloatVD = NDArray[np.float32]


class SubwordVectors(Protocol):
    """What `Vectors` asks of subwords: a vector for any word, from the character n-grams it is made of."""

    minn: int
    maxn: int
    buckets: FloatVD

    def vector(self, word: str) -> NDArray[np.float32]:
        """The vector (D,) of a word that has no row."""


class Vectors:
    """Words and their vectors, the most frequent first.

    Example:
        >>> vectors = Vectors.load("vectors")
        >>> vectors.words[:3], vectors.matrix.shape
        (['the', 'and', 'a'], (56512, 100))
        >>> vectors.vector("king")
    """

    def __init__(
        self,
        words: list[str],
        matrix: FloatVD,
        counts: NDArray[np.int64] | None = None,
        subwords: SubwordVectors | None = None,
        *,
        kind: str = "",
    ) -> None:
        """Take words and matrix as they are, without a copy.

        Args:
            words: all different, in the order of the rows: by falling count, where counts are known.
            matrix: (V, D) float32.
            counts: (V,) how often each word was met; None: not known.
            subwords: what gives vectors to other words; None: other words have none.
            kind: how the vectors were made, such as "skipgram".

        Raises:
            VectorsError: a word twice, a number that is not finite, or sizes that do not match.
        """
        if matrix.ndim != 2 or len(words) != len(matrix) or not matrix.size:
            raise VectorsError(
                f"There are {len(words):,} words for a matrix of shape {matrix.shape}: one row for each."
            )
        if counts is not None and counts.shape != (len(words),):
            raise VectorsError(f"There are {len(counts):,} counts for {len(words):,} words: one for each is needed.")
        self.words = words
        self.matrix = matrix
        self.counts = counts
        self.subwords = subwords
        self.kind = kind
        self._rows = {word: row for row, word in enumerate(words)}
        if len(self._rows) != len(words):
            twice = next(word for row, word in enumerate(words) if self._rows[word] != row)
            raise VectorsError(f"The word {twice!r} has more than one vector: keep one of them.")
        self.lengths = _lengths(words, matrix)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        """Whether the word has a row; subwords give others a vector nevertheless."""
        return word in self._rows

    @property
    def dim(self) -> int:
        """D."""
        return int(self.matrix.shape[1])

    def row(self, word: str) -> int:
        """Where a word stands in `words` and `matrix`. Raises UsageError when it is not there."""
        if word not in self._rows:
            raise UsageError(f"'{word}' is none of these {len(self):,} words.")
        return self._rows[word]

    def vector(self, word: str) -> NDArray[np.float32]:
        """The vector (D,) of a word; a word without a row is made of its subwords, where there are any.

        Raises:
            UsageError: the word is not there and cannot be made.
        """
        if self.subwords is not None and word not in self._rows:
            return self.subwords.vector(word)
        return self.matrix[self.row(word)]

    def save(self, folder: str | Path) -> None:
        """Write the files of a folder that `load` reads; the folder is made where it is missing."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        about: dict[str, Any] = {"format": FORMAT, "kind": self.kind, "words": len(self), "dim": self.dim}
        tensors: dict[str, NDArray[Any]] = {"vectors": np.ascontiguousarray(self.matrix, dtype="<f4")}
        if self.counts is not None:
            tensors["counts"] = np.ascontiguousarray(self.counts, dtype="<i8")
        if self.subwords is not None:
            about["subwords"] = {"minn": self.subwords.minn, "maxn": self.subwords.maxn}
            tensors["buckets"] = np.ascontiguousarray(self.subwords.buckets, dtype="<f4")
        save_file(tensors, folder / TENSORS)
        (folder / WORDS).write_bytes(b"".join(_escaped(word) + b"\n" for word in self.words))
        (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Vectors:
        """Read a folder of ours; the matrix stays in its file.

        Raises:
            VectorsError: it is none, or is damaged.
        """
        return _load_folder(Path(path))


def _load_folder(folder: Path) -> Vectors:
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        words = [_unescaped(line) for line in (folder / WORDS).read_bytes().split(b"\n")[:-1]]
        kind, shape = str(about["kind"]), (int(about["words"]), int(about["dim"]))
    except OSError as error:
        raise VectorsError(f"{folder} is no folder of word vectors ({error.strerror}: {error.filename}).") from error
    except (ValueError, KeyError, TypeError) as error:
        raise VectorsError(f"{folder} is damaged or not a folder of word vectors: {ABOUT} or {WORDS}.") from error
    tensors = mapped_tensors(folder / TENSORS)
    matrix = tensors.get("vectors")
    if matrix is None or matrix.dtype != np.float32 or matrix.shape != shape or len(words) != shape[0]:
        raise VectorsError(f"The files in {folder} do not belong together: make it again.")
    return Vectors(words, matrix, tensors.get("counts"), kind=kind)


def _escaped(word: str) -> bytes:
    return word.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").encode()


def _unescaped(line: bytes) -> str:
    ends = {"n": "\n", "r": "\r"}
    parts = line.decode().split("\\\\")
    for start, end in ends.items():
        parts = [part.replace("\\" + start, end) for part in parts]
    return "\\".join(parts)


def _lengths(words: Sequence[str], matrix: FloatVD) -> NDArray[np.float64]:
    """(V,) the Euclidean length of each row; a number that is not finite is refused by its word."""
    lengths_V = np.empty(len(words))
    step = max(_BLOCK // matrix.shape[1], 1)
    for start in range(0, len(words), step):
        block_BD = matrix[start : start + step].astype(np.float64)
        lengths_V[start : start + step] = np.sqrt(np.einsum("bd,bd->b", block_BD, block_BD))
    if not np.isfinite(lengths_V).all():
        raise VectorsError(
            f"The vector of {words[int(np.argmin(np.isfinite(lengths_V)))]!r} has a number that is none."
        )
    return lengths_V
