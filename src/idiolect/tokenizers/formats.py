"""Tokenizers as files, and the one place that chooses a family: learn, save and load.

A tokenizer is saved as `tokenizer.json` and `tokenizer_config.json`, which `tokenizers` and `transformers` load with
the same ids (they read `<|endoftext|>` in a text as the special token; `encode` does so where it is allowed). Reading
is strict: a file is data from anywhere, and a setting that would change ids is refused with its name, never passed
over. Any byte-level BPE that cuts text by one of our patterns can be read (GPT-2's, for one), as can all that is
written here.

The whole file is held while it is read: some hundred bytes for each id.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.byte_level import CHARACTER_OF_BYTE, to_bytes, to_characters, utf8
from idiolect.tokenizers.bytes_ import ByteTokenizer
from idiolect.tokenizers.characters import CharacterTokenizer
from idiolect.tokenizers.patterns import PATTERNS
from idiolect.tokenizers.words import RULES, UNKNOWN, Rule, WordTokenizer

if TYPE_CHECKING:
    from idiolect.text.corpus import Corpus

Json = dict[str, object]
_T = TypeVar("_T")

_FILE = "tokenizer.json"
_LARGEST_FILE = 256 * 2**20  # bytes; the largest vocabularies in use take some 30 MB
_ANY_CHARACTER = r"[\s\S]"
_UNKNOWN = "<|unknown|>"  # in no vocabulary: makes `tokenizers` refuse an unknown character, as we do
_BYTES_UNCUT: Json = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
_BYTE_NAMES = [CHARACTER_OF_BYTE[byte] for byte in range(256)]
_WORD_CUTS: dict[Rule, Json] = {
    "words": {"type": "Split", "pattern": {"Regex": RULES["words"]}, "behavior": "Removed", "invert": True},
    "whitespace": {"type": "WhitespaceSplit"},
}
_NO_LIMIT = int(1e30)  # what transformers writes where the tokenizer itself sets no length


def train_tokenizer(texts: Corpus | Sequence[str], *, kind: str, vocab_size: int, pattern: str, ties: str) -> Tokenizer:
    """Learn a tokenizer, as `Tokenizer.train` documents it. Of a corpus, only the documents for training are read."""
    match kind:
        case "bpe":
            return BytePairTokenizer.learn(_strings(texts), vocab_size=vocab_size, pattern=pattern, ties=ties)
        case "characters":
            return CharacterTokenizer.learn(_strings(texts), vocab_size=vocab_size)
        case "words" | "whitespace":
            return WordTokenizer.learn(_strings(texts), vocab_size=vocab_size, rule=kind)
        case "bytes":
            if vocab_size < 257:
                raise TokenizerError(
                    f"A vocabulary of {vocab_size} is too small: the bytes and {END_OF_TEXT} take 257."
                )
            return ByteTokenizer()
    raise TokenizerError(f"There is no tokenizer of kind {kind!r}: choose bpe, words, whitespace, characters or bytes.")


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json` into an existing folder."""
    match tokenizer:
        case BytePairTokenizer():
            settings = _bpe_settings(tokenizer)
        case CharacterTokenizer():
            settings = _character_settings(tokenizer)
        case WordTokenizer():
            settings = _word_settings(tokenizer)
        case ByteTokenizer():
            settings = _byte_settings(tokenizer)
        case _:
            raise AssertionError(f"a tokenizer of kind {tokenizer.kind} has no file format")
    for_transformers = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
        "model_max_length": _NO_LIMIT,
    }  # no pad token: were it the end of text, models trained with it would never learn to stop
    for name, content in ((_FILE, settings), ("tokenizer_config.json", for_transformers)):
        (folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def load_tokenizer(path: Path) -> Tokenizer:
    """Read the tokenizer of a folder, or a `tokenizer.json`.

    Raises:
        TokenizerError: there is none, or it is damaged, or of a kind this package does not read, and which of these.
    """
    file = path / _FILE if path.is_dir() else path
    if not file.is_file():
        raise TokenizerError(f"There is no tokenizer at {path}: give a folder that has a {_FILE}, or that file.")
    try:
        return _read(_parse(file))
    except TokenizerError as fault:
        raise TokenizerError(f"{file} cannot be used: {fault}") from None


def _strings(texts: Corpus | Sequence[str]) -> Iterator[str]:
    if isinstance(texts, str):
        raise TokenizerError("A tokenizer learns from a list of texts, each a document: put the text into a list.")
    if isinstance(texts, Sequence):
        yield from texts
    else:
        for document in texts.documents(split="train"):
            yield document.text


# Writing


def _bpe_settings(tokenizer: BytePairTokenizer) -> Json:
    special = {token_id: name for name, token_id in tokenizer.special_tokens.items()}
    names = [
        special[i] if i in special else to_characters(tokenizer.token_bytes(i)) for i in range(tokenizer.vocab_size)
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    pre_tokenizer: Json = byte_level  # GPT-2's pattern is built into it
    if tokenizer.pattern != "gpt2":
        cut = _split_settings(PATTERNS[tokenizer.pattern])
        pre_tokenizer = {"type": "Sequence", "pretokenizers": [cut, byte_level | {"use_regex": False}]}
    merges = [[names[left], names[right]] for left, right in tokenizer.merges]
    return _settings(tokenizer, pre_tokenizer, byte_level, _bpe_model(names, merges))


def _bpe_model(names: Sequence[str], merges: Sequence[Sequence[str]]) -> Json:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": {name: token_id for token_id, name in enumerate(names)},
        "merges": merges,
    }


def _character_settings(tokenizer: CharacterTokenizer) -> Json:
    vocab = {name: token_id for token_id, name in enumerate([END_OF_TEXT, *tokenizer.alphabet])}
    model: Json = {"type": "WordLevel", "vocab": vocab, "unk_token": _UNKNOWN}
    return _settings(tokenizer, _split_settings(_ANY_CHARACTER), {"type": "Fuse"}, model)


def _word_settings(tokenizer: WordTokenizer) -> Json:
    names = [END_OF_TEXT, UNKNOWN, *tokenizer.words]
    vocab = {name: token_id for token_id, name in enumerate(names)}
    model: Json = {"type": "WordLevel", "vocab": vocab, "unk_token": UNKNOWN}
    return _settings(tokenizer, _WORD_CUTS[tokenizer.rule], None, model)


def _byte_settings(tokenizer: ByteTokenizer) -> Json:
    names = [*_BYTE_NAMES, END_OF_TEXT]
    return _settings(tokenizer, _BYTES_UNCUT, _BYTES_UNCUT, _bpe_model(names, []))


def _split_settings(pattern: str) -> Json:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def _settings(tokenizer: Tokenizer, pre_tokenizer: Json, decoder: Json | None, model: Json) -> Json:
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    special = sorted(tokenizer.special_tokens.items(), key=lambda item: item[1])
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": token_id, "content": name, **plain} for name, token_id in special],
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": decoder,
        "model": model,
    }


