"""Rank files: read with tiktoken's ids, and written so that tiktoken gives ours."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet
import pytest
import tiktoken
import tiktoken.load
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.byte_level import ALPHABET
from idiolect.tokenizers.formats import convert
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.patterns import PATTERNS

TEXTS = [
    "The quick brown fox jumps over the lazy dog; it's 12345 dogs, the dog won't mind.\n\n\n",
    "naïve café, 你好世界, 你好, こんにちは, Привет, мир! 😀👩‍👩‍👧 e\u0301 \u00a0\u2003x\n",
]


def theirs(file: Path, pattern: str, special: Mapping[str, int] | None = None) -> tiktoken.Encoding:
    ranks = tiktoken.load.load_tiktoken_bpe(str(file))
    return tiktoken.Encoding(
        "ours", pat_str=PATTERNS[pattern], mergeable_ranks=ranks, special_tokens=dict(special or {})
    )


def ranks_file(tokens: list[bytes], folder: Path) -> Path:
    """A rank file of the 256 bytes and these tokens."""
    lines = [base64.b64encode(token) + b" %d" % n for n, token in enumerate([*map(bytes, zip(range(256))), *tokens])]
    file = folder / "ranks.tiktoken"
    file.write_bytes(b"\n".join(lines))
    return file


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "o200k", "qwen2"])
def test_what_is_written_is_read_with_the_same_ids(pattern: str, tmp_path: Path) -> None:
    ours = Tokenizer.train(TEXTS * 3, vocab_size=350, pattern=pattern)
    file = tmp_path / "ranks.tiktoken"
    file.write_bytes(convert(ours, "tiktoken"))  # type: ignore[arg-type]
    encoding = theirs(file, pattern, ours.special_tokens)
    again = Tokenizer.load(file, pattern=pattern)
    assert again.special_tokens == {END_OF_TEXT: 0}  # in the one place that the ranks leave free
    assert isinstance(ours, BytePairTokenizer) and isinstance(again, BytePairTokenizer)
    assert again.merges == ours.merges
    assert convert(again, "tiktoken") == file.read_bytes()

    @given(st.text(st.characters(exclude_categories=["Cs", "Cn"])) | st.text("the dog1 \n'é你", max_size=40))
    def check(text: str) -> None:
        assert ours.encode(text) == again.encode(text) == encoding.encode_ordinary(text)

    check()
    for text in [*TEXTS, f"a{END_OF_TEXT}b"]:
        assert encoding.encode_ordinary(text) == ours.encode(text)
        allowed = {END_OF_TEXT}
        assert encoding.encode(text, allowed_special=allowed) == again.encode(text, allowed_special=allowed)


def test_gpt4s_vocabulary_is_read_and_written(data_folder: Path, tmp_path: Path) -> None:
    file = data_folder / "vocabularies" / "cl100k_base.tiktoken"
    ours = Tokenizer.load(file)  # known by its digest: nothing need be said
    assert isinstance(ours, BytePairTokenizer)
    assert (ours.pattern, ours.vocab_size, ours.end_of_text) == ("cl100k", 100277, 100257)
    encoding = theirs(file, "cl100k")
    udhr = pyarrow.parquet.read_table(data_folder / "udhr" / "documents.parquet", columns=["text"])["text"]
    with (data_folder / "peps" / "documents.jsonl").open(encoding="utf-8") as lines:
        peps = [json.loads(next(lines))["text"] for _ in range(5)]
    texts = [
        (data_folder / "chinese" / "poems.txt").read_text("utf-8")[:50_000],
        (data_folder / "japanese" / "wagahai.txt").read_text("utf-8")[:50_000],
        *peps,
        *(text.as_py() for text in udhr),
    ]
    assert ours.encode_batch(texts) == encoding.encode_ordinary_batch(texts)
    assert convert(ours, "tiktoken") == file.read_bytes()
    ours.save(tmp_path)
    hugging = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in texts[:200]:
        assert hugging.encode(text).ids == ours.encode(text)


@settings(max_examples=200)
@given(
    st.lists(st.text("ab", min_size=2, max_size=6).map(str.encode), unique=True, max_size=25),
    st.lists(st.text("ab", max_size=25), min_size=1, max_size=5),
)
def test_any_ranks_at_all_are_read_with_tiktokens_ids(
    tmp_path_factory: pytest.TempPathFactory, tokens: list[bytes], texts: list[str]
) -> None:
    """Tokens that no merge makes, tokens made of later ones, in no order that learning would give."""
    folder = tmp_path_factory.mktemp("ranks")
    file = ranks_file(tokens, folder)
    ours, encoding = Tokenizer.load(file, pattern="gpt2"), theirs(file, "gpt2")
    for text in [*texts, "a" * 30, *(token.decode() for token in tokens)]:
        assert ours.encode(text) == encoding.encode_ordinary(text)
    assert convert(ours, "tiktoken") == file.read_bytes() + b"\n"
    ours.save(folder)
    hugging = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in texts:
        assert hugging.encode(text).ids == ours.encode(text)


def test_special_tokens_are_the_callers(tmp_path: Path) -> None:
    file = ranks_file([b"th"], tmp_path)
    given_names = {"<|endoftext|>": 258, "<|x|>": 260}
    tokenizer = Tokenizer.load(file, pattern="gpt2", special_tokens=given_names)
    assert tokenizer.vocab_size == 261
    assert tokenizer.special_tokens == {**given_names, "<|unused_257|>": 257, "<|unused_259|>": 259}
    assert tokenizer.encode("th<|x|>", allowed_special={"<|x|>"}) == [256, 260]
    assert Tokenizer.load(file, pattern="gpt2").special_tokens == {END_OF_TEXT: 257}
    for special, fault in [
        ({"<a>": 256}, "the id 256, which another token has"),
        ({"<a>": -1}, "cannot have the id -1"),
        ({"<a>": 10**9}, "cannot have the id 1000000000"),
        ({"<a>": 300, "<b>": 300}, "the same id"),
        ({"<a>": 300, "<b>": 301}, "no special token <|endoftext|>"),
        ({"": 300}, "cannot have"),
    ]:
        with pytest.raises(TokenizerError) as raised:
            Tokenizer.load(file, pattern="gpt2", special_tokens=special)
        assert fault in str(raised.value)


def test_the_pattern_must_be_named_and_known(tmp_path: Path) -> None:
    file = ranks_file([], tmp_path)
    with pytest.raises(TokenizerError, match="do not say how text is cut"):
        Tokenizer.load(file)
    with pytest.raises(TokenizerError, match="no pattern 'gpt5'"):
        Tokenizer.load(file, pattern="gpt5")


def small(pieces: list[str], merges: list[str], **options: object) -> BytePairTokenizer:
    """A byte-level tokenizer of these further pieces in the order of their ids, with merges written as `a b`."""
    names = [END_OF_TEXT.encode(), *(bytes([byte]) for byte in ALPHABET), *(piece.encode() for piece in pieces)]
    ids = {piece: n for n, piece in enumerate(names)}
    pairs = [(ids[left.encode()], ids[right.encode()]) for left, right in map(str.split, merges)]
    plain = {"pattern": "gpt2", "special_tokens": {END_OF_TEXT: 0}}
    return BytePairTokenizer(names, pairs, **{**plain, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tokenizer", "reason"),
    [
        (small(["th", "an"], ["a n", "t h"]), "another order"),
        (small(["ab", "bc", "abc"], ["a b", "b c", "a bc"]), 'would merge "ab" with "c"'),
        (small(["ab", "abcd"], ["a b"]), 'the word "abcd" is a token'),
        (small(["ab"], ["a b"], normalizer=Normalizer(form="nfc")), "normalizes"),
        (small(["ab"], ["a b"]).extend(["abc"]), "no added tokens"),
        (Tokenizer.train(["ab"], kind="characters"), "of kind characters"),
    ],
)
def test_what_ranks_cannot_express_is_refused(tokenizer: Tokenizer, reason: str) -> None:
    with pytest.raises(TokenizerError, match="cannot be written for tiktoken: ") as raised:
        convert(tokenizer, "tiktoken")
    assert reason in str(raised.value)


def test_merges_that_share_a_token_are_written_where_ranks_give_the_same(tmp_path: Path) -> None:
    """As Llama 3's file has them: every way to cut a token in two."""
    tokenizer = small(["ab", "bc", "abc"], ["a b", "b c", "ab c", "a bc"], ignore_merges=True)
    file = tmp_path / "ranks.tiktoken"
    file.write_bytes(convert(tokenizer, "tiktoken"))  # type: ignore[arg-type]
    encoding = theirs(file, "gpt2")
    for text in ("abc", "abcabc", "xbcab", "aabcc"):
        assert encoding.encode_ordinary(text) == tokenizer.encode(text)
