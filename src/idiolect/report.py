"""One page for an artifact: what it is, how it came about, how good it is, with pictures.

A report is a list of blocks in reading order, which the template `templates/report.html.jinja` sets as a single HTML
file that opens anywhere without a network: no script, no font, no picture from elsewhere, and a content security
policy that forbids them. A page of vectors to explore has one script, our own, and the policy allows that one by its
digest. Whatever text it is given appears as text. It knows nothing of models or tokenizers.

Costs: a page of half a dozen charts takes about a second (most of it the first import of matplotlib) and some
hundreds of kilobytes; everything is in memory until it is written.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idiolect.artifact import Ancestor
from idiolect.disk import replace_file
from idiolect.errors import ArtifactError
from idiolect.figures import LineChart, draw, lines, scientific
from idiolect.landscape import Landscape, draw_landscape
from idiolect.plane import Plane, draw_plane

WIDE, NARROW = (736, 330), (352, 230)  # pixels of a chart: alone on a wide page, and on a phone or beside another
WIDE_PLANE, NARROW_PLANE = (736, 560), (352, 420)  # the same of words in the plane
# Characters that HTML forbids, or that would act rather than show, become visible ones.
VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}
VISIBLE |= dict.fromkeys(range(0x7F, 0xA0), 0xFFFD)
SCRIPT = "explore.js"
GAPS = re.compile(r"(⟦[^⟦⟧]*⟧)")
NUMERIC = re.compile(r"[-+−]?[\d.,]*\d( ± [\d.,]*\d)?( ?[%×]| ?[A-Za-z/]{1,4}( \d+ [a-z]{1,3})?)?")


class Report:
    """A page in the making. Each method adds a block below the last one; `write` sets the page.

    `title` heads the page, above it stands the `kind` of artifact and below it the `subtitle`, a sentence; `footer`
    closes it (version, date: the page has none of its own, so that equal input gives equal bytes).

    >>> page = Report("model", kind="model", subtitle="A decoder learnt from letters.txt")
    >>> page.figures_of_merit([("validation loss", 1.83), ("parameters", 803_000)])
    >>> page.section("Training")
    >>> page.table(["step", "loss"], [[100, 2.5], [200, 2.25]], caption="Loss on unseen text.")
    >>> "A decoder learnt from letters.txt" in page.html()
    True
    """

    def __init__(self, title: str, *, kind: str, subtitle: str = "", footer: str = "") -> None:
        self.title = title
        self.kind = kind
        self.subtitle = subtitle
        self.footer = footer
        self.merits: list[tuple[str, str]] = []
        self.blocks: list[dict[str, Any]] = []

    def figures_of_merit(self, figures: Iterable[tuple[str, object]]) -> None:
        """The strip at the top: a few `(name, value)`, the most telling first. Called again, it adds to them."""
        self.merits += [(name, number(value)) for name, value in figures]

    def section(self, title: str) -> None:
        """A heading; the sections are listed, with links, at the top of the page."""
        self._add("section", title=title, name=f"section-{len(self.sections) + 1}")

    def text(self, text: str) -> None:
        """Plain prose; an empty line begins a new paragraph."""
        self._add("text", paragraphs=[part for part in re.split(r"\n\s*\n", text) if part.strip()])

    def code(self, text: str, caption: str = "") -> None:
        """Text as typed, in a fixed-width face: a command, a transcript, a file."""
        self._add("code", text=text, caption=caption)

    def chart(self, *charts: LineChart | Landscape) -> None:
        """A line chart, or a landscape with paths; several in one call stand side by side where the page is wide
        enough."""
        drawings = []
        for place, chart in enumerate(charts, start=1):
            prefix = f"chart-{len(self.blocks) + 1}-{place}"
            wide = _drawn(chart, WIDE, f"{prefix}-wide") if len(charts) == 1 else ""
            narrow = _drawn(chart, NARROW, f"{prefix}-narrow")
            drawings.append({"chart": chart, "wide": wide, "narrow": narrow, **_describe(chart)})
        self._add("charts", charts=drawings)

    def plane(self, *planes: Plane) -> None:
        """Words in the plane, with arrows between them; several in one call stand side by side."""
        drawings = []
        for plane in planes:
            wide = draw_plane(plane, *WIDE_PLANE) if len(planes) == 1 else ""
            narrow = draw_plane(plane, *NARROW_PLANE)
            drawings.append({"chart": plane, "wide": wide, "narrow": narrow, "words": plane.words, "note": ""})
        self._add("charts", charts=drawings)

    def explore(
        self, words: Sequence[str], rows: NDArray[np.float32], analogy: tuple[str, str, str], caption: str = ""
    ) -> None:
        """Vectors to ask within the page, which works without a server: type a word, see its neighbours.

        Each number is one byte in the page, four thirds of one in its text. `words` are the rows' (V); `rows` (V, D)
        have length 1; `analogy` is what the page shows first. An address that ends in `#king` or `#man:woman:king`
        opens the page with that asked.
        """
        largest = np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-30)
        codes = np.round(rows / largest * 127).astype(np.int8)
        record = {"words": list(words), "dim": int(rows.shape[1]), "codes": base64.b64encode(codes.tobytes()).decode()}
        # Within a script element "<" could end it; as an escape it cannot.
        data = json.dumps(record, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        self._add("explore", data=data, analogy=analogy, caption=caption)

    def bars(
        self,
        title: str,
        bars: Sequence[tuple[str, float]],
        *,
        highlight: Collection[str] = (),
        unit: str = "",
        caption: str = "",
    ) -> None:
        """A bar for each `(name, value)` from zero rightwards, in the order given; `highlight` names those that stand
        out.

        A value that is negative or not finite has no bar, only its figure.
        """
        longest = max((value for _, value in bars if 0 < value < math.inf), default=1.0)
        rows = [
            {
                "name": name,
                "value": number(value),
                "percent": round(100 * value / longest, 2) if 0 < value < math.inf else 0,
                "ours": name in highlight,
            }
            for name, value in bars
        ]
        self._add("bars", title=title, rows=rows, unit=unit, caption=caption)

    def table(
        self,
        header: Sequence[str],
        rows: Iterable[Sequence[object]],
        caption: str = "",
        *,
        best: Collection[tuple[int, int]] = (),
    ) -> None:
        """A table; columns of nothing but numbers stand to the right, an empty cell (None) is a dash.

        `best` names the cells that are set off, each by row and column from 0.
        """
        rows = [list(row) for row in rows]
        assert all(len(row) == len(header) for row in rows), "a row is not as long as the header"
        columns = [[row[place] for row in rows] for place in range(len(header))]
        self._add(
            "table",
            columns=[(name, _is_numeric(column)) for name, column in zip(header, columns)],
            rows=[[number(cell) for cell in row] for row in rows],
            best=set(best),
            caption=caption,
        )

    def settings(self, values: Mapping[str, object], docs: Mapping[str, str] | None = None) -> None:
        """Settings as they would be typed, each with what it means; a mapping within gives names with a dot."""
        meanings = docs or {}
        rows = [(name, value, meanings.get(name, "")) for name, value in _flatten(values)]
        self._add("settings", rows=rows)

    def samples(self, samples: Iterable[tuple[str, str, str]]) -> None:
        """What a model wrote: `(label, prompt, continuation)`, the label such as "step 500"; line breaks are kept."""
        self._add("samples", samples=list(samples))

    def filled(self, samples: Iterable[tuple[str, str]], caption: str = "") -> None:
        """Texts with gaps that a model filled: `(label, text)`, where ⟦guess⟧ was right and ⟦guess→truth⟧ was not."""
        read = [(label, [_mark(part) for part in GAPS.split(text)]) for label, text in samples]
        self._add("filled", samples=read, caption=caption)

    def tree(self, root: Ancestor) -> None:
        """A family tree, the artifact first and its parents below it; one met before is not unfolded again."""
        rows: list[dict[str, Any]] = []
        seen: set[str] = set()
        waiting = [(0, root)]
        while waiting:
            depth, node = waiting.pop()
            known = node.digest in seen and bool(node.parents)
            seen.add(node.digest)
            rows.append({"depth": depth, "node": node, "known": known})
            if not known:
                waiting += [(depth + 1, parent) for parent in reversed(node.parents)]
        self._add("tree", rows=rows)

    def tokens(self, tokens: Iterable[tuple[str, int]], caption: str = "") -> None:
        """A text cut into `(text, id)`, each token on a ground of its own, spaces and line ends made visible."""
        cut = [{"pieces": re.findall(r" |\n|\t|[^ \n\t]+", text), "id": token} for text, token in tokens]
        self._add("tokens", tokens=cut, caption=caption)

    @property
    def sections(self) -> list[dict[str, Any]]:
        """The headings so far."""
        return [block for block in self.blocks if block["kind"] == "section"]

    def _has(self, kind: str) -> bool:
        return any(block["kind"] == kind for block in self.blocks)

    def _add(self, kind: str, **content: object) -> None:
        self.blocks.append({"kind": kind, **content})

    def html(self) -> str:
        """The whole page."""
        import jinja2

        folder = files("idiolect") / "templates"
        environment = jinja2.Environment(
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        )
        script = (folder / SCRIPT).read_text(encoding="utf-8") if self._has("explore") else ""
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        page = environment.get_template("report.html.jinja").render(report=self, script=script, digest=digest)
        return page.translate(VISIBLE).encode("utf-8", "backslashreplace").decode("utf-8")

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to `path` and return it; the file is whole or not there (an older one stays until then).

        Raises `ArtifactError` where it cannot be written.
        """
        path = Path(path)
        page = self.html().encode()
        try:
            replace_file(path, page)
        except OSError as error:
            raise ArtifactError(
                f"The report {path} cannot be written ({error.strerror}): check that its folder exists and has room."
            ) from error
        return path


