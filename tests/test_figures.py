"""Figures: nothing of a series is lost in drawing, nothing from outside can act, and everyone can tell the lines."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idiolect.figures import LineChart, Series, draw, lines, running_mean, spread, thin, tick_labels

heights = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([math.nan]))


def paths(svg: str) -> list[str]:
    """The outlines of the lines drawn (grid and axis are not in a series' colour)."""
    return [
        element.attrib["d"]
        for element in ET.fromstring(svg).iter("path")
        if "--series" in element.attrib.get("style", "")
    ]


@settings(deadline=None, max_examples=60)
@given(st.lists(heights, min_size=1, max_size=400), st.integers(1, 40), st.booleans())
def test_thinning_keeps_ends_extremes_and_gaps(values: list[float], columns: int, log: bool) -> None:
    x_N, y_N = np.arange(1.0, len(values) + 1), np.array(values)
    x_M, y_M = thin(x_N, y_N, columns, log)
    assert len(x_M) <= max(3 * columns + 2, columns)
    np.testing.assert_array_equal(y_M, y_N[x_M.astype(int) - 1])  # points of the series, in its order
    assert (np.diff(x_M) > 0).all()
    assert (x_M[0], x_M[-1]) == (x_N[0], x_N[-1])
    assert np.isnan(y_M).any() == np.isnan(y_N).any()
    if np.isfinite(y_N).any():
        assert (np.nanmin(y_M), np.nanmax(y_M)) == (np.nanmin(y_N), np.nanmax(y_N))


def test_a_short_series_is_drawn_whole() -> None:
    x_N = np.arange(50.0)
    assert thin(x_N, x_N, columns=50)[0] is x_N


def test_thinning_follows_a_logarithmic_axis() -> None:
    x_N = np.arange(1.0, 100_001)
    y_N = np.sin(x_N)
    early = (thin(x_N, y_N, 300, log=True)[0] <= 100).sum()
    assert early > 80  # two fifths of the axis; by plain position it would be 2 points


@settings(deadline=None, max_examples=60)
@given(st.lists(heights, min_size=1, max_size=60), st.sampled_from([3, 5, 9]))
def test_running_mean_equals_the_slow_one(values: list[float], window: int) -> None:
    y_N = np.array(values)
    slow = []
    for place in range(len(values)):
        reach = min(window // 2, place)
        around = [value for value in values[place - reach : place + reach + 1] if not math.isnan(value)]
        slow.append(math.nan if math.isnan(values[place]) else sum(around) / len(around))
    np.testing.assert_allclose(running_mean(y_N, window), slow, atol=1e-6)


@settings(deadline=None)
@given(st.lists(st.floats(-50, 400), min_size=1, max_size=30))
def test_labels_never_overlap_nor_leave_the_chart(wanted: list[float]) -> None:
    placed = spread(wanted, gap=15, low=8, high=300)
    assert all(8 - 1e-6 <= level <= 300 + 1e-6 for level in placed)
    ranked = [placed[index] for index in sorted(range(len(wanted)), key=lambda index: wanted[index])]
    gap = min(15, 292 / max(len(wanted) - 1, 1))
    assert all(below - above >= gap - 1e-6 for above, below in pairwise(ranked))


def test_labels_far_apart_stay_where_they_are() -> None:
    assert spread([200, 40], gap=15, low=8, high=300) == [200, 40]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0, 500, 1000, 1500], ["0", "500", "1,000", "1,500"]),
        ([1.5, 2.0, 2.5], ["1.5", "2.0", "2.5"]),
        ([0, 0.001, 0.0025], ["0", "0.0010", "0.0025"]),
        ([-0.5, 0, 0.5], ["−0.5", "0", "0.5"]),
        ([0, 2.5e6, 5e6], ["0", "2.5 M", "5.0 M"]),
        ([1e9, 2e9], ["1 G", "2 G"]),
        ([2e-5, 4e-5], ["2e−5", "4e−5"]),
        ([1e20], ["1e20"]),
        ([], []),
    ],
)
def test_tick_labels(values: list[float], labels: list[str]) -> None:
    assert tick_labels(values) == labels


