"""What stands around texts: the frames of BERT, RoBERTa, Llama and T5, against the post-processors of `tokenizers`."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import processors

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.frame import Frame, Framed

NAMES = ["<|endoftext|>", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = ["the quick brown fox", "the car, the cat"]
CLS, SEP = ("[CLS]", 1), ("[SEP]", 2)
PROCESSORS: dict[str, tuple[Any, Frame]] = {
    "none": (None, Frame()),
    "bytes": (processors.ByteLevel(), Frame()),
    "bert": (processors.BertProcessing(SEP, CLS), Frame.bert()),
    "roberta": (processors.RobertaProcessing(SEP, CLS), Frame.roberta("[CLS]", "[SEP]")),
    "llama": (
        processors.TemplateProcessing("[CLS]:0 $A:0", "[CLS]:0 $A:0 [CLS]:1 $B:1", [CLS]),
        Frame.ends("[CLS]", None),
    ),
    "t5": (
        processors.TemplateProcessing("$A:0 [SEP]:0", "$A:0 [SEP]:0 $B:1 [SEP]:1", [SEP]),
        Frame.ends(None, "[SEP]"),
    ),
    "llama 3": (
        processors.Sequence([
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing("[CLS] $A", "[CLS] $A [CLS]:1 $B:1", [CLS]),
        ]),
        Frame.of("[CLS] $A", "[CLS] $A [CLS]:1 $B:1"),
    ),
    "xlnet": (
        processors.TemplateProcessing("$A:0 [SEP]:0 [CLS]:2", "$A:0 [SEP]:0 $B:1 [SEP]:1 [CLS]:2", [CLS, SEP]),
        Frame.of("$A [SEP] [CLS]:2", "$A [SEP] $B:1 [SEP]:1 [CLS]:2"),
    ),
}  # fmt: skip


def learnt() -> tokenizers.Tokenizer:
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=280, special_tokens=NAMES, initial_alphabet=alphabet, show_progress=False
    )
    theirs.train_from_iterator(TEXTS, trainer)
    return theirs


@pytest.mark.parametrize("name", PROCESSORS)
def test_ids_and_segments_are_those_of_tokenizers(name: str, tmp_path: Path) -> None:
    theirs = learnt()
    processor, frame = PROCESSORS[name]
    if processor is not None:
        theirs.post_processor = processor
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = Tokenizer.load(tmp_path)
    assert ours.frame == frame
    ours.save(tmp_path)
    again = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert Tokenizer.load(tmp_path).frame == frame

    @given(st.text("the cé\n", max_size=9), st.text("the cé\n", max_size=9))
    def check(one: str, other: str) -> None:
        ids, others = ours.encode(one), ours.encode(other)
        for peer in (theirs, again):
            alone, both = peer.encode(one), peer.encode(one, other)
            assert ours.framed(ids) == (alone.ids, alone.type_ids)
            assert ours.framed(ids, others) == (both.ids, both.type_ids)
        assert len(ours.framed(ids, others).ids) == len(ids) + len(others) + frame.added(pair=True)
        assert ours.decode(ours.framed(ids).ids) == one

    check()


def test_a_frame_is_part_of_what_a_tokenizer_is(tmp_path: Path) -> None:
    plain = Tokenizer.train(TEXTS, vocab_size=270).extend(NAMES[1:], special=True)
    ours = plain.with_frame(Frame.bert(), roles={"mask": "[MASK]", "cls": "[CLS]"})
    assert plain.framed([5, 6], [7]) == ([5, 6, 7], [0, 0, 1])
    assert ours.encode("the car") == plain.encode("the car")
    assert str(ours.frame) == "[CLS] $A [SEP], around two: [CLS] $A [SEP] $B:1 [SEP]:1"
    assert ours.framed(np.array([5, 6], np.uint32)).ids == [270, 5, 6, 271]
    assert ours.framed([5, 6], [7]) == Framed([270, 5, 6, 271, 7, 271], [0, 0, 0, 0, 1, 1])
    assert (ours.role("mask"), ours.role("cls")) == (272, 270)
    assert ours.fingerprint() != plain.fingerprint() == plain.with_frame(roles={"mask": "[MASK]"}).fingerprint()
    ours.save(tmp_path)
    for again in (Tokenizer.load(tmp_path), pickle.loads(pickle.dumps(ours)), ours.extend(["<x>"], special=True)):
        assert (again.frame, again.roles) == (ours.frame, ours.roles)
    assert Tokenizer.load(tmp_path).fingerprint() == ours.fingerprint()
    with pytest.raises(TokenizerError, match="has no pad token"):
        ours.role("pad")
    with pytest.raises(TokenizerError, match=r"'<s>' is no special token"):
        plain.with_frame(Frame.roberta())
    with pytest.raises(TokenizerError, match="no role 'hat'"):
        plain.with_frame(roles={"hat": "[MASK]"})
    with pytest.raises(TokenizerError, match=r"each text once: \$A and \$B, and this has \$A"):
        Frame.of("[CLS] $A", "[CLS] $A")


TEMPLATE = json.loads(processors.TemplateProcessing("[CLS] $A", "[CLS] $A $B:1", [CLS]).__getstate__())


def changed(**parts: object) -> dict[str, object]:
    return {**TEMPLATE, **parts}


FAULTS: dict[str, tuple[object, str]] = {
    "no type": ({}, "post-processor is not known"),
    "two frames": ({"type": "Sequence", "processors": [TEMPLATE, TEMPLATE]}, "several post-processors"),
    "nested": ({"type": "Sequence", "processors": [{"type": "Sequence", "processors": []}]}, "nested"),
    "a pair without its second": (changed(pair=TEMPLATE["single"]), "each text once"),
    "text for a template": (changed(single="[CLS] $A"), "template single should be of type list"),
    "an unknown part": (changed(single=[{"Text": 1}]), "a part that is not known"),
    "a segment that is a truth": (changed(single=[{"Sequence": {"id": "A", "type_id": True}}]), "not known"),
    "a segment below 0": (changed(single=[{"Sequence": {"id": "A", "type_id": -1}}]), "a segment below 0"),
    "no tokens": (changed(special_tokens={}), 'has "[CLS]", and says of it: null'),
    "another id": (
        changed(special_tokens={"[CLS]": {"id": "[CLS]", "ids": [7], "tokens": ["[CLS]"]}}),
        'puts "[CLS]" with id 7 around texts',
    ),
    "a token of two": (
        changed(special_tokens={"[CLS]": {"id": "[CLS]", "ids": [1, 1], "tokens": ["[CLS]"] * 2}}),
        "and says of it",
    ),
    "an unknown setting": (changed(more=1), 'not known: "more"'),
    "no sep": ({"type": "BertProcessing", "cls": ["[CLS]", 1]}, "should name a token and its id, and has null"),
    "a sep that is not there": ({"type": "BertProcessing", "cls": ["[CLS]", 1], "sep": ["x", 999]}, "no special token"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_a_post_processor_is_named(fault: str, tmp_path: Path) -> None:
    settings = json.loads(learnt().to_str())
    settings["post_processor"], reason = FAULTS[fault]
    (tmp_path / "tokenizer.json").write_text(json.dumps(settings))
    with pytest.raises(TokenizerError) as raised:
        Tokenizer.load(tmp_path)
    assert reason in str(raised.value)


ROLES: dict[str, tuple[str, dict[str, object], dict[str, str] | str]] = {
    "names": ("tokenizer_config.json", {"mask_token": "[MASK]", "pad_token": None}, {"mask": "[MASK]"}),
    "a record": ("special_tokens_map.json", {"cls_token": {"content": "[CLS]"}}, {"cls": "[CLS]"}),
    "a token that is not there": ("tokenizer_config.json", {"pad_token": "[PAD]"}, '"[PAD]" for its pad_token'),
    "a number": ("tokenizer_config.json", {"pad_token": 3}, "pad_token in the"),
    "an empty name": ("special_tokens_map.json", {"pad_token": ""}, "pad_token in the"),
}


@pytest.mark.parametrize("case", ROLES)
def test_roles_are_read_strictly(case: str, tmp_path: Path) -> None:
    learnt().save(str(tmp_path / "tokenizer.json"))
    file, settings, expected = ROLES[case]
    (tmp_path / file).write_text(json.dumps(settings))
    if isinstance(expected, dict):
        assert Tokenizer.load(tmp_path).roles == expected
        return
    with pytest.raises(TokenizerError) as raised:
        Tokenizer.load(tmp_path)
    assert expected in str(raised.value)


def test_the_map_counts_where_the_configuration_is_an_old_one(tmp_path: Path) -> None:
    learnt().save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "special_tokens_map.json").write_text('{"sep_token": "[SEP]", "pad_token": "[MASK]"}')
    config = tmp_path / "tokenizer_config.json"
    config.write_text('{"sep_token": "[CLS]"}')
    assert Tokenizer.load(tmp_path).roles == {"sep": "[SEP]", "pad": "[MASK]"}
    config.write_text('{"sep_token": "[CLS]", "added_tokens_decoder": {}}')
    assert Tokenizer.load(tmp_path).roles == {"sep": "[CLS]"}
