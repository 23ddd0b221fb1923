"""Learning BPE: from a corpus, from texts, or from words counted elsewhere, to a tokenizer.

Two steps, both native (native/words.hpp, native/bpe_learn.hpp): the different words of the text are counted, and merges
are learnt from the counts. Text reaches the counter in batches (`Corpus.batches`). After counting, what is held is the
different words, not the text; `max_memory` bounds even these.

The tie rules, of which `reference` defines the first two, say which of equally frequent pairs is merged:

- `first`: the pair met first in the text as it is cut now.
- `huggingface`: the smaller ids. With it, merges and vocabulary are those of `tokenizers`, ids too.
- `rustbpe`: as huggingface, but by the values of bytes, as nanochat's trainer numbers them.
- `sentencepiece`: the shorter piece, then the smaller bytes; all else too is as in SentencePiece's BPE (0.2.3): it
  starts from characters, of which the rarest 0.05% are left out, reads each line as a text, cuts at spaces, and makes
  no piece of several scripts or of more than 16 characters.

Counts have 64 bits, where `tokenizers` and rustbpe have 32, so a text with more than two billion of one pair is learnt
right. A pair that would spell the name of a special token is never merged: text must not become a control id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from idiolect._native import CountedWords, WordCounter, learn_from_bytes, learn_from_characters
from idiolect.engine import Engine, in_order
from idiolect.errors import TokenizerError
from idiolect.text.batches import Rows
from idiolect.text.corpus import Corpus
from idiolect.tokenizers.base import END_OF_TEXT
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.byte_level import ALPHABET, utf8
from idiolect.tokenizers.counting import as_strings, text_batches
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.patterns import PATTERNS

Ties = Literal["first", "huggingface", "rustbpe", "sentencepiece"]
Symbols = Literal["bytes", "characters"]

_TIE_OF: Final = {"first": "place", "huggingface": "ids", "rustbpe": "ids", "sentencepiece": "text"}
_UNKNOWN: Final = "<unk>"
_RESERVED: Final = " \x1f▅"  # characters that SentencePiece keeps for itself: they are in no piece


@dataclass(frozen=True)
class BpeOptions:
    """How BPE is learnt. `Tokenizer.train` and `idiolect tokenize` have the same options.

    Raises:
        TokenizerError: an option is out of range, or two do not go together.
    """

    vocab_size: int = 8000
    """Ids in all: special tokens, bytes or characters, and merges."""
    pattern: str = "gpt2"
    """How text is cut into words, a key of `patterns.PATTERNS`. With ties "sentencepiece", always at spaces."""
    ties: Ties = "first"
    """Which of equally frequent pairs is merged."""
    symbols: Symbols = "bytes"
    """What words start as. With ties "sentencepiece", always characters."""
    min_frequency: int = 1
    """A pair that occurs less often is not merged."""
    max_token_length: int = 0
    """Symbols that a token may have; 0 for no limit (with ties "sentencepiece": 16). With ties "huggingface", as
    there: a token of two symbols is always allowed, and a longer one must be shorter than this."""
    coverage: float = 0
    """Of characters: the share of the text that their alphabet covers, the most frequent first; the others are
    unknown, or written as bytes. 0 for the usual: all, and 0.9995 with ties "sentencepiece"."""
    required_characters: str = ""
    """Of characters: those that are in the alphabet whatever their frequency."""
    byte_fallback: bool = False
    """Of characters: whether one that is not in the alphabet is written as its bytes, rather than as unknown."""
    normalizer: Normalizer = Normalizer()  # noqa: RUF009  it cannot change
    """What is done to a text before it is cut. With ties "sentencepiece", its spaces are always marked."""
    max_memory: int = 0
    """Bytes that the table of counted words may take; the rarest words are forgotten then. 0 for no limit."""
    threads: int = 0
    """Threads that count; 0 for as many as this process may use. The result is the same for any number."""
    engine: Engine = "threads"
    """Where words are counted: threads of this process, or a Ray cluster. The result is the same."""

    def __post_init__(self) -> None:
        if self.ties not in _TIE_OF:
            raise TokenizerError(f"There is no tie rule {self.ties!r}: choose one of {', '.join(_TIE_OF)}.")
        if self.pattern not in PATTERNS:
            raise TokenizerError(f"There is no pattern {self.pattern!r}: choose one of {', '.join(PATTERNS)}.")
        if self.symbols not in get_args(Symbols):
            raise TokenizerError(f"There are no symbols {self.symbols!r}: choose bytes or characters.")
        if self.ties == "sentencepiece" and self.pattern not in ("gpt2", "metaspace"):
            raise TokenizerError(
                f"SentencePiece cuts text at spaces, so the pattern cannot be {self.pattern}: leave it out, or choose "
                "another tie rule."
            )
        if self.ties == "rustbpe" and self.symbols != "bytes":
            raise TokenizerError("rustbpe starts from bytes: leave the symbols out, or choose another tie rule.")
        for name, least in (("min_frequency", 1), ("max_token_length", 0), ("threads", 0)):
            if getattr(self, name) < least:
                raise TokenizerError(f"{name} is {getattr(self, name)}: it must be at least {least}.")
        if self.max_token_length == 1:
            raise TokenizerError("max_token_length is 1: a token that is merged has at least two symbols.")
        if self.max_memory != 0 and self.max_memory < 1 << 20:
            raise TokenizerError(
                f"max_memory is {self.max_memory} bytes: it must be at least 1048576, or 0 for no limit."
            )
        if not 0 <= self.coverage <= 1:
            raise TokenizerError(f"coverage is {self.coverage}: it is a share of the text's characters, from 0 to 1.")
        utf8(self.required_characters)
        if self.of_bytes and (self.coverage or self.required_characters or self.byte_fallback):
            raise TokenizerError(
                "coverage, required_characters and byte_fallback are for BPE of characters, and this starts from "
                'bytes, which write everything: leave them out, or choose symbols "characters".'
            )

    @property
    def of_bytes(self) -> bool:
        """Whether words start as bytes."""
        return self.symbols == "bytes" and self.ties != "sentencepiece"


@dataclass(frozen=True)
class Learning:
    """A tokenizer with what there is to tell of how it was learnt."""

    tokenizer: BytePairTokenizer
    merge_counts: list[int]
    """How often each merged pair occurred when it was merged."""
    different_words: int
    """How many different words it was learnt from."""
    missing: int
    """With a memory cap: at most so many occurrences of any one word were not counted."""
    forgotten: int
    """With a memory cap: how many times a word was forgotten."""


def learn_bpe(source: Corpus | Iterable[str] | CountedWords, options: BpeOptions) -> Learning:
    """Learn a tokenizer.

    Args:
        source: a corpus, of which only the documents for training are read; texts, each cut on its own; or words that
            are counted already (`counting.counted_in_file`).
        options: how.

    Raises:
        TokenizerError: the vocabulary is smaller than the alphabet or larger than the text supports, or a text has a
            lone surrogate.

    Example:
        >>> learning = learn_bpe(["the car", "the cat"], BpeOptions(vocab_size=259))
        >>> [learning.tokenizer.token_bytes(i) for i in learning.tokenizer.encode("that")]
        [b'th', b'a', b't']
    """
    if options.of_bytes and options.vocab_size < 1 + len(ALPHABET):
        raise TokenizerError(
            f"A vocabulary of {options.vocab_size} is too small: {END_OF_TEXT} and the 256 bytes take 257 ids."
        )
    words = source if isinstance(source, CountedWords) else count_words(source, options)
    if options.of_bytes:
        tokenizer, counts = _from_bytes(words, options)
    else:
        tokenizer, counts = _from_characters(words, options)
    return Learning(tokenizer, counts, len(words), words.missing, words.forgotten)


def count_words(source: Corpus | Iterable[str], options: BpeOptions) -> CountedWords:
    """The different words of a corpus's training part, or of texts.

    Raises:
        TokenizerError: a text has a lone surrogate.
    """
    counter = _new_counter(options, options.threads, options.max_memory)
    if options.engine == "ray":
        for words in in_order("ray", _counted, options, text_batches(source), workers=1):
            for word, count in words:
                counter.add_word(word, count)
    else:
        for batch in text_batches(source):
            _read(counter, options, batch)
    return counter.finish()


def _counted(options: BpeOptions, batch: Rows | list[str]) -> list[tuple[bytes, int]]:
    """The words of one batch, counted in a process of its own."""
    counter = _new_counter(options, 1, 0)
    _read(counter, options, batch)
    return counter.finish().items()


def _new_counter(options: BpeOptions, threads: int, max_memory: int) -> WordCounter:
    normalizer = _normalizer(options)
    sentencepiece = options.ties == "sentencepiece"
    names = _special_names(options) if sentencepiece else []
    if not _only_spaces(normalizer):
        return WordCounter(_pattern(options), threads, max_memory, names=names)
    return WordCounter(
        _pattern(options),
        threads,
        max_memory,
        lines=sentencepiece,
        collapse_spaces=normalizer.collapse_spaces,
        prefix_space=normalizer.prefix_space,
        mark=normalizer.mark,
        names=names,
    )


def _only_spaces(normalizer: Normalizer) -> bool:
    """Whether it treats nothing but spaces, which the counter does itself."""
    return normalizer == Normalizer(
        collapse_spaces=normalizer.collapse_spaces, prefix_space=normalizer.prefix_space, mark=normalizer.mark
    )


def _read(counter: WordCounter, options: BpeOptions, batch: Rows | list[str]) -> None:
    normalizer = _normalizer(options)
    if _only_spaces(normalizer):
        _count(counter, batch)
        return
    texts = as_strings(batch)
    lines = [line for text in texts for line in text.split("\n")] if options.ties == "sentencepiece" else texts
    _count(counter, [normalizer(line) for line in lines])


def _count(counter: WordCounter, batch: Rows | list[str]) -> None:
    if isinstance(batch, Rows):
        counter.add_rows(batch.data, batch.begins, batch.ends)
        return
    try:
        counter.add(batch)
    except UnicodeEncodeError:
        for text in batch:
            utf8(text)
        raise


def _pattern(options: BpeOptions) -> str:
    return "metaspace" if options.ties == "sentencepiece" else options.pattern


def _normalizer(options: BpeOptions) -> Normalizer:
    """The normalizer asked for, with SentencePiece's spaces where its rule is."""
    given = options.normalizer
    if options.ties != "sentencepiece":
        return given
    return Normalizer(given.form, given.lowercase, given.charsmap, collapse_spaces=True, prefix_space=True, mark=True)


