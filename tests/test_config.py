"""Settings: what wins over what, what is refused and how it is said, and that a saved record reads back."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idiolect.config import build, check, nearest, parse, settings_of, to_toml, verb
from idiolect.errors import UsageError


@dataclass(frozen=True)
class Base:
    """Reading. How text comes in."""

    name: str = "text"
    """Field that holds
    the text."""
    rate: float = 0.5
    """Highest rate, a share."""


@dataclass(frozen=True)
class Every(Base):
    """Everything."""

    steps: int = 10
    """Updates."""
    rate: float = 0.25
    """Another default than the base's."""
    fast: bool = False
    """Hurry."""
    seed: int | None = None
    """Unset: another each time."""
    stop: tuple[str, ...] = ()
    """Where to end."""
    weights: tuple[float, ...] = (1.0, 2.0)
    """Shares."""
    kind: Literal["words", "bytes"] = "words"
    """What it learns."""
    folder: Path = Path("tok")
    """Where it lies."""


def test_defaults_then_file_then_keywords(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('steps = 20\nname = "body"\n')
    assert build(Every, {}) == Every()
    assert build(Every, {}, file) == Every(steps=20, name="body")
    assert build(Every, {"steps": 30}, file) == Every(steps=30, name="body")


def test_hyphens_and_underscores_are_alike(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Two:
        """Two words."""

        two_words: int = 1
        """Of them."""

    file = tmp_path / "settings.toml"
    file.write_text("two-words = 2\n")
    assert build(Two, {}, file).two_words == 2


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"step": 3}, "There is no setting 'step'. Did you mean 'steps'?"),
        ({"zzzzzz": 3}, "There is no setting 'zzzzzz'."),
        ({"steps": "3"}, "'steps' must be a whole number, not '3'."),
        ({"steps": 3.5}, "'steps' must be a whole number, not 3.5."),
        ({"steps": True}, "'steps' must be a whole number, not True."),
        ({"rate": "high"}, "'rate' must be a number, not 'high'."),
        ({"rate": 10**400}, "'rate' must be a number, not "),
        ({"fast": "yes"}, "'fast' must be true or false, not 'yes'."),
        ({"name": 1}, "'name' must be a text, not 1."),
        ({"name": "\udcff"}, "'name' is not valid Unicode."),
        ({"kind": "word"}, "'kind' must be one of words, bytes, not 'word'. Did you mean 'words'?"),
        ({"weights": [1, "two"]}, "'weights' must be a number, not 'two'."),
        ({"seed": "one"}, "'seed' must be a whole number, not 'one'."),
        ({"steps": None}, "'steps' must be a whole number, not None."),
    ],
)
def test_what_is_refused_and_how_it_is_said(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        build(Every, given)
    assert str(refusal.value).startswith(sentence)


def test_a_refusal_names_the_file_it_came_from(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    for text, sentence in [
        ("step = 3\n", f"There is no setting 'step' in {file}. Did you mean 'steps'?"),
        ("steps = '3'\n", f"'steps' in {file} must be a whole number, not '3'."),
        ("[steps]\nx = 3\n", f"'steps' in {file} must be a whole number, not {{'x': 3}}."),
    ]:
        file.write_text(text)
        with pytest.raises(UsageError) as refusal:
            build(Every, {}, file)
        assert str(refusal.value) == sentence


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    with pytest.raises(UsageError, match=r"cannot be read: No such file or directory"):
        build(Every, {}, broken)
    for content in (b"steps 3", b"\xff\xfe"):
        broken.write_bytes(content)
        with pytest.raises(UsageError, match=r"is not valid TOML"):
            build(Every, {}, broken)


def test_values_are_brought_to_the_declared_type() -> None:
    made = build(Every, {"rate": 1, "weights": [1, 2.5], "stop": "end", "folder": "x/y", "seed": None})
    assert made == Every(rate=1.0, weights=(1.0, 2.5), stop=("end",), folder=Path("x/y"))
    assert type(made.rate) is float and type(made.weights[0]) is float


texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.floats(allow_nan=False)


@given(
    st.builds(
        Every,
        name=texts,
        rate=numbers,
        steps=st.integers(-(10**30), 10**30),
        fast=st.booleans(),
        seed=st.none() | st.integers(),
        stop=st.lists(texts).map(tuple),
        weights=st.lists(numbers).map(tuple),
        kind=st.sampled_from(["words", "bytes"]),
        folder=texts.map(Path),
    )
)
def test_a_saved_record_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, made: Every) -> None:
    file = tmp_path_factory.getbasetemp() / "record.toml"
    file.write_text(to_toml(made), encoding="utf-8")
    assert build(Every, {}, file) == made


def test_a_saved_record_explains_itself() -> None:
    assert '# Field that holds the text.\nname = "text"\n' in to_toml(Every())
    assert "seed" not in to_toml(Every())


def test_meanings_and_groups_with_inheritance() -> None:
    found = {setting.name: setting for setting in settings_of(Every)}
    assert [setting.group for setting in settings_of(Every)] == ["Everything"] * 8 + ["Reading. How text comes in"]
    assert found["name"].meaning == "Field that holds the text."
    assert found["name"].group == "Reading. How text comes in"
    assert found["steps"].group == "Everything"
    assert found["rate"].default == 0.25 and found["rate"].group == "Everything", "a default declared anew counts once"
    assert len(found) == len(settings_of(Every))
    assert found["seed"].type == int | None


def test_a_field_without_a_meaning_is_our_mistake() -> None:
    @dataclass(frozen=True)
    class Mute:
        """Mute."""

        first: int = 1
        second: int = 2
        """Said."""

    with pytest.raises(AssertionError, match=r"Mute.first has no meaning"):
        settings_of(Mute)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("3", int, 3),
        ("3", float, 3.0),
        ("3", int | None, 3),
        ("3", tuple[float, ...], 3.0),
        ("3", str, "3"),
        ("words", Literal["words", "bytes"], "words"),
        ("a/b", Path, Path("a/b")),
        ("true", bool, True),
        ("false", bool | None, False),
    ],
)
def test_words_of_a_command_line(text: str, kind: object, value: object) -> None:
    parsed = parse(text, kind, "--x")
    assert parsed == value and type(parsed) is type(value)


