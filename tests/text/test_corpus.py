"""The corpus as a whole: splits, duplicates, shards, provenance, memory."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idiolect.errors import CorpusError, UsageError
from idiolect.text.corpus import Corpus, Document
from idiolect.text.splitting import SPLITS, split_of

Join = Callable[[Iterable[Document]], list[str]]
with_small_parts = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
lines = st.text(st.sampled_from("ab é😀\n"), min_size=1, max_size=300)


def rows(tmp_path: Path, texts: Sequence[str], name: str = "a.jsonl") -> Path:
    (tmp_path / name).write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
    return tmp_path / name


def test_many_documents_are_split_by_their_text_alone(tmp_path: Path, join: Join) -> None:
    texts = [f"document {i}" for i in range(4000)]
    corpus = Corpus([rows(tmp_path, texts)])
    parts = {split: join(corpus.documents(split)) for split in SPLITS}
    assert sorted(itertools.chain(*parts.values())) == sorted(texts)
    assert join(corpus.documents()) == texts
    for split, share in (("train", 0.9), ("validation", 0.05), ("test", 0.05)):
        assert len(parts[split]) / len(texts) == pytest.approx(share, abs=0.015)
        assert parts[split] == [text for text in texts if text in set(parts[split])]  # their order stays

    shuffled = random.Random(1).sample(texts, 1000)
    other = Corpus([rows(tmp_path, shuffled, "b.jsonl")])
    for split in SPLITS:
        assert set(join(other.documents(split))) == set(shuffled) & set(parts[split])


def test_the_split_of_a_text_never_changes() -> None:
    # Artifacts made with one version must hold out the same documents in the next.
    assert [split_of(f"{i}", validation=0.2, test=0.3)[:2] for i in range(8)] == PINNED


PINNED = ["tr", "tr", "va", "tr", "te", "tr", "va", "tr"]


def test_shares_are_taken_as_given(tmp_path: Path) -> None:
    file = rows(tmp_path, [f"{i}" for i in range(2000)])
    counts = {s: len(list(Corpus([file], validation=0.3, test=0.2).documents(s))) for s in SPLITS}
    assert counts["validation"] == pytest.approx(600, abs=60) and counts["test"] == pytest.approx(400, abs=60)
    assert len(list(Corpus([file], validation=0, test=0).documents("train"))) == 2000


@with_small_parts
@given(st.lists(lines, min_size=1, max_size=19))
@pytest.mark.usefixtures("small_parts")
def test_few_documents_are_split_by_position(texts: list[str]) -> None:
    corpus = Corpus.from_texts(texts)
    train, validation = ("".join(d.text for d in corpus.documents(split)) for split in ("train", "validation"))
    assert train == "".join(text[: int(0.9 * len(text))] for text in texts)
    assert validation == "".join(text[int(0.9 * len(text)) :] for text in texts)
    assert list(corpus.documents("test")) == []


@pytest.mark.parametrize("count", [1, 3, 19, 20, 300])
@pytest.mark.usefixtures("small_parts")
def test_one_pass_gives_each_split_what_its_own_pass_gives(count: int) -> None:
    texts = [f"{i} a line\n" * (1 + i % 7) for i in range(count)]
    corpus = Corpus.from_texts(texts)
    assigned = list(corpus.assigned())
    for split in SPLITS:
        assert [document for name, document in assigned if name == split] == list(corpus.documents(split))


@pytest.mark.parametrize("length", [1, 2, 9, 10, 30, 50, 90, 99, 100, 1_000_000])
def test_the_default_cut_is_exactly_nine_tenths(length: int) -> None:
    train = Corpus.from_texts(["x" * length]).documents("train")
    assert sum(len(document.text) for document in train) == int(0.9 * length)


def test_a_single_text_is_cut_after_nine_tenths(tmp_path: Path) -> None:
    text = "".join(f"{i}\n" for i in range(1234))
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    corpus = Corpus([tmp_path / "a.txt"])
    (train,), (validation,) = corpus.documents("train"), corpus.documents("validation")
    cut = int(0.9 * len(text))
    assert (train.text, train.first, train.last) == (text[:cut], True, False)
    assert (validation.text, validation.first, validation.last) == (text[cut:], False, True)
    (all_of_it,) = Corpus([tmp_path / "a.txt"], validation=0, test=0).documents("train")
    assert (all_of_it.text, all_of_it.last) == (text, True)


@pytest.mark.usefixtures("small_parts")
def test_nineteen_are_few_and_twenty_are_not(join: Join) -> None:
    texts = [f"text {i} " * 30 for i in range(20)]
    assert all(len(text) > 120 for text in texts)
    few, enough = Corpus.from_texts(texts[:19]), Corpus.from_texts(texts)
    assert len([d for d in few.documents("validation") if d.last]) == 19
    assert sorted(itertools.chain(*(join(enough.documents(split)) for split in SPLITS))) == sorted(texts)


@with_small_parts
@given(st.lists(lines, min_size=1, max_size=40), st.integers(1, 5))
@pytest.mark.usefixtures("small_parts")
def test_shards_are_the_documents_taken_in_turn(join: Join, texts: list[str], count: int) -> None:
    corpus = Corpus.from_texts(texts)
    assert join(corpus.documents()) == texts
    for index in range(count):
        assert join(corpus.documents(shard=(index, count))) == texts[index::count]
    for split in SPLITS:
        parts = itertools.chain(*(corpus.documents(split, (i, count)) for i in range(count)))
        assert sorted(map(str, parts)) == sorted(map(str, corpus.documents(split)))


@with_small_parts
@given(st.lists(st.sampled_from(["a", "b\n" * 90, "b\n" * 89 + "c\n", "d", "e" * 300]), min_size=1, max_size=12))
@pytest.mark.usefixtures("small_parts")
def test_only_the_first_of_equal_texts_is_kept(tmp_path: Path, join: Join, texts: list[str]) -> None:
    (tmp_path / "z.txt").write_text(texts[0], encoding="utf-8")
    corpus = Corpus([rows(tmp_path, texts), tmp_path / "z.txt"], deduplicate=True)
    distinct = list(dict.fromkeys(texts))
    assert join(corpus.documents()) == join(corpus.documents()) == distinct
    assert corpus.duplicates == len(texts) + 1 - len(distinct)
    plain = Corpus([tmp_path / "a.jsonl"])
    assert join(plain.documents()) == texts and plain.duplicates == 0


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "empty.txt.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "rows.jsonl").write_text('{"text": ""}\n\n', encoding="utf-8")
    for source in ("empty.txt", "empty.txt.gz", "rows.jsonl"):
        for split in (None, "train"):
            with pytest.raises(CorpusError, match=f"There is no text in .*{source}"):
                list(Corpus([tmp_path / source]).documents(split))  # type: ignore[arg-type]
    with pytest.raises(CorpusError, match="There is no text in texts"):
        list(Corpus.from_texts([""]).documents())
    with pytest.raises(CorpusError, match="No text was named"):
        Corpus([])
    with pytest.raises(CorpusError, match="Text 1 has half of a surrogate pair"):
        Corpus.from_texts(["a", "\ud800"])


def test_options_out_of_range_are_refused(tmp_path: Path) -> None:
    file = rows(tmp_path, ["a"])
    for wrong in ({"validation": 1.0}, {"test": -0.1}, {"validation": float("nan")}, {"validation": 0.6, "test": 0.4}):
        with pytest.raises(UsageError, match=r"(validation|test).* is "):
            Corpus([file], **wrong)
    with pytest.raises(UsageError, match='choose "refuse" or "replace"'):
        Corpus([file], invalid="ignore")  # type: ignore[arg-type]
    for weights in ([1.0], [1.0, 2.0, 3.0], []):
        with pytest.raises(UsageError, match=r"weights for 2 sources"):
            Corpus([file, file], weights=weights)
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="must be a positive number"):
            Corpus([file, file], weights=[1.0, bad])
    corpus = Corpus([file])
    for shard in ((1, 1), (-1, 2), (0, 0)):
        with pytest.raises(UsageError, match="There is no shard"):
            corpus.documents(shard=shard)
    with pytest.raises(UsageError, match='no split "dev"'):
        corpus.documents("dev")  # type: ignore[arg-type]


def test_provenance_names_the_files_and_their_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows(tmp_path, ["a", "b"])
    (tmp_path / "b.txt").write_bytes(b"hello")
    told = Corpus(["a.jsonl", "b.txt"]).provenance()
    assert json.loads(json.dumps(told)) == told
    assert told["kind"] == "corpus"
    assert told["files"][1] == {  # type: ignore[index]
        "path": str(tmp_path / "b.txt"),
        "bytes": 5,
        "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    }
    (tmp_path / "c.txt").write_bytes(b"hello")
    same = Corpus([Path("a.jsonl"), tmp_path / "c.txt"]).provenance()["digest"]
    assert same == told["digest"]  # the path is nothing to the model
    others = [
        Corpus(["b.txt", "a.jsonl"]).provenance()["digest"],
        Corpus(["a.jsonl", "b.txt"], deduplicate=True).provenance()["digest"],
        Corpus(["a.jsonl", "b.txt"], validation=0.1).provenance()["digest"],
        Corpus(["a.jsonl", "b.txt"], weights=[1, 2]).provenance()["digest"],
        Corpus.from_texts(["a", "b"]).provenance()["digest"],
        Corpus.from_texts(["ab"]).provenance()["digest"],
    ]
    assert len({told["digest"], *others}) == 7
    assert Corpus.from_texts(["a", "b"]).provenance() == Corpus.from_texts(["a", "b"]).provenance()


def test_a_large_text_is_never_held(tmp_path: Path) -> None:
    block = "".join(f"{i} is a number, and {i * i} is its square.\n" for i in range(24_000))
    with gzip.open(tmp_path / "large.txt.gz", "wt", compresslevel=1, encoding="utf-8") as file:
        for _ in range(20):
            file.write(block)
    corpus = Corpus([tmp_path / "large.txt.gz"], deduplicate=True)
    tracemalloc.start()
    try:
        read = sum(len(document.text) for split in SPLITS for document in corpus.documents(split))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read == 20 * len(block) > 15_000_000
    assert peak < 10_000_000


@pytest.mark.slow
def test_sixty_four_megabytes_of_every_format_are_never_held(tmp_path: Path) -> None:
    text = "".join(f"{i} is a number, and {i * i} is its square.\n" for i in range(24_000))
    (tmp_path / "a.txt").write_text(text * 64, encoding="utf-8")
    with open(tmp_path / "b.jsonl", "w", encoding="utf-8") as file:
        file.writelines(
            json.dumps({"text": text[i : i + 5000]}) + "\n" for _ in range(64) for i in range(0, 10**6, 5000)
        )
    for name in ("a.txt", "b.jsonl"):
        tracemalloc.start()
        try:
            read = sum(len(document.text) for document in Corpus([tmp_path / name]).documents())
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert read >= 64_000_000
        assert peak < 10_000_000
