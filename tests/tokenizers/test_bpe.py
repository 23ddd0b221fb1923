"""BPE: the quick code equals the reference on random input, and both refuse what no vocabulary can be learnt from."""

from __future__ import annotations

import time
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idiolect.errors import TokenizerError
from idiolect.tokenizers import bpe, reference
from idiolect.tokenizers.base import END_OF_TEXT
from idiolect.tokenizers.bpe import TIES, BytePairTokenizer

# Few letters make many ties and many pairs that overlap themselves (aaa).
words = st.dictionaries(st.lists(st.integers(1, 3), min_size=1, max_size=14).map(tuple), st.integers(1, 4), max_size=12)


@pytest.mark.parametrize("ties", TIES)
@given(words=words, most=st.integers(0, 40))
def test_learning_equals_the_reference(ties: str, words: dict[tuple[int, ...], int], most: int) -> None:
    fast = bpe.learn_merges(words, first_id=4, most=most, ties=ties)
    assert fast == reference.learn_merges(words, first_id=4, most=most, ties=ties)


@pytest.mark.parametrize("ties", TIES)
@given(word=st.lists(st.sampled_from([1, 1, 1, 2]), min_size=30, max_size=120).map(tuple))
def test_learning_equals_the_reference_in_one_long_word(ties: str, word: tuple[int, ...]) -> None:
    fast = bpe.learn_merges({word: 1}, first_id=3, most=60, ties=ties)
    assert fast == reference.learn_merges({word: 1}, first_id=3, most=60, ties=ties)


@pytest.mark.parametrize("ties", TIES)
@given(words=words, word=st.lists(st.integers(1, 3), max_size=40))
def test_encoding_equals_the_reference(ties: str, words: dict[tuple[int, ...], int], word: list[int]) -> None:
    merges = reference.learn_merges(words, first_id=4, most=30, ties=ties)
    merged = [4 + rank for rank in range(len(merges))]
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    assert bpe.merge_word(word, ranks, merged) == reference.merge_word(word, merges, merged)


@given(st.data())
def test_encoding_equals_the_reference_for_merges_in_any_order(data: st.DataObject) -> None:
    """A file may list its merges in an order that no training gives, and give them any ids."""
    pairs = data.draw(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), unique=True, max_size=15))
    merged = [data.draw(st.integers(1, 6)) for _ in pairs]
    word = data.draw(st.lists(st.integers(1, 6), max_size=30))
    ranks = {pair: rank for rank, pair in enumerate(pairs)}
    assert bpe.merge_word(word, ranks, merged) == reference.merge_word(word, pairs, merged)


@given(words)
def test_a_token_is_made_in_one_way_only(words: dict[tuple[int, ...], int]) -> None:
    """So a new merge always is a new token: no id needs to be used twice."""
    symbols: dict[int, tuple[int, ...]] = {1: (1,), 2: (2,), 3: (3,)}
    for token, (left, right) in enumerate(bpe.learn_merges(words, first_id=4, most=60, ties="first"), start=4):
        symbols[token] = symbols[left] + symbols[right]
    assert len(set(symbols.values())) == len(symbols)


@given(words)
def test_the_first_merge_is_a_most_frequent_pair(words: dict[tuple[int, ...], int]) -> None:
    counts: Counter[tuple[int, int]] = Counter()
    for word, count in words.items():
        for pair in pairwise(word):
            counts[pair] += count
    for ties in TIES:
        merges = bpe.learn_merges(words, first_id=4, most=1, ties=ties)
        assert [counts[pair] for pair in merges] == sorted(counts.values())[-1:]


def test_the_worked_example_of_overlapping_pairs() -> None:
    # aaaa aaaa: aa (3 in each word), then the two aa that are left of each; no third is possible.
    assert bpe.learn_merges({(1, 1, 1, 1): 2}, first_id=2, most=9, ties="first") == [(1, 1), (2, 2)]
    # aaaab: aa (3), then among aa·aa and aa·b, once each, the one met first.
    assert bpe.learn_merges({(1, 1, 1, 1, 9): 1}, first_id=10, most=2, ties="first") == [(1, 1), (10, 10)]


def test_first_counts_the_place_in_the_words_as_they_are_cut_now() -> None:
    # xab, cab, xac: xa and ab twice each, xa met first; merging it takes ab from the first word (now Xb), so that
    # of the pairs met once it is ca in the second word that comes before ab there, after Xb in the first.
    words = {(24, 1, 2): 1, (3, 1, 2): 1, (24, 1, 3): 1}
    assert bpe.learn_merges(words, first_id=50, most=3, ties="first") == [(24, 1), (50, 2), (3, 1)]


