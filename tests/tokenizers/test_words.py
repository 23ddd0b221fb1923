"""Words by rule and between spaces: what is kept, what is unknown, and that both say what they lose."""

from __future__ import annotations

from pathlib import Path

import pytest
import regex
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.words import UNKNOWN, Rule, WordTokenizer, split_words

RULES: list[Rule] = ["words", "whitespace"]
texts = st.text(st.characters(exclude_categories=["Cs", "Cn"])) | st.lists(
    st.sampled_from(
        ["the", " ", "  ", "\n", "don't", "fine-tuning", "-", "'", "’", "e\u0301", "3.14", "中文", "😀", "\u3000"]
    )
).map("".join)
known_words = st.lists(st.sampled_from(["the", "cat", "don't", "fine-tuning", "中文", "!"]), min_size=1)


def learn(*lines: str, rule: Rule = "words", vocab_size: int = 1000) -> WordTokenizer:
    return WordTokenizer.learn(lines, vocab_size=vocab_size, rule=rule)


def test_the_most_frequent_words_come_first_and_of_equals_the_first_by_code_points() -> None:
    tokenizer = learn("the cat, the dog", "a cat; the end")
    assert tokenizer.words == ["the", "cat", ",", ";", "a", "dog", "end"]
    assert learn("the cat, the dog", "a cat; the end", vocab_size=4).words == ["the", "cat"]
    assert learn("the cat, the cat, dog", rule="whitespace").words == ["cat,", "the", "dog"]
    assert tokenizer.encode("the cat") == [2, 3]


def test_a_word_that_was_not_met_is_the_unknown_token() -> None:
    tokenizer = learn("the cat")
    ids = tokenizer.encode("the dog")
    assert ids == [3, tokenizer.unknown]
    assert tokenizer.decode(ids) == f"the {UNKNOWN}"
    assert tokenizer.can_encode("dog") and not tokenizer.can_encode("\ud800")


@given(known_words)
def test_known_words_with_single_spaces_between_come_back(words: list[str]) -> None:
    for rule in RULES:
        tokenizer = learn(*words, rule=rule)
        assert tokenizer.decode(tokenizer.encode(" ".join(words))) == " ".join(words)


@given(texts)
def test_of_any_text_the_words_come_back(text: str) -> None:
    for rule in RULES:
        words = split_words(text, rule)
        assert "".join(words) == regex.sub(r"\s+", "", text)
        if words and not {END_OF_TEXT, UNKNOWN} & set(words):
            tokenizer = learn(text, rule=rule)
            assert split_words(tokenizer.decode(tokenizer.encode(text)), rule) == words


def test_a_stream_puts_the_same_spaces() -> None:
    tokenizer = learn("the cat sat.")
    ids = [0, *tokenizer.encode("the cat sat down."), 0, *tokenizer.encode("the")]
    stream = tokenizer.stream()
    assert "".join(map(stream.push, ids)) + stream.flush() == tokenizer.decode(ids) == f"the cat sat {UNKNOWN} . the"


def test_names_of_tokens_are_no_words() -> None:
    tokenizer = learn(f"a {END_OF_TEXT} {UNKNOWN} b", rule="whitespace")
    assert tokenizer.words == ["a", "b"]
    assert tokenizer.encode(f"a {END_OF_TEXT} b") == [2, tokenizer.unknown, 3]
    assert tokenizer.encode(f"a {END_OF_TEXT} b", allowed_special={END_OF_TEXT}) == [2, 0, 3]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(TokenizerError, match="no words to learn"):
        learn(" \n")
    with pytest.raises(TokenizerError, match="take 3 ids"):
        learn("the", vocab_size=2)
    with pytest.raises(TokenizerError, match="'two words' cannot be a token"):
        WordTokenizer(["two words"], "whitespace")
    with pytest.raises(TokenizerError, match="twice"):
        WordTokenizer(["the", "the"], "words")
    with pytest.raises(TokenizerError, match="lone surrogate"):
        learn("the").encode("the \ud800")


@pytest.mark.parametrize("rule", RULES)
def test_hugging_faces_tokenizers_gives_the_same_ids(tmp_path: Path, rule: Rule) -> None:
    lines = [
        "Don't fear fine-tuning; it’s well-nigh done!",
        "naïve cafe\u0301, 你好 世界\u3000x",
        "3.14 a_b 'q' <a> a--b",
    ]
    tokenizer = learn(*lines, rule=rule, vocab_size=20)
    tokenizer.save(tmp_path)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in [*lines, "unheard-of words\n\n  and\tspaces\x85here", "", " "]:
        assert theirs.encode(text, add_special_tokens=False).ids == tokenizer.encode(text)
        assert theirs.decode(tokenizer.encode(text)) == tokenizer.decode(tokenizer.encode(text))
    again = Tokenizer.load(tmp_path)
    assert isinstance(again, WordTokenizer) and again.kind == rule
    assert again.fingerprint() == tokenizer.fingerprint()


def test_hugging_faces_trainer_learns_the_same_vocabulary(data_folder: Path) -> None:
    lines = (data_folder / "shakespeare" / "tinyshakespeare.txt").read_text("utf-8").splitlines()[:5000]
    theirs = tokenizers.Tokenizer(tokenizers.models.WordLevel(unk_token=UNKNOWN))
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    special = [END_OF_TEXT, UNKNOWN]
    trainer = tokenizers.trainers.WordLevelTrainer(vocab_size=2000, special_tokens=special, show_progress=False)
    theirs.train_from_iterator(lines, trainer)
    ours = learn(*lines, rule="whitespace", vocab_size=2000)
    assert theirs.get_vocab() == {name: i for i, name in enumerate([*special, *ours.words])}


@pytest.mark.parametrize(
    ("part", "value", "fault"),
    [
        ('"invert": true', '"invert": false', "not one of characters"),
        ('"decoder": null', '"decoder": {"type": "Fuse"}', "does not join words by spaces"),
        ('"cat": 3', '"the cat": 3', "'the cat' cannot be a token"),
        ('"cat": 3', '"cat": 4', "none with id 3"),
        ('"<|unknown|>": 1', '"<unk>": 1', "first tokens are not"),
        ('"cat": 3', '"c\\\\ud800": 3', "lone surrogate|cannot be a token"),
    ],
)
def test_a_damaged_file_is_refused_with_the_fault(tmp_path: Path, part: str, value: str, fault: str) -> None:
    learn("the the cat").save(tmp_path)
    file = tmp_path / "tokenizer.json"
    text = file.read_text("utf-8")
    assert part in text
    file.write_text(text.replace(part, value), "utf-8")
    with pytest.raises(TokenizerError, match=fault):
        Tokenizer.load(tmp_path)
