"""Learning a tokenizer of any family: the one place that chooses among them.

bpe_learning       merges, by four rules for ties       words, characters, bytes_   what needs little learning
unigram_learning   pieces, by expectation-maximisation
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from idiolect.errors import TokenizerError
from idiolect.text.corpus import Corpus
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.bpe_learning import BpeOptions, learn_bpe
from idiolect.tokenizers.bytes_ import ByteTokenizer
from idiolect.tokenizers.characters import CharacterTokenizer
from idiolect.tokenizers.counting import as_strings, text_batches
from idiolect.tokenizers.unigram_learning import UnigramOptions, learn_unigram
from idiolect.tokenizers.words import WordTokenizer


def train_tokenizer(
    source: Corpus | Path | Sequence[str] | Sequence[Path], *, kind: str, vocab_size: int, options: Mapping[str, Any]
) -> Tokenizer:
    """Learn a tokenizer of any kind, as `Tokenizer.train` documents it."""
    texts: Corpus | Sequence[str]
    if isinstance(source, Path):
        texts = Corpus([source])
    elif not isinstance(source, Corpus) and any(isinstance(path, Path) for path in source[:1]):
        texts = Corpus([Path(path) for path in source])
    else:
        texts = cast("Corpus | Sequence[str]", source)
    if kind == "bpe":
        return learn_bpe(texts, _options(BpeOptions, "BPE", vocab_size, options)).tokenizer
    if kind == "unigram":
        return learn_unigram(texts, _options(UnigramOptions, "The unigram model", vocab_size, options))
    # Options of other kinds are passed over, so that one call can compare the kinds.
    strings = (text for batch in text_batches(texts) for text in as_strings(batch))
    match kind:
        case "words" | "whitespace":
            return WordTokenizer.learn(strings, vocab_size=vocab_size, rule=kind)
        case "characters":
            return CharacterTokenizer.learn(strings, vocab_size=vocab_size)
        case "bytes":
            if vocab_size < 257:
                raise TokenizerError(
                    f"A vocabulary of {vocab_size} is too small: the bytes and {END_OF_TEXT} take 257."
                )
            return ByteTokenizer()
    raise TokenizerError(
        f"There is no tokenizer of kind {kind!r}: choose bpe, unigram, words, whitespace, characters or bytes."
    )


def _options(cls: Callable[..., Any], family: str, vocab_size: int, given: Mapping[str, Any]) -> Any:
    """The options of a family from what was given, or a sentence about the first that it does not have."""
    known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise TokenizerError(f"{family} has no option {name!r}: its options are {', '.join(sorted(known))}.")
    return cls(vocab_size=vocab_size, **given)
