"""Vectors for unseen words: the mean of the vectors of their character n-grams, as in fastText.

An n-gram has no row of its own: it is hashed into one of K buckets, by fastText's hash, so that buckets can be
exchanged with it (Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information", section 3.2).

Memory: 4 K D bytes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from idiolect._native import subword_buckets
from idiolect.errors import UsageError, VectorsError

MOST_BUCKETS: Final = 2_000_000
"""Buckets that fastText takes."""


class Subwords:
    """The vectors of n-grams.

    Args:
        minn, maxn: characters of the shortest and the longest n-gram, the marks < and > around a word counted.
        buckets_KD: the vectors of the buckets.

    Raises:
        UsageError: lengths that cannot be.

    Example:
        >>> subwords.vector("unseenness")     # (D,)
    """

    def __init__(self, minn: int, maxn: int, buckets_KD: NDArray[np.float32]) -> None:
        check_lengths(minn, maxn)
        self.minn = minn
        self.maxn = maxn
        self.buckets = buckets_KD

    def ngrams(self, word: str) -> NDArray[np.uint32]:
        """The buckets of a word's n-grams, in the order of where they begin, then of their length."""
        return subword_buckets([word.encode()], self.minn, self.maxn, len(self.buckets))[1]

    def vector(self, word: str) -> NDArray[np.float32]:
        """The vector (D,) of a word that has no row of its own: zeros where it is too short for any n-gram.

        Raises:
            VectorsError: a number is not finite. It is found here, as a look at all buckets would read the whole file.
        """
        ids = self.ngrams(word)
        if not len(ids):
            return np.zeros(self.buckets.shape[1], np.float32)
        mean_D: NDArray[np.float32] = self.buckets[ids].mean(axis=0, dtype=np.float64).astype(np.float32)
        if not np.isfinite(mean_D).all():
            raise VectorsError(f"The n-grams of {word!r} have a number that is none: the vectors are damaged.")
        return mean_D


def check_lengths(minn: int, maxn: int) -> None:
    """Refuse lengths of n-grams that cannot be. Raises UsageError."""
    if not 1 <= minn <= maxn <= 100:
        raise UsageError(f"n-grams of {minn} to {maxn} characters cannot be: give lengths such as 3-6.")


def enough_buckets(words: list[str], minn: int, maxn: int) -> int:
    """Twice as many buckets as the words have different n-grams, at most as many as fastText takes."""
    hashes = subword_buckets([word.encode() for word in words], minn, maxn, 2**32)[1]
    return max(min(2 * len(np.unique(hashes)), MOST_BUCKETS), 1)
