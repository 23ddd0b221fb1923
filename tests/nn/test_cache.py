"""The cache of keys and values: what is put in comes out, behind what was there."""

from __future__ import annotations

import pytest
import torch

from idiolect.nn.cache import KVCache


def test_positions_are_kept_in_order_for_each_layer() -> None:
    cache = KVCache(layers=2, batch=1, kv_heads=1, length=5, head_dim=1)
    first, second = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 3, 1), torch.tensor([4.0]).view(1, 1, 1, 1)
    for layer in range(2):
        cache.extend(layer, first + 10 * layer, -first)
    cache.advance(3)
    for layer in range(2):
        keys, values = cache.extend(layer, second + 10 * layer, -second)
        assert (keys.flatten() - 10 * layer).tolist() == [1.0, 2.0, 3.0, 4.0]
        assert values.flatten().tolist() == [-1.0, -2.0, -3.0, -4.0]
    cache.advance(1)
    assert cache.length == 4


def test_too_many_positions_are_our_own_mistake() -> None:
    cache = KVCache(layers=1, batch=1, kv_heads=1, length=2, head_dim=1)
    with pytest.raises(AssertionError, match="room"):
        cache.extend(0, torch.zeros(1, 1, 3, 1), torch.zeros(1, 1, 3, 1))


def test_repeated_rows_hold_the_same_and_go_on_alone() -> None:
    cache = KVCache(layers=1, batch=1, kv_heads=1, length=3, head_dim=1)
    cache.extend(0, torch.ones(1, 1, 2, 1), torch.ones(1, 1, 2, 1))
    cache.advance(2)
    wide = cache.repeat(2)
    keys, _ = wide.extend(0, torch.tensor([5.0, 6.0]).view(2, 1, 1, 1), torch.zeros(2, 1, 1, 1))
    assert keys[:, 0, :, 0].tolist() == [[1.0, 1.0, 5.0], [1.0, 1.0, 6.0]]
    assert cache.length == 2


def held(numbers: list[list[float]], length: int = 6) -> KVCache:
    """A cache that holds these keys, and their negatives as values."""
    cache = KVCache(layers=2, batch=len(numbers), kv_heads=1, length=length, head_dim=1)
    keys = torch.tensor(numbers)[:, None, :, None]
    for layer in range(2):
        cache.extend(layer, keys + 10 * layer, -keys)
    cache.advance(keys.shape[2])
    return cache


def told(cache: KVCache, new: list[float]) -> list[list[float]]:
    """What each row holds, seen by putting one more key behind it."""
    keys, values = cache.extend(1, torch.tensor(new)[:, None, None, None] + 10, -torch.tensor(new)[:, None, None, None])
    starts = cache.starts or [0] * len(new)
    for row, start in enumerate(starts):
        assert torch.equal(keys[row, 0, start:] - 10, -values[row, 0, start:])
    return [(keys[row, 0, start:, 0] - 10).tolist() for row, start in enumerate(starts)]


def test_rows_are_chosen_by_number_and_go_on_alone() -> None:
    cache = held([[1, 2], [3, 4], [5, 6]])
    assert told(cache.select([2, 0, 2]), [7, 8, 9]) == [[5, 6, 7], [1, 2, 8], [5, 6, 9]]
    assert told(cache, [0, 0, 0]) == [[1, 2, 0], [3, 4, 0], [5, 6, 0]]


def test_rows_of_unequal_length_stand_beside_each_other() -> None:
    cache = held([[1], [2]]).beside([held([[3, 4, 5]]), held([[6, 7]])])
    assert (cache.length, cache.starts, cache.rows) == (3, [2, 2, 0, 1], 4)
    assert told(cache, [9, 9, 9, 9]) == [[1, 9], [2, 9], [3, 4, 5, 9], [6, 7, 9]]
    few = cache.select([3, 0])
    assert (few.length, few.starts) == (2, [0, 1]), "what none of them uses is left behind"
    assert told(few, [8, 8]) == [[6, 7, 8], [1, 8]]
    assert cache.select([1]).starts is None
