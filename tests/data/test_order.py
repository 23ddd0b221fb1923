"""The order of rows: a permutation of its own for every epoch, without state."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from idiolect.data.order import key_of, permute

keys = st.integers(0, 2**64 - 1)


def test_a_permutation_of_every_size() -> None:
    for size in range(1, 301):
        for key in (0, 1, key_of(size, 7)):
            assert np.array_equal(np.sort(permute(np.arange(size), size, key)), np.arange(size)), (size, key)


@given(st.integers(1, 5000), keys)
def test_a_permutation_for_every_key(size: int, key: int) -> None:
    assert len(set(permute(np.arange(size), size, key).tolist())) == size


@given(st.integers(1, 2**40), keys, st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20))
def test_each_index_goes_its_way_alone(size: int, key: int, places: list[float]) -> None:
    indices = [int(place * size) for place in places]
    together = permute(indices, size, key)
    assert together.min() >= 0 and together.max() < size
    assert together.tolist() == [int(permute([index], size, key)[0]) for index in indices]


def plain_mix(value: int) -> int:
    """SplitMix64 in Python's own numbers."""
    value = (value + 0x9E3779B97F4A7C15) % 2**64
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
    return value ^ (value >> 31)


def plain_permute(index: int, size: int, key: int) -> int:
    """Six Feistel rounds over halves of equal bits, again until the number is below the size."""
    half = max(1, -(-(size - 1).bit_length() // 2))
    left, right = divmod(index, 2**half)
    for number in range(6):
        round_key = plain_mix(plain_mix(key) ^ number)
        left, right = right, left ^ plain_mix(right ^ round_key) % 2**half
    value = left * 2**half + right
    return value if value < size else plain_permute(value, size, key)


@given(st.integers(1, 2**40), keys, st.floats(0, 1, exclude_max=True))
def test_it_equals_plain_python(size: int, key: int, place: float) -> None:
    assert int(permute([int(place * size)], size, key)[0]) == plain_permute(int(place * size), size, key)


def test_keys_and_their_order_matter() -> None:
    assert len({key_of(*parts) for parts in [(), (0,), (1,), (0, 0), (0, 1), (1, 0), (-1,)]}) == 7
    assert key_of(2**64 + 3, 1) == key_of(3, 1), "numbers count modulo 2**64"
    orders = {tuple(permute(np.arange(50), 50, key_of(seed, epoch))) for seed in range(10) for epoch in range(10)}
    assert len(orders) == 100


def test_an_order_looks_shuffled() -> None:
    """Neighbours do not stay neighbours, and every place is as likely as any other."""
    size, first = 1000, []
    for key in range(300):
        order = permute(np.arange(size), size, key_of(key))
        first.append(order[0])
        assert np.mean(np.abs(np.diff(order)) == 1) < 0.02
    counts, _ = np.histogram(first, bins=10, range=(0, size))
    assert ((counts - 30) ** 2 / 30).sum() < 27.9, "chi squared of 9 degrees, p = 0.001"


def test_the_order_is_the_same_in_every_process() -> None:
    code = "from idiolect.data.order import *; print(permute(range(20), 20, key_of(5, 6)).tolist())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == f"{permute(range(20), 20, key_of(5, 6)).tolist()}\n"
    assert told == "[12, 19, 8, 4, 5, 18, 16, 14, 13, 3, 9, 2, 10, 0, 17, 11, 15, 7, 1, 6]\n", "it must never change"
