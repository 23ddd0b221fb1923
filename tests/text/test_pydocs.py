"""The built-in corpus: large enough, clean, the same at every run, with the fields that questions are made from."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from idiolect.text import pydocs
from idiolect.text.corpus import Corpus
from idiolect.text.document import Document


@pytest.fixture(scope="module")
def by_name() -> dict[str, Document]:
    return {f"{d.fields['module']}.{d.fields['name']}": d for d in pydocs.documents()}


def test_it_is_large_and_of_every_kind() -> None:
    documents = list(pydocs.documents())
    assert len(documents) > 6000
    assert sum(len(d.text) for d in documents) > 1_500_000
    kinds = Counter(d.fields["kind"] for d in documents)
    assert set(kinds) - {"topic"} == {"module", "class", "function", "method"}
    assert kinds["module"] > 200 and kinds["class"] > 500 and min(kinds["function"], kinds["method"]) > 1000


def test_it_is_clean_text() -> None:
    documents = list(pydocs.documents())
    for document in documents:
        assert document.first and document.last
        assert document.text.endswith("\n") and document.text == document.text.strip() + "\n"
        assert set(document.fields) == {"module", "name", "signature", "kind"}
        assert all(isinstance(value, str) for value in document.fields.values())
        assert " at 0x" not in str(document.fields["signature"])
        assert all(line == line.rstrip() for line in document.text.split("\n"))
        assert all(c.isprintable() or c == "\n" for c in document.text)
    assert len({d.text for d in documents}) == len(documents)
    bodies = [d.text.partition("\n\n")[2] for d in documents if d.fields["kind"] != "topic"]
    assert len(set(bodies)) == len(bodies)
    assert not any("site-packages" in str(d.fields["module"]) for d in documents)


@pytest.mark.parametrize(
    ("name", "kind", "heading"),
    [
        ("builtins.str.split", "method", "str.split(sep=None, maxsplit=-1)"),
        ("builtins.len", "function", "len(obj, /)"),
        ("json.json", "module", "module json"),
        ("json.dumps", "function", "json.dumps(obj, *, skipkeys=False"),
        ("fractions.Fraction.limit_denominator", "method", "fractions.Fraction.limit_denominator(max_denominator="),
        ("collections.Counter", "class", "class collections.Counter(iterable=None, /, **kwds)"),
        ("os.path.join", "function", "os.path.join(a, "),
        ("math.sqrt", "function", "math.sqrt(x, /)"),
        ("pathlib.PurePath.name", "method", "pathlib.PurePath.name\n"),
        ("builtins.dict", "class", "class dict"),
    ],
)
def test_a_docstring_stands_under_a_heading_that_can_be_prompted(
    by_name: dict[str, Document], name: str, kind: str, heading: str
) -> None:
    if name not in by_name and name.startswith("pathlib"):
        pytest.skip("this Python keeps pathlib elsewhere")
    document = by_name[name]
    assert document.fields["kind"] == kind
    assert document.text.startswith(heading)
    title, _, body = document.text.partition("\n\n")
    assert str(document.fields["signature"]) in title and body


def test_it_says_what_the_interpreter_says(by_name: dict[str, Document]) -> None:
    for name, value in (("builtins.str.split", str.split), ("textwrap.dedent", textwrap.dedent)):
        assert by_name[name].text.endswith(f"\n\n{inspect.getdoc(value)}\n")


SOURCE = '''
"""A module."""
if True:
    def plain(a, /, b=1, *c, d, **e) -> int:
        """Plain."""
        def local():
            """Not seen."""
class Box:
    """A box."""
    def __init__(self, size: int = 3): pass
    def method(self, x): "Method."
    def first(self, /, x): "First."
    @staticmethod
    def static(x): "Static."
    @classmethod
    async def made(cls, x): "Made."
    @property
    def width(self): "Width."
    @functools.cached_property
    def height(self): "Height."
    class Inner:
        def again(self): "Box."
def silent(): pass
'''


def test_sources_are_parsed_not_run(tmp_path: Path) -> None:
    file = tmp_path / "box.py"
    file.write_text(SOURCE + "raise SystemExit\n", encoding="utf-8")
    found = {(e.kind, e.name): e.signature for e in pydocs._file_entries(file, "box") if e.text}
    assert found == {
        ("module", "box"): "",
        ("function", "plain"): "(a, /, b=1, *c, d, **e) -> int",
        ("class", "Box"): "(size: int=3)",
        ("method", "Box.method"): "(x)",
        ("method", "Box.first"): "(x)",
        ("method", "Box.static"): "(x)",
        ("method", "Box.made"): "(x)",
        ("method", "Box.width"): "",
        ("method", "Box.height"): "",
        ("method", "Box.Inner.again"): "()",
    }
    for unreadable in (b"def (:", b"\xff\xfe\0", b"# coding: none\n'x'"):
        file.write_bytes(unreadable)
        assert list(pydocs._file_entries(file, "box")) == []


def test_without_topics_there_are_still_docstrings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    assert list(pydocs._topics()) == []
    assert next(iter(pydocs._native_entries())).module == "builtins"


def test_the_content_is_the_same_in_another_process() -> None:
    program = (
        "import decimal, sys, unittest.mock\n"  # what else is loaded or replaced must not matter
        "sys.excepthook = sys.unraisablehook = print\n"
        "from idiolect.text.corpus import Corpus\n"
        "print(Corpus(['@pydocs']).provenance()['digest'])"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    there = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == Corpus(["@pydocs"]).provenance()["digest"]


def test_as_a_corpus_its_documents_name_it() -> None:
    corpus = Corpus("@pydocs")
    counts = {split: sum(1 for _ in corpus.documents(split)) for split in ("train", "validation", "test")}  # type: ignore[arg-type]
    assert min(counts.values()) > 200 and sum(counts.values()) == len(list(pydocs.documents()))
    document = next(corpus.documents("train"))
    assert document.fields["source"] == "@pydocs"
    assert corpus.provenance()["files"] == []


def test_signatures_can_be_parsed(by_name: dict[str, Document]) -> None:
    for document in by_name.values():
        signature = str(document.fields["signature"])
        if signature and "<" not in signature:
            (parsed,) = ast.parse(f"def f{signature}: pass").body
            assert isinstance(parsed, ast.FunctionDef), signature
