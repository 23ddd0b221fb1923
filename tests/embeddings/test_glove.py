"""GloVe's step is the reference's; training is one for any number of threads, and goes on where it was stopped."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import numpy as np
import pytest

from idiolect import _native
from idiolect.embeddings import glove
from idiolect.embeddings.cooccurrence import Cooccurrences
from idiolect.embeddings.glove import learn_glove
from idiolect.embeddings.learning import LearningSettings, Learnt
from idiolect.embeddings.ppmi import CountSettings, ppmi_vectors
from idiolect.embeddings.reference_glove import Parameters, adagrad, glove_gradients
from idiolect.embeddings.vectors import Vectors
from idiolect.embeddings.words import RuleWords, WordStream
from idiolect.errors import CorpusError, Interrupted
from idiolect.journal import read_metrics
from idiolect.text.corpus import Corpus

TOPICS = [[topic + first + second for first in "aeiouyäöüé" for second in "bdfglm"] for topic in "prst"]


def parts(rows: np.ndarray, words: int, dim: int) -> Parameters:
    """The parameters in two of the four matrices, in double precision."""
    w, c = rows[:words].astype(np.float64), rows[words : 2 * words].astype(np.float64)
    return Parameters(w[:, :dim].copy(), c[:, :dim].copy(), w[:, dim].copy(), c[:, dim + 1].copy())


@pytest.mark.parametrize("kernels", _native.embed_kernels())
@pytest.mark.parametrize(("dim", "x_max"), [(1, 100), (14, 10), (40, 100), (100, 10)])
def test_a_step_is_that_of_the_reference(kernels: str, dim: int, x_max: float) -> None:
    words, rng = 12, np.random.default_rng(dim)
    model = _native.GloveModel(words, dim, rate=0.05, x_max=x_max, seed=1, kernels=kernels)
    for rows in (model.rows[:words], model.rows[words : 2 * words]):
        rows[:, :dim] = rng.normal(0, 0.4, (words, dim))
    parameters, squares = (parts(half, words, dim) for half in (model.rows[: 2 * words], model.rows[2 * words :]))
    for _ in range(60):
        word, context = (int(number) for number in rng.integers(0, words, 2))
        weight = float(np.float32(rng.choice([0.07, 1.0, 30.0, 99.0, 100.0, 5000.0])))
        expected, gradients = glove_gradients(parameters, word, context, weight, x_max)
        adagrad(parameters, squares, gradients, 0.05)
        assert model.step(word, context, weight) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    for half, expected_half in ((model.rows[: 2 * words], parameters), (model.rows[2 * words :], squares)):
        for found, wanted in zip(parts(half, words, dim).all(), expected_half.all()):
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=2e-5)
    assert (model.rows[:words, dim + 1] == 1).all() and (model.rows[words : 2 * words, dim] == 1).all()
    assert not model.rows[: 2 * words, dim + 2 :].any()


def test_the_gradients_of_the_reference_are_finite_differences() -> None:
    rng = np.random.default_rng(3)
    parameters = Parameters(rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=4))
    _, gradients = glove_gradients(parameters, 1, 2, 7.5, 100)
    for array, gradient in zip(parameters.all(), gradients.all()):
        for place in np.ndindex(array.shape):
            array[place] += 1e-5
            above, _ = glove_gradients(parameters, 1, 2, 7.5, 100)
            array[place] -= 2e-5
            below, _ = glove_gradients(parameters, 1, 2, 7.5, 100)
            array[place] += 1e-5
            assert gradient[place] == pytest.approx((above - below) / 2e-5, abs=1e-7)


@pytest.mark.parametrize("wrong", [[1, 7, 1.0], [7, 1, 1.0], [0, 1, 0.0], [0, 1, float("nan")], [0, 1, float("inf")]])
def test_pairs_that_cannot_be_are_refused(wrong: list[float]) -> None:
    pairs = np.array([[wrong[0], wrong[1], np.float32(wrong[2]).view(np.uint32)]], np.uint32)
    with pytest.raises(ValueError, match="no such pairs"):
        _native.GloveModel(7, 3, rate=0.05, x_max=100, seed=0).train(pairs, 0, 0)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Cooccurrences:
    """Of texts of 60,000 words, each of one topic's words, of words that all have, and of some of any topic: GloVe
    learns nothing of words that never meet."""
    dice = random.Random(0)
    of_any = [word for topic in TOPICS for word in topic]
    common = ["the", "of", "and", "is"]
    texts = []
    for _ in range(300):
        topic = dice.choice(TOPICS)
        sources = dice.choices([topic, common, of_any], [5, 3, 2], k=200)
        texts.append(" ".join(map(dice.choice, sources)))
    folder = tmp_path_factory.mktemp("pairs")
    stream = WordStream.write(folder / "ids", Corpus.from_texts(texts), RuleWords(), 5)
    (folder / "words").write_text(" ".join(stream.vocabulary.words))
    return Cooccurrences.count(folder / "pairs", stream, window=10, memory=1 << 24)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glove, "CHUNK", 2000)


def learnt(pairs: Cooccurrences, folder: Path, **changed: object) -> Learnt:
    folder.mkdir(exist_ok=True)
    settings = LearningSettings(**{"dim": 20, "epochs": 2, "threads": 1, "seed": 3, **changed})  # type: ignore[arg-type]
    return learn_glove(pairs, settings, folder)


@pytest.mark.parametrize("kind", ["glove", "ppmi"])
def test_words_of_a_topic_come_together(pairs: Cooccurrences, tmp_path: Path, kind: str) -> None:
    if kind == "glove":
        matrix = learnt(pairs, tmp_path, epochs=40, dim=6).matrix_VD
        lines = read_metrics(tmp_path)
        assert lines[-1]["train_loss"] < 0.5 * lines[0]["train_loss"] and lines[-1]["epoch"] == 40
    else:
        matrix, _ = ppmi_vectors(pairs, CountSettings(), tmp_path, dim=20)
    vectors = Vectors((pairs.path.parents[1] / "words").read_text().split(), matrix)
    for words in TOPICS:
        found = [near.word for word in words for near in vectors.neighbours(word, 5)]
        assert sum(word in words for word in found) > 0.95 * len(found)


def test_training_is_one_for_any_number_of_threads(pairs: Cooccurrences, tmp_path: Path) -> None:
    results = [learnt(pairs, tmp_path / str(n), threads=n).matrix_VD for n in (1, 2, 9)]
    assert np.isfinite(results[0]).all()
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)
    assert np.abs(results[0] - learnt(pairs, tmp_path / "seed", seed=4).matrix_VD).max() > 0.01


@pytest.mark.parametrize("stopped_at", [1, 4])
def test_stopped_and_resumed_is_never_stopped(
    pairs: Cooccurrences, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_at: int
) -> None:
    whole = learnt(pairs, tmp_path / "whole")
    chunks, read = 0, Cooccurrences.read

    def reading(self: Cooccurrences, first: int, last: int) -> np.ndarray:
        nonlocal chunks
        chunks += 1
        if chunks == stopped_at:
            signal.raise_signal(signal.SIGTERM)
        return read(self, first, last)

    with monkeypatch.context() as patched:
        patched.setattr(Cooccurrences, "read", reading)
        with pytest.raises(Interrupted, match="the same command goes on"):
            learnt(pairs, tmp_path / "cut")
    np.testing.assert_array_equal(whole.matrix_VD, learnt(pairs, tmp_path / "cut").matrix_VD)
    steps = [[line["train_loss"] for line in read_metrics(tmp_path / name)] for name in ("whole", "cut")]
    assert steps[0] == steps[1] and len(steps[0]) == 2 * -(-pairs.length // 2000) > 6


def test_each_epoch_reads_each_pair_once_in_another_order(
    pairs: Cooccurrences, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places, read = [], Cooccurrences.read

    def reading(self: Cooccurrences, first: int, last: int) -> np.ndarray:
        places.append((first, last))
        return read(self, first, last)

    monkeypatch.setattr(Cooccurrences, "read", reading)
    learnt(pairs, tmp_path)
    half = len(places) // 2
    assert sorted(places[:half]) == sorted(places[half:]) and places[:half] != places[half:]
    assert sum(last - first for first, last in places[:half]) == pairs.length


def test_texts_of_single_words_are_refused(tmp_path: Path) -> None:
    stream = WordStream.write(tmp_path / "ids", Corpus.from_texts(["one", "two"] * 9), RuleWords(), 5)
    for _ in range(2):  # nor does what was counted pass the second time
        with pytest.raises(CorpusError, match="more than one word"):
            Cooccurrences.count(tmp_path / "pairs", stream, window=5, memory=1 << 20)
