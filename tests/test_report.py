"""Reports: whole, sober HTML in which text stays text, and nothing reaches out of the page."""

from __future__ import annotations

import errno
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idiolect.artifact import Ancestor
from idiolect.errors import ArtifactError
from idiolect.figures import LineChart, Series
from idiolect.landscape import Landscape, Track
from idiolect.report import Report, number

VOID = {"meta", "link", "input", "br", "img", "hr"}


class Page(HTMLParser):
    """Reads a page strictly: every tag closed in order. Keeps the tags and the text of each class of element."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self.feed(html)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert len(values) == len(attrs), f"an attribute is given twice: {attrs}"
        self.tags.append((tag, values))
        if tag not in VOID:
            name = values.get("class") or tag
            self.open.append((tag, name))
            self.text.setdefault(name, []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1][0] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for name in {name for _, name in self.open}:
            self.text[name][-1] += data


def full_report(word: Callable[[str], str] = lambda text: text) -> Report:
    """A report with every kind of block; `word` makes each piece of text that goes in."""
    root = Ancestor(
        word("kind"), word("root"), word("digest"), [Ancestor(word("kind"), word("parent"), word("other digest"))]
    )
    report = Report(word("title"), kind=word("kind"), subtitle=word("subtitle"), footer=word("footer"))
    report.figures_of_merit([(word("name"), word("merit")), (word("loss"), 1.83)])
    report.text(word("prose"))
    report.section(word("first section"))
    report.section(word("second section"))
    report.code(word("command"), caption=word("caption"))
    series = [Series(word("train"), range(100), range(100), noisy=True), Series(word("validation"), [1, 50], [3, 2])]
    labels = {"x_label": word("x"), "y_label": word("y"), "caption": word("caption")}
    report.chart(LineChart(word("chart"), series, **labels))
    report.chart(LineChart(word("left"), series, **labels), LineChart(word("right"), [], **labels))
    ways = [Track(word("way " * 20), [0.0, 1.0], [0.0, 9.0]), Track(word("other way"), [0.0], [1.0])]
    report.chart(Landscape(word("landscape"), np.arange(3), np.arange(2), np.arange(6).reshape(2, 3), ways, **labels))
    report.bars(word("bars"), [(word("ours"), 2.0), ("b", 3)], highlight=[word("ours")], unit=word("unit"), caption="c")
    report.table([word("column"), "n"], [[word("cell"), 1], ["b", 2.5]], caption=word("caption"))
    report.settings({word("setting"): word("value")}, docs={word("setting"): word("meaning")})
    report.samples([(word("label"), word("prompt"), word("continuation"))])
    report.filled(
        [(word("label"), f"{word('text')}⟦{word('guess')}⟧⟦{word('guess')}→{word('truth')}⟧")], word("caption")
    )
    report.tree(root)
    report.tokens([(word("token"), 17), ("\n", 3)], caption=word("caption"))
    return report


def test_every_block_is_there_and_the_page_is_well_formed() -> None:
    html = full_report().html()
    page = Page(html)
    assert html.startswith("<!DOCTYPE html>")
    everything = page.text["html"][0]
    for words in (
        *("title", "subtitle", "footer", "merit", "prose", "first section", "command", "chart", "train", "validation"),
        *("left", "right", "nothing to show", "bars", "ours", "unit", "column", "cell", "setting", "value", "meaning"),
        *(
            "landscape",
            "way",
            "guess",
            "truth",
            "label",
            "prompt",
            "continuation",
            "root",
            "parent",
            "token",
            "over 3 neighbouring points",
            "caption",
        ),
    ):
        assert words in everything, words
    images = [values for _, values in page.tags if values.get("role") == "img"]
    assert len(images) == 3 and all(values["aria-label"] for values in images)
    ids = [values["id"] for _, values in page.tags if "id" in values]
    assert len(ids) == len(set(ids))
    links = [values["href"] for tag, values in page.tags if tag == "a"]
    assert links == ["#section-1", "#section-2"] and {"section-1", "section-2"} <= set(ids)


HOSTILE = [
    "</style><script>alert(1)</script>{}",
    "\"' onload='alert(1)' x=\"{}",
    "{{{{ 7 * 7 }}}} {{% raw %}} {}",
    "<!-- {} --> <![CDATA[ & &lt; &#60;",
    "<iframe src=https://example.org/{}></iframe>",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_stays_text_wherever_it_stands(hostile: str) -> None:
    plain = Page(full_report().html())
    page = Page(full_report(hostile.format).html())
    shape, plain_shape = (
        [(tag, sorted(values)) for tag, values in each.tags if values.get("class") not in ("space", "tab", "line")]
        for each in (page, plain)
    )
    assert shape == plain_shape  # no element came or went, and no attribute; but for the marks within tokens
    for words in ("prose", "command", "cell", "continuation", "meaning", "footer"):
        assert hostile.format(words) in page.text["html"][0]
    assert page.text["tokens"][0].replace("↵", "") == hostile.format("token") + "\n"


def test_the_page_reaches_for_nothing() -> None:
    html = full_report().html()
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {
        "script",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "img",
        "foreignObject",
    }
    for tag, values in page.tags:
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            assert (values.get(name) or "#").startswith(("#", "data:")), (tag, values)
        assert not any(name.startswith("on") for name in values)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", html)
    policy = next(values["content"] for _, values in page.tags if "http-equiv" in values)
    assert policy is not None and policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")


def test_control_characters_and_half_characters_are_shown_not_obeyed() -> None:
    report = full_report(lambda text: f"{text}\x00\x1b[31m\r\x7f\x85\udc80")
    html = report.html()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", html)
    assert "prose␀␛[31m␍��\\udc80" in Page(html).text["prose"][0]
    html.encode("utf-8")


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from(" \n\t<&"), max_size=6), max_size=9
    )
)
def test_tokens_show_the_very_text(tokens: list[str]) -> None:
    report = Report("t", kind="tokenizer")
    report.tokens([(text, place) for place, text in enumerate(tokens)])
    page = Page(report.html())
    if tokens:
        marks = len(re.findall(r"<i class=\"(?:line|tab)\">", report.html()))
        assert marks == "".join(tokens).count("\n") + "".join(tokens).count("\t")
        shown = re.sub("(↵)(\n)|(→)(\t)", r"\2\4", page.text["tokens"][0])
        assert shown == "".join(tokens)
        assert page.text["ids"][0].split() == [str(place) for place in range(len(tokens))]
    else:
        assert "tokens" not in page.text


def test_equal_input_gives_equal_bytes_in_any_process() -> None:
    program = (
        "import sys, importlib.util\n"
        "spec = importlib.util.spec_from_file_location('here', sys.argv[1])\n"
        "here = importlib.util.module_from_spec(spec); spec.loader.exec_module(here)\n"
        "sys.stdout.buffer.write(here.full_report().html().encode())\n"
    )
    pages = {
        subprocess.run(
            [sys.executable, "-c", program, __file__],
            capture_output=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout
        for seed, zone in (("0", "UTC"), ("12345", "Asia/Tokyo"))
    }
    assert pages == {full_report().html().encode()}


def test_numbers_stand_right_and_gaps_are_dashes() -> None:
    report = Report("t", kind="report")
    rows = [["a", 1234567, 0.5, "3.1 %"], ["b", None, math.nan, "12 ± 0.5 %"], ["7", 3, -math.inf, ""]]
    report.table(["name", "count", "loss", "share"], rows)
    page = Page(report.html())
    assert page.text["number"][:3] == ["count", "loss", "share"]
    assert page.text["number"][3:] == ["1,234,567", "0.5000", "3.1 %", "–", "–", "12 ± 0.5 %", "3", "−∞", ""]
    assert page.text["td"] == ["a", "b", "7"]


def test_the_best_cells_are_set_off() -> None:
    report = Report("t", kind="report")
    report.table(["name", "loss"], [["a", 2.5], ["b", 1.5]], best=[(1, 1)])
    assert re.findall("<strong>(.*?)</strong>", report.html()) == ["1.500"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[(0, "0"), (0.0, "0"), (-5, "−5"), (-1.5, "−1.500"), (-1e-9, "−1e−9"), (99999.9, "100,000"), (1e20, "1e20")],
        *[(math.inf, "∞"), (True, "True"), ("", ""), (0.00015, "0.0001500"), (float(2**40), "1,099,511,627,776")],
    ],
)
def test_numbers_as_people_read_them(value: float | str, text: str) -> None:
    assert number(value) == text


def test_settings_appear_as_they_would_be_typed() -> None:
    report = Report("t", kind="model")
    values = {
        "steps": 2000,
        "rate": 3e-4,
        "compile": False,
        "stop": None,
        "betas": (0.9, 0.95),
        "a": {"b": Path("x/y")},
    }
    report.settings(values, docs={"a.b": "a folder", "unknown": "never shown"})
    page = Page(report.html())
    assert page.text["dt"] == ["steps", "rate", "compile", "stop", "betas", "a.b"]
    assert page.text["value"] == ["2000", "0.0003", "false", "–", "0.9, 0.95", "x/y"]
    assert page.text["meaning"] == ["", "", "", "", "", "a folder"]


def test_bars_are_to_scale_and_ours_stands_out() -> None:
    report = Report("t", kind="report")
    report.bars(
        "b", [("ours", 2.0), ("half", 1), ("minus", -3), ("nan", math.nan), ("inf", math.inf)], highlight=["ours"]
    )
    page = Page(report.html())
    widths = [values["style"] for _, values in page.tags if values.get("class") == "bar"]
    assert widths == ["--length: 100.0%", "--length: 50.0%", "--length: 0%", "--length: 0%", "--length: 0%"]
    assert page.text["value"] == ["2.000", "1", "−3", "–", "∞"]
    assert page.text["ours"] == ["ours2.000"]


def test_a_family_tree_unfolds_each_ancestor_once() -> None:
    corpus = Ancestor("corpus", "letters", "c" * 64)
    tokenizer = Ancestor("tokenizer", "tok", "d" * 64, [corpus])
    model = Ancestor(
        "model", "model", "e" * 64, [Ancestor("tokens", "tokens", "f" * 64, [corpus, tokenizer]), tokenizer]
    )
    report = Report("t", kind="model")
    report.tree(model)
    page = Page(report.html())
    assert page.text["name"] == ["model", "tokens", "letters", "tok", "letters", "tok"]
    assert [values["style"][-1] for tag, values in page.tags if tag == "li" and values["style"]] == list("012231")
    assert page.text["code"][0] == "e" * 12
    assert page.text["note"] == ["parents above"]


def test_a_family_of_very_many_generations() -> None:
    node = Ancestor("corpus", "n", "0")
    for generation in range(1, 3000):  # each is twice a parent: unfolded without care, 2 to the 3000 rows
        node = Ancestor("model", "n", str(generation), [node, node])
    report = Report("t", kind="model")
    report.tree(node)
    assert report.html().count("<li ") == 2 * 2999 + 1


def test_a_report_without_blocks_or_with_empty_ones() -> None:
    Page(Report("t", kind="model").html())
    report = Report("t", kind="model")
    report.bars("b", [])
    report.table(["a"], [])
    report.settings({})
    report.samples([])
    report.filled([])
    report.tokens([])
    report.chart(LineChart("c", []))
    report.text("")
    assert len(Page(report.html()).text["nothing"]) == 7


def test_long_series_make_a_page_of_reasonable_size() -> None:
    report = Report("t", kind="model")
    steps = range(100_000)
    for _ in range(3):
        report.chart(LineChart("loss", [Series("a", steps, [math.sin(step) for step in steps], noisy=True)]))
    assert len(report.html()) < 400_000


def test_write_gives_the_page_and_leaves_nothing_else(tmp_path: Path) -> None:
    report = full_report(lambda text: text + " žluťoučký 鳥")
    assert report.write(tmp_path / "report.html") == tmp_path / "report.html"
    assert (tmp_path / "report.html").read_bytes() == report.html().encode("utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_full_disk_leaves_the_older_page_and_no_half_of_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "report.html"
    path.write_text("the older page")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtifactError, match=r"report\.html cannot be written \(No space left on device\)"):
        full_report().write(path)
    assert path.read_text() == "the older page"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_missing_folder_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="check that its folder exists"):
        Report("t", kind="model").write(tmp_path / "none" / "report.html")


@pytest.mark.parametrize("name", ["report.html.jinja", "report.css"])
def test_the_template_comes_with_the_package(name: str) -> None:
    assert (files("idiolect") / "templates" / name).read_text(encoding="utf-8")
