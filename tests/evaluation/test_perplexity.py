"""Scoring with a model equals predicting one token at a time, however the text is cut, batched or handed over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from idiolect.errors import CorpusError, ModelError, UsageError
from idiolect.evaluation import perplexity
from idiolect.evaluation.perplexity import Score, score, stretches, token_log_probs
from idiolect.models.build import build
from idiolect.models.model import Model
from idiolect.models.spec import RecurrentSpec, TransformerSpec
from idiolect.nn.cache import KVCache
from idiolect.text.document import Document
from idiolect.tokenizers.base import Tokenizer

CONTEXT = 8


class Blend(Model):
    """A causal model that mixes all the tokens of its row, so that a window one token off changes the answer."""

    def __init__(self, vocab_size: int, context: int = CONTEXT, bias: bool = False) -> None:
        super().__init__()
        self.spec = TransformerSpec(vocab_size=vocab_size, context=context)
        self.embedding = nn.Embedding(vocab_size, 16)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(16, vocab_size, bias=bias)
        self.shapes: list[tuple[int, int]] = []
        self.init_weights(0)

    def hidden(
        self,
        ids_BT: Tensor,
        segments_BT: Tensor | None = None,
        cache: KVCache | None = None,
        types_BT: Tensor | None = None,
    ) -> Tensor:
        assert ids_BT.shape[1] <= self.spec.context
        self.shapes.append((ids_BT.shape[0], ids_BT.shape[1]))
        return self.dropout(torch.tanh(self.embedding(ids_BT).cumsum(dim=1)))

    def head(self, hidden_BTD: Tensor) -> Tensor:
        return self.output(hidden_BTD)

    def init_weights(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=generator)


@torch.no_grad()
def one_at_a_time(model: Model, ids: list[int], stride: int) -> list[float]:
    """log p(x_i | x_<i): the tokens before x_i that its window holds, alone in a row, and the whole softmax."""
    model.eval()
    context, values = model.spec.context, []
    for i in range(1, len(ids)):
        start = 0 if i <= context else math.ceil((i - context) / stride) * stride
        logits = model(torch.tensor([ids[start:i]]))[0, -1].double()
        values.append(float(logits[ids[i]] - logits.logsumexp(0)))
    return values


@settings(max_examples=60, deadline=None)
@given(
    ids=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    stride=st.integers(1, CONTEXT),
    batch_rows=st.integers(1, 5),
)
def test_windows_equal_one_token_at_a_time(ids: list[int], stride: int, batch_rows: int) -> None:
    model = Blend(vocab_size=5)
    expected = one_at_a_time(model, ids, stride)
    result = token_log_probs(model, ids, batch_rows=batch_rows, stride=stride)
    assert result.dtype == torch.float64
    assert result.tolist() == pytest.approx(expected, abs=2e-6)


def test_every_token_has_half_a_context_before_it() -> None:
    class Positions(Blend):
        """Says of each token how many stood before it, through its probability."""

        def hidden(
            self,
            ids_BT: Tensor,
            segments_BT: Tensor | None = None,
            cache: KVCache | None = None,
            types_BT: Tensor | None = None,
        ) -> Tensor:
            return torch.arange(1.0, ids_BT.shape[1] + 1).expand(ids_BT.shape)[..., None]

        def head(self, hidden_BTD: Tensor) -> Tensor:
            return torch.cat([hidden_BTD, torch.zeros_like(hidden_BTD)], dim=-1)  # p(0) = σ(number of tokens before)

    before = torch.logit(token_log_probs(Positions(vocab_size=2), [0] * 100).exp()).round().int().tolist()
    assert before[:CONTEXT] == list(range(1, CONTEXT + 1))
    assert set(before[CONTEXT:]) == set(range(CONTEXT // 2 + 1, CONTEXT + 1))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Documents shorter and longer than the context, an empty one, and characters of several bytes."""
    return [
        "the cat",
        "",
        "a",
        "the car and the rat and the cat",
        "café 你",
        "what is said in haste is often said twice",
    ]


