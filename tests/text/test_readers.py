"""Formats: the same texts read from plain, jsonl and parquet, packed or not; bad rows are named by their number."""

from __future__ import annotations

import collections
import datetime
import gzip
import json
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idiolect.errors import CorpusError
from idiolect.text import readers
from idiolect.text.corpus import Corpus

texts_in_utf8 = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), min_size=1), min_size=1)


def write_jsonl(file: Path, rows: list[object]) -> Path:
    lines = "".join(json.dumps(row, ensure_ascii=i % 2 == 0) + "\n" for i, row in enumerate(rows))
    packed = lines.encode()
    if file.suffix == ".gz":
        packed = gzip.compress(packed)
    if file.suffix == ".zst":
        packed = zstandard.ZstdCompressor().compress(packed)
    file.write_bytes(packed)
    return file


def texts_of(file: Path, **options: object) -> list[str]:
    return [document.text for document in Corpus([file], **options).documents()]  # type: ignore[arg-type]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(texts_in_utf8)
def test_every_format_gives_the_same_texts(tmp_path: Path, texts: list[str]) -> None:
    rows: list[object] = [{"text": text} for text in texts]
    for name in ("a.jsonl", "a.jsonl.gz", "a.ndjson.zst"):
        assert texts_of(write_jsonl(tmp_path / name, rows)) == texts
    assert texts_of(write_jsonl(tmp_path / "bare.jsonl", list(texts))) == texts
    parquet.write_table(arrow.table({"text": texts}), tmp_path / "a.parquet", row_group_size=3)
    assert texts_of(tmp_path / "a.parquet") == texts
    parquet.write_table(arrow.table({"text": arrow.array(texts).dictionary_encode()}), tmp_path / "b.parquet")
    assert texts_of(tmp_path / "b.parquet") == texts
    for text in texts[:2]:
        if not text.encode().startswith((b"\xff", b"BZh", b"GIF8", b"PAR1", b"%PDF-")):
            (tmp_path / "a.txt").write_text(text, encoding="utf-8", newline="")
            (tmp_path / "a.txt.gz").write_bytes(gzip.compress(text.encode()))
            assert texts_of(tmp_path / "a.txt") == texts_of(tmp_path / "a.txt.gz") == [text]


@pytest.mark.usefixtures("small_parts")
def test_a_long_text_comes_in_the_same_parts_from_every_format(tmp_path: Path) -> None:
    text = "".join(f"This is line {i}.\n" for i in range(100))
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    write_jsonl(tmp_path / "b.jsonl", [{"text": text}])
    parquet.write_table(arrow.table({"text": [text]}), tmp_path / "c.parquet")
    ways = [Corpus([tmp_path / name]) for name in ("a.txt", "b.jsonl", "c.parquet")] + [Corpus.from_texts([text])]
    parts = [[(d.text, d.first, d.last) for d in corpus.documents()] for corpus in ways]
    assert len(parts[0]) > 20 and parts[0] == parts[1] == parts[2] == parts[3]


