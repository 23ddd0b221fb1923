"""What each position may see, for every combination of rules, against the rules said one by one."""

from __future__ import annotations

import itertools

import pytest
import torch

from idiolect.nn.masks import alibi_slopes, places_in_segments, sight


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("window", [0, 1, 2, 3, 9])
@pytest.mark.parametrize("held", [0, 3])
@pytest.mark.parametrize("packed", [True, False])
def test_a_position_sees_what_the_rules_allow(causal: bool, window: int, held: int, packed: bool) -> None:
    if packed and held:
        return  # a cache holds one text a row
    segments = torch.tensor([[0, 0, 1, 1, 1], [4, 7, 7, 7, 9]]) if packed else None
    seen = sight(5, causal=causal, held=held, segments_BT=segments, window=window)
    for row, asking, asked in itertools.product(range(2), range(5), range(held + 5)):
        distance = held + asking - asked
        allowed = distance >= 0 or not causal
        allowed &= not window or (distance < window if causal else abs(distance) <= window // 2)
        allowed &= segments is None or bool(segments[row, asking] == segments[row, asked])
        if seen.mask is None:
            told = distance >= 0 if seen.causal else True
        else:
            told = bool(seen.mask.expand(2, 1, 5, held + 5)[row, 0, asking, asked])
        assert told == allowed, (row, asking, asked)


def test_no_mask_is_made_where_the_kernel_knows_the_rule() -> None:
    assert sight(5, causal=True).mask is None and sight(5, causal=True).causal
    assert sight(1, causal=True, held=4).mask is None and not sight(1, causal=True, held=4).causal
    assert sight(5, causal=False).mask is None and not sight(5, causal=False).causal
    assert sight(5, causal=True, window=5).mask is None
    assert sight(5, causal=False, window=8).mask is None


@pytest.mark.parametrize("causal", [True, False])
def test_alibi_takes_a_slope_off_for_each_step_of_distance(causal: bool) -> None:
    slopes = alibi_slopes(2)
    mask = sight(4, causal=causal, held=2, slopes_H=slopes).mask
    assert mask is not None and mask.shape == (2, 4, 6)
    for head, asking, asked in itertools.product(range(2), range(4), range(6)):
        distance = 2 + asking - asked
        expected = -slopes[head].item() * abs(distance) if distance >= 0 or not causal else float("-inf")
        assert mask[head, asking, asked].item() == pytest.approx(expected)


def test_the_slopes_of_heads_that_are_no_power_of_two() -> None:
    assert alibi_slopes(8).tolist() == [2.0**-n for n in range(1, 9)]
    assert alibi_slopes(6).tolist() == pytest.approx([2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3])


def test_places_begin_again_with_each_document() -> None:
    segments = torch.tensor([[0, 0, 1, 1, 1], [3, 5, 5, 9, 9]])
    assert places_in_segments(segments).tolist() == [[0, 1, 0, 1, 2], [0, 0, 1, 0, 1]]
