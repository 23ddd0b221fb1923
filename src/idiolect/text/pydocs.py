"""The built-in corpus: the documentation that comes with every Python, as about 8,000 documents and 2 MB of English.

Three kinds of text, in a fixed order:

    topics        the language reference as `help()` shows it (`pydoc_data.topics`; absent from some installations)
    built-ins     types, functions and methods written in C, by their `__doc__`
    the library   docstrings of the standard library, parsed from its sources; nothing is imported for it

A docstring becomes a small document that a prompt such as "str.split(" can begin:

    str.split(sep=None, maxsplit=-1)

    Return a list of the substrings in the string, using sep as the separator string.
    ...

The content depends on the running Python only. Cost: two seconds, once for a process, and 4 MB of memory.
"""

from __future__ import annotations

import ast
import builtins
import collections
import functools
import inspect
import io
import itertools
import math
import os
import re
import sys
import sysconfig
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from idiolect.text.document import Document

NATIVE = (builtins, collections, functools, io, itertools, math, os, re, sys, time)
"""Modules whose functions and types are written in C, so that no source holds their docstrings."""

LEFT_OUT = {"idlelib", "turtledemo", "lib2to3", "ensurepip", "pydoc_data", "test", "tests", "idle_test"}
"""Packages and folders that are programs, tests or copies of other projects."""

PUBLIC_NAMES = {
    "_collections_abc": "collections.abc",
    "_pydatetime": "datetime",
    "_pydecimal": "decimal",
    "_pyio": "io",
    "pathlib._local": "pathlib",
    "posixpath": "os.path",
}
"""Modules that people know by another name."""

IMMUTABLE_TYPE = 1 << 8
"""The flag of types that are written in C (`Py_TPFLAGS_IMMUTABLETYPE`)."""

UNKNOWN = "(...)"
"""What the heading shows of something that can be called, if nobody knows how."""

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Entry:
    """A docstring, or a topic, and where it stands."""

    kind: str
    """topic, module, class, function or method"""
    module: str
    name: str
    """qualified within the module: `PurePath.with_suffix`"""
    signature: str
    """`(sep=None, maxsplit=-1)`, without self; `UNKNOWN`, or empty for what cannot be called"""
    text: str

    def document(self) -> Document:
        """The document: a heading, an empty line, and the docstring; a topic brings its own heading."""
        match self.kind:
            case "topic":
                heading = ""
            case "module":
                heading = f"module {self.module}\n\n"
            case kind:
                within = "" if self.module == "builtins" else f"{self.module}."
                heading = f"{'class ' if kind == 'class' else ''}{within}{self.name}{self.signature}\n\n"
        signature = "" if self.signature == UNKNOWN else self.signature
        fields = {"module": self.module, "name": self.name, "signature": signature, "kind": self.kind}
        return Document(f"{heading}{self.text}\n", fields)


def documents() -> Iterator[Document]:
    """The documents of the built-in corpus, with the fields `module`, `name`, `signature` and `kind`."""
    yield from _collect()


@functools.cache
def _collect() -> tuple[Document, ...]:
    """All entries, but for texts that came before: an inherited docstring says nothing new."""
    distinct: dict[str, Entry] = {}
    for entry in itertools.chain(_topics(), _native_entries(), _library_entries()):
        if entry.text:
            distinct.setdefault(entry.text, entry)
    return tuple(entry.document() for entry in distinct.values())


def _topics() -> Iterator[Entry]:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return
    for name, text in sorted(topics.items()):
        yield Entry("topic", "", name, "", _clean(text))


def _clean(docstring: str | None) -> str:
    """A docstring without its indentation, and without spaces and control characters that nobody sees."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    return "\n".join("".join(filter(str.isprintable, line)).rstrip() for line in lines).strip()


def _native_entries() -> Iterator[Entry]:
    for module in NATIVE:
        homes = (module.__name__, f"_{module.__name__}", "posix", "nt")  # what it takes from elsewhere is not its own
        for name, value in sorted(vars(module).items()):
            if name.startswith("_") or name.endswith("hook") or getattr(value, "__module__", None) not in homes:
                continue  # private, or `sys.excepthook` and its like, which programs replace with their own
            if inspect.isbuiltin(value):
                yield _native_entry("function", module.__name__, name, value)
            elif isinstance(value, type) and value.__flags__ & IMMUTABLE_TYPE:
                yield _native_entry("class", module.__name__, name, value)
                for attribute in sorted(vars(value)):
                    member = getattr(value, attribute, None)
                    if inspect.isroutine(member) or inspect.isdatadescriptor(member):
                        yield _native_entry("method", module.__name__, f"{name}.{attribute}", member)


def _native_entry(kind: str, module: str, name: str, value: object) -> Entry:
    return Entry(kind, module, name, _native_signature(value), _clean(value.__doc__))


def _native_signature(value: object) -> str:
    if not callable(value):
        return ""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return UNKNOWN
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    shown = str(signature.replace(parameters=parameters))
    return UNKNOWN if " at 0x" in shown else shown  # an address would differ from run to run


def _library_entries() -> Iterator[Entry]:
    root = Path(sysconfig.get_paths()["stdlib"])
    for file in sorted(root.rglob("*.py"), key=lambda file: file.parts):
        place = file.relative_to(root).with_suffix("").parts
        if place[0] in sys.stdlib_module_names and LEFT_OUT.isdisjoint(place):
            names = place[:-1] if place[-1] == "__init__" else place
            yield from _file_entries(file, ".".join(names))


def _file_entries(file: Path, module: str) -> Iterator[Entry]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old escapes in strings
            tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):  # a file that this Python cannot read documents nothing
        return
    module = PUBLIC_NAMES.get(module, module)
    yield Entry("module", module, module, "", _clean(ast.get_docstring(tree)))
    yield from _definitions(tree, module, within="")


def _definitions(node: ast.AST, module: str, within: str) -> Iterator[Entry]:
    """The classes and functions below a node, in the order of the source, but not those local to a function."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.ClassDef():
                yield _library_entry("class", module, within, child)
                yield from _definitions(child, module, f"{within}{child.name}.")
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield _library_entry("method" if within else "function", module, within, child)
            case ast.If() | ast.Try() | ast.With() | ast.ExceptHandler():
                yield from _definitions(child, module, within)


def _library_entry(kind: str, module: str, within: str, node: Definition) -> Entry:
    return Entry(kind, module, within + node.name, _signature(kind, node), _clean(ast.get_docstring(node)))


def _signature(kind: str, node: Definition) -> str:
    """The parameters as written; those of `__init__` for a class, none for a property."""
    if isinstance(node, ast.ClassDef):
        makers = (n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
        maker = next(makers, None)
        return f"({_parameters(maker, bound=True)})" if maker else ""
    decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    if decorators & {"property", "cached_property", "getter", "setter", "deleter"}:
        return ""
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({_parameters(node, bound=kind == 'method' and 'staticmethod' not in decorators)}){returns}"


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef, bound: bool) -> str:
    """The parameters as written, without the first (self, cls) of a bound method."""
    written = node.args
    only, either = written.posonlyargs, written.args
    if bound:
        only, either = only[1:], either[0 if only else 1 :]
    arguments = ast.arguments(
        only, either, written.vararg, written.kwonlyargs, written.kw_defaults, written.kwarg, written.defaults
    )
    return ast.unparse(arguments)
