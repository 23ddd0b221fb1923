"""GPT-2's two files, read and written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from transformers import GPT2Tokenizer

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.formats import convert

TEXTS = ["the car, the cat, the rat; it's 12 dogs\n\n", "naïve café 你好世界 😀"] * 3


def put(tokenizer: Tokenizer, folder: Path) -> None:
    files = convert(tokenizer, "gpt2")
    assert isinstance(files, dict)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_what_is_written_is_loaded_by_transformers_and_by_us(tmp_path: Path) -> None:
    ours = Tokenizer.train(TEXTS, vocab_size=300, pattern="gpt2")
    put(ours, tmp_path)
    theirs = tokenizers.ByteLevelBPETokenizer.from_file(str(tmp_path / "encoder.json"), str(tmp_path / "vocab.bpe"))
    vocab, merges = tmp_path / "encoder.json", tmp_path / "vocab.bpe"
    of_transformers = GPT2Tokenizer(vocab=str(vocab), merges=str(merges))

    @given(st.text(st.characters(exclude_categories=["Cs", "Cn"])))
    def check(text: str) -> None:
        if END_OF_TEXT not in text:
            assert theirs.encode(text).ids == ours.encode(text)

    check()
    for text in TEXTS:
        assert of_transformers(text)["input_ids"] == ours.encode(text)
    for path in (tmp_path, vocab, merges):
        assert Tokenizer.load(path).fingerprint() == ours.fingerprint()
    vocab.rename(tmp_path / "vocab.json")
    with pytest.raises(TokenizerError, match=r"belongs with a file encoder\.json beside it"):
        Tokenizer.load(merges)
    merges.rename(tmp_path / "merges.txt")
    assert Tokenizer.load(tmp_path).fingerprint() == ours.fingerprint()


def test_gpt2s_own_files(data_folder: Path, tmp_path: Path) -> None:
    folder = data_folder / "vocabularies" / "gpt2"
    ours = Tokenizer.load(folder / "vocab.bpe")
    assert ours.special_tokens == {END_OF_TEXT: 50256}
    put(ours, tmp_path)
    assert (tmp_path / "vocab.bpe").read_bytes() == (folder / "vocab.bpe").read_bytes()
    own = json.loads((folder / "encoder.json").read_text("utf-8"))
    assert json.loads((tmp_path / "encoder.json").read_text("utf-8")) == own
    theirs = GPT2Tokenizer(vocab=str(folder / "encoder.json"), merges=str(folder / "vocab.bpe"))
    text = (data_folder / "japanese" / "wagahai.txt").read_text("utf-8")[:20_000]
    assert theirs(text)["input_ids"] == ours.encode(text)


def test_special_tokens_that_were_added_are_written(tmp_path: Path) -> None:
    ours = Tokenizer.train(TEXTS, vocab_size=270).extend(["<pad>", "[X]"], special=True)
    put(ours, tmp_path)
    again = Tokenizer.load(tmp_path)
    assert again.special_tokens == ours.special_tokens == {END_OF_TEXT: 0, "<pad>": 270, "[X]": 271}
    assert again.fingerprint() == ours.fingerprint()


def test_what_the_files_cannot_express_is_refused() -> None:
    bpe = Tokenizer.train(TEXTS, vocab_size=270)
    assert isinstance(bpe, BytePairTokenizer)
    whole = BytePairTokenizer(
        [*bpe.pieces, b"zzz"], bpe.merges, pattern="gpt2", special_tokens={END_OF_TEXT: 0}, ignore_merges=True
    )
    for tokenizer, reason in [
        (Tokenizer.train(TEXTS, vocab_size=270, pattern="cl100k"), "by the pattern gpt2, and this tokenizer by cl100k"),
        (Tokenizer.train(TEXTS, kind="characters"), "byte-level BPE only"),
        (bpe.extend(["x y"]), "no added tokens"),
        (whole, 'none make "zzz"'),
    ]:
        with pytest.raises(TokenizerError, match="cannot be written for gpt2: ") as raised:
            convert(tokenizer, "gpt2")
        assert reason in str(raised.value)
