"""WordPiece against `tokenizers`, whose BERT pipeline it must equal."""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import pyarrow.parquet
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertTokenizer

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.wordpiece import WordPieceTokenizer

TEXTS = [
    "The quick brown fox jumps over the lazy dog; it's 12345 dogs, the dog won't mind.\n\n\n",
    "naïve café Ångström, 你好世界, 你好, こんにちは, Привет, мир! 😀👩‍👩‍👧 e\u0301 \u00a0\u2003x\n",
    "unaffable WANTED wanted running ΣΊΣΥΦΟΣ İstanbul\x00\x07\ufffd",
] * 3
CASED = {"lowercase": False}
MAKERS = [{}, CASED, {"strip_accents": False}, {"clean_text": False}, {"handle_chinese_chars": False, **CASED}]


def learnt(**options: bool) -> tokenizers.BertWordPieceTokenizer:
    theirs = tokenizers.BertWordPieceTokenizer(**options)
    theirs.train_from_iterator(TEXTS, vocab_size=300, min_frequency=1, show_progress=False)
    return theirs


def loaded(theirs: tokenizers.BertWordPieceTokenizer, folder: Path) -> Tokenizer:
    theirs.save(str(folder / "tokenizer.json"))
    return Tokenizer.load(folder)


# Signs of scripts that Unicode 8 has: the tables of `tokenizers` for punctuation and marks stop there.
OLD = [chr(code) for code in [*range(0x500), *range(0x2000, 0x2E43), *range(0x3000, 0x3100), *range(0xFF00, 0x10000)]]


def has_category(character: str) -> bool:
    return unicodedata.category(character) not in ("Cn", "Cs")


@pytest.mark.parametrize("options", MAKERS)
def test_ids_are_those_of_tokenizers(options: dict[str, bool], tmp_path: Path) -> None:
    theirs = learnt(**options)
    ours = loaded(theirs, tmp_path)
    assert (ours.kind, ours.end_of_text) == ("wordpiece", theirs.token_to_id("[SEP]"))
    old = st.sampled_from(list(filter(has_category, OLD)))

    @settings(max_examples=200)
    @given(st.text(old) | st.text(st.sampled_from("the dog's, ÅA\t\x00你é\u0301")))
    def check(text: str) -> None:
        if not any(name in text for name in ours.special_tokens):
            assert ours.encode(text) == theirs.encode(text, add_special_tokens=False).ids

    check()
    for text in [*TEXTS, "", "a" * 101, "the" * 40, "[SEP]x"]:
        allowed = set(ours.special_tokens)
        assert ours.encode(text, allowed_special=allowed) == theirs.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("options", MAKERS)
def test_places_are_those_of_tokenizers(options: dict[str, bool], tmp_path: Path) -> None:
    """With us, what stands before a token and what is cleaned away behind it belongs to it."""
    theirs = learnt(**options)
    ours = loaded(theirs, tmp_path)

    @settings(max_examples=200)
    @given(st.text(st.sampled_from("the dog's, ÅA\t\x00你é\u0301")))
    def check(text: str) -> None:
        found, wanted = ours.encode_with_offsets(text), theirs.encode(text, add_special_tokens=False)
        assert found.ids == wanted.ids
        assert not found.ids or (found.characters[0][0], found.characters[-1][1]) == (0, len(text))
        for (start, end), (first, last) in zip(found.characters, wanted.offsets, strict=True):
            assert start <= first and last <= end and set(text[start:first]) <= set(" \t\0\u0301")
            assert set(text[last:end]) <= set(" \t\0\u0301")

    check()
    assert [TEXTS[0][slice(*place)] for place in ours.encode_with_offsets(TEXTS[0]).characters][-1] == ".\n\n\n"


def test_it_is_saved_and_read_again(tmp_path: Path) -> None:
    ours = loaded(learnt(), tmp_path)
    ours.save(tmp_path)
    assert Tokenizer.load(tmp_path).fingerprint() == ours.fingerprint()
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in TEXTS:
        assert theirs.encode(text).ids == ours.encode(text)
        assert theirs.decode(ours.encode(text)) == ours.decode(ours.encode(text))


def test_transformers_bert_has_the_same_ids_on_real_text(data_folder: Path, tmp_path: Path) -> None:
    theirs = tokenizers.BertWordPieceTokenizer()
    udhr = pyarrow.parquet.read_table(data_folder / "udhr" / "documents.parquet", columns=["text"])["text"]
    texts = [text.as_py()[:1000] for text in udhr[::3]]
    texts.append((data_folder / "japanese" / "wagahai.txt").read_text("utf-8")[:20_000])
    theirs.train_from_iterator(texts, vocab_size=4000, show_progress=False)
    vocab = theirs.get_vocab()
    BertTokenizer(vocab=vocab).save_pretrained(tmp_path)
    bert, ours = BertTokenizer.from_pretrained(tmp_path), Tokenizer.load(tmp_path)
    for text in texts:
        ids = ours.encode(text)
        assert bert(text, add_special_tokens=False)["input_ids"] == ids


def test_only_characters_younger_than_their_tables_are_cut_differently(tmp_path: Path) -> None:
    """Every character of Unicode between two letters: those differ that came after Unicode 8, in 2015."""
    theirs = learnt()
    ours = loaded(theirs, tmp_path)
    texts = [f"d{c}g" for c in map(chr, range(sys.maxunicode + 1)) if has_category(c)]
    different = [
        text[1]
        for text, encoding in zip(texts, theirs.encode_batch(texts, add_special_tokens=False))
        if ours.encode(text) != encoding.ids
    ]
    assert len(different) < 700
    assert {unicodedata.category(c)[0] for c in different} <= set("PMCS")
    assert not set(different) & set(OLD)


def test_a_streaming_decoder_gives_the_same_text(tmp_path: Path) -> None:
    ours = loaded(learnt(), tmp_path)
    ids = ours.encode(TEXTS[0])
    stream = ours.stream()
    assert "".join(map(stream.push, ids)) + stream.flush() == ours.decode(ids)
    assert ours.decode(ids).startswith("the quick brown fox")


def test_a_word_takes_the_longest_pieces_from_the_left() -> None:
    pieces = ["[UNK]", "[SEP]", "un", "##want", "##ed", "##wan", "a"]
    ours = WordPieceTokenizer(pieces, unknown=0, special_tokens={"[UNK]": 0, "[SEP]": 1})
    assert ours.encode("Unwanted  a!unwan, b") == [2, 3, 4, 6, 0, 2, 5, 0, 0]
    assert ours.decode([2, 3, 4, 6]) == "unwanted a"
    assert not ours.can_encode("\ud800")
    with pytest.raises(TokenizerError, match="surrogate"):
        ours.encode("\ud800")
