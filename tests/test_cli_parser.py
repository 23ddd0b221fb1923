"""The command line of a verb is its function's signature and its settings; help and errors read well."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from idiolect import cli
from idiolect.config import Verb, verb
from idiolect.errors import CorpusError, Interrupted, TrainingError


@dataclass(frozen=True)
class Reading:
    """Reading text."""

    text_field: str = "text"
    """Field that holds the text."""
    weights: tuple[float, ...] = ()
    """Shares, 100% in all."""


@dataclass(frozen=True)
class LearnSettings(Reading):
    """Learning."""

    kind: Literal["words", "bytes"] = "words"
    """What it learns."""
    vocab_size: int = 8000
    """Ids in all."""
    rate: float = 0.5
    """Highest rate."""
    seed: int | None = None
    """Unset: another each time."""
    fast: bool = False
    """Hurry."""
    stop: tuple[str, ...] = ()
    """Where to end."""
    source: Path = Path("tok")
    """Folder of the tokenizer."""


Call = tuple[Sequence[str], LearnSettings, Path, bool]
seen: list[Call] = []


@verb
def learn(texts: Sequence[str], settings: LearnSettings, *, out: Path, force: bool = False) -> None:
    """Learn from text.

    A second paragraph, for Python's readers.
    """
    seen.append((texts, settings, out, force))


@verb
def show(path: Path) -> None:
    """Print what something is."""
    print(f"shown {path}")


@verb
def fail(how: str) -> None:
    """Fail in a way of your choice."""
    raise {
        "corpus": CorpusError("There is no text."),
        "training": TrainingError("It cannot go on."),
        "stopped": Interrupted("Stopped, and saved.", 15),
        "ctrl-c": KeyboardInterrupt(),
        "mistake": AssertionError("ours"),
    }[how]


@pytest.fixture(autouse=True)
def small_verbs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three verbs of this file in the place of the stages."""
    verbs: dict[str, Verb[..., None]] = {"learn": learn, "show": show, "fail": fail}
    monkeypatch.setattr(cli, "VERBS", {name: str(found.__doc__).splitlines()[0] for name, found in verbs.items()})
    monkeypatch.setattr(cli, "find_verb", verbs.__getitem__)
    seen.clear()


def run(*words: str) -> Call:
    """What `learn` is called with for these words."""
    assert cli.main(["learn", *words]) == 0
    return seen.pop()


def test_nothing_but_the_inputs() -> None:
    assert run("a.txt", "b.txt", "--out", "x") == (["a.txt", "b.txt"], LearnSettings(), Path("x"), False)


def test_every_kind_of_setting() -> None:
    words = (
        "a.txt --out x --force --kind bytes --vocab-size 300 --rate 1 --seed 7 --fast --stop END STOP --source t/k "
        "--text-field=body --weights 1 0.5"
    )
    settings = LearnSettings(
        text_field="body",
        weights=(1.0, 0.5),
        kind="bytes",
        vocab_size=300,
        rate=1.0,
        seed=7,
        fast=True,
        stop=("END", "STOP"),
        source=Path("t/k"),
    )
    assert run(*words.split()) == (["a.txt"], settings, Path("x"), True)
    assert run(*words.replace("--weights 1 0.5", "--weights 1 --weights 0.5").split())[1] == settings


def test_options_may_stand_before_the_inputs_and_numbers_may_be_negative() -> None:
    texts, settings, *_ = run("--out", "x", "--rate", "-0.5", "a.txt")
    assert texts == ["a.txt"] and settings.rate == -0.5


def test_a_file_of_settings_gives_way_to_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('fast = true\nvocab_size = 400\nkind = "bytes"\n')
    settings = run("a.txt", "--out", "x", "--config", str(file), "--no-fast", "--vocab-size", "500")[1]
    assert settings == LearnSettings(fast=False, vocab_size=500, kind="bytes")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("lern a", "There is no verb 'lern'. Did you mean 'learn'? See idiolect --help."),
        ("learn a --out x --vocab 9", "idiolect learn does not know '--vocab'. Did you mean '--vocab-size'? "),
        ("learn a --out x --vocab-size many", "--vocab-size must be a whole number, not 'many'."),
        ("learn a --out x --vocab-size 1e3", "--vocab-size must be a whole number, not '1e3'."),
        ("learn a --out x --rate fast", "--rate must be a number, not 'fast'."),
        ("learn a --out x --kind word", "--kind must be one of words, bytes, not 'word'. Did you mean 'words'?"),
        ("learn a --out x --weights 1 two", "--weights must be a number, not 'two'."),
        ("learn a --out x --vocab-size", "Argument --vocab-size: expected one argument. See idiolect learn --help."),
        ("learn a", "The following arguments are required: --out. See idiolect learn --help."),
        ("learn --out x", "The following arguments are required: TEXT .... See idiolect learn --help."),
        ("learn a --out x --config none.toml", "The settings file none.toml cannot be read: No such file"),
        ("show a b", "idiolect show does not know 'b'."),
        ("show a --config c", "idiolect show does not know '--config'."),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    words: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words.split()) == 2
    said = capsys.readouterr()
    assert said.out == "" and not seen
    assert said.err.startswith(f"idiolect: {sentence}") and said.err.count("\n") == 1


def test_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    codes = {how: cli.main(["fail", how]) for how in ("corpus", "training", "stopped", "ctrl-c")}
    assert codes == {"corpus": 2, "training": 2, "stopped": 143, "ctrl-c": 130}
    assert capsys.readouterr().err.splitlines() == [
        "idiolect: There is no text.",
        "idiolect: It cannot go on.",
        "idiolect: Stopped, and saved.",
        "idiolect: stopped.",
    ]
    with pytest.raises(AssertionError):  # our own mistakes keep their traceback
        cli.main(["fail", "mistake"])


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"], ["help"]])
def test_the_overview_names_every_verb(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  learn  Learn from text." in lines and "  show   Print what something is." in lines


def test_the_help_of_a_verb_tells_inputs_settings_defaults_and_groups(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leave:
        cli.main(["learn", "--help"])
    assert leave.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "usage: idiolect learn" in told and "second paragraph" not in told
    for part in (
        "Learn from text.",
        "inputs:",
        "learning:",
        "reading text:",
        "--kind words|bytes What it learns. [words]",
        "--vocab-size N Ids in all. [8000]",
        "--rate X Highest rate. [0.5]",
        "--fast, --no-fast Hurry. [False]",
        "--text-field TEXT Field that holds the text. [text]",
        "--weights VALUE [VALUE ...] Shares, 100% in all.",
        "--out FOLDER",
        "--config FILE",
    ):
        assert part in told, part
    assert told.index("learning:") < told.index("reading text:")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip().count(".") == 2


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_a_reader_that_leaves_is_no_error(words: list[str]) -> None:
    ends = os.pipe()
    os.close(ends[0])
    code = "import sys; from idiolect.cli import main; sys.exit(main(sys.argv[1:]))"
    ran = subprocess.run([sys.executable, "-c", code, *words], stdout=ends[1], stderr=subprocess.PIPE, timeout=60)
    os.close(ends[1])
    assert (ran.returncode, ran.stderr) == (141, b"")


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys, idiolect.cli; idiolect.cli.main(['--help']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, timeout=60)
