"""The byte tokenizer: ids are bytes, any text comes back, and Hugging Face's tokenizers reads the file alike."""

from __future__ import annotations

from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.bytes_ import ByteTokenizer

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts)
def test_ids_are_the_bytes_and_any_text_comes_back(text: str) -> None:
    tokenizer = ByteTokenizer()
    assert tokenizer.encode(text) == list(text.encode())
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.binary())
def test_any_bytes_come_back(text: bytes) -> None:
    assert ByteTokenizer().decode_bytes(list(text)) == text


def test_the_end_of_text_is_bytes_unless_allowed() -> None:
    tokenizer = ByteTokenizer()
    assert tokenizer.end_of_text == 256 == tokenizer.vocab_size - 1
    assert tokenizer.encode(f"a{END_OF_TEXT}b", allowed_special={END_OF_TEXT}) == [97, 256, 98]
    assert tokenizer.end_of_text not in tokenizer.encode(END_OF_TEXT)


def test_hugging_faces_tokenizers_gives_the_same_ids(tmp_path: Path) -> None:
    tokenizer = Tokenizer.train(["text"], kind="bytes")
    tokenizer.save(tmp_path)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in ("", "It's 2026,  no?\r\n", "naïve 你好 😀\x00", "a" * 1000):
        assert theirs.encode(text, add_special_tokens=False).ids == tokenizer.encode(text)
        assert theirs.decode(tokenizer.encode(text)) == text
    assert Tokenizer.load(tmp_path).fingerprint() == tokenizer.fingerprint()
    assert isinstance(Tokenizer.load(tmp_path), ByteTokenizer)


def test_bytes_in_another_order_are_refused(tmp_path: Path) -> None:
    ByteTokenizer().save(tmp_path)
    file = tmp_path / "tokenizer.json"
    file.write_text(file.read_text("utf-8").replace('"a": 97', '"a": 98').replace('"b": 98', '"b": 97'), "utf-8")
    with pytest.raises(TokenizerError, match="not the bytes in their order"):
        Tokenizer.load(tmp_path)
    with pytest.raises(TokenizerError, match="take 257"):
        Tokenizer.train(["text"], kind="bytes", vocab_size=256)
    with pytest.raises(TokenizerError, match="lone surrogate"):
        ByteTokenizer().encode("\ud800")
