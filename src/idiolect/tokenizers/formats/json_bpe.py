"""BPE in `tokenizer.json`, both ways: of bytes in GPT-2's way, and of characters in SentencePiece's.

Bytes: the vocabulary is written in 256 visible characters, a pattern cuts the text (GPT-2, Llama 3, Qwen). Characters:
spaces are `▁`, and a character without a token becomes its bytes' tokens `<0x00>` to `<0xFF>` or the unknown token
(Llama 2, Mistral, Gemma). Any other BPE is refused, with the setting that makes it another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.byte_level import to_bytes, to_characters, utf8
from idiolect.tokenizers.bytes_ import ByteTokenizer
from idiolect.tokenizers.formats import json_text
from idiolect.tokenizers.formats.special import Special
from idiolect.tokenizers.formats.strict import Json, check, of_type, short

BYTE_NAMES = [f"<0x{byte:02X}>" for byte in range(256)]
BYTES_UNCUT = json_text.byte_level_settings("none")
_SINGLE_BYTES = [to_characters(bytes([byte])) for byte in range(256)]
_PLAIN: dict[str, list[object]] = {
    "dropout": [None, 0.0],
    "continuing_subword_prefix": [None, ""],
    "end_of_word_suffix": [None, ""],
}


def names_of(tokenizer: BytePairTokenizer) -> list[str]:
    """The tokens as vocabulary files write them, by id."""
    special = {token_id: name for name, token_id in tokenizer.special_tokens.items()}
    bytes_written = dict(zip(tokenizer.byte_ids, BYTE_NAMES))
    names = []
    for token_id, piece in enumerate(tokenizer.pieces):
        if token_id in special:
            names.append(special[token_id])
        elif tokenizer.symbols == "bytes":
            names.append(to_characters(piece))
        else:
            names.append(bytes_written.get(token_id) or piece.decode("utf-8"))
    return names


def merges_by_pair(tokenizer: BytePairTokenizer) -> list[tuple[int, int]]:
    """The merges, in an order by which each may have a rank of its own (`ranks` says why that is the same)."""
    if tokenizer.rank_by == "pair":
        return tokenizer.merges
    pieces = tokenizer.pieces
    first: dict[bytes, int] = {}
    for n, (left, right) in enumerate(tokenizer.merges):
        first.setdefault(pieces[left] + pieces[right], n)
    return sorted(tokenizer.merges, key=lambda pair: first[pieces[pair[0]] + pieces[pair[1]]])


def byte_settings() -> Json:
    """Normalizer, pre-tokenizer, decoder and model of the byte tokenizer's file: BPE without merges."""
    model: Json = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": {name: token_id for token_id, name in enumerate([*_SINGLE_BYTES, END_OF_TEXT])},
        "merges": [],
    }
    return {"normalizer": None, "pre_tokenizer": BYTES_UNCUT, "decoder": BYTES_UNCUT, "model": model}


def read_single_bytes(settings: Json, model: Json, special: Special) -> ByteTokenizer:
    """The tokenizer of a file that has no merges and cuts nothing: one of bytes."""
    plain = _PLAIN | {name: [None, False] for name in ("fuse_unk", "byte_fallback", "ignore_merges", "unk_token")}
    check(model, "the model", accepted=plain, read={"type", "vocab", "merges"})
    names = special.with_vocabulary(of_type(dict, model.get("vocab"), "the vocabulary"))
    if names != [*_SINGLE_BYTES, END_OF_TEXT] or special.ids != {END_OF_TEXT: 256}:
        raise TokenizerError(f"it has no merges, and its tokens are not the bytes in their order and {END_OF_TEXT}.")
    if settings.get("normalizer") is not None or settings.get("pre_tokenizer") != BYTES_UNCUT:
        raise TokenizerError("it has no merges, and changes or cuts text: that is not supported.")
    return ByteTokenizer()


