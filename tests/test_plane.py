"""Words in the plane: names keep off each other, nothing of them is markup."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idiolect.plane import Dot, Plane, _crosses, _placed, draw_plane, place_labels

PLACES = st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(PLACES, st.booleans(), st.booleans())
def test_names_overlap_no_other_and_stay_inside(
    places: list[tuple[float, float]], whole: bool, with_arrows: bool
) -> None:
    dots = [Dot(f"word{number}", x, y, number % 5) for number, (x, y) in enumerate(places)]
    arrows = [(number, number + 1) for number in range(0, len(dots) - 1, 2)] if with_arrows else []
    plane = Plane("title", dots, arrows, whole)
    placed = _placed(plane, 352, 420)
    assert np.isfinite(placed).all() and (placed >= 0).all() and (placed <= [352, 420]).all()
    boxes = [label.box for label in place_labels(plane, placed, 352, 420)]
    for number, (left, top, right, bottom) in enumerate(boxes):
        assert 0 <= left < right <= 352 and 0 <= top < bottom <= 420
        for other in boxes[:number]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
    ET.fromstring(draw_plane(plane, 352, 420))


def test_every_name_is_there_where_there_is_room() -> None:
    pairs = [(f"from{n}", f"to{n}") for n in range(8)]
    dots = [Dot(word, n % 3 + 0.01 * n, side) for n, pair in enumerate(pairs) for side, word in enumerate(pair)]
    svg = ET.fromstring(draw_plane(Plane("t", dots, [(2 * n, 2 * n + 1) for n in range(8)]), 736, 560))
    assert sorted(text.text or "" for text in svg.iter("text")) == sorted(word for pair in pairs for word in pair)
    assert len(list(svg.iter("path"))) == 8 and len(list(svg.iter("circle"))) == 16


def test_arrows_keep_their_angles() -> None:
    """One scale for both axes: a right angle stays one."""
    placed = _placed(Plane("t", [Dot("a", 0, 0), Dot("b", 10, 0), Dot("c", 0, 3)], [(0, 1), (0, 2)]), 736, 560)
    across, up = placed[1] - placed[0], placed[2] - placed[0]
    assert across @ up == pytest.approx(0) and np.hypot(*across) / np.hypot(*up) == pytest.approx(10 / 3)


def test_a_name_is_no_markup() -> None:
    svg = draw_plane(Plane("t", [Dot("</svg><script>alert(1)</script>", 0, 0)]), 736, 560)
    assert "<script" not in svg and ET.fromstring(svg).tag == "svg"


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw_plane(Plane("t", []), 736, 560) == ""


@given(*[st.integers(-9, 9)] * 4)
def test_a_line_crosses_a_box_where_one_of_its_points_is_inside(a: int, b: int, c: int, d: int) -> None:
    start, end = np.array([a, b], dtype=float), np.array([c, d], dtype=float)
    points = start + np.linspace(0, 1, 2001)[:, None] * (end - start)
    inside = ((points > [-3, -2]) & (points < [3, 2])).all(axis=1).sum()
    if inside > 1:
        assert _crosses((-3, -2, 3, 2), start, end)
    elif not inside:
        assert not _crosses((-2.99, -1.99, 2.99, 1.99), start, end)