def _mark(part: str) -> tuple[str, str, str]:
    """A stretch of a filled text: its class ("" for the text itself), the words, and what stood there if another."""
    if not GAPS.fullmatch(part):
        return "", part, ""
    guess, _, truth = part[1:-1].replace("\n", "↵").partition("→")
    return ("wrong" if truth else "right"), guess, truth


def number(value: object) -> str:
    """A number as people read it: thousands separated, four significant digits, a dash where there is none.

    >>> number(1234567), number(1.23456), number(12345.6), number(0.00001234), number(None), number("as is")
    ('1,234,567', '1.235', '12,346', '1.234e−5', '–', 'as is')
    """
    match value:
        case None:
            return "–"
        case int() if not isinstance(value, bool):
            return f"{value:,}".replace("-", "−")
        case float():
            return _decimal(value)
        case _:
            return str(value)


def _decimal(value: float) -> str:
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value and not 1e-4 <= abs(value) < 1e15:
        return scientific(value, digits=4)
    digits = 3 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{min(max(digits, 0), 7)}f}".replace("-", "−")


def _is_numeric(column: list[object]) -> bool:
    filled = [cell for cell in column if cell is not None and cell != ""]
    return bool(filled) and all(NUMERIC.fullmatch(number(cell)) or isinstance(cell, float) for cell in filled)