def _special_names(options: BpeOptions) -> list[str]:
    """The names of the first ids: special tokens, and the bytes that characters fall back to."""
    if options.of_bytes:
        return [END_OF_TEXT]
    ends = [_UNKNOWN, "<s>", "</s>"] if options.ties == "sentencepiece" else [END_OF_TEXT, _UNKNOWN]
    return ends + ([f"<0x{byte:02X}>" for byte in range(256)] if options.byte_fallback else [])


def _longest(options: BpeOptions) -> int:
    """How many symbols a token may have, as the native learner takes it."""
    if options.max_token_length == 0:
        return 16 if options.ties == "sentencepiece" else 0
    return max(2, options.max_token_length - 1) if options.ties == "huggingface" else options.max_token_length


def _from_bytes(words: CountedWords, options: BpeOptions) -> tuple[BytePairTokenizer, list[int]]:
    order = bytes(range(256)) if options.ties == "rustbpe" else bytes(ALPHABET)
    alphabet, merges, counts = learn_from_bytes(
        words,
        order,
        options.vocab_size - 1,
        _TIE_OF[options.ties],
        min_frequency=options.min_frequency,
        longest=_longest(options),
        barred=[END_OF_TEXT],
    )
    _check_size(options, 1 + len(alphabet), merges)
    # Ids are the same for all rules: the end of text, the bytes as `byte_level.ALPHABET` has them, the merges.
    ids = [1 + ALPHABET.index(byte[0]) for byte in alphabet] + list(range(257, 257 + len(merges)))
    pieces = [END_OF_TEXT.encode(), *(bytes([byte]) for byte in ALPHABET)]
    pairs = [(ids[left], ids[right]) for left, right in merges]
    for left, right in pairs:
        pieces.append(pieces[left] + pieces[right])
    tokenizer = BytePairTokenizer(
        pieces, pairs, pattern=_pattern(options), special_tokens={END_OF_TEXT: 0}, normalizer=_normalizer(options)
    )
    return tokenizer, counts


