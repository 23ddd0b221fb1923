"""What words have moved from an old set of vectors to a new one, and how much of that is noise.

Two trainings give two spaces turned against each other. The old one is turned onto the new by the rotation that brings
the words of both nearest together (orthogonal Procrustes, Schönemann 1966; for words: Hamilton et al. 2016, "Diachronic
Word Embeddings", section 3.2), and a word's drift is the cosine distance between where it was and where it is: 0 where
it stayed, 1 at a right angle. The rotation is found on the words frequent in both, most of which keep their meaning.

Two trainings on the same text differ too, and rare words most, so that a long list of words that moved says nothing by
itself (Dubossarsky et al. 2017, "Outta Control", sections 3 and 4). Hence the control: two sets of vectors that ought
to be the same, best of all the text dealt at random into two parts as large as the two texts. What words move between
them is noise; how much it is for words met so or so often is read off there. Words are ranked by what they moved beyond
their own noise, or beyond the usual noise of words as frequent where that is more, and those are counted that moved
farther than 95% of words as frequent do in the control.

Shapes: W words of both, A words that the rotation is found on, D dimensions, C words of the control, B bands of words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from idiolect.embeddings.vectors import Vectors
from idiolect.errors import VectorsError
from idiolect.evaluation.word_similarity import spearman

MIN_COUNT: Final = 50
CHANCE: Final = 0.05
"""Share of words that the control itself puts beyond what is counted as noise."""
_ANCHORS: Final = 10_000  # words that the rotation is found on
_SHOWN: Final = 5  # neighbours before and after that are shown of a word
_BANDS: Final = 12  # of equally many words, by frequency
_FEWEST: Final = 20  # words of a band


@dataclass(frozen=True)
class Moved:
    """A word that has moved, and its neighbours before and after."""

    word: str
    distance: float
    """Cosine distance, from 0 to 2."""
    noise: float | None
    """What it moved in the control; None: it is not there, or there is none."""
    counts: tuple[int, int] | None
    """How often it was met before and after; None: not known."""
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Band:
    """Words of like frequency."""

    count: float
    """How often they were met in the set that has fewer of each: the median."""
    distance: float
    """Half of them moved by less."""


@dataclass(frozen=True)
class Drift:
    """How the words of two sets of vectors have moved."""

    words: int
    """Words compared: those of both sets among the most frequent of each, met often enough."""
    median: float
    """Half of them moved by less (cosine distance)."""
    most: tuple[Moved, ...]
    """Those that moved most beyond what is noise (without a control: that moved most), the farthest first."""
    least: tuple[Moved, ...]
    """Those that moved least, the nearest first."""
    frequency: float | None
    """Spearman's correlation of a word's drift with how often it was met; None where there is none, or not known."""
    bands: tuple[Band, ...]
    """From rare to frequent; none where frequencies are not known."""
    control: tuple[Band, ...]
    """The same of all words of the control; none where there is none."""
    noise: float | None
    """Half of the words would have moved by less if they moved as words as frequent do in the control."""
    beyond: int
    """Words that moved farther than 95% of words as frequent did in the control."""


@dataclass(frozen=True)
class _Noise:
    """What the control says of the words that are compared."""

    own_W: NDArray[np.float64]
    """What each moved there; NaN for those that are not in it."""
    usual_W: NDArray[np.float64]
    """The median of words as frequent."""
    limit_W: NDArray[np.float64]
    """What 95% of words as frequent stay below."""
    bands: tuple[Band, ...]


def rotation(old_AD: NDArray[np.floating], new_AD: NDArray[np.floating]) -> NDArray[np.float64]:
    """The orthogonal matrix (D, D) with the least squared distance between old · R and new: U Vᵀ of oldᵀ new."""
    left_DD, _, right_DD = np.linalg.svd(old_AD.astype(np.float64).T @ new_AD.astype(np.float64))
    turned: NDArray[np.float64] = left_DD @ right_DD
    return turned


def measure_drift(
    old: Vectors,
    new: Vectors,
    *,
    control: tuple[Vectors, Vectors] | None = None,
    min_count: int = MIN_COUNT,
    words: int = 10_000,
    shown: int = 20,
) -> Drift:
    """Compare two sets of vectors by the words of both.

    Args:
        old, new: of the same number of dimensions.
        control: two sets that ought to be the same, best of all the text dealt at random into two parts as large as
            the two texts.
        min_count: words met less often in either set are left out, where counts are known.
        words: how many of the most frequent words of each set are looked at.
        shown: how many that moved most, and least, are named.

    Raises:
        VectorsError: the dimensions differ, or no words are in both.

    Example:
        >>> measure_drift(Vectors.load("1900s"), Vectors.load("1990s")).most[0].word
        'gay'
    """
    old_W, new_W = _common(old, new, min_count, words)
    distance_W = _distances(old, new, old_W, new_W)
    count_2W = None
    if old.counts is not None and new.counts is not None:
        count_2W = np.stack([old.counts[old_W], new.counts[new_W]])
    rarer_W = None if count_2W is None else count_2W.min(axis=0)
    noise = None if control is None else _noise(control, [new.words[row] for row in new_W], rarer_W)
    beyond_W = distance_W if noise is None else distance_W - np.fmax(noise.own_W, noise.usual_W)
    past, present = _often(old, min_count, words), _often(new, min_count, words)

    def moved(places: NDArray[np.int64]) -> tuple[Moved, ...]:
        names = [new.words[new_W[place]] for place in places]
        near = zip(past.neighbours_batch(names, _SHOWN), present.neighbours_batch(names, _SHOWN))
        return tuple(
            Moved(
                name,
                float(distance_W[place]),
                None if noise is None or np.isnan(noise.own_W[place]) else float(noise.own_W[place]),
                None if count_2W is None else (int(count_2W[0, place]), int(count_2W[1, place])),
                *(tuple(one.word for one in side) for side in both),
            )
            for name, place, both in zip(names, places, near)
        )

    return Drift(
        words=len(old_W),
        median=float(np.median(distance_W)),
        most=moved(np.argsort(-beyond_W, kind="stable")[:shown]),
        least=moved(np.argsort(distance_W, kind="stable")[:shown]),
        frequency=None if rarer_W is None else _correlation(distance_W, rarer_W),
        bands=() if rarer_W is None else _bands(rarer_W, distance_W),
        control=() if noise is None else noise.bands,
        noise=None if noise is None else float(np.median(noise.usual_W)),
        beyond=0 if noise is None else int((distance_W > noise.limit_W).sum()),
    )


def _often(vectors: Vectors, min_count: int, words: int) -> Vectors:
    """The most frequent words, without those that are met less often: what is rare has neighbours by chance."""
    often = len(vectors) if vectors.counts is None else int(np.flatnonzero(vectors.counts >= min_count)[-1]) + 1
    return vectors.most_frequent(min(words, often))


def _common(old: Vectors, new: Vectors, min_count: int, words: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows (W) in both sets of the words that are compared."""
    if old.dim != new.dim:
        raise VectorsError(f"Vectors of {old.dim} and of {new.dim} dimensions cannot be laid over each other.")
    before = {word: row for row, word in enumerate(old.words[:words])}
    both = [(before[word], row) for row, word in enumerate(new.words[:words]) if word in before]
    if len(both) < 2:
        raise VectorsError("The two sets of vectors have no words in common among their most frequent.")
    old_W, new_W = np.array(both, dtype=np.int64).T
    often_W = np.ones(len(both), dtype=np.bool_)
    for vectors, rows_W in ((old, old_W), (new, new_W)):
        if vectors.counts is not None:
            often_W &= vectors.counts[rows_W] >= min_count
    if often_W.sum() < 2:
        raise VectorsError(
            f"Of {len(both):,} words of both sets, {often_W.sum()} were met {min_count} times in each: lower "
            "--min-count."
        )
    return old_W[often_W], new_W[often_W]


