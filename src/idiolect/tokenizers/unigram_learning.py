"""Learning a unigram model: from a corpus, from texts, or from words counted elsewhere, to a tokenizer.

The pieces are those that make the text likeliest, found by expectation-maximisation (Kudo, "Subword regularization",
2018, section 3.2): start from all frequent substrings; count how often each piece is expected in the text, over all
segmentations; set its probability from that; now and then take out the pieces that matter least. The steps are native
(native/unigram_learn.hpp); `reference_unigram` says them in a few lines. Two modes:

- `fast`: plain probabilities, and an estimate of maximum likelihood at the end. The text it has not seen comes out
  likelier than by the other mode. What is held is the different words, cut at scripts and newlines too.
- `sentencepiece`: pieces, ids and scores of SentencePiece 0.2.3, bit for bit, where it reads the same lines with
  `num_threads` as here (its sums, and so a few pieces, depend on that number, 16 by default), up to 500 MB of text
  (beyond, it looks for seeds in 500 MB at a time; here all are looked at), and but for lines that a normalizer's rules
  leave nothing of.

Ids: `<unk>`, `<s>`, `</s>`, then the user-defined pieces, the 256 bytes, and the pieces learnt, the likeliest first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from idiolect._native import UnigramLearning, UnigramWords
from idiolect.errors import TokenizerError
from idiolect.text.batches import CHARACTERS, gathered
from idiolect.text.corpus import Corpus
from idiolect.tokenizers.byte_level import utf8
from idiolect.tokenizers.normalize import MARK, Normalizer
from idiolect.tokenizers.unigram import UnigramTokenizer

Mode = Literal["fast", "sentencepiece"]

_META: Final = ("<unk>", "<s>", "</s>")
_BYTES: Final = tuple(f"<0x{byte:02X}>" for byte in range(256))
_BORDER: Final = "\x1f"  # no piece reaches across it, nor has it
_RESERVED: Final = "▅"
_FAST_SEEDS: Final = 8  # for each piece to learn; more take longer and give no better pieces
_SENTENCEPIECE_SEEDS: Final = 1_000_000


@dataclass(frozen=True)
class UnigramOptions:
    """How a unigram model is learnt.

    Raises:
        TokenizerError: an option is out of range.
    """

    vocab_size: int = 8000
    """Ids in all: special tokens, user-defined pieces, bytes, and the pieces learnt."""
    mode: Mode = "fast"
    """Whose arithmetic: the faster and likelier, or SentencePiece's own."""
    byte_fallback: bool = True
    """Whether a character that is in no piece is written as its bytes, rather than as unknown."""
    coverage: float = 0.9995
    """The share of the text's characters that become pieces, the most frequent first; 0.98 to 1."""
    required_characters: str = ""
    """Characters that become pieces however rare they are."""
    user_defined: tuple[str, ...] = ()
    """Pieces that are taken wherever they stand in a text; nothing is learnt across them."""
    max_piece_length: int = 16
    """Characters that a piece has at most, 1 to 512."""
    split_by_script: bool = True
    """Whether a piece has letters of one script only."""
    split_by_number: bool = True
    """Whether a digit is no letter's neighbour in a piece; without it, digits go with every script."""
    split_digits: bool = False
    """Whether each digit is a piece by itself."""
    seeds: int = 0
    """Substrings to start from. 0 for the usual: 8 for each piece to learn; 1,000,000 in SentencePiece's mode."""
    shrinking: float = 0.75
    """The share of the pieces that a pruning keeps; 0.5 to 0.95."""
    sub_iterations: int = 0
    """EM steps between prunings, 1 to 10. 0 for the usual: 1; 2 in SentencePiece's mode."""
    num_threads: int = 16
    """SentencePiece's mode: the `num_threads` it was given, on which its sums depend."""
    max_sentence_length: int = 4192
    """SentencePiece's mode: longer lines (bytes) are left out; 0 for no limit."""
    normalizer: Normalizer | None = None
    """What is done to a text first; its spaces must be marked. None: a space in front and marks; in SentencePiece's
    mode, runs of spaces become one, too."""
    threads: int = 0
    """Threads that work; 0 for as many as this process may use. The result is the same for any number."""

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise TokenizerError(f"There is no mode {self.mode!r}: choose one of {', '.join(get_args(Mode))}.")
        if not self.spaces.mark:
            raise TokenizerError(
                "A unigram model is learnt from words that begin with a mark: let the normalizer mark."
            )
        for name, least in (("seeds", 0), ("sub_iterations", 0), ("max_sentence_length", 0), ("threads", 0)):
            if getattr(self, name) < least:
                raise TokenizerError(f"{name} is {getattr(self, name)}: it must be at least {least}.")
        for name, low, high in (("coverage", 0.98, 1.0), ("shrinking", 0.5, 0.95), ("max_piece_length", 1, 512)):
            if not low <= getattr(self, name) <= high:
                raise TokenizerError(f"{name} is {getattr(self, name)}: it must be {low} to {high}.")
        if self.sub_iterations > 10 or not 1 <= self.num_threads <= 1024:
            raise TokenizerError("sub_iterations must be at most 10, and num_threads 1 to 1024.")
        utf8(self.required_characters)
        names = self.names_before
        for name in self.user_defined:
            utf8(name)
        if len(set(names)) < len(names) or "" in names:
            raise TokenizerError("A user-defined piece is empty or stands twice: leave it out.")
        if self.vocab_size <= len(names):
            raise TokenizerError(
                f"A vocabulary of {self.vocab_size} is too small: {len(names)} ids are taken before any is learnt."
            )

    @property
    def spaces(self) -> Normalizer:
        """What is done to a text first."""
        if self.normalizer is not None:
            return self.normalizer
        return Normalizer(collapse_spaces=self.mode == "sentencepiece", prefix_space=True, mark=True)

    @property
    def names_before(self) -> list[str]:
        """The pieces that are not learnt, by id."""
        return [*_META, *self.user_defined, *(_BYTES if self.byte_fallback else ())]


