"""Tokens added after learning: old ids unmoved, the new ones found as `tokenizers` finds them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.extended import ExtendedTokenizer
from idiolect.tokenizers.normalize import Normalizer

TEXTS = ["the car, the cat, the rat; it's 12 dogs\n\n", "naïve café 你好世界 😀 <think>"] * 3
ADDED = ["<think>", "<th", "the car", "t; i", "é✓"]


def plain() -> Tokenizer:
    return Tokenizer.train(TEXTS, vocab_size=280)


def as_llama() -> BytePairTokenizer:
    """Characters, spaces as ▁, and one in front."""
    letters = [*sorted(set("".join(TEXTS)) - set(" \n")), "▁"]
    pieces = [b"<unk>", b"</s>", *(letter.encode() for letter in letters), b"th", b"the"]
    ids = {piece: n for n, piece in enumerate(pieces)}
    return BytePairTokenizer(
        pieces,
        [(ids[b"t"], ids[b"h"]), (ids[b"th"], ids[b"e"])],
        pattern="none",
        special_tokens={"<unk>": 0, "</s>": 1},
        symbols="characters",
        normalizer=Normalizer(prefix_space=True, mark=True),
        unknown=0,
        end_of_text="</s>",
    )


@pytest.mark.parametrize("make", [plain, as_llama])
def test_tokenizers_finds_them_as_we_do(make: object, tmp_path: Path) -> None:
    base: Tokenizer = make()  # type: ignore[operator]
    ours = base.extend(ADDED[:3]).extend(["[X]"], special=True).extend(ADDED[3:4])
    assert ours.vocab_size == base.vocab_size + 5
    assert ours.special_tokens == {**base.special_tokens, "[X]": base.vocab_size + 3}
    assert [ours.token_bytes(i) for i in range(base.vocab_size)] == [
        base.token_bytes(i) for i in range(base.vocab_size)
    ]
    ours.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert isinstance(again, ExtendedTokenizer)
    assert again.fingerprint() == ours.fingerprint() != base.fingerprint()
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    theirs.encode_special_tokens = True

    @given(st.lists(st.sampled_from([*ADDED, "th", "e", " ", "car", "x", "[X]", "你", "é", "t;"])).map("".join))
    def check(text: str) -> None:
        ids = theirs.encode(text).ids
        assert ours.encode(text) == again.encode(text) == ids
        assert ours.encode_array(text).tolist() == ids
        assert ours.decode(ids) == again.decode(ids)
        stream = ours.stream()
        assert "".join(map(stream.push, ids)) + stream.flush() == ours.decode(ids)

    check()
    theirs.encode_special_tokens = False
    assert ours.encode("the[X]car", allowed_special={"[X]"}) == theirs.encode("the[X]car").ids
    ids, starts = ours.encode_many(["the car<think>", "", "x"])
    assert [part.tolist() for part in np.split(ids, starts[1:-1])] == list(
        map(ours.encode, ["the car<think>", "", "x"])
    )


def test_text_comes_back_and_places_are_known() -> None:
    ours = plain().extend(ADDED)
    for text in TEXTS:
        assert ours.decode(ours.encode(text)) == text
        places = ours.encode_with_offsets(text)
        assert places.ids == ours.encode(text)
        assert (
            "".join(text.encode()[start:end].decode("latin-1") for start, end in places.bytes).encode("latin-1")
            == text.encode()
        )
    assert ours.encode("é✓<think>".encode()) == ours.encode("é✓<think>")
    assert pickle.loads(pickle.dumps(ours)).encode(TEXTS[0]) == ours.encode(TEXTS[0])
    assert ours.sample("the car<think>x", alpha=0.0, seed=1) == ours.encode("the car<think>x")


def test_special_ones_alone_leave_the_encoding_as_it_is(tmp_path: Path) -> None:
    base = plain()
    ours = base.extend(["<|user|>"], special=True)
    assert ours.encode("a<|user|>b") == base.encode("a<|user|>b")
    assert ours.encode("a<|user|>b", allowed_special={"<|user|>"})[1] == 280
    assert ours.decode([280]) == ""
    ours.save(tmp_path)
    assert Tokenizer.load(tmp_path).fingerprint() == ours.fingerprint()


def test_tokens_that_are_found_otherwise_are_refused(tmp_path: Path) -> None:
    as_llama().extend(["<x>"]).save(tmp_path)
    file = tmp_path / "tokenizer.json"
    settings = json.loads(file.read_text("utf-8"))
    settings["added_tokens"][-1]["normalized"] = True
    file.write_text(json.dumps(settings))
    with pytest.raises(TokenizerError, match="spaces have been changed already"):
        Tokenizer.load(file)
    settings["normalizer"] = None
    settings["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    file.write_text(json.dumps(settings))
    with pytest.raises(TokenizerError, match="before the first stretch alone"):
        Tokenizer.load(file)


@pytest.mark.parametrize(
    ("tokens", "fault"),
    [
        ([], "No tokens"),
        (["a"], "already"),
        ([END_OF_TEXT], "already"),
        (["x y", "x y"], "already"),
        ([""], "at least"),
    ],
)
def test_tokens_that_cannot_be_added(tokens: list[str], fault: str) -> None:
    with pytest.raises(TokenizerError, match=fault):
        plain().extend(tokens)
