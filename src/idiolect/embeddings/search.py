"""Exact search for the nearest rows of a matrix, in blocks.

A block of rows is multiplied with all queries by one matrix product (BLAS), and of each block only what is better than
the best so far is kept. Memory is a few blocks of scores, whatever the number of rows; the matrix may stay in its file.
Time is 2 · V · D operations for each query. Rows of equal score come in their order.

Shapes: V rows, D dimensions, Q questions, R directions (several make up a question), B rows of a block, N best.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Rows = NDArray[np.int64]

_SCORES: Final = 2**21  # scores that are held together
_TINY: Final = 1e-30  # a row of zeros has no direction: its cosine with everything is 0


def best_rows(
    matrix_VD: NDArray[np.float32],
    lengths_V: Floats,
    directions_RD: Floats,
    n: int,
    *,
    excluded: Sequence[Sequence[int]],
    scored: Callable[[Floats], Floats] | None = None,
) -> tuple[Rows, Floats]:
    """The n best rows of each question and their scores, both (Q, N), the best first.

    Args:
        matrix_VD, lengths_V: the rows, and how long they are.
        directions_RD: of length 1 each.
        n: how many; N is less where there are not so many rows.
        excluded: for each question the rows that are no answer to it.
        scored: makes of the cosines (R, B) of a block its scores (Q, B); None: the cosines are the scores. What is
            excluded has the score minus infinity, and is there when nothing else is left.
    """
    queries = len(excluded)
    directions_RD = directions_RD.astype(np.float32)
    inverse_V = (1.0 / np.maximum(lengths_V, _TINY)).astype(np.float32)
    n = min(n, len(matrix_VD))
    rows_QN = np.full((queries, n), -1, dtype=np.int64)
    best_QN = np.full((queries, n), -np.inf, dtype=np.float32)
    question_E = np.repeat(np.arange(queries), [len(one) for one in excluded])
    row_E = np.fromiter((row for one in excluded for row in one), dtype=np.int64)
    step = max(_SCORES // max(len(directions_RD), matrix_VD.shape[1]), n, 1)
    for start in range(0, len(matrix_VD), step):
        block_BD = matrix_VD[start : start + step]
        scores_QB: Floats = (directions_RD @ block_BD.T) * inverse_V[start : start + step]
        if scored is not None:
            scores_QB = scored(scores_QB)
        inside_E = (start <= row_E) & (row_E < start + step)
        scores_QB[question_E[inside_E], row_E[inside_E] - start] = -np.inf
        better = np.flatnonzero(scores_QB.max(axis=1) > best_QN[:, -1]) if start else np.arange(queries)
        _merge(rows_QN, best_QN, better, scores_QB, start)
    return rows_QN, best_QN


def _merge(rows_QN: Rows, best_QN: Floats, better: Rows, scores_QB: Floats, start: int) -> None:
    """Take into the best of the questions `better` what a block that begins at row `start` has to offer."""
    n = rows_QN.shape[1]
    if n == 1:
        place_Q = scores_QB[better].argmax(axis=1)
        rows_QN[better, 0] = start + place_Q
        best_QN[better, 0] = scores_QB[better, place_Q]
        return
    for question in better:
        scores_B = scores_QB[question]
        least = np.partition(scores_B, -n)[-n] if len(scores_B) > n else -np.inf
        place_C = np.flatnonzero(scores_B >= max(least, best_QN[question, -1]))
        # Those found before stand first, and the sort is stable: of equals the earlier row is kept.
        scores_C = np.concatenate([best_QN[question], scores_B[place_C]])
        found_C = np.concatenate([rows_QN[question], start + place_C])
        order_N = np.argsort(-scores_C, kind="stable")
        order_N = order_N[found_C[order_N] >= 0][:n]
        best_QN[question, : len(order_N)], rows_QN[question, : len(order_N)] = scores_C[order_N], found_C[order_N]
