"""Tokens on disk: memory-mapped shards of u16 or u32 ids with document boundaries and a header that says whose they
are.

A split is one stream of ids: `<eot> document <eot> document <eot>`, where the one end-of-text token closes a
document and opens the next. Reading any stretch costs that stretch; nothing is held in memory.

    tokens/
      train-00000.tokens        [magic 8][JSON header to byte 1024][ids][document starts, u64]
      validation-00000.tokens
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from idiolect.engine import Engine, in_order
from idiolect.errors import ArtifactError, CorpusError
from idiolect.text.batches import gathered
from idiolect.text.document import Document
from idiolect.tokenizers.base import Tokenizer

MAGIC = b"IDIOTOK1"
HEADER_BYTES = 1024
SHARD_TOKENS = 100_000_000
"""Ids in a shard before the next one is begun."""

PIECE = 1_000_000
"""Ids that are handed out, or written, at once."""

BATCH = 8 << 20
"""Characters of text that are encoded at once, in threads."""

Ids = npt.NDArray[np.unsignedinteger]


@dataclass(frozen=True, slots=True)
class ShardHeader:
    """What a shard says of itself."""

    dtype: str
    """uint16, or uint32 for a vocabulary of more than 65,536."""
    tokens: int
    documents: int
    """Documents that start in this shard."""
    text_bytes: int
    """UTF-8 bytes of the text that these tokens stand for."""
    vocab_size: int
    end_of_text: int
    fingerprint: str
    """The tokenizer's."""
    sha256: str
    """Of everything behind the header, and then of the header's other fields."""

    def seal(self, payload: hashlib._Hash) -> ShardHeader:
        """The same header with its checksum, given the hash of what lies behind it."""
        payload.update(json.dumps(asdict(replace(self, sha256=""))).encode())
        return replace(self, sha256=payload.hexdigest())


class ShardWriter:
    """Writes one shard, id arrays as they come; the header goes in last, so a half-written shard is no shard."""

    def __init__(self, path: Path, tokenizer: Tokenizer) -> None:
        self._path = path
        self._file = open(path, "wb")  # noqa: SIM115  closed by `close`
        self._file.write(b"\0" * HEADER_BYTES)
        self._tokenizer = tokenizer
        self._dtype = np.dtype("<u2" if tokenizer.vocab_size <= 65536 else "<u4")
        self._hash = hashlib.sha256()
        self._starts: list[int] = []
        self._waiting: list[Ids] = []
        self._waiting_ids = 0
        self.tokens = 0
        self.text_bytes = 0

    def start_document(self) -> None:
        """Mark that a document starts at the next id."""
        self._starts.append(self.tokens)

    def write(self, ids: Sequence[int] | Ids, text_bytes: int = 0) -> None:
        """Append ids and count the bytes of text they stand for."""
        self._waiting.append(np.asarray(ids, dtype=self._dtype))
        self._waiting_ids += len(ids)
        if self._waiting_ids >= PIECE:
            self._flush()
        self.tokens += len(ids)
        self.text_bytes += text_bytes

    def close(self) -> None:
        """Write the document starts and the header."""
        self._flush()
        self._append(np.asarray(self._starts, dtype="<u8").tobytes())
        header = ShardHeader(
            dtype=self._dtype.name,
            tokens=self.tokens,
            documents=len(self._starts),
            text_bytes=self.text_bytes,
            vocab_size=self._tokenizer.vocab_size,
            end_of_text=self._tokenizer.end_of_text,
            fingerprint=self._tokenizer.fingerprint(),
            sha256="",
        ).seal(self._hash)
        self._file.seek(0)
        self._file.write((MAGIC + json.dumps(asdict(header)).encode()).ljust(HEADER_BYTES))
        self._file.close()

    def abandon(self) -> None:
        """Let go of the file as it is; nothing after `close`."""
        self._file.close()

    def _flush(self) -> None:
        if self._waiting:
            self._append(np.concatenate(self._waiting).tobytes())
        self._waiting, self._waiting_ids = [], 0

    def _append(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)


