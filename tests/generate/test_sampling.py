"""The filters against Hugging Face's, and the draws against the exact distribution."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from idiolect.errors import ModelError, UsageError
from idiolect.generate.sampling import Sampling, choose, filter_logits, sample_generator

NEUTRAL = Sampling(temperature=1.0)


def unseen(logits_BV: Tensor) -> Tensor:
    """No token has occurred."""
    return torch.zeros_like(logits_BV, dtype=torch.bool)


def chance(counts: Counter[int], probability: list[float]) -> float:
    """Pearson's chi-square test: how likely counts at least this odd are under the distribution."""
    draws = counts.total()
    possible = [token for token, share in enumerate(probability) if share > 0]
    assert set(counts) <= set(possible), "what has no probability was drawn"
    statistic = sum((counts[i] - draws * probability[i]) ** 2 / (draws * probability[i]) for i in possible)
    freedom = torch.tensor((len(possible) - 1) / 2, dtype=torch.float64)
    return float(torch.special.gammaincc(freedom, torch.tensor(statistic / 2, dtype=torch.float64)))


def kept(logits_V: list[float], sampling: Sampling) -> list[int]:
    """Which ids may still be chosen."""
    logits_BV = torch.tensor([logits_V])
    return filter_logits(logits_BV, sampling, unseen(logits_BV))[0].isfinite().nonzero()[:, 0].tolist()


def peer(sampling: Sampling) -> Callable[[Tensor, Tensor], Tensor]:
    """Hugging Face's filters in the same order."""
    filters = LogitsProcessorList()
    if sampling.repetition_penalty != 1.0:
        filters.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    if sampling.temperature != 1.0:
        filters.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        filters.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1.0:
        filters.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p:
        filters.append(MinPLogitsWarper(sampling.min_p))
    return filters


@pytest.mark.parametrize(
    "sampling",
    [
        NEUTRAL,
        Sampling(temperature=0.3),
        Sampling(temperature=1.7),
        Sampling(temperature=1.0, top_k=1),
        Sampling(temperature=1.0, top_k=7),
        Sampling(temperature=1.0, top_k=10_000),
        Sampling(temperature=1.0, top_p=0.9),
        Sampling(temperature=1.0, top_p=0.3),
        Sampling(temperature=1.0, top_p=1e-6),
        Sampling(temperature=1.0, min_p=0.05),
        Sampling(temperature=1.0, min_p=1.0),
        Sampling(temperature=1.0, repetition_penalty=1.3),
        Sampling(temperature=1.0, repetition_penalty=0.7),
        Sampling(temperature=0.7, top_k=40, top_p=0.95, min_p=0.02, repetition_penalty=1.2),
        Sampling(temperature=1.5, top_k=20, top_p=0.6, min_p=0.1, repetition_penalty=1.05),
    ],
)
def test_filters_equal_hugging_faces(sampling: Sampling) -> None:
    random = torch.Generator().manual_seed(0)
    logits_BV = 3 * torch.randn(50, 200, generator=random)
    ids_BT = torch.randint(200, (50, 30), generator=random)
    seen_BV = unseen(logits_BV).scatter(1, ids_BT, True)
    before_BV = logits_BV.clone()

    ours_BV = filter_logits(logits_BV, sampling, seen_BV)

    theirs_BV = peer(sampling)(ids_BT, logits_BV.clone())
    assert torch.equal(ours_BV.isfinite(), theirs_BV.isfinite())
    torch.testing.assert_close(ours_BV.softmax(-1), theirs_BV.softmax(-1), rtol=1e-4, atol=1e-7)
    assert torch.equal(logits_BV, before_BV), "the model's logits are left as they are"


def test_top_p_keeps_the_smallest_set_that_reaches_p() -> None:
    logits = torch.tensor([0.1, 0.5, 0.15, 0.25]).log().tolist()
    assert kept(logits, Sampling(temperature=1.0, top_p=0.01)) == [1]
    assert kept(logits, Sampling(temperature=1.0, top_p=0.49)) == [1]
    assert kept(logits, Sampling(temperature=1.0, top_p=0.51)) == [1, 3]
    assert kept(logits, Sampling(temperature=1.0, top_p=0.76)) == [1, 2, 3]
    assert kept(logits, Sampling(temperature=1.0, top_p=0.91)) == [0, 1, 2, 3]


def test_top_k_and_min_p_by_hand() -> None:
    logits = torch.tensor([0.1, 0.5, 0.15, 0.25]).log().tolist()
    assert kept(logits, Sampling(temperature=1.0, top_k=2)) == [1, 3]
    assert kept(logits, Sampling(temperature=1.0, min_p=0.45)) == [1, 3]
    assert kept(logits, Sampling(temperature=1.0, min_p=0.55)) == [1]
    assert kept([1.0, 2.0, 2.0, 2.0], Sampling(temperature=1.0, top_k=2)) == [1, 2, 3], "equals of the k-th stay"


def test_min_p_sees_the_tempered_distribution() -> None:
    logits = [0.0, -1.0]
    assert kept(logits, Sampling(temperature=1.0, min_p=0.3)) == [0, 1]  # e^−1 = 0.37
    assert kept(logits, Sampling(temperature=0.5, min_p=0.3)) == [0]  # e^−2 = 0.14