def learn_unigram(
    source: Corpus | Iterable[str] | Iterable[tuple[str, int]], options: UnigramOptions
) -> UnigramTokenizer:
    """Learn a tokenizer.

    Args:
        source: a corpus, of which only the documents for training are read; texts; or words that are counted already,
            each with its count, in which ▁ or a space stands for a space.
        options: how.

    Raises:
        TokenizerError: the text is empty, has too many different characters for the vocabulary, or supports fewer
            pieces than are asked for (the message says how many).

    Example:
        >>> tokenizer = learn_unigram(["the car", "the cat", "the rat"] * 9, UnigramOptions(vocab_size=275))
        >>> [tokenizer.pieces[i] for i in tokenizer.encode("the cat")]
        ['▁the', '▁ca', 't']
    """
    before = options.names_before
    learning = UnigramLearning()
    learning.pieces = options.vocab_size - len(before)
    like_sentencepiece = options.mode == "sentencepiece"
    if like_sentencepiece:
        learning.like_sentencepiece = True
        learning.target = int(options.vocab_size * 1.1)
        learning.shards = options.num_threads
    learning.seeds = options.seeds or (_SENTENCEPIECE_SEEDS if like_sentencepiece else _FAST_SEEDS * learning.pieces)
    learning.sub_iterations = options.sub_iterations or (2 if like_sentencepiece else 1)
    learning.max_piece_length = options.max_piece_length
    learning.split_scripts = options.split_by_script
    learning.split_numbers = options.split_by_number
    learning.split_digits = options.split_digits
    learning.coverage = options.coverage
    learning.shrinking = options.shrinking
    learning.required = [ord(character) for character in options.required_characters]
    learning.threads = options.threads
    try:
        learnt, _ = learning.learn(_counted(source, options))
    except ValueError as error:
        raise TokenizerError(str(error)) from None
    if len(learnt) < learning.pieces:
        raise TokenizerError(
            f"A vocabulary of {options.vocab_size} is larger than the text supports: it has {len(learnt)} pieces, so "
            f"{len(before) + len(learnt)} ids. Ask for at most that many, or give more text."
        )
    first_byte = len(_META) + len(options.user_defined)
    return UnigramTokenizer(
        [*before, *(piece for piece, _ in learnt)],
        [*(0.0 for _ in before), *(score for _, score in learnt)],
        unknown=0,
        special_tokens={"<s>": 1, "</s>": 2},
        normalizer=options.spaces,
        byte_ids=range(first_byte, first_byte + 256) if options.byte_fallback else (),
        user_defined=range(len(_META), first_byte),
    )