def _flatten(values: Mapping[str, object], before: str = "") -> Iterable[tuple[str, str]]:
    """Each setting with its value as it would be typed."""
    for name, value in values.items():
        match value:
            case Mapping():
                yield from _flatten(value, f"{before}{name}.")
            case None:
                yield before + name, "–"
            case bool():
                yield before + name, str(value).lower()
            case list() | tuple():
                yield before + name, ", ".join(map(str, value)) or "–"
            case _:
                yield before + name, str(value)


def _drawn(chart: LineChart | Landscape, size: tuple[int, int], prefix: str) -> str:
    """The drawing of a chart; a landscape is taller, as both its axes are places."""
    width, height = size
    if isinstance(chart, Landscape):
        return draw_landscape(chart, width, round(1.4 * height), prefix)
    return draw(chart, width, height, prefix)


def _describe(chart: LineChart | Landscape) -> dict[str, str]:
    """What a chart shows in words, for those who cannot see it, and a note on how noisy series are drawn."""
    if isinstance(chart, Landscape):
        ways = [
            f"{track.name} from ({number(float(track.xs[0]))}, {number(float(track.ys[0]))}) "
            f"to ({number(float(track.xs[-1]))}, {number(float(track.ys[-1]))})"
            for track in chart.tracks
        ]
        return {"words": "; ".join(ways), "note": ""}
    parts = []
    noisy: dict[int, list[str]] = {}
    for line in lines(chart):
        heights = line.top[line.top == line.top]  # without the gaps
        parts.append(
            f"{line.name} from {number(float(heights[0]))} to {number(float(heights[-1]))}, "
            f"lowest {number(float(heights.min()))}, highest {number(float(heights.max()))}"
        )
        if line.mean_N is not None:
            noisy.setdefault(line.window, []).append(line.name)
    notes = [
        f"Pale: {name} as measured; strong: {its} mean over {window} neighbouring points."
        for window, names in noisy.items()
        for name, its in [
            (names[0], "its") if len(names) == 1 else (", ".join(names[:-1]) + " and " + names[-1], "the")
        ]
    ]
    return {"words": "; ".join(parts), "note": " ".join(notes)}
