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
