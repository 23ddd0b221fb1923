"""Any bytes come back: random, broken and mutated strings through every tokenizer that can write bytes.

The quick tier takes 10,000 of them, the slow one 1,000,000 through each byte-level tokenizer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

from idiolect.tokenizers.base import Tokenizer

SEEDS = [
    "It's the 'quick' brown fox's 3.14159 o'clock, don't you'LL we'ſ see?\r\n\t  ",
    "你好世界，こんにちは Привет! naïve café é 👩‍👩‍👧 \u00a0\u2028\x85",
    "<|endoftext|><s></s><unk><0x41>▁▁the▁cat \x00\x1f▅",
    "aaaaaaaaaaaaaaaa    \n\n\n\n1111111 =====",
]
PATTERNS = ("gpt2", "cl100k", "o200k", "llama3", "qwen2", "whitespace", "none")


def strings(number: int, seed: int) -> Iterator[bytes]:
    """Random bytes, seeds with bytes changed, cut and doubled, repeats of one byte."""
    draw = random.Random(seed)
    encoded = [text.encode() for text in SEEDS]
    for _ in range(number):
        kind = draw.random()
        if kind < 0.3:
            yield draw.randbytes(draw.randrange(24))
        elif kind < 0.4:
            yield bytes([draw.randrange(256)]) * draw.randrange(80)
        else:
            text = bytearray(draw.choice(encoded))
            for _ in range(draw.randrange(4)):
                place = draw.randrange(len(text))
                text[place] = draw.randrange(256)
            start = draw.randrange(len(text))
            yield bytes(text[start : start + draw.randrange(40)]) * draw.choice((1, 1, 1, 2))


def check_bytes(tokenizer: Tokenizer, number: int, seed: int) -> None:
    """All strings at once: their ids stand for their bytes, each string's for its own; and the strings as one text."""
    lengths = np.array([len(tokenizer.token_bytes(i)) for i in range(tokenizer.vocab_size)])
    for start in range(0, number, 100_000):
        texts = list(strings(min(100_000, number - start), seed + start))
        ids, starts = tokenizer.encode_many(texts)
        whole = b"".join(texts)
        assert tokenizer.decode_bytes(ids) == whole
        assert tokenizer.decode_bytes(tokenizer.encode_array(whole)) == whole
        ends = np.concatenate(([0], np.cumsum(lengths[ids])))[starts]
        assert (ends == np.cumsum([0, *map(len, texts)])).all()
        assert not np.isin(ids, list(tokenizer.special_tokens.values())).any()


@pytest.fixture(scope="module", params=[*PATTERNS, "bytes"])
def of_bytes(request: pytest.FixtureRequest) -> Tokenizer:
    if request.param == "bytes":
        return Tokenizer.train(SEEDS, kind="bytes")
    return Tokenizer.train(SEEDS * 2, vocab_size=320, pattern=request.param)


def test_random_bytes_come_back(of_bytes: Tokenizer) -> None:
    check_bytes(of_bytes, 10_000, 1)


@pytest.mark.slow
def test_a_million_strings_come_back(of_bytes: Tokenizer) -> None:
    check_bytes(of_bytes, 1_000_000, 2)


@pytest.fixture(scope="module", params=["characters", "unigram"])
def with_fallback(request: pytest.FixtureRequest) -> Tokenizer:
    """Tokenizers of characters that write what they do not know as bytes."""
    if request.param == "unigram":
        return Tokenizer.train(["the car", "the cat", "the rat"] * 9, kind="unigram", vocab_size=272)
    options = {"symbols": "characters", "byte_fallback": True}
    return Tokenizer.train(["the car", "the cat", "the rat"], vocab_size=272, **options)


def check_text(tokenizer: Tokenizer, number: int) -> None:
    """Of text that is Unicode, since these read characters; ▁ is a space to those that mark spaces."""
    texts = [text.decode("utf-8", errors="replace").replace("▁", "_") for text in strings(number, 3)]
    ids, starts = tokenizer.encode_many(texts)
    for text, start, stop in zip(texts, starts.tolist(), starts[1:].tolist()):
        assert tokenizer.decode(ids[start:stop].tolist()) == text


def test_random_text_comes_back_through_bytes(with_fallback: Tokenizer) -> None:
    check_text(with_fallback, 3_000)


@pytest.mark.slow
def test_much_random_text_comes_back_through_bytes(with_fallback: Tokenizer) -> None:
    check_text(with_fallback, 200_000)
