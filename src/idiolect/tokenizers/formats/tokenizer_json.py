"""Hugging Face's `tokenizer.json` and the `tokenizer_config.json` beside it: the frame that all families share.

`tokenizers` and `transformers` load what is written here with the same ids (they read a special token's name in a text
as the special token; `encode` does so where it is allowed). Reading is strict: a setting that would change ids is
refused with its name, never passed over. What a post-processor puts around a text (`<s>`, `[CLS]`) is not read:
`encode` gives the ids of the text, which is `add_special_tokens=False` there.

The families: `json_bpe`, `json_unigram`, `json_words`; what happens to text before and after: `json_text`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.byte_level import utf8
from idiolect.tokenizers.bytes_ import ByteTokenizer
from idiolect.tokenizers.characters import CharacterTokenizer
from idiolect.tokenizers.extended import ExtendedTokenizer
from idiolect.tokenizers.formats import json_bpe, json_text, json_unigram, json_words
from idiolect.tokenizers.formats.special import Special
from idiolect.tokenizers.formats.strict import Json, check, of_type, parse_json, read_bytes, short
from idiolect.tokenizers.unigram import UnigramTokenizer
from idiolect.tokenizers.wordpiece import WordPieceTokenizer
from idiolect.tokenizers.words import WordTokenizer

FILE, CONFIG = "tokenizer.json", "tokenizer_config.json"
_NO_LIMIT = int(1e30)  # what transformers writes where the tokenizer itself sets no length


# Writing


def written(tokenizer: Tokenizer) -> dict[str, bytes]:
    """The two files, by name.

    Raises:
        TokenizerError: the format cannot express this tokenizer; the message says why.
    """
    base, added = (tokenizer.base, tokenizer.added) if isinstance(tokenizer, ExtendedTokenizer) else (tokenizer, {})
    match base:
        case BytePairTokenizer():
            parts = json_bpe.settings_of(base)
        case UnigramTokenizer():
            parts = json_unigram.settings_of(base)
        case WordPieceTokenizer():
            parts = json_words.wordpiece_settings(base)
        case CharacterTokenizer():
            parts = json_words.character_settings(base)
        case WordTokenizer():
            parts = json_words.word_settings(base)
        case ByteTokenizer():
            parts = json_bpe.byte_settings()
        case _:
            raise TokenizerError(f"a tokenizer of kind {tokenizer.kind} cannot be written as a {FILE}.")
    plain = {"single_word": False, "lstrip": False, "rstrip": False}
    marks = isinstance(tokenizer, ExtendedTokenizer) and tokenizer.marks
    tokens = [
        {
            "id": token_id,
            "content": name,
            **plain,
            "normalized": marks and name in added,
            "special": name in tokenizer.special_tokens,
        }
        for name, token_id in sorted({**tokenizer.special_tokens, **added}.items(), key=lambda item: item[1])
    ]
    settings = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": tokens,
        "normalizer": parts["normalizer"],
        "pre_tokenizer": parts["pre_tokenizer"],
        "post_processor": None,
        "decoder": parts["decoder"],
        "model": parts["model"],
    }
    for_transformers: Json = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokenizer.end_of_text_name,
        "eos_token": tokenizer.end_of_text_name,
        "clean_up_tokenization_spaces": False,
        "model_max_length": _NO_LIMIT,
    }  # no pad token: were it the end of text, models trained with it would never learn to stop
    return {FILE: _json(settings), CONFIG: _json(for_transformers)}


def _json(content: Json) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode("utf-8")


# Reading


def read(file: Path, content: bytes, given: Mapping[str, int]) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`; of a `tokenizer_config.json` beside it, only what it calls the end counts.

    Args:
        file: where it lies.
        content: what it holds.
        given: special tokens beside those of the file.
    """
    settings = parse_json(content)
    model = of_type(dict, settings.get("model"), "the model")
    plain: dict[str, list[object]] = {"version": ["1.0"], "truncation": [None], "padding": [None]}
    parts = {"added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model"}
    check(settings, "the file", accepted=plain, read=parts)
    _check_post_processor(settings.get("post_processor"))
    ids, added = _added_tokens(settings.get("added_tokens"))
    ids |= given
    special = Special.of(ids, _end_in_config(file.parent / CONFIG))
    if not added:
        return _read_model(settings, model, special)
    vocab = model.get("vocab")
    names = {name: token_id for name, token_id in added.items() if isinstance(vocab, dict) and name in vocab}
    appended = min((token_id for name, token_id in added.items() if name not in names), default=2**62)
    own = {name: token_id for name, token_id in (ids | names).items() if token_id < appended}
    if special.end_of_text not in own:
        raise TokenizerError(
            f"its special token {short(special.end_of_text)} comes after tokens that were added to it."
        )
    base = _read_model(settings, model, Special(own, special.end_of_text))
    _check_appended(base, {**ids, **added})
    return ExtendedTokenizer(base, added, ids, marks=_found_in_marked_text(settings, added))


