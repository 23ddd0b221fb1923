"""Texts in batches are the documents' texts, in their order, whatever the files and the split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idiolect import _native
from idiolect.errors import CorpusError
from idiolect.text import batches
from idiolect.text.batches import Rows
from idiolect.text.corpus import Corpus
from idiolect.text.splitting import split_of, splits_of

SPLITS = ("train", "validation", "test", None)


def texts_of(corpus: Corpus, split: str | None) -> list[str]:
    texts: list[str] = []
    for batch in corpus.batches(split):  # type: ignore[arg-type]
        texts += batch.texts() if isinstance(batch, Rows) else batch
    return [text for text in texts if text]


def write(path: Path, texts: Sequence[str | bytes | None], kind: arrow.DataType) -> Path:
    parquet.write_table(arrow.table({"n": range(len(texts)), "text": arrow.array(texts, kind)}), path)
    return path


MANY = [f"Text {n}, é 你好\n" * (n % 7) for n in range(3000)]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("kind", [arrow.string(), arrow.large_string(), arrow.binary()])
def test_batches_of_parquet_are_the_documents(tmp_path: Path, split: str, kind: arrow.DataType) -> None:
    texts = [None if n % 11 == 0 else text.encode() for n, text in enumerate(MANY)]
    corpus = Corpus([write(tmp_path / "a.parquet", texts, arrow.binary()), write(tmp_path / "b.parquet", MANY, kind)])
    assert any(isinstance(batch, Rows) for batch in corpus.batches("train"))
    assert texts_of(corpus, split) == [document.text for document in corpus.documents(split)]  # type: ignore[arg-type]


@pytest.mark.parametrize("split", SPLITS)
def test_a_long_row_comes_in_its_parts_at_its_place(
    tmp_path: Path, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from idiolect.text import document

    for module in (document, batches):
        monkeypatch.setattr(module, "PART", 100)
    corpus = Corpus([write(tmp_path / "a.parquet", [*MANY[:50], "line\n" * 60, *MANY[50:90]], arrow.string())])
    documents = [document.text for document in corpus.documents(split)]  # type: ignore[arg-type]
    assert texts_of(corpus, split) == documents
    assert split != "train" or any(not document.last for document in corpus.documents("train"))


@pytest.mark.parametrize("split", SPLITS)
def test_batches_of_other_sources_are_the_documents(tmp_path: Path, split: str) -> None:
    lines = tmp_path / "rows.jsonl"
    lines.write_text("".join(f'{{"text": "row {n}"}}\n' for n in range(100)), encoding="utf-8")
    (tmp_path / "plain.txt").write_text("plain text\n" * 50, encoding="utf-8")
    for corpus in (
        Corpus([lines, tmp_path / "plain.txt"]),
        Corpus([lines, lines], deduplicate=True),
        Corpus([lines, tmp_path / "plain.txt"], weights=[1, 2]),
        Corpus([tmp_path / "plain.txt"]),
        Corpus.from_texts(MANY[:100]),
        Corpus.from_texts(MANY[:10]),
    ):
        assert texts_of(corpus, split) == [document.text for document in corpus.documents(split)]  # type: ignore[arg-type]


def test_rows_that_are_not_utf8_are_refused_or_replaced(tmp_path: Path) -> None:
    rows = [text.encode() for text in MANY[:60]]
    rows[30] = b"half a character: \xe4\xbd"
    file = write(tmp_path / "a.parquet", rows, arrow.binary())
    with pytest.raises(CorpusError, match=r"row 31 is not UTF-8: byte 0xe4 at offset 18"):
        texts_of(Corpus([file]), "train")
    corpus = Corpus([file], invalid="replace")
    assert texts_of(corpus, None) == [document.text for document in corpus.documents()]


def test_a_corpus_without_text_is_refused(tmp_path: Path) -> None:
    for split in SPLITS:
        with pytest.raises(CorpusError, match="no text"):
            list(Corpus([write(tmp_path / "a.parquet", ["", None], arrow.string())]).batches(split))  # type: ignore[arg-type]


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_hashes_are_those_of_hashlib(texts: list[bytes]) -> None:
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    begins = np.concatenate([np.zeros(min(1, len(ends)), np.int64), ends[:-1]])
    data = np.frombuffer(b"".join(texts), np.uint8)
    numbers = _native.hashes(data, begins, ends)
    assert numbers.tolist() == [int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") for text in texts]
    valid = [n for n, text in enumerate(texts) if text.decode("utf-8", "ignore").encode() != text]
    assert _native.first_invalid(data, begins, ends) == (valid[0] if valid else len(texts))


@given(st.lists(st.text(max_size=20), max_size=50), st.sampled_from([(0.05, 0.05), (0.3, 0.3), (0.0, 0.5), (0.5, 0.0)]))
def test_the_split_of_many_is_the_split_of_each(texts: list[str], shares: tuple[float, float]) -> None:
    validation, test = shares
    numbers = np.array(
        [int.from_bytes(hashlib.blake2b(t.encode(), digest_size=8).digest(), "big") for t in texts], np.uint64
    )
    for split in ("train", "validation", "test"):
        among = splits_of(numbers, split, validation=validation, test=test)  # type: ignore[arg-type]
        assert among.tolist() == [split_of(t, validation=validation, test=test) == split for t in texts]


def test_places_outside_a_buffer_are_refused() -> None:
    data = np.zeros(3, np.uint8)
    for begin, end in ((-1, 2), (2, 1), (0, 4)):
        with pytest.raises(ValueError, match="outside its buffer"):
            _native.hashes(data, np.array([begin]), np.array([end]))
    with pytest.raises(ValueError, match="as many ends"):
        _native.hashes(data, np.array([0]), np.array([1, 2]))
