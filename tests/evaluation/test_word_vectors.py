"""Vectors measured: analogies and similarity as gensim and scipy count, drift found where it was put."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idiolect.embeddings.analogies import Method
from idiolect.embeddings.vectors import Vectors
from idiolect.errors import UsageError, VectorsError
from idiolect.evaluation.drift import measure_drift, rotation
from idiolect.evaluation.word_analogies import Accuracy, measure_analogies, read_questions
from idiolect.evaluation.word_questions import verdict
from idiolect.evaluation.word_similarity import measure_similarity, read_pairs, spearman

PAIRS = [(f"from{number}", f"to{number}") for number in range(12)]


@pytest.fixture
def paired() -> Vectors:
    """Words whose pairs differ by nearly the same step, some of them in two spellings."""
    random = np.random.default_rng(5)
    starts, step = random.normal(size=(12, 8)), random.normal(size=8)
    noise = random.normal(size=(12, 8)) * 0.4
    others = random.normal(size=(40, 8))
    words = [start for start, _ in PAIRS] + [end for _, end in PAIRS] + [f"other{number}" for number in range(40)]
    words[30], words[31], words[50] = "From3", "TO5", "other1x"
    return Vectors(words, np.concatenate([starts, starts + step + noise, others]).astype(np.float32))


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    lines = [": pairs"]
    lines += [f"{a} {b} {c} {d}" for a, b in PAIRS for c, d in PAIRS if (a, b) != (c, d)]
    lines += [": gram1-nonsense", "from1 to1 Other3 other4", "from1 to1 missing other4", ": gram2", "other1 b c d"]
    (tmp_path / "questions.txt").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "questions.txt"


@pytest.mark.parametrize("restrict", [300_000, 40])
@pytest.mark.parametrize("fold", [True, False])
def test_analogies_are_counted_as_gensim_counts(paired: Vectors, questions: Path, restrict: int, fold: bool) -> None:
    models = pytest.importorskip("gensim.models")
    theirs = models.KeyedVectors(8)
    theirs.add_vectors(paired.words, paired.matrix)
    _, sections = theirs.evaluate_word_analogies(str(questions), restrict_vocab=restrict, case_insensitive=fold)
    ours = measure_analogies(paired, questions, restrict=restrict, fold=fold)
    for one, other in zip([*ours.sections, ours.total], sections, strict=True):
        assert (one.correct, one.asked - one.correct) == (len(other["correct"]), len(other["incorrect"]))
    assert 0 < ours.total.correct < ours.total.asked


def test_sections_and_totals(paired: Vectors, questions: Path) -> None:
    found = measure_analogies(paired, questions, method="3CosMul")
    assert [one.name for one in found.sections] == ["pairs", "gram1-nonsense", "gram2"]
    assert (found.semantic.questions, found.syntactic.questions, found.total.questions) == (132, 3, 135)
    assert found.syntactic.asked == 1 and found.sections[2].asked == 0 and math.isnan(found.sections[2].share)
    assert found.sections[1].wrong[0][0] == ("from1", "to1", "Other3", "other4")


@pytest.mark.parametrize("method", ["3CosAdd", "3CosMul"])
def test_every_question_is_what_analogy_answers(paired: Vectors, questions: Path, method: Method) -> None:
    found = measure_analogies(paired, questions, fold=False, method=method)
    right = sum(
        paired.analogy(a, b, c, 1, method=method)[0].word == d for a, b, c, d in read_questions(questions)["pairs"]
    )
    assert found.sections[0].correct == right > 0


def test_no_form_of_a_word_asked_about_is_an_answer(tmp_path: Path) -> None:
    """KING lies nearer to b - a + c than queen does, and is king in other letters."""
    matrix = [[0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0.5, 0.6], [1, 0.2, 0.9]]
    vectors = Vectors(["man", "woman", "king", "KING", "queen"], np.array(matrix, dtype=np.float32))
    (tmp_path / "q").write_text(": s\nman woman king queen\nMan WOMAN King Queen\n", encoding="utf-8")
    assert vectors.analogy("man", "woman", "king", 1)[0].word == "queen"
    matrix[3] = [1, 0, 1]
    vectors = Vectors(vectors.words, np.array(matrix, dtype=np.float32))
    assert vectors.analogy("man", "woman", "king", 1)[0].word == "KING"
    assert measure_analogies(vectors, tmp_path / "q").total.correct == 2
    assert measure_analogies(vectors, tmp_path / "q", fold=False).total.correct == 0


def test_a_share_has_an_interval() -> None:
    low, high = Accuracy("", 8, 10, 10).interval
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)  # Wilson's for 8 of 10
    assert Accuracy("", 0, 0, 3).interval == (0, 1) and Accuracy("", 10, 10, 10).interval[1] == 1


@pytest.mark.parametrize(("content", "says"), [("a b c\n", "line 1 is not four words"), (": s\n", "no questions")])
def test_questions_that_are_none(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "q").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=says):
        read_questions(tmp_path / "q")
    with pytest.raises(UsageError, match="No such file"):
        read_questions(tmp_path / "missing")


def similar(folder: Path, words: list[str], missing: bool = True) -> Path:
    random = np.random.default_rng(2)
    # No pair twice, in either order: the last bit of a cosine would tell the two apart.
    pairs = {tuple(sorted(random.choice(words, 2, replace=False))) for _ in range(60)}
    lines = [f"{a}\t{b}\t{random.integers(0, 8)}" for a, b in sorted(pairs)]
    path = folder / "pairs.txt"
    path.write_text("\n".join([*lines, "other1\tMissing\t3.5"] if missing else lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("restrict", [300_000, 30])
@pytest.mark.parametrize("fold", [True, False])
def test_similarity_is_what_gensim_finds(paired: Vectors, tmp_path: Path, restrict: int, fold: bool) -> None:
    models = pytest.importorskip("gensim.models")
    theirs = models.KeyedVectors(8)
    theirs.add_vectors(paired.words, paired.matrix)
    path = similar(tmp_path, [*paired.words, "TO7", "FROM3"])
    _, (wanted, _), missing = theirs.evaluate_word_pairs(str(path), restrict_vocab=restrict, case_insensitive=fold)
    found = measure_similarity(paired, path, restrict=restrict, fold=fold)
    assert found.spearman is not None and found.spearman == pytest.approx(wanted, abs=1e-9)
    assert 100 * (1 - found.coverage) == pytest.approx(missing)
    assert found.interval[0] < found.spearman < found.interval[1]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=30))
def test_spearman_is_its_definition(pairs: list[tuple[int, int]]) -> None:
    """The correlation of the ranks, ties sharing the mean of the places they take."""

    def ranks(values: list[int]) -> list[float]:
        return [sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2 for value in values]

    both = [ranks([pair[side] for pair in pairs]) for side in (0, 1)]
    found = spearman(*(np.array(pairs).T))
    if len(set(both[0])) == 1 or len(set(both[1])) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(np.corrcoef(both)[0, 1])


def test_files_of_pairs(tmp_path: Path) -> None:
    simlex = "word1\tword2\tPOS\tSimLex999\tconc(w1)\nold\tnew\tA\t1.58\t2.72\nsmart\tintelligent\tA\t9.2\t1.75\n"
    commas = "Word 1,Word 2,Human (mean)\nlove,sex,6.77\n"
    for content, wanted in (
        (simlex, [("old", "new", 1.58), ("smart", "intelligent", 9.2)]),
        (commas, [("love", "sex", 6.77)]),
        ("# a comment\nlove sex 6.77\r\n\n", [("love", "sex", 6.77)]),
    ):
        (tmp_path / "pairs").write_text(content, encoding="utf-8")
        assert read_pairs(tmp_path / "pairs") == wanted
    for content, says in (
        ("", "no pairs"),
        ("love\tsex\t6.77\nlove\tsex\n", "line 2"),
        ("a\tb\t1\na\tb\tnan\n", "line 2"),
        ("a\tb\t1\n\tb\t2\n", "line 2"),
    ):
        (tmp_path / "pairs").write_text(content, encoding="utf-8")
        with pytest.raises(UsageError, match=says):
            read_pairs(tmp_path / "pairs")


def test_pairs_that_are_not_there_are_no_correlation(paired: Vectors, tmp_path: Path) -> None:
    (tmp_path / "pairs").write_text("no\tsuch\t1\n", encoding="utf-8")
    found = measure_similarity(paired, tmp_path / "pairs")
    assert found.spearman is None and found.coverage == 0 and found.interval == (-1, 1)


def test_a_turned_space_has_not_moved_but_for_one_word() -> None:
    random = np.random.default_rng(0)
    words, matrix = [f"w{number}" for number in range(60)], random.normal(size=(60, 6))
    turn = np.linalg.qr(random.normal(size=(6, 6)))[0]
    assert np.allclose(rotation(matrix, matrix @ turn), turn)
    moved = matrix @ turn * random.uniform(0.5, 2, size=(60, 1))
    moved[17] = random.normal(size=6)
    order = random.permutation(60)
    old = Vectors(words, matrix.astype(np.float32))
    new = Vectors([words[row] for row in order], moved[order].astype(np.float32))
    drift = measure_drift(old, new, shown=3)
    assert drift.words == 60 and drift.most[0].word == "w17"
    assert drift.median < 0.02 < drift.most[0].distance
    assert drift.most[0].before == tuple(one.word for one in old.neighbours("w17", 5))
    assert drift.least[0].distance <= drift.median


def spaces(words: int, moved: list[int], seed: int, counted: bool = True) -> list[Vectors]:
    """A meaning in three spaces: before, after (some words are elsewhere, and it is turned), and before once more. Each
    is noisy, the more, the rarer its words."""
    random = np.random.default_rng(seed)
    meaning, counts = random.normal(size=(words, 20)), np.geomspace(20_000, 20, words).astype(np.int64)
    after = meaning.copy()
    after[moved] = random.normal(size=(len(moved), 20))
    turn = np.linalg.qr(random.normal(size=(20, 20)))[0]
    noisy = [one + random.normal(size=one.shape) * 3 / counts[:, None] ** 0.3 for one in (meaning, after, meaning)]
    names = [f"w{number}" for number in range(words)]
    matrices = [noisy[0], noisy[1] @ turn, noisy[2]]
    return [Vectors(names, matrix.astype(np.float32), counts if counted else None) for matrix in matrices]


def test_the_control_tells_change_from_noise() -> None:
    moved = [3, 40, 150, 200, 260]
    old, new, again = spaces(300, moved, seed=0)
    alone = measure_drift(old, new, min_count=1, shown=5)
    assert alone.frequency is not None and alone.frequency < -0.5 and alone.noise is None and alone.control == ()
    found = measure_drift(old, new, control=(old, again), min_count=1, shown=5)
    rare = {one.word for one in alone.most if int(one.word[1:]) > 280}  # without it, rare words hide some of them
    assert {one.word for one in found.most} == {f"w{number}" for number in moved} and rare
    assert found.noise == pytest.approx(found.median, rel=0.25) and 5 <= found.beyond <= 5 + 2 * 0.05 * 300
    assert all(one.noise is not None and one.distance > one.noise for one in found.most)
    assert found.most[0].counts is not None and found.most[0].counts[0] == old.counts[old.row(found.most[0].word)]
    assert len(found.bands) == len(found.control) == 12
    assert [band.count for band in found.bands] == sorted(band.count for band in found.bands)
    assert found.control[0].distance > found.control[-1].distance
    assert "farther than 95%" in verdict(found)


def test_noise_is_called_noise() -> None:
    old, new, again = spaces(300, [], seed=1)
    found = measure_drift(old, new, control=(old, again), min_count=1)
    assert found.beyond < 30 and "hardly more than noise" in verdict(found)
    assert "is not known" in verdict(measure_drift(old, new, min_count=1))


def test_words_are_compared_that_were_met_often_enough() -> None:
    old, new, again = spaces(300, [], seed=1)
    found = measure_drift(old, new, min_count=1000, shown=300)
    often = {word for word, count in zip(old.words, old.counts) if count >= 1000}  # type: ignore[arg-type]
    assert {one.word for one in found.most} == often and {*sum((one.before for one in found.most), ())} <= often
    with pytest.raises(VectorsError, match="lower --min-count"):
        measure_drift(old, new, min_count=10**6)
    uncounted = Vectors(old.words, old.matrix)  # from a file: what the other has is enough to tell
    assert measure_drift(uncounted, new, min_count=1000).words == found.words
    with pytest.raises(VectorsError, match="lower --min-count"):
        measure_drift(uncounted, new, min_count=10**6)
    few = Vectors(["w1", "w2", "x"], again.matrix[[1, 2, 3]], np.array([9, 5, 2]))
    part = measure_drift(old, new, control=(few, few), min_count=1, shown=300)
    assert {one.word for one in part.most if one.noise is not None} == {"w1", "w2"}
    strange = Vectors(["x", "y"], again.matrix[:2])
    with pytest.raises(VectorsError, match="The control has none"):
        measure_drift(old, new, control=(strange, strange), min_count=1)


def test_vectors_without_counts_have_a_control_too() -> None:
    old, new, again = spaces(300, [3, 40], seed=2, counted=False)
    found = measure_drift(old, new, control=(old, again), shown=2)
    assert {one.word for one in found.most} == {"w3", "w40"} and found.bands == () and found.frequency is None
    assert found.most[0].counts is None and found.noise is not None and found.beyond >= 2


def test_sets_that_cannot_be_compared(paired: Vectors) -> None:
    with pytest.raises(VectorsError, match="8 and of 3 dimensions"):
        measure_drift(paired, Vectors(["a"], np.ones((1, 3), dtype=np.float32)))
    with pytest.raises(VectorsError, match="no words in common"):
        measure_drift(paired, Vectors(["a"], np.ones((1, 8), dtype=np.float32)))
