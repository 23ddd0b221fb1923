"""Line charts as inline SVG: one drawing that follows the page from light to dark.

matplotlib draws with stand-in colours, `inline_svg` turns those into CSS variables (`var(--series-1)`) and
takes out whatever a page has no use for (metadata, fonts, ids). Words from outside never pass through
matplotlib: its tick labels are the only text it sets, the names of the lines are added to the finished drawing.

Costs: importing matplotlib takes a third of a second, so the first chart does it; a chart takes some 50 ms. A
series of any length is thinned to at most three points for each two pixels, so that a drawing stays small.
"""

from __future__ import annotations

import io
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

# What matplotlib is told to draw with, and what the page's style sheet calls it.
SERIES_COLOURS = {f"#0000{index:02x}": f"var(--series-{index})" for index in range(1, 5)}
GRID, INK, GROUND = "#000101", "#000102", "#000103"
PAGE_COLOURS = SERIES_COLOURS | {GRID: "var(--rule)", INK: "var(--muted)", GROUND: "var(--ink)"}
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))  # the fifth series is the first colour again, dashed

LARGEST = 1e100  # what is beyond is as good as infinite, and would overflow the axes
CHARACTER = 6.8  # width in pixels that a character of a 12-pixel label is given
LINE = 15.0  # height in pixels of such a label
WINDOW = 50  # a noisy series' running mean spans one fiftieth of it


@dataclass(frozen=True)
class Series:
    """One line of a chart: `ys` over `xs`, drawn in the order of `xs`.

    A `None`, NaN or infinite `y` is a gap in the line; a point between two gaps is drawn as a dot. A `noisy` series is
    drawn pale, with its running mean on top (where it has 50 points or more).
    """

    name: str
    xs: Sequence[float] | NDArray[Any]
    ys: Sequence[float | None] | NDArray[Any]
    noisy: bool = False


@dataclass(frozen=True)
class LineChart:
    """A chart of one or more series, each named at the end of its line where there are several.

    On a logarithmic axis values of zero and below are gaps. `from_zero` starts the vertical axis at zero, so that
    heights can be compared.
    """

    title: str
    series: Sequence[Series]
    x_label: str = ""
    y_label: str = ""
    log_x: bool = False
    log_y: bool = False
    from_zero: bool = False
    caption: str = ""


@dataclass(frozen=True)
class Line:
    """A series made ready to draw: x ascending and finite, y NaN in the gaps; `mean_N` only for a noisy one."""

    name: str
    x_N: NDArray[np.float64]
    y_N: NDArray[np.float64]
    mean_N: NDArray[np.float64] | None
    window: int

    @property
    def top(self) -> NDArray[np.float64]:
        """The line that carries the name: the running mean where there is one."""
        return self.y_N if self.mean_N is None else self.mean_N


