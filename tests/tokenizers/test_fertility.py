"""The figures of a tokenizer's page: shares of sources, bytes per token, and what more merges brought."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from idiolect.text.document import Document
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.fertility import Fertility, measure, merge_curve, sample, total


def documents(**sources: list[str]) -> list[Document]:
    return [Document(text, {"source": name}) for name, texts in sources.items() for text in texts]


def test_each_source_gets_an_equal_share() -> None:
    texts = sample(documents(long=["a" * 100, "b" * 100], short=["c" * 10]), "source", most_characters=60)
    assert texts == {"long": ["a" * 30], "short": ["c" * 10]}


def test_many_sources_are_counted_together_from_the_thirteenth_on() -> None:
    texts = sample(documents(**{f"s{n:02}": ["x"] for n in range(20)}), "source", most_characters=1000)
    assert len(texts) == 13 and texts["others"] == ["x"] * 8


def test_bytes_tokens_and_words_are_counted() -> None:
    tokenizer = Tokenizer.train(["ab é"], kind="characters")
    found = measure(tokenizer, {"one": ["ab é", "b?"], "two": [""]})
    assert (found["one"].text_bytes, found["one"].tokens, found["one"].words) == (6, 5, 3)
    assert found["one"].bytes_per_token == 6 / 5 and found["one"].tokens_per_word == 5 / 3
    assert math.isnan(found["two"].bytes_per_token) and math.isnan(Fertility().tokens_per_word)
    assert total(found.values()).uses == found["one"].uses


def test_more_merges_never_make_the_text_longer(data_folder) -> None:  # type: ignore[no-untyped-def]
    text = (data_folder / "shakespeare" / "tinyshakespeare.txt").read_text("utf-8")[:50_000]
    tokenizer = Tokenizer.train([text], vocab_size=600)
    assert isinstance(tokenizer, BytePairTokenizer)
    curve = merge_curve(tokenizer, [text])
    assert curve[0] == (0, pytest.approx(1.0)) and curve[-1][0] == len(tokenizer.merges) == 343
    assert all(before <= after for (_, before), (_, after) in pairwise(curve))
