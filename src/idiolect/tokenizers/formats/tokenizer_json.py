"""Hugging Face's `tokenizer.json` and the `tokenizer_config.json` beside it: the settings that all families share.

`tokenizers` and `transformers` load what is written here with the same ids (they read a special token's name in a text
as the special token; `encode` does so where it is allowed). Reading is strict: a setting that would change ids is
refused with its name, never passed over. What a post-processor puts around a text (`<s>`, `[CLS]`) is the tokenizer's
frame: `encode` gives the ids of the text, which is `add_special_tokens=False` there, and `framed` puts ids into the
frame. Where there is no post-processor, `add_bos_token` in the configuration says nothing, as in `transformers` 5.

The length that a file cuts texts to or fills them up to (`truncation`, `padding`, as folders of sentence-transformers
have them) is read and left: `encode` never cuts a text in silence. What embeds or labels texts cuts them to the model's
context. `transformers` does the same unless a call says otherwise; with `tokenizers` alone, `no_truncation()` and
`no_padding()` give these ids.

The families: `json_bpe`, `json_unigram`, `json_words`; what happens to text before and after: `json_text`; what
stands around it: `json_frame`; the configuration: `config`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.byte_level import utf8
from idiolect.tokenizers.bytes_ import ByteTokenizer
from idiolect.tokenizers.characters import CharacterTokenizer
from idiolect.tokenizers.extended import ExtendedTokenizer
from idiolect.tokenizers.finding import Strip, touches_words
from idiolect.tokenizers.formats import config, json_bpe, json_frame, json_text, json_unigram, json_words
from idiolect.tokenizers.formats.config import Config
from idiolect.tokenizers.formats.special import Special
from idiolect.tokenizers.formats.strict import Json, check, of_type, parse_json, short
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.unigram import UnigramTokenizer
from idiolect.tokenizers.wordpiece import WordPieceTokenizer
from idiolect.tokenizers.words import WordTokenizer

FILE = "tokenizer.json"


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
    late: Collection[str] = ()
    if isinstance(tokenizer, ExtendedTokenizer):
        late = added if tokenizer.marks else tokenizer.late
    tokens = []
    for name, token_id in sorted({**tokenizer.special_tokens, **added}.items(), key=lambda item: item[1]):
        left, right, alone = tokenizer.strips.get(name, Strip())
        flags = {"single_word": alone, "lstrip": left, "rstrip": right, "normalized": name in late}
        tokens.append({"id": token_id, "content": name, **flags, "special": name in tokenizer.special_tokens})
    if isinstance(tokenizer, ExtendedTokenizer) and tokenizer.normalizer is not None:
        _check_late(tokenizer.normalizer)
        parts["normalizer"] = json_text.normalizer_settings(tokenizer.normalizer)
    settings = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": tokens,
        "normalizer": parts["normalizer"],
        "pre_tokenizer": parts["pre_tokenizer"],
        "post_processor": json_frame.settings_of(tokenizer.frame, tokenizer.special_tokens),
        "decoder": parts["decoder"],
        "model": parts["model"],
    }
    content = json.dumps(settings, ensure_ascii=False, indent=2) + "\n"
    return {FILE: content.encode("utf-8"), config.FILE: config.written(tokenizer)}


# Reading

_LENGTHS = {
    "truncation": {"direction", "max_length", "strategy", "stride"},
    "padding": {"strategy", "direction", "pad_to_multiple_of", "pad_id", "pad_type_id", "pad_token"},
}
"""What cuts a row of ids or fills it up: settings that change no id of a text."""


def read(file: Path, content: bytes, given: Mapping[str, int]) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`, with the roles that the configuration beside it gives.

    Args:
        file: where it lies.
        content: what it holds.
        given: special tokens beside those of the file.
    """
    settings = parse_json(content)
    model = of_type(dict, settings.get("model"), "the model")
    for name, known in _LENGTHS.items():
        if settings.get(name) is not None:
            check(of_type(dict, settings[name], f"the {name}"), f"the {name}", accepted={}, read=known)
    plain: dict[str, list[object]] = {"version": ["1.0"]}
    parts = {"added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model"}
    check(settings, "the file", accepted=plain, read=parts | _LENGTHS.keys())
    frame, framing = json_frame.read(settings.get("post_processor"))
    beside = Config.beside(file)
    tokens = _added_tokens(settings.get("added_tokens"))
    tokens.special |= given
    _check_alone(tokens, normalizes=settings.get("normalizer") is not None)
    _make_special(tokens, framing, beside, model.get("vocab"))
    tokenizer = _read_tokens(settings, model, tokens, beside.roles.get("eos"))
    tokenizer.frame, tokenizer.roles = frame, beside.roles
    return tokenizer


