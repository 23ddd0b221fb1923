"""`Vectors`: words with a vector each, the object people hold. It answers who is near whom.

    <folder>/
      vectors.json           what the matrix is: format, kind, words, dim, the subwords' minn and maxn, and whose tokens
                             the words are (a tokenizer's fingerprint), where they are tokens
      vectors.safetensors    `vectors` (V, D) float32; where there are any, `counts` (V) int64, `buckets` (K, D) float32
      words.txt              one word a line, in the order of the rows; a backslash is written \\\\, line ends \\n, \\r

A folder is read without a copy: the matrix stays in its file, and the system keeps in memory what is used of it.
Opening one looks at sizes alone. The words are read, and made a dictionary, when the first is asked for; the lengths of
the rows cost one pass over the matrix, when neighbours are first asked for, and there a number that is none is refused.
A `Vectors` made of anything else is looked at whole, once, as all that `save` writes is.

Shapes: V words, D dimensions, K buckets of subwords, Q questions, N best.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from idiolect.disk import replace_file, replacing
from idiolect.embeddings.analogies import Method, answers
from idiolect.embeddings.files import FileFormat, read_file, write_file
from idiolect.embeddings.mapped import mapped_tensors
from idiolect.embeddings.search import Floats, Rows, best_rows
from idiolect.embeddings.spelling import near
from idiolect.embeddings.subwords import Subwords
from idiolect.errors import ArtifactError, UsageError, VectorsError

FORMAT: Final = 1
ABOUT, TENSORS, WORDS = "vectors.json", "vectors.safetensors", "words.txt"
_BLOCK: Final = 2**22  # numbers that are looked at together
_QUESTIONS: Final = 256  # queries that are answered together

FloatVD = NDArray[np.float32]
Query = str | NDArray[np.float32]
"""What is asked about: a word, or a vector (D,)."""


class Neighbour(NamedTuple):
    """A word that was found, and how well it fits: the higher, the better."""

    word: str
    score: float


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
        subwords: Subwords | None = None,
        *,
        kind: str = "",
        tokenizer: str = "",
    ) -> None:
        """Take words and matrix as they are, without a copy.

        Args:
            words: all different, in the order of the rows: by falling count, where counts are known.
            matrix: (V, D) float32.
            counts: (V,) how often each word was met; None: not known.
            subwords: what gives vectors to other words; None: other words have none.
            kind: how the vectors were made, such as "skipgram".
            tokenizer: the fingerprint of the tokenizer whose tokens the words are; empty: they are words.

        Raises:
            VectorsError: a word twice, a number that is not finite, or sizes that do not match.
        """
        if matrix.ndim != 2 or len(words) != len(matrix) or not matrix.size:
            raise VectorsError(
                f"There are {len(words):,} words for a matrix of shape {matrix.shape}: one row for each."
            )
        if counts is not None and counts.shape != (len(words),):
            raise VectorsError(f"There are {len(counts):,} counts for {len(words):,} words: one for each is needed.")
        self._names: Callable[[], list[str]] = lambda: words
        self.matrix = matrix
        self.counts = counts
        self.subwords = subwords
        self.kind = kind
        self.tokenizer = tokenizer
        self.check()

    def check(self) -> None:
        """Look at every word and every number, where that has not been done.

        Raises:
            VectorsError: a word twice, or a number that is not finite.
        """
        _ = self._rows, self.lengths

    @cached_property
    def words(self) -> list[str]:
        """In the order of the rows."""
        return self._names()

    @cached_property
    def _rows(self) -> dict[str, int]:
        rows = dict(zip(self.words, range(len(self.words))))
        if len(rows) != len(self.words):
            twice = next(word for row, word in enumerate(self.words) if rows[word] != row)
            raise VectorsError(f"The word {twice!r} has more than one vector: keep one of them.")
        return rows

    @cached_property
    def lengths(self) -> NDArray[np.float64]:
        """(V,) the Euclidean length of each row."""
        return _lengths(self.words, self.matrix)

    def __len__(self) -> int:
        return len(self.matrix)

    def __contains__(self, word: object) -> bool:
        """Whether the word has a row; subwords give others a vector nevertheless."""
        return word in self._rows

    @property
    def dim(self) -> int:
        """D."""
        return int(self.matrix.shape[1])

    def row(self, word: str) -> int:
        """Where a word stands in `words` and `matrix`.

        Raises:
            UsageError: it is not there; the sentence offers words that are spelt nearly like it.
        """
        if word not in self._rows:
            offered = " or ".join(f"'{one}'" for one in near(word, self._rows))
            hint = f" Did you mean {offered}?" if offered else ""
            raise UsageError(f"'{word}' is none of the {len(self):,} words that have a vector.{hint}")
        return self._rows[word]

    def vector(self, word: str) -> NDArray[np.float32]:
        """The vector (D,) of a word; a word without a row is made of its subwords, where there are any.

        Raises:
            UsageError: the word is not there and cannot be made.
        """
        if self.subwords is not None and word not in self._rows:
            return self.subwords.vector(word)
        found_D: NDArray[np.float32] = self.matrix[self.row(word)]
        if not np.isfinite(found_D).all():
            self.check()  # refuses it
        return found_D

    def units(self, rows: NDArray[np.int64] | list[int]) -> NDArray[np.float64]:
        """(…, D) the vectors of rows (…) at length 1; zeros stay zeros."""
        units: NDArray[np.float64] = self.matrix[rows] / np.maximum(self.lengths[rows], 1e-30)[..., None]
        return units

    def most_frequent(self, n: int) -> Vectors:
        """The first n words alone; nothing is copied but their names."""
        counts = None if self.counts is None else self.counts[:n]
        return Vectors(self.words[:n], self.matrix[:n], counts, self.subwords, kind=self.kind, tokenizer=self.tokenizer)

    def neighbours(self, word: Query, n: int = 10, *, without: Sequence[str] = ()) -> list[Neighbour]:
        """The n words whose vectors have the largest cosine with a word's (itself left out), the nearest first.

        Args:
            word: a word, or a vector (D,).
            n: how many, at least 1.
            without: words that are left out too.

        Raises:
            UsageError: the word is not there, or n is out of range.

        Example:
            >>> vectors.neighbours("king", 2)
            [Neighbour(word='prince', score=0.78), Neighbour(word='queen', score=0.74)]
        """
        return self.neighbours_batch([word], n, without=without)[0]

    def neighbours_batch(
        self, words: Sequence[Query], n: int = 10, *, without: Sequence[str] = ()
    ) -> list[list[Neighbour]]:
        """What `neighbours` gives for each of many words, by one matrix product for some hundreds of them."""
        _check_count(n)
        found = []
        for start in range(0, len(words), _QUESTIONS):
            some = words[start : start + _QUESTIONS]
            units_QD, excluded = self._units(some), [self._rows_of([word, *without]) for word in some]
            found += self._named(*best_rows(self.matrix, self.lengths, units_QD, n, excluded=excluded))
        return found

    def analogy(
        self,
        a: Query,
        b: Query,
        c: Query,
        n: int = 10,
        *,
        method: Method = "3CosAdd",
        without: Sequence[str] = (),
    ) -> list[Neighbour]:
        """a is to b as c is to what? The n best answers (a, b and c left out), the best first.

        Args:
            a, b, c: words, or vectors (D,).
            n: how many answers, at least 1.
            method: "3CosAdd", whose score is the cosine with b - a + c, or "3CosMul"; see `embeddings/analogies.py`.
            without: words that are left out too.

        Raises:
            UsageError: a word is not there, n is out of range, or there is no such method.

        Example:
            >>> vectors.analogy("man", "woman", "king", 1)
            [Neighbour(word='queen', score=0.71)]
        """
        _check_count(n)
        three_31D = self._units([a, b, c])[:, None]
        excluded = [self._rows_of([a, b, c, *without])]
        return self._named(*answers(self.matrix, self.lengths, three_31D, n, excluded=excluded, method=method))[0]

    def similarity(self, a: Query, b: Query) -> float:
        """The cosine of two words' vectors, from -1 to 1; 0 where one of them is all zeros."""
        a_D, b_D = self._units([a, b]).astype(np.float64)
        return float(a_D @ b_D)

    def odd_one_out(self, words: Sequence[str]) -> str:
        """The word that is farthest from the mean direction of all of them.

        Raises:
            UsageError: there are fewer than three words, or one is not there.

        Example:
            >>> vectors.odd_one_out(["breakfast", "lunch", "dinner", "car"])
            'car'
        """
        if len(words) < 3:
            raise UsageError(f"Which of {len(words)} words is the odd one out cannot be said: give three or more.")
        units_ND = self._units(words)
        return words[int(np.argmin(units_ND @ units_ND.mean(axis=0)))]

    def projection(self, words: Sequence[str], start: Query, end: Query) -> list[Neighbour]:
        """Where words lie along the direction from one word to another: the cosine with it, the lowest first.

        Example:
            >>> vectors.projection(["nurse", "doctor", "actress"], "he", "she")
            [Neighbour(word='doctor', score=-0.05), Neighbour(word='nurse', score=0.16), ...]
        """
        from_D, to_D = self._units([start, end])
        along_D = (to_D - from_D) / max(float(np.linalg.norm(to_D - from_D)), 1e-30)
        found = [Neighbour(word, float(at)) for word, at in zip(words, self._units(words) @ along_D)]
        return sorted(found, key=lambda one: one.score)

    def _units(self, words: Sequence[Query]) -> NDArray[np.float32]:
        """(Q, D) the vectors of words at length 1; zeros stay zeros."""
        units_QD = np.stack([self.vector(word) if isinstance(word, str) else word for word in words]).astype(np.float64)
        if units_QD.shape[1:] != (self.dim,):
            raise UsageError(f"A vector of {self.dim} numbers is needed here, not {units_QD.shape[-1]}.")
        units_QD /= np.maximum(np.linalg.norm(units_QD, axis=1, keepdims=True), 1e-30)
        return units_QD.astype(np.float32)

    def _rows_of(self, words: Sequence[Query]) -> list[int]:
        """The rows of those words that have one."""
        return [self._rows[word] for word in words if isinstance(word, str) and word in self._rows]

    def _named(self, rows_QN: Rows, scores_QN: Floats) -> list[list[Neighbour]]:
        """Rows as words; what was excluded and is there only to fill up is left out."""
        return [
            [Neighbour(self.words[row], float(score)) for row, score in zip(*both) if score > -np.inf]
            for both in zip(rows_QN, scores_QN)
        ]

    def save(self, folder: str | Path) -> None:
        """Write the files of a folder that `load` reads; the folder is made where it is missing."""
        self.check()
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        about: dict[str, Any] = {"format": FORMAT, "kind": self.kind, "words": len(self), "dim": self.dim}
        if self.tokenizer:
            about["tokenizer"] = self.tokenizer
        tensors: dict[str, NDArray[Any]] = {"vectors": np.ascontiguousarray(self.matrix, dtype="<f4")}
        if self.counts is not None:
            tensors["counts"] = np.ascontiguousarray(self.counts, dtype="<i8")
        if self.subwords is not None:
            about["subwords"] = {"minn": self.subwords.minn, "maxn": self.subwords.maxn}
            tensors["buckets"] = np.ascontiguousarray(self.subwords.buckets, dtype="<f4")
        with replacing(folder / TENSORS) as unfinished:  # the matrix may be mapped from the file that was there
            save_file(tensors, unfinished)
        replace_file(folder / WORDS, b"".join(_escaped(word) + b"\n" for word in self.words))
        replace_file(folder / ABOUT, (json.dumps(about, indent=2) + "\n").encode())

    def export(self, path: str | Path, file_format: FileFormat = "word2vec") -> None:
        """Write a file that other tools read: "word2vec" (text), "word2vec-binary", or "glove" (text).

        Counts and subwords have no place in such a file; numbers come back to the last bit.

        Raises:
            UsageError: a word has white space in it, or there is no such format.
            ArtifactError: the file cannot be written.
        """
        self.check()
        try:
            write_file(Path(path), self.words, self.matrix, file_format)
        except OSError as error:
            raise ArtifactError(f"{path} cannot be written ({error.strerror}): choose another file.") from error

    @classmethod
    def load(cls, path: str | Path) -> Vectors:
        """Read word vectors: a folder of ours, whose matrix stays in its file, or a file of another tool's.

        What a file is, is seen from what is in it: word2vec's text or binary, GloVe's text, fastText's .vec, each also
        in gzip.

        Raises:
            VectorsError: it is none of these, or is damaged.

        Example:
            >>> Vectors.load("GoogleNews-vectors-negative300.bin.gz").neighbours("king")
        """
        path = Path(path)
        if path.name == TENSORS:
            path = path.parent
        return _load_folder(path) if path.is_dir() else cls(*read_file(path))


