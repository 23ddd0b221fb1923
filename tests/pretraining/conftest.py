"""Tokens on disk, of documents that count: a word is known by its neighbours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from idiolect import cli

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


@pytest.fixture(scope="package")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 documents, each counting on from another number."""
    folder = tmp_path_factory.mktemp("counting")
    with open(folder / "rows.jsonl", "w", encoding="utf-8") as file:
        for n in range(150):
            text = " ".join(WORDS[(n + place) % 10] for place in range(40))
            file.write(json.dumps({"text": f"document {n}: {text}"}) + "\n")
    text, tok, out = (str(folder / name) for name in ("rows.jsonl", "tok", "tokens"))
    assert cli.main(["tokenize", text, "--vocab-size", "320", "--out", tok]) == 0
    assert cli.main(["encode", text, "--tokenizer", tok, "--out", out]) == 0
    return folder / "tokens"