def test_words_of_a_command_line_that_are_wrong() -> None:
    with pytest.raises(UsageError, match=r"--x must be a whole number, not 'three'\."):
        parse("three", int, "--x")
    with pytest.raises(UsageError, match=r"--x must be one of words, bytes, not 'bites'. Did you mean 'bytes'\?"):
        parse("bites", Literal["words", "bytes"], "--x")
    with pytest.raises(UsageError, match=r"--x must be true or false, not 'no'\."):
        parse("no", bool, "--x")


def test_nearest() -> None:
    assert nearest("stpes", ["steps", "batch"]) == " Did you mean 'steps'?"
    assert nearest("quux", ["steps", "batch"]) == ""


def test_check_keeps_what_is_right() -> None:
    settings = Every(fast=True, seed=3)
    assert all(
        check(getattr(settings, s.name), s.type, s.name) == getattr(settings, s.name) for s in settings_of(Every)
    )


def test_a_verb_takes_inputs_by_position_and_settings_by_name(tmp_path: Path) -> None:
    seen: list[tuple[object, ...]] = []

    @verb
    def learn(texts: Sequence[str], settings: Every, *, out: Path, force: bool = False, log: Path | None = None) -> int:
        """Learn."""
        seen.append((texts, settings, out, force, log))
        return len(seen)

    file = tmp_path / "settings.toml"
    file.write_text("steps = 7\nfast = true\n")
    assert learn(["a"], out="x", log="y") == 1
    assert learn(texts=["a"], steps=3, config=file, out=Path("x"), force=True) == 2
    assert seen == [
        (["a"], Every(), Path("x"), False, Path("y")),
        (["a"], replace(Every(), steps=3, fast=True), Path("x"), True, None),
    ]
    assert learn.name == "learn" and learn.__doc__ == "Learn." and learn.settings is Every
    assert [p.name for p in learn.inputs] == ["texts"] and [p.name for p in learn.options] == ["out", "force", "log"]


def test_a_verb_refuses_in_a_sentence() -> None:
    @verb
    def learn(texts: Sequence[str], settings: Every, *, out: Path) -> None:
        """Learn."""

    @verb
    def show(path: Path) -> Path:
        """Show."""
        return path

    for call, sentence in [
        (lambda: learn(["a"], "b", out="x"), "learn takes 1 inputs, not 2; settings go by name."),
        (lambda: learn(out="x"), "learn needs 'texts'."),
        (lambda: learn(["a"]), "learn needs 'out'."),
        (lambda: learn(["a"], out="x", stesp=1), "There is no setting 'stesp'. Did you mean 'steps'?"),
        (lambda: learn(["a"], out="x", settings=Every()), "There is no setting 'settings'."),
        (lambda: show("a", pth=1), "show has no setting 'pth'. Did you mean 'path'?"),
    ]:
        with pytest.raises(UsageError) as refusal:
            call()
        assert str(refusal.value).startswith(sentence)
    assert show("a") == Path("a")
    assert inspect.getdoc(show.function) == "Show."