@dataclass
class _Tokens:
    """The tokens that are found by their names."""

    special: dict[str, int] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    strips: dict[str, Strip] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)  # those of `added` that are found in normalized text
    late_special: set[str] = field(default_factory=set)  # and of `special`


def _make_special(tokens: _Tokens, framing: Mapping[str, int], beside: Config, vocab: object) -> None:
    """Add the tokens of the frame and those with a role, where they are of the model's vocabulary alone."""
    pairs = vocab if isinstance(vocab, list) else []
    own = vocab if isinstance(vocab, dict) else {pair[0]: n for n, pair in enumerate(pairs) if _names_token(pair)}
    for name, token_id in framing.items():
        known = tokens.special.get(name, own.get(name))
        if name in tokens.added or known != token_id:
            raise TokenizerError(
                f"its post-processor puts {short(name)} with id {token_id} around texts, which is no special token."
            )
        tokens.special[name] = token_id
    beside.check({*tokens.special, *tokens.added, *own})
    for name in beside.roles.values():
        if name not in tokens.special:
            if name in tokens.added:
                raise TokenizerError(f"{short(name)} has a role in the {config.FILE} beside it, and is not special.")
            tokens.special[name] = of_type(int, own[name], f"the id of {short(name)}")


def _names_token(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)


def _read_tokens(settings: Json, model: Json, tokens: _Tokens, told: object) -> Tokenizer:
    special, ids, added = Special.of(tokens.special, told), tokens.special, tokens.added
    vocab = model.get("vocab")
    if not added:
        # Models of these kinds have no place for special tokens that were added later.
        plain = model.get("type") in ("WordLevel", "Unigram") or model.get("merges") == []
        known = len(vocab) if isinstance(vocab, dict | list) else 0
        first = {name: token_id for name, token_id in ids.items() if token_id < known}
        if plain and special.end_of_text in first and first != ids:
            base = _read_model(settings, model, Special(first, special.end_of_text))
            _check_appended(base, ids)
            return ExtendedTokenizer(base, {}, ids, strips=tokens.strips)
        tokenizer = _read_model(settings, model, special)
        tokenizer.strips = tokens.strips
        return tokenizer
    names = {name: token_id for name, token_id in added.items() if isinstance(vocab, dict) and name in vocab}
    appended = min((token_id for name, token_id in added.items() if name not in names), default=2**62)
    own = {name: token_id for name, token_id in (ids | names).items() if token_id < appended}
    if special.end_of_text not in own:
        raise TokenizerError(
            f"its special token {short(special.end_of_text)} comes after tokens that were added to it."
        )
    marks, late = _found_in_marked_text(settings, tokens)
    changes = bool(late) and settings.get("normalizer") is not None
    without = settings | {"normalizer": None} if changes else settings  # what finds the late tokens normalizes first
    base = _read_model(without, model, Special(own, special.end_of_text))
    _check_appended(base, {**ids, **added})
    normalizer = json_text.read_normalizer(settings["normalizer"]) if changes else None
    return ExtendedTokenizer(base, added, ids, marks=marks, strips=tokens.strips, late=late, normalizer=normalizer)


