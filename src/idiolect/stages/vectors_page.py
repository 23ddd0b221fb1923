"""What the pages of vectors show of them: a box to ask, pairs whose steps are parallel, a map of frequent words; and of
those that know how often their words occur, neighbours of the frequent and the rare, and the frequencies.

The words in the box are the most frequent ones, a byte for each of their numbers, and long vectors are shortened, so
that the page stays below a megabyte.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from idiolect.embeddings.linear import RELATIONS, flat_pairs, known_pairs, parallelism
from idiolect.embeddings.neighbour_map import neighbour_map
from idiolect.embeddings.vectors import Vectors
from idiolect.figures import LineChart, Series
from idiolect.plane import Dot, Plane
from idiolect.report import Report

EXPLORED: Final = 5_000
"""Words in the box at most."""
EXPLORED_DIM: Final = 120
"""Numbers of their vectors at most: of longer ones, the directions that keep their products best."""
MAPPED: Final = 300
"""Words on the map."""
FREQUENT: Final = 24
"""Words whose neighbours are listed."""
NEAR: Final = 6
_SHORTEST: Final = 4  # letters of a word on the map: shorter ones hold sentences together and crowd it


def vectors_page(report: Report, vectors: Vectors) -> None:
    """Put sections into a report: what can be asked of the vectors, and pictures of them."""
    words = [word for word in vectors.words if word.strip("▁")]
    _explore(report, vectors, words)
    _linear(report, vectors)
    _map(report, vectors, words)


def _explore(report: Report, vectors: Vectors, words: list[str]) -> None:
    shown = words[:EXPLORED]
    rows = shortened(_units(vectors, shown), EXPLORED_DIM)
    first = ("man", "woman", "king")
    if not all(word in shown for word in first):
        first = (shown[0], shown[min(1, len(shown) - 1)], shown[min(2, len(shown) - 1)])
    dim = f"{vectors.dim} dimensions"
    if rows.shape[1] < vectors.dim:
        dim += f" laid into the {rows.shape[1]} that keep their cosines best, so that the order is nearly theirs"
    report.section("Ask the vectors")
    report.explore(
        shown,
        rows,
        first,
        caption=f"The first {len(shown):,} of {len(vectors):,} words, {dim}, a byte for each number: "
        f"{rows.size * 4 / 3e6:.1f} MB of this page. Answered here, without a network, by cosine (analogies: 3CosAdd).",
    )


def _linear(report: Report, vectors: Vectors) -> None:
    """A plane for each relation of which some pairs are there."""
    found = {name: known_pairs(vectors, pairs) for name, pairs in RELATIONS.items()}
    if all(len(pairs) < 3 for pairs in found.values()):
        return
    report.section("Steps that are parallel")
    report.text(
        "Words of pairs, laid into the plane in which they vary most (PCA) and turned so that the steps go upwards. "
        "Where a relation is linear, the arrows are parallel: man : woman :: king : queen is a parallelogram."
    )
    for name, pairs in found.items():
        if len(pairs) < 3:
            continue
        flat_P22, parallel = flat_pairs(vectors, pairs), parallelism(vectors, pairs)
        dots = [
            Dot(word, float(x), float(y), group)
            for pair, places in zip(pairs, flat_P22)
            for group, (word, (x, y)) in enumerate(zip(pair, places))
        ]
        caption = (
            f"Mean cosine between the steps of two pairs: {parallel.pairs:.2f}; "
            f"with the second words shuffled: {parallel.shuffled:.2f}.".replace("-", "−")
        )
        arrows = [(2 * number, 2 * number + 1) for number in range(len(pairs))]
        report.plane(Plane(name[0].upper() + name[1:], dots, arrows, caption=caption))


def _map(report: Report, vectors: Vectors, words: list[str]) -> None:
    long = [word for word in words[: 4 * MAPPED] if len(word.strip("▁")) >= _SHORTEST and word.isascii()]
    mapped = long[:MAPPED] if len(long) >= MAPPED // 3 else words[:MAPPED]
    if len(mapped) < 10:
        return
    places_N2 = neighbour_map(_units(vectors, mapped))
    dots = [Dot(word, float(x), float(y)) for word, (x, y) in zip(mapped, places_N2)]
    report.section("A map of frequent words")
    report.plane(
        Plane(
            "Neighbours stand beside each other",
            dots,
            whole=False,
            caption=f"{len(mapped)} frequent words by t-SNE: who stands beside whom tells, how far apart groups lie "
            "does not. A dot without room for its name tells it when pointed at.",
        )
    )


def near_words(report: Report, vectors: Vectors) -> None:
    """A table of words from the whole range of frequencies, with their nearest."""
    assert vectors.counts is not None
    ranks = np.unique(np.geomspace(1, min(len(vectors), 20_000), FREQUENT).astype(int)) - 1
    words = [vectors.words[rank] for rank in ranks]
    near = vectors.neighbours_batch(words, NEAR)
    rows: list[list[object]] = [
        [word, int(vectors.counts[rank]), ", ".join(one.word for one in found)]
        for word, rank, found in zip(words, ranks, near)
    ]
    report.table(["word", "occurrences", "neighbours"], rows)


def frequencies(report: Report, vectors: Vectors) -> None:
    """A section with how often words occur, by rank."""
    assert vectors.counts is not None
    ranks = np.unique(np.geomspace(1, len(vectors), 200).astype(int))
    report.section("Words")
    report.chart(
        LineChart(
            "Occurrences by rank",
            [Series("words", ranks.tolist(), vectors.counts[ranks - 1].tolist())],
            x_label="rank",
            y_label="occurrences",
            log_x=True,
            log_y=True,
            caption="Zipf's law would be a straight line.",
        )
    )


def shortened(rows_ND: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """Rows of length 1 and at most `dim` numbers, their products nearest to those of the rows (Eckart & Young 1936)."""
    if rows_ND.shape[1] > dim:
        _, directions_DD = np.linalg.eigh(rows_ND.T.astype(np.float64) @ rows_ND)
        rows_ND = (rows_ND @ directions_DD[:, -dim:]).astype(np.float32)
    units_ND: NDArray[np.float32] = rows_ND / np.maximum(np.linalg.norm(rows_ND, axis=1, keepdims=True), 1e-30)
    return units_ND


def _units(vectors: Vectors, words: list[str]) -> NDArray[np.float32]:
    """(N, D) the vectors of words at length 1."""
    return vectors.units([vectors.row(word) for word in words]).astype(np.float32)