def settings_of(tokenizer: BytePairTokenizer) -> Json:
    """Normalizer, pre-tokenizer, decoder and model of the file."""
    if tokenizer.unused:
        raise TokenizerError("a tokenizer.json has no pieces that are not used: keep it as a SentencePiece model.")
    of_bytes = tokenizer.symbols == "bytes"
    names = names_of(tokenizer)
    vocab = {name: token_id for token_id, name in enumerate(names)}
    if len(vocab) < len(names):
        twice = next(name for token_id, name in enumerate(names) if vocab[name] != token_id)
        raise TokenizerError(f"{short(twice)} would stand twice in the vocabulary of a tokenizer.json.")
    model: Json = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None if tokenizer.unknown is None else names[tokenizer.unknown],
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": tokenizer.unknown is not None and tokenizer.fuse_unknown,
        "byte_fallback": bool(tokenizer.byte_ids),
        "ignore_merges": tokenizer.ignore_merges,
        "vocab": vocab,
        "merges": [[names[left], names[right]] for left, right in merges_by_pair(tokenizer)],
    }
    normalizer, pattern = tokenizer.normalizer, tokenizer.pattern
    if of_bytes:
        once = normalizer.prefix_space and normalizer.prefix_once
        pre_tokenizer: Json | None = json_text.byte_level_settings(pattern, once, tokenizer.cuts)
        decoder = json_text.BYTE_LEVEL
    elif pattern in ("none", "metaspace"):
        pre_tokenizer = json_text.metaspace_settings(normalizer, pattern)
        decoder = json_text.metaspace_decoder(normalizer, bool(tokenizer.byte_ids))
    else:
        raise TokenizerError(
            f"a tokenizer.json of characters cut by the pattern {pattern} is none that this package reads: learn it "
            "with the pattern metaspace or none."
        )
    return {
        "normalizer": json_text.normalizer_settings(normalizer),
        "pre_tokenizer": pre_tokenizer,
        "decoder": decoder,
        "model": model,
    }


def read(settings: Json, model: Json, special: Special) -> BytePairTokenizer:
    """The tokenizer of a file whose model is BPE."""
    match settings.get("decoder"):
        case {"type": "ByteLevel"}:
            return _read_bytes(settings, model, special)
    if json_text.mentions(settings.get("pre_tokenizer"), "ByteLevel"):
        return _read_bytes(settings, model, special)
    return _read_characters(settings, model, special)


def _read_bytes(settings: Json, model: Json, special: Special) -> BytePairTokenizer:
    plain = _PLAIN | {
        "fuse_unk": [None, False, True],  # there is nothing unknown to 256 bytes
        "unk_token": [None, *special.ids],
        "byte_fallback": [None, False],
        "ignore_merges": [None, False, True],
    }
    check(model, "the model", accepted=plain, read={"type", "vocab", "merges"})
    normalizer = json_text.read_normalizer(settings.get("normalizer"))
    pattern, prefix, cuts = json_text.read_byte_level(settings.get("pre_tokenizer"))
    if prefix:
        if normalizer.prefix_space or normalizer.mark:
            raise TokenizerError("it puts a space before a text twice, or marks spaces: not supported.")
        normalizer = replace(normalizer, prefix_space=True, prefix_once=True)
    match settings.get("decoder"):
        case {"type": "ByteLevel"}:
            pass
        case other:
            raise TokenizerError(f"its decoder is not ByteLevel: {short(other)}.")
    names = special.with_vocabulary(of_type(dict, model.get("vocab"), "the vocabulary"))
    return of_byte_names(
        names,
        model.get("merges"),
        special,
        pattern=pattern,
        cuts=cuts,
        normalizer=normalizer,
        ignore_merges=model.get("ignore_merges") is True,
    )


