"""T2 of the textbook: a language model is a probability distribution over sequences of tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

import pytest
import torch
from torch import nn

from idiolect.evaluation.ngram import KneserNey
from idiolect.evaluation.perplexity import token_log_probs
from idiolect.models.build import build
from idiolect.models.spec import DecoderSpec, Model

VOCABULARY = range(4)
START = 0  # what stands before a sequence and is itself not predicted
CONTEXT = 3


@pytest.fixture(scope="module")
def decoder() -> Model:
    """A decoder with far from equal probabilities, whose context is shorter than the sequences here."""
    model = build(DecoderSpec(len(VOCABULARY), CONTEXT, layers=2, heads=2, kv_heads=1, dim=16, head_dim=8, mlp_dim=24))
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.7, generator=generator)
    return model


@pytest.fixture(scope="module", params=["decoder", "n-gram"])
def log_prob(request: pytest.FixtureRequest, decoder: Model) -> Callable[[Sequence[int]], float]:
    """log p(x_1, ..., x_L) of a sequence, by a neural model and by counting."""
    if request.param == "decoder":
        return lambda sequence: float(token_log_probs(decoder, [START, *sequence]).sum())
    counted = KneserNey.learn([[0, 1, 2, 3, 1, 2, 0], [0, 2, 2, 1, 0]], vocab_size=len(VOCABULARY), order=3)
    return lambda sequence: float(counted.log_probs([START, *sequence]).sum())


@pytest.mark.parametrize("length", [1, 2, 5])
def test_t2_the_probabilities_of_all_sequences_sum_to_one(
    log_prob: Callable[[Sequence[int]], float], length: int
) -> None:
    probs = [math.exp(log_prob(sequence)) for sequence in product(VOCABULARY, repeat=length)]
    assert len(probs) == 4**length
    assert sum(probs) == pytest.approx(1, abs=1e-6)
    assert max(probs) > 2 * min(probs)  # and it prefers some


def test_t2_a_sequence_is_as_likely_as_its_tokens_one_after_the_other(
    log_prob: Callable[[Sequence[int]], float],
) -> None:
    """log p(x_1, ..., x_L) = Σ log p(x_i | x_<i), where p(x_i | x_<i) is p(x_1, ..., x_i) / p(x_1, ..., x_{i−1})."""
    sequence = [2, 3, 1, 1, 0, 2, 3, 0, 3]
    conditionals = []
    for i in range(len(sequence)):
        continuations = [math.exp(log_prob([*sequence[:i], token]) - log_prob(sequence[:i])) for token in VOCABULARY]
        assert sum(continuations) == pytest.approx(1, abs=1e-5)
        conditionals.append(math.log(continuations[sequence[i]]))
    assert log_prob(sequence) == pytest.approx(sum(conditionals), abs=1e-5)


def test_t2_the_conditionals_are_the_models_softmax(decoder: Model) -> None:
    ids = [START, 2, 3, 1]
    with torch.no_grad():
        probs_TV = decoder(torch.tensor([ids[:-1]]))[0].softmax(-1)
    expected = [math.log(probs_TV[i, ids[i + 1]]) for i in range(CONTEXT)]
    assert token_log_probs(decoder, ids).tolist() == pytest.approx(expected, abs=1e-6)
