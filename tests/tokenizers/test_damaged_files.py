"""A damaged `tokenizer.json` is refused with the fault named; `test_mutated_files.py` has the other formats too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer

Settings = dict[str, Any]
TEXTS = ["the car, the cat, the rat, you and I"]


def written(kind: str, folder: Path) -> Settings:
    tokenizer = Tokenizer.train(TEXTS, kind=kind, vocab_size=262)
    tokenizer.save(folder)
    settings: Settings = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    return settings


def refusal(content: str | bytes, folder: Path) -> str:
    """What the reader says of a file with this content: one line, and no more than two sentences."""
    file = folder / "tokenizer.json"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(TokenizerError) as raised:
        Tokenizer.load(folder)
    message = str(raised.value)
    assert message.startswith(f"{file} cannot be used: ")
    assert message.endswith(".") and "\n" not in message and len(message) < len(str(file)) + 400
    return message


def set_at(path: str, value: object) -> Callable[[Settings], None]:
    def change(settings: Settings) -> None:
        *keys, last = [int(key) if key.isdigit() else key for key in path.split("/")]
        place: Any = settings
        for key in keys:
            place = place[key]
        place[last] = value

    return change


NEW = {"id": 262, "content": "<new>", "special": False}
BPE_FAULTS: list[tuple[str, Callable[[Settings], object], str]] = [
    ("no model", lambda s: s.pop("model"), "the model should be of type dict and is null"),
    ("no vocabulary", lambda s: s["model"].pop("vocab"), "the vocabulary should be of type dict"),
    ("no merges", lambda s: s["model"].pop("merges"), "the merges should be of type list"),
    ("no special tokens", lambda s: s.pop("added_tokens"), "list of added tokens"),
    ("a later version", set_at("version", "2.0"), '"version" set to "2.0"'),
    ("an unknown model", set_at("model/type", "Trigram"), 'type "Trigram"'),
    ("another model", set_at("model/type", "Unigram"), 'not known: "dropout"'),
    ("a normalizer", set_at("normalizer", {"type": "Shout"}), '{"type": "Shout"}'),
    ("a normal form twice", set_at("normalizer", {"type": "Sequence", "normalizers": [{"type": "NFC"}] * 2}), "NFC"),
    ("truncation that is a number", set_at("truncation", 5), "the truncation should be of type dict and is 5"),
    ("padding of another kind", set_at("padding", {"pad_id": 5, "pad_all": 1}), 'not known: "pad_all"'),
    ("a post-processor", set_at("post_processor", {"type": "Shuffle"}), "post-processor is not known"),
    ("no decoder", set_at("decoder", None), "decoder"),
    ("an unknown setting", set_at("model/surprise", 1), 'not known: "surprise"'),
    ("dropout", set_at("model/dropout", 0.1), '"dropout" set to 0.1'),
    ("a word that is no truth", set_at("model/ignore_merges", "yes"), '"ignore_merges" set to "yes"'),
    ("a prefix space that is a number", set_at("pre_tokenizer/add_prefix_space", 1), "in a way that is not ours"),
    ("no pre-tokenizer", set_at("pre_tokenizer", None), "cuts text in a way that is not ours"),
    ("no way to cut", set_at("pre_tokenizer", {"type": "Sequence", "pretokenizers": 3}), "should be of type list"),
    ("another pattern", set_at("pre_tokenizer", {"type": "Whitespace"}), "Whitespace"),
    ("a token in bold", set_at("model/vocab", ["a"]), "the vocabulary should be of type dict"),
    ("an id that is no number", set_at("model/vocab/a", "7"), 'the id of "a" should be of type int and is "7"'),
    ("an id that is a truth", set_at("model/vocab/a", True), 'the id of "a" should be of type int and is true'),
    ("an id used twice", set_at("model/vocab/a", 70), "have the same id, 70"),
    ("a hole in the ids", set_at("model/vocab/th", 999), "262 tokens, but none with id"),
    ("a negative id", set_at("model/vocab/th", -1), "262 tokens, but none with id"),
    ("a token that is not bytes", set_at("model/vocab/你", 262), "neither special nor made of bytes"),
    ("an empty token", set_at("model/vocab/", 262), "neither special nor made of bytes"),
    ("a missing byte", lambda s: s["model"]["vocab"].update(zz=s["model"]["vocab"].pop("A")), "lacks byte 65"),
    ("a merge of one", set_at("model/merges/0", ["t"]), "not a pair of tokens"),
    ("a merge of three", set_at("model/merges/0", "t h e"), "not a pair of tokens"),
    ("a merge of numbers", set_at("model/merges/0", [1, 2]), "not a pair of tokens"),
    ("a merge of an unknown", set_at("model/merges/0", ["qq", "h"]), 'needs "qq", which the vocabulary lacks'),
    ("a merge into an unknown", set_at("model/merges/0", ["q", "h"]), 'needs "qh", which the vocabulary lacks'),
    ("a merge of the special", set_at("model/merges/0", [END_OF_TEXT, "h"]), "which the vocabulary lacks"),
    ("a merge twice", lambda s: s["model"]["merges"].append(s["model"]["merges"][0]), "stands twice"),
    ("another special token", set_at("added_tokens/0/content", "<s>"), "have the same id, 0"),
    ("a special id that differs", set_at("added_tokens/0/id", 300), f'"{END_OF_TEXT}" has two ids, 0 and 300'),
    (
        "a special token that may be a word",
        set_at("added_tokens/0/single_word", 1),
        "stands alone should be of type bool",
    ),
    ("a special token that may strip", set_at("added_tokens/0/lstrip", 1), "strips should be of type bool and is 1"),
    ("no special token at all", set_at("added_tokens/0/special", False), "has a role in"),
    ("an added token with an id far off", lambda s: s["added_tokens"].append(NEW | {"id": 999}), "do not follow"),
    ("an added token with a negative id", lambda s: s["added_tokens"].append(NEW | {"id": -1}), "below 0"),
    ("an added token without text", lambda s: s["added_tokens"].append(NEW | {"content": ""}), "is empty"),
    ("an unsaid special", lambda s: s["added_tokens"][0].pop("special"), "not said to be special"),
    ("a special token twice", lambda s: s["added_tokens"].append(s["added_tokens"][0]), "stands twice"),
    (
        "an ordinary token that is special too",
        lambda s: s["added_tokens"].append(s["added_tokens"][0] | {"content": "A", "id": s["model"]["vocab"]["A"]}),
        "lacks byte 65",
    ),
    ("half of a surrogate pair", set_at("added_tokens/0/content", "\ud800"), "lone surrogate"),
]
CHARACTER_FAULTS: list[tuple[str, Callable[[Settings], object], str]] = [
    ("an unknown token", set_at("model/unk_token", "a"), '"unk_token" set to "a"'),
    ("words", set_at("model/vocab/the", 99), "but none with id"),
    (
        "a long name",
        lambda s: s["model"]["vocab"].update(the=s["model"]["vocab"].pop("t")),
        '"the" is not one character',
    ),
    ("no cutting", set_at("pre_tokenizer", None), "not one of characters"),
    ("a decoder with spaces", set_at("decoder", None), "not one of characters"),
    ("half of a surrogate pair", set_at("model/vocab/\udfff", 15), "lone surrogate"),
    (
        "a special token behind a hole",
        lambda s: s["added_tokens"].append(s["added_tokens"][0] | {"content": "<s>", "id": 99}),
        "do not follow",
    ),
]


@pytest.mark.parametrize(("change", "fault"), [f[1:] for f in BPE_FAULTS], ids=[f[0] for f in BPE_FAULTS])
def test_each_fault_of_a_bpe_file_is_named(change: Callable[[Settings], object], fault: str, tmp_path: Path) -> None:
    settings = written("bpe", tmp_path)
    change(settings)
    assert fault in refusal(json.dumps(settings), tmp_path)


@pytest.mark.parametrize(("change", "fault"), [f[1:] for f in CHARACTER_FAULTS], ids=[f[0] for f in CHARACTER_FAULTS])
def test_each_fault_of_a_character_file_is_named(
    change: Callable[[Settings], object], fault: str, tmp_path: Path
) -> None:
    settings = written("characters", tmp_path)
    change(settings)
    assert fault in refusal(json.dumps(settings), tmp_path)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "not valid JSON"),
        ("[]", "the file should be of type dict"),
        ("null", "the file should be of type dict"),
        ('{"version": "1.0", "mod', "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"a": ' + "1" * 10_000 + "}", "not valid JSON"),
        ('{"model": {"vocab": {"a": 1, "a": 2}}}', '"a" stands twice'),
        ('{"version": NaN, "model": {}}', "version"),
    ],
    ids=["empty", "list", "null", "cut short", "UTF-16", "deep", "long number", "repeated key", "no number"],
)
def test_what_is_no_json_object_is_refused(content: str | bytes, fault: str, tmp_path: Path) -> None:
    assert fault in refusal(content, tmp_path)


def test_where_there_is_none_the_place_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "tokenizer.json"):
        with pytest.raises(TokenizerError, match=f"no tokenizer at {re.escape(str(path))}: give a folder"):
            Tokenizer.load(path)


def test_a_file_larger_than_any_tokenizer_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "tokenizer.json").open("wb") as file:
        file.truncate(300 * 2**20)  # sparse: it takes no room
    with pytest.raises(TokenizerError, match="larger than 256 MiB"):
        Tokenizer.load(tmp_path)
