"""Merges learnt natively equal the recount at every merge, on random input, for every tie rule and option."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idiolect import _native
from idiolect.tokenizers import reference, reference_bpe

# Few letters make many ties and many pairs that overlap themselves (aaa).
words = st.dictionaries(st.lists(st.integers(0, 2), min_size=1, max_size=14).map(tuple), st.integers(1, 4), max_size=12)
wide = st.dictionaries(
    st.lists(st.integers(0, 40), min_size=1, max_size=9).map(tuple), st.integers(1, 99), max_size=300
)
RULES = {"first": "place", "huggingface": "ids"}


def native(
    words: dict[tuple[int, ...], int], symbols: int, most: int, tie: str, **options: int
) -> list[tuple[int, int]]:
    return _native.learn_merges([(list(word), count) for word, count in words.items()], symbols, most, tie, **options)


@pytest.mark.parametrize("ties", RULES)
@given(words=words, most=st.integers(0, 40))
def test_learning_equals_the_reference(ties: str, words: dict[tuple[int, ...], int], most: int) -> None:
    expected = reference.learn_merges(words, first_id=3, most=most, ties=ties)
    assert native(words, 3, most, RULES[ties]) == expected


@pytest.mark.parametrize("ties", RULES)
@given(words=wide, most=st.integers(0, 400))
def test_learning_equals_the_reference_for_many_pairs(ties: str, words: dict[tuple[int, ...], int], most: int) -> None:
    """Enough pairs of different counts that the text is recounted on the way."""
    expected = reference_bpe.learn_merges(words, first_id=41, most=most, ties=ties)
    assert native(words, 41, most, RULES[ties]) == expected


@pytest.mark.parametrize("ties", RULES)
@given(word=st.lists(st.sampled_from([0, 0, 0, 1]), min_size=30, max_size=120).map(tuple))
def test_learning_equals_the_reference_in_one_long_word(ties: str, word: tuple[int, ...]) -> None:
    assert native({word: 1}, 2, 60, RULES[ties]) == reference.learn_merges({word: 1}, first_id=2, most=60, ties=ties)


@given(words=words, min_frequency=st.integers(1, 9))
def test_no_pair_below_the_minimum_frequency_is_merged(words: dict[tuple[int, ...], int], min_frequency: int) -> None:
    every = native(words, 3, 40, "ids")
    kept = native(words, 3, 40, "ids", min_frequency=min_frequency)
    assert kept == every[: len(kept)]
    more = reference.learn_merges(words, first_id=3, most=len(kept) + 1, ties="huggingface")
    assert len(kept) == len(every) or count_of(words, more) < min_frequency


def count_of(words: dict[tuple[int, ...], int], merges: list[tuple[int, int]]) -> int:
    """How often the last of the merges occurs once the others are made."""
    total = 0
    for word, count in words.items():
        *earlier, last = merges
        merged = reference.merge_word(word, earlier, [3 + n for n in range(len(earlier))])
        total += count * sum(pair == last for pair in pairwise(merged))
    return total


@given(words=words, longest=st.integers(2, 6))
def test_no_token_is_longer_than_allowed(words: dict[tuple[int, ...], int], longest: int) -> None:
    lengths = [1, 1, 1]
    for left, right in native(words, 3, 40, "place", longest=longest):
        lengths.append(lengths[left] + lengths[right])
    assert max(lengths) <= longest


def test_counts_are_exact_beyond_32_bits() -> None:
    words = {(1, 2): 2**40, (3, 4): 2**40 + 1, (5, 6): 2**32, (7, 8): 2**31, (7, 9): 2**31 - 1}
    assert native(words, 10, 5, "ids") == [(3, 4), (1, 2), (5, 6), (7, 8), (7, 9)]


def test_words_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown symbol"):
        native({(0, 3): 1}, 3, 1, "ids")
    with pytest.raises(ValueError, match="negative count"):
        native({(0, 1): -1}, 3, 1, "ids")
    with pytest.raises(ValueError, match="place, ids or text"):
        native({(0, 1): 1}, 3, 1, "last")
    assert native({(0, 1): 1}, 3, 2**60, "ids") == [(0, 1)]


def counted(words: dict[bytes, int]) -> _native.CountedWords:
    counter = _native.WordCounter("none")
    for word, count in words.items():
        counter.add_word(word, count)
    return counter.finish()


def test_a_text_that_is_barred_becomes_no_token() -> None:
    words = counted({b"<s>": 5, b"<s": 1})
    _, merges, counts = _native.learn_from_bytes(words, bytes(range(256)), 300, "ids", barred=["<s>"])
    assert merges == [(ord("<"), ord("s"))]
    assert counts == [6]


def test_characters_are_chosen_by_coverage_and_need() -> None:
    words = counted({b"aaab": 10, "äc".encode(): 1})
    alphabet, _, _ = _native.learn_from_characters(words, 100, "ids", coverage=0.95)
    assert alphabet == [b"a", b"b"]
    alphabet, _, _ = _native.learn_from_characters(words, 100, "ids", coverage=0.95, required="z", by_frequency=True)
    assert alphabet == [b"a", b"b", b"z"]
    with pytest.raises(ValueError, match="4 characters, but there is room for 3"):
        _native.learn_from_characters(words, 3, "ids")
    with pytest.raises(ValueError, match="256 bytes once"):
        _native.learn_from_bytes(words, bytes(255), 300, "ids")


def test_full_coverage_leaves_no_character_out_however_rare() -> None:
    words = counted({b"a": 10**9, b"b": 1})
    assert _native.learn_from_characters(words, 100, "ids")[0] == [b"a", b"b"]
    assert _native.learn_from_characters(words, 100, "text", piece_rules=True)[0] == [b"a"]  # as SentencePiece has it