def write_splits(
    documents: Iterable[tuple[str, Document]],
    tokenizer: Tokenizer,
    folder: Path,
    splits: Sequence[str],
    engine: Engine = "threads",
) -> None:
    """Encode documents into the shards of their splits, in one pass.

    Args:
        documents: each with the name of its split; those of one split follow each other as they are to be written.
        tokenizer: encodes them, a batch at a time, in threads.
        folder: where the shards go.
        splits: the names of the splits, each of which gets a shard even where it has no documents.
        engine: where batches are encoded; the shards are the same.
    """
    writers: dict[str, _SplitWriter] = {}
    try:
        for split in splits:
            writers[split] = _SplitWriter(folder, split, tokenizer)
        for split, document, ids in _encoded(documents, tokenizer, engine):
            writers[split].add(document, ids)
        for writer in writers.values():
            writer.close()
    finally:
        for writer in writers.values():
            writer.abandon()


def _encoded(
    documents: Iterable[tuple[str, Document]], tokenizer: Tokenizer, engine: Engine
) -> Iterator[tuple[str, Document, npt.NDArray[np.uint32]]]:
    """Each document with its split and its ids, encoded a batch at a time while the next ones are read."""
    kept, sent = itertools.tee(gathered(documents, lambda one: len(one[1].text), BATCH))
    texts = ([document.text for _, document in batch] for batch in sent)
    for (ids, starts), batch in zip(in_order(engine, _encode_texts, tokenizer, texts, workers=1), kept):
        for (split, document), start, stop in zip(batch, starts.tolist(), starts[1:].tolist()):
            yield split, document, ids[start:stop]