# Reading


def _parse(file: Path) -> Json:
    if file.stat().st_size > _LARGEST_FILE:
        raise TokenizerError(f"it is larger than {_LARGEST_FILE // 2**20} MiB, which no tokenizer is.")
    try:
        settings = json.loads(file.read_bytes().decode("utf-8"), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise TokenizerError(f"it is not valid JSON ({error}).") from None
    except OSError as error:
        raise TokenizerError(f"it cannot be read ({error.strerror}).") from None
    return _of_type(dict, settings, "the file")


def _without_repeats(pairs: list[tuple[str, object]]) -> Json:
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise TokenizerError(f"{_short(repeated)} stands twice in one object.")
    return record


def _read(settings: Json) -> Tokenizer:
    model = _of_type(dict, settings.get("model"), "the model")
    plain: dict[str, list[object]] = {
        "version": ["1.0"],
        "truncation": [None],
        "padding": [None],
        "normalizer": [None],
    }
    parts = {"added_tokens", "pre_tokenizer", "post_processor", "decoder", "model"}
    _check(settings, "the file", accepted=plain, read=parts)
    special = _special_tokens(settings.get("added_tokens"))
    match settings.get("post_processor"):
        case None | {"type": "ByteLevel"}:  # the latter changes where tokens are said to lie in the text, not the ids
            pass
        case {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}]}:  # the text alone, nothing added
            pass
        case other:
            raise TokenizerError(f"its post-processor would add tokens to every text: {_short(other)}.")
    match model.get("type", "BPE"):
        case "BPE" if model.get("merges") == [] and settings.get("pre_tokenizer") == _BYTES_UNCUT:
            return _read_bytes(settings, model, special)
        case "BPE":
            return _read_bpe(settings, model, special)
        case "WordLevel" if settings.get("pre_tokenizer") in _WORD_CUTS.values():
            return _read_words(settings, model, special)
        case "WordLevel":
            return _read_characters(settings, model, special)
        case other:
            raise TokenizerError(
                f"its model is of type {_short(other)}; BPE and WordLevel (characters, words) can be read."
            )