def test_fields_are_kept_with_the_name_of_the_file(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", [{"text": "x", "label": 1, "more": {"deep": [None, "é"]}}, "y"])
    assert [d.fields for d in Corpus([file]).documents()] == [
        {"source": "a.jsonl", "label": 1, "more": {"deep": [None, "é"]}},
        {"source": "a.jsonl"},
    ]
    day = datetime.date(1789, 4, 30)
    table = arrow.table({"body": ["x"], "day": [day], "n": [3], "tags": [["a", "b"]], "raw": [b"\x01"]})
    parquet.write_table(table, tmp_path / "b.parquet")
    (document,) = Corpus([tmp_path / "b.parquet"], text_field="body").documents()
    assert document.fields == {"source": "b.parquet", "day": "1789-04-30", "n": 3, "tags": ["a", "b"], "raw": "01"}
    (tmp_path / "c.md").write_text("# x", encoding="utf-8")
    assert next(Corpus([tmp_path / "c.md"]).documents()).fields == {"source": "c.md"}
    (own,) = Corpus([write_jsonl(tmp_path / "d.jsonl", [{"text": "x", "source": "the row's"}])]).documents()
    assert own.fields == {"source": "the row's"}


def test_empty_and_null_texts_are_no_documents(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", [{"text": ""}, {"text": None}, {"text": " "}, "", {"text": "x"}])
    file.write_bytes(b"\n  \r\n" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert texts_of(file) == [" ", "x"]
    parquet.write_table(arrow.table({"text": ["", None, "x"]}), tmp_path / "a.parquet")
    assert texts_of(tmp_path / "a.parquet") == ["x"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "x"', "line 2 is not JSON: .* column"),
        ('{"text": ' + "9" * 5000 + "}", "line 2 is not JSON: a number"),
        ("[" * 100_000, "line 2 is not JSON: .* nesting"),
        ("[1]", "line 2 is neither an object nor a string"),
        ('{"Text": "x"}', 'line 2 has no field "text"; the nearest is "Text"'),
        ('{"body": "x", "n": 1}', 'line 2 has no field "text", only "body", "n"'),
        ("{}", 'line 2 has no field "text", only nothing'),
        ('{"text": 5}', 'line 2: the field "text" is not a string'),
        ('{"text": "\\ud83d"}', "line 2 has half of a surrogate pair"),
        ('{"text": "x", "note": "\\uDE00"}', "line 2 has half of a surrogate pair"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "fine"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=f"a.jsonl, {message}"):
        texts_of(tmp_path / "a.jsonl")


def test_half_a_pair_is_replaced_when_asked(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"text": "\\ud83d\\ude00 \\ud83d!", "n": "\\udc00"}\n"\\ud83d"', encoding="utf-8"
    )
    corpus = Corpus([tmp_path / "a.jsonl"], invalid="replace")
    document, other = corpus.documents()
    assert (document.text, document.fields["n"], other.text) == ("😀 \ufffd!", "\ufffd", "\ufffd")
    assert corpus.replaced == 3


def test_one_endless_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "LONGEST_LINE", 1000)
    (tmp_path / "a.jsonl").write_text('"fine"\n"' + "x" * 3000, encoding="utf-8")
    with pytest.raises(CorpusError, match=r"a.jsonl, line 2 is too long"):
        texts_of(tmp_path / "a.jsonl")


def test_bad_parquet_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    parquet.write_table(arrow.table({"texts": ["a" * 999, "b"], "n": [1, 2]}), file)
    with pytest.raises(CorpusError, match=r'a.parquet has no field "text"; the nearest is "texts"'):
        texts_of(file)
    with pytest.raises(CorpusError, match=r'a.parquet: the column "n" holds int64, not strings'):
        texts_of(file, text_field="n")
    whole = file.read_bytes()
    for damaged in (whole[:-20], b"", b"PAR1 but not really", whole[:30] + b"\xff" * 40 + whole[70:]):
        file.write_bytes(damaged)
        with pytest.raises(CorpusError, match=r"a.parquet cannot be read"):
            texts_of(file, text_field="texts")
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress(whole))
    with pytest.raises(CorpusError, match=r"a.parquet.gz: parquet is compressed inside already"):
        texts_of(tmp_path / "a.parquet.gz")


def test_parquet_that_is_not_utf8_is_refused_or_replaced(tmp_path: Path) -> None:
    cells = [b"fine", b"caf\xe9 \xef\xbf\xbd"]
    column = arrow.array(cells, arrow.binary()).cast(arrow.string(), safe=False)  # parquet itself does not check
    for name, table in (("s", arrow.table({"text": column})), ("b", arrow.table({"text": arrow.array(cells)}))):
        file = tmp_path / f"{name}.parquet"
        parquet.write_table(table, file)
        with pytest.raises(CorpusError, match="row 2 is not UTF-8: byte 0xe9 at offset 3"):
            texts_of(file)
        corpus = Corpus([file], invalid="replace")
        assert [d.text for d in corpus.documents()] == ["fine", "caf\ufffd \ufffd"]
        assert corpus.replaced == 1


def test_real_files_are_read(data_folder: Path) -> None:
    counts = collections.Counter(
        document.fields["source"]
        for document in Corpus([data_folder / "speeches", data_folder / "movie_reviews"]).documents()
    )
    assert counts["reviews.parquet"] == 2000 and counts["documents.jsonl"] > 100
