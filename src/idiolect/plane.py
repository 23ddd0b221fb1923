"""Words in the plane as inline SVG: dots with their names, arrows between them, in the page's colours.

With arrows both axes have one scale, so that what is parallel looks parallel. A name goes to the nearest free place
beside its dot: never over another name, and over no dot or arrow where that can be had; from farther away a thin line
leads to it. Where a name may be left out (a map of many words), one without a place is. A map of 400 words takes some
100 ms.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from idiolect.figures import CHARACTER, SERIES_COLOURS

LINE: Final = 14.0  # height in pixels of a name
MARGIN: Final = 12.0  # around the dots
_DIRECTIONS: Final = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1))
_RINGS: Final = (6, 14, 24, 36, 50, 66, 84)  # pixels from the dot that a name may be away
_RADIUS: Final = 3.0  # of a dot
_HEAD: Final = 7.0  # length of an arrow's head
HALO: Final = "paint-order: stroke; stroke: var(--page); stroke-width: 3px"  # a name stays readable across a line
_WIDE: Final = ("m", "w", "M", "W", "@", "%", "—")  # letters wider than most

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Dot:
    """A word at its place; `group` chooses its colour."""

    name: str
    x: float
    y: float
    group: int = 0


@dataclass(frozen=True)
class Plane:
    """Words in the plane. `arrows` go from dot to dot by their numbers; without `whole`, names may be left out."""

    title: str
    dots: Sequence[Dot]
    arrows: Sequence[tuple[int, int]] = ()
    whole: bool = True
    caption: str = ""
    x_label: str = ""
    y_label: str = ""

    @property
    def words(self) -> str:
        """What it shows, for those who cannot see it."""
        if self.arrows:
            return ", ".join(f"{self.dots[a].name} to {self.dots[b].name}" for a, b in self.arrows)
        return f"{len(self.dots)} words: {', '.join(dot.name for dot in self.dots[:30])}"


@dataclass(frozen=True)
class Label:
    """Where a name was put, and whether it needs a line to its dot."""

    dot: int
    box: Box
    side: int
    """-1 left of its dot, 1 right of it, 0 above or below."""
    far: bool


def draw_plane(plane: Plane, width: int, height: int) -> str:
    """The plane as SVG markup of `width` x `height` pixels, safe to put into a page; "" where nothing can be drawn."""
    if not plane.dots:
        return ""
    places_N2 = _placed(plane, width, height)
    svg = ET.Element("svg", {"viewBox": f"0 0 {width} {height}", "aria-hidden": "true", "focusable": "false"})
    colours = list(SERIES_COLOURS.values())
    for start, end in plane.arrows:
        _arrow(svg, places_N2[start], places_N2[end])
    labels = place_labels(plane, places_N2, width, height)
    for label in labels:
        if label.far:
            x, y = places_N2[label.dot]
            left, top, right, bottom = label.box
            attributes = {"x1": x, "y1": y, "x2": min(max(x, left), right), "y2": min(max(y, top + 3), bottom - 3)}
            line = ET.SubElement(svg, "line", {name: f"{value:.1f}" for name, value in attributes.items()})
            line.set("style", "stroke: var(--rule); stroke-width: 1")
    for dot, (x, y) in zip(plane.dots, places_N2):
        circle = ET.SubElement(svg, "circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": f"{_RADIUS}"})
        circle.set("style", f"fill: {colours[dot.group % len(colours)]}")
        ET.SubElement(circle, "title").text = dot.name
    for label in labels:
        left, top, right, _ = label.box
        # Anchored where it is nearest to its dot, so that a face of another width runs away from it.
        x, anchor = {-1: (right, "end"), 0: ((left + right) / 2, "middle"), 1: (left, "start")}[label.side]
        text = ET.SubElement(svg, "text", {"x": f"{x:.1f}", "y": f"{top + 11:.1f}", "class": "name"})
        text.set("text-anchor", anchor)
        text.set("style", f"fill: {colours[plane.dots[label.dot].group % len(colours)]}; {HALO}")
        text.text = plane.dots[label.dot].name
    return ET.tostring(svg, encoding="unicode")


def _placed(plane: Plane, width: int, height: int) -> NDArray[np.float64]:
    """(N, 2) the dots in pixels, on one scale, in the middle, with room for names at the sides."""
    places_N2 = np.array([[dot.x, -dot.y] for dot in plane.dots], dtype=np.float64)
    low, high = places_N2.min(axis=0), places_N2.max(axis=0)
    side = min(max(text_width(dot.name) for dot in plane.dots) if plane.whole else 40.0, 0.2 * width)
    room = np.array([width - 2 * MARGIN - 2 * side, height - 2 * MARGIN - 2 * LINE])
    scale = room / np.maximum(high - low, 1e-9)
    if plane.arrows:
        scale = scale.min()
    placed_N2: NDArray[np.float64] = (places_N2 - (low + high) / 2) * scale + np.array([width, height]) / 2
    return placed_N2


def _arrow(svg: ET.Element, start_2: NDArray[np.float64], end_2: NDArray[np.float64]) -> None:
    """A line from dot to dot with an open head, ending beside the dots."""
    length = float(np.hypot(*(end_2 - start_2)))
    if length < 3 * _RADIUS:
        return
    along_2 = (end_2 - start_2) / length
    first_2, last_2 = start_2 + along_2 * (_RADIUS + 1), end_2 - along_2 * (_RADIUS + 2)
    across_2 = np.array([-along_2[1], along_2[0]])
    head = [last_2 - along_2 * _HEAD + side * across_2 * _HEAD / 2 for side in (1, -1)]
    points = [first_2, last_2, head[0], last_2, head[1]]
    path = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    ET.SubElement(svg, "path", {"d": path, "style": "fill: none; stroke: var(--muted); stroke-width: 1.2"})


def text_width(name: str) -> float:
    """About how many pixels a name of a 12-pixel face is wide."""
    return sum(
        2 * CHARACTER if ord(letter) > 0x2E80 else CHARACTER * (1.6 if letter in _WIDE else 1.1) for letter in name
    )


def place_labels(plane: Plane, places_N2: NDArray[np.float64], width: int, height: int) -> list[Label]:
    """A place for each name, in the order of the dots; no two overlap."""
    dots = [(x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS) for x, y in places_N2]
    lines = [(places_N2[start], places_N2[end]) for start, end in plane.arrows]
    taken: list[Box] = []
    labels = []
    for number, dot in enumerate(plane.dots):
        best: tuple[float, Box, int, int] | None = None
        others = np.array([*dots[:number], *dots[number + 1 :], (-9.0, -9.0, -9.0, -9.0)])
        names = np.array([*taken, (-9.0, -9.0, -9.0, -9.0)])
        for ring, distance in enumerate(_RINGS if plane.whole else _RINGS[:1]):
            for direction, (right, down) in enumerate(_DIRECTIONS):
                box = _beside(places_N2[number], text_width(dot.name), distance, right, down)
                if box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height or _overlaps(box, names):
                    continue
                cost = 10.0 * _overlaps(box, others) + 6.0 * sum(_crosses(box, *line) for line in lines)
                cost += 2.0 * ring + 0.1 * direction
                if best is None or cost < best[0]:
                    best = (cost, box, right, ring)
            if best is not None and best[0] < 2.0 * (ring + 1):
                break  # no ring farther out can be better
        if best is not None and (plane.whole or best[0] < 10):
            taken.append(best[1])
            labels.append(Label(number, best[1], best[2], far=best[3] > 0))
    return labels


def _beside(place_2: NDArray[np.float64], width: float, distance: float, right: int, down: int) -> Box:
    """The box of a name beside a dot."""
    x, y = (float(value) for value in place_2)
    away = distance if not (right and down) else 0.7 * distance
    left = x + away if right > 0 else x - away - width if right < 0 else x - width / 2
    top = y + away if down > 0 else y - away - LINE if down < 0 else y - LINE / 2
    return (left, top, left + width, top + LINE)


def _overlaps(box: Box, others: NDArray[np.float64]) -> int:
    """How many of other boxes a box overlaps."""
    left, top, right, bottom = box
    apart = (others[:, 0] >= right) | (others[:, 2] <= left) | (others[:, 1] >= bottom) | (others[:, 3] <= top)
    return int((~apart).sum())


def _crosses(box: Box, start_2: NDArray[np.float64], end_2: NDArray[np.float64]) -> bool:
    """Whether a line from point to point goes through a box (Liang & Barsky 1984)."""
    enter, leave = 0.0, 1.0
    for axis in (0, 1):
        step = float(end_2[axis] - start_2[axis])
        near, far = box[axis] - float(start_2[axis]), box[axis + 2] - float(start_2[axis])
        if abs(step) < 1e-12:
            if near > 0 or far < 0:
                return False
            continue
        near, far = sorted((near / step, far / step))
        enter, leave = max(enter, near), min(leave, far)
    return enter < leave
