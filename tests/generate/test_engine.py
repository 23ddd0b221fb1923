"""The cached loop against reading everything again for each token, and the promises about samples, seeds and modes."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from idiolect.errors import ModelError, UsageError
from idiolect.generate.engine import generate
from idiolect.generate.sampling import Sampling, choose, filter_logits, sample_generator
from idiolect.models.model import Model
from idiolect.models.spec import TransformerSpec
from idiolect.models.transformer import Transformer
from idiolect.nn.cache import KVCache

VOCAB = 29
GREEDY = Sampling(temperature=0)
FREE = Sampling(temperature=1.0)


def decoder(context: int = 8, vocab_size: int = VOCAB, seed: int = 0) -> Transformer:
    """A tiny decoder whose every parameter is random, so that each token and position matters."""
    spec = TransformerSpec(
        vocab_size, context, layers=2, heads=4, kv_heads=2, dim=16, head_dim=8, mlp_dim=24, dropout=0.3, tied=False
    )
    model = Transformer(spec)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.5)
    return model.eval()


def ids_of(model: Model, prompt: Sequence[int], samples: int = 1, **options: object) -> list[list[int]]:
    """All ids of each sample."""
    ids: list[list[int]] = [[] for _ in range(samples)]
    settings = {"sampling": FREE, "max_tokens": 10, "seed": 0, **options}
    for step in generate(model, prompt, samples=range(samples), **settings):  # type: ignore[arg-type]
        for sample, token in step:
            ids[sample].append(token)
    return ids


def uncached(model: Model, prompt: Sequence[int], sampling: Sampling, max_tokens: int, seed: int) -> list[int]:
    """The same by reading the whole window for each token."""
    context = model.spec.context
    history, window, generator = list(prompt), list(prompt)[-context:], sample_generator(seed, 0)
    for _ in range(max_tokens):
        with torch.no_grad():
            logits_BV = model(torch.tensor([window]))[:, -1]
        seen_BV = torch.zeros_like(logits_BV, dtype=torch.bool)
        seen_BV[:, history] = True
        token = int(choose(filter_logits(logits_BV, sampling, seen_BV), [generator]))
        history.append(token)
        window = [*window, token] if len(window) < context else history[-max(1, context // 2) :]
    return history[len(prompt) :]


@pytest.mark.parametrize("context", [1, 2, 3, 8])
@pytest.mark.parametrize("prompt_length", [1, 2, 7, 8, 9, 20])
def test_cached_equals_uncached_far_beyond_the_context(context: int, prompt_length: int) -> None:
    prompt = [(5 * i + prompt_length) % VOCAB for i in range(prompt_length)]
    for seed in range(3):
        model = decoder(context, seed=seed)
        for sampling in (GREEDY, FREE, Sampling(temperature=0, repetition_penalty=1.5)):
            expected = uncached(model, prompt, sampling, max_tokens=30, seed=seed)
            assert ids_of(model, prompt, sampling=sampling, max_tokens=30, seed=seed) == [expected]


def test_the_last_tokens_of_a_long_prompt_are_read() -> None:
    model, prompt = decoder(8), list(range(20))
    assert ids_of(model, prompt, max_tokens=1) == ids_of(model, prompt[-8:], max_tokens=1)
    assert ids_of(model, prompt) != ids_of(model, [*prompt[:-1], 3])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**64), few=st.integers(1, 3), more=st.integers(0, 5), length=st.integers(1, 20))
def test_a_sample_does_not_depend_on_how_many_are_drawn(seed: int, few: int, more: int, length: int) -> None:
    model = decoder(8)
    alone = ids_of(model, [1, 2, 3], samples=few, seed=seed, max_tokens=length)
    beside = ids_of(model, [1, 2, 3], samples=few + more, seed=seed, max_tokens=length)
    assert beside[:few] == alone
    assert all(len(ids) == length for ids in beside)


def test_any_samples_can_be_drawn_by_number() -> None:
    model = decoder()
    together = ids_of(model, [4], samples=6)
    apart = [list(generate(model, [4], sampling=FREE, max_tokens=10, seed=0, samples=[i])) for i in range(6)]
    assert apart == [[[(sample, token)] for token in ids] for sample, ids in enumerate(together)]
    odd = list(generate(model, [4], sampling=FREE, max_tokens=10, seed=0, samples=[5, 1]))
    assert odd == [[(5, together[5][step]), (1, together[1][step])] for step in range(10)]


def test_seeds_replay_and_differ() -> None:
    model = decoder()
    results = {seed: ids_of(model, [4], samples=3, seed=seed, max_tokens=12) for seed in range(20)}
    assert all(ids_of(model, [4], samples=3, seed=seed, max_tokens=12) == ids for seed, ids in results.items())
    assert len({tuple(sample) for ids in results.values() for sample in ids}) == 60


def test_nothing_global_is_drawn_from() -> None:
    model = decoder()
    state = torch.get_rng_state()
    ids_of(model, [4], samples=3)
    assert torch.equal(torch.get_rng_state(), state)


def test_samples_follow_the_models_distribution_over_sequences() -> None:
    """Every sequence of three tokens comes as often as the product of its conditional probabilities says."""
    model, samples = decoder(context=2, vocab_size=3), 4_000  # the window moves on the way
    counts = Counter(tuple(ids) for ids in ids_of(model, [0], samples=samples, max_tokens=3, seed=11))

    def conditional(window: list[int]) -> list[float]:
        with torch.no_grad():
            return model(torch.tensor([window]))[0, -1].double().softmax(-1).tolist()  # type: ignore[no-any-return]

    expected = {
        (a, b, c): samples * conditional([0])[a] * conditional([0, a])[b] * conditional([b])[c]
        for a, b, c in itertools.product(range(3), repeat=3)
    }
    assert math.isclose(sum(expected.values()), samples)
    statistic = sum((counts[key] - number) ** 2 / number for key, number in expected.items())
    assert statistic < 54.1  # chi-square, 26 degrees of freedom, p = 0.001


class Recorded(Transformer):
    """A decoder that remembers the shape of everything it reads."""

    def __init__(self, spec: TransformerSpec) -> None:
        super().__init__(spec)
        self.read: list[tuple[int, ...]] = []

    def hidden(self, ids_BT: Tensor, segments_BT: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        assert torch.is_inference_mode_enabled(), "nothing is kept for a gradient"
        self.read.append(tuple(ids_BT.shape))
        return super().hidden(ids_BT, segments_BT, cache)


def test_the_prompt_is_read_once_then_one_token_a_step() -> None:
    model = Recorded(decoder().spec)
    model.load_state_dict(decoder().state_dict())
    ids_of(model, [1, 2, 3, 4, 5], samples=6, max_tokens=9)
    # five of the prompt, three more fill the context of 8, the last four are read again, and so on
    assert model.read == [(1, 5), (6, 1), (6, 1), (6, 1), (6, 4), (6, 1), (6, 1), (6, 1), (6, 1)]


def test_a_stop_id_is_the_last_of_its_sample_and_the_others_go_on() -> None:
    model = decoder()
    free = ids_of(model, [1], samples=8, max_tokens=20)
    stop_ids = [free[0][3], free[1][5]]

    stopped = ids_of(model, [1], samples=8, max_tokens=20, stop_ids=stop_ids)

    def cut(ids: list[int]) -> list[int]:
        ends = [position for position, token in enumerate(ids) if token in stop_ids]
        return ids[: ends[0] + 1] if ends else ids

    assert stopped == [cut(ids) for ids in free]
    assert len({len(ids) for ids in stopped}) > 1


def test_it_ends_when_every_sample_has_stopped() -> None:
    model = decoder()
    steps = list(generate(model, [1], sampling=FREE, max_tokens=50, seed=0, samples=range(2), stop_ids=range(VOCAB)))
    assert [len(step) for step in steps] == [2]


def test_the_repetition_penalty_remembers_what_the_window_has_forgotten() -> None:
    harsh = Sampling(temperature=0, repetition_penalty=1e9)
    model = decoder(context=4)
    with torch.no_grad():  # logits that are all positive, so that what was seen falls to nearly nothing
        model.norm.weight.zero_()
    model.head = lambda hidden_BTD: hidden_BTD[..., :1] + torch.linspace(1, 2, VOCAB)  # type: ignore[method-assign]
    prompt = [28, 27, 20, 3, 2, 1, 0]
    assert ids_of(model, prompt, sampling=harsh, max_tokens=22)[0] == [i for i in range(28, -1, -1) if i not in prompt]


def modes(model: Model) -> list[bool]:
    return [module.training for module in model.modules()]


def test_the_model_is_left_as_it_was() -> None:
    model = decoder().train()
    model.layers[1].eval()  # one part frozen by hand
    before = modes(model)

    steps = generate(model, [1], sampling=FREE, max_tokens=5, seed=0)
    assert modes(model) == before, "nothing happens before the first step"
    next(steps)
    assert not any(modes(model)), "dropout is off while it generates"
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled(), "the caller computes as before"
    steps.close()
    assert modes(model) == before

    list(generate(model, [1], sampling=FREE, max_tokens=5, seed=0))
    assert modes(model) == before
    model(torch.tensor([[1, 2]])).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_damaged_weights_are_reported_and_the_model_left_as_it_was() -> None:
    model = decoder().train()
    with torch.no_grad():
        model.embed_tokens.weight[3] = math.nan
    with pytest.raises(ModelError, match="not a number"):
        ids_of(model, [3])
    assert all(modes(model))


def test_a_model_in_bfloat16_generates() -> None:
    (ids,) = ids_of(decoder().bfloat16(), [1, 2], max_tokens=20)
    assert len(ids) == 20


@pytest.mark.parametrize(
    ("prompt", "options", "error", "message"),
    [
        ([], {}, UsageError, "no prompt"),
        ([1], {"max_tokens": 0}, UsageError, "max_tokens"),
        ([1], {"max_tokens": -3}, UsageError, "max_tokens"),
        ([1], {"samples": []}, UsageError, "no samples"),
        ([1], {"samples": [2, -1]}, UsageError, "sample must"),
        ([1], {"seed": -1}, UsageError, "seed"),
        ([1, VOCAB], {}, ModelError, "vocabulary of 29"),
        ([-1, 2], {}, ModelError, "vocabulary of 29"),
    ],
)
def test_bad_requests_are_refused_before_the_first_step(
    prompt: list[int], options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        generate(decoder(), prompt, **{"sampling": FREE, "max_tokens": 5, "seed": 0, **options})  # type: ignore[arg-type]
