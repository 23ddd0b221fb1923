"""What a name means: files, folders, patterns, the built-in corpus, a corpus that was gathered."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from idiolect.errors import CorpusError
from idiolect.text.corpus import Corpus
from idiolect.text.sources import ENDINGS, resolve


@pytest.fixture
def letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        *("b.txt", "a.md", "C.TXT", "deep/er/a.rst", "deep/z.py", "deep.txt", "rows.jsonl.zst", "old.txt.gz"),
        *("photo.jpg", "table.csv", "x.log", ".hidden.txt", ".git/a.txt", "deep/.cache/a.txt", "txt"),
    ):
        file = tmp_path / "letters" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "letters"


def names(source: str | Path, folder: Path) -> list[str]:
    return [file.absolute().relative_to(folder).as_posix() for file in resolve(source).files]


def test_a_folder_is_walked_in_order_without_hidden_or_unknown_files(letters: Path) -> None:
    expected = ["C.TXT", "a.md", "b.txt", "deep/er/a.rst", "deep/z.py", "deep.txt", "old.txt.gz", "rows.jsonl.zst"]
    assert names(letters, letters) == names("letters", letters) == names("letters/", letters) == expected
    assert {".txt", ".md", ".rst", ".py", ".jsonl", ".parquet"} <= ENDINGS
    assert not {".csv", ".html", ".json", ".jpg", ""} & ENDINGS


def test_a_pattern_and_a_name_take_any_ending(letters: Path) -> None:
    assert names("letters/x.log", letters) == names("letters/*.log", letters) == ["x.log"]
    assert names("letters/deep*", letters) == ["deep.txt"]  # a pattern means files
    assert names("letters/**/a.*", letters) == ["a.md", "deep/er/a.rst"]
    assert [d.text for d in Corpus("letters/x.log").documents()] == ["x.log"]
    (letters / "odd[1].txt").write_text("a file, though it looks like a pattern", encoding="utf-8")
    assert names("letters/odd[1].txt", letters) == ["odd[1].txt"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("letters/b.text", r"letters/b.text does not exist; did you mean letters/.*txt\?"),
        ("@pydoc", r"@pydoc does not exist; did you mean @pydocs\?"),
        ("no/such/thing", "no/such/thing does not exist: check the name"),
        ("letters/*.doc", r"letters/\*.doc matches no file"),
        ("pictures", "pictures has no file whose ending says text"),
        ("pipe", "pipe is neither a file nor a folder"),
        ("x" * 5000, "cannot be read: File name too long"),
        ("nul\0", "nul"),
    ],
)
def test_what_is_not_there_is_said(letters: Path, source: str, message: str) -> None:
    (letters.parent / "pictures").mkdir()
    (letters.parent / "pictures" / "a.jpg").touch()
    os.mkfifo("pipe")
    with pytest.raises(CorpusError, match=message):
        Corpus([source])


def test_a_link_to_nothing_is_no_gap(letters: Path) -> None:
    (letters / "lost.txt").symlink_to("nowhere")
    with pytest.raises(CorpusError, match=r"lost.txt cannot be read: No such file"):
        list(Corpus([letters]).documents())
    with pytest.raises(CorpusError, match=r"lost.txt cannot be read: No such file"):
        Corpus([letters]).provenance()


def test_our_other_folders_are_no_corpus(letters: Path) -> None:
    for kind in ("tokenizer", "tokens", "model", "report"):
        (letters / "manifest.json").write_text(json.dumps({"kind": kind}), encoding="utf-8")
        with pytest.raises(CorpusError, match=f"letters is a {kind} folder, not a corpus"):
            Corpus(["letters"])
    (letters / "manifest.json").write_text(json.dumps({"kind": "corpus"}), encoding="utf-8")
    with pytest.raises(CorpusError, match="letters is a corpus without its documents"):
        Corpus(["letters"])
    for other in ("[]", "{}", '{"kind": ["web"]}', "not JSON", "[" * 100_000):
        (letters / "manifest.json").write_text(other, encoding="utf-8")
        assert len(resolve("letters").files) == 8
