"""What words have moved from an old set of vectors to a new one.

Two trainings give two spaces turned against each other. The old one is turned onto the new by the rotation that brings
the words of both nearest together (orthogonal Procrustes, Schönemann 1966; for words: Hamilton et al. 2016, "Diachronic
Word Embeddings", section 3.2), and a word's drift is the cosine distance between where it was and where it is: 0 where
it stayed, 1 at a right angle. The rotation is found on the words frequent in both, most of which keep their meaning.
Two trainings on the same text differ too: read a drift beside the median of all.

Shapes: W words of both, A words that the rotation is found on, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from idiolect.embeddings.vectors import Vectors
from idiolect.errors import VectorsError

_ANCHORS: Final = 10_000  # words that the rotation is found on
_SHOWN: Final = 5  # neighbours before and after that are shown of a word


@dataclass(frozen=True)
class Moved:
    """A word that has moved, and its neighbours before and after."""

    word: str
    distance: float
    """Cosine distance, from 0 to 2."""
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Drift:
    """How the words of two sets of vectors have moved."""

    words: int
    """Words compared: those of both sets among the most frequent of each."""
    median: float
    """Half of them moved by less (cosine distance)."""
    most: tuple[Moved, ...]
    """Those that moved most, the farthest first."""
    least: tuple[Moved, ...]
    """Those that moved least, the nearest first."""


def rotation(old_AD: NDArray[np.floating], new_AD: NDArray[np.floating]) -> NDArray[np.float64]:
    """The orthogonal matrix (D, D) with the least squared distance between old · R and new: U Vᵀ of oldᵀ new."""
    left_DD, _, right_DD = np.linalg.svd(old_AD.astype(np.float64).T @ new_AD.astype(np.float64))
    turned: NDArray[np.float64] = left_DD @ right_DD
    return turned


def measure_drift(old: Vectors, new: Vectors, *, words: int = 10_000, shown: int = 20) -> Drift:
    """Compare two sets of vectors by the words of both.

    Args:
        old, new: of the same number of dimensions.
        words: how many of the most frequent words of each set are looked at.
        shown: how many that moved most, and least, are named.

    Raises:
        VectorsError: the dimensions differ, or no words are in both.

    Example:
        >>> measure_drift(Vectors.load("1900s"), Vectors.load("1990s")).most[0].word
        'gay'
    """
    if old.dim != new.dim:
        raise VectorsError(f"Vectors of {old.dim} and of {new.dim} dimensions cannot be laid over each other.")
    before = {word: row for row, word in enumerate(old.words[:words])}
    both = [(before[word], row) for row, word in enumerate(new.words[:words]) if word in before]
    if len(both) < 2:
        raise VectorsError("The two sets of vectors have no words in common among their most frequent.")
    rows_2W = np.array(both).T
    old_WD, new_WD = old.units(rows_2W[0]), new.units(rows_2W[1])
    old_WD @= rotation(old_WD[:_ANCHORS], new_WD[:_ANCHORS])
    distance_W = np.maximum(1 - np.einsum("wd,wd->w", old_WD, new_WD), 0)
    order = np.argsort(-distance_W, kind="stable")
    past, present = old.most_frequent(min(words, len(old))), new.most_frequent(min(words, len(new)))

    def moved(places: NDArray[np.int64]) -> tuple[Moved, ...]:
        names = [present.words[rows_2W[1][place]] for place in places]
        pairs = zip(past.neighbours_batch(names, _SHOWN), present.neighbours_batch(names, _SHOWN))
        near = [tuple(tuple(one.word for one in side) for side in both) for both in pairs]
        return tuple(Moved(name, float(distance_W[place]), *both) for name, place, both in zip(names, places, near))

    most, least = moved(order[:shown]), moved(order[::-1][:shown])
    return Drift(len(both), float(np.median(distance_W)), most, least)
