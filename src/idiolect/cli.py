"""The command `idiolect`: each verb with the inputs and settings of its stage, and nothing written twice.

A verb's positional arguments are its function's inputs, its options the fields of its settings, with the text under
each field as help. Results go to standard output, everything else to standard error. Exit codes: 0, 2 for what the
user can mend (one sentence, no traceback), 130 and 143 for a run that was stopped and saved.
"""

from __future__ import annotations

import argparse
import inspect
import os
import sys
import typing
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from idiolect import config
from idiolect.config import Verb
from idiolect.errors import IdiolectError, UsageError

VERBS = {
    "gather": "Collect texts into one corpus: read, clean of duplicates, mixed.",
    "tokenize": "Learn a tokenizer from text.",
    "inspect": "Show how a tokenizer cuts a text.",
    "convert": "Write a tokenizer or word vectors for another tool.",
    "encode": "Turn text into tokens on disk.",
    "embed": "Learn a vector for each word of a text.",
    "neighbours": "Name the words nearest to a word.",
    "analogy": "Answer what is to c as b is to a.",
    "pretrain": "Train a language model on tokens.",
    "compare": "Train variants of a model at an equal budget, and set them beside each other.",
    "complete": "Continue a prompt.",
    "fill": "Fill in the masks of a text.",
    "autocomplete": "Complete the word or line that is being typed.",
    "export": "Write a model for llama.cpp (GGUF) or transformers.",
    "evaluate": "Measure a model on a text (loss, perplexity, bits per byte), or word vectors on word questions.",
    "prove": "Show that a model computes the same however its input is cut, packed, batched or stored.",
    "lineage": "Print what an artifact was made from.",
    "verify": "Hash an artifact and its parents again.",
    "demo": "Live a whole life on the documentation of this Python, in minutes.",
    "optimisers": "Draw the ways that optimisers take downhill, in a training of yours.",
}
"""In the order of a model's life. The modules are imported only when called, so that `--help` is quick."""

INPUT_HELP = {
    "texts": "Files, folders, patterns in quotes, a gathered corpus, or @pydocs (the documentation of this Python).",
    "tokenizer": "Folder of a tokenizer, or a tokenizer.json, tiktoken ranks, a SentencePiece .model, or vocab.bpe.",
    "tokens": "Folder that encode wrote.",
    "model": "Folder that pretrain wrote, or a Hugging Face folder of a known kind (evaluate: or word vectors).",
    "source": "A tokenizer or word vectors, in a folder or a file of any known format, or a model for its embeddings.",
    "vectors": "Folder or file of word vectors (ours, word2vec, GloVe, fastText .vec), or a model folder.",
    "word": "A word.",
    "a": "A word,",
    "b": "what it is to a word,",
    "c": "and the word whose counterpart is asked for.",
    "prompt": "Text to continue.",
    "typed": "Text whose last word, or line, may be unfinished.",
    "text": "Text to cut.",
    "path": "Folder of any artifact.",
}

