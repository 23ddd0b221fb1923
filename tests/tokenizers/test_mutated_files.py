"""Files of every format, changed at random: each is refused in a sentence or gives a tokenizer that works, and where
the tool that the format comes from reads the same file, it gives the same ids."""

from __future__ import annotations

import copy
import io
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import tokenizers

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.formats import convert
from idiolect.tokenizers.formats.protobuf import Message, field

TEXTS = ["the car, the cat, the rat, you and I"]
PROBES = ["", " ", "the cat", "you and  the rat,I", "tttthhhh", "你x é", "a\ta"]
ODD_VALUES = [None, True, 0, -1, 3.5, 10**20, "", "a", "\ud800", "你", [], [[]], {}, {"type": "BPE"}, float("nan"), "▁"]


def model(**options: Any) -> bytes:
    """A small SentencePiece model, learnt by SentencePiece."""
    made = io.BytesIO()
    plain = {"vocab_size": 60, "hard_vocab_limit": False, "minloglevel": 2, "normalization_rule_name": "identity"}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 3), model_writer=made, **{**plain, **options}
    )
    return made.getvalue()


def saved(tokenizer: Tokenizer) -> bytes:
    files = convert(tokenizer, "tokenizer.json")
    assert isinstance(files, dict)
    return files["tokenizer.json"]


def of_model(**options: Any) -> Tokenizer:
    from idiolect.tokenizers.formats.sentencepiece import read

    return read(model(**options), {})


def wordpiece() -> bytes:
    theirs = tokenizers.BertWordPieceTokenizer()
    theirs.train_from_iterator(TEXTS, vocab_size=60, min_frequency=1, show_progress=False)
    return theirs.to_str().encode()


def roberta() -> bytes:
    """A frame, a token that strips, a space in front, tokens found in normalized text, a cut before the pattern."""
    theirs = tokenizers.Tokenizer.from_str(saved(Tokenizer.train(TEXTS, vocab_size=262)).decode())
    theirs.normalizer = tokenizers.normalizers.NFC()
    digits = tokenizers.pre_tokenizers.Digits(individual_digits=True)
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([digits, theirs.pre_tokenizer])
    theirs.add_special_tokens([tokenizers.AddedToken("<mask>", lstrip=True), "<s>"])
    theirs.add_tokens([tokenizers.AddedToken("  ", normalized=True), tokenizers.AddedToken("<x>", rstrip=False)])
    cls, end = ("<s>", theirs.token_to_id("<s>")), ("<|endoftext|>", 0)
    theirs.post_processor = tokenizers.processors.RobertaProcessing(end, cls)
    return theirs.to_str().encode()


def framed() -> bytes:
    bert = tokenizers.processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 2), ("[SEP]", 3)]
    )
    theirs = tokenizers.Tokenizer.from_str(wordpiece().decode())
    theirs.post_processor = bert
    theirs.enable_truncation(4)
    theirs.enable_padding(length=3)
    return theirs.to_str().encode()


def albert() -> bytes:
    theirs = tokenizers.Tokenizer(tokenizers.models.Unigram())
    parts = tokenizers.normalizers
    theirs.normalizer = parts.Sequence(
        [parts.Replace("``", '"'), parts.NFKD(), parts.StripAccents(), parts.Lowercase()]
    )
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [tokenizers.pre_tokenizers.WhitespaceSplit(), tokenizers.pre_tokenizers.Metaspace()]
    )
    theirs.decoder = tokenizers.decoders.Metaspace()
    trainer = tokenizers.trainers.UnigramTrainer(
        vocab_size=40, special_tokens=["<unk>", "[SEP]"], unk_token="<unk>", show_progress=False
    )
    theirs.train_from_iterator(TEXTS, trainer)
    return theirs.to_str().encode()


def vocabulary() -> bytes:
    vocab = json.loads(wordpiece())["model"]["vocab"]
    return "\n".join(sorted(vocab, key=vocab.__getitem__)).encode()


def ranks() -> bytes:
    written = convert(Tokenizer.train(TEXTS, vocab_size=262), "tiktoken")
    assert isinstance(written, bytes)
    return written


