"""One step of word vectors, natively, is the reference's: loss and every row, for each kind, loss and kernel."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from idiolect import _native
from idiolect.embeddings.reference import Batch, gradients

WORDS, BUCKETS = 40, 23
COUNTS = np.sort(np.random.default_rng(5).integers(1, 900, WORDS))[::-1].copy().astype(np.int64)


def subwords(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    """Some n-grams for each word: starts, buckets, and the rows of each word."""
    lengths = rng.integers(0, 5, WORDS)
    buckets = rng.integers(0, BUCKETS, lengths.sum()).astype(np.uint32)
    starts = np.cumsum([0, *lengths]).astype(np.int64)
    rows = [[w, *(WORDS + buckets[starts[w] : starts[w + 1]].astype(int))] for w in range(WORDS)]
    return starts, buckets, rows


def model(*, cbow: bool, hierarchical: bool, dim: int, kernels: str, grams: bool) -> tuple[_native.EmbedModel, list]:
    rng = np.random.default_rng(1)
    starts, buckets, rows = subwords(rng)
    if not grams:
        starts, buckets, rows = starts[:0], buckets[:0], [[word] for word in range(WORDS)]
    options = {"cbow": cbow, "hierarchical": hierarchical, "dim": dim, "window": 4, "negative": 5, "sample": 1e-3}
    options |= {"rate": 0.025, "epochs": 1, "seed": 0}
    made = _native.EmbedModel(COUNTS, starts, buckets, BUCKETS if grams else 0, **options, kernels=kernels)
    for matrix in (made.input, made.output):
        matrix[:, :dim] = rng.normal(0, 0.4, (len(matrix), dim))
    return made, rows


def random_batch(rng: np.random.Generator, negatives: int) -> Batch:
    """Centres amid words, among them one that is alone, and negatives some of which are centres."""
    words = rng.integers(0, WORDS, rng.integers(2, 40)).tolist()
    first = int(rng.integers(0, len(words)))
    last = int(rng.integers(first, len(words))) + 1
    windows = []
    for centre in range(first, last):
        reach = int(rng.integers(0, 5))
        windows.append((max(centre - reach, 0), min(centre + reach + 1, len(words))))
    return Batch(words, first, windows, rng.integers(0, WORDS, negatives).tolist())


@pytest.mark.parametrize("kernels", _native.embed_kernels())
@pytest.mark.parametrize("grams", [False, True], ids=["words", "subwords"])
@pytest.mark.parametrize("hierarchical", [False, True], ids=["negative", "hierarchical"])
@pytest.mark.parametrize("cbow", [False, True], ids=["skipgram", "cbow"])
def test_a_step_is_that_of_the_reference(cbow: bool, hierarchical: bool, grams: bool, kernels: str) -> None:
    for case, dim in enumerate([1, 7, 40, 100]):
        rng = np.random.default_rng(case)
        native, rows = model(cbow=cbow, hierarchical=hierarchical, dim=dim, kernels=kernels, grams=grams)
        before = native.input[:, :dim].astype(np.float64), native.output[:, :dim].astype(np.float64)
        paths = [native.path(word) for word in range(WORDS)] if hierarchical else None
        batch = random_batch(rng, 0 if hierarchical else 32)
        expected = gradients(batch, *before, rows=rows, cbow=cbow, paths=paths)
        loss, pairs = native.step(
            np.array(batch.words_P, np.int32),
            batch.first,
            np.array(batch.windows_C, np.uint32),
            np.array(batch.negatives_K, np.int32),
            0.5,
        )
        assert pairs == expected.pairs
        assert loss == pytest.approx(expected.loss, rel=1e-5)
        np.testing.assert_allclose(native.input[:, :dim], before[0] - 0.5 * expected.input_RD, rtol=1e-4, atol=2e-5)
        np.testing.assert_allclose(native.output[:, :dim], before[1] - 0.5 * expected.output_TD, rtol=1e-4, atol=2e-5)
        assert not native.input[:, dim:].any() and not native.output[:, dim:].any()  # what fills the rows stays zero


@pytest.mark.parametrize("hierarchical", [False, True])
def test_the_gradients_of_the_reference_are_finite_differences(hierarchical: bool) -> None:
    rng = np.random.default_rng(3)
    native, rows = model(cbow=False, hierarchical=hierarchical, dim=4, kernels="", grams=False)
    paths = [native.path(word) for word in range(WORDS)] if hierarchical else None
    matrices = [native.input[:, :4].astype(np.float64), native.output[:, :4].astype(np.float64)]
    batch = Batch([3, 1, 4, 1, 5, 9], 1, [(0, 4), (1, 5), (2, 5)], [] if hierarchical else [2, 1, 4, 7])

    def loss() -> float:
        return gradients(batch, *matrices, rows=rows, cbow=False, paths=paths).loss

    found = gradients(batch, *matrices, rows=rows, cbow=False, paths=paths)
    for matrix, gradient in zip(matrices, (found.input_RD, found.output_TD)):
        for place in map(tuple, rng.integers(0, [len(matrix), 4], (60, 2))):
            matrix[place] += 1e-5
            above = loss()
            matrix[place] -= 2e-5
            below = loss()
            matrix[place] += 1e-5
            assert gradient[place] == pytest.approx((above - below) / 2e-5, abs=1e-7)


def test_negatives_are_drawn_by_the_three_quarter_power_of_the_counts() -> None:
    native, _ = model(cbow=False, hierarchical=False, dim=4, kernels="", grams=False)
    weights = COUNTS**0.75
    np.testing.assert_allclose(native.negative_probabilities(), weights / weights.sum(), rtol=1e-6, atol=1e-9)


def test_the_share_of_a_word_that_is_read_is_that_of_word2vec() -> None:
    native, _ = model(cbow=False, hierarchical=False, dim=4, kernels="", grams=False)
    ratio = 1e-3 * COUNTS.sum() / COUNTS
    np.testing.assert_allclose(native.kept_shares(), np.minimum(1, np.sqrt(ratio) + ratio), rtol=1e-6)


def test_the_tree_is_a_huffman_tree() -> None:
    native, _ = model(cbow=False, hierarchical=True, dim=4, kernels="", grams=False)
    paths = [native.path(word) for word in range(WORDS)]
    codes = {tuple(code for _, code in path) for path in paths}
    assert len(codes) == WORDS and sum(2.0 ** -len(code) for code in codes) == 1  # a whole binary tree
    ways = Counter(step for path in paths for step in path)
    assert len(ways) == 2 * (WORDS - 1)
    assert all(path[0][0] == WORDS - 2 for path in paths)  # the root
    weights, cost = sorted(COUNTS.tolist()), 0
    while len(weights) > 1:
        joined = weights.pop(0) + weights.pop(0)
        cost += joined
        weights = sorted([*weights, joined])
    assert sum(count * len(path) for count, path in zip(COUNTS.tolist(), paths)) == cost
