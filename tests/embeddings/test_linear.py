"""Pairs whose steps are parallel, and rows laid into the plane."""

from __future__ import annotations

import numpy as np
import pytest

from idiolect.embeddings.linear import flat, flat_pairs, known_pairs, parallelism
from idiolect.embeddings.neighbour_map import affinities, neighbour_map
from idiolect.embeddings.vectors import Vectors

PAIRS = [("man", "woman"), ("king", "queen"), ("boy", "girl"), ("he", "she")]


@pytest.fixture
def parallel() -> Vectors:
    """Pairs of one step, before their rows are made of length 1 (they nearly are)."""
    random = np.random.default_rng(0)
    starts = random.normal(size=(4, 12))
    starts /= np.linalg.norm(starts, axis=1, keepdims=True)
    step = np.full(12, 0.1)
    words = [word for pair in PAIRS for word in pair]
    words[2] = "King"
    matrix = np.stack([starts, starts + step], axis=1).reshape(8, 12)
    return Vectors(words, matrix.astype(np.float32))


def test_pairs_are_found_in_either_case_the_frequent_first(parallel: Vectors) -> None:
    pairs = [("nephew", "niece"), ("boy", "girl"), ("king", "queen")]
    assert known_pairs(parallel, pairs) == [("King", "queen"), ("boy", "girl")]
    assert known_pairs(parallel, pairs, most=1) == [("King", "queen")]


def test_parallel_steps_are_told_from_shuffled_ones(parallel: Vectors) -> None:
    pairs = known_pairs(parallel, PAIRS)
    found = parallelism(parallel, pairs)
    units = parallel.matrix / np.linalg.norm(parallel.matrix, axis=1, keepdims=True)
    steps = np.array([units[parallel.row(b)] - units[parallel.row(a)] for a, b in pairs])
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    cosines = steps @ steps.T
    assert found.pairs == pytest.approx((cosines.sum() - 4) / 12, abs=1e-6)
    assert found.pairs > 0.8 > 0.4 > found.shuffled


def test_steps_go_upwards(parallel: Vectors) -> None:
    steps = np.diff(flat_pairs(parallel, known_pairs(parallel, PAIRS)), axis=1)[:, 0]
    assert steps.mean(axis=0)[0] == pytest.approx(0, abs=1e-9) and steps.mean(axis=0)[1] > 0


def test_the_plane_keeps_what_lies_in_one() -> None:
    random = np.random.default_rng(1)
    places = random.normal(size=(20, 2))
    turn = np.linalg.qr(random.normal(size=(7, 7)))[0][:2]
    laid = flat((places @ turn).astype(np.float32))
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    assert np.allclose(np.linalg.norm(laid[:, None] - laid, axis=2), apart, atol=1e-5)
    assert flat(np.ones((3, 1), dtype=np.float32)).tolist() == [[0, 0]] * 3


def test_affinities_are_as_wide_as_asked() -> None:
    random = np.random.default_rng(2)
    rows = random.normal(size=(30, 5))
    squares = ((rows[:, None] - rows) ** 2).sum(axis=2)
    near = affinities(squares, 6.0)
    entropy = -(near * np.log(np.maximum(near, 1e-300))).sum(axis=1)
    assert np.allclose(np.exp(entropy), 6.0) and np.allclose(near.sum(axis=1), 1) and (np.diag(near) == 0).all()


def test_a_map_keeps_groups_together_and_is_always_the_same() -> None:
    random = np.random.default_rng(3)
    group = np.repeat(np.arange(4), 12)
    rows = random.normal(size=(4, 10))[group] + 0.3 * random.normal(size=(48, 10))
    units = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    places = neighbour_map(units)
    assert np.array_equal(places, neighbour_map(units)) and np.isfinite(places).all()
    apart = np.linalg.norm(places[:, None] - places, axis=2) + np.diag(np.full(48, np.inf))
    assert (group[apart.argmin(axis=1)] == group).all()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_rows_have_a_map_too(count: int) -> None:
    assert np.isfinite(neighbour_map(np.eye(5, dtype=np.float32)[:count])).all()