def test_counts_are_exact_beyond_32_bits() -> None:
    words = {(1, 2): 2**40, (3, 4): 2**40 + 1, (5, 6): 2**32}
    assert bpe.learn_merges(words, first_id=7, most=2, ties="first") == [(3, 4), (1, 2)]


def test_each_text_is_cut_on_its_own() -> None:
    apart = BytePairTokenizer.learn(["ab", "ab"], vocab_size=258, pattern="gpt2", ties="first")
    assert apart.merges == [(apart.encode("a")[0], apart.encode("b")[0])]
    with pytest.raises(TokenizerError, match="allows 1 merges"):
        BytePairTokenizer.learn(["ab", "ab"], vocab_size=259, pattern="gpt2", ties="first")


def test_no_merge_crosses_a_word() -> None:
    tokenizer = BytePairTokenizer.learn(["the car, the cat " * 5], vocab_size=264, pattern="gpt2", ties="first")
    for token in range(257, tokenizer.vocab_size):
        assert b" " not in tokenizer.token_bytes(token)[1:]


@pytest.mark.parametrize("vocab_size", [-1, 0, 1, 256])
def test_a_vocabulary_smaller_than_the_alphabet_is_refused(vocab_size: int) -> None:
    with pytest.raises(TokenizerError, match=r"256 bytes take 257 ids"):
        BytePairTokenizer.learn(["text"], vocab_size=vocab_size, pattern="gpt2", ties="first")


def test_a_vocabulary_larger_than_the_text_supports_is_refused_with_what_it_supports() -> None:
    with pytest.raises(TokenizerError, match=r"1000 is larger .* 2 merges, so 259 ids"):
        BytePairTokenizer.learn(["the", "the"], vocab_size=1000, pattern="gpt2", ties="first")
    assert BytePairTokenizer.learn(["the", "the"], vocab_size=259, pattern="gpt2", ties="first").vocab_size == 259
    with pytest.raises(TokenizerError, match="0 merges, so 257 ids"):
        BytePairTokenizer.learn([], vocab_size=258, pattern="gpt2", ties="first")
    with pytest.raises(TokenizerError, match="1114112 ids is the most"):
        BytePairTokenizer.learn(["the"], vocab_size=2_000_000, pattern="gpt2", ties="first")


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(TokenizerError, match="first, huggingface"):
        BytePairTokenizer.learn(["the"], vocab_size=258, pattern="gpt2", ties="last")
    with pytest.raises(TokenizerError, match="gpt2, cl100k"):
        BytePairTokenizer.learn(["the"], vocab_size=258, pattern="p50k", ties="first")


def test_bytes_alone_are_a_tokenizer() -> None:
    tokenizer = BytePairTokenizer.learn(["any"], vocab_size=257, pattern="gpt2", ties="first")
    assert tokenizer.special_tokens == {END_OF_TEXT: 0}
    assert len(tokenizer.encode("你好")) == 6
    assert sorted(tokenizer.token_bytes(i) for i in range(1, 257)) == [bytes([byte]) for byte in range(256)]


def test_a_long_word_is_not_quadratic() -> None:
    """Long texts without a border, of one letter or of several: quadratic cost would take hours."""
    tokenizer = BytePairTokenizer.learn(["a" * 64, "=" * 64, "abcab" * 9], vocab_size=270, pattern="gpt2", ties="first")
    start = time.monotonic()
    for text in ("a" * 2**20, "=" * 2**17, "ab" * 2**16, "abc" * 2**16):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert time.monotonic() - start < 60


def test_learning_from_a_long_word_is_not_quadratic() -> None:
    state, letters = 1, []
    for _ in range(2**15):
        state = state * 48271 % 2147483647
        letters.append("ACGT"[state % 4])
    start = time.monotonic()
    for ties in TIES:
        BytePairTokenizer.learn(["".join(letters)], vocab_size=1257, pattern="gpt2", ties=ties)
    assert time.monotonic() - start < 30


def test_the_cache_is_bounded_and_does_not_change_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpe, "_CACHED_WORDS", 3)
    tokenizer = BytePairTokenizer.learn(["the car the cat"], vocab_size=262, pattern="gpt2", ties="first")
    text = "the cat and the car and the rat and " + "t" * 100
    first = tokenizer.encode(text)
    assert tokenizer.encode(text) == first
    assert len(tokenizer._cache) <= 3
    assert all(len(word) <= 64 for word in tokenizer._cache)
