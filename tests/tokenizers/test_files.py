"""Encoding files: the ids of their documents, whatever they are packed in, and the corpus's own errors."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import zstandard

from idiolect.errors import CorpusError
from idiolect.tokenizers import files
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.normalize import Normalizer

TEXTS = ["the cat's hat\n", "naïve 你好 😀 and the cat", "x" * 70_000 + "\n\n the end"]
TOKENIZERS = [
    Tokenizer.train(TEXTS, vocab_size=270),
    Tokenizer.train([*TEXTS, "\ufffd"], kind="characters"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The same texts in every form, and an empty file."""
    for number, text in enumerate(TEXTS):
        (tmp_path / f"a{number}.txt").write_bytes(text.encode())
    (tmp_path / "b-empty.txt").write_bytes(b"")
    (tmp_path / "c-marked.txt").write_bytes(b"\xef\xbb\xbf" + TEXTS[0].encode())
    rows = "".join(json.dumps({"text": text}) + "\n" for text in [*TEXTS, ""])
    (tmp_path / "d.jsonl").write_text(rows)
    (tmp_path / "e.jsonl.zst").write_bytes(zstandard.compress(rows.encode()))
    (tmp_path / "f.txt.gz").write_bytes(gzip.compress(TEXTS[1].encode()))
    parquet.write_table(arrow.table({"text": TEXTS}), tmp_path / "g.parquet")
    return tmp_path


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_the_documents_of_files_have_the_ids_of_their_texts(
    tokenizer: Tokenizer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [tokenizer.encode(text) for text in [*TEXTS, TEXTS[0], *TEXTS, *TEXTS, TEXTS[1], *TEXTS]]
    for batch in (32 << 20, 1):
        monkeypatch.setattr(files, "_BATCH", batch)
        monkeypatch.setattr(files, "_MAPPED", batch)
        for paths in (folder, str(folder), [folder], sorted(folder.iterdir())):
            ids, starts = tokenizer.encode_files(paths)
            assert ids.dtype == np.uint32 and starts.dtype == np.int64
            assert [own.tolist() for own in np.split(ids, starts[1:-1])] == expected
            assert starts[-1] == len(ids)


def test_a_normalizer_sees_the_text_of_files_too(folder: Path) -> None:
    plain = TOKENIZERS[0]
    assert isinstance(plain, BytePairTokenizer)
    pieces = [plain.token_bytes(i) for i in range(plain.vocab_size)]
    tokenizer = BytePairTokenizer(
        pieces,
        plain.merges,
        pattern="gpt2",
        special_tokens=plain.special_tokens,
        normalizer=Normalizer(form="nfd"),
    )
    ids, _ = tokenizer.encode_files(folder / "a1.txt")
    assert ids.tolist() == tokenizer.encode(TEXTS[1]) != plain.encode(TEXTS[1])


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("name", ["small.txt", "large.txt", "rows.parquet"])
def test_what_is_not_utf8_is_refused_or_replaced_as_the_corpus_does(
    tokenizer: Tokenizer, name: str, tmp_path: Path
) -> None:
    data = b"x" * (100_000 if name == "large.txt" else 10) + b" \xe4\xbd the"
    if name.endswith("parquet"):
        parquet.write_table(arrow.table({"text": arrow.array([data], arrow.binary())}), tmp_path / name)
    else:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(CorpusError, match=r"is not UTF-8: byte 0xe4 at offset"):
        tokenizer.encode_files(tmp_path / name)
    ids, _ = tokenizer.encode_files(tmp_path / name, invalid="replace")
    assert tokenizer.decode(ids) == data.decode(errors="replace")


def test_errors_are_those_of_the_corpus(folder: Path) -> None:
    tokenizer = TOKENIZERS[0]
    with pytest.raises(CorpusError, match="does not exist"):
        tokenizer.encode_files(folder / "nothing.txt")
    (folder / "picture.txt").write_bytes(b"\x89PNG" + b"\0" * 100_000)
    with pytest.raises(CorpusError, match="an image"):
        tokenizer.encode_files(folder / "picture.txt")
    with pytest.raises(CorpusError, match='no field "body"'):
        tokenizer.encode_files(folder / "d.jsonl", text_field="body")
    ids, starts = tokenizer.encode_files(folder / "b-empty.txt")
    assert len(ids) == 0 and starts.tolist() == [0]
    ids, starts = tokenizer.encode_files([])
    assert len(ids) == 0 and starts.tolist() == [0]


def test_the_built_in_corpus_can_be_named() -> None:
    ids, starts = TOKENIZERS[0].encode_files("@pydocs")
    assert len(starts) > 100 and starts[-1] == len(ids) > 100_000
