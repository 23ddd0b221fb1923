"""Vectors as people hold them: asked by words, kept in a folder, and the same for gensim."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idiolect.embeddings import vectors as module
from idiolect.embeddings.documents import DocumentVectors
from idiolect.embeddings.spelling import near
from idiolect.embeddings.subwords import Subwords
from idiolect.embeddings.vectors import ABOUT, TENSORS, Vectors, _escaped, _unescaped
from idiolect.errors import UsageError, VectorsError

WORDS = ["the", "king", "queen", "man", "woman", "car"]
MATRIX = np.array(
    [[0.1, 0.1, 0.1], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.2, 0.1]],
    dtype=np.float32,
)


@pytest.fixture
def royal() -> Vectors:
    return Vectors(WORDS, MATRIX)


def test_a_word_has_neighbours_and_is_none_itself(royal: Vectors) -> None:
    assert [one.word for one in royal.neighbours("king", 3)] == ["the", "man", "queen"]
    assert len(royal.neighbours("king", 100)) == 5
    assert royal.neighbours(MATRIX[1], 1)[0].word == "king"  # a vector is no word: nothing is left out
    assert royal.neighbours_batch(["king", "car"], 2) == [royal.neighbours("king", 2), royal.neighbours("car", 2)]


@pytest.mark.parametrize("method", ["3CosAdd", "3CosMul"])
def test_a_king_is_to_a_man_as_a_queen_to_a_woman(royal: Vectors, method: str) -> None:
    assert royal.analogy("man", "woman", "king", 1, method=method)[0].word == "queen"  # type: ignore[arg-type]


def test_words_are_compared(royal: Vectors) -> None:
    assert royal.similarity("king", "king") == pytest.approx(1)
    assert royal.similarity("king", "queen") == pytest.approx(0.5)
    assert royal.odd_one_out(["king", "queen", "car"]) == "car"
    assert [one.word for one in royal.projection(["woman", "king", "man"], "man", "woman")] == ["man", "king", "woman"]


def test_a_vector_of_zeros_is_like_nothing() -> None:
    vectors = Vectors(["none", "one"], np.array([[0, 0], [1, 0]], dtype=np.float32))
    assert vectors.similarity("none", "one") == 0 == vectors.neighbours("none")[0].score


def test_what_is_not_there_is_said_with_near_spellings(royal: Vectors) -> None:
    with pytest.raises(UsageError, match=r"'qeen' is none of the 6 words that have a vector. Did you mean 'queen'\?"):
        royal.neighbours("qeen")
    with pytest.raises(UsageError, match=r"vector\.$"):
        royal.vector("xyzzyx")
    with pytest.raises(UsageError, match="n must be at least 1"):
        royal.neighbours("king", 0)
    with pytest.raises(UsageError, match="three or more"):
        royal.odd_one_out(["king", "car"])
    with pytest.raises(UsageError, match="no method '3CosSub'"):
        royal.analogy("man", "woman", "king", method="3CosSub")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="A vector of 3 numbers"):
        royal.neighbours(np.ones(4, dtype=np.float32))


def test_near_spellings() -> None:
    rows = {"The": 0, "then": 1, "there": 2, "film": 3, "▁king": 4}
    assert near("the", rows) == ["The", "then"]
    assert near("flim", rows) == ["film"]
    assert near("theeer", rows) == ["there"]
    assert near("king", rows) == ["▁king"]
    assert near("x" * 100, rows) == []


class Letters(Subwords):
    """Subwords as plain as can be: a word is its length."""

    def __init__(self) -> None:
        super().__init__(3, 6, np.zeros((2, 3), dtype=np.float32))

    def vector(self, word: str) -> np.ndarray:
        return np.full(3, len(word), dtype=np.float32)


def test_subwords_stand_in_for_words_that_are_not_there() -> None:
    vectors = Vectors(WORDS, MATRIX, subwords=Letters())
    assert vectors.vector("xyzzyx").tolist() == [6, 6, 6]
    assert "xyzzyx" not in vectors
    assert [one.word for one in vectors.neighbours("xyzzyx", 1)] == ["the"]


def test_a_folder_gives_the_same_back_without_a_copy(tmp_path: Path) -> None:
    words = ["the", "a\\nb", "two\nlines\r", "\\", "", "naïve 日本"]
    matrix = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    Vectors(words, matrix, np.arange(6, 0, -1), kind="skipgram").save(tmp_path / "v")
    for path in (tmp_path / "v", tmp_path / "v" / TENSORS):
        loaded = Vectors.load(path)
        assert loaded.words == words and loaded.kind == "skipgram"
        assert (loaded.matrix == matrix).all() and isinstance(loaded.matrix, np.memmap)
        assert loaded.counts is not None and loaded.counts.tolist() == [6, 5, 4, 3, 2, 1]


def test_a_folder_is_saved_over_the_one_it_was_read_from(tmp_path: Path) -> None:
    Vectors(WORDS, MATRIX).save(tmp_path / "v")
    loaded = Vectors.load(tmp_path / "v")
    loaded.most_frequent(2).save(tmp_path / "v")
    assert (loaded.matrix == MATRIX).all()  # still that of the file as it was
    assert Vectors.load(tmp_path / "v").words == WORDS[:2]
    assert sorted(path.name for path in (tmp_path / "v").iterdir()) == [ABOUT, TENSORS, "words.txt"]


def test_opening_a_folder_reads_nothing_of_it_that_is_not_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Vectors(WORDS, MATRIX).save(tmp_path)
    looked: list[int] = []
    monkeypatch.setattr(module, "_lengths", lambda words, matrix: looked.append(1) or np.linalg.norm(matrix, axis=1))
    loaded = Vectors.load(tmp_path)
    assert len(loaded) == len(WORDS) and loaded.dim == 3 and loaded.vector("king").tolist() == MATRIX[1].tolist()
    assert not looked
    assert loaded.neighbours("king") == loaded.neighbours("king") and looked == [1]


def test_what_is_wrong_in_a_folder_is_refused_where_it_is_met(tmp_path: Path) -> None:
    Vectors(WORDS, MATRIX, kind="x").save(tmp_path)
    data = bytearray((tmp_path / TENSORS).read_bytes())
    data[-2 * 4 * 3 :] = np.full(6, np.nan, dtype="<f4").tobytes()  # the last two rows
    (tmp_path / TENSORS).write_bytes(data)
    loaded = Vectors.load(tmp_path)
    assert loaded.vector("the").tolist() == MATRIX[0].tolist()
    for ask in (
        lambda: loaded.neighbours("the"),
        lambda: loaded.vector(WORDS[-1]),
        lambda: loaded.analogy("the", "king", "queen"),
        lambda: loaded.units([0]),
        lambda: loaded.export(tmp_path / "text"),
        lambda: loaded.save(tmp_path / "again"),
        lambda: loaded.most_frequent(6),
        lambda: DocumentVectors(loaded),
    ):
        with pytest.raises(VectorsError, match=f"vector of '{WORDS[-2]}' has a number that is none"):
            ask()
    assert not (tmp_path / "again").exists() and not (tmp_path / "text").exists()
    lines = (tmp_path / "words.txt").read_bytes().replace(b"queen", b"king")
    (tmp_path / "words.txt").write_bytes(lines)
    with pytest.raises(VectorsError, match="'king' has more than one vector"):
        Vectors.load(tmp_path).vector("the")
    (tmp_path / "words.txt").write_bytes(lines + b"one more\n")
    with pytest.raises(VectorsError, match="do not belong together"):
        Vectors.load(tmp_path)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1.0, 1e18, 3e37])
def test_lengths_are_right_at_the_ends_of_the_range(scale: float) -> None:
    matrix = (np.random.default_rng(0).normal(size=(50, 7)) * scale).astype(np.float32)
    matrix[7] = 0
    found = Vectors([str(number) for number in range(50)], matrix).lengths
    np.testing.assert_allclose(found, np.linalg.norm(matrix.astype(np.float64), axis=1), rtol=1e-6)


@pytest.mark.parametrize("about", ['{"kind": "", "words": 1e999, "dim": 3}', "[" * 100_000])
def test_what_is_damaged_is_refused(tmp_path: Path, about: str) -> None:
    Vectors(WORDS, MATRIX).save(tmp_path)
    (tmp_path / ABOUT).write_text(about)
    with pytest.raises(VectorsError, match="damaged"):
        Vectors.load(tmp_path)


@given(st.text("\\nr\n\rab"))
def test_any_word_is_one_line(word: str) -> None:
    assert b"\n" not in _escaped(word) and _unescaped(_escaped(word)) == word


def test_the_most_frequent(vectors: Vectors) -> None:
    some = vectors.most_frequent(10)
    assert some.words == vectors.words[:10] and np.shares_memory(some.matrix, vectors.matrix)


@pytest.mark.parametrize(
    ("words", "matrix", "says"),
    [
        (["a", "b", "a"], [[1, 2]] * 3, "'a' has more than one vector"),
        (["a", "b"], [[1, 2], [1, np.nan]], "vector of 'b'"),
        (["a", "b"], [[np.inf, 2], [1, 2]], "vector of 'a'"),
        (["a"], [[1, 2], [1, 2]], "1 words for a matrix of shape"),
        ([], np.zeros((0, 2)), "0 words"),
    ],
)
def test_what_cannot_be_is_refused(words: list[str], matrix: list[list[float]], says: str) -> None:
    with pytest.raises(VectorsError, match=says):
        Vectors(words, np.array(matrix, dtype=np.float32))


def test_a_wrong_number_of_counts_is_refused() -> None:
    with pytest.raises(VectorsError, match="2 counts for 6 words"):
        Vectors(WORDS, MATRIX, np.array([1, 2]))
