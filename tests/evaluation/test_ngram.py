"""The n-gram baseline equals a reference of dictionaries and recursion; after every context it is a distribution."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from idiolect.errors import CorpusError, ModelError, UsageError
from idiolect.evaluation.ngram import KneserNey, documents_in
from idiolect.evaluation.perplexity import stretches
from idiolect.text.document import Document
from idiolect.tokenizers.base import Tokenizer

NOTHING = -1  # fills the context of a text's first tokens


class Reference:
    """Interpolated Kneser–Ney as its formula is written: a dictionary for each order, a recursion for a probability."""

    def __init__(self, streams: Sequence[Sequence[int]], vocab_size: int, order: int) -> None:
        self.vocab_size, self.order = vocab_size, order
        counts = Counter(
            padded[i - order + 1 : i + 1]
            for padded in ((NOTHING,) * (order - 1) + tuple(stream) for stream in streams)
            for i in range(order, len(padded))
        )
        self.counts = {order: counts}
        for n in range(order - 1, 0, -1):
            counts = Counter(gram[1:] for gram in counts)  # the different n-grams of the order above that end in it
            self.counts[n] = counts
        self.followers: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for n in range(1, order + 1):
            for gram, count in self.counts[n].items():
                self.followers[gram[:-1]].append(count)

    def prob(self, token: int, context: tuple[int, ...]) -> float:
        lower = self.prob(token, context[1:]) if context else 1 / self.vocab_size
        counts = self.counts[len(context) + 1]
        followers = self.followers.get(context, [])
        if not followers:
            return lower
        once, twice = (sum(count == times for count in counts.values()) for times in (1, 2))
        discount = once / (once + 2 * twice) if once else 0.5
        kept = max(counts[(*context, token)] - discount, 0)
        return (kept + discount * len(followers) * lower) / sum(followers)

    def log_probs(self, ids: Sequence[int]) -> list[float]:
        padded = (NOTHING,) * (self.order - 1) + tuple(ids)
        return [math.log(self.prob(padded[i], padded[i - self.order + 1 : i])) for i in range(self.order, len(padded))]


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[list[int]], list[int], int, int]:
    """Some streams to learn from, one to score, the vocabulary's size and the order."""
    vocab_size = draw(st.integers(1, 6))
    token = st.integers(0, vocab_size - 1)
    streams = draw(st.lists(st.lists(token, max_size=40), max_size=4))
    streams.append(draw(st.lists(token, min_size=2, max_size=40)))
    return streams, draw(st.lists(token, max_size=40)), vocab_size, draw(st.integers(1, 5))


