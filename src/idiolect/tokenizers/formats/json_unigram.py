"""The unigram model in `tokenizer.json`, both ways (T5, XLM-RoBERTa, ALBERT, and what SentencePiece learnt)."""

from __future__ import annotations

import math

from idiolect.errors import TokenizerError
from idiolect.tokenizers.byte_level import utf8
from idiolect.tokenizers.formats import json_text
from idiolect.tokenizers.formats.json_bpe import BYTE_NAMES, byte_ids_of
from idiolect.tokenizers.formats.special import Special
from idiolect.tokenizers.formats.strict import Json, check, of_type, short
from idiolect.tokenizers.unigram import UnigramTokenizer


def settings_of(tokenizer: UnigramTokenizer) -> Json:
    """Normalizer, pre-tokenizer, decoder and model of the file.

    Raises:
        TokenizerError: it has tokens that are always taken, which the file cannot tell from others.
    """
    if tokenizer.user_defined:
        raise TokenizerError(
            "a tokenizer.json cannot say that a unigram model always takes some of its tokens "
            f"({short(tokenizer.pieces[tokenizer.user_defined[0]])}): keep it as a SentencePiece model."
        )
    if tokenizer.unused:
        raise TokenizerError("a tokenizer.json has no pieces that are not used: keep it as a SentencePiece model.")
    names = list(tokenizer.pieces)
    for token_id, name in zip(tokenizer.byte_ids, BYTE_NAMES):
        names[token_id] = name
    if len(set(names)) < len(names):
        twice = next(name for n, name in enumerate(names) if name in names[:n])
        raise TokenizerError(f"{short(twice)} would stand twice in the vocabulary of a tokenizer.json.")
    model: Json = {
        "type": "Unigram",
        "unk_id": tokenizer.unknown,
        "vocab": [[name, score] for name, score in zip(names, tokenizer.scores)],
        "byte_fallback": bool(tokenizer.byte_ids),
    }
    return {
        "normalizer": json_text.normalizer_settings(tokenizer.normalizer),
        "pre_tokenizer": json_text.metaspace_settings(tokenizer.normalizer, "none"),
        "decoder": json_text.metaspace_decoder(tokenizer.normalizer, bool(tokenizer.byte_ids)),
        "model": model,
    }


def read(settings: Json, model: Json, special: Special) -> UnigramTokenizer:
    """The tokenizer of a file whose model is Unigram."""
    check(model, "the model", accepted={"byte_fallback": [None, False, True]}, read={"type", "vocab", "unk_id"})
    normalizer, pattern = json_text.read_metaspace(settings.get("normalizer"), settings.get("pre_tokenizer"))
    json_text.check_metaspace_decoder(settings.get("decoder"))
    names: list[str] = []
    scores: list[float] = []
    ids: dict[str, int] = {}
    for entry in of_type(list, model.get("vocab"), "the vocabulary"):
        match entry:
            case [str(name), float() | int() as score] if not isinstance(score, bool):
                if not name or name in ids:
                    raise TokenizerError(f"the token {short(name)} is empty or stands twice.")
                if not math.isfinite(score) or abs(score) > 1e30:
                    raise TokenizerError(f"the score of {short(name)} is {short(score)}, which is no log-probability.")
                utf8(name)
                ids[name] = len(names)
                names.append(name)
                scores.append(float(score))
            case _:
                raise TokenizerError(f"{short(entry)} is not a token with its score.")
    known = len(names)
    names = special.with_vocabulary(ids)
    scores += [0.0] * (len(names) - known)  # special tokens beyond the model's own
    unknown = of_type(int, model.get("unk_id"), "the id of the unknown token")
    if not 0 <= unknown < known:
        raise TokenizerError(f"its unknown token has the id {unknown}, and there are {known} tokens.")
    byte_ids = byte_ids_of(names) if model.get("byte_fallback") else []
    if pattern == "metaspace":
        if json_text.MARK not in ids:
            raise TokenizerError(f"it cuts text before each {short(json_text.MARK)}, but has no such token.")
        aside = {unknown, *byte_ids, *special.ids.values()}
        for token_id, name in enumerate(names):
            if token_id not in aside and json_text.MARK in name[1:]:
                raise TokenizerError(
                    f"it cuts text before each {short(json_text.MARK)}, but {short(name)} spans such a place."
                )
    return UnigramTokenizer(
        names,
        scores,
        unknown=unknown,
        special_tokens=special.ids,
        normalizer=normalizer,
        byte_ids=byte_ids,
        end_of_text=special.end_of_text,
    )
