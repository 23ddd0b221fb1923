"""The vectors that a language model has for its tokens: what it reads (input), and what it scores with (output).

A token's word here is its text with what is not seen made visible: a space is ▁, a line's end ⏎, bytes that are no
character are \\xNN. So `▁king` is the token of a word within a text, and `king` one at its beginning or within a word.
Rows are in the order of the ids, which for learnt tokenizers is nearly that of falling count.

Shapes: V tokens, D model width.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np
import regex

from idiolect.embeddings.vectors import Query, Vectors
from idiolect.errors import ModelError, TokenizerError, UsageError
from idiolect.models.model import Model
from idiolect.models.recurrent import Recurrent
from idiolect.models.transformer import Transformer
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.normalize import MARK

Side = Literal["input", "output"]

_WORD: Final = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:[-'’][\p{L}\p{M}\p{N}]+)*")
_VISIBLE: Final = str.maketrans({" ": MARK, "\n": "⏎", "\t": "⇥", "\r": "␍"})


def token_vectors(model: Model, tokenizer: Tokenizer, side: Side = "input") -> Vectors:
    """The rows of a model's embedding matrix, each with its token as a word, copied in fp32.

    Args:
        model, tokenizer: which belong together.
        side: "input", what a token is read as, or "output", what the head compares the hidden state with; the two are
            one where the model has tied them.

    Raises:
        UsageError: there is no such side.
        ModelError: the model is of a kind that has no such matrix, or it has numbers that are none.
    """
    if side not in ("input", "output"):
        raise UsageError(f"There are no '{side}' embeddings: choose input or output.")
    match model:
        case Transformer() | Recurrent():
            weight = model.embed_tokens.weight
            if side == "output" and model.lm_head is not None:
                weight = model.lm_head.weight
        case _:
            raise ModelError(f"A {type(model).__name__} has no matrix of embeddings.")
    rows = min(tokenizer.vocab_size, len(weight))
    matrix_VD = weight[:rows].detach().float().cpu().numpy().copy()
    names = token_names(tokenizer, rows)
    return Vectors(names, matrix_VD, kind=f"{side} embeddings", tokenizer=tokenizer.fingerprint())


def token_names(tokenizer: Tokenizer, count: int) -> list[str]:
    """Tokens as words that can be printed, all different: where two look alike, the later one has its id behind it.

    Example:
        >>> token_names(tokenizer, 500)[300:303]
        ['▁the', 'ing', '\\\\xe2\\\\x80']
    """
    names: dict[str, None] = {}
    for token_id in range(count):
        text = tokenizer.token_bytes(token_id).decode("utf-8", errors="backslashreplace").translate(_VISIBLE)
        name = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
        names[name if name and name not in names else f"{name}⟨{token_id}⟩"] = None
    return list(names)


class Found(NamedTuple):
    """What stands for a word among a model's tokens."""

    query: Query
    """A token, or a vector."""
    said: str = ""
    """A sentence about it, where it is not plain."""
    pieces: tuple[str, ...] = ()
    """The tokens whose mean it is: no neighbours of the word."""


def find(vectors: Vectors, tokenizer: Tokenizer, word: str) -> Found:
    """What stands for a word among a model's tokens.

    The token with a space before it comes first, as the word is in running text; then the one without; and where the
    word is several tokens, the mean of their vectors stands for it.

    Raises:
        UsageError: the tokenizer cannot write the word.

    Example:
        >>> find(vectors, tokenizer, "king")
        Found(query='▁king', said="'king' is read as the token ▁king, with the space before it.", pieces=())
    """
    plain = word.translate(_VISIBLE)
    if plain in vectors and plain.startswith(MARK):
        return Found(plain)
    if f"{MARK}{plain}" in vectors:
        other = f"; the token {plain} without it is another" if plain in vectors else ""
        said = f"'{word}' is read as the token {MARK}{plain}, with the space before it{other}."
        return Found(f"{MARK}{plain}", said)
    if plain in vectors:
        return Found(plain, f"'{word}' is a token without a space before it.")
    try:
        ids = tokenizer.encode(word if tokenizer.drops_first_space else f" {word}")
    except TokenizerError:
        ids = []
    if not ids or tokenizer.unknown in ids or max(ids) >= len(vectors):
        raise UsageError(f"'{word}' cannot be written in this model's tokens.")
    mean_D = vectors.matrix[ids].mean(axis=0)
    pieces = tuple(vectors.words[token_id] for token_id in ids)
    return Found(mean_D, f"'{word}' is no token: the mean of {', '.join(pieces)} stands for it.", pieces)


def whole_words(vectors: Vectors) -> Vectors:
    """Those of a model's tokens that are a word (letters and digits) with its space before it, under the word itself.

    Where there is none (characters, bytes), all tokens.
    """
    rows = [row for row, word in enumerate(vectors.words) if word[:1] == MARK and _WORD.fullmatch(word[1:])]
    words = [vectors.words[row].removeprefix(MARK) for row in rows]
    if not rows:
        return vectors
    return Vectors(words, np.ascontiguousarray(vectors.matrix[rows]), kind=vectors.kind)
