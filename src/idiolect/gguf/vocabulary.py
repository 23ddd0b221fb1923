"""A tokenizer as llama.cpp reads it from the metadata: with the same ids, or not at all.

| here                               | `tokenizer.ggml.model` | what decides the ids there                  |
|------------------------------------|------------------------|---------------------------------------------|
| BPE of bytes                       | gpt2                   | merges, and a named way of cutting text     |
| BPE of characters (SentencePiece)  | llama                  | a score for each piece; bytes where none is |
| unigram                            | t5                     | a score for each piece                      |

The last two are read off the SentencePiece model that the tokenizer is written as, so that what cannot be one is
refused for the reason given there.
"""

from __future__ import annotations

from typing import NamedTuple

from idiolect.errors import TokenizerError
from idiolect.gguf.file import Value
from idiolect.models.config_json import TokenIds
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.extended import ExtendedTokenizer
from idiolect.tokenizers.formats import sentencepiece
from idiolect.tokenizers.formats.json_bpe import merges_by_pair, names_of
from idiolect.tokenizers.formats.protobuf import Message
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.unigram import UnigramTokenizer

_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED = 1, 2, 3, 4, 5  # kinds of tokens, SentencePiece's numbers
_CUTS = {("gpt2", False): "gpt-2", ("qwen2", False): "qwen2", ("cl100k", False): "dbrx", ("cl100k", True): "llama-bpe"}
"""llama.cpp's name for a pattern, and for whether a word that is a token is taken before any merging."""


def described(tokenizer: Tokenizer, vocab_size: int, tokens: TokenIds) -> dict[str, Value]:
    """The tokenizer, as metadata.

    Args:
        tokenizer: whose ids llama.cpp will give.
        vocab_size: ids of the model; those beyond the tokenizer's stand for nothing.
        tokens: which ids begin and end texts, where that is more than the tokenizer tells.

    Raises:
        TokenizerError: llama.cpp would give other ids; the message says why.
    """
    base = tokenizer.base if isinstance(tokenizer, ExtendedTokenizer) else tokenizer
    try:
        if isinstance(tokenizer, ExtendedTokenizer) and tokenizer.strips.keys() & tokenizer.added.keys():
            raise TokenizerError("added tokens take no spaces into themselves there, nor do they stand alone.")
        match base:
            case BytePairTokenizer(symbols="bytes"):
                told = _of_bytes(tokenizer, base)
            case BytePairTokenizer():
                told = _of_characters(tokenizer, base)
            case UnigramTokenizer():
                told = _of_unigram(tokenizer, base)
            case _:
                raise TokenizerError(f"llama.cpp has BPE and unigram, and this tokenizer is of kind {tokenizer.kind}.")
    except TokenizerError as reason:
        raise TokenizerError(f"This tokenizer cannot be written for llama.cpp: {reason}") from None
    blank = vocab_size - len(told.names)
    names = [*told.names, *(f"[PAD{len(told.names) + n}]" for n in range(blank))]
    if len(set(names)) < vocab_size:
        raise TokenizerError("This tokenizer cannot be written for llama.cpp: two of its tokens are written alike.")
    settings = told.settings | {"tokens": names, "token_type": told.kinds + [_UNUSED] * blank}
    if told.scores is not None:
        settings["scores"] = told.scores + [-1000.0] * blank
    return {f"tokenizer.ggml.{name}": value for name, value in {**settings, **_roles(tokenizer, tokens)}.items()}


class _Pieces(NamedTuple):
    """Settings, and of each id the text, the kind and, where it decides the ids, the score."""

    settings: dict[str, Value]
    names: list[str]
    kinds: list[int]
    scores: list[float] | None = None


