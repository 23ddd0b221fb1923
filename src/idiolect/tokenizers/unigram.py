"""The unigram tokenizer: pieces with probabilities, and of all ways to cut a text the likeliest.

A segmentation x_1 ... x_n has the probability p(x_1) ... p(x_n); `encode` gives the best one, `nbest` the best few,
`sample` one drawn by chance (Kudo, "Subword regularization: improving neural network translation models with multiple
subword candidates", 2018, sections 3.2 and 3.3). `reference_unigram` says it in a few lines; here the native core works
(native/unigram_encode.hpp), with SentencePiece's arithmetic, so that a SentencePiece model has SentencePiece's ids.

Spaces are part of the pieces: `▁` stands for one. Text is not lost but for what the normalizer changes: a character
that no piece has is written as its bytes where the tokenizer has byte pieces, and else becomes the unknown piece.
`unigram_learning` learns the pieces.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NoReturn

import numpy as np

from idiolect._native import UnigramEncoder, id_lists
from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Ids, Places, Text, Tokenizer, string
from idiolect.tokenizers.byte_level import is_unicode, utf8
from idiolect.tokenizers.normalize import MARK, Normalizer

_NORMAL, _UNKNOWN, _APART, _USER_DEFINED, _UNUSED = 0, 1, 2, 3, 5  # kinds of pieces, as the native core numbers them
_UNKNOWN_TEXT = " ⁇ "  # what SentencePiece decodes the unknown piece to


class UnigramTokenizer(Tokenizer):
    """Pieces with log probabilities; a text becomes its likeliest segmentation.

    Args:
        pieces: the text of each id, with ▁ in it for a space where the normalizer marks spaces.
        scores: the log probability of each piece, as a float32 holds it (special, byte and user-defined ones': any).
        unknown: the id of what no piece can write; several such characters in a row become one such id.
        special_tokens: names and ids of the special tokens, `end_of_text` among them; the unknown may be one of them.
        normalizer: what is done to a text before it is cut.
        byte_ids: the 256 ids by which a character that is in no piece is written byte by byte; or none.
        user_defined: ids of pieces that are taken wherever they stand in a text, whatever their probability.
        unused: ids of pieces that no segmentation has (SentencePiece's unused pieces).
        end_of_text: name of the special token that opens and closes documents.

    Raises:
        TokenizerError: these do not fit together; the message says where.

    Example:
        >>> tokenizer = UnigramTokenizer(
        ...     ["<unk>", "</s>", "ab", "c"], [0, 0, math.log(2 / 3), math.log(1 / 3)],
        ...     unknown=0, special_tokens={"</s>": 1}, normalizer=Normalizer(),
        ... )
        >>> tokenizer.encode("ababc")
        [2, 2, 3]
        >>> math.exp(tokenizer.log_likelihood(["ab", "ab", "c"]))  # 2/3 · 2/3 · 1/3 = 4/27
        0.148...
    """

    kind = "unigram"

    unknown: int

    def __init__(
        self,
        pieces: Sequence[str],
        scores: Sequence[float],
        *,
        unknown: int,
        special_tokens: Mapping[str, int],
        normalizer: Normalizer,
        byte_ids: Sequence[int] = (),
        user_defined: Sequence[int] = (),
        unused: Sequence[int] = (),
        end_of_text: str = "</s>",
    ) -> None:
        self.pieces = list(pieces)
        self.scores = [float(score) for score in scores]
        self.unknown = unknown
        self.special_tokens = dict(special_tokens)
        self.normalizer = normalizer
        self.byte_ids = list(byte_ids)
        self.user_defined = list(user_defined)
        self.unused = list(unused)
        self.end_of_text_name = end_of_text
        self.drops_first_space = normalizer.prefix_space
        self._encoder = self._native()

    def _native(self) -> UnigramEncoder:
        """The native encoder, and what it needs to know: each piece's kind."""
        size = len(self.pieces)
        if self.end_of_text_name not in self.special_tokens:
            raise TokenizerError(f"There is no special token {self.end_of_text_name!r} to open and close documents.")
        kinds = bytearray(size)
        named = [
            (_APART, "special token", self.special_tokens.values()),
            (_APART, "byte", self.byte_ids),
            (_USER_DEFINED, "user-defined piece", self.user_defined),
            (_UNUSED, "piece that is not used", self.unused),
            (_UNKNOWN, "unknown piece", [self.unknown]),
        ]
        for kind, name, ids in named:
            for token_id in ids:
                if not 0 <= token_id < size:
                    raise TokenizerError(f"The id {token_id} of a {name} is not there: ids are 0 to {size - 1}.")
                kinds[token_id] = kind
        spaces = Normalizer() if self._spaces_in_python else self.normalizer
        try:
            return UnigramEncoder(
                [utf8(piece) for piece in self.pieces],
                np.array(self.scores, np.float32),
                bytes(kinds),
                np.array(self.byte_ids, np.uint32),
                collapse_spaces=spaces.collapse_spaces,
                prefix_space=spaces.prefix_space,
                mark=spaces.mark,
            )
        except ValueError as error:
            raise TokenizerError(str(error)) from None

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return len(self.pieces)

    def encode_ordinary(self, text: str) -> list[int]:
        """Ids of the likeliest segmentation of `text`, in which nothing is special.

        Raises:
            TokenizerError: the text has a lone surrogate, which is no character.
        """
        ids, starts = self.encode_ordinary_many([text], threads=1)
        return id_lists(ids, starts, self._numbers, 1)[0]

    def encode_ordinary_many(
        self, texts: Sequence[Text], *, threads: int = 0, check: bool = False
    ) -> tuple[Ids, Places]:
        """Ids of each text end to end, and where each begins, in which nothing is special. Bytes must be UTF-8."""
        try:
            return self._encoder.encode([self._rewritten(text) for text in texts], threads)
        except ValueError as error:
            for text in texts:
                self._explain(text, error)
            raise

    def nbest(self, text: str, n: int) -> list[tuple[list[int], float]]:
        """The `n` likeliest segmentations of `text`, the best first, each with its log probability.

        Args:
            text: in which nothing is special.
            n: how many at most, up to 1024; a short text has fewer.

        Raises:
            TokenizerError: `n` is out of range, or the text is too long for so many (2^27 characters times `n`).
        """
        try:
            return self._encoder.nbest(self._rewritten_string(text), n)
        except (ValueError, TypeError) as error:
            self._explain(text, error)

    def sample(self, text: str | bytes, *, alpha: float = 0.1, seed: int = 0, nbest: int = -1) -> list[int]:
        """Ids of a segmentation drawn with a probability proportional to p^alpha: of all, or of the `nbest` likeliest.

        Args:
            text: in which nothing is special.
            alpha: 1 draws as the model has it, 0 gives each segmentation the same chance, a large one the best.
            seed: determines the draw.
            nbest: of how many likeliest segmentations to draw, up to 1024; -1: of all.

        Raises:
            TokenizerError: an argument is out of range.
        """
        if nbest == 0 or nbest < -1:
            raise TokenizerError(f"nbest is {nbest}: give the number of segmentations to draw from, or -1 for all.")
        try:
            return self._encoder.sample(self._rewritten_string(text), alpha, seed % 2**64, max(nbest, 0))
        except (ValueError, TypeError) as error:
            self._explain(text, error)

    def log_likelihood(self, pieces: Sequence[str]) -> float:
        """The log probability of a segmentation: the sum of its pieces' scores; minus infinity if one is no piece.

        Example:
            >>> tokenizer.log_likelihood(["▁the", "▁cat"])
        """
        scores = self._score_of
        return math.fsum(scores.get(piece, -math.inf) for piece in pieces)

    def text_log_likelihood(self, text: str, *, best_only: bool = False) -> float:
        """The log probability of a text, summed over all its segmentations; of the best one with `best_only`."""
        try:
            return self._encoder.log_likelihood(self._rewritten_string(text), best_only)
        except ValueError as error:
            self._explain(text, error)

    def ordinary_lengths(self, text: str | bytes) -> tuple[list[int], list[int]]:
        """Ids of `text`, in which nothing is special, and how many of its bytes each stands for."""
        spaces = Normalizer(prefix_space=self.normalizer.prefix_space, mark=self.normalizer.mark)
        ids = self.encode_ordinary(string(text))
        if self.normalizer != spaces or (self.unknown in ids and not self.byte_ids):
            raise TokenizerError("The places of the tokens are not known: what they stand for is not the text itself.")
        lengths = [len(self.token_bytes(token_id)) for token_id in ids]
        if lengths and spaces.prefix_space:
            lengths[0] -= 1
        return ids, lengths

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes a token stands for; a special token's are its name's, the unknown's " ⁇ ", as in SentencePiece."""
        return self._bytes[self._checked(token_id)]

    def can_encode(self, text: str) -> bool:
        """Whether every character can be taken: all can, but for lone surrogates, which are no characters."""
        return is_unicode(text)

    def rules(self) -> Iterator[object]:
        """The scores, the unknown, and what is done to a text."""
        yield [float(score) for score in np.array(self.scores, np.float32)]
        yield {
            "unknown": self.unknown,
            "normalizer": self.normalizer.to_json(),
            "byte_ids": self.byte_ids,
            "user_defined": self.user_defined,
            **({"unused": self.unused} if self.unused else {}),
        }

    @cached_property
    def _bytes(self) -> list[bytes]:
        special = set(self.special_tokens.values())
        written = [
            utf8(piece.replace(MARK, " ") if self.normalizer.mark and token_id not in special else piece)
            for token_id, piece in enumerate(self.pieces)
        ]
        for byte, token_id in enumerate(self.byte_ids):
            written[token_id] = bytes([byte])
        written[self.unknown] = _UNKNOWN_TEXT.encode()
        return written

    @cached_property
    def _score_of(self) -> dict[str, float]:
        apart = {*self.special_tokens.values(), *self.byte_ids, *self.unused, self.unknown}
        return {p: s for i, (p, s) in enumerate(zip(self.pieces, self.scores)) if i not in apart}

    @property
    def _spaces_in_python(self) -> bool:
        """Whether the spaces are Hugging Face's, or one goes behind: the native core does not know these."""
        return self.normalizer.prefix_once or self.normalizer.each_word or self.normalizer.space_behind

    @cached_property
    def _before_spaces(self) -> Normalizer | None:
        """What is done to a text before its spaces, which the native core sees to; None: nothing."""
        rules = self.normalizer
        if not self._spaces_in_python:
            rules = replace(rules, collapse_spaces=False, prefix_space=False, mark=False)
        if rules == Normalizer():
            return None
        return replace(rules, kept=tuple(self.pieces[token_id] for token_id in self.user_defined))

    def _rewritten(self, text: Text) -> Text:
        if self._before_spaces is None and isinstance(text, str):
            return text
        return self._rewritten_string(text)

    def _rewritten_string(self, text: Text) -> str:
        given = string(text)
        utf8(given)
        if self._before_spaces is None:
            return given
        return self._before_spaces(given)

    def _explain(self, text: Text, error: Exception) -> NoReturn:
        """Raise what is wrong with a text, or with an argument, as an error of ours."""
        utf8(string(text))
        raise TokenizerError(str(error)) from None

    def __getstate__(self) -> dict[str, object]:
        made = ("_encoder", "_bytes", "_score_of", "_before_spaces")
        return {name: value for name, value in super().__getstate__().items() if name not in made}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._encoder = self._native()