def test_what_cannot_be_drawn_is_a_gap() -> None:
    (line,) = lines(LineChart("", [Series("a", [3, 1, 2, math.nan, 4], [30, None, math.inf, 5, 1e300])]))
    np.testing.assert_array_equal(line.x_N, [1, 2, 3, 4])
    np.testing.assert_array_equal(line.y_N, [math.nan, math.nan, 30, math.nan])
    (line,) = lines(LineChart("", [Series("a", [0, 1, 2], [1, -1, 5])], log_x=True, log_y=True))
    np.testing.assert_array_equal(line.x_N, [1, 2])
    np.testing.assert_array_equal(line.y_N, [math.nan, 5])


def test_a_gap_breaks_the_line_and_a_lonely_point_is_a_dot() -> None:
    ys = [1.0, 2.0, None, 3.0, 4.0, 5.0] * 10
    svg = draw(LineChart("", [Series("a", range(60), ys)]), 400, 200, "c")
    (outline,) = (path for path in paths(svg) if "C" not in path)
    assert outline.count("M") == 11  # ten gaps
    assert lonely(svg) == 0
    ys[30:33] = [None, 7.0, None]
    svg = draw(LineChart("", [Series("a", range(60), ys)]), 400, 200, "c")
    assert lonely(svg) == 1


def lonely(svg: str) -> int:
    return len([use for use in re.findall("<use[^>]*>", svg) if "series" in use])


@pytest.mark.parametrize("ys", [[], [math.nan, None, math.inf]])
def test_nothing_to_draw_is_no_drawing(ys: list[float | None]) -> None:
    empty = Series("empty", range(len(ys)), ys)
    assert draw(LineChart("", [empty]), 400, 200, "c") == ""
    assert draw(LineChart("", []), 400, 200, "c") == ""
    assert len(paths(draw(LineChart("", [empty, Series("b", range(100), range(100))]), 400, 200, "c"))) == 1


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("values", [[5.0], [2.0, 2.0], [1e-30, 1e30], [1e99, 2e99], [1.0, 1.0 + 1e-13], [3.1, 4.9]])
def test_odd_ranges_are_drawn_inside_the_picture(values: list[float], log: bool) -> None:
    chart = LineChart("", [Series("a", values, values)], log_x=log, log_y=log)
    svg = draw(chart, 400, 200, "c")
    assert "nan" not in svg and "inf" not in svg
    places = [float(number) for use in re.findall(r"<use[^>]*>", svg) for number in re.findall(r' [xy]="([^"]*)"', use)]
    assert places and min(places) >= 0 and max(places) <= 400


def test_from_zero_shows_the_foot() -> None:
    series = [Series("a", range(5), [900.0, 950, 1000, 980, 990])]
    assert ">0</text>" not in draw(LineChart("", series), 400, 200, "c").replace(">0</text>", "", 1)  # but for x = 0
    assert draw(LineChart("", series, from_zero=True), 400, 200, "c").count(">0</text>") == 2


def test_a_long_series_gives_a_small_drawing() -> None:
    steps = np.arange(100_000)
    noise = np.random.default_rng(0).normal(size=100_000)
    noise[777] = 100.0  # a spike that one point in 333 would miss
    svg = draw(LineChart("", [Series("a", steps, noise, noisy=True)]), 736, 330, "c")
    assert len(svg) < 60_000
    pale = min(paths(svg), key=lambda path: min(float(y) for y in re.findall(r" ([\d.]+)(?: [ML]|$)", path)))
    assert min(float(y) for y in re.findall(r" ([\d.]+)(?: [ML]|$)", pale)) < 30