def _read_bpe(settings: Json, model: Json, special: dict[str, int]) -> BytePairTokenizer:
    plain: dict[str, list[object]] = {
        "dropout": [None, 0.0],
        "continuing_subword_prefix": [None, ""],
        "end_of_word_suffix": [None, ""],
        "fuse_unk": [None, False, True],  # there is nothing unknown to 256 bytes
        "unk_token": [None, END_OF_TEXT],
        "byte_fallback": [None, False],
        "ignore_merges": [None, False],
    }
    _check(model, "the model", accepted=plain, read={"type", "vocab", "merges"})
    pattern = _pattern(settings.get("pre_tokenizer"))
    match settings.get("decoder"):
        case {"type": "ByteLevel"}:
            pass
        case other:
            raise TokenizerError(f"its decoder is not ByteLevel: {_short(other)}.")
    names = _names_by_id(model.get("vocab"), special)
    pieces: list[bytes] = []
    for name in names:
        piece = utf8(name) if name in special else to_bytes(name)
        if not piece:
            raise TokenizerError(
                f"the token {_short(name)} is neither special nor made of bytes in GPT-2's characters."
            )
        pieces.append(piece)
    ordinary = {name: token_id for token_id, name in enumerate(names) if name not in special}
    for byte in range(256):
        if to_characters(bytes([byte])) not in ordinary:
            raise TokenizerError(f"its vocabulary lacks byte {byte}: a text that has it could not be written.")
    merges: dict[tuple[int, int], None] = {}
    for merge in _of_type(list, model.get("merges"), "the merges"):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        match pair:
            case [str(left), str(right)]:
                for name in (left, right, left + right):
                    if name not in ordinary:
                        raise TokenizerError(
                            f"the merge {_short(merge)} needs {_short(name)}, which the vocabulary lacks."
                        )
                if (ordinary[left], ordinary[right]) in merges:
                    raise TokenizerError(f"the merge {_short(merge)} stands twice.")
                merges[ordinary[left], ordinary[right]] = None
            case _:
                raise TokenizerError(f"the merge {_short(merge)} is not a pair of tokens.")
    return BytePairTokenizer(pieces, list(merges), pattern=pattern, special_tokens=special)


def _read_characters(settings: Json, model: Json, special: dict[str, int]) -> CharacterTokenizer:
    _check(model, "the model", accepted={"unk_token": [_UNKNOWN]}, read={"type", "vocab"})
    if settings.get("pre_tokenizer") != _split_settings(_ANY_CHARACTER) or settings.get("decoder") != {"type": "Fuse"}:
        raise TokenizerError("its WordLevel model is not one of characters: it does not cut between every two of them.")
    names = _names_by_id(model.get("vocab"), special)
    if special != {END_OF_TEXT: 0}:
        raise TokenizerError(f"its special tokens are not {END_OF_TEXT} alone, with id 0.")
    for name in names[1:]:
        if len(name) != 1:
            raise TokenizerError(f"the token {_short(name)} is not one character.")
        utf8(name)
    return CharacterTokenizer(names[1:])


def _read_words(settings: Json, model: Json, special: dict[str, int]) -> WordTokenizer:
    _check(model, "the model", accepted={"unk_token": [UNKNOWN]}, read={"type", "vocab"})
    rule = next(rule for rule, cut in _WORD_CUTS.items() if cut == settings["pre_tokenizer"])
    if settings.get("decoder") is not None:
        raise TokenizerError(f"its decoder does not join words by spaces: {_short(settings['decoder'])}.")
    names = _names_by_id(model.get("vocab"), special)
    if special != {END_OF_TEXT: 0} or names[1:2] != [UNKNOWN]:
        raise TokenizerError(f"its first tokens are not {END_OF_TEXT}, the one special token, and {UNKNOWN}.")
    return WordTokenizer([utf8(name).decode() for name in names[2:]], rule)