def _counted(
    source: Corpus | Iterable[str] | Iterable[tuple[str, int]], options: UnigramOptions
) -> UnigramWords | list[tuple[bytes, int]]:
    """The different words with their counts."""
    if isinstance(source, str):
        raise TokenizerError("A tokenizer learns from a list of texts, each a document: put the text into a list.")
    like_sentencepiece = options.mode == "sentencepiece"
    rewrite = _Rewriter(options)
    words = UnigramWords(
        lines=like_sentencepiece,
        collapse_spaces=options.spaces.collapse_spaces,
        prefix_space=options.spaces.prefix_space,
        cut_scripts=not like_sentencepiece and options.split_by_script and options.split_by_number,
        ends=like_sentencepiece,
        longest_sentence=options.max_sentence_length if like_sentencepiece and not rewrite.changes_text else 0,
        threads=options.threads,
    )
    counted: list[tuple[bytes, int]] = []

    def rewritten() -> Iterator[str]:
        for text in _texts(source, "\n" if like_sentencepiece else " "):
            if isinstance(text, tuple):
                counted.append((utf8(text[0].replace(" ", MARK)), text[1]))
            else:
                utf8(text)
                yield rewrite(text)

    for batch in gathered(rewritten(), len, CHARACTERS):
        words.add(batch)
    return counted or words


def _texts(source: Corpus | Iterable[str] | Iterable[tuple[str, int]], border: str) -> Iterator[str | tuple[str, int]]:
    """The texts; a long document of a corpus in parts that end before a border, which is left out between them."""
    if not isinstance(source, Corpus):
        yield from source
        return
    rest = ""
    for document in source.documents(split="train"):
        text = rest + document.text
        rest = ""
        if not document.last:
            text, _, rest = text.rpartition(border)
            if not text:
                text, rest = rest, ""  # a part without a border is cut where it ends
        yield text


class _Rewriter:
    """What is done to a text before its spaces: rules and forms, line by line in SentencePiece's mode."""

    def __init__(self, options: UnigramOptions) -> None:
        rules = replace(options.spaces, collapse_spaces=False, prefix_space=False, mark=False)
        self.changes_text = rules != Normalizer()
        self._rules = rules
        self._lines = options.mode == "sentencepiece"
        self._longest = options.max_sentence_length
        # A name with a space stands nowhere, once spaces are marked.
        names = sorted((name for name in options.names_before if " " not in name), key=len, reverse=True)
        self._apart = re.compile("|".join(map(re.escape, names)))

    def __call__(self, text: str) -> str:
        if not self.changes_text and not self._apart.search(text):
            return text
        if not self._lines:
            return self._apart.sub(_BORDER, self._rules(text))
        # What is left out is left out by its length before it is rewritten.
        return "\n".join(self._apart.sub(_BORDER, self._rules(line)) for line in text.split("\n") if self._taken(line))

    def _taken(self, line: str) -> bool:
        return _RESERVED not in line and not 0 < self._longest < len(line.encode())
