"""Subwords are fastText's: the same n-grams in the same buckets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idiolect.embeddings.subwords import Subwords, enough_buckets
from idiolect.errors import UsageError, VectorsError


def fnv(text: str) -> int:
    """FNV-1a of UTF-8, the bytes as signed numbers."""
    value = 2166136261
    for byte in text.encode():
        value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619) % 2**32
    return value


def ngrams(word: str, minn: int, maxn: int) -> list[str]:
    """All runs of characters of the marked word, by definition."""
    marked = f"<{word}>"
    runs = [marked[a : a + n] for a in range(len(marked)) for n in range(minn, maxn + 1) if a + n <= len(marked)]
    return [run for run in runs if run not in ("<", ">") or run in word]


@given(st.text(st.sampled_from("abé中😀"), max_size=12), st.integers(1, 4), st.integers(0, 3))
def test_n_grams_are_those_of_the_definition(word: str, minn: int, more: int) -> None:
    subwords = Subwords(minn, minn + more, np.zeros((1009, 2), np.float32))
    assert subwords.ngrams(word).tolist() == [fnv(run) % 1009 for run in ngrams(word, minn, minn + more)]


def test_buckets_are_those_of_gensim() -> None:
    fasttext = pytest.importorskip("gensim.models.fasttext", reason="gensim, the oracle, is not installed")
    subwords = Subwords(3, 6, np.zeros((2_000_000, 1), np.float32))
    for word in ("king", "naïve", "中文", "a", "o'clock", "überraschung"):
        assert subwords.ngrams(word).tolist() == fasttext.ft_ngram_hashes(word, 3, 6, 2_000_000)


def test_an_unseen_word_is_the_mean_of_its_n_grams() -> None:
    rng = np.random.default_rng(0)
    subwords = Subwords(3, 4, rng.normal(size=(50, 3)).astype(np.float32))
    expected = np.mean([subwords.buckets[fnv(run) % 50] for run in ("<ca", "<cat", "cat", "cat>", "at>")], axis=0)
    np.testing.assert_allclose(subwords.vector("cat"), expected, rtol=1e-6)
    assert not Subwords(9, 9, subwords.buckets).vector("cat").any()


def test_lengths_that_cannot_be() -> None:
    for minn, maxn in ((0, 3), (4, 3)):
        with pytest.raises(UsageError, match="3-6"):
            Subwords(minn, maxn, np.zeros((2, 2), np.float32))


def test_buckets_are_as_many_as_are_needed() -> None:
    assert enough_buckets(["cat", "cats"], 3, 3) == 2 * len({"<ca", "cat", "at>", "ats", "ts>"})


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(VectorsError, match="'word' have a number that is none"):
        Subwords(3, 6, np.full((7, 2), np.nan, np.float32)).vector("word")
