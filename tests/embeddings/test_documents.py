"""Documents as means of their words, in scikit-learn's pipelines."""

from __future__ import annotations

import numpy as np
import pytest

from idiolect.embeddings.documents import DocumentVectors, Weighting
from idiolect.embeddings.vectors import Vectors
from idiolect.errors import UsageError

TEXTS = ["The film was good.", "the FILM was bad!", "Don't see it", "xyzzy", "good good film"]


@pytest.fixture
def words() -> Vectors:
    names = ["the", "was", "film", "good", "bad", "don't", "see", "it", "IT"]
    matrix = np.random.default_rng(4).normal(size=(9, 5)).astype(np.float32)
    return Vectors(names, matrix, np.array([900, 500, 90, 40, 30, 20, 10, 6, 4]))


def test_the_mean_is_the_mean(words: Vectors) -> None:
    found = DocumentVectors(words, weighting="mean").fit_transform(TEXTS)
    assert np.allclose(found[0], words.matrix[[0, 2, 1, 3]].mean(axis=0), atol=1e-6)
    assert np.allclose(found[2], words.matrix[[5, 6, 7]].mean(axis=0), atol=1e-6)
    typographic = DocumentVectors(words, weighting="mean").fit_transform(["Don’t see it"])
    assert np.array_equal(typographic[0], found[2])
    assert (found[3] == 0).all() and found.dtype == np.float32


@pytest.mark.parametrize("counted", [True, False])
def test_sif_is_its_algorithm(words: Vectors, counted: bool) -> None:
    """Algorithm 1 of Arora et al. (2017), step by step; where no counts are known, those of the texts."""
    if counted:
        frequency = words.counts / words.counts.sum()  # type: ignore[operator, union-attr]
    else:
        words = Vectors(words.words, words.matrix)
        met = {"the": 2, "was": 2, "film": 3, "good": 3, "bad": 1, "don't": 1, "see": 1, "it": 1}
        frequency = np.array([met.get(word, 0) for word in words.words]) / sum(met.values())
    rows = [[0, 2, 1, 3], [0, 2, 1, 4], [5, 6, 7], [], [3, 3, 2]]
    a = 1e-2
    plain = np.array(
        [sum((a / (a + frequency[row]) * words.matrix[row] / len(one) for row in one), np.zeros(5)) for one in rows]
    )
    common = np.linalg.svd(plain)[2][0]
    wanted = plain - plain @ np.outer(common, common)
    documents = DocumentVectors(words, a=a).fit(TEXTS)
    assert np.allclose(documents.transform(TEXTS), wanted, atol=1e-6)
    assert np.allclose(DocumentVectors(words, a=a, remove=False).fit(TEXTS).transform(TEXTS), plain, atol=1e-6)


@pytest.mark.parametrize("weighting", ["mean", "sif"])
def test_it_stands_in_a_pipeline_and_is_searched(words: Vectors, weighting: Weighting) -> None:
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    texts, labels = ["a good film", "a bad film"] * 12, [1, 0] * 12
    classifier = make_pipeline(DocumentVectors(words, weighting=weighting), LogisticRegression(C=100))
    assert classifier.fit(texts, labels).score(texts, labels) == 1
    search = GridSearchCV(classifier, {"documentvectors__weighting": ["mean", "sif"]}, cv=2).fit(texts, labels)
    assert search.best_score_ == 1
    assert clone(DocumentVectors(words, a=0.5)).get_params() == {
        "vectors": words,
        "weighting": "sif",
        "a": 0.5,
        "remove": True,
    }


def test_what_is_wrong_is_said(words: Vectors) -> None:
    with pytest.raises(UsageError, match="no weighting 'tfidf'"):
        DocumentVectors(words, weighting="tfidf").fit(TEXTS)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a must be above 0"):
        DocumentVectors(words, a=0).fit(TEXTS)
    with pytest.raises(UsageError, match="call fit first"):
        DocumentVectors(words).transform(TEXTS)
    with pytest.raises(UsageError, match="no 'b'"):
        DocumentVectors(words).set_params(b=1)
    assert DocumentVectors(words).fit([]).transform([]).shape == (0, 5)