MAKERS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "bytes": ("tokenizer.json", lambda: saved(Tokenizer.train(TEXTS, vocab_size=262))),
    "added": ("tokenizer.json", lambda: saved(Tokenizer.train(TEXTS, vocab_size=262).extend(["the c", "<x>"]))),
    "characters": ("tokenizer.json", lambda: saved(Tokenizer.train(TEXTS, kind="characters"))),
    "llama": ("tokenizer.json", lambda: saved(of_model(model_type="bpe", byte_fallback=True, vocab_size=300))),
    "unigram": ("tokenizer.json", lambda: saved(of_model(model_type="unigram"))),
    "wordpiece": ("tokenizer.json", wordpiece),
    "roberta": ("tokenizer.json", roberta),
    "framed": ("tokenizer.json", framed),
    "albert": ("tokenizer.json", albert),
    "vocab.txt": ("vocab.txt", vocabulary),
    "ranks": ("ranks.tiktoken", ranks),
    "spm bpe": ("spm.model", lambda: model(model_type="bpe")),
    "spm gemma": (
        "spm.model",
        lambda: model(
            model_type="bpe", add_dummy_prefix=False, remove_extra_whitespaces=False, user_defined_symbols=["▁▁", "at"]
        ),
    ),
    "spm suffix": (
        "spm.model",
        lambda: model(model_type="bpe", treat_whitespace_as_suffix=True, user_defined_symbols=["th", "▁c"]),
    ),
    "spm unigram": (
        "spm.model",
        lambda: model(model_type="unigram", user_defined_symbols=["th"], byte_fallback=True, vocab_size=300),
    ),
    "gpt2": ("vocab.bpe", lambda: convert(Tokenizer.train(TEXTS, vocab_size=262), "gpt2")["vocab.bpe"]),  # type: ignore[index,call-overload]
}


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each container in a JSON value with each of its keys."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    found = [(value, key) for key in keys]
    for key in keys:
        found += places(value[key])
    return found


def json_changed(content: bytes, chance: random.Random) -> bytes:
    """One or two changes to the values or keys."""
    settings = json.loads(content)
    for _ in range(chance.randint(1, 2)):
        found = places(settings)
        if chance.random() < 0.6:  # the settings are few among the tokens
            found = [place for place in found if len(place[0]) < 15] or found
        container, key = chance.choice(found)
        match chance.randrange(4):
            case 0:
                container[key] = copy.deepcopy(chance.choice(ODD_VALUES))
            case 1:
                del container[key]
            case 2 if isinstance(container, dict):
                container[chance.choice(["type", "a", "\udc00", "vocab", "id"])] = container[key]
            case _:
                other, other_key = chance.choice(places(settings))
                container[key] = copy.deepcopy(other[other_key])
    return json.dumps(settings).encode()


def model_changed(content: bytes, chance: random.Random) -> bytes:
    """One or two changes to the pieces or the settings, written as the format has it."""
    message = Message(content, "the file")
    pieces = message.several(1, "pieces")
    settings = {number: message.raw(number, "settings") for number in (2, 3)}
    for _ in range(chance.randint(1, 2)):
        at = chance.randrange(len(pieces))
        score = chance.choice([0.0, -0.0, -1.0, -3.0, 2.5, float("nan"), float("inf"), -float("inf"), 1e38, -1e9])
        match chance.randrange(8):
            case 0:
                pieces[at] += field(1, chance.choice(["", "a", "▁", "th", "the", "\0", "你", "x" * 9000, "<0x41>"]))
            case 1:
                pieces[at] += field(2, score)
            case 2:
                pieces[at] += field(3, chance.choice([0, 1, 2, 3, 4, 5, 6, 7, 2**40, -1]))
            case 3:
                del pieces[at]
            case 4:
                pieces.insert(chance.randrange(len(pieces)), pieces[at])
            case 5:
                number = chance.choice([3, 24, 24, 35, 40, 42, 47])
                settings[2] += field(number, chance.choice([0, 1, 2, 3, 2**33])) if number != 47 else field(47, "<s>")
            case 6:
                settings[3] += field(chance.choice([3, 4, 5]), chance.choice([False, True]))
            case _:
                table = struct.pack("<I", chance.choice([0, 1024, 2**31, 4])) + chance.randbytes(1030) + b"\0"
                settings[3] += field(2, table)
    return b"".join([*(field(1, piece) for piece in pieces), *(field(n, value) for n, value in settings.items())])


