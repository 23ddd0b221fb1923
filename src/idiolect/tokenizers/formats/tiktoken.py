"""tiktoken's rank files: one token a line, its bytes in base64 and its rank, which is its id.

A rank file says nothing of how text is cut, nor of special tokens: the caller gives them, or the file is one of
OpenAI's own, known by its digest. Merges are worked out of the ranks (`ranks`), and a word that is a token is that
token. Ids that neither a token nor a special token has (OpenAI left some free) become special tokens named
`<|unused_ID|>`, which no text contains.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.byte_level import utf8
from idiolect.tokenizers.extended import ExtendedTokenizer
from idiolect.tokenizers.formats.json_bpe import merges_by_pair
from idiolect.tokenizers.formats.ranks import merges_of_ranks, why_not_ranks
from idiolect.tokenizers.formats.special import Special, check_given
from idiolect.tokenizers.formats.strict import short
from idiolect.tokenizers.patterns import PATTERNS


@dataclass(frozen=True)
class _Known:
    """What tiktoken's code says of one of OpenAI's rank files."""

    pattern: str
    special: dict[str, int]


_KNOWN = {
    "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930": _Known("gpt2", {END_OF_TEXT: 50256}),
    "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069": _Known("gpt2", {END_OF_TEXT: 50256}),
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7": _Known(
        "cl100k",
        {
            END_OF_TEXT: 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d": _Known(
        "o200k", {END_OF_TEXT: 199999, "<|endofprompt|>": 200018}
    ),
}
"""By sha256: r50k_base (GPT-2's), p50k_base, cl100k_base, o200k_base."""


def looks_so(content: bytes) -> bool:
    """Whether a file begins with a token in base64 and a number."""
    first = content[:20_000].split(b"\n", 1)[0].split(b" ")
    return len(first) == 2 and first[1].strip().isdigit() and _token(first[0]) is not None


def read(content: bytes, pattern: str | None, given: Mapping[str, int]) -> BytePairTokenizer:
    """The tokenizer of a rank file.

    Args:
        content: what the file holds.
        pattern: name of the pattern that cuts text; may be left out for OpenAI's own files.
        given: special tokens; where there are none, OpenAI's own for OpenAI's own files, else `<|endoftext|>` at the
            one free id or after the last.

    Raises:
        TokenizerError: it is damaged, or cannot be used without a pattern or special tokens.
    """
    known = _KNOWN.get(hashlib.sha256(content).hexdigest())
    pattern = pattern or (known.pattern if known else None)
    if pattern is None:
        raise TokenizerError(
            f"ranks do not say how text is cut: name the pattern, one of {', '.join(PATTERNS)}, as in pattern='cl100k'."
        )
    ranks = _ranks(content)
    for byte in range(256):
        if bytes([byte]) not in ranks:
            raise TokenizerError(f"its vocabulary lacks byte {byte}: a text that has it could not be written.")
    taken = set(ranks.values())
    special = dict(given or (known.special if known else {}))
    check_given(special, len(ranks))
    size = max(taken | set(special.values())) + 1
    if size > len(ranks) + len(special) + 2**16:
        raise TokenizerError(f"its ids go to {size - 1}, and it has only {len(ranks)} tokens: too many are missing.")
    if not special:
        free = [token_id for token_id in range(size) if token_id not in taken]
        special = {END_OF_TEXT: free[0] if len(free) == 1 else size}
        size = max(size, special[END_OF_TEXT] + 1)
    for name, token_id in special.items():
        if token_id in taken:
            raise TokenizerError(f"the special token {short(name)} has the id {token_id}, which another token has.")
    taken |= set(special.values())
    chosen = Special.of(special)
    special |= {f"<|unused_{token_id}|>": token_id for token_id in range(size) if token_id not in taken}
    pieces = [b""] * size
    for piece, token_id in [*ranks.items(), *((utf8(name), token_id) for name, token_id in special.items())]:
        pieces[token_id] = piece
    return BytePairTokenizer(
        pieces,
        [(ranks[left], ranks[right]) for left, right in merges_of_ranks(ranks)],
        pattern=pattern,
        special_tokens=special,
        ignore_merges=True,
        end_of_text=chosen.end_of_text,
    )


def written(tokenizer: Tokenizer) -> bytes:
    """The rank file of a tokenizer: its ordinary tokens; pattern and special tokens have no place in it.

    Raises:
        TokenizerError: tiktoken would give other ids; the message says why.
    """
    if isinstance(tokenizer, ExtendedTokenizer):
        if tokenizer.added:
            raise TokenizerError("tiktoken has no added tokens but special ones.")
        tokenizer = tokenizer.base
    if not isinstance(tokenizer, BytePairTokenizer):
        raise TokenizerError(f"tiktoken has byte-level BPE only, and this tokenizer is of kind {tokenizer.kind}.")
    if tokenizer.symbols != "bytes":
        raise TokenizerError("tiktoken starts from bytes, and this tokenizer starts from characters.")
    if tokenizer.normalizer != type(tokenizer.normalizer)():
        raise TokenizerError("tiktoken leaves text as it is, and this tokenizer normalizes it first.")
    if tokenizer.cuts:
        raise TokenizerError("tiktoken cuts text by one pattern, and this tokenizer by others before it.")
    special = set(tokenizer.special_tokens.values())
    ranks = {piece: i for i, piece in enumerate(tokenizer.pieces) if i not in special}
    merges = [(tokenizer.pieces[left], tokenizer.pieces[right]) for left, right in merges_by_pair(tokenizer)]
    reason = why_not_ranks(merges, ranks)
    if reason is None and not tokenizer.ignore_merges:
        reached = {left + right for left, right in merges_of_ranks(ranks)}
        stray = next((piece for piece in ranks if len(piece) > 1 and piece not in reached), None)
        if stray is not None:
            reason = f"the word {short(stray)} is a token, and no merges of this tokenizer make it one"
    if reason:
        raise TokenizerError(f"tiktoken merges by ranks, which are the ids: {reason}.")
    lines = (base64.b64encode(piece) + b" %d\n" % token_id for piece, token_id in ranks.items())
    return b"".join(lines)


def _ranks(content: bytes) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        parts = line.split()
        token = _token(parts[0]) if len(parts) == 2 else None
        if token is None or not parts[1].isdigit() or len(parts[1]) > 9:
            raise TokenizerError(f"line {number} is not a token in base64 and its rank: {short(line)}.")
        if token in ranks:
            raise TokenizerError(f"the token in line {number} stands twice: {short(line)}.")
        ranks[token] = int(parts[1])
    if len(set(ranks.values())) < len(ranks):
        raise TokenizerError("two of its tokens have the same rank.")
    return ranks


def _token(written: bytes) -> bytes | None:
    try:
        return base64.b64decode(written, validate=True) or None
    except binascii.Error:
        return None
