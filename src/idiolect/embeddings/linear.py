"""Linear substructure: pairs of words whose differences point the same way.

On vectors of real text the step from man to woman is nearly that from king to queen (Mikolov, Yih & Zweig 2013,
"Linguistic Regularities in Continuous Space Word Representations"). Shown is the plane of the two directions in which
the words of all pairs vary most (PCA); measured, how nearly parallel the differences are, beside pairs put together
wrongly.

Shapes: N words, P pairs, D dimensions.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from idiolect.embeddings.vectors import Vectors

Pairs = list[tuple[str, str]]

RELATIONS: Final[dict[str, Pairs]] = {
    "gender": [
        *[("man", "woman"), ("king", "queen"), ("boy", "girl"), ("father", "mother"), ("son", "daughter")],
        *[("brother", "sister"), ("husband", "wife"), ("uncle", "aunt"), ("actor", "actress"), ("he", "she")],
        *[("prince", "princess"), ("grandfather", "grandmother"), ("his", "her"), ("nephew", "niece")],
    ],
    "comparative and superlative": [
        *[("better", "best"), ("bigger", "biggest"), ("smaller", "smallest"), ("faster", "fastest")],
        *[("stronger", "strongest"), ("higher", "highest"), ("larger", "largest"), ("worse", "worst")],
        *[("older", "oldest"), ("younger", "youngest"), ("stranger", "strangest"), ("greater", "greatest")],
        *[("easier", "easiest"), ("darker", "darkest"), ("longer", "longest"), ("lower", "lowest")],
    ],
    "country and capital": [
        *[("france", "paris"), ("germany", "berlin"), ("england", "london"), ("japan", "tokyo"), ("china", "beijing")],
        *[("russia", "moscow"), ("italy", "rome"), ("spain", "madrid"), ("poland", "warsaw"), ("greece", "athens")],
        *[("austria", "vienna"), ("ireland", "dublin"), ("cuba", "havana"), ("egypt", "cairo"), ("iraq", "baghdad")],
    ],
}
"""Pairs of English words, by what the second is to the first."""


class Parallelism(NamedTuple):
    """How nearly parallel the differences of pairs are."""

    pairs: float
    """Mean cosine between the differences of two pairs, from -1 to 1."""
    shuffled: float
    """The same where each first word stands beside the second word of another pair."""


def known_pairs(vectors: Vectors, pairs: Pairs, most: int = 10) -> Pairs:
    """Those pairs whose words are both there, in small letters or with a capital; the more frequent ones first."""
    found = []
    for pair in pairs:
        forms = [next((form for form in (word, word.capitalize()) if form in vectors), None) for word in pair]
        if forms[0] is not None and forms[1] is not None:
            found.append((forms[0], forms[1]))
    return sorted(found, key=lambda pair: max(map(vectors.row, pair)))[:most]


def flat(rows_ND: NDArray[Any]) -> NDArray[np.float64]:
    """(N, 2) rows laid into the plane in which they vary most, about their mean (PCA)."""
    centred_ND = rows_ND.astype(np.float64) - rows_ND.mean(axis=0, dtype=np.float64)
    _, _, directions_DD = np.linalg.svd(centred_ND, full_matrices=False)
    flat_ND = centred_ND @ directions_DD[:2].T
    return np.pad(flat_ND, [(0, 0), (0, 2 - flat_ND.shape[1])])


def flat_pairs(vectors: Vectors, pairs: Pairs) -> NDArray[np.float64]:
    """(P, 2, 2) the first and second words of pairs in their plane, turned so that the pairs' steps go upwards."""
    flat_P22 = flat(_units(vectors, pairs).reshape(2 * len(pairs), -1)).reshape(-1, 2, 2)
    step_2 = (flat_P22[:, 1] - flat_P22[:, 0]).mean(axis=0)
    up_2 = step_2 / max(float(np.hypot(*step_2)), 1e-30)
    turned_P22: NDArray[np.float64] = flat_P22 @ np.array([[up_2[1], up_2[0]], [-up_2[0], up_2[1]]])
    return turned_P22


def parallelism(vectors: Vectors, pairs: Pairs) -> Parallelism:
    """How nearly parallel pairs' differences are. Every way of shifting the second words is a shuffle."""
    units_P2D = _units(vectors, pairs)
    shuffles = [
        _mean_cosine(np.roll(units_P2D[:, 1], shift, axis=0) - units_P2D[:, 0]) for shift in range(1, len(pairs))
    ]
    return Parallelism(_mean_cosine(units_P2D[:, 1] - units_P2D[:, 0]), float(np.mean(shuffles or [0.0])))


def _mean_cosine(steps_PD: NDArray[np.float64]) -> float:
    """The mean cosine between different rows."""
    units_PD = steps_PD / np.maximum(np.linalg.norm(steps_PD, axis=1, keepdims=True), 1e-30)
    count = len(units_PD)
    return float(((units_PD.sum(axis=0) ** 2).sum() - (units_PD**2).sum()) / max(count * (count - 1), 1))


def _units(vectors: Vectors, pairs: Pairs) -> NDArray[np.float64]:
    """(P, 2, D) the words of pairs at length 1."""
    return vectors.units(np.array([[vectors.row(word) for word in pair] for pair in pairs]))
