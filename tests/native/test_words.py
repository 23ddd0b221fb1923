"""Words counted natively equal a Counter, whatever the threads, the batches and the cap."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idiolect import _native
from idiolect.tokenizers.patterns import splitter

texts = st.lists(st.text(st.sampled_from("ab é你\n'1"), max_size=60), max_size=12)


def count(
    texts: list[str], pattern: str = "gpt2", threads: int = 1, batch: int = 5, max_memory: int = 0
) -> _native.CountedWords:
    counter = _native.WordCounter(pattern, threads, max_memory)
    for start in range(0, len(texts), batch):
        counter.add(texts[start : start + batch])
    return counter.finish()


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k"])
@given(texts=texts)
def test_counting_equals_a_counter_in_the_order_of_first_appearance(pattern: str, texts: list[str]) -> None:
    expected: Counter[str] = Counter()
    for text in texts:
        expected.update(splitter(pattern)(text))
    assert count(texts, pattern).items() == [(word.encode(), times) for word, times in expected.items()]


def many_texts() -> list[str]:
    """Some three megabytes in which words are rare, common, short and long."""
    dice = random.Random(0)
    words = [f"w{dice.randrange(10 ** dice.randrange(1, 7))}" * dice.choice([1, 1, 1, 9]) for _ in range(20_000)]
    return [" ".join(dice.choices(words, k=30)) for _ in range(8_000)]


def test_threads_and_batches_change_nothing() -> None:
    texts = many_texts()
    alone = count(texts, threads=1, batch=len(texts)).items()
    for threads, batch in ((1, 7), (2, 1000), (4, len(texts))):
        assert count(texts, threads=threads, batch=batch).items() == alone


def test_with_a_memory_cap_the_bound_holds_and_threads_change_nothing() -> None:
    texts = many_texts()
    exact = dict(count(texts).items())
    capped = count(texts, max_memory=1 << 20, threads=2)
    kept = dict(capped.items())
    assert capped.forgotten > 0
    assert 0 < capped.missing < max(exact.values())
    for word, times in exact.items():
        assert times - capped.missing <= kept.get(word, 0) <= times
    for threads in (1, 4):
        assert count(texts, max_memory=1 << 20, threads=threads).items() == capped.items()


def test_without_need_a_cap_loses_nothing() -> None:
    words = count(["the car the cat"] * 100, max_memory=1 << 20)
    assert (words.missing, words.forgotten, len(words)) == (0, 0, 4)


def test_words_counted_elsewhere_are_taken_whole() -> None:
    counter = _native.WordCounter("gpt2")
    counter.add(["the car"])
    counter.add_word(b"the", 2**40)
    counter.add_word(b"two words", 3)
    assert counter.finish().items() == [(b"the", 2**40 + 1), (b" car", 1), (b"two words", 3)]
    with pytest.raises(ValueError, match="negative count"):
        counter.add_word(b"the", -1)
    counter.add_word(b"the", 2**63 - 1)
    with pytest.raises(ValueError, match="63 bits"):
        counter.add_word(b"the", 1)


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        count(["half \ud800"])
    with pytest.raises(ValueError, match="1048576 bytes"):
        count(["text"], max_memory=1000)
    with pytest.raises(ValueError, match="gpt2"):
        count(["text"], pattern="nothing")
    assert count([b"\xff\xfe broken \xf0\x9f".decode("latin-1"), ""]).items()


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_can_be_counted(texts: list[bytes]) -> None:
    counter = _native.WordCounter("gpt2")
    counter.add(texts)
    assert sum(len(word) * times for word, times in counter.finish().items()) == sum(map(len, texts))