def _of_bytes(tokenizer: Tokenizer, base: BytePairTokenizer) -> _Pieces:
    pattern = "cl100k" if base.pattern == "llama3" else base.pattern
    cut = _CUTS.get((pattern, base.ignore_merges))
    if cut is None and (pattern, False) in _CUTS:
        raise TokenizerError(f"cutting by {pattern} it makes words by merges alone, and this one takes words whole.")
    if cut is None:
        raise TokenizerError(
            f"it does not cut text as the pattern {pattern} does; it can do that of gpt2, qwen2, cl100k and llama3."
        )
    if base.cuts:
        raise TokenizerError("it cuts text by its pattern alone, and this one cuts before that.")
    if base.normalizer != Normalizer():
        raise TokenizerError("it leaves text as it is before cutting it, and this one does not.")
    names = names_of(base)
    merges = [f"{names[left]} {names[right]}" for left, right in merges_by_pair(base)]
    if not merges:
        raise TokenizerError("it needs merges, and this one has none.")
    if isinstance(tokenizer, ExtendedTokenizer):
        later = {token_id: name for name, token_id in {**tokenizer.special_tokens, **tokenizer.added}.items()}
        names += [later[token_id] for token_id in range(len(names), tokenizer.vocab_size)]
    kinds = [_NORMAL] * len(names)
    for token_id in tokenizer.added.values() if isinstance(tokenizer, ExtendedTokenizer) else ():
        kinds[token_id] = _USER_DEFINED
    for token_id in tokenizer.special_tokens.values():
        kinds[token_id] = _CONTROL
    return _Pieces({"model": "gpt2", "pre": cut, "merges": merges}, names, kinds)


def _of_characters(tokenizer: Tokenizer, base: BytePairTokenizer) -> _Pieces:
    if not base.byte_ids:
        raise TokenizerError("it writes what is no token byte by byte, and this one has no tokens for bytes.")
    if base.normalizer.charsmap or base.normalizer.collapse_spaces or not base.normalizer.mark:
        raise TokenizerError("before BPE of characters it only marks spaces, and this one joins them, or has rules.")
    return _of_sentencepiece(tokenizer, {"model": "llama"})


def _of_unigram(tokenizer: Tokenizer, base: UnigramTokenizer) -> _Pieces:
    if base.byte_ids:
        raise TokenizerError("its unigram model has no tokens for bytes, and this one has.")
    if not base.normalizer.mark or (base.normalizer.collapse_spaces and not base.normalizer.prefix_space):
        raise TokenizerError("its unigram model marks spaces, and puts one in front, and this one does not.")
    settings: dict[str, Value] = {"model": "t5", "remove_extra_whitespaces": base.normalizer.collapse_spaces}
    if base.normalizer.charsmap:
        settings["precompiled_charsmap"] = base.normalizer.charsmap
    return _of_sentencepiece(tokenizer, settings)


def _of_sentencepiece(tokenizer: Tokenizer, settings: dict[str, Value]) -> _Pieces:
    """Names, kinds and scores, as the tokenizer's SentencePiece model has them."""
    model = Message(sentencepiece.written(tokenizer), "the model")
    pieces = [Message(data, "a piece") for data in model.several(1, "the pieces")]
    kinds = [piece.number(3, "its type", _NORMAL) for piece in pieces]
    settings |= {
        "pre": "default",
        "add_space_prefix": model.message(3, "the normalizer").truth(3, "the dummy prefix", True),
        "unknown_token_id": kinds.index(_UNKNOWN),
    }
    names = [piece.text(1, "its text", "") for piece in pieces]
    return _Pieces(settings, names, kinds, [piece.real(2, "its score", 0.0) for piece in pieces])


def _roles(tokenizer: Tokenizer, tokens: TokenIds) -> dict[str, Value]:
    """Which tokens begin and end texts, and whether one is put before every text."""
    begin = tokenizer.end_of_text if tokens.begin is None else tokens.begin
    ends = tokens.ends or (tokenizer.end_of_text,)
    around = list(tokenizer.framed([]).ids)
    told: dict[str, Value] = {
        "bos_token_id": begin,
        **dict(zip(("eos_token_id", "eot_token_id", "eom_token_id"), ends)),
        "add_bos_token": around[:1] == [begin],
        "add_eos_token": False,
    }
    if tokens.pad is not None:
        told["padding_token_id"] = tokens.pad
    return told
