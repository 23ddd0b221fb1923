"""Search in blocks finds what looking at every row one by one finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from idiolect.embeddings import search
from idiolect.embeddings.analogies import EPSILON, Method, answers
from idiolect.embeddings.search import best_rows


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def one_by_one(scores: NDArray[np.float64], excluded: list[int], n: int) -> list[int]:
    """The rows with the n largest scores, of equal ones the first."""
    order = sorted((row for row in range(len(scores)) if row not in excluded), key=lambda row: (-scores[row], row))
    return order[:n]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 12), st.integers(1, 7), st.integers(0, 2**31))
def test_blocks_find_what_every_row_gives(rows: int, queries: int, n: int, step: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    # Whole numbers, so that there are equal scores and rows of zeros, and sums are exact.
    matrix = random.integers(-1, 2, (rows, 4)).astype(np.float32)
    lengths = np.linalg.norm(matrix, axis=1)
    directions = random.integers(-1, 2, (queries, 4)).astype(np.float32)
    excluded = [list(map(int, random.integers(0, rows, random.integers(0, 3)))) for _ in range(queries)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_SCORES", step * max(queries, 4))
        found, scores = best_rows(matrix, lengths, directions, n, excluded=excluded)
    inverse = (1 / np.maximum(lengths, 1e-30)).astype(np.float32)
    for query in range(queries):
        expected = (matrix @ directions[query]) * inverse
        wanted = one_by_one(expected, excluded[query], n)
        assert found[query, : len(wanted)].tolist() == wanted
        assert scores[query, : len(wanted)].tolist() == expected[wanted].tolist()
        assert (scores[query, len(wanted) :] == -np.inf).all()


@pytest.mark.parametrize("method", ["3CosAdd", "3CosMul"])
def test_analogies_are_those_of_their_definition(method: Method) -> None:
    random = np.random.default_rng(1)
    matrix = random.normal(size=(80, 5)).astype(np.float32)
    rows = unit(matrix.astype(np.float64))
    asked = [tuple(map(int, random.choice(80, 3, replace=False))) for _ in range(20)]
    three = np.stack([[rows[question[place]] for question in asked] for place in range(3)])
    found, scores = answers(matrix, np.linalg.norm(matrix, axis=1), three, 4, excluded=asked, method=method)
    for number, (a, b, c) in enumerate(asked):
        to = [(rows @ rows[word]) for word in (a, b, c)]
        if method == "3CosAdd":
            wanted = to[1] - to[0] + to[2]
            wanted /= np.linalg.norm(rows[b] - rows[a] + rows[c])
        else:
            wanted = ((to[1] + 1) / 2) * ((to[2] + 1) / 2) / ((to[0] + 1) / 2 + EPSILON)
        assert found[number].tolist() == one_by_one(wanted, [a, b, c], 4)
        assert np.allclose(scores[number], wanted[found[number]], atol=1e-5)