def lines(chart: LineChart) -> list[Line]:
    """The chart's series that have a point to draw, in its order."""
    found = []
    for series in chart.series:
        x_N = np.array(series.xs, dtype=np.float64)
        y_N = np.array(series.ys, dtype=np.float64)  # None becomes NaN
        assert x_N.shape == y_N.shape, f"series {series.name!r} has {len(x_N)} x for {len(y_N)} y"
        keep_N = _drawable(x_N, chart.log_x)
        x_N, y_N = x_N[keep_N], np.where(_drawable(y_N, chart.log_y), y_N, np.nan)[keep_N]
        order_N = np.argsort(x_N, kind="stable")
        x_N, y_N = x_N[order_N], y_N[order_N]
        if not np.isfinite(y_N).any():
            continue
        window = max(3, len(y_N) // WINDOW) | 1
        mean_N = running_mean(y_N, window) if series.noisy and len(y_N) >= WINDOW else None
        found.append(Line(series.name, x_N, y_N, mean_N, window))
    return found


def _drawable(v_N: NDArray[np.float64], log: bool) -> NDArray[np.bool_]:
    inside_N = np.isfinite(v_N) & (np.abs(v_N) < LARGEST)
    return inside_N & (v_N > 1 / LARGEST) if log else inside_N


def running_mean(y_N: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The mean of the `window` (odd) points around each point; gaps stay gaps and count for nothing.

    At the beginning, where curves are steep, it reaches no further ahead than back; at the end it is cut off.
    """
    finite_N = np.isfinite(y_N)
    sums_N1 = np.concatenate([[0.0], np.cumsum(np.where(finite_N, y_N, 0.0))])
    counts_N1 = np.concatenate([[0], np.cumsum(finite_N)])
    place_N = np.arange(len(y_N))
    reach_N = np.minimum(place_N, window // 2)
    first_N, last_N = place_N - reach_N, np.minimum(place_N + reach_N + 1, len(y_N))
    mean_N = (sums_N1[last_N] - sums_N1[first_N]) / np.maximum(counts_N1[last_N] - counts_N1[first_N], 1)
    return np.where(finite_N, mean_N, np.nan)


def thin(
    x_N: NDArray[np.float64], y_N: NDArray[np.float64], columns: int, log: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most three points for each of `columns` equal stretches of the axis: lowest, highest, and a gap if any.

    The line looks the same and no spike is lost. `x_N` ascends; a series of at most `columns` points stays whole.
    """
    if len(x_N) <= columns:
        return x_N, y_N
    along_N = np.log10(x_N) if log else x_N
    span = (along_N[-1] - along_N[0]) or 1.0
    column_N = np.minimum((along_N - along_N[0]) / span * columns, columns - 1).astype(np.int64)
    starts = np.flatnonzero(np.diff(column_N, prepend=-1))
    kept = {0, len(x_N) - 1}
    for start, end in zip(starts, [*starts[1:], len(x_N)]):
        finite = start + np.flatnonzero(np.isfinite(y_N[start:end]))
        if len(finite):
            kept |= {int(finite[y_N[finite].argmin()]), int(finite[y_N[finite].argmax()])}
        if len(finite) < end - start:
            kept.add(int(start + np.isfinite(y_N[start:end]).argmin()))
    chosen = sorted(kept)
    return x_N[chosen], y_N[chosen]


def draw(chart: LineChart, width: int, height: int, prefix: str) -> str:
    """The chart as SVG markup of `width` x `height` pixels, safe to put into a page; "" where nothing can be drawn.

    `prefix` begins every id in it and must differ from drawing to drawing on one page. The title, axis labels and
    caption are the page's business. Equal charts give equal markup.
    """
    drawn = lines(chart)
    if not drawn:
        return ""
    from matplotlib.figure import Figure

    with plain_matplotlib():
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)  # so that a unit is a pixel
        axes = figure.add_axes((0, 0, 1, 1))
        _set_scales(axes, chart, drawn)
        set_ticks(axes.xaxis, *axes.get_xlim(), count=max(width // 110, 3))
        heights = set_ticks(axes.yaxis, *axes.get_ylim(), count=5)
        left = 10 + CHARACTER * max(map(len, heights), default=0)
        longest = max(len(line.name) for line in drawn) if len(drawn) > 1 else 0
        right = min(16 + CHARACTER * longest, 0.32 * width)
        axes.set_position((left / width, 26 / height, 1 - (left + right) / width, 1 - (26 + 8) / height))
        _plot(axes, chart, drawn, columns=width // 2)
        svg = inline_svg(figure, prefix)
        ends = [line.top[np.isfinite(line.top)][-1] for line in drawn]
        levels = [height - float(axes.transData.transform((axes.get_xlim()[1], end))[1]) for end in ends]
    if len(drawn) > 1:
        add_names(svg, [line.name for line in drawn], levels, left=width - right + 8, room=right - 8)
    return ET.tostring(svg, encoding="unicode")


@contextmanager
def plain_matplotlib() -> Iterator[None]:
    """matplotlib as every drawing wants it, whatever style the reader's own settings ask for."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "idiolect", "font.size": 12})
        yield


def add_names(svg: ET.Element, names: list[str], levels: list[float], left: float, room: float) -> None:
    """Write each name at `left`, as near as can be to its level (pixels from the top), in its line's colour."""
    height = float(svg.attrib["viewBox"].split()[-1])
    colours = list(SERIES_COLOURS.values())
    letters = int(room / CHARACTER)
    for index, level in enumerate(spread(levels, LINE, 8.0, height - 26.0)):
        name = names[index] if len(names[index]) <= letters else names[index][: letters - 1] + "…"
        style = f"fill: {colours[index % len(colours)]}"
        label = ET.SubElement(svg, "text", {"x": f"{left:.1f}", "y": f"{level + 4:.1f}", "style": style})
        label.set("class", "name")
        label.text = name


def _set_scales(axes: Axes, chart: LineChart, drawn: list[Line]) -> None:
    """Logarithmic where asked, and limits that hold every point with a little room above and below."""
    for log, set_scale, set_limits, values, margin in (
        (chart.log_x, axes.set_xscale, axes.set_xlim, [line.x_N for line in drawn], 0.0),
        (chart.log_y, axes.set_yscale, axes.set_ylim, [line.y_N for line in drawn], 0.05),
    ):
        low, high = min(np.nanmin(v) for v in values), max(np.nanmax(v) for v in values)
        if log:
            set_scale("log")
            reach = (high / low) ** margin if high > low * 1.001 else 1.5
            set_limits(low / reach, high * reach)
        else:
            room = (high - low) * margin if high - low > 1e-9 * abs(high) else max(abs(high), 1.0) * 0.5
            set_limits(low - room, high + room)
    first, last = axes.get_xlim()
    if not chart.log_x and 0 < first < 0.05 * last:  # steps that begin at 1
        axes.set_xlim(left=0)
    if chart.from_zero and not chart.log_y and axes.get_ylim()[1] > 0:
        axes.set_ylim(bottom=min(0.0, *(np.nanmin(line.y_N) for line in drawn)))


def set_ticks(axis: Axis, low: float, high: float, count: int) -> list[str]:
    """About `count` round ticks, few enough to breathe; returns their labels."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator

    places: list[float] = []
    labels: list[str] = []
    if axis.get_scale() == "log":
        decades = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
        places = _within((part * decade for decade in decades for part in (1, 2, 5)), low, high)
        if len(places) > count + 1:
            places = _within(decades, low, high)
            places = places[:: math.ceil(len(places) / (count + 1))]
        labels = [tick_labels([place])[0] for place in places]
    if len(places) < 3:  # a linear axis, or too short a stretch of a logarithmic one
        places = _within(MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high), low, high)
        labels = tick_labels(places)
    axis.set_major_locator(FixedLocator(places))
    axis.set_minor_locator(FixedLocator([]))
    axis.set_major_formatter(FixedFormatter(labels))
    return labels


def _within(places: Iterable[float], low: float, high: float) -> list[float]:
    slack = 1e-9 * (high - low)
    return [float(place) for place in places if low - slack <= place <= high + slack]


def tick_labels(values: list[float]) -> list[str]:
    """Labels for the ticks of one axis: thousands separated, the same decimals and unit for all.

    >>> tick_labels([0.0, 500.0, 1000.0]), tick_labels([1.5, 2.0]), tick_labels([0.0, 2.5e6, 5e6])
    (['0', '500', '1,000'], ['1.5', '2.0'], ['0', '2.5 M', '5.0 M'])
    """
    largest = max((abs(value) for value in values), default=0.0)
    if largest >= 1e15 or 0 < largest < 1e-3:
        return [scientific(value, digits=3) for value in values]
    divisor, unit = (1e9, " G") if largest >= 1e9 else (1e6, " M") if largest >= 1e6 else (1.0, "")
    plain = [f"{value / divisor:.6g}".partition("e")[0] for value in values]
    decimals = max((len(text.partition(".")[2]) for text in plain), default=0)
    texts = [f"{value / divisor:,.{decimals}f}{unit}" if value else "0" for value in values]
    return [text.replace("-", "−") for text in texts]


def scientific(value: float, digits: int) -> str:
    """A very large or very small number: `scientific(1.25e-05, 3)` is "1.25e−5"."""
    return re.sub(r"e([+-])0*", r"e\1", f"{value:.{digits}g}").replace("+", "").replace("-", "−")


def _plot(axes: Axes, chart: LineChart, drawn: list[Line], columns: int) -> None:
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=GRID, linewidth=1, clip_on=False)
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.spines["bottom"].set(color=INK, linewidth=1)
    axes.tick_params(axis="y", length=0, pad=8)
    axes.tick_params(axis="x", color=INK, length=4, width=1, pad=5)
    colours = list(SERIES_COLOURS)
    for index, line in enumerate(drawn):
        colour = colours[index % len(colours)]
        dashes: Any = DASHES[index // len(colours) % len(DASHES)]
        if line.mean_N is not None:
            x_M, y_M = thin(line.x_N, line.y_N, columns, chart.log_x)
            axes.plot(x_M, y_M, color=colour, linewidth=0.9, alpha=0.3, clip_on=False)
        x_M, y_M = thin(line.x_N, line.top, columns, chart.log_x)
        finite_M2 = np.isfinite(np.concatenate([[np.nan], y_M, [np.nan]]))
        alone_M = finite_M2[1:-1] & ~finite_M2[:-2] & ~finite_M2[2:]
        dots = finite_M2[1:-1] if len(x_M) <= 30 else alone_M
        style = {"linewidth": 1.8, "linestyle": dashes, "solid_joinstyle": "round", "solid_capstyle": "round"}
        style |= {"marker": "o", "markersize": 4.5, "markeredgewidth": 0, "markevery": np.flatnonzero(dots).tolist()}
        axes.plot(x_M, y_M, color=colour, clip_on=False, **style)


def spread(wanted: list[float], gap: float, low: float, high: float) -> list[float]:
    """Places for labels as near to `wanted` as can be, at least `gap` apart and within `low` to `high`.

    Labels keep their order. Where there are too many for the room, the gap shrinks.
    """
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = [0.0] * len(wanted)
    for rank, index in enumerate(order):  # down from the top, then up from the bottom
        floor = low if rank == 0 else placed[order[rank - 1]] + gap
        placed[index] = max(wanted[index], floor)
    for rank, index in reversed(list(enumerate(order))):
        ceiling = high if rank == len(order) - 1 else placed[order[rank + 1]] - gap
        placed[index] = min(placed[index], ceiling)
    return placed


def inline_svg(figure: Figure, prefix: str) -> ET.Element:
    """A matplotlib figure as an SVG element for a page: its colours the page's, its ids beginning with `prefix`."""
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ET.fromstring(file.getvalue())
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
    _prune(root)
    names: dict[str, str] = {}
    for element in root.iter():
        if element.tag == "use":
            old = element.attrib["href"].removeprefix("#")
            element.set("href", "#" + names.setdefault(old, f"{prefix}-{len(names) + 1}"))
    for element in root.iter():
        identity = element.attrib.pop("id", "")
        if identity in names:
            element.set("id", names[identity])
        _restyle(element)
    root.attrib = {"viewBox": root.attrib["viewBox"], "aria-hidden": "true", "focusable": "false"}
    return root


def _prune(element: ET.Element) -> None:
    """Take out style sheets and metadata (they would reach the whole page), empty groups and white space."""
    for child in list(element):
        _prune(child)
        if child.tag in ("style", "metadata") or (child.tag in ("g", "defs") and len(child) == 0):
            element.remove(child)
    if element.tag != "text":
        element.text = None
    element.tail = None


def _restyle(element: ET.Element) -> None:
    """Page colours for stand-in colours, the page's font for text, two decimals for coordinates."""
    style = element.attrib.pop("style", "")
    if element.tag == "text":
        if "x" in element.attrib:
            element.attrib.pop("transform", None)  # ticks are turned by nothing
        anchor = re.search(r"text-anchor: (\w+)", style)
        element.set("text-anchor", anchor[1] if anchor else "start")
    elif style:
        element.set("style", re.sub(r"#[0-9a-f]{6}", lambda found: PAGE_COLOURS[found[0]], style))
    for name in ("d", "x", "y"):
        if name in element.attrib:
            value = re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):.2f}", element.attrib[name])
            element.set(name, " ".join(value.split()))
