"""Counts as vectors: positive pointwise mutual information, and its singular vectors (Levy, Goldberg & Dagan 2015).

For words that meet with weight x_wc, of which x_w is the sum over c,

    M[w, c] = max(0, log(x_wc / (x_w p(c))) - log k)    p(c) = x_c^0.75 / sum of x^0.75    W = U S^p

with U S V' the singular value decomposition of M, cut to the largest D singular values. The power 0.75 smooths the
distribution of contexts (section 3.2 there); the shift log k drops weak associations; p = 0.5, not 1, weighs the
directions more alike, and 0 quite so (section 3.3).

The decomposition is random projection and subspace iteration (Halko, Martinsson & Tropp 2011, algorithms 4.4 and 5.1)
with products by the native core, which makes M's entries anew from the pairs each time. Nothing but the start is
random, and it comes from the seed; the number of threads changes nothing.

Cost: two products with M an iteration, of 8 bytes a pair and direction, from a mapped file. Memory: some five matrices
of V × 1.5 D numbers in single and double precision, and what the system keeps of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from idiolect._native import fill_rows, ppmi_product
from idiolect.embeddings.cooccurrence import Cooccurrences, weights_of
from idiolect.errors import UsageError

Floats = NDArray[np.float64]
Product = Callable[[Floats], Floats]

SMOOTHING: Final = 0.75
TOLERANCE: Final = 1e-6
"""Change of the squared singular values, as a share of the largest, at which the iteration ends."""
MOST_ITERATIONS: Final = 40
SMALL: Final = 512
"""Up to so many words nothing is projected away: the decomposition is that of the dense matrix."""


@dataclass(frozen=True)
class CountSettings:
    """Co-occurrences."""

    max_memory: int = 128 << 20
    """GloVe, PPMI: bytes that the tables of counted pairs may take; what does not fit is written to disk for a time."""
    shift: float = 1.0
    """PPMI: k, of whose logarithm each entry is made smaller, as k negatives would in skip-gram."""
    eigenvalue_power: float = 0.5
    """PPMI: power of the singular values that weighs the directions. 1: as they are; 0: all alike."""

    def __post_init__(self) -> None:
        if not 1 <= self.shift < float("inf") or not 0 <= self.eigenvalue_power <= 2:
            raise UsageError("'shift' must be at least 1, and 'eigenvalue_power' from 0 to 2.")


class Ppmi:
    """The matrix M, by its products.

    Args:
        pairs: how often words meet.
        folder: for the pairs by rows, 8 bytes each in each direction.
        shift: k.
        threads: of the products; 0: as many as this process may use.

    Example:
        >>> Ppmi(pairs, folder).times(x_VL)     # (V, L)
    """

    def __init__(self, pairs: Cooccurrences, folder: Path, *, shift: float = 1.0, threads: int = 0) -> None:
        words = pairs.words
        sums_V, lengths_V = np.zeros(words), np.zeros(words, np.int64)
        for given in pairs.stretches():
            first, second, weights = given[:, 0], given[:, 1], weights_of(given)
            apart = first != second
            sums_V += np.bincount(first, weights, words) + np.bincount(second[apart], weights[apart], words)
            lengths_V += np.bincount(first, minlength=words) + np.bincount(second[apart], minlength=words)
        self._starts = np.concatenate([[0], np.cumsum(lengths_V)])
        entries = int(self._starts[-1])
        folder.mkdir(parents=True, exist_ok=True)
        self._columns = np.memmap(folder / "columns.u32", np.uint32, "w+", shape=(entries,))
        self._logs = np.memmap(folder / "logs.f32", np.float32, "w+", shape=(entries,))
        ends_V = self._starts[:-1].copy()
        for given in pairs.stretches():
            fill_rows(given, ends_V, self._columns, self._logs)
        # A word that meets none has an empty row, and no part in the smoothed distribution.
        with np.errstate(divide="ignore"):
            log_sums_V = np.log(sums_V)
        smoothed = SMOOTHING * log_sums_V - np.log(np.sum(sums_V**SMOOTHING))
        self._of_word = (log_sums_V + np.log(shift)).astype(np.float32)
        self._of_context = smoothed.astype(np.float32)
        self._threads = threads
        self.words = words

    def times(self, x_VL: Floats) -> Floats:
        """M x."""
        return self._product(self._of_word, self._of_context, x_VL)

    def transposed_times(self, x_VL: Floats) -> Floats:
        """M' x: the pairs are the same in both directions, so only the sums change places."""
        return self._product(self._of_context, self._of_word, x_VL)

    def _product(self, of_row: NDArray[np.float32], of_column: NDArray[np.float32], x_VL: Floats) -> Floats:
        given = np.ascontiguousarray(x_VL, np.float32)
        out = ppmi_product(self._starts, self._columns, self._logs, of_row, of_column, given, self._threads)
        return out[:, : x_VL.shape[1]].astype(np.float64)


def truncated_svd(times: Product, transposed_times: Product, words: int, dim: int, seed: int) -> tuple[Floats, Floats]:
    """The left singular vectors (V, D) and the singular values (D,) of a square matrix, the largest first.

    The sign of each vector is that of its largest number.

    Args:
        times, transposed_times: products with the matrix.
        words: V.
        dim: how many are wanted, at most V.
        seed: of the random start.

    Example:
        >>> u_VD, s_D = truncated_svd(lambda x: m @ x, lambda x: m.T @ x, len(m), 100, seed=0)
    """
    wide = words if words <= SMALL else min(words, dim + max(dim // 2, 16))
    q_VL = np.linalg.qr(times(np.random.default_rng(seed).normal(size=(words, wide))))[0]
    squares_D = np.zeros(dim)
    for iteration in range(MOST_ITERATIONS):
        y_VL = transposed_times(q_VL)
        before_D = squares_D
        squares, turn_LL = np.linalg.eigh(y_VL.T @ y_VL)
        squares_D, turn_LD = squares[::-1][:dim], turn_LL[:, ::-1][:, :dim]
        if iteration == MOST_ITERATIONS - 1 or (np.abs(squares_D - before_D) <= TOLERANCE * squares_D[0]).all():
            break
        q_VL = np.linalg.qr(times(np.linalg.qr(y_VL)[0]))[0]
    u_VD = q_VL @ turn_LD
    largest = u_VD[np.abs(u_VD).argmax(axis=0), np.arange(dim)]
    return u_VD * np.where(largest < 0, -1.0, 1.0), np.sqrt(np.maximum(squares_D, 0))


def ppmi_vectors(
    pairs: Cooccurrences, settings: CountSettings, folder: Path, *, dim: int, seed: int = 0, threads: int = 0
) -> tuple[NDArray[np.float32], Floats]:
    """Vectors (V, D) of words that meet, and the singular values (D,).

    Args:
        pairs: how often they meet.
        settings: shift, and the power of the singular values.
        folder: for the matrix.
        dim: D.
        seed: of the random start.
        threads: of the products.

    Raises:
        UsageError: fewer words than dimensions.

    Example:
        >>> matrix_VD, singular_D = ppmi_vectors(pairs, CountSettings(), folder, dim=100)
    """
    if dim > pairs.words:
        raise UsageError(f"PPMI of {pairs.words:,} words has no more dimensions than these: lower --dim.")
    matrix = Ppmi(pairs, folder, shift=settings.shift, threads=threads)
    u_VD, singular_D = truncated_svd(matrix.times, matrix.transposed_times, pairs.words, dim, seed)
    return (u_VD * singular_D**settings.eigenvalue_power).astype(np.float32), singular_D