def _read_bytes(settings: Json, model: Json, special: dict[str, int]) -> ByteTokenizer:
    names = _names_by_id(model.get("vocab"), special)
    if settings.get("decoder") != _BYTES_UNCUT or names != [*_BYTE_NAMES, END_OF_TEXT]:
        raise TokenizerError(f"it has no merges, and its tokens are not the bytes in their order and {END_OF_TEXT}.")
    return ByteTokenizer()


def _special_tokens(added: object) -> dict[str, int]:
    plain: dict[str, list[object]] = {
        "single_word": [False],
        "lstrip": [False],
        "rstrip": [False],
        "normalized": [False, True],  # there is no normalizer
        "special": [True],
    }
    special: dict[str, int] = {}
    for token in _of_type(list, added, "the list of added tokens"):
        record = _of_type(dict, token, "an added token")
        name = _of_type(str, record.get("content"), "the content of an added token")
        token_id = _of_type(int, record.get("id"), f"the id of {_short(name)}")
        _check(record, f"the added token {_short(name)}", accepted=plain, read={"content", "id"})
        if name in special or token_id in special.values():
            raise TokenizerError(f"the added token {_short(name)} or its id {token_id} stands twice.")
        if "special" not in record:
            raise TokenizerError(f"the added token {_short(name)} is not said to be special.")
        special[name] = token_id
    if END_OF_TEXT not in special:
        raise TokenizerError(f"it has no special token {END_OF_TEXT}, which opens and closes every document.")
    return special


def _pattern(pre_tokenizer: object) -> str:
    """The name of the pattern by which a byte-level pre-tokenizer cuts."""
    match pre_tokenizer:
        case {"type": "ByteLevel", "add_prefix_space": False, **others} if others.get("use_regex", True) is True:
            return "gpt2"
        case {
            "type": "Sequence",
            "pretokenizers": [cut, {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}],
        }:
            for name, written in PATTERNS.items():
                if cut == _split_settings(written):
                    return name
    raise TokenizerError(
        f"it cuts text in a way that is not ours ({_short(pre_tokenizer)}): byte-level without a prefix space, by the "
        f"pattern {' or '.join(PATTERNS)}, can be read."
    )


def _names_by_id(vocab: object, special: Mapping[str, int]) -> list[str]:
    """The tokens in the order of their ids, special ones included: each id once, without holes."""
    record = _of_type(dict, vocab, "the vocabulary")
    names: dict[int, str] = {}
    for name, value in [*record.items(), *special.items()]:
        token_id = _of_type(int, value, f"the id of {_short(name)}")
        if names.setdefault(token_id, name) != name:
            raise TokenizerError(f"{_short(names[token_id])} and {_short(name)} have the same id, {token_id}.")
        if record.get(name, token_id) != token_id:
            raise TokenizerError(f"{_short(name)} has two ids, {record[name]} and {token_id}.")
    for token_id in range(len(names)):
        if token_id not in names:
            raise TokenizerError(f"it has {len(names)} tokens, but none with id {token_id}: ids must have no holes.")
    return [names[token_id] for token_id in range(len(names))]


def _of_type(kind: type[_T], value: object, what: str) -> _T:
    """The value itself where it has exactly this type (True is no int here)."""
    if type(value) is not kind:
        raise TokenizerError(f"{what} should be of type {kind.__name__} and is {_short(value)}.")
    return value


def _check(record: Json, what: str, *, accepted: Mapping[str, Sequence[object]], read: Collection[str]) -> None:
    """Refuse a setting that is unknown, or that has a value under which ids would differ from ours."""
    for key, value in record.items():
        if key in accepted and value not in accepted[key]:
            raise TokenizerError(f"{what} has {_short(key)} set to {_short(value)}, which is not supported.")
        if key not in accepted and key not in read:
            raise TokenizerError(f"{what} has a setting that is not known: {_short(key)}.")


def _short(value: object) -> str:
    """A JSON value for a message: on one line, in ASCII, and not too long."""
    written = json.dumps(value)
    return written if len(written) <= 80 else written[:77] + "..."
