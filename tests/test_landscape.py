"""Contours and paths as SVG: what is drawn where, in the page's colours, and nothing where there is nothing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import numpy as np
import pytest

from idiolect.landscape import LEVELS, Landscape, Track, draw_landscape, levels

XS, YS = np.linspace(-2.0, 2.0, 21), np.linspace(-1.0, 1.0, 17)
BOWL_YX = XS[None, :] ** 2 + 4 * YS[:, None] ** 2


def landscape(heights_YX: np.ndarray = BOWL_YX, tracks: Sequence[Track] = ()) -> Landscape:
    return Landscape("Bowl", XS, YS, heights_YX, tracks or [Track("one", [-1.5, 0.0], [0.8, 0.0])], goal=(0.0, 0.0))


def drawn(chart: Landscape) -> ET.Element:
    return ET.fromstring(draw_landscape(chart, 700, 400, "c"))


def test_the_lines_stand_at_quantiles() -> None:
    found = levels(BOWL_YX)
    assert found == sorted(set(found)) and len(found) == LEVELS
    below = [(level > BOWL_YX).mean() for level in found]
    assert np.allclose(below, (np.arange(LEVELS) + 0.5) / LEVELS, atol=0.06)


def test_heights_are_told_on_the_lines_and_axes_have_ticks() -> None:
    svg = drawn(landscape())
    texts = [element.text for element in svg.iter("text")]
    assert {f"{level:g}" for level in levels(BOWL_YX)[::2]} & set(texts)
    assert {"−2", "2", "0"} <= set(texts) or {"−2", "2"} <= set(texts)
    turned = [element for element in svg.iter("text") if "transform" in element.attrib]
    assert all("translate" in element.attrib["transform"] for element in turned), "each has a place"


def test_a_path_is_in_its_colour_from_a_ring_to_a_disc_and_named() -> None:
    tracks = [Track("down", [-1.5, -1.0, 0.0], [0.8, 0.3, 0.0]), Track("<up>", [1.5, 1.0], [0.8, -0.3])]
    svg = drawn(landscape(tracks=tracks))
    names = {element.text: element.attrib["style"] for element in svg.iter("text") if element.get("class") == "name"}
    assert names == {"down": "fill: var(--series-1)", "<up>": "fill: var(--series-2)"}
    text = draw_landscape(landscape(tracks=tracks), 700, 400, "c")
    assert "stroke: var(--series-1)" in text and "fill: var(--series-2)" in text
    assert not re.search(r"#[0-9a-f]{6}", text.replace("#c-", "")), "every colour is the page's"


def test_a_path_that_leaves_the_picture_is_cut_at_its_frame() -> None:
    track = Track("off", [-1.5, 90.0, -1.0, 0.5, 0.2], [0.8, 1e9, -5.0, 0.0, 0.1])
    svg = drawn(landscape(tracks=[track]))
    lines = [path.attrib["d"] for path in svg.iter("path") if "stroke: var(--series-1)" in path.get("style", "")]
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", lines[0])]
    assert lines[0].count("M") == 3, "it leaves, passes through, and comes back"
    assert all(20 < x < 700 for x in numbers[::2]) and all(7.9 <= y <= 374.1 for y in numbers[1::2])
    (name,) = (element for element in svg.iter("text") if element.get("class") == "name")
    assert 0 <= float(name.attrib["y"]) <= 400
    text = draw_landscape(landscape(tracks=[track]), 700, 400, "c")
    assert "url(" not in text, "a page reaches for nothing, not even itself"


@pytest.mark.parametrize("heights_YX", [np.full_like(BOWL_YX, np.nan), np.ones_like(BOWL_YX)])
def test_a_plain_is_not_drawn(heights_YX: np.ndarray) -> None:
    assert draw_landscape(landscape(heights_YX), 700, 400, "c") == ""


def test_heights_that_are_not_finite_are_left_out() -> None:
    holed_YX = BOWL_YX.copy()
    holed_YX[0, :5], holed_YX[3, 3] = np.inf, np.nan
    assert "nan" not in draw_landscape(landscape(holed_YX), 700, 400, "c").lower()


def test_equal_landscapes_give_equal_markup() -> None:
    assert draw_landscape(landscape(), 352, 300, "c") == draw_landscape(landscape(), 352, 300, "c")
