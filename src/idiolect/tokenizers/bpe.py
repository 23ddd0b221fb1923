"""The BPE tokenizer: pieces, merges, and text to ids by the native core (native/bpe_encode.hpp).

Text is cut into words by a pattern; a word starts as bytes, or as characters, and its parts are merged in the order in
which the merges were learnt (`reference.merge_word` says it in a few lines). Encoding costs some nanoseconds a byte
where words have been met before, and O(n log n) for a word of n bytes whatever they are. Each thread keeps words it has
met, in at most some 30 MB.

Ids of a tokenizer learnt here: 0 is `<|endoftext|>`, then come the 256 bytes in the order of `byte_level.ALPHABET`,
then the merges as they were learnt. That is how Hugging Face's trainer numbers them, so its vocabulary and ours can be
compared line by line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NoReturn

import numpy as np

from idiolect._native import BpeEncoder, id_lists
from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT, Ids, Places, Text, Tokenizer, string
from idiolect.tokenizers.byte_level import is_unicode, utf8
from idiolect.tokenizers.cutting import Cutter
from idiolect.tokenizers.normalize import MARK, Normalizer
from idiolect.tokenizers.patterns import PATTERNS
from idiolect.tokenizers.reference_bpe import Pair

if TYPE_CHECKING:
    from idiolect.tokenizers.bpe_learning import Ties


class BytePairTokenizer(Tokenizer):
    """BPE from bytes, which writes any text and gives it back exactly, or from characters.

    Args:
        pieces: the bytes of each id (a special token's: its name). Of characters: the piece in UTF-8, with ▁ in it for
            a space where the normalizer marks spaces; a byte token's is its byte.
        merges: pairs of ids in the order they were learnt; the bytes of each pair together are a piece.
        pattern: name of the pattern that cuts text into words, a key of `patterns.PATTERNS`.
        cuts: names of what cuts text before the pattern does, keys of `cutting.CUTS`.
        special_tokens: names and ids of the special tokens, `end_of_text` among them.
        symbols: what a word starts as, "bytes" or "characters".
        normalizer: what is done to a text before it is cut.
        byte_ids: of characters: the 256 ids by which one that is no piece is written byte by byte; or none.
        unknown: of characters: the id of what cannot be written otherwise.
        fuse_unknown: whether unknown characters in a row become one such id (SentencePiece), or one each.
        unused: of characters: ids of pieces that are merged, and in the end taken apart again into what they were
            merged from (SentencePiece's unused pieces).
        ignore_merges: whether a word that is a piece is that piece, whatever the merges give (as tiktoken has it).
        rank_by: "pair": a merge's rank is its place in `merges` (Hugging Face). "piece": pairs that become the same
            piece have the same rank, the first one's, and of equals the leftmost is merged (tiktoken, SentencePiece).
        end_of_text: name of the special token that opens and closes documents.

    Raises:
        TokenizerError: these do not fit together; the message says where.

    Example:
        >>> tokenizer = BytePairTokenizer.learn(["the car", "the cat"], vocab_size=259, pattern="gpt2", ties="first")
        >>> [tokenizer.token_bytes(i) for i in tokenizer.encode("that")]
        [b'th', b'a', b't']
    """

    kind = "bpe"

    def __init__(
        self,
        pieces: Sequence[bytes],
        merges: Sequence[Pair],
        *,
        pattern: str,
        cuts: Sequence[str] = (),
        special_tokens: Mapping[str, int],
        symbols: Literal["bytes", "characters"] = "bytes",
        normalizer: Normalizer = Normalizer(),  # noqa: B008  it cannot change
        byte_ids: Sequence[int] = (),
        unknown: int | None = None,
        ignore_merges: bool = False,
        rank_by: Literal["pair", "piece"] = "pair",
        fuse_unknown: bool = True,
        unused: Sequence[int] = (),
        end_of_text: str = END_OF_TEXT,
    ) -> None:
        self.special_tokens = dict(special_tokens)
        self.end_of_text_name = end_of_text
        self.pattern = pattern
        self.cuts = tuple(cuts)
        self._cutter = Cutter(cuts) if cuts else None
        self.merges = list(merges)
        self.symbols = symbols
        self.normalizer = normalizer
        self.byte_ids = list(byte_ids)
        self.unknown = unknown
        self.ignore_merges = ignore_merges
        self.rank_by = rank_by
        self.fuse_unknown = fuse_unknown
        self.unused = list(unused)
        self.drops_first_space = normalizer.prefix_space
        self.pieces = list(pieces)
        self._plain = normalizer == Normalizer()
        self._encoder = self._native()

    def _native(self) -> BpeEncoder:
        """The native encoder of these pieces and merges, which checks that they fit together."""
        if self.end_of_text_name not in self.special_tokens:
            raise TokenizerError(f"There is no special token {self.end_of_text_name!r} to open and close documents.")
        apart = {*self.special_tokens.values(), *self.byte_ids, self.unknown}
        size = len(self.pieces)
        for name, token_id in self.special_tokens.items():
            if not 0 <= token_id < size:
                raise TokenizerError(f"The special token {name!r} has id {token_id}, and there are {size} ids.")
        ids = {piece: token_id for token_id, piece in enumerate(self.pieces) if token_id not in apart}
        merges = np.empty((len(self.merges), 3), np.uint32)
        for number, (left, right) in enumerate(self.merges):
            if not (0 <= left < size and 0 <= right < size):
                raise TokenizerError(f"Merge {number} is of {left} and {right}: ids are 0 to {size - 1}.")
            merged = ids.get(self.pieces[left] + self.pieces[right])
            if merged is None:
                piece = self.pieces[left] + self.pieces[right]
                raise TokenizerError(f"Merge {number} makes {piece!r}, which is no piece of the vocabulary.")
            merges[number] = left, right, merged
        self.merged: list[int] = merges[:, 2].tolist()
        try:
            return BpeEncoder(
                self.pieces,
                np.array(sorted(self.special_tokens.values()), np.uint32),
                merges,
                pattern=self.pattern,
                characters=self.symbols == "characters",
                byte_ids=np.array(self.byte_ids, np.uint32),
                unknown=-1 if self.unknown is None else self.unknown,
                ignore_merges=self.ignore_merges,
                rank_by_piece=self.rank_by == "piece",
                fuse_unknown=self.fuse_unknown,
                unused=np.array(self.unused, np.uint32),
            )
        except ValueError as error:
            raise TokenizerError(str(error)) from None

    @classmethod
    def learn(cls, texts: Iterable[str], *, vocab_size: int, pattern: str, ties: Ties) -> BytePairTokenizer:
        """Learn the merges from texts, read once.

        Args:
            texts: each is cut on its own, so that no word crosses from one into the next.
            vocab_size: ids in all: `<|endoftext|>`, the 256 bytes, and the merges.
            pattern: name of the pattern that cuts text into words, a key of `patterns.PATTERNS`.
            ties: which of equally frequent pairs is merged (`learning` has the rules).

        Raises:
            TokenizerError: the vocabulary is smaller than the alphabet or larger than the text supports, the pattern
                or the tie rule is unknown, or a text has a lone surrogate.
        """
        from idiolect.tokenizers.bpe_learning import BpeOptions, learn_bpe  # learning knows this class

        return learn_bpe(texts, BpeOptions(vocab_size=vocab_size, pattern=pattern, ties=ties)).tokenizer

    def with_merges(self, count: int, *, normalized: bool = False) -> BytePairTokenizer:
        """The same pieces with the first `count` merges alone: the tokenizer as it was when it had learnt so many.

        With `normalized`, it takes text as it is after normalizing.
        """
        return BytePairTokenizer(
            self.pieces,
            self.merges[:count],
            pattern=self.pattern,
            cuts=self.cuts,
            special_tokens=self.special_tokens,
            symbols=self.symbols,
            normalizer=Normalizer() if normalized else self.normalizer,
            byte_ids=self.byte_ids,
            unknown=self.unknown,
            ignore_merges=self.ignore_merges,
            rank_by=self.rank_by,
            fuse_unknown=self.fuse_unknown,
            unused=self.unused,
            end_of_text=self.end_of_text_name,
        )

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return len(self.pieces)

    def encode_ordinary(self, text: str) -> list[int]:
        """Ids of `text`, in which nothing is special.

        Raises:
            TokenizerError: the text has a lone surrogate, which is no character, or one that cannot be written.
        """
        if self._cutter is not None:
            ids, starts = self.encode_ordinary_many([text], threads=1)
            return id_lists(ids, starts, self._numbers)[0]
        try:
            return self._encoder.encode_text(text if self._plain else self.normalizer(text), self._numbers)
        except ValueError as error:
            self._explain([text], error)

    def encode_ordinary_many(
        self, texts: Sequence[Text], *, threads: int = 0, check: bool = False
    ) -> tuple[Ids, Places]:
        """Ids of each text end to end, and where each begins, in which nothing is special.

        With `check`, bytes that are not UTF-8 are refused: without it, any bytes are encoded.
        """
        normalized = self._normalized(texts)
        try:
            if self._cutter is None:
                return self._encoder.encode(normalized, threads, check)
            parts = [self._cutter.parts(bytes(t) if isinstance(t, memoryview) else t) for t in normalized]
            ids, starts = self._encoder.encode([part for text in parts for part in text], threads, check)
            return ids, starts[np.cumsum([0, *map(len, parts)])]
        except ValueError as error:
            self._explain(texts, error)

    def ordinary_lengths(self, text: str | bytes) -> tuple[list[int], list[int]]:
        """Ids of `text`, in which nothing is special, and how many of its bytes each stands for."""
        spaces = Normalizer(prefix_space=self.normalizer.prefix_space, mark=self.normalizer.mark)
        if self.normalizer != spaces or self.unused:
            raise TokenizerError(
                "The places of the tokens are not known: this tokenizer changes a text before it is cut."
            )
        (normalized,) = self._normalized([text])
        if self._cutter is not None:
            raise TokenizerError("The places of the tokens are not known: this tokenizer cuts text in several steps.")
        try:
            ids, lengths = self._encoder.encode_lengths(normalized)
        except ValueError as error:
            self._explain([text], error)
        ends = np.cumsum(lengths, dtype=np.int64)
        if text and spaces.prefix_space:
            ends -= len(MARK.encode()) if spaces.mark else 1
            np.maximum(ends, 0, out=ends)
        if spaces.mark:  # a space takes three bytes there; the end of byte n of the text is now at `written[n]`
            written = np.cumsum(np.where(np.frombuffer(string(text).encode(), np.uint8) == ord(" "), 3, 1))
            ends = np.searchsorted(written, ends, side="right")
        return ids.tolist(), np.diff(ends, prepend=0).tolist()

    def sample(self, text: str | bytes, *, alpha: float = 0.1, seed: int = 0, nbest: int = -1) -> list[int]:
        """Ids of `text` by BPE-dropout: each merge is left out with probability `alpha` whenever it could be made.

        Provilkov, Emelianenko and Voita, "BPE-dropout: simple and effective subword regularization", 2020, section 3.2.
        With `alpha` 0 these are the ids of `encode`, with 1 the bytes or characters. `ignore_merges` is not heeded.

        Raises:
            TokenizerError: `alpha` is no probability, or `nbest` is given: BPE has no list of best segmentations.
        """
        if not 0 <= alpha <= 1:
            raise TokenizerError(f"alpha is {alpha}: it is a probability, from 0 to 1.")
        if nbest != -1:
            raise TokenizerError("BPE has no list of best segmentations to draw from: leave nbest out.")
        try:
            (normalized,) = self._normalized([text])
            ids: list[int] = []
            given = bytes(normalized) if isinstance(normalized, memoryview) else normalized
            for n, part in enumerate([given] if self._cutter is None else self._cutter.parts(given)):
                ids += map(int, self._encoder.sample(part, alpha, (seed + n) % 2**64))
            return ids
        except ValueError as error:
            self._explain([text], error)

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes a token stands for (a special token's are its name's)."""
        piece = self.pieces[self._checked(token_id)]
        if self.normalizer.mark and token_id not in self.special_tokens.values():
            return piece.replace(MARK.encode(), b" ")
        return piece

    def can_encode(self, text: str) -> bool:
        """Whether every character can be written: all bytes can, but for lone surrogates, which are no characters."""
        if not is_unicode(text):
            return False
        if self.symbols == "bytes" or self.byte_ids or self.unknown is not None:
            return True
        try:
            self._encoder.encode(self._normalized([text]), 1)
        except ValueError:
            return False
        return True

    def rules(self) -> Iterator[object]:
        """The pattern and the merges, and whatever is not as in byte-level BPE."""
        yield next(name for name, written in PATTERNS.items() if written == PATTERNS[self.pattern])  # llama3: cl100k
        yield from self.merges
        settings: dict[str, object] = {
            "symbols": self.symbols if self.symbols != "bytes" else None,
            "normalizer": self.normalizer.to_json() if self.normalizer != Normalizer() else None,
            "byte_ids": self.byte_ids or None,
            "unknown": self.unknown,
            "ignore_merges": self.ignore_merges or None,
            "rank_by": self.rank_by if self.rank_by != "pair" else None,
            "fuse_unknown": None if self.fuse_unknown else False,
            "unused": self.unused or None,
            "cuts": self.cuts or None,
        }
        if changed := {name: value for name, value in settings.items() if value is not None}:
            yield changed

    def _normalized(self, texts: Sequence[Text]) -> list[Text]:
        if self._plain:
            return list(texts)
        return [self.normalizer(string(text)) for text in texts]

    def _explain(self, texts: Sequence[Text], error: ValueError) -> NoReturn:
        """Raise what is wrong with one of the texts as an error of ours."""
        for text in texts:
            if isinstance(text, str):
                utf8(text)
        raise TokenizerError(str(error)) from None

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in super().__getstate__().items() if name != "_encoder"}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._encoder = self._native()
