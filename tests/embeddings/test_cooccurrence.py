"""Pairs that meet are those of a count by hand, whatever memory and threads; and PPMI is that of a dense matrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from idiolect._native import EMBED_BLOCK, CooccurrenceCounter
from idiolect.embeddings import ppmi
from idiolect.embeddings.cooccurrence import Cooccurrences, weights_of
from idiolect.embeddings.ppmi import CountSettings, Ppmi, ppmi_vectors, truncated_svd
from idiolect.embeddings.reference_glove import count_pairs
from idiolect.embeddings.words import END_OF_TEXT, RARE, Vocabulary, WordStream
from idiolect.errors import ArtifactError, UsageError

WORDS = 90


def random_ids(rng: np.random.Generator, length: int, words: int = WORDS) -> np.ndarray:
    """Words by Zipf's law, rare ones and ends of texts among them."""
    shares = 1 / np.arange(1, words + 1)
    ids = rng.choice(words, length, p=shares / shares.sum()).astype(np.int32)
    ids[rng.random(length) < 0.1] = RARE
    ids[rng.random(length) < 0.02] = END_OF_TEXT
    return ids


def stream_of(ids: np.ndarray, folder: Path, words: int = WORDS) -> WordStream:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ids").write_bytes(ids.astype("<i4").tobytes())
    vocabulary = Vocabulary([f"w{n}" for n in range(words)], np.arange(words, 0, -1))
    return WordStream(folder / "ids", vocabulary, len(ids))


def dense(pairs: Cooccurrences) -> np.ndarray:
    matrix = np.zeros((pairs.words, pairs.words))
    for given in pairs.stretches():
        matrix[given[:, 0], given[:, 1]] = weights_of(given)
        matrix[given[:, 1], given[:, 0]] = weights_of(given)
    return matrix


@pytest.mark.parametrize("window", [1, 4, 15])
def test_pairs_are_those_of_a_count_by_hand(tmp_path: Path, window: int) -> None:
    ids = random_ids(np.random.default_rng(window), 3000)
    texts: list[list[int]] = [[]]
    for word in ids.tolist():
        if word == END_OF_TEXT:
            texts.append([])
        elif word != RARE:
            texts[-1].append(word)
    expected = np.zeros((WORDS, WORDS))
    for pair, weight in count_pairs(texts, window).items():
        expected[pair] = weight
    pairs = Cooccurrences.count(tmp_path, stream_of(ids, tmp_path / "s"), window=window, memory=1 << 20)
    np.testing.assert_allclose(dense(pairs), expected, rtol=1e-5)
    assert pairs.length == np.count_nonzero(np.triu(expected)) and pairs.runs == 0


def test_neither_memory_nor_threads_nor_cuts_change_a_bit(tmp_path: Path) -> None:
    words = 60_000
    ids = np.random.default_rng(0).integers(0, words, 3 * EMBED_BLOCK).astype(np.int32)  # of hardly any pair twice
    found = []
    for number, (memory, threads, cut) in enumerate(
        [(1 << 28, 1, 10**9), (1 << 20, 1, 777), (1 << 20, 3, 20_000), (1 << 20, 10**6, 20_000)]
    ):
        runs = tmp_path / f"runs{number}"
        counter = CooccurrenceCounter(words, 5, memory=memory, threads=threads, runs_path=str(runs))
        for start in range(0, len(ids), cut):
            counter.add(ids[start : start + cut])
        assert counter.finish(str(tmp_path / "pairs")) > 200_000
        assert (counter.runs > 3) == (memory == 1 << 20) == runs.exists()
        found.append((tmp_path / "pairs").read_bytes())
    assert found[0] == found[1] == found[2] == found[3]


def test_pairs_come_in_no_order_and_are_counted_once(tmp_path: Path) -> None:
    stream = stream_of(random_ids(np.random.default_rng(1), 20_000, 2000), tmp_path / "s", 2000)
    pairs = Cooccurrences.count(tmp_path / "p", stream, window=5, memory=1 << 20)
    first = pairs.read(0, pairs.length)[:, 0].astype(float)
    assert abs(np.corrcoef(first, np.arange(len(first)))[0, 1]) < 0.05
    stream.path.unlink()
    assert Cooccurrences.count(tmp_path / "p", stream, window=5, memory=1 << 20) == pairs
    assert {path.name for path in (tmp_path / "p").iterdir()} == {"pairs", "pairs.json"}


