"""The ids of the tools that vocabularies come from, on real text: `tiktoken`, `tokenizers`, `sentencepiece`.

GPT-2's and cl100k's vocabularies and Llama 2's SentencePiece model, on five corpora in hundreds of languages.
"""

from __future__ import annotations

import base64
import functools
import json
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import tiktoken
import tokenizers

from idiolect.text.corpus import Corpus
from idiolect.tokenizers.base import END_OF_TEXT
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.byte_level import to_bytes
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.patterns import PATTERNS

pytestmark = pytest.mark.slow
CORPORA = ["udhr", "imdb", "chinese", "japanese", "peps"]
MOST = 8_000_000  # characters of each corpus


@functools.cache
def texts_of(folder: Path) -> list[str]:
    """The documents of a corpus, up to `MOST` characters."""
    texts: list[str] = []
    room = MOST
    for document in Corpus([folder]).documents():
        texts.append(document.text[:room])
        room -= len(texts[-1])
        if not room:
            break
    return texts


@functools.cache
def gpt2(folder: Path) -> tuple[BytePairTokenizer, dict[bytes, int], Path]:
    names = json.loads((folder / "gpt2" / "encoder.json").read_text("utf-8"))
    end = names[END_OF_TEXT]
    ids = {
        END_OF_TEXT.encode() if token_id == end else to_bytes(name) or b"": token_id for name, token_id in names.items()
    }
    lines = (folder / "gpt2" / "vocab.bpe").read_text("utf-8").split("\n")[1:]
    merges = [tuple(ids[to_bytes(part) or b""] for part in line.split()) for line in lines if line]
    pieces = sorted(ids, key=ids.__getitem__)
    tokenizer = BytePairTokenizer(pieces, merges, pattern="gpt2", special_tokens={END_OF_TEXT: end})  # type: ignore[arg-type]
    return tokenizer, {piece: i for piece, i in ids.items() if i != end}, folder / "gpt2"


@functools.cache
def cl100k(folder: Path) -> tuple[BytePairTokenizer, dict[bytes, int]]:
    """All pairs that make a piece are merges of its rank, which is how tiktoken reads ranks."""
    lines = (folder / "cl100k_base.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(piece): int(rank) for piece, rank in (line.split() for line in lines)}
    pieces = [*sorted(ranks, key=ranks.__getitem__), END_OF_TEXT.encode()]
    merges = [
        (ranks[piece[:cut]], ranks[piece[cut:]])
        for piece in pieces
        for cut in range(1, len(piece))
        if piece in ranks and piece[:cut] in ranks and piece[cut:] in ranks
    ]
    end = {END_OF_TEXT: len(ranks)}
    tokenizer = BytePairTokenizer(
        pieces, merges, pattern="cl100k", special_tokens=end, rank_by="piece", ignore_merges=True
    )
    return tokenizer, ranks


def assert_equal_ids(own: tuple[np.ndarray, np.ndarray], theirs: list[list[int]], texts: list[str]) -> None:
    """Compares text by text, so that a failure shows one text."""
    ids, starts = own
    for text, expected, start, end in zip(texts, theirs, starts[:-1], starts[1:], strict=True):
        assert ids[start:end].tolist() == expected, text[:200]


@pytest.mark.parametrize("name", CORPORA)
def test_gpt2_ids_equal_those_of_tiktoken_and_tokenizers(data_folder: Path, name: str) -> None:
    tokenizer, ranks, folder = gpt2(data_folder / "vocabularies")
    texts = texts_of(data_folder / name)
    own = tokenizer.encode_many(texts)
    peer = tiktoken.Encoding("gpt2", pat_str=PATTERNS["gpt2"], mergeable_ranks=ranks, special_tokens={})
    assert_equal_ids(own, peer.encode_ordinary_batch(texts, num_threads=2), texts)
    other = tokenizers.Tokenizer(
        tokenizers.models.BPE.from_file(str(folder / "encoder.json"), str(folder / "vocab.bpe"))
    )
    other.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert_equal_ids(own, [encoding.ids for encoding in other.encode_batch(texts)], texts)
    assert [tokenizer.decode(ids) for ids in np.split(own[0], own[1][1:-1])] == texts


@pytest.mark.parametrize("name", CORPORA)
def test_cl100k_ids_equal_those_of_tiktoken(data_folder: Path, name: str) -> None:
    tokenizer, ranks = cl100k(data_folder / "vocabularies")
    texts = texts_of(data_folder / name)
    peer = tiktoken.Encoding("cl100k", pat_str=PATTERNS["cl100k"], mergeable_ranks=ranks, special_tokens={})
    assert_equal_ids(tokenizer.encode_many(texts), peer.encode_ordinary_batch(texts, num_threads=2), texts)


@functools.cache
def llama2(folder: Path) -> tuple[BytePairTokenizer, sentencepiece.SentencePieceProcessor]:
    peer = sentencepiece.SentencePieceProcessor(model_file=str(folder / "llama2.tokenizer.model"))
    names = [peer.id_to_piece(i) for i in range(peer.get_piece_size())]
    byte_ids = [i for i in range(len(names)) if peer.is_byte(i)]
    special = {name: i for i, name in enumerate(names) if peer.is_control(i) or peer.is_unknown(i)}
    pieces = [name.encode() for name in names]
    for i in byte_ids:
        pieces[i] = bytes([int(names[i][3:-1], 16)])
    ids = {names[i]: i for i in range(len(names)) if i not in byte_ids and names[i] not in special}
    merges = [
        (ids[piece[:cut]], ids[piece[cut:]])
        for piece in sorted(ids, key=lambda piece: -peer.get_score(ids[piece]))
        for cut in range(1, len(piece))
        if piece[:cut] in ids and piece[cut:] in ids
    ]
    tokenizer = BytePairTokenizer(
        pieces,
        merges,
        pattern="none",
        special_tokens=special,
        symbols="characters",
        normalizer=Normalizer(prefix_space=True, mark=True),
        byte_ids=byte_ids,
        unknown=peer.unk_id(),
        rank_by="piece",
        end_of_text="</s>",
    )
    return tokenizer, peer


@pytest.mark.parametrize("name", CORPORA)
def test_llama2_ids_equal_those_of_sentencepiece(data_folder: Path, name: str) -> None:
    tokenizer, peer = llama2(data_folder / "vocabularies")
    texts = texts_of(data_folder / name)
    own = tokenizer.encode_many(texts)
    assert_equal_ids(own, peer.encode(texts), texts)
    for text, start, end in zip(texts[:100], own[1], own[1][1:]):
        assert tokenizer.decode(own[0][start:end]) == text


def test_sampling_and_runs_in_llama2(data_folder: Path) -> None:
    """Runs of one character are where pairs of the same piece compete."""
    tokenizer, peer = llama2(data_folder / "vocabularies")
    texts = [character * n for character in " =-a*#\n0é你" for n in range(1, 80)]
    texts += ["  =" * n + "---" * n for n in range(30)] + ["", " ", "▁", "a▁b", "\t\t x", "<s>", "<0x41>", "<unk>"]
    assert_equal_ids(tokenizer.encode_many(texts), peer.encode(texts), texts)
    assert [tokenizer.decode(ids) for ids in peer.encode(texts)] == peer.decode(peer.encode(texts))
