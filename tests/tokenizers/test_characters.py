"""The character tokenizer: its alphabet is the text's, and what it has not met it refuses by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.characters import CharacterTokenizer

text = st.text(st.characters(exclude_categories=["Cs"]))


def learn(*texts: str) -> CharacterTokenizer:
    return CharacterTokenizer.learn(texts, vocab_size=10_000)


def test_ids_follow_code_points_after_the_end_of_text() -> None:
    tokenizer = learn("zebra", "Äpfel\n")
    assert tokenizer.special_tokens == {END_OF_TEXT: 0}
    assert tokenizer.alphabet == ["\n", "a", "b", "e", "f", "l", "p", "r", "z", "Ä"]
    assert tokenizer.encode("\nÄ") == [1, 10]
    assert tokenizer.vocab_size == 11


@given(text.filter(bool))
def test_what_it_learnt_from_comes_back(text: str) -> None:
    tokenizer = learn(text)
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert len(ids) == len(text)
    assert set(ids) == set(range(1, tokenizer.vocab_size))


def test_an_unknown_character_is_refused_with_its_name_and_place() -> None:
    with pytest.raises(TokenizerError, match=r"'€' \(U\+20AC\) at position 2"):
        learn("abc").encode("ab€c€")
    assert learn("abc").can_encode("cab")
    assert not learn("abc").can_encode("c€b")


def test_the_end_of_text_is_characters_unless_allowed() -> None:
    tokenizer = learn("ab" + END_OF_TEXT)
    assert 0 not in tokenizer.encode(f"a{END_OF_TEXT}b")
    assert tokenizer.encode(f"a{END_OF_TEXT}b", allowed_special={END_OF_TEXT}) == [
        *tokenizer.encode("a"),
        0,
        *tokenizer.encode("b"),
    ]


def test_the_vocabulary_size_is_a_limit_and_not_a_target() -> None:
    assert CharacterTokenizer.learn(["abc"], vocab_size=4).vocab_size == 4
    assert CharacterTokenizer.learn(["abc"], vocab_size=99).vocab_size == 4
    with pytest.raises(TokenizerError, match="3 different characters, which take 4 ids"):
        CharacterTokenizer.learn(["abc"], vocab_size=3)


def test_no_text_and_no_characters_are_refused() -> None:
    with pytest.raises(TokenizerError, match="empty"):
        Tokenizer.train(["", ""], kind="characters")
    with pytest.raises(TokenizerError, match="lone surrogate"):
        Tokenizer.train(["a\udc80"], kind="characters")
