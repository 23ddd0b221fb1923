"""GPT-2's two files: `encoder.json` (or `vocab.json`), the tokens with their ids, and `vocab.bpe` (or `merges.txt`),
the merges in their order, one a line. Both write bytes in GPT-2's characters.

The pair says neither how text is cut (GPT-2's pattern, unless another is named) nor which tokens are special: those
that no merge makes and that are no single byte, for no text could become one of them. What a `tokenizer_config.json`
beside them says is heeded: RoBERTa's frame and its `<mask>`, Qwen's pattern, a space before each text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.byte_level import BYTE_OF_CHARACTER
from idiolect.tokenizers.extended import ExtendedTokenizer
from idiolect.tokenizers.finding import Strip
from idiolect.tokenizers.formats.config import Config
from idiolect.tokenizers.formats.json_bpe import merges_by_pair, names_of, of_byte_names
from idiolect.tokenizers.formats.special import Special
from idiolect.tokenizers.formats.strict import of_type, parse_json, short
from idiolect.tokenizers.frame import Frame
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.reference_bpe import merge_word

PAIRS = (("vocab.bpe", "encoder.json"), ("merges.txt", "vocab.json"))
"""The names of the two files: OpenAI's, and Hugging Face's."""
_HEADER = "#version:"


_ROBERTA = ("roberta", "longformer", "bart", "led")
_ROBERTA_ROLES = {
    "bos": "<s>",
    "eos": "</s>",
    "unk": "<unk>",
    "sep": "</s>",
    "pad": "<pad>",
    "cls": "<s>",
    "mask": "<mask>",
}
_QWEN = ("qwen2",)


def read(
    merges: bytes, vocab: bytes, pattern: str | None, given: Mapping[str, int], beside: Config
) -> BytePairTokenizer:
    """The tokenizer of the two files.

    Args:
        merges: what `vocab.bpe` holds.
        vocab: what `encoder.json` holds.
        pattern: name of the pattern that cuts text, "gpt2" where it is not given.
        given: special tokens beside those that are found.
        beside: what the configuration says.
    """
    try:
        lines = merges.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise TokenizerError("its merges are not valid UTF-8.") from None
    if lines[0].startswith(_HEADER):
        del lines[0]
    pairs = [line.rstrip("\r") for line in lines if line.strip()]
    ids = {name: of_type(int, token_id, f"the id of {short(name)}") for name, token_id in parse_json(vocab).items()}
    made = {pair.replace(" ", "") for pair in pairs}
    special = {name: token_id for name, token_id in ids.items() if name not in made and name not in BYTE_OF_CHARACTER}
    roles, strips = dict(beside.roles), dict(beside.strips)
    if beside.family in _ROBERTA:
        roles = {**{role: name for role, name in _ROBERTA_ROLES.items() if name in ids}, **roles}
        if "mask" in roles:
            strips.setdefault(roles["mask"], Strip(left=True))
        for role in ("cls", "sep"):
            if role not in roles:
                raise TokenizerError(f"it has no token {_ROBERTA_ROLES[role]}, which stands around RoBERTa's texts.")
    beside.check({**ids, **given})
    special |= {name: ids[name] for name in roles.values() if name in ids}
    chosen = Special.of({**special, **given}, roles.get("eos"))
    prefix = beside.truth("add_prefix_space", False)
    normalizer = Normalizer(form="nfc" if beside.family in _QWEN else "none", prefix_space=prefix, prefix_once=prefix)
    tokenizer = of_byte_names(
        chosen.with_vocabulary(ids),
        pairs,
        chosen,
        pattern=pattern or ("qwen2" if beside.family in _QWEN else "gpt2"),
        normalizer=normalizer,
    )
    tokenizer.roles, tokenizer.strips = roles, strips
    in_roberta = beside.family in _ROBERTA
    tokenizer.frame = Frame.roberta(roles["cls"], roles["sep"]) if in_roberta else beside.ends()
    return tokenizer


def written(tokenizer: Tokenizer) -> dict[str, bytes]:
    """The two files by OpenAI's names.

    Raises:
        TokenizerError: GPT-2's code would give other ids; the message says why.
    """
    special: dict[str, int] = {}
    if isinstance(tokenizer, ExtendedTokenizer):
        if tokenizer.added:
            raise TokenizerError("GPT-2's files have no added tokens but special ones.")
        special, tokenizer = tokenizer.special_tokens, tokenizer.base
    if not isinstance(tokenizer, BytePairTokenizer) or tokenizer.symbols != "bytes":
        raise TokenizerError("GPT-2's files hold byte-level BPE only, which this tokenizer is not.")
    if tokenizer.normalizer != type(tokenizer.normalizer)():
        raise TokenizerError("GPT-2's code leaves text as it is, and this tokenizer normalizes it first.")
    if tokenizer.cuts:
        raise TokenizerError("GPT-2's code cuts text by the pattern gpt2, and this tokenizer by others before it.")
    if tokenizer.pattern != "gpt2":
        raise TokenizerError(f"GPT-2's code cuts text by the pattern gpt2, and this tokenizer by {tokenizer.pattern}.")
    names = names_of(tokenizer)
    merges = [(names[left], names[right]) for left, right in merges_by_pair(tokenizer)]
    if tokenizer.ignore_merges:
        stray = _unmade(tokenizer)
        if stray is not None:
            raise TokenizerError(
                f"GPT-2's code makes words by merges alone, and none make {short(names[stray])}, which this tokenizer "
                "takes as a word."
            )
    vocab = {name: token_id for token_id, name in enumerate(names)} | special
    lines = [f"{_HEADER} 0.2", *(" ".join(merge) for merge in merges)]
    return {
        "vocab.bpe": ("\n".join(lines) + "\n").encode("utf-8"),
        "encoder.json": (json.dumps(vocab, ensure_ascii=True) + "\n").encode("utf-8"),
    }


def _unmade(tokenizer: BytePairTokenizer) -> int | None:
    """The first token that its own merges do not make of its bytes."""
    special = set(tokenizer.special_tokens.values())
    ids = {piece: token_id for token_id, piece in enumerate(tokenizer.pieces) if token_id not in special}
    ranks = {pair: rank for rank, pair in enumerate(merges_by_pair(tokenizer))}
    merged = [ids[tokenizer.pieces[left] + tokenizer.pieces[right]] for left, right in merges_by_pair(tokenizer)]
    for piece, token_id in ids.items():
        if merge_word([ids[bytes([byte])] for byte in piece], ranks, merged) != [token_id]:
            return token_id
    return None
