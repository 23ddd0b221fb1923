"""Words are those of the `regex` package's patterns; a stream of ids is the corpus."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from idiolect import _native
from idiolect.embeddings.of_models import token_names
from idiolect.embeddings.words import RARE, Rule, RuleWords, TokenWords, WordStream
from idiolect.errors import CorpusError
from idiolect.text.corpus import Corpus
from idiolect.tokenizers.base import Tokenizer

PATTERNS = {
    "letters": r"[\p{L}\p{M}]+(?:'[\p{L}\p{M}]+)*",
    "words": r"[\p{L}\p{M}\p{N}]+(?:['\-][\p{L}\p{M}\p{N}]+)*",
    "spaces": r"\S+",
}
TEXTS = ["The cat's cat SAT. The cat, ‘the’ dog’s 2nd", "a-b the 3 the dog", "", "don't — dogs' do; cat"] * 3


@pytest.mark.parametrize("rule", PATTERNS)
@given(text=st.text(st.sampled_from("abé中Ż5²-'’ \n\t .\u0301\u00a0😀‐"), max_size=40))
def test_words_are_those_of_the_pattern(rule: str, text: str) -> None:
    found = [word.decode() for word in _native.cut_words(rule, text.encode())]
    assert found == regex.findall(PATTERNS[rule], text)


@pytest.mark.parametrize("rule", PATTERNS)
@pytest.mark.parametrize("lowercase", [True, False])
@given(text=st.text(st.sampled_from("abBÉé中Ż5²-'’ \n\t .\u0301\u00a0😀‐İΣ"), max_size=40))
def test_places_are_those_of_the_words(rule: Rule, lowercase: bool, text: str) -> None:
    cutter = RuleWords(rule, lowercase=lowercase)
    found = list(cutter.places(text))
    assert [word.replace("ς", "σ") for word, _, _ in found] == [word.replace("ς", "σ") for word in cutter.cut(text)]
    for word, start, end in found:
        assert cutter.cut(text[start:end]) == [word]


@given(st.binary(max_size=60))
def test_any_bytes_are_cut(data: bytes) -> None:
    text = data.decode("utf-8", errors="surrogateescape")  # a byte that is no character stands for itself
    for rule, pattern in PATTERNS.items():
        found = [word.encode("utf-8", "surrogateescape") for word in regex.findall(pattern, text)]
        assert _native.cut_words(rule, data) == found


def test_capitals_and_typographic_apostrophes() -> None:
    assert RuleWords("letters").cut("Don’t watch 'Alien 3'!") == ["don't", "watch", "alien"]
    assert RuleWords("words", lowercase=False).cut("The 1990s’ fine-tuning - Été") == [
        "The",
        "1990s",
        "fine-tuning",
        "Été",
    ]
    assert RuleWords("spaces").cut("I’m  here.\n") == ["i’m", "here."]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_stream_is_the_corpus(tmp_path: Path, threads: int) -> None:
    maker = RuleWords("letters", threads=threads)
    stream = WordStream.write(tmp_path / "ids", Corpus.from_texts(TEXTS), maker, 6)
    texts = [document.text for document in Corpus.from_texts(TEXTS).documents("train")]
    counts = Counter(word for text in texts for word in maker.cut(text))
    expected = [(word, count) for word, count in counts.most_common() if count >= 6]
    assert list(zip(stream.vocabulary.words, stream.vocabulary.counts.tolist())) == expected
    ids = stream.read(0, stream.blocks)
    assert len(ids) == stream.length and (ids == -1).sum() == len(texts)
    spoken = [[stream.vocabulary.words[i] if i != RARE else None for i in part] for part in split(ids)]
    kept = set(stream.vocabulary.words)
    assert spoken == [[word if word in kept else None for word in maker.cut(text)] for text in texts]
    again = WordStream.open(tmp_path / "ids")
    assert again is not None and again.vocabulary.words == stream.vocabulary.words and again.length == stream.length


def split(ids: np.ndarray) -> list[list[int]]:
    """The ids of each text."""
    ends = np.flatnonzero(ids == -1)
    return [part[part != -1].tolist() for part in np.split(ids, ends + 1)[:-1]]


def test_tokens_are_words(tmp_path: Path) -> None:
    corpus = Corpus.from_texts(TEXTS)
    tokenizer = Tokenizer.train(corpus, kind="bpe", vocab_size=280)
    stream = WordStream.write(tmp_path / "ids", corpus, TokenWords(tokenizer), 3)
    texts = [document.text for document in corpus.documents("train")]
    counts = Counter(token for text in texts for token in tokenizer.encode(text))
    names = token_names(tokenizer, tokenizer.vocab_size)
    kept = {names[token]: count for token, count in counts.items() if count >= 3}
    assert dict(zip(stream.vocabulary.words, stream.vocabulary.counts.tolist())) == kept
    for part, text in zip(split(stream.read(0, stream.blocks)), texts):
        spoken = [stream.vocabulary.words[i] if i != RARE else None for i in part]
        expected = [names[token] for token in tokenizer.encode(text)]
        assert spoken == [name if name in kept else None for name in expected]


def test_too_little_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="Fewer than two different words occur 50 times"):
        WordStream.write(tmp_path, Corpus.from_texts(TEXTS), RuleWords(), 50)
    with pytest.raises(CorpusError):
        WordStream.write(tmp_path, Corpus.from_texts(["one"]), RuleWords(), 1)
