"""Learning rates and the plans they follow."""

from __future__ import annotations

import itertools
import math

import pytest

from idiolect.errors import UsageError
from idiolect.train.plan import Plan
from idiolect.train.schedule import COSINE_FLOOR, share_of_lr


def shares(**changes: object) -> list[float]:
    """The whole course of a plan's learning rate."""
    plan = Plan(**changes)  # type: ignore[arg-type]
    return [share_of_lr(step, plan) for step in range(plan.steps)]


def test_it_warms_up_linearly() -> None:
    for schedule in ("wsd", "cosine"):
        assert shares(steps=1000, warmup=10, schedule=schedule, cooldown=0.1)[:10] == pytest.approx(
            [step / 10 for step in range(1, 11)]
        )
        assert shares(steps=1000, warmup=0, schedule=schedule)[0] == 1.0


def test_warm_up_stable_decay() -> None:
    course = shares(steps=100, warmup=10, schedule="wsd", cooldown=0.4)
    assert course[9:60] == [1.0] * 51 and course[60] == 1.0
    assert course[61:] == pytest.approx([(100 - step) / 40 for step in range(61, 100)])
    assert shares(steps=10, warmup=0, schedule="wsd", cooldown=0.0) == [1.0] * 10
    assert shares(steps=10, warmup=0, schedule="wsd", cooldown=1.0) == pytest.approx([1 - n / 10 for n in range(10)])


def test_cosine() -> None:
    course = shares(steps=110, warmup=10, schedule="cosine")
    assert course[10] == 1.0 and course[60] == pytest.approx((1 + COSINE_FLOOR) / 2)
    assert all(before > after for before, after in itertools.pairwise(course[10:]))
    assert COSINE_FLOOR < course[-1] < COSINE_FLOOR + 0.001


@pytest.mark.parametrize("schedule", ["wsd", "cosine"])
@pytest.mark.parametrize("warmup", [0, 1, 5, 50])
@pytest.mark.parametrize("steps", [1, 2, 10])
def test_every_share_is_above_zero_and_at_most_one(schedule: str, warmup: int, steps: int) -> None:
    assert all(0 < share <= 1 for share in shares(steps=steps, warmup=warmup, schedule=schedule))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": 0}, "steps must be at least 1, not 0."),
        ({"batch": -1}, "batch must be at least 1, not -1."),
        ({"accumulate": 0}, "accumulate must be at least 1, not 0."),
        ({"log_every": 0}, "log_every must be at least 1, not 0."),
        ({"lr": 0.0}, "lr must be above 0 and finite, not 0.0."),
        ({"lr": math.nan}, "lr must be above 0 and finite, not nan."),
        ({"adamw_lr": math.inf}, "adamw_lr must be above 0 and finite, not inf."),
        ({"beta2": 1.0}, "beta2 must be at least 0 and below 1, not 1.0."),
        ({"momentum": math.nan}, "momentum must be at least 0 and below 1, not nan."),
        ({"clip": -1.0}, "clip must be 0 or more, not -1.0."),
        ({"clip": math.nan}, "clip must be 0 or more, not nan."),
        ({"patience": -1}, "patience must be 0 or more, not -1."),
        ({"cooldown": 1.5}, "cooldown is a share of the steps, from 0 to 1, not 1.5."),
        ({"seed": -1}, "seed must be at least 0 and below 2**63, not -1."),
        ({"seed": 2**63}, "seed must be at least 0 and below 2**63, not 9223372036854775808."),
    ],
)
def test_a_plan_out_of_range(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        Plan(**changes)  # type: ignore[arg-type]
    assert str(refusal.value) == sentence
