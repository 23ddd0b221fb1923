"""Equal budgets: tokens by steps, parameters by the nearest width, however either is cut."""

from __future__ import annotations

import pytest

from idiolect.comparing.budget import nearest_dim, planned, rehearsal, tokens_of, with_steps
from idiolect.comparing.settings import Budget, CompareSettings
from idiolect.comparing.variants import Variant, spec_of, variants_of
from idiolect.config import build
from idiolect.errors import UsageError
from idiolect.models.build import count_parameters
from idiolect.pretraining.settings import PretrainSettings
from idiolect.tokenizers.base import Tokenizer


def plan(tokenizer: Tokenizer, budget: Budget, **given: object) -> list[Variant]:
    settings = build(CompareSettings, {"steps": 60, "batch": 8, "context": 16, **given})
    return planned(variants_of(settings, tokenizer), budget, settings.points, tokenizer)


def test_as_many_tokens_are_read_in_steps_of_another_size(tokenizer: Tokenizer) -> None:
    plain, wide, long = plan(tokenizer, "tokens", variants="batch=16,context=64+batch=4")
    assert [variant.settings.steps for variant in (plain, wide, long)] == [60, 30, 30]
    assert len({tokens_of(variant.settings) for variant in (plain, wide, long)}) == 1
    assert [variant.settings.evaluate_every for variant in (plain, wide, long)] == [3, 1, 1]
    assert long.spec.context == 64


def test_a_curve_has_twenty_points_or_as_many_as_asked(tokenizer: Tokenizer) -> None:
    for given, every in (({}, 3), ({"evaluate_every": 10}, 10), ({"evaluate_every": 100}, 60), ({"steps": 5}, 1)):
        variants = plan(tokenizer, "tokens", models="rnn,gru", **given)
        assert [variant.settings.evaluate_every for variant in variants] == [every, every]


@pytest.mark.parametrize("family", ["rnn", "lstm", "gru", "decoder", "encoder"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("wanted", [900, 40_000, 1_234_567])
def test_the_nearest_width_is_the_nearest_of_all(family: str, tied: bool, wanted: int, tokenizer: Tokenizer) -> None:
    settings = build(PretrainSettings, {"model": family, "tied": tied, "layers": 2, "heads": 3, "context": 8})
    found = nearest_dim(settings, wanted, tokenizer)
    step = 2 if settings.recurrent else 6

    def away(dim: int) -> int:
        made = build(
            PretrainSettings, {"model": family, "tied": tied, "layers": 2, "heads": 3, "context": 8, "dim": dim}
        )
        return abs(count_parameters(spec_of(made, tokenizer)) - wanted)

    assert found % step == 0
    assert all(away(found) <= away(dim) for dim in range(max(step, found - 5 * step), found + 6 * step, step))


def test_equal_parameters_leave_the_first_as_it_is(tokenizer: Tokenizer) -> None:
    variants = plan(tokenizer, "parameters", models="decoder,lstm,rnn", variants="layers=8", dim=64)
    counts = [count_parameters(variant.spec) for variant in variants]
    assert variants[0].settings.dim == 64
    assert all(abs(count / counts[0] - 1) < 0.15 for count in counts)
    assert all(variant.settings.steps == 60 for variant in variants)


def test_a_variant_of_another_width_has_no_place_where_the_budget_chooses_widths(tokenizer: Tokenizer) -> None:
    with pytest.raises(UsageError, match="dim=64 sets dim, which a budget of parameters decides"):
        plan(tokenizer, "parameters", variants="dim=64")
    assert plan(tokenizer, "tokens", variants="dim=64")[1].spec.dim == 64


def test_a_rehearsal_is_short_and_long_enough() -> None:
    assert [rehearsal(seconds) for seconds in (0.1, 100, 1e5)] == [1.0, 5.0, 10.0]


def test_other_steps_keep_the_points_of_the_curve(tokenizer: Tokenizer) -> None:
    variant = with_steps(plan(tokenizer, "time", models="rnn,gru")[1], 200, points=20)
    assert (variant.settings.steps, variant.settings.evaluate_every) == (200, 10)
    assert with_steps(variant, 0, points=20).settings.steps == 1
