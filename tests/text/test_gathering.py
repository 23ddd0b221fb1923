"""A corpus written as shards and read again is the same corpus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idiolect.errors import ArtifactError, CorpusError
from idiolect.text import gathering
from idiolect.text.corpus import Corpus
from idiolect.text.gathering import write_documents

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=5,
)
texts = st.one_of(st.text(st.characters(codec="utf-8"), max_size=9), st.sampled_from(["a\n" * 150, "é" * 333]))
row = st.fixed_dictionaries({"body": texts}, optional={"text": json_values, "source": json_values, "x": json_values})


def gather(corpus: Corpus, folder: Path) -> Corpus:
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    write_documents(corpus, folder)
    (folder / "manifest.json").write_text(json.dumps({"kind": "corpus"}), encoding="utf-8")
    return Corpus([folder], text_field="whatever")


@pytest.mark.usefixtures("small_parts")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(rows=st.lists(row, min_size=1, max_size=25), shard=st.integers(1, 500))
def test_documents_and_fields_come_back(tmp_path: Path, rows: list[dict[str, object]], shard: int) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"body": "x"}]), encoding="utf-8")
    corpus = Corpus([file], text_field="body")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathering, "SHARD", shard)
        again = gather(corpus, tmp_path / "corpus")
    for split in (None, "train", "validation", "test"):
        assert list(again.documents(split)) == list(corpus.documents(split))  # type: ignore[arg-type]
    assert [d.digest() for d in again._all()] == [d.digest() for d in corpus._all()]


def test_counts_and_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "SHARD", 10)
    counts = write_documents(Corpus.from_texts(["é" * 6, "é" * 6, "b" * 25, "c"]), tmp_path)
    assert counts == {"documents": 4, "characters": 38, "bytes": 50, "shards": 3}
    assert [file.name for file in sorted(tmp_path.iterdir())] == [f"documents-0000{i}.jsonl.zst" for i in range(3)]
    first = (tmp_path / "documents-00000.jsonl.zst").read_bytes()
    write_documents(Corpus.from_texts(["é" * 6, "é" * 6, "b" * 25, "c"]), tmp_path)
    assert (tmp_path / "documents-00000.jsonl.zst").read_bytes() == first


@pytest.mark.usefixtures("small_parts")
def test_a_damaged_shard_is_refused(tmp_path: Path) -> None:
    corpus = gather(Corpus.from_texts(["a\n" * 100, "b"]), tmp_path / "corpus")
    shard = tmp_path / "corpus" / "documents-00000.jsonl.zst"
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(shard.read_bytes()).splitlines(keepends=True)
    assert len(lines) > 3
    for damaged in (lines[:2], [*lines, b"{}\n"], [b'{"text": "", "fields": {}}'], [b'{"text": "a", "fields": 1}']):
        shard.write_bytes(zstandard.ZstdCompressor().compress(b"".join(damaged)))
        with pytest.raises(CorpusError, match=r"documents-00000.jsonl.zst is damaged.*Gather the corpus again"):
            list(corpus.documents())


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be written: No such file"):
        write_documents(Corpus.from_texts(["a"]), tmp_path / "nowhere")
