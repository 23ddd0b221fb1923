"""SentencePiece models: read with SentencePiece's ids, and written so that SentencePiece gives ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import sentencepiece
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.formats import convert
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.unigram import UnigramTokenizer

Train = Callable[..., bytes]
TEXTS = [
    "The car, the cat, the rat: the quick brown fox jumps over the lazy dog. ",
    "the theory of the thing that they thought  there   were three  of",
    "naïve café, 你好世界, 你好, こんにちは, Привет мир! ﬁne Ａ①   x\ty\n",
] * 4
MODELS: dict[str, dict[str, Any]] = {
    "bpe": {"model_type": "bpe"},
    "bpe with bytes": {"model_type": "bpe", "byte_fallback": True, "character_coverage": 0.98, "vocab_size": 380},
    "bpe as llama": {
        "model_type": "bpe",
        "byte_fallback": True,
        "vocab_size": 380,
        "character_coverage": 0.98,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "split_digits": True,
        "allow_whitespace_only_pieces": True,
    },
    "bpe with own symbols as gemma": {
        "model_type": "bpe",
        "byte_fallback": True,
        "vocab_size": 400,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "add_dummy_prefix": False,
        "user_defined_symbols": ["<sep>", "▁▁", "▁▁▁", "the▁quick", "th"],
    },
    "bpe across words": {"model_type": "bpe", "split_by_whitespace": False, "vocab_size": 140},
    "unigram": {"model_type": "unigram"},
    "unigram with bytes": {
        "model_type": "unigram",
        "byte_fallback": True,
        "character_coverage": 0.98,
        "vocab_size": 350,
    },
    "unigram with a few unknown": {"model_type": "unigram", "character_coverage": 0.98, "vocab_size": 90},
    "unigram with own symbols": {
        "model_type": "unigram",
        "user_defined_symbols": ["<sep>", "▁▁", "the quick"],
        "control_symbols": ["<ctl>"],
        "pad_id": 3,
    },
    "unigram without prefix": {"model_type": "unigram", "add_dummy_prefix": False, "remove_extra_whitespaces": False},
    "unigram in small letters": {"model_type": "unigram", "normalization_rule_name": "nmt_nfkc_cf"},
    "unigram in other ids": {"model_type": "unigram", "unk_id": 2, "bos_id": -1, "eos_id": 0, "pad_id": 1},
}


def loaded(content: bytes, folder: Path) -> Tokenizer:
    (folder / "spm.model").write_bytes(content)
    return Tokenizer.load(folder / "spm.model")


def theirs(content: bytes) -> Any:
    return sentencepiece.SentencePieceProcessor(model_proto=content)


def same_ids(ours: Tokenizer, encode: Callable[[str], list[int]], examples: int = 150) -> None:
    """On random text, of the characters that the models met and others."""
    parts = st.sampled_from(["the", "quick", "<sep>", "<s>", "<unk>", "▁", "  ", " ", "\t", "\n", "é", "e\u0301", "ﬁ"])
    texts = st.lists(parts | st.text(max_size=4) | st.text("theoqu ▁你", max_size=8)).map("".join)

    @settings(max_examples=examples)
    @given(texts.filter(lambda text: "\0" not in text))
    def check(text: str) -> None:
        assert ours.encode(text) == encode(text)

    check()
    for text in ["", " ", "a" * 300, " " * 300, "the" * 300, *TEXTS]:
        assert ours.encode(text) == encode(text)


@pytest.mark.parametrize("name", MODELS)
def test_models_are_read_and_written_with_sentencepieces_ids(name: str, spm: Train, tmp_path: Path) -> None:
    content = spm(**MODELS[name])
    ours, original = loaded(content, tmp_path), theirs(content)
    assert ours.vocab_size == original.vocab_size()
    assert [ours.special_tokens.get(original.id_to_piece(i)) == i for i in range(ours.vocab_size)] == [
        original.is_control(i) or original.is_unknown(i) for i in range(ours.vocab_size)
    ]
    same_ids(ours, original.encode)
    again = theirs(convert(ours, "sentencepiece"))  # type: ignore[arg-type]
    for i in range(ours.vocab_size):
        for ask in ("id_to_piece", "is_control", "is_unknown", "is_byte"):
            assert getattr(again, ask)(i) == getattr(original, ask)(i)
    assert (again.eos_id(), again.unk_id()) == (ours.end_of_text, original.unk_id())
    same_ids(ours, again.encode)
    for text in TEXTS:
        ids = ours.encode(text)
        if original.unk_id() not in ids:
            assert ours.decode(ids) == original.decode(ids)


@pytest.mark.parametrize("name", MODELS)
def test_models_are_saved_for_tokenizers_with_the_same_ids(name: str, spm: Train, tmp_path: Path) -> None:
    ours = loaded(spm(**MODELS[name]), tmp_path)
    if isinstance(ours, UnigramTokenizer) and ours.user_defined:
        with pytest.raises(TokenizerError, match="always takes some of its tokens"):
            convert(ours, "tokenizer.json")
        ours.save(tmp_path)  # as a model file, then
        assert Tokenizer.load(tmp_path).fingerprint() == ours.fingerprint()
        return
    ours.save(tmp_path)
    hugging = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    byte_names = [f"<0x{byte:02X}>" for byte in range(256)]

    @settings(max_examples=100)
    @given(st.lists(st.text(max_size=5) | st.sampled_from(["the", "  ", "quick", "\t", "é", "▁"])).map("".join))
    def check(text: str) -> None:
        if "\0" not in text and not any(name in text for name in [*ours.special_tokens, *byte_names]):
            assert hugging.encode(text).ids == ours.encode(text)

    if "nfkc" not in MODELS[name].get("normalization_rule_name", "nmt_nfkc"):  # they go by graphemes there
        check()
    for text in ["", " ", *TEXTS, " ".join(TEXTS)]:
        assert hugging.encode(text).ids == ours.encode(text)
        assert hugging.decode(ours.encode(text)) == ours.decode(ours.encode(text))
    assert Tokenizer.load(tmp_path).fingerprint() == ours.fingerprint()
    assert Tokenizer.load(tmp_path / "tokenizer.json").encode(TEXTS[2]) == ours.encode(TEXTS[2])


@pytest.mark.parametrize("name", ["llama2.tokenizer.model", "japanese_unigram.model"])
def test_real_models_on_real_text(name: str, data_folder: Path, tmp_path: Path) -> None:
    content = (data_folder / "vocabularies" / name).read_bytes()
    ours = loaded(content, tmp_path)
    again = convert(ours, "sentencepiece")
    assert isinstance(again, bytes)
    ours.save(tmp_path)
    hugging = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    udhr = pyarrow.parquet.read_table(data_folder / "udhr" / "documents.parquet", columns=["text"])["text"]
    texts = [
        (data_folder / "chinese" / "poems.txt").read_text("utf-8")[:15_000],
        (data_folder / "japanese" / "wagahai.txt").read_text("utf-8")[:30_000],
        *(text.as_py()[:600] for text in udhr),
        *("x" + " " * n + "y" for n in range(70)),
    ]
    for text in texts:
        ids = theirs(content).encode(text) if text is texts[0] else None
        assert ids is None or ids == ours.encode(text)
    for original in (theirs(content), theirs(again)):
        assert original.encode(texts) == ours.encode_batch(texts)
        same_ids(ours, original.encode)
    for text in texts:
        assert hugging.encode(text).ids == ours.encode(text)


def test_a_tokenizer_of_characters_that_was_learnt_elsewhere_is_written() -> None:
    """Merges with results that they share, in an order that is not that of their ids."""
    pieces = [b"<unk>", b"</s>", *(c.encode() for c in "▁abc"), b"abc", b"ab", b"bc", "▁a".encode()]
    ids = {piece: n for n, piece in enumerate(pieces)}
    merges = [("a", "b"), ("ab", "c"), ("b", "c"), ("▁", "a")]
    ours = BytePairTokenizer(
        pieces,
        [(ids[left.encode()], ids[right.encode()]) for left, right in merges],
        pattern="none",
        special_tokens={"<unk>": 0, "</s>": 1},
        symbols="characters",
        normalizer=Normalizer(prefix_space=True, mark=True),
        unknown=0,
        end_of_text="</s>",
    )
    same_ids(ours, theirs(convert(ours, "sentencepiece")).encode)  # type: ignore[arg-type]


def of_characters(merges: list[str], **options: Any) -> BytePairTokenizer:
    """A small tokenizer of the letters a, b, c and ▁, with merges written as `a b`."""
    pieces = ["<unk>", "</s>", *"▁abc"]
    pieces += dict.fromkeys(merge.replace(" ", "") for merge in merges)
    pairs = [(pieces.index(merge.split(" ")[0]), pieces.index(merge.split(" ")[1])) for merge in merges]
    plain: dict[str, Any] = {
        "pattern": "none",
        "special_tokens": {"<unk>": 0, "</s>": 1},
        "symbols": "characters",
        "normalizer": Normalizer(prefix_space=True, mark=True),
        "unknown": 0,
        "end_of_text": "</s>",
    }
    return BytePairTokenizer([piece.encode() for piece in pieces], pairs, **plain | options)


@pytest.mark.parametrize(
    ("tokenizer", "reason"),
    [
        (of_characters(["a b"], pattern="gpt2"), "cut text by a pattern, and this tokenizer by gpt2"),
        (of_characters(["a b"], ignore_merges=True), "by merges alone"),
        (of_characters(["a b"], normalizer=Normalizer(form="nfkc", mark=True)), "and this tokenizer by NFKC"),
        (of_characters(["a b"], normalizer=Normalizer(lowercase=True)), "by lower case"),
        (of_characters(["a b", "b c", "a bc", "c a", "ab c"]), "another order"),
        (of_characters(["a b", "b c", "a bc"]), 'would merge "ab" with "c"'),
        (of_characters(["a ▁", "a b"], pattern="metaspace"), "merge across"),
        (
            of_characters(["a b"], normalizer=Normalizer(prefix_space=True, prefix_once=True, mark=True)),
            "only before one that has none",
        ),
        (Tokenizer.train(["abc"], kind="characters"), "of kind characters"),
        (Tokenizer.train(["abc"], vocab_size=258), "BPE of bytes"),
        (of_characters(["a b"]).extend(["bca"]), "no added tokens"),
    ],
)
def test_what_sentencepiece_cannot_express_is_refused(tokenizer: Tokenizer, reason: str) -> None:
    with pytest.raises(TokenizerError, match="cannot be written for sentencepiece: ") as raised:
        convert(tokenizer, "sentencepiece")
    assert reason in str(raised.value)


def test_special_tokens_can_be_added_for_it() -> None:
    ours = of_characters(["a b"]).extend(["<pad>", "[x]"], special=True)
    again = theirs(convert(ours, "sentencepiece"))  # type: ignore[arg-type]
    assert (again.piece_to_id("[x]"), again.is_control(8), again.pad_id()) == (8, True, 7)
    same_ids(ours, again.encode, 30)


def test_spaces_are_taken_sixteen_at_a_time_as_llama_has_it() -> None:
    """Pieces that share a score, as Llama's spaces do: the leftmost pair is merged, whichever piece it makes."""
    model = pytest.importorskip("sentencepiece.sentencepiece_model_pb2").ModelProto()
    model.trainer_spec.model_type = 2
    model.normalizer_spec.remove_extra_whitespaces = False
    model.pieces.add(piece="<unk>", type=2)
    model.pieces.add(piece="</s>", type=3)
    for n, piece in enumerate(["▁a", "ab", "▁ab"]):
        model.pieces.add(piece=piece, score=-float(n))
    for n in range(1, 9):
        model.pieces.add(piece="▁" * n, score=-1e9)
    for piece in "ab":
        model.pieces.add(piece=piece, score=-20.0)
    content = model.SerializeToString()
    from idiolect.tokenizers.formats import sentencepiece as ours_format

    ours = ours_format.read(content, {})
    original = theirs(content)
    for n in range(80):
        for text in (" " * n, "a" + " " * n + "b", "ab" + " " * n + "ab b  a"):
            assert ours.encode(text) == original.encode(text)
    again = theirs(convert(ours, "sentencepiece"))  # type: ignore[arg-type]
    assert [again.encode(" " * n) for n in range(80)] == [original.encode(" " * n) for n in range(80)]


def test_the_model_of_a_folder_is_found(spm: Train, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(spm(model_type="bpe"))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    assert Tokenizer.load(tmp_path).kind == "bpe"