def _found_in_marked_text(settings: Json, tokens: _Tokens) -> tuple[bool, set[str]]:
    """Whether added tokens are found after spaces have become `▁`, rather than in the text as it is; and those that are
    found after it has been normalized otherwise."""
    if json_text.puts_space_in_front_once(settings.get("pre_tokenizer")):
        raise TokenizerError("it has added tokens, and puts a space before the first stretch alone: not supported.")
    if settings.get("normalizer") is None:  # they are found after the others all the same
        return False, tokens.late if tokens.late < tokens.added.keys() else set()
    if not tokens.late:
        return False, set()
    if settings["normalizer"] == json_text.SPACES_MARKED and tokens.late == tokens.added.keys():
        return True, set()
    normalizer = json_text.read_normalizer(settings["normalizer"])
    _check_late(normalizer)
    for name in tokens.late:
        if normalizer(name) != name:
            raise TokenizerError(f"its normalizer changes the name of its added token {short(name)}: not supported.")
    return False, tokens.late


def _check_alone(tokens: _Tokens, *, normalizes: bool) -> None:
    """Refuse tokens that stand alone where something else is beside them here than there: special tokens are found
    first, and in the text as it is."""
    early = tokens.added.keys() - tokens.late
    for name in sorted(name for name, strip in tokens.strips.items() if strip.alone):
        others = set[str]()
        if name in tokens.added:
            others = tokens.late_special if name in tokens.late else {*tokens.special}
        elif name in tokens.late_special:
            others = early
        for other in sorted(others):
            if touches_words(other):
                raise TokenizerError(
                    f"its added token {short(name)} stands alone, and may stand beside {short(other)}, which begins or "
                    "ends as a word: not supported."
                )
        if normalizes and name in tokens.late_special:
            raise TokenizerError(f"its special token {short(name)} stands alone in normalized text: not supported.")


def _check_late(normalizer: Normalizer) -> None:
    """Refuse normalizers that change spaces where added tokens are found after it: the names would change too."""
    if normalizer != Normalizer(normalizer.form, normalizer.lowercase):
        raise TokenizerError("tokens are found in text whose spaces have been changed already, which is not supported.")


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


_FLAGS = {"normalized": "is normalized", "lstrip": "strips", "rstrip": "strips", "single_word": "stands alone"}


def _added_tokens(written: object) -> _Tokens:
    """The special tokens and the ordinary ones that are found before anything else."""
    tokens = _Tokens()
    taken: set[int] = set()
    for token in of_type(list, written, "the list of added tokens"):
        record = of_type(dict, token, "an added token")
        name = of_type(str, record.get("content"), "the content of an added token")
        token_id = of_type(int, record.get("id"), f"the id of {short(name)}")
        fields = {"content", "id", "special", "normalized", "lstrip", "rstrip", "single_word"}
        check(record, f"the added token {short(name)}", accepted={}, read=fields)
        if name in tokens.special or name in tokens.added or token_id in taken:
            raise TokenizerError(f"the added token {short(name)} or its id {token_id} stands twice.")
        if not name or token_id < 0:
            raise TokenizerError(f"the added token {short(name)} is empty, or its id {token_id} is below 0.")
        taken.add(token_id)
        utf8(name)
        if "special" not in record:
            raise TokenizerError(f"the added token {short(name)} is not said to be special or not.")
        late, *beside = (
            of_type(bool, record.get(flag, False), f"whether {short(name)} {does}") for flag, does in _FLAGS.items()
        )
        if any(beside):
            tokens.strips[name] = Strip(*beside)
        if of_type(bool, record["special"], f"whether {short(name)} is special"):
            tokens.special[name] = token_id
            tokens.late_special |= {name} if late else set()
        else:
            tokens.added[name] = token_id
            tokens.late |= {name} if late else set()
    return tokens
