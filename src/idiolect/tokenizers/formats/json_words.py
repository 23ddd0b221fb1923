"""Words, characters and WordPiece in `tokenizer.json`, both ways."""

from __future__ import annotations

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT
from idiolect.tokenizers.byte_level import utf8
from idiolect.tokenizers.characters import CharacterTokenizer
from idiolect.tokenizers.formats.json_text import normalizer_settings, read_normalizer, split_settings
from idiolect.tokenizers.formats.special import Special
from idiolect.tokenizers.formats.strict import Json, check, of_type, short
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.wordpiece import BertCleaning, WordPieceTokenizer
from idiolect.tokenizers.words import RULES, UNKNOWN, Rule, WordTokenizer

_ANY_CHARACTER = r"[\s\S]"
_UNKNOWN = "<|unknown|>"  # in no vocabulary: makes `tokenizers` refuse an unknown character, as we do
_WORD_CUTS: dict[Rule, Json] = {
    "words": {"type": "Split", "pattern": {"Regex": RULES["words"]}, "behavior": "Removed", "invert": True},
    "whitespace": {"type": "WhitespaceSplit"},
}
_SWITCHES = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")


def character_settings(tokenizer: CharacterTokenizer) -> Json:
    """Normalizer, pre-tokenizer, decoder and model of a character tokenizer's file."""
    vocab = {name: token_id for token_id, name in enumerate([END_OF_TEXT, *tokenizer.alphabet])}
    return {
        "normalizer": None,
        "pre_tokenizer": split_settings(_ANY_CHARACTER),
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": _UNKNOWN},
    }


def read_characters(settings: Json, model: Json, special: Special) -> CharacterTokenizer:
    """The tokenizer of a file whose model is WordLevel: one of characters."""
    check(model, "the model", accepted={"unk_token": [_UNKNOWN]}, read={"type", "vocab"})
    if settings.get("normalizer") is not None:
        raise TokenizerError(f"it changes text in a way that is not supported: {short(settings['normalizer'])}.")
    if settings.get("pre_tokenizer") != split_settings(_ANY_CHARACTER) or settings.get("decoder") != {"type": "Fuse"}:
        raise TokenizerError("its WordLevel model is not one of characters: it does not cut between every two of them.")
    names = special.with_vocabulary(of_type(dict, model.get("vocab"), "the vocabulary"))
    if special.ids != {END_OF_TEXT: 0}:
        raise TokenizerError(f"its special tokens are not {END_OF_TEXT} alone, with id 0.")
    for name in names[1:]:
        if len(name) != 1:
            raise TokenizerError(f"the token {short(name)} is not one character.")
        utf8(name)
    return CharacterTokenizer(names[1:])


def word_settings(tokenizer: WordTokenizer) -> Json:
    """Normalizer, pre-tokenizer, decoder and model of a word tokenizer's file."""
    vocab = {name: token_id for token_id, name in enumerate([END_OF_TEXT, UNKNOWN, *tokenizer.words])}
    return {
        "normalizer": None,
        "pre_tokenizer": _WORD_CUTS[tokenizer.rule],
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": UNKNOWN},
    }


def rule_of(settings: Json) -> Rule | None:
    """The rule by which a file cuts words; None where it is not ours."""
    return next((rule for rule, cut in _WORD_CUTS.items() if cut == settings.get("pre_tokenizer")), None)


def read_words(settings: Json, model: Json, special: Special) -> WordTokenizer:
    """The tokenizer of a file whose model is WordLevel and which cuts words by one of our rules."""
    check(model, "the model", accepted={"unk_token": [UNKNOWN]}, read={"type", "vocab"})
    rule = rule_of(settings)
    if rule is None or settings.get("normalizer") is not None:
        raise TokenizerError(f"it changes text in a way that is not supported: {short(settings.get('normalizer'))}.")
    if settings.get("decoder") is not None:
        raise TokenizerError(f"its decoder does not join words by spaces: {short(settings['decoder'])}.")
    names = special.with_vocabulary(of_type(dict, model.get("vocab"), "the vocabulary"))
    if special.ids != {END_OF_TEXT: 0} or names[1:2] != [UNKNOWN]:
        raise TokenizerError(f"its first tokens are not {END_OF_TEXT}, the one special token, and {UNKNOWN}.")
    return WordTokenizer([utf8(name).decode() for name in names[2:]], rule)


def wordpiece_settings(tokenizer: WordPieceTokenizer) -> Json:
    """Normalizer, pre-tokenizer, decoder and model of a WordPiece tokenizer's file."""
    cleaning = tokenizer.cleaning
    if isinstance(cleaning, BertCleaning):
        normalizer: Json | None = {"type": "BertNormalizer", **{name: getattr(cleaning, name) for name in _SWITCHES}}
    else:
        normalizer = normalizer_settings(cleaning)
    return {
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": tokenizer.prefix, "cleanup": False},
        "model": {
            "type": "WordPiece",
            "unk_token": tokenizer.pieces[tokenizer.unknown],
            "continuing_subword_prefix": tokenizer.prefix,
            "max_input_chars_per_word": tokenizer.longest_word,
            "vocab": {piece: token_id for token_id, piece in enumerate(tokenizer.pieces)},
        },
    }


def read_wordpiece(settings: Json, model: Json, special: Special) -> WordPieceTokenizer:
    """The tokenizer of a file whose model is WordPiece and which cuts text as BERT does."""
    fields = {"type", "vocab", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word"}
    check(model, "the model", accepted={}, read=fields)
    if settings.get("pre_tokenizer") != {"type": "BertPreTokenizer"}:
        raise TokenizerError(
            f"it cuts text in a way that is not BERT's, which is not supported: {short(settings.get('pre_tokenizer'))}."
        )
    match settings.get("decoder"):
        case None | {"type": "WordPiece"}:
            pass
        case other:
            raise TokenizerError(f"its decoder is not WordPiece: {short(other)}.")
    vocab = of_type(dict, model.get("vocab"), "the vocabulary")
    names = special.with_vocabulary(vocab)
    for name in names:
        utf8(name)
    unknown = of_type(str, model.get("unk_token"), "the unknown token")
    if unknown not in vocab:
        raise TokenizerError(f"its unknown token {short(unknown)} is not in the vocabulary.")
    longest = of_type(int, model.get("max_input_chars_per_word"), "the longest word")
    if not 0 <= longest <= 10_000:
        raise TokenizerError(f"its longest word has {longest} characters: from 0 to 10000 is supported.")
    return WordPieceTokenizer(
        names,
        unknown=names.index(unknown),
        special_tokens=special.ids,
        cleaning=_cleaning(settings.get("normalizer")),
        prefix=of_type(str, model.get("continuing_subword_prefix"), "the prefix inside words"),
        longest_word=longest,
        end_of_text=special.end_of_text,
    )


def _cleaning(value: object) -> BertCleaning | Normalizer:
    """What is done to a text first: BERT's four switches, or a chain of normalizers that leaves its spaces alone."""
    if not isinstance(value, dict) or value.get("type") != "BertNormalizer":
        normalizer = read_normalizer(value)
        if normalizer.collapse_spaces or normalizer.prefix_space or normalizer.mark:
            raise TokenizerError(f"its normalizer changes spaces, which is not supported: {short(value)}.")
        return normalizer
    check(value, "the normalizer", accepted={"type": ["BertNormalizer"]}, read=_SWITCHES)
    if value.get("strip_accents") is None:  # accents go with capitals where nothing is said of them
        value = value | {"strip_accents": value.get("lowercase")}
    return BertCleaning(*(of_type(bool, value.get(name), f"the switch {name}") for name in _SWITCHES))
