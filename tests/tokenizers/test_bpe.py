"""The BPE tokenizer: what it learns, what it refuses to learn from, and that no input makes it slow."""

from __future__ import annotations

import time

import pytest

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.reference import TIES


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
    with pytest.raises(TokenizerError, match="2 merges, so 259 ids"):
        BytePairTokenizer.learn(["the"], vocab_size=2**40, pattern="gpt2", ties="first")


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