def of_byte_names(
    names: Sequence[str], merges: object, special: Special, *, pattern: str, **options: object
) -> BytePairTokenizer:
    """A byte-level tokenizer from a vocabulary in GPT-2's characters."""
    pieces: list[bytes] = []
    for name in names:
        piece = utf8(name) if name in special.ids else to_bytes(name)
        if not piece:
            raise TokenizerError(f"the token {short(name)} is neither special nor made of bytes in GPT-2's characters.")
        pieces.append(piece)
    ordinary = {name: token_id for token_id, name in enumerate(names) if name not in special.ids}
    for byte in range(256):
        if to_characters(bytes([byte])) not in ordinary:
            raise TokenizerError(f"its vocabulary lacks byte {byte}: a text that has it could not be written.")
    return BytePairTokenizer(
        pieces,
        _merges(merges, ordinary),
        pattern=pattern,
        special_tokens=special.ids,
        end_of_text=special.end_of_text,
        **options,  # type: ignore[arg-type]
    )


def _read_characters(settings: Json, model: Json, special: Special) -> BytePairTokenizer:
    plain = _PLAIN | {
        "ignore_merges": [None, False, True],
        "fuse_unk": [None, False, True],
        "byte_fallback": [None, False, True],
    }
    check(model, "the model", accepted=plain, read={"type", "vocab", "merges", "unk_token"})
    normalizer, pattern = json_text.read_metaspace(settings.get("normalizer"), settings.get("pre_tokenizer"))
    json_text.check_metaspace_decoder(settings.get("decoder"))
    vocab: Mapping[str, object] = of_type(dict, model.get("vocab"), "the vocabulary")
    names = special.with_vocabulary(vocab)
    byte_ids: list[int] = []
    if model.get("byte_fallback"):
        byte_ids = byte_ids_of(names)
    unknown = model.get("unk_token")
    if unknown is not None and of_type(str, unknown, "the unknown token") not in vocab:
        raise TokenizerError(f"its unknown token {short(unknown)} is not in the vocabulary.")
    unknown_id = None if unknown is None else names.index(of_type(str, unknown, "the unknown token"))
    if unknown_id is None and not byte_ids:
        raise TokenizerError("it has neither an unknown token nor tokens for bytes: it drops characters in silence.")
    aside = {*byte_ids} | ({unknown_id} if unknown_id is not None else set())
    ordinary = {
        name: token_id for token_id, name in enumerate(names) if name not in special.ids and token_id not in aside
    }
    pieces = [utf8(name) for name in names]
    for byte, token_id in enumerate(byte_ids):
        pieces[token_id] = bytes([byte])
    return BytePairTokenizer(
        pieces,
        _merges(model.get("merges"), ordinary),
        pattern=pattern,
        special_tokens=special.ids,
        symbols="characters",
        normalizer=normalizer,
        byte_ids=byte_ids,
        unknown=unknown_id,
        ignore_merges=model.get("ignore_merges") is True,
        fuse_unknown=bool(byte_ids) or model.get("fuse_unk") is True,
        end_of_text=special.end_of_text,
    )


def byte_ids_of(names: Sequence[str]) -> list[int]:
    """The ids of the tokens `<0x00>` to `<0xFF>`.

    Raises:
        TokenizerError: one is missing.
    """
    ids = {name: token_id for token_id, name in enumerate(names)}
    for name in BYTE_NAMES:
        if name not in ids:
            raise TokenizerError(f"it falls back to bytes, but its vocabulary lacks {name}.")
    return [ids[name] for name in BYTE_NAMES]


def _merges(written: object, ordinary: Mapping[str, int]) -> list[tuple[int, int]]:
    merges: dict[tuple[int, int], None] = {}
    for merge in of_type(list, written, "the merges"):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        match pair:
            case [str(left), str(right)]:
                for name in (left, right, left + right):
                    if name not in ordinary:
                        raise TokenizerError(
                            f"the merge {short(merge)} needs {short(name)}, which the vocabulary lacks."
                        )
                if (ordinary[left], ordinary[right]) in merges:
                    raise TokenizerError(f"the merge {short(merge)} stands twice.")
                merges[ordinary[left], ordinary[right]] = None
            case _:
                raise TokenizerError(f"the merge {short(merge)} is not a pair of tokens.")
    return list(merges)
