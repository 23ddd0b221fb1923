"""Tokens on disk: what is written is what is read, documents keep their ends, and damage is never read as text."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idiolect.data import tokens
from idiolect.data.tokens import HEADER_BYTES, MAGIC, Tokens, TokenStream, write_splits
from idiolect.errors import ArtifactError, CorpusError, TokenizerError
from idiolect.text.document import Document
from idiolect.tokenizers.base import Tokenizer

MakeTokenizer = Callable[..., Tokenizer]
END = "|"


def shown(ids: Sequence[int]) -> str:
    """Byte tokens as text, end of text as a stroke."""
    return "".join(END if i >= 256 else chr(i) for i in ids)


def stream_of(folder: Path, split: str = "train") -> TokenStream:
    return TokenStream(sorted(folder.glob(f"{split}-*.tokens")))


def write_split(documents: Iterable[Document], tokenizer: Tokenizer, folder: Path, split: str) -> int:
    """Write one split and count its ids."""
    write_splits(((split, document) for document in documents), tokenizer, folder, [split])
    return len(stream_of(folder, split))


def part(text: str, first: bool = True, last: bool = True) -> Document:
    return Document(text, {}, first, last)


@pytest.mark.parametrize(
    ("documents", "written", "starts"),
    [
        ([], "", []),
        ([part("ab")], "|ab|", [0]),
        ([part("ab"), part("c"), part("def")], "|ab|c|def|", [0, 3, 5]),
        ([part("ab", last=False), part("cd", first=False, last=False), part("e", first=False)], "|abcde|", [0]),
        ([part("ab", last=False), part("c", first=False), part("de")], "|abc|de|", [0, 4]),
        # cut by position: training texts lose their ends, validation texts their beginnings
        ([part("ab", last=False)], "|ab", [0]),
        ([part("ab", first=False)], "ab|", [0]),
        ([part("ab", last=False), part("cd", last=False)], "|ab|cd", [0, 3]),
        ([part("ab", last=False), part("c", first=False, last=False), part("de", last=False)], "|abc|de", [0, 4]),
        ([part("ab", first=False), part("cd", first=False)], "ab|cd|", [0, 3]),
        ([part("a", first=False, last=False), part("b", first=False), part("cd", first=False)], "ab|cd|", [0, 3]),
        ([part("ab", last=False), part("cd")], "|ab|cd|", [0, 3]),
    ],
)
def test_where_a_document_ends(
    tmp_path: Path, make_tokenizer: MakeTokenizer, documents: list[Document], written: str, starts: list[int]
) -> None:
    total = write_split(documents, make_tokenizer(), tmp_path, "train")
    stream = stream_of(tmp_path)
    assert shown(stream.read(0, 100).tolist()) == written and total == len(stream) == len(written)
    assert stream.starts.tolist() == starts
    assert stream.text_bytes == sum(len(document.text) for document in documents)


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text(min_size=1), max_size=12), size=st.integers(1, 30), vocabulary=st.sampled_from([257, 70000])
)
def test_documents_come_back_from_any_number_of_shards(
    tmp_path_factory: pytest.TempPathFactory,
    make_tokenizer: MakeTokenizer,
    texts: list[str],
    size: int,
    vocabulary: int,
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    tokenizer = make_tokenizer(vocabulary)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "SHARD_TOKENS", size)
        write_split([part(text) for text in texts], tokenizer, folder, "train")
    stream = stream_of(folder)
    stream.verify()
    ends = [*stream.starts.tolist(), len(stream)]
    assert [tokenizer.decode(stream.read(a, b).tolist()) for a, b in itertools.pairwise(ends)] == texts
    assert {header.dtype for header in stream.headers} == {"uint16" if vocabulary == 257 else "uint32"}
    assert stream.text_bytes == sum(len(text.encode()) for text in texts)
    whole = stream.read(0, len(stream))
    assert whole.dtype == np.int64
    for start in range(0, len(stream), 3):
        for stop in (start, start + 1, start + 7, len(stream) + 5):
            assert np.array_equal(stream.read(start, stop), whole[start:stop])
    shutil.rmtree(folder)


def test_several_shards_are_really_several(
    tmp_path: Path, make_tokenizer: MakeTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "SHARD_TOKENS", 5)
    pieces = [part("abcd"), part("e", last=False), part("fghijk", first=False), part("lm", first=False)]
    write_split(pieces, make_tokenizer(), tmp_path, "train")
    stream = stream_of(tmp_path)
    assert [header.tokens for header in stream.headers] == [5, 8, 4]
    assert [header.documents for header in stream.headers] == [1, 1, 1]
    assert shown(stream.read(0, 99).tolist()) == "|abcd|efghijk|lm|" and stream.starts.tolist() == [0, 5, 14]
    assert shown(stream.read(3, 15).tolist()) == "cd|efghijk|l"


@pytest.fixture
def shard(tmp_path: Path, make_tokenizer: MakeTokenizer) -> Path:
    """A small whole shard."""
    write_split([part("hello"), part("world")], make_tokenizer(), tmp_path, "train")
    return tmp_path / "train-00000.tokens"


def test_a_shard_cut_short_anywhere_is_refused(shard: Path) -> None:
    whole = shard.read_bytes()
    assert len(whole) == HEADER_BYTES + 13 * 2 + 2 * 8
    for length in range(len(whole)):
        shard.write_bytes(whole[:length])
        with pytest.raises(ArtifactError, match=r"train-00000.tokens is damaged: encode the text again"):
            TokenStream([shard])
    shard.write_bytes(whole + b"\0")
    with pytest.raises(ArtifactError, match="is damaged"):
        TokenStream([shard])


def test_every_flipped_bit_is_caught(shard: Path) -> None:
    whole = shard.read_bytes()
    TokenStream([shard]).verify()
    for place in range(len(whole)):
        for bit in range(8) if place < 450 or place >= HEADER_BYTES else [place % 8]:
            shard.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
            with pytest.raises(ArtifactError, match="is damaged"):
                TokenStream([shard]).verify()


@pytest.mark.parametrize(
    "lie",
    [
        {"tokens": 14},
        {"tokens": -1},
        {"tokens": 2**63},
        {"tokens": 13.0},
        {"tokens": "13"},
        {"tokens": [13]},
        {"tokens": True},
        {"tokens": None},
        {"documents": -2},
        {"documents": 2.0},
        {"tokens": 17, "documents": 1},
        {"tokens": 9, "documents": 3},
        {"dtype": "uint8"},
        {"dtype": "object"},
        {"dtype": ["uint16"]},
        {"dtype": "uint32", "tokens": 5, "documents": 3},
        {"fingerprint": ["x"]},
        {"vocab_size": "many"},
        {"stranger": 1},
    ],
)
def test_a_header_that_lies(shard: Path, lie: dict[str, object]) -> None:
    whole = shard.read_bytes()
    header = {**json.loads(whole[len(MAGIC) : HEADER_BYTES]), **lie}
    shard.write_bytes((MAGIC + json.dumps(header).encode()).ljust(HEADER_BYTES) + whole[HEADER_BYTES:])
    with pytest.raises(ArtifactError, match="is damaged"):
        TokenStream([shard]).verify()


@pytest.mark.parametrize("head", [b"", b"\0" * HEADER_BYTES, b"[" * HEADER_BYTES, MAGIC, b"PK\x03\x04" * 256])
def test_a_file_that_is_no_shard(shard: Path, head: bytes) -> None:
    shard.write_bytes(head)
    with pytest.raises(ArtifactError, match="is damaged"):
        TokenStream([shard])


def test_a_shard_nobody_finished(shard: Path, tmp_path: Path, make_tokenizer: MakeTokenizer) -> None:
    def documents() -> Iterator[Document]:
        yield part("half of it")
        raise TokenizerError("no such character")

    with pytest.raises(TokenizerError):
        write_split(documents(), make_tokenizer(), tmp_path, "validation")
    with pytest.raises(ArtifactError, match=r"validation-00000.tokens is damaged"):
        Tokens.load(tmp_path)


def test_ids_beyond_the_vocabulary(tmp_path: Path, make_tokenizer: MakeTokenizer) -> None:
    writer = tokens.ShardWriter(tmp_path / "train-00000.tokens", make_tokenizer(100))
    writer.write([98, 99, 100])
    writer.close()
    with pytest.raises(ArtifactError, match="holds ids beyond its vocabulary"):
        stream_of(tmp_path).verify()


def test_a_folder_of_tokens(tmp_path: Path, make_tokenizer: MakeTokenizer) -> None:
    with pytest.raises(ArtifactError, match=r"There are no tokens at .*: make them with `idiolect encode`"):
        Tokens.load(tmp_path)
    tokenizer = make_tokenizer()
    for split, texts in (("train", ["ab", "c"]), ("validation", ["d"]), ("test", [])):
        write_split([part(text) for text in texts], tokenizer, tmp_path, split)
    loaded = Tokens.load(tmp_path)
    assert shown(loaded.split("train").read(0, 9).tolist()) == "|ab|c|"
    assert loaded.header.fingerprint == tokenizer.fingerprint() and loaded.header.end_of_text == 256
    assert len(loaded.splits["test"]) == 0
    loaded.splits["test"].verify()
    for name in ("test", "dreams"):
        with pytest.raises(CorpusError, match=f"has no {name} tokens: encode more text"):
            loaded.split(name)
    write_split([part("e")], make_tokenizer(300), tmp_path, "test")
    with pytest.raises(ArtifactError, match="were made with different tokenizers"):
        Tokens.load(tmp_path)


@pytest.mark.parametrize("batch", [1, 7, 1 << 20])
def test_splits_are_written_in_one_pass_whatever_the_batch(
    tmp_path: Path, make_tokenizer: MakeTokenizer, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(tokens, "BATCH", batch)
    monkeypatch.setattr(tokens, "PIECE", 4)
    given = [("train", part("ab")), ("test", part("cd", last=False)), ("train", part("éf")), ("test", part("g", False))]
    write_splits(given, make_tokenizer(), tmp_path, ["train", "validation", "test"])
    written = {split: stream_of(tmp_path, split) for split in ("train", "validation", "test")}
    assert bytes(written["train"].read(0, 99).clip(0, 255).tolist()) == b"\xffab\xff\xc3\xa9f\xff"
    assert shown(written["test"].read(0, 99).tolist()) == "|cdg|"
    assert len(written["validation"]) == 0
    assert written["train"].text_bytes == 5 and written["train"].starts.tolist() == [0, 3]