def test_what_cannot_be_counted_is_refused(tmp_path: Path) -> None:
    stream = stream_of(np.array([0, 1], np.int32), tmp_path)
    with pytest.raises(UsageError, match="at least 1048576"):
        Cooccurrences.count(tmp_path / "p", stream, window=5, memory=1000)
    with pytest.raises(ValueError, match="no word of this number"):
        CooccurrenceCounter(2, 5, memory=1 << 20, threads=1, runs_path="").add(np.array([2], np.int32))
    (tmp_path / "q" / "pairs").mkdir(parents=True)
    with pytest.raises(ArtifactError, match="cannot be written: Is a directory"):
        Cooccurrences.count(tmp_path / "q", stream, window=5, memory=1 << 20)


def ppmi_by_hand(weights: np.ndarray, shift: float) -> np.ndarray:
    contexts = weights.sum(axis=0) ** 0.75
    with np.errstate(divide="ignore"):
        information = np.log(weights / np.outer(weights.sum(axis=1), contexts / contexts.sum()))
    return np.maximum(information - np.log(shift), 0)


@pytest.fixture
def pairs(tmp_path: Path) -> Cooccurrences:
    stream = stream_of(random_ids(np.random.default_rng(2), 6000), tmp_path / "s")
    return Cooccurrences.count(tmp_path / "p", stream, window=5, memory=1 << 20)


@pytest.mark.parametrize("shift", [1.0, 2.0])
def test_products_are_those_of_the_dense_matrix(pairs: Cooccurrences, tmp_path: Path, shift: float) -> None:
    expected = ppmi_by_hand(dense(pairs), shift)
    assert 0.05 < np.count_nonzero(expected) / expected.size < 0.9
    matrix = Ppmi(pairs, tmp_path, shift=shift)
    for width in (1, 16, 37):
        x = np.random.default_rng(width).normal(size=(WORDS, width))
        np.testing.assert_allclose(matrix.times(x), expected @ x, atol=1e-4)
        np.testing.assert_allclose(matrix.transposed_times(x), expected.T @ x, atol=1e-4)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_vectors_are_those_of_a_dense_svd(pairs: Cooccurrences, tmp_path: Path, power: float) -> None:
    u, s, _ = np.linalg.svd(ppmi_by_hand(dense(pairs), 1.0))
    settings = CountSettings(eigenvalue_power=power)
    vectors, singular = ppmi_vectors(pairs, settings, tmp_path, dim=8, seed=4)
    np.testing.assert_allclose(singular, s[:8], rtol=1e-4)
    expected = u[:, :8] * s[:8] ** power
    np.testing.assert_allclose(vectors @ vectors.T, expected @ expected.T, atol=1e-4 * np.abs(expected).max() ** 2)
    again = [ppmi_vectors(pairs, settings, tmp_path / str(n), dim=8, seed=4, threads=n)[0] for n in (1, 3)]
    np.testing.assert_array_equal(again[0], again[1])
    np.testing.assert_array_equal(again[0], vectors)


def test_the_iteration_finds_a_slowly_falling_spectrum() -> None:
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.normal(size=(600, 600)))[0] for _ in range(2))
    s = 1 / np.arange(1, 601) ** 0.7
    matrix = left * s @ right.T
    u, found = truncated_svd(lambda x: matrix @ x, lambda x: matrix.T @ x, 600, 20, seed=1)
    np.testing.assert_allclose(found, s[:20], rtol=1e-4)
    np.testing.assert_allclose(np.abs(np.sum(u * left[:, :20], axis=0)), 1, atol=1e-3)
    assert (u[np.abs(u).argmax(axis=0), np.arange(20)] > 0).all()


def test_a_word_that_meets_none_has_a_vector_of_zeros(tmp_path: Path) -> None:
    ids = np.array([0, 1, 0, 2, 1, 2, END_OF_TEXT, 3, END_OF_TEXT], np.int32)
    pairs = Cooccurrences.count(tmp_path / "p", stream_of(ids, tmp_path / "s", 4), window=5, memory=1 << 20)
    vectors, singular = ppmi_vectors(pairs, CountSettings(), tmp_path, dim=2)
    assert np.isfinite(vectors).all() and np.isfinite(singular).all() and not vectors[3].any()


def test_more_dimensions_than_words_and_wrong_settings_are_refused(pairs: Cooccurrences, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lower --dim"):
        ppmi_vectors(pairs, CountSettings(), tmp_path, dim=WORDS + 1)
    for wrong in ({"shift": 0.5}, {"shift": float("nan")}, {"eigenvalue_power": -1.0}):
        with pytest.raises(UsageError, match="shift"):
            CountSettings(**wrong)
    assert ppmi.SMOOTHING == 0.75
