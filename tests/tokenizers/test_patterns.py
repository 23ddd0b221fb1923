"""The patterns cut text where Hugging Face's tokenizers and tiktoken cut it."""

from __future__ import annotations

import base64
import unicodedata
from pathlib import Path

import pytest
import tiktoken
import tiktoken_ext.openai_public
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from idiolect.errors import TokenizerError
from idiolect.tokenizers.patterns import PATTERNS, splitter

SAMPLES = [
    "",
    "It's 2026,  no?",
    "we'LL we'LLama won'Tx they'Re it'ſ it'ſx I'd've O'Neill 'tis",
    " \n\n\t x\r\n\r\n  y   \n   ",
    "x = f(1234567, 'abc')  # !!!\n\n\n",
    "naïve cafe\u0301 ﬁ Å \u00a0\u2003\u3000\u200b\x85\x1c\x1d z",
    "你好世界,こんにちは ١٢٣٤ Ⅳ ½ 😀👩‍👩‍👧",
    "\u2028\u2029a\x0b\x0cb\x00c",
]


def hugging_face_words(pattern: str, text: str) -> list[str]:
    pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex(PATTERNS[pattern]), "isolated")
    return [word for word, _ in pre_tokenizer.pre_tokenize_str(text)]


def known_to_all(text: str) -> str:
    """The text without the characters that only the newest Unicode tables know."""
    return "".join(character for character in text if unicodedata.category(character) != "Cn")


def test_gpt2_cuts_contractions_letters_digits_and_signs() -> None:
    assert splitter("gpt2")("It's 2026,  no?") == ["It", "'s", " 2026", ",", " ", " no", "?"]


def test_cl100k_cuts_digits_in_threes_and_keeps_newlines_with_signs() -> None:
    assert splitter("cl100k")("IT'S 12345.\n\nNo") == ["IT", "'S", " ", "123", "45", ".\n\n", "No"]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("text", SAMPLES)
def test_samples_are_cut_as_hugging_face_cuts_them(pattern: str, text: str) -> None:
    assert splitter(pattern)(text) == hugging_face_words(pattern, text)


def test_gpt2_is_the_pattern_inside_hugging_faces_byte_level() -> None:
    byte_level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    for text in SAMPLES:
        spans = [span for _, span in byte_level.pre_tokenize_str(text)]
        assert splitter("gpt2")(text) == [text[start:end] for start, end in spans]


@pytest.mark.parametrize("pattern", PATTERNS)
@given(st.text(st.characters(exclude_categories=["Cs", "Cn"])))
def test_the_words_together_are_the_text(pattern: str, text: str) -> None:
    words = splitter(pattern)(text)
    assert "".join(words) == text
    assert all(words)


@pytest.mark.parametrize("pattern", PATTERNS)
@given(st.text(st.characters(exclude_categories=["Cs", "Cn"])))
def test_random_text_is_cut_as_hugging_face_cuts_it(pattern: str, text: str) -> None:
    assert splitter(pattern)(text) == hugging_face_words(pattern, text)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_character_is_of_the_class_that_hugging_face_says(pattern: str) -> None:
    points = [*range(0x3400), *range(0x3400, 0xD800, 16), *range(0xE000, 0x110000, 16)]
    text = "1".join(known_to_all("".join(map(chr, points))))
    assert splitter(pattern)(text) == hugging_face_words(pattern, text)


def test_cl100k_cuts_as_tiktoken_does(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (data_folder / "vocabularies" / "cl100k_base.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}
    monkeypatch.setattr(tiktoken_ext.openai_public, "load_tiktoken_bpe", lambda *_, **__: ranks)
    encoding = tiktoken.Encoding(**tiktoken_ext.openai_public.cl100k_base())
    uncut = tiktoken.Encoding("uncut", pat_str=r"[\s\S]+", mergeable_ranks=ranks, special_tokens={})
    shakespeare = (data_folder / "shakespeare" / "tinyshakespeare.txt").read_text("utf-8")[:100_000]
    poems = (data_folder / "chinese" / "poems.txt").read_text("utf-8")[:30_000]
    novel = (data_folder / "japanese" / "wagahai.txt").read_text("utf-8")[:30_000]
    for text in [*SAMPLES, shakespeare, poems, novel]:
        whole = encoding.encode_ordinary(text)
        by_word = [token for word in splitter("cl100k")(text) for token in uncut.encode_ordinary(word)]
        assert by_word == whole
        assert len(encoding.decode_bytes(whole)) == len(text.encode())


def test_an_unknown_pattern_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TokenizerError, match="gpt2, cl100k"):
        splitter("gpt5")


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("piece", ["a", " ", "\n", " \n", "1", "'", "=", "a ", "   x", "é", "\u3000"])
def test_a_long_run_is_cut_in_one_pass(pattern: str, piece: str) -> None:
    text = piece * (2**18 // len(piece))
    assert "".join(splitter(pattern)(text)) == text  # quadratic cost would take minutes
