"""BPE in plain Python: the incremental code equals the recount at every merge, on random input."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idiolect.tokenizers import reference, reference_bpe
from idiolect.tokenizers.reference import TIES

# Few letters make many ties and many pairs that overlap themselves (aaa).
words = st.dictionaries(st.lists(st.integers(1, 3), min_size=1, max_size=14).map(tuple), st.integers(1, 4), max_size=12)


@pytest.mark.parametrize("ties", TIES)
@given(words=words, most=st.integers(0, 40))
def test_learning_equals_the_reference(ties: str, words: dict[tuple[int, ...], int], most: int) -> None:
    fast = reference_bpe.learn_merges(words, first_id=4, most=most, ties=ties)
    assert fast == reference.learn_merges(words, first_id=4, most=most, ties=ties)


@pytest.mark.parametrize("ties", TIES)
@given(word=st.lists(st.sampled_from([1, 1, 1, 2]), min_size=30, max_size=120).map(tuple))
def test_learning_equals_the_reference_in_one_long_word(ties: str, word: tuple[int, ...]) -> None:
    fast = reference_bpe.learn_merges({word: 1}, first_id=3, most=60, ties=ties)
    assert fast == reference.learn_merges({word: 1}, first_id=3, most=60, ties=ties)


@pytest.mark.parametrize("ties", TIES)
@given(words=words, word=st.lists(st.integers(1, 3), max_size=40))
def test_encoding_equals_the_reference(ties: str, words: dict[tuple[int, ...], int], word: list[int]) -> None:
    merges = reference.learn_merges(words, first_id=4, most=30, ties=ties)
    merged = [4 + rank for rank in range(len(merges))]
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    assert reference_bpe.merge_word(word, ranks, merged) == reference.merge_word(word, merges, merged)


@given(st.data())
def test_encoding_equals_the_reference_for_merges_in_any_order(data: st.DataObject) -> None:
    """A file may list its merges in an order that no training gives, and give them any ids."""
    pairs = data.draw(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), unique=True, max_size=15))
    merged = [data.draw(st.integers(1, 6)) for _ in pairs]
    word = data.draw(st.lists(st.integers(1, 6), max_size=30))
    ranks = {pair: rank for rank, pair in enumerate(pairs)}
    assert reference_bpe.merge_word(word, ranks, merged) == reference.merge_word(word, pairs, merged)


@given(words)
def test_a_token_is_made_in_one_way_only(words: dict[tuple[int, ...], int]) -> None:
    """So a new merge always is a new token: no id needs to be used twice."""
    symbols: dict[int, tuple[int, ...]] = {1: (1,), 2: (2,), 3: (3,)}
    for token, (left, right) in enumerate(
        reference_bpe.learn_merges(words, first_id=4, most=60, ties="first"), start=4
    ):
        symbols[token] = symbols[left] + symbols[right]
    assert len(set(symbols.values())) == len(symbols)


@given(words)
def test_the_first_merge_is_a_most_frequent_pair(words: dict[tuple[int, ...], int]) -> None:
    counts: Counter[tuple[int, int]] = Counter()
    for word, count in words.items():
        for pair in pairwise(word):
            counts[pair] += count
    for ties in TIES:
        merges = reference_bpe.learn_merges(words, first_id=4, most=1, ties=ties)
        assert [counts[pair] for pair in merges] == sorted(counts.values())[-1:]


def test_the_worked_example_of_overlapping_pairs() -> None:
    # aaaa aaaa: aa (3 in each word), then the two aa that are left of each; no third is possible.
    assert reference_bpe.learn_merges({(1, 1, 1, 1): 2}, first_id=2, most=9, ties="first") == [(1, 1), (2, 2)]
    # aaaab: aa (3), then among aa·aa and aa·b, once each, the one met first.
    assert reference_bpe.learn_merges({(1, 1, 1, 1, 9): 1}, first_id=10, most=2, ties="first") == [(1, 1), (10, 10)]


def test_first_counts_the_place_in_the_words_as_they_are_cut_now() -> None:
    # xab, cab, xac: xa and ab twice each, xa met first; merging it takes ab from the first word (now Xb), so that
    # of the pairs met once it is ca in the second word that comes before ab there, after Xb in the first.
    words = {(24, 1, 2): 1, (3, 1, 2): 1, (24, 1, 3): 1}
    assert reference_bpe.learn_merges(words, first_id=50, most=3, ties="first") == [(24, 1), (50, 2), (3, 1)]


def test_counts_are_exact_beyond_32_bits() -> None:
    words = {(1, 2): 2**40, (3, 4): 2**40 + 1, (5, 6): 2**32}
    assert reference_bpe.learn_merges(words, first_id=7, most=2, ties="first") == [(3, 4), (1, 2)]
