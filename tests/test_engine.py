"""Batches come back in order from either engine, a few at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import get_args

import pytest

from idiolect.engine import WAITING, Engine, in_order
from idiolect.errors import UsageError


def delayed(most: int, number: int) -> int:
    """The earlier, the longer it takes."""
    time.sleep((most - number) / 1000)
    return number * number


def test_results_come_in_order_whatever_finishes_first() -> None:
    assert list(in_order("threads", delayed, 20, range(20), workers=3)) == [n * n for n in range(20)]


def test_only_a_few_batches_are_on_their_way() -> None:
    taken: list[int] = []

    def batches() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order("threads", delayed, 100, batches(), workers=2)
    assert next(results) == 0 and len(taken) <= 2 * WAITING + 1
    results.close()  # type: ignore[attr-defined]


def test_a_fault_in_a_batch_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_order("threads", lambda shared, n: shared // n, 1, [1, 0], workers=2))


def test_ray_is_asked_for_in_words_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'idiolect\[ray\]'"):
        list(in_order("ray", delayed, 1, [1], workers=1))
    assert get_args(Engine) == ("threads", "ray")