def _encode_texts(tokenizer: Tokenizer, texts: list[str]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    return tokenizer.encode_many(texts)


class _SplitWriter:
    """Writes the shards of one split.

    A document's opening id is its predecessor's closing one. A text cut by position (`last` or `first` false) has
    no closing or opening id where it was cut.
    """

    def __init__(self, folder: Path, split: str, tokenizer: Tokenizer) -> None:
        self._folder, self._split, self._tokenizer = folder, split, tokenizer
        self._end = np.array([tokenizer.end_of_text], np.uint32)
        self._shards = 0
        self._writer = self._next_shard()
        self._opens = True  # whether what comes next opens a document
        self._closes = False  # whether what came last closed one

    def add(self, document: Document, ids: npt.NDArray[np.uint32]) -> None:
        """Write a document, or a part of one, with the ids of its text."""
        opens = self._opens or document.first  # the one before was cut at its end
        if opens and self._writer.tokens >= SHARD_TOKENS:
            self._writer.close()
            self._writer = self._next_shard()
        if opens:
            if self._closes and not document.first:
                self._writer.write(self._end)
            self._writer.start_document()
            if document.first:
                self._writer.write(self._end)
        text = document.text
        self._writer.write(ids, len(text) if text.isascii() else len(text.encode()))
        self._opens = self._closes = document.last

    def close(self) -> None:
        """Write what closes the last document, and the header."""
        if self._closes:
            self._writer.write(self._end)
        self._writer.close()

    def abandon(self) -> None:
        """Let go of the file as it is; nothing after `close`."""
        self._writer.abandon()

    def _next_shard(self) -> ShardWriter:
        self._shards += 1
        return ShardWriter(self._folder / f"{self._split}-{self._shards - 1:05d}.tokens", self._tokenizer)


class TokenStream:
    """One split's ids end to end, whatever shards they lie in.

    Example:
        >>> stream = Tokens.load("tokens").split("train")
        >>> stream.read(0, 65)           # the first 65 ids, as int64
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        opened = [_open_shard(path) for path in paths]
        self.headers = [header for header, _, _ in opened]
        self._ids = [ids for _, ids, _ in opened]
        self._firsts = np.cumsum([0] + [header.tokens for header in self.headers])
        starts = [start + first for (_, _, start), first in zip(opened, self._firsts)]
        self.starts: npt.NDArray[np.int64] = np.concatenate(starts) if starts else np.zeros(0, np.int64)
        """Where each document starts, counted in ids from the beginning of the stream."""

    def __len__(self) -> int:
        return int(self._firsts[-1])

    @property
    def text_bytes(self) -> int:
        """UTF-8 bytes of the text that the stream stands for."""
        return sum(header.text_bytes for header in self.headers)

    def read(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """The ids from `start` to `stop`; copied, as int64. Clipped at the end of the stream."""
        pieces = []
        shard = int(np.searchsorted(self._firsts, start, side="right")) - 1
        while start < min(stop, len(self)):
            first = int(self._firsts[shard])
            piece = self._ids[shard][start - first : stop - first]
            pieces.append(piece.astype(np.int64))
            start, shard = start + len(piece), shard + 1
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)

    def documents(self, most_tokens: int | None = None) -> Iterator[npt.NDArray[np.int64]]:
        """The ids of each document with the marks that open and close it, until `most_tokens` have been given.

        A document of more than a million ids comes in pieces.
        """
        limit = len(self) if most_tokens is None else min(len(self), most_tokens)
        edges = [*self.starts.tolist(), len(self)]
        for start, stop in itertools.pairwise(edges):
            for first in range(start, min(stop, limit), PIECE):
                # The next document's opening mark closes this one.
                yield self.read(first, min(first + PIECE, stop + 1))

    def verify(self) -> None:
        """Compare every shard with its checksum and its ids with the vocabulary. Raises ArtifactError."""
        for header, ids, path in zip(self.headers, self._ids, self._paths):
            with open(path, "rb") as file:
                file.seek(HEADER_BYTES)
                if header.seal(hashlib.file_digest(file, "sha256")) != header:
                    raise ArtifactError(f"{path} is damaged (its checksum differs): encode the text again.")
            if len(ids) and int(ids.max()) >= header.vocab_size:
                raise ArtifactError(f"{path} holds ids beyond its vocabulary: encode the text again.")


@dataclass(frozen=True)
class Tokens:
    """A folder of tokens: its splits as streams, and the tokenizer they were made with."""

    path: Path
    splits: dict[str, TokenStream]

    @classmethod
    def load(cls, folder: str | Path) -> Tokens:
        """Open the shards of a folder. Raises ArtifactError when there are none, or one is damaged."""
        folder = Path(folder)
        names = sorted({path.name.rsplit("-", 1)[0] for path in folder.glob("*.tokens")})
        splits = {name: TokenStream(sorted(folder.glob(f"{name}-*.tokens"))) for name in names}
        if "train" not in splits:
            raise ArtifactError(f"There are no tokens at {folder}: make them with `idiolect encode`.")
        prints = {header.fingerprint for stream in splits.values() for header in stream.headers}
        if len(prints) != 1:
            raise ArtifactError(f"The shards at {folder} were made with different tokenizers: encode the text again.")
        return cls(folder, splits)

    @property
    def header(self) -> ShardHeader:
        """The first shard's: vocabulary, fingerprint, end of text are the same in all."""
        return self.splits["train"].headers[0]

    def split(self, name: str) -> TokenStream:
        """The stream of one split. Raises CorpusError when it is not there or empty."""
        if name not in self.splits or not len(self.splits[name]):
            raise CorpusError(f"{self.path} has no {name} tokens: encode more text.")
        return self.splits[name]


def _open_shard(path: Path) -> tuple[ShardHeader, Ids, npt.NDArray[np.int64]]:
    """Header, memory-mapped ids and document starts of a shard, sizes checked before anything is mapped."""
    damaged = ArtifactError(f"{path} is damaged: encode the text again.")
    with open(path, "rb") as file:
        head = file.read(HEADER_BYTES)
    try:
        header = ShardHeader(**json.loads(head[len(MAGIC) :]))
        dtype = np.dtype({"uint16": "<u2", "uint32": "<u4"}[header.dtype])
        expected = HEADER_BYTES + header.tokens * dtype.itemsize + header.documents * 8
        sound = all(type(getattr(header, field.name)).__name__ == field.type for field in fields(header))
        sound = sound and head[: len(MAGIC)] == MAGIC and min(header.tokens, header.documents) >= 0
    except (ValueError, TypeError, KeyError, RecursionError):
        raise damaged from None
    if not sound or path.stat().st_size != expected:
        raise damaged
    if not header.tokens:
        return header, np.zeros(0, dtype), np.zeros(0, np.int64)
    ids = np.memmap(path, dtype, mode="r", offset=HEADER_BYTES, shape=(header.tokens,))
    with open(path, "rb") as file:
        file.seek(HEADER_BYTES + header.tokens * dtype.itemsize)
        starts = np.frombuffer(file.read(), dtype="<u8").astype(np.int64)
    if len(starts) and (starts[0] < 0 or starts[-1] >= header.tokens or (np.diff(starts) <= 0).any()):
        raise damaged
    return header, ids, starts
