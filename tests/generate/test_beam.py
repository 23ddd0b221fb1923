"""Beam search against the definition without a cache, against greedy, and against all continuations there are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import pytest
import torch

from idiolect.errors import ModelError, UsageError
from idiolect.generate.beam import beam_search
from idiolect.generate.engine import generate
from idiolect.generate.sampling import Sampling
from idiolect.models.model import Model
from idiolect.models.transformer import Transformer

Decoders = Callable[..., Transformer]
Scored = list[tuple[tuple[int, ...], float]]


def conditional(model: Model, prompt: Sequence[int], ids: Sequence[int]) -> torch.Tensor:
    """ln p of each token after the prompt and `ids`, by reading the whole window: that which the engine has then."""
    context = model.spec.context
    window = list(prompt)[-context:]
    for place, token in enumerate(ids):
        history = [*prompt, *ids[: place + 1]]
        window = [*window, token] if len(window) < context else history[-max(1, context // 2) :]
    with torch.no_grad():
        return model(torch.tensor([window]))[0, -1].double().log_softmax(-1)


def reference(model: Model, prompt: list[int], beams: int, longest: int, stops: set[int], alpha: float) -> Scored:
    """Beam search as it is told: extend all by all, keep the likeliest, set aside what has ended."""
    ended: Scored = []
    beam: Scored = [((), 0.0)]
    while beam:
        extended = [
            ((*ids, token), total + float(value))
            for ids, total in beam
            for token, value in enumerate(conditional(model, prompt, ids))
        ]
        extended = sorted(extended, key=lambda one: -one[1])[: beams - len(ended)]
        over = [one for one in extended if one[0][-1] in stops or len(one[0]) == longest]
        ended += over
        beam = [one for one in extended if one not in over]
    return sorted([(ids, total / ((5 + len(ids)) / 6) ** alpha) for ids, total in ended], key=lambda one: -one[1])


@pytest.mark.parametrize("context", [2, 5, 32])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_it_is_the_definition_without_a_cache(make_decoder: Decoders, context: int, alpha: float) -> None:
    for seed, beams in itertools.product(range(3), (1, 2, 5)):
        model = make_decoder(vocab_size=9, context=context, seed=seed)
        found = beam_search(
            model, [1, 2, 3], beams=beams, nbest=beams, max_tokens=7, stop_ids=[4], length_penalty=alpha
        )
        expected = reference(model, [1, 2, 3], beams, 7, {4}, alpha)
        assert [one.ids for one in found] == [ids for ids, _ in expected]
        assert [one.score for one in found] == pytest.approx([score for _, score in expected], abs=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.5])
def test_a_beam_wide_enough_finds_the_best_of_all(make_decoder: Decoders, alpha: float) -> None:
    for seed in range(3):
        model = make_decoder(vocab_size=3, seed=seed)
        every = []
        for length in range(1, 5):
            for ids in itertools.product(range(3), repeat=length):
                if 2 in ids[:-1] or (length < 4 and ids[-1] != 2):
                    continue  # it goes on after its end, or has not ended
                total = sum(float(conditional(model, [1], ids[:i])[ids[i]]) for i in range(length))
                every.append((total / ((5 + length) / 6) ** alpha, ids))
        every.sort(reverse=True)
        found = beam_search(model, [1], beams=100, nbest=100, max_tokens=4, stop_ids=[2], length_penalty=alpha)
        assert [one.ids for one in found] == [ids for _, ids in every]
        assert [one.score for one in found] == pytest.approx([score for score, _ in every], abs=1e-5)
        assert sum(math.exp(one.log_prob) for one in found) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("stop_ids", [[], [3, 20]])
def test_a_beam_of_one_is_greedy(make_decoder: Decoders, stop_ids: list[int]) -> None:
    for seed in range(8):
        model = make_decoder(seed=seed)
        steps = generate(model, [1, 2], sampling=Sampling(temperature=0), max_tokens=20, seed=0, stop_ids=stop_ids)
        [found] = beam_search(model, [1, 2], beams=1, max_tokens=20, stop_ids=stop_ids)
        assert list(found.ids) == [step[0][1] for step in steps]


def test_wider_beams_find_likelier_texts_than_greedy(make_decoder: Decoders) -> None:
    better = 0
    for seed in range(5):
        model = make_decoder(seed=seed)
        greedy, *_ = beam_search(model, [1], beams=1, max_tokens=8, length_penalty=0)
        wide, *_ = beam_search(model, [1], beams=20, max_tokens=8, length_penalty=0)
        assert wide.log_prob >= greedy.log_prob - 1e-6
        better += wide.ids != greedy.ids
    assert better > 0


def test_the_model_is_left_as_it_was(make_decoder: Decoders) -> None:
    model = make_decoder(dropout=0.3).train()
    first = beam_search(model, [1], beams=3, max_tokens=4)
    assert first == beam_search(model, [1], beams=3, max_tokens=4)
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize(
    ("prompt", "options", "error", "message"),
    [
        ([], {}, UsageError, "no prompt"),
        ([1, 29], {}, ModelError, "vocabulary of 29"),
        ([1], {"beams": 0}, UsageError, "beams must"),
        ([1], {"nbest": 5}, UsageError, "nbest must be from 1 to the number of beams"),
        ([1], {"nbest": 0}, UsageError, "nbest"),
        ([1], {"max_tokens": 0}, UsageError, "max_tokens"),
        ([1], {"length_penalty": -0.5}, UsageError, "length_penalty"),
        ([1], {"length_penalty": math.nan}, UsageError, "length_penalty"),
    ],
)
def test_bad_requests_are_refused(
    make_decoder: Decoders, prompt: list[int], options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        beam_search(make_decoder(), prompt, **{"beams": 4, "max_tokens": 5, **options})  # type: ignore[arg-type]


def test_damaged_weights_and_encoders_are_refused(make_decoder: Decoders) -> None:
    model = make_decoder()
    with torch.no_grad():
        model.embed_tokens.weight[3] = math.nan
    with pytest.raises(ModelError, match="not a number"):
        beam_search(model, [3], beams=2, max_tokens=2)
    with pytest.raises(UsageError, match="both sides"):
        beam_search(make_decoder(family="encoder", masked_head=True), [3], beams=2, max_tokens=2)