def _found_in_marked_text(settings: Json, added: Mapping[str, int]) -> bool:
    """Whether added tokens are found after spaces have become `▁`, rather than in the text as it is."""
    if json_text.puts_space_in_front_once(settings.get("pre_tokenizer")):
        raise TokenizerError("it has added tokens, and puts a space before the first stretch alone: not supported.")
    tokens = [
        record for record in of_type(list, settings["added_tokens"], "the added tokens") if isinstance(record, dict)
    ]
    late = {bool(record.get("normalized")) for record in tokens if record.get("content") in added}
    if settings.get("normalizer") is None or late == {False}:
        return False
    if settings["normalizer"] == json_text.SPACES_MARKED and late == {True}:
        return True
    raise TokenizerError("it finds added tokens in text that is normalized already, which is not supported.")


def _check_appended(base: Tokenizer, names: Mapping[str, int]) -> None:
    """Refuse tokens that do not follow the model's own without a hole."""
    appended = sorted(token_id for token_id in names.values() if token_id >= base.vocab_size)
    if appended != list(range(base.vocab_size, base.vocab_size + len(appended))):
        raise TokenizerError(f"the ids of its added tokens do not follow the {base.vocab_size} of its model.")


def _read_model(settings: Json, model: Json, special: Special) -> Tokenizer:
    match model.get("type", "BPE"):
        case "BPE" if model.get("merges") == [] and settings.get("decoder") == json_bpe.BYTES_UNCUT:
            return json_bpe.read_single_bytes(settings, model, special)
        case "BPE":
            return json_bpe.read(settings, model, special)
        case "Unigram":
            return json_unigram.read(settings, model, special)
        case "WordPiece":
            return json_words.read_wordpiece(settings, model, special)
        case "WordLevel" if json_words.rule_of(settings):
            return json_words.read_words(settings, model, special)
        case "WordLevel":
            return json_words.read_characters(settings, model, special)
        case other:
            raise TokenizerError(
                f"its model is of type {short(other)}; BPE, Unigram, WordPiece and WordLevel (characters, words) can "
                "be read."
            )


def _check_post_processor(value: object) -> None:
    """Accept what leaves the ids of the text alone and only puts special tokens around it."""
    match value:
        case None | {"type": "ByteLevel" | "TemplateProcessing" | "BertProcessing" | "RobertaProcessing"}:
            pass
        case {"type": "Sequence", "processors": [*steps]}:
            for step in steps:
                if isinstance(step, dict) and step.get("type") == "Sequence":
                    raise TokenizerError("its post-processors are nested, which is not supported.")
                _check_post_processor(step)
        case other:
            raise TokenizerError(f"its post-processor is not known: {short(other)}.")


def _added_tokens(written: object) -> tuple[dict[str, int], dict[str, int]]:
    """The special tokens and the ordinary ones that are found before anything else."""
    special: dict[str, int] = {}
    added: dict[str, int] = {}
    taken: set[int] = set()
    for token in of_type(list, written, "the list of added tokens"):
        record = of_type(dict, token, "an added token")
        name = of_type(str, record.get("content"), "the content of an added token")
        token_id = of_type(int, record.get("id"), f"the id of {short(name)}")
        plain: dict[str, list[object]] = {"single_word": [False], "lstrip": [False], "rstrip": [False]}
        fields = {"content", "id", "special", "normalized"}
        check(record, f"the added token {short(name)}", accepted=plain, read=fields)
        if name in special or name in added or token_id in taken:
            raise TokenizerError(f"the added token {short(name)} or its id {token_id} stands twice.")
        if not name or token_id < 0:
            raise TokenizerError(f"the added token {short(name)} is empty, or its id {token_id} is below 0.")
        taken.add(token_id)
        utf8(name)
        if "special" not in record:
            raise TokenizerError(f"the added token {short(name)} is not said to be special or not.")
        of_type(bool, record.get("normalized", False), f"whether {short(name)} is normalized")
        chosen = special if of_type(bool, record["special"], f"whether {short(name)} is special") else added
        chosen[name] = token_id
    return special, added


def _end_in_config(file: Path) -> object:
    """What the configuration beside a tokenizer calls its end; None where there is none."""
    if not file.is_file():
        return None
    try:
        end = parse_json(read_bytes(file)).get("eos_token")
    except TokenizerError as fault:
        raise TokenizerError(f"of the {CONFIG} beside it, {fault}") from None
    return end.get("content") if isinstance(end, dict) else end