def _check_count(n: int) -> None:
    if n < 1:
        raise UsageError(f"n must be at least 1, not {n}.")


def _load_folder(folder: Path) -> Vectors:
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        lines = (folder / WORDS).read_bytes()
        kind, shape = str(about["kind"]), (int(about["words"]), int(about["dim"]))
        tokenizer = str(about.get("tokenizer", ""))
        lengths = (int(about["subwords"]["minn"]), int(about["subwords"]["maxn"])) if "subwords" in about else None
    except OSError as error:
        raise VectorsError(f"{folder} is no folder of word vectors ({error.strerror}: {error.filename}).") from error
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise VectorsError(f"{folder} is damaged or not a folder of word vectors: {ABOUT} or {WORDS}.") from error
    tensors = mapped_tensors(folder / TENSORS)
    matrix = tensors.get("vectors")
    counts = tensors.get("counts")
    fits = (
        matrix is not None and matrix.dtype == np.float32 and matrix.shape == shape and lines.count(b"\n") == shape[0]
    )
    if matrix is None or not fits or not matrix.size or not _fit(counts, shape[0]):
        raise VectorsError(f"The files in {folder} do not belong together: make it again.")
    subwords = None
    if lengths is not None:
        buckets = tensors.get("buckets")
        if buckets is None or buckets.dtype != np.float32 or buckets.shape[1:] != shape[1:] or not len(buckets):
            raise VectorsError(f"The files in {folder} do not belong together: make it again.")
        subwords = Subwords(*lengths, buckets)
    found = Vectors.__new__(Vectors)  # not looked at whole, as what is made anew is
    found._names = partial(_names, folder, lines)
    found.tokenizer = tokenizer
    found.matrix, found.counts, found.subwords, found.kind = matrix, counts, subwords, kind
    return found


