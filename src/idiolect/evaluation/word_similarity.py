"""How well the cosine of two words' vectors agrees with how alike people find the words.

A file has two words and a number on each line, with tabs, commas or spaces between them (WordSim-353, Finkelstein et
al. 2002; RG-65, Rubenstein & Goodenough 1965; MTurk-287, Radinsky et al. 2011), or is SimLex-999's (Hill et al. 2015),
whose first line names its columns. Agreement is Spearman's rank correlation over the pairs whose words are both there,
with the share of pairs that are; its 95% interval is a bootstrap's over pairs. Which words take part, and what capitals
mean, is gensim's rule (`evaluate_word_pairs`), as for analogies.

Shapes: P pairs, S samples of the bootstrap.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from idiolect.embeddings.vectors import Vectors
from idiolect.errors import UsageError
from idiolect.evaluation.word_analogies import RESTRICT

_SAMPLES: Final = 1000  # of the bootstrap
_SCORES: Final = ("simlex999", "score", "similarity", "rating", "human (mean)")  # what a header calls the number


@dataclass(frozen=True)
class Agreement:
    """What came of a file of pairs."""

    file: str
    spearman: float | None
    """From -1 to 1; None where fewer than two pairs are there, or all are alike."""
    interval: tuple[float, float]
    """Where it lies with 95% confidence."""
    pairs: int
    """Pairs whose words are both there."""
    of: int
    """Pairs of the file."""

    @property
    def coverage(self) -> float:
        """The share of the file's pairs whose words are both there."""
        return self.pairs / self.of


def read_pairs(path: Path) -> list[tuple[str, str, float]]:
    """Two words and how alike they are, for each line of a file.

    Raises:
        UsageError: it cannot be read, has no pair, or a line is something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(f"The pairs {path} cannot be read: {reason}.") from None
    pairs: list[tuple[str, str, float]] = []
    column: int | None = None
    for number, line in enumerate(lines, start=1):
        fields = [field.strip() for field in re.split(r"[\t,;]", line)]
        if len(fields) < 3:
            fields = line.split()
        if not line.strip() or line.startswith("#"):
            continue
        if column is None:
            named = [place for place, field in enumerate(fields) if field.lower() in _SCORES]
            column = named[0] if named else 2
            if named:  # the line has the names of the columns
                continue
        score = _number(fields[column]) if len(fields) > column else None
        if score is None or not fields[0] or not fields[1]:
            raise UsageError(f"{path}, line {number:,} is not two words and a number.")
        pairs.append((fields[0], fields[1], score))
    if not pairs:
        raise UsageError(f"{path} has no pairs: lines of two words and a number.")
    return pairs


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def measure_similarity(vectors: Vectors, path: Path, *, restrict: int = RESTRICT, fold: bool = True) -> Agreement:
    """Compare vectors with people on all pairs of a file.

    Args:
        vectors: the words by falling count.
        path: the file; see `read_pairs`.
        restrict: how many of the most frequent words take part; 0: all.
        fold: whether capitals make no difference.

    Example:
        >>> measure_similarity(vectors, Path("EN-WS-353-ALL.txt")).spearman
        0.567
    """
    rows: dict[str, int] = {}
    for row, word in enumerate(vectors.words[: restrict or None]):
        rows.setdefault(word.upper() if fold else word, row)
    pairs = [(a.upper() if fold else a, b.upper() if fold else b, score) for a, b, score in read_pairs(path)]
    there = [(rows[a], rows[b], score) for a, b, score in pairs if a in rows and b in rows]
    people_P = np.array([score for *_, score in there])
    units_2PD = vectors.units(np.array([pair[:2] for pair in there], dtype=np.int64).reshape(-1, 2).T)
    cosines_P = np.einsum("pd,pd->p", *units_2PD)
    found = spearman(people_P, cosines_P)
    interval = _bootstrap(people_P, cosines_P)
    return Agreement(path.name, None if math.isnan(found) else found, interval, len(there), len(pairs))


def spearman(a_P: NDArray[Any], b_P: NDArray[Any]) -> float:
    """The correlation of ranks, equal values sharing the mean of theirs; NaN where there is none."""
    if len(a_P) < 2:
        return math.nan
    ranks_2P = np.stack([_ranks(a_P), _ranks(b_P)])
    ranks_2P -= ranks_2P.mean(axis=1, keepdims=True)
    size = math.sqrt(float((ranks_2P[0] ** 2).sum() * (ranks_2P[1] ** 2).sum()))
    return float(ranks_2P[0] @ ranks_2P[1]) / size if size else math.nan


def _ranks(values_P: NDArray[Any]) -> NDArray[np.float64]:
    _, place_P, counts_U = np.unique(values_P, return_inverse=True, return_counts=True)
    ranks_U = np.cumsum(counts_U) - (counts_U - 1) / 2
    ranks_P: NDArray[np.float64] = ranks_U[place_P].astype(np.float64)
    return ranks_P


def _bootstrap(a_P: NDArray[Any], b_P: NDArray[Any]) -> tuple[float, float]:
    """The middle 95% of the correlation over samples of the pairs with replacement (Efron 1979), always the same."""
    if len(a_P) < 2:
        return (-1.0, 1.0)
    random = np.random.default_rng(0)
    found_S = [spearman(a_P[some], b_P[some]) for some in random.integers(0, len(a_P), (_SAMPLES, len(a_P)))]
    finite_S = [value for value in found_S if not math.isnan(value)] or [-1.0, 1.0]
    low, high = np.quantile(finite_S, [0.025, 0.975])
    return (float(low), float(high))