@pytest.mark.parametrize("stride", [None, 1, 3, CONTEXT])
def test_a_score_is_the_sum_over_tokens(letters: Tokenizer, texts: list[str], stride: int | None) -> None:
    model = Blend(letters.vocab_size)
    result = score(model, letters, map(Document, texts), stride=stride)
    expected = [
        one_at_a_time(model, [letters.end_of_text, *letters.encode(text), letters.end_of_text], stride or CONTEXT // 2)
        for text in texts
    ]
    assert result.nats == pytest.approx(-sum(map(sum, expected)), rel=1e-6)
    assert result.tokens == sum(len(text) + 1 for text in texts)
    assert result.bytes == sum(len(text) for text in texts) + 1 + 2  # é is two bytes, 你 is three
    assert result.documents == len(texts)
    assert result.loss == pytest.approx(result.nats / result.tokens)
    assert result.perplexity == pytest.approx(math.exp(result.loss))
    assert result.bits_per_byte == pytest.approx(result.nats / math.log(2) / result.bytes)


def test_a_score_does_not_depend_on_the_batch(
    letters: Tokenizer, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Blend(letters.vocab_size)
    scores = [score(model, letters, map(Document, texts * 5), batch_rows=rows) for rows in (1, 2, 7, 100)]
    monkeypatch.setattr(perplexity, "_LOGITS_AT_ONCE", 3 * letters.vocab_size)
    monkeypatch.setattr(perplexity, "_POOL", 2 * CONTEXT)
    scores += [score(model, letters, map(Document, texts * 5), batch_rows=rows) for rows in (1, 3)]
    for other in scores[1:]:
        assert other.nats == pytest.approx(scores[0].nats, rel=1e-6)
        assert other.tokens == scores[0].tokens


def test_rows_of_like_length_share_a_batch(letters: Tokenizer) -> None:
    model = Blend(letters.vocab_size, context=32)
    score(model, letters, map(Document, ["a" * 31, "b"] * 16), batch_rows=4)
    assert model.shapes == [(4, 32)] * 4 + [(16, 2)]


def test_scores_add_up(letters: Tokenizer, texts: list[str]) -> None:
    model = Blend(letters.vocab_size)
    whole = score(model, letters, map(Document, texts))
    halves = score(model, letters, map(Document, texts[:3])) + score(model, letters, map(Document, texts[3:]))
    assert halves.nats == pytest.approx(whole.nats, rel=1e-6)
    assert (halves.tokens, halves.bytes, halves.documents) == (whole.tokens, whole.bytes, whole.documents)


def in_parts(text: str, *cuts: int) -> Iterator[Document]:
    """A document cut at these places."""
    edges = [0, *cuts, len(text)]
    for start, stop in pairwise(edges):
        yield Document(text[start:stop], first=start == 0, last=stop == len(text))


@pytest.mark.parametrize("cuts", [(1,), (4, 5, 20), (10, 25), (8, 16, 24)])
def test_a_document_in_parts_scores_as_in_one(letters: Tokenizer, texts: list[str], cuts: tuple[int, ...]) -> None:
    model = Blend(letters.vocab_size)
    whole = score(model, letters, [Document(texts[3]), Document(texts[0])])
    parts = score(model, letters, [*in_parts(texts[3], *cuts), Document(texts[0])])
    assert parts.nats == pytest.approx(whole.nats, rel=1e-6)
    assert (parts.tokens, parts.bytes, parts.documents) == (whole.tokens, whole.bytes, whole.documents)


def test_the_end_of_a_text_stands_for_itself(letters: Tokenizer) -> None:
    model = Blend(letters.vocab_size)
    beginning, end = in_parts("the car and the rat", 8)
    result = score(model, letters, [end])
    ids = [*letters.encode("and the rat"), letters.end_of_text]
    assert result.nats == pytest.approx(-float(token_log_probs(model, ids).sum()), rel=1e-6)
    assert (result.tokens, result.documents) == (len("and the rat"), 1)  # the first is not predicted, the mark is

    result = score(model, letters, [beginning])  # its end is elsewhere: no mark is predicted
    assert result.tokens == len("the car ")
    assert [stretch.continues for stretch in stretches(letters, [end, beginning, end, end])] == [False] * 2 + [
        True,
        False,
    ]


def test_scoring_leaves_the_model_as_it_was(letters: Tokenizer) -> None:
    model = Blend(letters.vocab_size)
    first, second = (score(model, letters, [Document("the cat")]) for _ in range(2))
    assert first == second  # dropout was off
    assert model.training
    assert not token_log_probs(model.eval(), [0, 1, 2]).is_inference()
    assert not model.training


def test_texts_with_nothing_to_predict(letters: Tokenizer) -> None:
    model = Blend(letters.vocab_size)
    assert len(token_log_probs(model, [0])) == len(token_log_probs(model, [])) == 0
    with pytest.raises(CorpusError, match="no documents"):
        score(model, letters, [])
    with pytest.raises(CorpusError, match="all empty"):
        score(model, letters, [Document(""), Document("")])
    with pytest.raises(CorpusError, match="one token"):
        score(model, letters, [Document("a", first=False, last=False)])
    assert score(model, letters, [Document(""), Document("a")]).tokens == 3


def test_odd_input_is_refused(letters: Tokenizer) -> None:
    model = Blend(letters.vocab_size - 1)  # 你 is the last id
    with pytest.raises(ModelError, match=f"Token {letters.vocab_size - 1} is outside"):
        score(model, letters, [Document("你")])
    with pytest.raises(ModelError, match="Token -1 is outside"):
        token_log_probs(model, [0, -1])
    for stride in (0, CONTEXT + 1):
        with pytest.raises(UsageError, match="stride must be from 1"):
            score(model, letters, [Document("a")], stride=stride)
    with pytest.raises(UsageError, match="batch_rows"):
        token_log_probs(model, [0, 1], batch_rows=0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_damaged_model_is_refused(letters: Tokenizer, value: float) -> None:
    model = Blend(letters.vocab_size, bias=True)
    with torch.no_grad():
        model.output.bias[letters.encode("a")[0]] = value
    with pytest.raises(ModelError, match="not finite"):
        score(model, letters, [Document("the cat")])


def test_a_decoder_is_scored_and_can_then_be_trained(letters: Tokenizer, texts: list[str]) -> None:
    spec = TransformerSpec(letters.vocab_size, CONTEXT, layers=1, heads=2, kv_heads=1, dim=16, head_dim=8, mlp_dim=24)
    model = build(spec)
    for seed, parameter in enumerate(model.parameters()):
        nn.init.normal_(parameter, std=0.5, generator=torch.Generator().manual_seed(seed))
    before = score(model, letters, map(Document, texts))
    expected = [
        one_at_a_time(model, [letters.end_of_text, *letters.encode(text), letters.end_of_text], CONTEXT // 2)
        for text in texts
    ]
    assert before.nats == pytest.approx(-sum(map(sum, expected)), rel=1e-6)

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    ids_BT = torch.tensor([letters.encode("the cat")])
    nn.functional.cross_entropy(model(ids_BT[:, :-1])[0], ids_BT[0, 1:]).backward()
    unlearnt = token_log_probs(model, ids_BT[0].tolist()).sum()
    optimizer.step()
    assert token_log_probs(model, ids_BT[0].tolist()).sum() > unlearnt


def test_a_hopeless_model_has_infinite_perplexity() -> None:
    assert Score(nats=1e4, tokens=1, bytes=1, documents=1).perplexity == math.inf


@pytest.mark.parametrize("family", ["rnn", "lstm", "gru"])
def test_a_recurrent_network_has_at_least_a_context_before_each_token(family: str) -> None:
    model = build(RecurrentSpec(vocab_size=5, context=4, layers=1, dim=6, family=family))
    model.init_weights(0)
    ids = torch.randint(5, (60,), generator=torch.Generator().manual_seed(1)).tolist()
    found = token_log_probs(model, ids, batch_rows=3)
    for place in range(1, 60):
        start = 0 if place <= 16 else -(-(place - 16) // 12) * 12
        assert place - start >= min(place, 4)
        with torch.no_grad():
            expected = model(torch.tensor([ids[start:place]]))[0, -1].log_softmax(-1)[ids[place]]
        assert found[place - 1].item() == pytest.approx(expected.item(), abs=1e-5)