def _from_characters(words: CountedWords, options: BpeOptions) -> tuple[BytePairTokenizer, list[int]]:
    sentencepiece = options.ties == "sentencepiece"
    names = _special_names(options)
    specials = names[:3] if sentencepiece else names[:2]
    if options.vocab_size < len(names):
        raise TokenizerError(
            f"A vocabulary of {options.vocab_size} is too small: special tokens and bytes take {len(names)} ids."
        )
    try:
        alphabet, merges, counts = learn_from_characters(
            words,
            options.vocab_size - len(names),
            _TIE_OF[options.ties],
            min_frequency=options.min_frequency,
            longest=_longest(options),
            barred=specials,
            coverage=options.coverage or (0.9995 if sentencepiece else 1.0),
            required=options.required_characters,
            excluded=_RESERVED if sentencepiece else "",
            by_frequency=sentencepiece,
            piece_rules=sentencepiece,
        )
    except ValueError as error:
        raise TokenizerError(str(error)) from None
    if not alphabet:
        raise TokenizerError("The text is empty: there are no characters to learn.")
    _check_size(options, len(names) + len(alphabet), merges)
    first_character = len(names) + (len(merges) if sentencepiece else 0)
    first_merge = len(names) + (0 if sentencepiece else len(alphabet))
    ids = [first_character + n for n in range(len(alphabet))] + [first_merge + n for n in range(len(merges))]
    learnt = list(alphabet)
    for left, right in merges:
        learnt.append(learnt[left] + learnt[right])
    in_order = learnt[len(alphabet) :] + learnt[: len(alphabet)] if sentencepiece else learnt
    byte_ids = list(range(len(specials), len(names)))
    tokenizer = BytePairTokenizer(
        [*(name.encode() for name in specials), *(bytes([n]) for n in range(len(byte_ids))), *in_order],
        [(ids[left], ids[right]) for left, right in merges],
        pattern=_pattern(options),
        special_tokens={name: n for n, name in enumerate(specials)},
        symbols="characters",
        normalizer=_normalizer(options),
        byte_ids=byte_ids,
        unknown=specials.index(_UNKNOWN),
        end_of_text="</s>" if sentencepiece else END_OF_TEXT,
    )
    return tokenizer, counts


def _check_size(options: BpeOptions, smallest: int, merges: Sequence[tuple[int, int]]) -> None:
    if smallest + len(merges) < options.vocab_size:
        raise TokenizerError(
            f"A vocabulary of {options.vocab_size} is larger than the text supports: it allows {len(merges)} merges, "
            f"so {smallest + len(merges)} ids. Ask for at most that many, or give more text."
        )
