"""Phrases are those of the formula, joined from left to right."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idiolect import _native
from idiolect.embeddings.phrases import join_phrases
from idiolect.embeddings.words import RuleWords, WordStream
from idiolect.errors import CorpusError
from idiolect.text.corpus import Corpus

Text = list[str]


def texts() -> list[Text]:
    """Texts with `new york`, `new york city` and `ice cream` amid words at random."""
    dice = random.Random(1)
    words = [a + b for a in "bdfgklm" for b in "aeiou"]
    made = []
    for _ in range(60):
        text = dice.choices([*words, "new york", "new york city", "ice cream", "new", "rarely"], k=80)
        made.append(" ".join(text).split())
    return made


def joined(texts: list[Text], threshold: float, least: int) -> list[Text]:
    """A pass, by definition."""
    counts = Counter(word for text in texts for word in text)
    counts = Counter({word: count for word, count in counts.items() if count >= least})
    total = sum(counts.values())
    pairs = Counter((a, b) for text in texts for a, b in pairwise(text) if a in counts and b in counts)
    chosen = {
        (a, b)
        for (a, b), count in pairs.items()
        if count >= least and (count - least) / (counts[a] * counts[b]) * total > threshold
    }
    made = []
    for text in texts:
        new, at = [], 0
        while at < len(text):
            two = tuple(text[at : at + 2])
            new.append("_".join(two) if two in chosen else text[at])
            at += 2 if two in chosen else 1
        made.append(new)
    counts = Counter(word for text in made for word in text)
    return [[word if counts[word] >= least else "" for word in text] for text in made]


@pytest.mark.parametrize("passes", [1, 2])
def test_passes_join_as_the_definition_does(tmp_path: Path, passes: int) -> None:
    corpus = Corpus.from_texts([" ".join(text) for text in texts()])
    expected = [document.text.split() for document in corpus.documents("train")]
    stream = WordStream.write(tmp_path / "0", corpus, RuleWords("spaces"), 5)
    for number in range(1, passes + 1):
        stream = join_phrases(stream, tmp_path / str(number), threshold=8.0, least=5)
        expected = joined(expected, 8.0, 5)
    counts = Counter(word for text in expected for word in text if word)
    vocabulary = stream.vocabulary
    assert dict(zip(vocabulary.words, vocabulary.counts.tolist())) == counts
    assert (np.diff(vocabulary.counts) <= 0).all()
    assert {"new_york", "ice_cream"} <= set(vocabulary.words)
    assert ("new_york_city" in vocabulary.words) == (passes == 2)
    ids = stream.read(0, stream.blocks)
    ends = np.flatnonzero(ids == -1)
    spoken = [[vocabulary.words[i] if i >= 0 else "" for i in part[part != -1]] for part in np.split(ids, ends + 1)]
    assert spoken[:-1] == expected


@given(st.lists(st.integers(-2, 5), max_size=40), st.lists(st.integers(0, 40), max_size=5))
def test_where_the_stream_is_cut_changes_nothing(ids: list[int], cuts: list[int]) -> None:
    phrases = [(0, 1), (1, 1), (2, 3)]
    stream = np.array([*ids, -1], np.int32)
    whole = _native.PhraseJoiner(phrases, 10).join(stream)
    joiner, counter, one = _native.PhraseJoiner(phrases, 10), _native.PairCounter(), _native.PairCounter()
    parts = np.split(stream, sorted(cuts))
    assert np.concatenate([joiner.join(part) for part in parts]).tolist() == whole.tolist()
    one.add(stream)
    for part in parts:
        counter.add(part)
    counts = np.ones(6, np.int64)
    assert counter.phrases(counts, 1, 1e-9) == one.phrases(counts, 1, 1e-9)


def test_of_more_pairs_than_are_held_the_frequent_ones_stay() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 300, 60_000).astype(np.int32)
    ids[::10], ids[1::10] = 7, 8
    counter = _native.PairCounter(2000)
    for part in np.split(ids, 60):
        counter.add(part)
    assert (7, 8) in counter.phrases(np.bincount(ids), 3000, 4.0)


def test_where_all_is_one_phrase_there_is_nothing_to_learn(tmp_path: Path) -> None:
    stream = WordStream.write(tmp_path / "0", Corpus.from_texts(["new york " * 50] * 20), RuleWords(), 5)
    with pytest.raises(CorpusError, match="Fewer than two different words"):
        join_phrases(stream, tmp_path / "1", threshold=1.0, least=5)
    assert WordStream.open(tmp_path / "1") is None