OPTION_HELP = {
    "out": "Folder to write (convert, export: or file).",
    "force": "Make it even where it is unchanged, and replace what was made from something else.",
    "config": "TOML file of settings; options given here win over it.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _run(words)
        sys.stdout.flush()
    except IdiolectError as error:
        print(f"idiolect: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("idiolect: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered has no reader either
        return 141
    return 0


def _run(words: list[str]) -> None:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
    elif words[0] == "--version":
        print(version("idiolect"))
    elif words[0] not in VERBS:
        raise UsageError(f"There is no verb '{words[0]}'.{config.nearest(words[0], VERBS)} See idiolect --help.")
    else:
        verb = find_verb(words[0])
        inputs, named = _read(verb, words[1:])
        verb(*inputs, **named)


def find_verb(name: str) -> Verb[Any, Any]:
    """The stage behind a verb."""
    package = "recipes" if name in ("demo", "optimisers") else "stages"
    return typing.cast(Verb[Any, Any], getattr(import_module(f"idiolect.{package}.{name}"), name))


def _overview() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {name:<{width}}  {meaning}" for name, meaning in VERBS.items()]
    return "\n".join(
        [
            "usage: idiolect VERB ...",
            "",
            "The whole life of a language model, from the first byte of text to a model that speaks.",
            "",
            *lines,
            "",
            "idiolect VERB --help tells a verb's inputs and settings.",
        ]
    )


class _Parser(argparse.ArgumentParser):
    """argparse that raises our error, with the nearest option, instead of printing a usage text and leaving."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[0].upper()}{message[1:]}. See {self.prog} --help.")


def _read(verb: Verb[Any, Any], words: list[str]) -> tuple[list[Any], dict[str, Any]]:
    """The inputs and the named options of a command line."""
    parser = _parser(verb)
    found, strangers = parser.parse_known_args(words)
    last = verb.inputs[-1] if verb.inputs else None
    if last is not None and last.default is not last.empty and not any(word.startswith("-") for word in strangers):
        # argparse takes an input that may be left out for left out where an option stands before it
        setattr(found, last.name, [*getattr(found, last.name, []), *strangers])
        strangers = []
    if strangers:
        options = [option for action in parser._actions for option in action.option_strings]
        hint = config.nearest(strangers[0], options) if strangers[0].startswith("-") else ""
        raise UsageError(f"{parser.prog} does not know '{strangers[0]}'.{hint} See {parser.prog} --help.")
    given = vars(found)
    inputs = [given.pop(parameter.name) for parameter in verb.inputs]
    settings = {setting.name: setting for setting in config.settings_of(verb.settings)} if verb.settings else {}
    for name, value in given.items():
        if name in settings:
            given[name] = _value(value, settings[name])
    return inputs, given


def _value(value: Any, setting: config.Setting) -> object:
    option = "--" + setting.name.replace("_", "-")
    if isinstance(value, list):
        return tuple(config.parse(item, setting.type, option) for item in value)
    return value if isinstance(value, bool) else config.parse(value, setting.type, option)


def _parser(verb: Verb[Any, Any]) -> _Parser:
    """The command line of a verb, from its function's signature and its settings."""
    meaning = inspect.getdoc(verb.function) or ""
    parser = _Parser(
        prog=f"idiolect {verb.name}",
        usage=" ".join([f"idiolect {verb.name}", *map(_shown, [*verb.inputs, *verb.options]), "[settings]"]),
        description=meaning.split("\n\n")[0],
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=30, width=100),
    )
    parser._positionals.title, parser._optionals.title = "inputs", "general"
    for parameter in verb.inputs:
        many = typing.get_origin(parameter.annotation) is not None
        name, text = parameter.name, INPUT_HELP.get(parameter.name)
        nargs = ("+" if parameter.default is parameter.empty else "*") if many else None
        parser.add_argument(name, metavar=_shown(parameter), nargs=nargs, help=text)
    for parameter in verb.options:
        _add_option(parser, parameter)
    if verb.settings is None:
        return parser
    parser.add_argument("--config", metavar="FILE", type=Path, help=OPTION_HELP["config"])
    groups: dict[str, argparse._ArgumentGroup] = {}
    for setting in config.settings_of(verb.settings):
        if setting.group not in groups:
            groups[setting.group] = parser.add_argument_group(setting.group.lower())
        _add_setting(groups[setting.group], setting)
    return parser


def _shown(parameter: inspect.Parameter) -> str:
    """An input or an option as a usage line shows it: TOKENS, TEXT ..., --out FOLDER, [--force]."""
    if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
        if typing.get_origin(parameter.annotation) is None:
            return parameter.name.upper()
        shown = parameter.name.removesuffix("s").upper() + " ..."
        return shown if parameter.default is parameter.empty else f"[{shown}]"
    shown = f"--{parameter.name}" + ("" if parameter.annotation is bool else " FOLDER")
    return shown if parameter.default is parameter.empty else f"[{shown}]"


def _add_option(parser: argparse.ArgumentParser, parameter: inspect.Parameter) -> None:
    name, text = f"--{parameter.name}", OPTION_HELP[parameter.name]
    if parameter.annotation is bool:
        parser.add_argument(name, action="store_true", help=text)
    else:
        parser.add_argument(name, metavar="FOLDER", type=Path, help=text, required=parameter.default is parameter.empty)


def _add_setting(group: argparse._ArgumentGroup, setting: config.Setting) -> None:
    name = "--" + setting.name.replace("_", "-")
    names = [f"-{setting.name}", name] if len(setting.name) == 1 else [name]
    default = "" if setting.default in (None, ()) else f" [{setting.default}]"
    text = (setting.meaning + default).replace("%", "%%")
    if bool in (setting.type, *typing.get_args(setting.type)):
        group.add_argument(*names, action=argparse.BooleanOptionalAction, help=text)
    elif typing.get_origin(setting.type) is tuple:
        group.add_argument(*names, nargs="+", action="extend", metavar="VALUE", help=text)
    else:
        group.add_argument(*names, metavar=_placeholder(setting.type), help=text)


def _placeholder(kind: Any) -> str:
    """What stands for a value in the help: its choices, or a word for its type."""
    if typing.get_origin(kind) is typing.Literal:
        return "|".join(map(str, typing.get_args(kind)))
    plain = [choice for choice in typing.get_args(kind) if choice is not type(None)] or [kind]
    if typing.get_origin(plain[0]) is typing.Literal:
        return _placeholder(plain[0])
    return {int: "N", float: "X", str: "TEXT", Path: "FILE"}.get(plain[0], "VALUE")


if __name__ == "__main__":
    sys.exit(main())
