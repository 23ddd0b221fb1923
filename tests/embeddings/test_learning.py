"""Training is the same however it is cut, stopped and shared among threads; and it learns what a text shows."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import numpy as np
import pytest

from idiolect.embeddings import learning
from idiolect.embeddings.learning import LearningSettings, Learnt, learn
from idiolect.embeddings.vectors import Vectors
from idiolect.embeddings.words import RuleWords, WordStream
from idiolect.errors import ArtifactError, Interrupted, UsageError
from idiolect.journal import read_metrics
from idiolect.text.corpus import Corpus

TOPICS = [[topic + first + second for first in "aeiouyäöüé" for second in "bdfglm"] for topic in "prst"]


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> WordStream:
    """Texts of 200,000 words, each of one topic's words and of words that all have."""
    dice = random.Random(0)
    common = ["the", "of", "and", "is"]
    texts = []
    for _ in range(1000):
        words = dice.choice(TOPICS)
        texts.append(" ".join(dice.choice(common) if dice.random() < 0.4 else dice.choice(words) for _ in range(220)))
    return WordStream.write(tmp_path_factory.mktemp("stream"), Corpus.from_texts(texts), RuleWords(), 5)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "CHUNK", 8)


def settings(**changed: object) -> LearningSettings:
    return LearningSettings(**{"dim": 20, "epochs": 2, "sample": 1e-2, "threads": 1, "seed": 3, **changed})  # type: ignore[arg-type]


def learnt(stream: WordStream, folder: Path, kind: str = "skipgram", **changed: object) -> Learnt:
    folder.mkdir(exist_ok=True)
    subwords = (3, 5, 500) if changed.pop("grams", False) else None
    return learn(stream, settings(**changed), folder, kind=kind, subwords=subwords)  # type: ignore[arg-type]


WAYS = [
    {"kind": "skipgram"},
    {"kind": "cbow"},
    {"kind": "skipgram", "loss": "hierarchical"},
    {"kind": "cbow", "loss": "hierarchical"},
    {"kind": "skipgram", "grams": True},
]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_words_of_a_topic_come_together(stream: WordStream, tmp_path: Path, way: dict[str, str]) -> None:
    result = learnt(stream, tmp_path, epochs=6, lr=0.08, **way)
    vectors = Vectors(stream.vocabulary.words, result.matrix_VD)
    for words in TOPICS:
        found = [near.word for word in words for near in vectors.neighbours(word, 5)]
        assert sum(word in words for word in found) > 0.95 * len(found)
    lines = read_metrics(tmp_path)
    assert lines[-1]["train_loss"] < lines[0]["train_loss"] and lines[-1]["epoch"] == 6
    assert result.state.words == 6 * stream.vocabulary.counts.sum()


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_deterministic_training_is_one_for_any_number_of_threads(
    stream: WordStream, tmp_path: Path, way: dict[str, str]
) -> None:
    few = {"deterministic": True, "epochs": 1, "sample": 1e-3, **way}  # words that are read: threads wait at each batch
    alone, shared = (learnt(stream, tmp_path / str(n), threads=n, **few).matrix_VD for n in (1, 3))
    assert np.isfinite(alone).all() and np.abs(alone).max() > 0.1
    np.testing.assert_array_equal(alone, shared)


def test_one_thread_gives_one_result_and_a_seed_another(stream: WordStream, tmp_path: Path) -> None:
    first, second, third = (learnt(stream, tmp_path / str(n), seed=n // 2).matrix_VD for n in range(3))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - third).max() > 0.1


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("stopped_at", [1, 3])
def test_stopped_and_resumed_is_never_stopped(
    stream: WordStream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_at: int, deterministic: bool
) -> None:
    whole = learnt(stream, tmp_path / "whole", deterministic=deterministic, grams=True)
    chunks = 0
    read = WordStream.read

    def reading(self: WordStream, first: int, last: int) -> np.ndarray:
        nonlocal chunks
        chunks += 1
        if chunks == stopped_at:
            signal.raise_signal(signal.SIGTERM)
        return read(self, first, last)

    with monkeypatch.context() as patched:
        patched.setattr(WordStream, "read", reading)
        with pytest.raises(Interrupted, match="the same command goes on") as stopped:
            learnt(stream, tmp_path / "cut", deterministic=deterministic, grams=True)
    assert stopped.value.exit_code == 128 + signal.SIGTERM
    resumed = learnt(stream, tmp_path / "cut", deterministic=deterministic, grams=True)
    np.testing.assert_array_equal(whole.matrix_VD, resumed.matrix_VD)
    assert whole.subwords and resumed.subwords
    np.testing.assert_array_equal(whole.subwords.buckets, resumed.subwords.buckets)
    steps = [
        [(line["step"], line["train_loss"]) for line in read_metrics(tmp_path / name)] for name in ("whole", "cut")
    ]
    assert steps[0] == steps[1]


def test_a_checkpoint_of_every_chunk_and_none_that_is_damaged(stream: WordStream, tmp_path: Path) -> None:
    learnt(stream, tmp_path, checkpoint_every=1e-9)
    (checkpoint,) = (tmp_path / "checkpoints").iterdir()
    data = bytearray((checkpoint / "matrices.f32").read_bytes())
    data[1000] ^= 1
    (checkpoint / "matrices.f32").write_bytes(data)
    with pytest.raises(ArtifactError, match="is damaged: delete that folder"):
        learnt(stream, tmp_path)


def test_the_vector_of_a_word_is_the_mean_of_its_rows(stream: WordStream, tmp_path: Path) -> None:
    result = learnt(stream, tmp_path, grams=True)
    assert result.subwords is not None and result.subwords.buckets.shape == (500, 20)
    word = stream.vocabulary.words[7]
    ids = result.subwords.ngrams(word)
    own = result.matrix_VD[7] * (len(ids) + 1) - result.subwords.buckets[ids].sum(axis=0)
    assert np.abs(own).max() < 5  # its own row, which is not stored by itself
    made = result.subwords.vector(word) * len(ids) / (len(ids) + 1) + own / (len(ids) + 1)
    np.testing.assert_allclose(made, result.matrix_VD[7], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [("dim", 0), ("epochs", -1), ("window", -1), ("negative", 0), ("seed", -1), ("lr", -1.0), ("sample", float("nan"))],
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=name):
        settings(**{name: value})
