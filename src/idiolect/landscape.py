"""A loss over a plane as contour lines, and the paths that trainings take across it, as inline SVG.

Drawn like the charts of `figures.py`, in the page's colours: the deeper the ground, the stronger its tint. The lines
stand at quantiles of the heights, so that each has the same area between it and the next, whether the loss is a
quadratic or a network's. Each path begins at a ring and ends at a disc.

Costs some 150 ms a drawing, and for a grid of 31 × 31 some 60 kB.

Shapes: X columns and Y rows of the grid, N points of a path.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from idiolect.figures import (
    CHARACTER,
    DASHES,
    GROUND,
    INK,
    SERIES_COLOURS,
    add_names,
    inline_svg,
    plain_matplotlib,
    set_ticks,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

LEVELS = 11
"""Contour lines, at most."""
DOTS = 60
"""Points of a path up to which each is a dot."""


@dataclass(frozen=True)
class Track:
    """A path across the plane, from its first point to its last; what is outside the picture is cut off."""

    name: str
    xs: Sequence[float] | NDArray[Any]
    ys: Sequence[float] | NDArray[Any]


@dataclass(frozen=True)
class Landscape:
    """Heights over a plane, and paths across it, each named beside the picture.

    Heights that are not finite are left white. `goal` marks a place with a cross: the lowest, where it is known.
    """

    title: str
    xs: NDArray[Any]
    """(X,), ascending."""
    ys: NDArray[Any]
    """(Y,), ascending."""
    heights_YX: NDArray[Any]
    tracks: Sequence[Track]
    goal: tuple[float, float] | None = None
    x_label: str = ""
    y_label: str = ""
    caption: str = ""


def levels(heights_YX: NDArray[Any]) -> list[float]:
    """Where the contour lines stand: quantiles of the heights, rounded as far as they stay apart; none of a plain."""
    finite = heights_YX[np.isfinite(heights_YX)]
    if not len(finite) or finite.max() <= finite.min():
        return []
    quantiles = np.quantile(finite, (np.arange(LEVELS) + 0.5) / LEVELS)
    for digits in range(2, 7):
        rounded = {float(f"{value:.{digits}g}") for value in quantiles}
        found = sorted(level for level in rounded if finite.min() < level < finite.max())
        if len(found) == len(set(quantiles)):
            break
    return found


def draw_landscape(chart: Landscape, width: int, height: int, prefix: str) -> str:
    """The landscape as SVG markup of `width` x `height` pixels; "" where it has no heights. See `figures.draw`."""
    at = levels(chart.heights_YX)
    if not at:
        return ""
    from matplotlib.figure import Figure

    with plain_matplotlib():
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(chart.xs[0], chart.xs[-1])
        axes.set_ylim(chart.ys[0], chart.ys[-1])
        set_ticks(axes.xaxis, *axes.get_xlim(), count=max(width // 110, 3))
        labels = set_ticks(axes.yaxis, *axes.get_ylim(), count=5)
        left = 10 + CHARACTER * max(map(len, labels))
        right = min(16 + CHARACTER * max((len(track.name) for track in chart.tracks), default=0), 0.32 * width)
        axes.set_position((left / width, 26 / height, 1 - (left + right) / width, 1 - (26 + 8) / height))
        _ground(axes, chart, at)
        ends = [_track(axes, track, place) for place, track in enumerate(chart.tracks)]
        svg = inline_svg(figure, prefix)
        places = [height - float(axes.transData.transform((0, end))[1]) for end in ends]
    names = [track.name for track in chart.tracks]
    add_names(svg, names, places, left=width - right + 8, room=right - 8)
    return ET.tostring(svg, encoding="unicode")


def _ground(axes: Axes, chart: Landscape, at: list[float]) -> None:
    """The tinted ground, the lines with their heights, the axes, the goal."""
    heights_YX = np.ma.masked_invalid(chart.heights_YX)
    edges = [-np.inf, *at]
    for place, (edge, following) in enumerate(pairwise(edges)):
        tint = 0.13 * (1 - place / len(at))
        ground = axes.contourf(chart.xs, chart.ys, heights_YX, levels=[edge, following], colors=[GROUND], alpha=tint)
        ground.set_clip_on(False)  # it ends where the axes do
    lines = axes.contour(chart.xs, chart.ys, heights_YX, levels=at, colors=GROUND, linewidths=0.8, alpha=0.5)
    lines.set_clip_on(False)
    for label in axes.clabel(lines, levels=at[::2], inline=True, inline_spacing=4, fontsize=12, fmt="%g"):
        label.set_clip_on(False)
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.spines["bottom"].set(color=INK, linewidth=1)
    axes.tick_params(axis="y", length=0, pad=8)
    axes.tick_params(axis="x", color=INK, length=4, width=1, pad=5)
    if chart.goal is not None:
        axes.plot(
            *([value] for value in chart.goal), color=INK, marker="+", markersize=11, markeredgewidth=1.6, clip_on=False
        )


def _track(axes: Axes, track: Track, place: int) -> float:
    """Draw a path; returns the height of its end, within the picture."""
    xs, ys = np.asarray(track.xs, dtype=np.float64), np.asarray(track.ys, dtype=np.float64)
    colours = list(SERIES_COLOURS)
    colour, dashes = colours[place % len(colours)], DASHES[place // len(colours) % len(DASHES)]
    style: dict[str, Any] = {"color": colour, "solid_joinstyle": "round", "solid_capstyle": "round"}
    axes.plot(*_within(axes, xs, ys), linewidth=1.6, linestyle=dashes, clip_on=False, **style)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    inside_N = (left <= xs) & (xs <= right) & (low <= ys) & (ys <= high)
    ring = {"markersize": 9, "fillstyle": "none", "markeredgewidth": 1.6, "color": INK}
    disc = {"markersize": 8, "markeredgewidth": 0, "color": colour}
    dot = {"markersize": 3, "markeredgewidth": 0, "color": colour}
    for points, mark in ((slice(None), dot if len(xs) <= DOTS else None), (slice(1), ring), (slice(-1, None), disc)):
        if mark is not None:
            kept = inside_N[points]
            axes.plot(xs[points][kept], ys[points][kept], "o", clip_on=False, **mark)  # type: ignore[arg-type]
    return float(np.clip(ys[-1], low, high))


def _within(axes: Axes, xs: NDArray[Any], ys: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The parts of a line that are in the picture, with gaps between them: a page has no other way to cut it off (Liang
    & Barsky 1984)."""
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    points: list[Any] = []
    for start, end in pairwise(np.column_stack((xs, ys))):
        step = np.where(end == start, 1e-300, end - start)
        with np.errstate(over="ignore"):
            crossings = np.sort(np.stack(((low - start) / step, (high - start) / step)), axis=0)
        enters, leaves = max(0.0, crossings[0].max()), min(1.0, crossings[1].min())
        if enters < leaves:
            points += [start + enters * (end - start)] if enters > 0 or not points else []
            points += [start + leaves * (end - start), *([(np.nan, np.nan)] if leaves < 1 else [])]
    found = np.array(points).reshape(-1, 2)
    return found[:, 0], found[:, 1]
