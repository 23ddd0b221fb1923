"""Rows laid into the plane so that neighbours stay neighbours: t-SNE (van der Maaten & Hinton 2008), exactly.

It is for a few hundred rows: memory and time are N² a step. The beginning is the plane of PCA and nothing is drawn by
chance, so that equal rows give an equal map.

Shapes: N rows, D dimensions.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from idiolect.embeddings.linear import flat

_STEPS: Final = 500
_EXAGGERATED: Final = 100  # steps in which what is near is drawn together more strongly (their section 3.4)
_EXAGGERATION: Final = 12.0


def neighbour_map(units_ND: NDArray[np.float32], perplexity: float = 12.0) -> NDArray[np.float64]:
    """(N, 2) places of rows of length 1; distances mean little, who is beside whom much."""
    count = len(units_ND)
    if count < 4:
        return flat(units_ND)
    squares_NN = np.maximum(2 - 2 * (units_ND.astype(np.float64) @ units_ND.T), 0)
    near_NN = affinities(squares_NN, min(perplexity, (count - 1) / 3))
    near_NN = np.maximum((near_NN + near_NN.T) / (2 * count), 1e-12)
    places_N2 = flat(units_ND)
    places_N2 *= 1e-2 / max(float(places_N2.std()), 1e-30)
    velocity_N2, gains_N2 = np.zeros_like(places_N2), np.ones_like(places_N2)
    rate = max(count / _EXAGGERATION, 50.0)  # Belkina et al. 2019
    for step in range(_STEPS):
        sums_N = (places_N2**2).sum(axis=1)
        kernel_NN = 1 / (1 + np.maximum(sums_N[:, None] + sums_N - 2 * places_N2 @ places_N2.T, 0))
        np.fill_diagonal(kernel_NN, 0)
        drawn_NN = near_NN * (_EXAGGERATION if step < _EXAGGERATED else 1.0) - kernel_NN / kernel_NN.sum()
        drawn_NN *= kernel_NN
        gradient_N2 = 4 * (drawn_NN.sum(axis=1)[:, None] * places_N2 - drawn_NN @ places_N2)
        gains_N2 = np.maximum(np.where(gradient_N2 * velocity_N2 > 0, gains_N2 * 0.8, gains_N2 + 0.2), 0.01)
        velocity_N2 = (0.5 if step < _EXAGGERATED else 0.8) * velocity_N2 - rate * gains_N2 * gradient_N2
        places_N2 += velocity_N2
        places_N2 -= places_N2.mean(axis=0)
    return places_N2


def affinities(squares_NN: NDArray[np.float64], perplexity: float) -> NDArray[np.float64]:
    """(N, N) how near each row is to each other, summing to 1 by row, each row as wide as its perplexity asks.

    The widths are found by halving (their section 2).
    """
    apart_NN = squares_NN + np.diag(np.full(len(squares_NN), np.inf))
    apart_NN -= apart_NN.min(axis=1, keepdims=True)
    low_N, high_N = np.zeros(len(apart_NN)), np.full(len(apart_NN), np.inf)
    narrow_N = np.ones(len(apart_NN))
    finite_NN = np.where(np.isfinite(apart_NN), apart_NN, 0)
    for _ in range(60):
        weights_NN = np.exp(-apart_NN * narrow_N[:, None])
        sums_N = weights_NN.sum(axis=1)
        entropy_N = np.log(sums_N) + narrow_N * (finite_NN * weights_NN).sum(axis=1) / sums_N
        wide_N = entropy_N > np.log(perplexity)
        low_N, high_N = np.where(wide_N, narrow_N, low_N), np.where(wide_N, high_N, narrow_N)
        narrow_N = np.where(np.isinf(high_N), narrow_N * 2, (low_N + np.minimum(high_N, 1e300)) / 2)
    shares_NN: NDArray[np.float64] = weights_NN / sums_N[:, None]
    return shares_NN
