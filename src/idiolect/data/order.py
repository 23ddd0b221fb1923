"""The order in which rows are seen: a pure function of (seed, epoch, index), with no state and no table.

Each epoch visits every row once, in an order of its own: a Feistel permutation of the row numbers keyed by seed and
epoch (Black & Rogaway, "Ciphers with Arbitrary Finite Domains", 2002, cycle walking). A run can start at any index
at no cost, and ranks only slice the order.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
ROUNDS = 6


def mix(value: U64) -> U64:
    """A 64-bit mixing function (Steele et al., "Fast Splittable Pseudorandom Number Generators", 2014)."""
    with np.errstate(over="ignore"):
        value = value + np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@functools.lru_cache(maxsize=256)  # an epoch's keys are asked for again at each of its steps
def key_of(*parts: int) -> int:
    """One 64-bit key from several numbers, in order."""
    key = np.zeros(1, np.uint64)
    for part in parts:
        key = mix(key ^ np.uint64(part % 2**64))
    return int(key[0])


def permute(indices: npt.ArrayLike, size: int, key: int) -> npt.NDArray[np.int64]:
    """Where a keyed permutation of `range(size)` takes each index.

    Example:
        >>> sorted(permute(range(10), 10, key=1)) == list(range(10))
        True
    """
    values = np.asarray(indices, dtype=np.uint64)
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    values = _feistel(values, half, key)
    while (outside := values >= np.uint64(size)).any():
        values = np.where(outside, _feistel(values, half, key), values)
    return values.astype(np.int64)


def _feistel(values: U64, half: int, key: int) -> U64:
    """A permutation of the numbers below 4**half."""
    shift, mask = np.uint64(half), np.uint64(2**half - 1)
    left, right = values >> shift, values & mask
    for number in range(ROUNDS):
        left, right = right, left ^ (mix(right ^ np.uint64(key_of(key, number))) & mask)
    return (left << shift) | right
