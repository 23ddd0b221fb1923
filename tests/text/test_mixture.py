"""Several corpora in given shares of characters."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idiolect.errors import CorpusError
from idiolect.text.corpus import Corpus
from idiolect.text.document import StoredDocument
from idiolect.text.mixture import interleave

documents = st.lists(st.integers(1, 30), min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(documents, st.floats(0.1, 10)), min_size=1, max_size=4))
def test_the_shares_hold_all_the_way(sources: list[tuple[list[int], float]]) -> None:
    weights = [weight for _, weight in sources]
    streams = [iter([StoredDocument.of("x" * n, {"from": i}) for n in ns]) for i, (ns, _) in enumerate(sources)]
    taken = [0] * len(sources)
    order: list[list[int]] = [[] for _ in sources]
    for document in interleave(streams, weights):
        source = document.fields["from"]
        assert isinstance(source, int)
        assert taken[source] / weights[source] == min(t / w for t, w in zip(taken, weights, strict=True))
        taken[source] += document.length()
        order[source].append(document.length())
    for (lengths, _), got in zip(sources, order, strict=True):
        assert got == lengths[: len(got)]  # in order, and nothing twice
    assert any(got == lengths for (lengths, _), got in zip(sources, order, strict=True))  # one has run out
    behind = min(t / w for t, w in zip(taken, weights, strict=True))
    assert all(t <= behind * w + 30 + 1e-6 for t, w in zip(taken, weights, strict=True))


def test_a_mixture_of_corpora(tmp_path: Path) -> None:
    for name, length, count in (("a", 100, 300), ("b", 10, 9000), ("c", 1000, 100)):
        rows = "".join(json.dumps(f"{name}{i:05d}".ljust(length, ".")) + "\n" for i in range(count))
        (tmp_path / f"{name}.jsonl").write_text(rows, encoding="utf-8")
    corpus = Corpus([tmp_path / f"{name}.jsonl" for name in "abc"], weights=[1, 2, 1])
    characters = Counter[str]()
    for document in corpus.documents():
        characters[document.text[0]] += len(document.text)
    total = sum(characters.values())
    assert {name: round(n / total, 2) for name, n in characters.items()} == {"a": 0.25, "b": 0.5, "c": 0.25}
    assert characters["a"] == 30_000  # the first to run out

    splits = [d.text for split in ("train", "validation", "test") for d in corpus.documents(split)]  # type: ignore[arg-type]
    assert sorted(splits) == sorted(d.text for d in corpus.documents())


def test_a_source_without_text_is_said_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    (tmp_path / "b.txt").touch()
    with pytest.raises(CorpusError, match="Source 2 of the mixture has no text"):
        list(Corpus([tmp_path / "a.txt", tmp_path / "b.txt"], weights=[1, 1]).documents())


def test_without_weights_one_after_another(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('"1"\n"2"\n', encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('"3"\n', encoding="utf-8")
    assert [d.text for d in Corpus([tmp_path / "b.jsonl", tmp_path / "a.jsonl"]).documents()] == ["3", "1", "2"]


@pytest.mark.usefixtures("small_parts")
def test_the_parts_of_a_document_stay_together(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(f"{name}\n" * 200) + "\n" + f'"{name}"\n', encoding="utf-8")
    parts = list(Corpus([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], weights=[1, 1]).documents())
    assert "".join(part.text for part in parts) == "a\n" * 200 + "b\n" * 200 + "ab"
    assert sum(part.first for part in parts) == sum(part.last for part in parts) == 4
