"""Documents as vectors: the mean of their words' vectors, weighted; the baseline that a classifier has to beat.

    classifier = make_pipeline(DocumentVectors(vectors, weighting="sif"), LogisticRegression())

It has the methods scikit-learn's pipelines and searches ask for, and needs nothing of it.

- **mean**: every word counts the same.
- **sif** (smooth inverse frequency; Arora, Liang & Ma 2017, "A Simple but Tough-to-Beat Baseline for Sentence
  Embeddings", algorithm 1): a word w counts a / (a + p(w)), and the direction that all documents of the fit have in
  common (their first singular vector) is taken out.

Words are runs of letters and digits with the apostrophes within, in small letters where that form is there, and with '
for a typographic apostrophe where only that form is; words that have no vector count for nothing. Cost: one look at
each word; the fit of "sif" adds an SVD of at most 20,000 documents.

Shapes: N documents, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy as np
import regex
from numpy.typing import NDArray

from idiolect.embeddings.vectors import Vectors
from idiolect.errors import UsageError

if TYPE_CHECKING:
    from sklearn.utils import Tags

Weighting = Literal["mean", "sif"]

_WORD: Final = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}\p{N}]+)*")
_FITTED: Final = 20_000  # documents whose common direction is looked for


class DocumentVectors:
    """Texts into vectors (N, D), by the vectors of their words.

    Example:
        >>> documents = DocumentVectors(Vectors.load("vectors"), weighting="sif").fit(texts)
        >>> documents.transform(["a fine film", "a bore"]).shape
        (2, 100)
    """

    def __init__(self, vectors: Vectors, weighting: Weighting = "sif", a: float = 1e-3, remove: bool = True) -> None:
        """Keep the arguments.

        Args:
            vectors: of the words.
            weighting: "mean" or "sif".
            a: of "sif", the frequency from which on a word counts less than half (1e-3 to 1e-4 in the paper).
            remove: whether "sif" takes out the common direction.
        """
        vectors.check()
        self.vectors = vectors
        self.weighting = weighting
        self.a = a
        self.remove = remove

    def fit(self, texts: Sequence[str], labels: object = None) -> Self:
        """Count the words where the vectors do not know how often each is, and find the common direction.

        Raises:
            UsageError: a number out of range, or there is no such weighting.
        """
        if self.weighting not in ("mean", "sif"):
            raise UsageError(f"There is no weighting '{self.weighting}': choose mean or sif.")
        if not self.a > 0:
            raise UsageError(f"a must be above 0, not {self.a}.")
        self.weights_ = np.ones(len(self.vectors))
        self.common_ = np.zeros(self.vectors.dim)
        if self.weighting == "sif":
            counts = self.vectors.counts
            if counts is None:
                rows = np.fromiter((row for text in texts for row in self._rows(text)), dtype=np.int64)
                counts = np.bincount(rows, minlength=len(self.vectors))
            self.weights_ = self.a / (self.a + counts / max(int(counts.sum()), 1))
            if self.remove and len(texts):
                # Evenly over all, so that texts that come by label are not all of one.
                some = [texts[place] for place in np.linspace(0, len(texts) - 1, min(len(texts), _FITTED)).astype(int)]
                means_ND = self._means(some)
                values_D, directions_DD = np.linalg.eigh(means_ND.T @ means_ND)
                self.common_ = directions_DD[:, -1] if values_D[-1] > 0 else self.common_
        return self

    def transform(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """(N, D) the vectors of texts, float32; a text without a known word is zeros."""
        if not hasattr(self, "weights_"):
            raise UsageError("These document vectors are not fitted yet: call fit first.")
        means_ND = self._means(texts)
        return (means_ND - np.outer(means_ND @ self.common_, self.common_)).astype(np.float32)

    def fit_transform(self, texts: Sequence[str], labels: object = None) -> NDArray[np.float32]:
        """`fit`, then `transform` of the same texts."""
        return self.fit(texts, labels).transform(texts)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments it was made with."""
        return {"vectors": self.vectors, "weighting": self.weighting, "a": self.a, "remove": self.remove}

    def set_params(self, **params: Any) -> Self:
        """Change arguments by name.

        Raises:
            UsageError: there is none of that name.
        """
        for name, value in params.items():
            if name not in self.get_params():
                raise UsageError(f"Document vectors have no '{name}': there are vectors, weighting, a and remove.")
            setattr(self, name, value)
        return self

    def __sklearn_clone__(self) -> DocumentVectors:
        """Another with the same arguments, as `clone` would make it but for a copy of the vectors."""
        return DocumentVectors(**self.get_params())

    def __sklearn_tags__(self) -> Tags:
        """What scikit-learn asks of what stands in a pipeline; only it calls this."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type="transformer",
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(string=True, two_d_array=False, one_d_array=True),
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Whether `fit` was called."""
        return hasattr(self, "weights_")

    def _means(self, texts: Iterable[str]) -> NDArray[np.float64]:
        """(N, D) the weighted sums of the words' vectors by the number of words."""
        means = []
        for text in texts:
            rows = list(self._rows(text))
            weights = self.weights_[rows]
            means.append(weights @ self.vectors.matrix[rows] / max(len(rows), 1))
        return np.array(means, dtype=np.float64).reshape(len(means), self.vectors.dim)

    def _rows(self, text: str) -> Iterator[int]:
        """The rows of a text's words, as often as they come."""
        for word in _WORD.findall(text):
            forms = (word.lower(), word.lower().replace("’", "'"), word)
            form = next((form for form in forms if form in self.vectors), None)
            if form is not None:
                yield self.vectors.row(form)