@settings(max_examples=150, deadline=None)
@given(corpora())
@example(([[0, 1, 1]], [0, 2, 3, 1], 4, 1))  # tokens never seen
@example(([[0, 1, 1]], [2, 2, 3, 1, 1], 4, 3))  # contexts never seen
def test_equals_the_reference(corpus: tuple[list[list[int]], list[int], int, int]) -> None:
    streams, held_out, vocab_size, order = corpus
    fast, slow = KneserNey.learn(streams, vocab_size, order), Reference(streams, vocab_size, order)
    for ids in [held_out, *streams]:
        np.testing.assert_allclose(fast.log_probs(ids), slow.log_probs(ids), rtol=0, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(corpora())
def test_every_context_has_a_distribution(corpus: tuple[list[list[int]], list[int], int, int]) -> None:
    streams, context, vocab_size, order = corpus
    model = KneserNey.learn(streams, vocab_size, order)
    probs = [math.exp(model.log_probs([0, *context, token])[-1]) for token in range(vocab_size)]
    assert sum(probs) == pytest.approx(1, abs=1e-12)
    assert min(probs) > 0


def test_a_bigram_model_worked_by_hand() -> None:
    # The bigrams of "0 1 2 1 0" and "0 1 1 0": 01 twice, 10 twice, 12 once, 21 once, 11 once. D2 = 3 / (3 + 2·2) = 3/7.
    # Different tokens before 0: one (1); before 1: three (0, 1, 2); before 2: one (1). D1 = 2 / (2 + 2·0) = 1.
    model = KneserNey.learn([[0, 1, 2, 1, 0], [0, 1, 1, 0]], vocab_size=3, order=2)
    discount = 3 / 7
    unigram = [(0 + 3 / 3) / 5, (2 + 3 / 3) / 5, (0 + 3 / 3) / 5]
    after_one = [
        (2 - discount + discount * 3 * unigram[0]) / 4,
        (1 - discount + discount * 3 * unigram[1]) / 4,
        (1 - discount + discount * 3 * unigram[2]) / 4,
    ]
    after_zero = (2 - discount + discount * 1 * unigram[1]) / 2
    assert np.exp(model.log_probs([0, 1, 2])) == pytest.approx([after_zero, after_one[2]], abs=1e-12)
    assert np.exp(model.log_probs([1, 0])) == pytest.approx([after_one[0]], abs=1e-12)
    assert model.log_probs([0, 1, 2]).round(3).tolist() == [-0.09, -1.574]


def test_a_word_that_follows_only_one_other_is_unlikely_elsewhere() -> None:
    # "Francisco" (2) is as frequent as "glasses" (3) but always follows "San" (1); 9 has never been a context.
    streams = [[0, 1, 2, 0]] * 4 + [[0, before, 3, 0] for before in (4, 5, 6, 7)]
    model = KneserNey.learn(streams, vocab_size=10, order=3)
    francisco, glasses = (model.log_probs([9, 9, token])[-1] for token in (2, 3))
    assert glasses > francisco + 1


def test_contexts_do_not_cross_streams() -> None:
    forwards = KneserNey.learn([[0, 1, 2], [0, 3, 4], [0, 2, 2]], vocab_size=5)
    backwards = KneserNey.learn([[0, 2, 2], [0, 3, 4], [0, 1, 2]], vocab_size=5)
    ids = [0, 1, 2, 0, 3, 4, 2, 2, 1]
    np.testing.assert_array_equal(forwards.log_probs(ids), backwards.log_probs(ids))


def test_a_longer_context_helps_where_there_is_something_to_learn() -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(1, 50, (30, 4))
    learnt, held_out = (words[rng.integers(0, 30, 500)].ravel().astype(np.uint16) for _ in range(2))
    costs = [-KneserNey.learn([learnt], 50, order).log_probs(held_out).mean() for order in (1, 2, 3)]
    assert math.log(50) > costs[0] > costs[1] > costs[2] > math.log(30) / 4  # the last is the entropy of a token


@pytest.mark.parametrize("order", [1, 2, 5])
def test_a_document_in_parts_scores_as_in_one(order: int, letters: Tokenizer) -> None:
    text = "the car and the cat and the rat at the end"
    model = KneserNey.learn((s.ids for s in stretches(letters, [Document(text)])), letters.vocab_size, order)
    whole = model.score(letters, [Document(text), Document("")])
    parts = [
        Document("the car and ", first=True, last=False),
        Document("", first=False, last=False),
        Document("th", first=False, last=False),
        Document("e cat and the rat at the end", first=False, last=True),
        Document(""),
    ]
    in_parts = model.score(letters, parts)
    assert in_parts.nats == pytest.approx(whole.nats, rel=1e-12)
    assert (in_parts.tokens, in_parts.bytes, in_parts.documents) == (len(text) + 2, len(text), 2)
    assert (whole.tokens, whole.bytes, whole.documents) == (len(text) + 2, len(text), 2)
    assert whole.nats == pytest.approx(
        -sum(model.log_probs(stretch.ids).sum() for stretch in stretches(letters, [Document(text), Document("")]))
    )


def test_documents_of_a_stream(letters: Tokenizer) -> None:
    texts = ["the car", "", "the cat"]
    whole = [list(stretch.ids) for stretch in stretches(letters, map(Document, texts))]
    stream = np.array([0] + [token for ids in whole for token in ids[1:]])
    assert [document.tolist() for document in documents_in(stream, end_of_text=0)] == whole
    cut_off = [document.tolist() for document in documents_in(stream[3:-3], end_of_text=0)]
    assert cut_off == [whole[0][3:], whole[1], whole[2][:-3]]


def test_texts_too_short_to_predict_anything() -> None:
    model = KneserNey.learn([[0, 1, 2, 0]], vocab_size=3)
    assert len(model.log_probs([])) == len(model.log_probs([1])) == 0


def test_refusals(letters: Tokenizer) -> None:
    for streams in ([], [[]], [[0], [1]]):
        with pytest.raises(CorpusError, match="no text to learn"):
            KneserNey.learn(streams, vocab_size=3)
    with pytest.raises(ModelError, match="Token 3 is outside"):
        KneserNey.learn([[0, 3]], vocab_size=3)
    with pytest.raises(UsageError):
        KneserNey.learn([[0, 1]], vocab_size=3, order=0)
    model = KneserNey.learn([[0, 1, 2, 0]], vocab_size=3)
    for odd in (-1, 3):
        with pytest.raises(ModelError, match=f"Token {odd} is outside"):
            model.log_probs([0, odd])
    with pytest.raises(CorpusError, match="no documents"):
        model.score(letters, [])
    with pytest.raises(CorpusError, match="all empty"):
        model.score(letters, [Document(""), Document("")])
