"""Settings: one dataclass for each stage, filled from its defaults, then a TOML file, then what the caller names.

A setting is a dataclass field with its meaning and unit in the string under it. The same record is what `--help`
prints, what the command line and the TOML file are checked against, and what an artifact keeps as its
`config.toml`. An unknown name or a wrong type stops with the nearest valid name; nothing is guessed.

A verb is a function with a `settings` parameter. `verb` lets people call it with plain keywords:

    @verb
    def tokenize(texts: Sequence[str], settings: TokenizeSettings, *, out: Path, force: bool = False) -> Tokenizer: ...

    tokenize(["letters/"], vocab_size=8000, out="tok")
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import inspect
import itertools
import json
import textwrap
import tomllib
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, Literal, ParamSpec, TypeVar, get_args, get_origin

from idiolect.errors import UsageError

S = TypeVar("S")
R = TypeVar("R")
P = ParamSpec("P")


@dataclasses.dataclass(frozen=True)
class Setting:
    """One option, as the command line, a TOML file and a report need to know it."""

    name: str
    type: Any
    default: Any
    meaning: str
    group: str
    """First line of the docstring of the class that declares it: the heading in `--help`."""


def settings_of(cls: type) -> list[Setting]:
    """The settings of a dataclass, those of its own class first, then its bases', each with its meaning."""
    hints = typing.get_type_hints(cls)
    own: list[Setting] = []
    for owner in cls.__mro__:
        if not dataclasses.is_dataclass(owner):
            continue
        meanings = _meanings(owner)
        group = (inspect.getdoc(owner) or owner.__name__).splitlines()[0].rstrip(".")
        for field in dataclasses.fields(cls):
            if field.name in inspect.get_annotations(owner) and field.name not in {setting.name for setting in own}:
                own.append(Setting(field.name, hints[field.name], field.default, meanings[field.name], group))
    return own


@functools.cache
def _meanings(cls: type) -> dict[str, str]:
    """The string that stands under each field of a class, read from its source."""
    body = typing.cast(ast.ClassDef, ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]).body
    meanings: dict[str, str] = {}
    for statement, following in itertools.pairwise(body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            is_text = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            assert is_text, f"{cls.__name__}.{statement.target.id} has no meaning under it"
            text = typing.cast(ast.Constant, typing.cast(ast.Expr, following).value).value
            meanings[statement.target.id] = " ".join(str(text).split())
    return meanings


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint for a sentence about an unknown name: " Did you mean 'steps'?", or nothing when none is near."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ""


def build(cls: type[S], given: Mapping[str, object], config: str | Path | None = None) -> S:
    """The settings of `cls`: defaults, then the TOML file `config`, then `given`.

    Raises:
        UsageError: the file cannot be read, a name is unknown, or a value has the wrong type or is out of range.
    """
    known = {setting.name: setting for setting in settings_of(cls)}
    values: dict[str, object] = {}
    for source, record in ((f" in {config}", read_toml(config) if config else {}), ("", given)):
        for name, value in record.items():
            key = name.replace("-", "_")
            if key not in known:
                raise UsageError(f"There is no setting '{name}'{source}.{nearest(key, known)}")
            values[key] = check(value, known[key].type, f"'{name}'{source}")
    return cls(**values)


def read_toml(path: str | Path) -> dict[str, object]:
    """The keys of a TOML file. Raises UsageError when it cannot be read."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The settings file {path} is not valid TOML: {error}.") from None


def check(value: object, expected: Any, name: str) -> object:
    """`value` as the type a field declares; an int serves as a float, a list as a tuple. Raises UsageError
    otherwise."""
    origin, choices = get_origin(expected), get_args(expected)
    if origin is Literal:
        if value in choices:
            return value
        hint = nearest(str(value), map(str, choices))
        raise UsageError(f"{name} must be one of {', '.join(map(str, choices))}, not '{value}'.{hint}")
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in choices:
            return None
        return check(value, next(choice for choice in choices if choice is not type(None)), name)
    if origin is tuple:
        items = list(value) if isinstance(value, (list, tuple)) else [value]
        return tuple(check(item, choices[0], name) for item in items)
    if expected is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**1023:
        return float(value)
    if isinstance(value, (str, Path)) and any("\ud800" <= character <= "\udfff" for character in str(value)):
        raise UsageError(f"{name} is not valid Unicode.")
    if expected is Path and isinstance(value, str):
        return Path(value)
    if isinstance(value, expected) and not (expected is int and isinstance(value, bool)):
        return value
    raise UsageError(f"{name} must be {_words(expected)}, not {value!r}.")


def parse(text: str, expected: Any, name: str) -> object:
    """A value typed on the command line, as the type a field declares. Raises UsageError."""
    kinds = [choice for choice in get_args(expected) if choice is not type(None)] or [expected]
    kind = kinds[0] if get_origin(expected) in (types.UnionType, typing.Union, tuple) else expected
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise UsageError(f"{name} must be {_words(kind)}, not '{text}'.") from None
    truths: dict[str, object] = {"true": True, "false": False}
    return check(truths.get(text, text) if kind is bool else text, kind, name)


def _words(kind: Any) -> str:
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}.get(kind, f"a {kind}")


def to_toml(settings: object) -> str:
    """The settings as a TOML file that `build` reads back, each with its meaning above it; unset ones are left out."""
    lines = []
    for setting in settings_of(type(settings)):
        value = getattr(settings, setting.name)
        if value is not None:
            lines += [f"# {setting.meaning}", f"{setting.name} = {_toml(value)}", ""]
    return "\n".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, (str, Path)):
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML minds it, JSON does not
    return str(value).lower() if isinstance(value, bool) else repr(value)


class Verb(Generic[P, R]):
    """A stage as people call it: its inputs, its settings as keywords, and what it returns.

    `config` names a TOML file of settings; keywords win over it. The command line is derived from `function`.
    """

    def __init__(self, function: Callable[..., R]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = function.__name__
        self._parameters = inspect.signature(function, eval_str=True).parameters
        self.settings: type | None = self._parameters["settings"].annotation if "settings" in self._parameters else None

    @property
    def inputs(self) -> list[inspect.Parameter]:
        """What is given by position."""
        return [p for p in self._parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "settings"]

    @property
    def options(self) -> list[inspect.Parameter]:
        """What is given by name and is no setting: where to write, whether to replace."""
        return [p for p in self._parameters.values() if p.kind is p.KEYWORD_ONLY]

    def __call__(self, *inputs: Any, config: str | Path | None = None, **named: Any) -> R:
        own = {p.name for p in [*self.inputs, *self.options]}
        arguments = {name: value for name, value in named.items() if name in own}
        if len(inputs) > len(self.inputs):
            raise UsageError(f"{self.name} takes {len(self.inputs)} inputs, not {len(inputs)}; settings go by name.")
        arguments.update(zip((p.name for p in self.inputs), inputs))
        for p in [*self.inputs, *self.options]:
            if p.default is p.empty and p.name not in arguments:
                raise UsageError(f"{self.name} needs '{p.name}'.")
            if p.annotation in (Path, Path | None) and arguments.get(p.name) is not None:
                arguments[p.name] = Path(arguments[p.name])
        given = {name: value for name, value in named.items() if name not in own}
        if self.settings is not None:
            arguments["settings"] = build(self.settings, given, config)
        elif given:
            raise UsageError(f"{self.name} has no setting '{next(iter(given))}'.{nearest(next(iter(given)), own)}")
        return self.function(**arguments)


def verb(function: Callable[..., R]) -> Verb[..., R]:
    """Make a stage callable with plain keywords; see `Verb`."""
    return Verb(function)