def _distances(
    old: Vectors,
    new: Vectors,
    old_W: NDArray[np.int64],
    new_W: NDArray[np.int64],
    anchors: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """(W) the cosine distances between rows, after the rotation that is best for the first of them, or for some."""
    old_WD, new_WD = old.units(old_W), new.units(new_W)
    chosen = np.arange(len(old_W))[:_ANCHORS] if anchors is None else anchors
    old_WD @= rotation(old_WD[chosen], new_WD[chosen])
    distance_W: NDArray[np.float64] = np.maximum(1 - np.einsum("wd,wd->w", old_WD, new_WD), 0)
    return distance_W


def _noise(control: tuple[Vectors, Vectors], words: list[str], rarer_W: NDArray[np.int64] | None) -> _Noise:
    """What the control says of words that were met so often.

    The rotation is found on the words that are compared; how noise follows from frequency, on all words of the control.
    """
    one, other = control
    one_C, other_C = _common(one, other, 1, len(one))
    place = {one.words[row]: number for number, row in enumerate(one_C)}
    there = [number for number, word in enumerate(words) if word in place]
    if len(there) < 2:
        raise VectorsError("The control has none of the words that are compared: give vectors of the same text.")
    inside = np.array([place[words[number]] for number in there], dtype=np.int64)
    distance_C = _distances(one, other, one_C, other_C, inside[:_ANCHORS])
    own_W = np.full(len(words), np.nan)
    own_W[there] = distance_C[inside]
    if rarer_W is None or one.counts is None or other.counts is None:  # then all are alike
        usual, limit = np.quantile(distance_C[inside], [0.5, 1 - CHANCE])
        return _Noise(own_W, np.full(len(words), usual), np.full(len(words), limit), ())
    rarer_C = np.minimum(one.counts[one_C], other.counts[other_C])
    bands = _bands(rarer_C, distance_C)
    limits = _bands(rarer_C, distance_C, 1 - CHANCE)
    logs_B = np.log([band.count for band in bands])
    usual_W, limit_W = (
        np.interp(np.log(rarer_W), logs_B, [band.distance for band in level]) for level in (bands, limits)
    )
    return _Noise(own_W, usual_W, limit_W, bands)


def _correlation(distance_W: NDArray[np.float64], count_W: NDArray[np.int64]) -> float | None:
    found = spearman(distance_W, count_W)
    return None if found != found else found


def _bands(count_W: NDArray[np.int64], distance_W: NDArray[np.float64], level: float = 0.5) -> tuple[Band, ...]:
    """Words in bands by frequency, the rarest first: the distance that a share of each band stays below."""
    order_W = np.argsort(count_W, kind="stable")
    parts = np.array_split(order_W, min(_BANDS, max(len(order_W) // _FEWEST, 1)))
    return tuple(Band(float(np.median(count_W[part])), float(np.quantile(distance_W[part], level))) for part in parts)