def bytes_changed(content: bytes, chance: random.Random) -> bytes:
    """One to three changes to the bytes: bits, stretches, the end."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(changed)) if changed else 0
        stretch = chance.randint(1, 20)
        match chance.randrange(6):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1 if changed:
                changed[at] ^= 1 << chance.randrange(8)
            case 2:
                del changed[at : at + stretch]
            case 3:
                changed[at:at] = chance.randbytes(stretch)
            case 4:
                changed[at:at] = changed[(start := chance.randrange(len(changed) + 1)) : start + stretch]
            case _ if chance.random() < 0.3:
                del changed[at:]
    return bytes(changed)


def mutated(name: str, content: bytes, chance: random.Random) -> bytes:
    if name.endswith(".json") and chance.random() < 0.6:
        return json_changed(content, chance)
    if name.endswith(".model") and chance.random() < 0.6:
        return model_changed(content, chance)
    return bytes_changed(content, chance)


@pytest.mark.parametrize("key", ["pre_tokenizer", "normalizer", "decoder", "post_processor", "model", "added_tokens"])
def test_deep_nesting_is_refused(key: str, tmp_path: Path) -> None:
    settings = json.loads(MAKERS["bytes"][1]())
    parts = {"pre_tokenizer": "pretokenizers", "post_processor": "processors"}.get(key, f"{key}s")
    for depth in (100, 200, 300, 450):
        nested = f'{{"type": "Sequence", "{parts}": [' * depth + "]}" * depth
        settings[key] = "HERE"
        (tmp_path / "tokenizer.json").write_text(json.dumps(settings).replace('"HERE"', nested))
        with pytest.raises(TokenizerError) as raised:
            Tokenizer.load(tmp_path)
        assert len(str(raised.value)) < 500


def tried(tokenizer: Tokenizer) -> None:
    """It does all that a tokenizer must."""
    for text in PROBES:
        if tokenizer.can_encode(text):
            ids = tokenizer.encode(text)
            assert all(0 <= token_id < tokenizer.vocab_size for token_id in ids)
            assert tokenizer.end_of_text not in ids or tokenizer.kind in ("wordpiece", "unigram", "bpe")
            tokenizer.decode(ids)
            framed = tokenizer.framed(ids, ids[:1])
            assert len(framed.ids) == len(framed.segments) == len(ids + ids[:1]) + tokenizer.frame.added(pair=True)
            assert all(0 <= token_id < tokenizer.vocab_size for token_id in framed.ids)
    tokenizer.fingerprint()


@pytest.mark.parametrize("files", [200, pytest.param(12_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", MAKERS)
def test_no_mutated_file_crashes_the_reader_or_gives_a_broken_tokenizer(kind: str, files: int, tmp_path: Path) -> None:
    name, make = MAKERS[kind]
    original, chance, file, read = make(), random.Random(files), tmp_path / name, 0
    if kind == "gpt2":
        vocab = convert(Tokenizer.train(TEXTS, vocab_size=262), "gpt2")["encoder.json"]  # type: ignore[index,call-overload]
        (tmp_path / "encoder.json").write_bytes(vocab)
    for _ in range(files):
        file.write_bytes(mutated(name, original, chance))
        try:
            tokenizer = Tokenizer.load(file, pattern="gpt2" if kind in ("ranks", "gpt2") else None)
        except TokenizerError as error:
            message = str(error)
            message.encode("utf-8")  # it can be printed
            assert message.startswith(f"{file} cannot be used: ") and len(message) < len(str(file)) + 500
            continue
        read += 1
        tried(tokenizer)
    assert 0.02 < read / files < 0.9  # the test meets both


@pytest.mark.parametrize("files", [300, pytest.param(5_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["spm bpe", "spm gemma", "spm suffix", "spm unigram"])
def test_what_sentencepiece_reads_too_has_its_ids(kind: str, files: int, tmp_path: Path) -> None:
    original, chance, both = MAKERS[kind][1](), random.Random(files), 0
    for _ in range(files):
        content = model_changed(original, chance)
        (tmp_path / "spm.model").write_bytes(content)
        try:
            ours = Tokenizer.load(tmp_path / "spm.model")
            theirs = sentencepiece.SentencePieceProcessor(model_proto=content)
        except (TokenizerError, RuntimeError):
            continue
        both += 1
        for text in PROBES:
            assert ours.encode(text) == theirs.encode(text)
    assert both > files / 10


@pytest.mark.parametrize("files", [200, pytest.param(5_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["bytes", "added", "llama", "unigram", "wordpiece", "roberta", "framed", "albert"])
def test_what_tokenizers_reads_too_has_its_ids(kind: str, files: int, tmp_path: Path) -> None:
    original, chance, both = MAKERS[kind][1](), random.Random(files), 0
    for _ in range(files):
        content = json_changed(original, chance)
        (tmp_path / "tokenizer.json").write_bytes(content)
        try:
            ours = Tokenizer.load(tmp_path)
            theirs = tokenizers.Tokenizer.from_str(content.decode())
            theirs.no_truncation()
            theirs.no_padding()
        except TokenizerError:
            continue
        except Exception as error:
            if type(error) is not Exception:  # what theirs raises
                raise
            continue
        both += 1
        for text in PROBES:
            if not any(name in text for name in ours.special_tokens):
                ids = ours.encode(text)
                assert theirs.encode(text, add_special_tokens=False).ids == ids, content
                for encoding, framed in (
                    (theirs.encode(text), ours.framed(ids)),
                    (theirs.encode(text, "at"), ours.framed(ids, ours.encode("at"))),
                ):
                    assert (encoding.ids, encoding.type_ids) == framed, content
    assert both > files / 50
