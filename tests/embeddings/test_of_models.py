"""The vectors of a language model: its matrix's rows under readable words, and its hidden states averaged by word."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from idiolect.embeddings.of_models import Found, find, token_names, whole_words
from idiolect.embeddings.vectors import Vectors
from idiolect.errors import CorpusError, UsageError
from idiolect.language_model import LanguageModel
from idiolect.models.build import build
from idiolect.models.spec import RecurrentSpec, TransformerSpec
from idiolect.tokenizers.base import Tokenizer

TEXT = "The king and the queen of the kingdom.\nA king, a naïve queen 🙂 and kings.\n" * 6
BPE = Tokenizer.train([TEXT], kind="bpe", vocab_size=289)


def speaker(tied: bool = True, context: int = 64, tokenizer: Tokenizer = BPE) -> LanguageModel:
    spec = TransformerSpec(tokenizer.vocab_size, context, layers=1, heads=2, kv_heads=1, dim=16, head_dim=8, tied=tied)
    model = build(spec)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return LanguageModel(model, tokenizer)


@pytest.mark.parametrize("tied", [True, False])
def test_rows_are_the_models_own(tied: bool) -> None:
    model = speaker(tied)
    read, scored = model.vectors("input"), model.vectors("output")
    assert np.array_equal(read.matrix, model.model.embed_tokens.weight.detach().numpy())  # type: ignore[union-attr]
    assert np.array_equal(read.matrix, scored.matrix) is tied
    with torch.no_grad():
        hidden = torch.randn(1, 1, 16)
        assert torch.allclose(torch.tensor(scored.matrix) @ hidden[0, 0], model.model.head(hidden)[0, 0], atol=1e-4)
    with pytest.raises(UsageError, match="choose input or output"):
        model.vectors("both")  # type: ignore[arg-type]


def test_a_recurrent_network_has_vectors_too() -> None:
    spec = RecurrentSpec(BPE.vocab_size, 16, layers=1, dim=8)
    model = build(spec)
    model.init_weights(0)
    assert LanguageModel(model, BPE).vectors().matrix.shape == (BPE.vocab_size, 8)


def test_tokens_are_words_that_can_be_read() -> None:
    names = token_names(BPE, BPE.vocab_size)
    assert len(set(names)) == len(names) and all(name.isprintable() for name in names)
    assert "▁king" in names and "king" not in names and "⏎" in names and "\\xf0" in names


def test_a_word_is_found_with_its_space_without_it_or_in_pieces() -> None:
    vectors = speaker().vectors()
    found = find(vectors, BPE, "king")
    assert found.query == "▁king" and found.said.endswith("with the space before it.")
    assert find(vectors, BPE, " king") == find(vectors, BPE, "▁king") == Found("▁king")
    assert find(vectors, BPE, "A") == Found("A", "'A' is a token without a space before it.")
    mean, said, pieces = find(vectors, BPE, "queens")
    ids = BPE.encode(" queens")
    assert np.allclose(mean, vectors.matrix[ids].mean(axis=0)) and said.startswith("'queens' is no token: the mean of")
    assert list(pieces) == [vectors.words[token] for token in ids]
    assert not {*pieces} & {one.word for one in vectors.neighbours(mean, 50, without=pieces)}
    both = Vectors(["king", "▁king"], np.eye(2, dtype=np.float32))
    assert find(both, BPE, "king").said.endswith("the token king without it is another.")
    characters = Tokenizer.train(["abc"], kind="characters")
    assert find(speaker(tokenizer=characters).vectors(), characters, "b").query == "b"
    with pytest.raises(UsageError, match="cannot be written"):
        find(speaker(tokenizer=characters).vectors(), characters, "xyz")


def test_whole_words_lose_their_space() -> None:
    vectors = speaker().vectors()
    words = whole_words(vectors)
    assert "king" in words and "▁king" not in words and "⏎" not in words
    assert np.array_equal(words.vector("king"), vectors.vector("▁king"))


@pytest.mark.parametrize("context", [64, 12])
def test_a_words_vector_is_the_mean_of_its_places(context: int) -> None:
    """In a text that fits in one window, every place is as the model sees the whole text; in a longer one each word is
    met as often as it stands there."""
    model = speaker(context=context)
    text = "The king and a queen: the naïve king."
    vectors = model.contextual_vectors([text, text], min_count=2, max_words=4)
    assert vectors.counts is not None and dict(zip(vectors.words, vectors.counts.tolist())) == {
        "the": 4,
        "king": 4,
        "and": 2,
        "a": 2,
    }
    if context == 64:
        ids = BPE.encode(text)
        hidden = model.model.hidden(torch.tensor([[BPE.end_of_text, *ids]]))[0, 1:].detach().numpy()
        ends = np.cumsum([len(BPE.token_bytes(token)) for token in ids])
        places = []
        for match in re.finditer("king", text):
            first, last = (len(text[:place].encode()) for place in match.span())
            inside = [n for n in range(len(ids)) if ends[n] > first and (ends[n - 1] if n else 0) < last]
            places.append(hidden[inside].mean(axis=0))
        assert np.allclose(vectors.vector("king"), np.mean(places, axis=0), atol=1e-4)


def test_too_little_text_is_said() -> None:
    with pytest.raises(CorpusError, match="Fewer than two different words occur 5 times"):
        speaker().contextual_vectors(["once upon a time"])