def test_a_drawing_carries_only_the_colours_and_ids_of_the_page() -> None:
    series = [Series(f"s{index}", [1, 2, 3], [index, None, 3 * index]) for index in range(7)]
    svg = draw(LineChart("", series), 736, 330, "chart-7")
    assert not re.search(r"#[0-9a-f]{6}\b|rgb\(|<style|<metadata|xmlns|DejaVu|DOCTYPE|<\?xml|clip", svg)
    assert {f"var(--series-{index})" for index in range(1, 5)} <= set(re.findall(r"var\([^)]*\)", svg))
    ids, used = re.findall(r'\bid="([^"]*)"', svg), set(re.findall(r'href="#([^"]*)"', svg))
    assert ids and set(ids) == used and len(ids) == len(used)
    assert all(name.startswith("chart-7-") for name in ids)


def test_hostile_names_stay_text() -> None:
    hostile = '<script>alert("1")</script> $\\frac{1}{0}$ #000001 &amp; style="x"'
    svg = draw(LineChart("", [Series(hostile, [1, 2], [1, 2]), Series("b", [1, 2], [2, 1])]), 2000, 330, "c")
    names = [element.text for element in ET.fromstring(svg).iter("text") if element.get("class") == "name"]
    assert names == [hostile, "b"]
    assert "<script" not in svg


def test_equal_charts_give_equal_bytes_whatever_the_style() -> None:
    import matplotlib

    chart = LineChart("", [Series("a", [1, 2, 3], [3, 1, 2])])
    before = draw(chart, 400, 200, "c")
    with matplotlib.rc_context({"axes.facecolor": "red", "lines.linewidth": 9, "text.usetex": True, "font.size": 40}):
        assert draw(chart, 400, 200, "c") == before
        assert matplotlib.rcParams["lines.linewidth"] == 9  # and the reader's style is left alone


def test_matplotlib_waits_for_the_first_chart() -> None:
    program = "import sys, idiolect.report; sys.exit('matplotlib' in sys.modules or 'jinja2' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], check=False, env={"PYTHONPATH": ":".join(sys.path)}).returncode
        == 0
    )


# --- colours: told apart in both themes, by people who see fewer of them too -----------------------------------------


def page_colours(theme: int) -> dict[str, np.ndarray]:
    """The style sheet's colours as linear RGB; theme 0 is light, 1 dark."""
    css = (files("idiolect") / "templates" / "report.css").read_text(encoding="utf-8")
    found = re.findall(r"--([\w-]+): light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\)", css)
    srgb = {name: np.array([int(pair[theme][i : i + 2], 16) / 255 for i in (0, 2, 4)]) for name, *pair in found}
    return {name: np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4) for name, v in srgb.items()}


@pytest.mark.parametrize("theme", [0, 1])
def test_contrast_is_enough_to_read(theme: int) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text. The names of the series are text, too."""
    colours = page_colours(theme)
    light = {name: float(value @ [0.2126, 0.7152, 0.0722]) for name, value in colours.items()}
    grounds = {"ink": ["page", "raised"], "muted": ["page", "raised"], "accent": ["page"]}
    grounds |= {f"series-{index}": ["page"] for index in range(1, 5)}
    grounds["ink"] += [f"token-{index}" for index in range(1, 5)]
    for front, backs in grounds.items():
        for back in backs:
            low, high = sorted((light[front], light[back]))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (front, back)


# Machado, Oliveira, Fernandes (2009), severity 1.0: what is left of linear RGB without one kind of cone.
SIGHT = {
    "full": np.eye(3),
    "protan": np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]]),
    "deutan": np.array([[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9690]]),
    "tritan": np.array([[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]]),
}
LMS = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]])
LAB = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("theme", [0, 1])
def test_the_series_are_told_apart_by_all(theme: int, sight: str) -> None:
    """Distance in OKLab, where 0.02 is just noticeable: three times that between any two series."""
    colours = page_colours(theme)
    seen = [LAB @ np.cbrt(LMS @ (SIGHT[sight] @ colours[f"series-{index}"]).clip(0, 1)) for index in range(1, 5)]
    for first in range(4):
        for second in range(first):
            assert np.linalg.norm(seen[first] - seen[second]) > 0.059, (first + 1, second + 1)
