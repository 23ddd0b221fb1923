"""The textbook on tokens: splitting by spaces (T1) and byte pair encoding (T3)."""

from __future__ import annotations

from collections import Counter

import pytest

from idiolect.tokenizers import bpe, reference
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.words import split_words


def test_t1_splitting_by_spaces_gives_words_and_their_ids_give_the_text_back() -> None:
    text = "the mouse ate the cheese"
    words = split_words(text)
    assert words == ["the", "mouse", "ate", "the", "cheese"]
    vocabulary = sorted(set(words))
    ids = [vocabulary.index(word) for word in words]
    assert ids == [3, 2, 0, 3, 1]
    assert " ".join(vocabulary[i] for i in ids) == text


def test_t1_hyphens_and_contractions_follow_a_rule() -> None:
    assert split_words("Fine-tuning, don't stop - it’s well-nigh done!") == [
        *("Fine-tuning", ",", "don't", "stop", "-", "it’s", "well-nigh", "done", "!")
    ]
    assert split_words("'quoted' rock'n'roll cafe\u0301 3.14") == [
        *("'", "quoted", "'", "rock'n'roll", "cafe\u0301", "3", ".", "14")
    ]
    assert split_words(" \n\t ") == []


def test_t1_chinese_has_no_spaces_so_a_learnt_tokenizer_serves() -> None:
    sentence = "老鼠吃了奶酪"
    assert split_words(sentence) == [sentence]  # splitting by spaces finds no words
    lines = ["老鼠吃了奶酪", "猫吃了老鼠", "奶酪和老鼠", "猫和奶酪", "猫看了老鼠"]
    tokenizer = Tokenizer.train(lines, vocab_size=274, ties="first")
    tokens = [tokenizer.decode([token_id]) for token_id in tokenizer.encode(sentence)]
    assert "".join(tokens) == sentence
    assert "老鼠" in tokens and "奶酪" in tokens  # mouse and cheese, learnt from nothing but the text
    new = "奶酪吃了猫"  # a sentence it has not met
    assert tokenizer.decode(tokenizer.encode(new)) == new
    assert len(tokenizer.encode(new)) < len(new)


@pytest.mark.parametrize("learn_merges", [reference.learn_merges, bpe.learn_merges], ids=["reference", "quick"])
def test_t3_bpe_merges_the_most_frequent_pair_and_ties_go_by_a_rule(learn_merges) -> None:  # type: ignore[no-untyped-def]
    words = Counter(tuple(map(ord, word)) for word in split_words("the car the cat the rat"))

    def merged(ties: str) -> list[str]:
        texts = {ord(letter): letter for letter in "thecarat"}
        for token, (left, right) in enumerate(learn_merges(words, first_id=256, most=3, ties=ties), start=256):
            texts[token] = texts[left] + texts[right]
        return [texts[token] for token in range(256, 259)]

    assert merged("first") == ["th", "the", "ca"]  # 3 times, 3 times, 2 times
    assert merged("huggingface") == ["he", "the", "at"]  # of th and he, 3 times each, the smaller ids


def test_t3_the_whole_tokenizer_learns_the_same_under_both_rules() -> None:
    pieces = {}
    for ties in ("first", "huggingface"):
        tokenizer = Tokenizer.train(["the", "car", "the", "cat", "the", "rat"], vocab_size=260, ties=ties)
        pieces[ties] = [tokenizer.token_bytes(token_id) for token_id in range(257, 260)]
    assert pieces == {"first": [b"th", b"the", b"ca"], "huggingface": [b"he", b"the", b"at"]}