def _fit(counts: NDArray[Any] | None, words: int) -> bool:
    return counts is None or (counts.dtype == np.int64 and counts.shape == (words,))


def _names(folder: Path, lines: bytes) -> list[str]:
    """The words of a folder."""
    try:
        if b"\\" in lines:
            return [_unescaped(line) for line in lines.split(b"\n")[:-1]]
        return lines.decode().split("\n")[:-1]
    except ValueError as error:
        raise VectorsError(f"{folder} is damaged or not a folder of word vectors: {ABOUT} or {WORDS}.") from error


def _escaped(word: str) -> bytes:
    return word.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").encode()


def _unescaped(line: bytes) -> str:
    ends = {"n": "\n", "r": "\r"}
    parts = line.decode().split("\\\\")
    for start, end in ends.items():
        parts = [part.replace("\\" + start, end) for part in parts]
    return "\\".join(parts)


def _lengths(words: Sequence[str], matrix: FloatVD) -> NDArray[np.float64]:
    """(V,) the Euclidean length of each row; a number that is not finite is refused by its word.

    Squares are summed in fp32; where they come near the ends of its range, in float64.
    """
    squares_V = np.empty(len(matrix))
    step = max(_BLOCK // matrix.shape[1], 1)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for start in range(0, len(matrix), step):
            block_BD = matrix[start : start + step]
            squares_V[start : start + step] = np.einsum("bd,bd->b", block_BD, block_BD)
        odd = np.flatnonzero(~((squares_V > 1e-20) & (squares_V < 1e30)))
        for start in range(0, len(odd), step):
            block_BD = matrix[odd[start : start + step]].astype(np.float64)
            squares_V[odd[start : start + step]] = np.einsum("bd,bd->b", block_BD, block_BD)
    if not np.isfinite(squares_V).all():
        raise VectorsError(
            f"The vector of {words[int(np.argmin(np.isfinite(squares_V)))]!r} has a number that is none."
        )
    lengths_V: NDArray[np.float64] = np.sqrt(squares_V)
    return lengths_V