def test_greedy_takes_the_likeliest_and_of_equals_the_lowest_id() -> None:
    logits_BV = torch.tensor([[0.0, 3.0, 1.0, 3.0], [-5.0, -9.0, -5.0, -5.0], [0.0, 0.0, 0.0, 0.0]])
    filtered_BV = filter_logits(logits_BV, Sampling(temperature=0), unseen(logits_BV))
    for seed in range(20):
        generators = [sample_generator(seed, row) for row in range(3)]
        assert choose(filtered_BV, generators).tolist() == [1, 0, 0]


def test_greedy_heeds_the_repetition_penalty() -> None:
    logits_BV = torch.tensor([[2.0, 1.9, 0.0], [-0.1, -0.11, -9.0]])
    seen_BV = torch.tensor([[True, False, False], [True, False, False]])
    filtered_BV = filter_logits(logits_BV, Sampling(temperature=0, repetition_penalty=1.2), seen_BV)
    assert filtered_BV.isfinite().nonzero().tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize("temperature", [1e-30, 1e-6, 1e30])
def test_extreme_temperatures_give_a_distribution(temperature: float) -> None:
    logits_BV = torch.tensor([[100.0, -100.0, 99.0, -math.inf]])
    filtered_BV = filter_logits(logits_BV, Sampling(temperature=temperature), unseen(logits_BV))
    shares = filtered_BV.softmax(-1)[0]
    expected = [1.0, 0.0, 0.0, 0.0] if temperature < 1 else [1 / 3, 1 / 3, 1 / 3, 0.0]
    torch.testing.assert_close(shares, torch.tensor(expected))


@pytest.mark.parametrize(
    "sampling",
    [
        NEUTRAL,
        Sampling(temperature=0.5),
        Sampling(temperature=1.5, top_k=5),
        Sampling(temperature=1.0, top_p=0.7),
        Sampling(temperature=1.0, min_p=0.02, repetition_penalty=2.0),
    ],
)
def test_draws_follow_the_distribution(sampling: Sampling) -> None:
    draws = 100_000
    logits_V = 1.5 * torch.randn(12, generator=torch.Generator().manual_seed(5))
    seen_V = torch.arange(12) % 2 == 0
    filtered_V = filter_logits(logits_V[None], sampling, seen_V[None])[0]
    probability = filtered_V.double().softmax(-1).tolist()

    generator = sample_generator(1, 0)  # one stream of numbers, drawn as many rows
    counts = Counter(choose(filtered_V.expand(draws, -1), [generator] * draws).tolist())

    assert chance(counts, probability) > 0.001


def test_different_samples_draw_independently() -> None:
    """First draws of many samples of one request follow the distribution too, and so do those of many seeds."""
    probability = [0.5, 0.3, 0.2]
    logits_V = torch.tensor(probability).log()
    rows = 5_000
    for generators in (
        [sample_generator(3, sample) for sample in range(rows)],
        [sample_generator(seed, 0) for seed in range(rows)],
    ):
        counts = Counter(choose(logits_V.expand(rows, -1), generators).tolist())
        assert chance(counts, probability) > 0.001


class Fixed:
    """A generator that gives the same number for ever."""

    def __init__(self, number: float) -> None:
        self.number = number

    def random(self) -> float:
        return self.number


@given(
    logits=st.lists(st.one_of(st.just(-math.inf), st.floats(-50, 50)), min_size=1, max_size=20),
    number=st.one_of(st.just(0.0), st.just(1 - 2**-53), st.floats(0, 1, exclude_max=True)),
)
def test_what_has_no_probability_is_never_chosen(logits: list[float], number: float) -> None:
    if max(logits) == -math.inf:
        logits = [*logits, 0.0]
    chosen = int(choose(torch.tensor([logits]), [Fixed(number)]))  # type: ignore[list-item]
    assert 0 <= chosen < len(logits)
    assert torch.tensor(logits).double().softmax(-1)[chosen] > 0


def test_choice_inverts_the_cumulative_distribution() -> None:
    logits_V = torch.tensor([0.0, 0.25, 0.5, 0.25]).log()
    for number, expected in [(0.0, 1), (0.2, 1), (0.3, 2), (0.7, 2), (0.8, 3), (1 - 2**-53, 3)]:
        assert int(choose(logits_V[None], [Fixed(number)])) == expected  # type: ignore[list-item]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("damage", [math.nan, math.inf])
def test_logits_that_are_not_numbers_are_refused(temperature: float, damage: float) -> None:
    logits_BV = torch.tensor([[0.0, 1.0], [damage, 1.0]])
    filtered_BV = filter_logits(logits_BV, Sampling(temperature=temperature), unseen(logits_BV))
    with pytest.raises(ModelError, match="not a number"):
        choose(filtered_BV, [sample_generator(0, row) for row in range(2)])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.inf),
        ("temperature", math.nan),
        ("top_k", -1),
        ("top_p", 0.0),
        ("top_p", 1.01),
        ("top_p", math.nan),
        ("min_p", -0.01),
        ("min_p", 1.01),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", math.inf),
    ],
)
def test_values_out_of_range_are_refused(field: str, value: float) -> None:
    with pytest.raises(UsageError, match=field):
        Sampling(**{field: value})


def test_generators_differ_by_seed_and_sample_and_replay() -> None:
    first = {(seed, sample): sample_generator(seed, sample).random() for seed in range(50) for sample in range(50)}
    assert len(set(first.values())) == 2500
    assert all(sample_generator(*key).random() == number for key, number in first.items())
    assert sample_generator(2**32, 0).random() != sample_generator(0, 0).random()
    with pytest.raises(UsageError, match="seed"):
        sample_generator(-1, 0)
