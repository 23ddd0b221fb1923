"""What every tokenizer can do, whatever it learnt: text to ids, ids to bytes, bytes to text.

A tokenizer converts any string into a sequence of tokens. The families differ in how they learn and
segment; what a caller needs of them stands here. Special tokens are ids that text can never produce by accident:
`encode("<|endoftext|>")` yields ordinary tokens unless the caller allows the special one.

Ids come as plain Python ints (`encode`, `encode_batch`) or, many times quicker to make and to hold, as NumPy arrays
(`encode_array`, `encode_many`, `encode_files`). A family writes `encode_ordinary` and has all of them; one with a
native core overrides `encode_ordinary_many` too.
"""

from __future__ import annotations

import copy
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from idiolect._native import TokenBytes, id_lists
from idiolect.errors import TokenizerError
from idiolect.tokenizers.finding import Finder, Strip
from idiolect.tokenizers.frame import ROLES, Frame, Framed
from idiolect.tokenizers.places import TokenPlaces
from idiolect.tokenizers.streaming import StreamDecoder

if TYPE_CHECKING:
    from idiolect.text.corpus import Corpus
    from idiolect.tokenizers.inspect import Tokens

Ids = npt.NDArray[np.uint32]
Text = str | bytes | memoryview
Places = npt.NDArray[np.int64]
"""Where each of several texts begins in their ids end to end, and at last the end: one more than there are texts."""

END_OF_TEXT = "<|endoftext|>"
"""The special token between documents: it opens and closes each one (GPT-2's convention)."""

PROBE = (
    "The quick brown fox, it's 3.14159 o'clock — naïve café, 你好世界, こんにちは, Привет!\n"
    "\tdef f(x):\r\n        return x ** 2  # 100%   <|endoftext|> 😀👩‍👩‍👧 ﬁ Å e\u0301 \u00a0end "
)
"""The fixed text whose ids identify a tokenizer (its fingerprint)."""


_MADE_AGAIN = ("_decoder", "_numbers", "_fingerprint")


class Tokenizer(ABC):
    """A tokenizer: `train` or `load` one, then `encode` and `decode`.

    Example:
        >>> tokenizer = Tokenizer.train(["the car", "the cat"], kind="characters")
        >>> tokenizer.decode(tokenizer.encode("the cat"))
        'the cat'
    """

    kind: str
    """The family's name, as `--kind` takes it."""

    special_tokens: dict[str, int]
    """Special tokens and their ids; `end_of_text_name` is always among them."""

    end_of_text_name: str = END_OF_TEXT
    """The special token that opens and closes documents; an imported tokenizer may call it `</s>`."""

    strips: Mapping[str, Strip] = MappingProxyType({})
    """Tokens that take the whitespace beside them into themselves where they are found by their name (`<mask>`)."""

    frame: Frame = Frame()
    """The special tokens around a text, or around two, for `framed`; `encode` gives a text's own ids without them."""

    roles: Mapping[str, str] = MappingProxyType({})
    """What its special tokens are for, where that has been said: of `frame.ROLES`, the name of the one that has it."""

    unknown: int | None = None
    """The id that stands for whatever the vocabulary cannot write; None: it can write everything, or refuses it."""

    drops_first_space: bool = False
    """Whether encoding puts a space in front of a text, so that decoding takes it away."""

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Number of ids, special tokens included: every id is in `range(vocab_size)`."""

    @abstractmethod
    def encode_ordinary(self, text: str) -> list[int]:
        """Ids of `text`, in which nothing is special."""

    @abstractmethod
    def token_bytes(self, token_id: int) -> bytes:
        """The bytes a token stands for (a special token's are its name's)."""

    @abstractmethod
    def can_encode(self, text: str) -> bool:
        """Whether `encode` takes every character of `text`."""

    @abstractmethod
    def rules(self) -> Iterator[object]:
        """What decides the ids beside the pieces, as JSON values (BPE: pattern and merges): part of the fingerprint."""

    def encode(self, text: str | bytes, *, allowed_special: Collection[str] = ()) -> list[int]:
        """Ids of `text`. Special tokens in the text are ordinary text unless named in `allowed_special`.

        Args:
            text: a string, or its bytes in UTF-8; a byte-level tokenizer takes any bytes.
            allowed_special: names of special tokens that become their ids where the text has them.

        Raises:
            TokenizerError: a character that the tokenizer cannot write, or a name that is no special token of it.
        """
        if not allowed_special and isinstance(text, str):
            return self.encode_ordinary(text)
        return self.encode_batch([text], allowed_special=allowed_special, threads=1)[0]

    def encode_batch(
        self, texts: Sequence[str | bytes], *, allowed_special: Collection[str] = (), threads: int = 0
    ) -> list[list[int]]:
        """Ids of each text: what `encode` gives for it.

        Args:
            texts: strings, or bytes in UTF-8.
            allowed_special: as in `encode`.
            threads: how many to use; 0: as many as this process may. The ids are the same for any number.
        """
        ids, starts = self.encode_many(texts, allowed_special=allowed_special, threads=threads)
        return id_lists(ids, starts, self._numbers, threads)

    def encode_array(
        self, text: str | bytes, *, allowed_special: Collection[str] = (), threads: int = 0
    ) -> npt.NDArray[np.uint32]:
        """What `encode` gives, as an array of uint32; a long text is encoded in several threads."""
        return self.encode_many([text], allowed_special=allowed_special, threads=threads)[0]

    def encode_many(
        self, texts: Sequence[str | bytes], *, allowed_special: Collection[str] = (), threads: int = 0
    ) -> tuple[Ids, Places]:
        """What `encode_batch` gives, as arrays: all ids end to end (uint32), and where each text begins (int64).

        Example:
            >>> ids, starts = tokenizer.encode_many(["the car", "the cat"])
            >>> ids[starts[1] : starts[2]]     # those of "the cat"
        """
        if isinstance(texts, str | bytes):
            raise TokenizerError("A batch is a list of texts: put the text into a list, or use encode_array.")
        if not allowed_special:
            return self.encode_ordinary_many(texts, threads=threads)
        finder = self._finder(allowed_special)
        parts: list[Sequence[str | bytes]] = [finder.parts(text) for text in texts]
        ids, starts = self.encode_ordinary_many([one for text in parts for one in text[0::2]], threads=threads)
        ordinary = iter(np.split(ids, starts[1:-1]))
        pieces: list[Ids] = []
        lengths = []
        for text in parts:
            own = [next(ordinary)]
            for found in map(string, text[1::2]):
                own += [np.array([self.special_tokens[finder.name(found)]], np.uint32), next(ordinary)]
            pieces += own
            lengths.append(sum(map(len, own)))
        return np.concatenate(pieces or [ids]), np.cumsum([0, *lengths], dtype=np.int64)

    def encode_ordinary_many(
        self, texts: Sequence[Text], *, threads: int = 0, check: bool = False
    ) -> tuple[Ids, Places]:
        """What `encode_many` gives where nothing is special. This one is for every family, a text at a time.

        With `check`, bytes that are not UTF-8 are refused by a byte-level tokenizer too.
        """
        ids = [np.array(self.encode_ordinary(string(text)), np.uint32) for text in texts]
        return np.concatenate([np.zeros(0, np.uint32), *ids]), np.cumsum([0, *map(len, ids)], dtype=np.int64)

    def encode_files(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        text_field: str = "text",
        invalid: Literal["refuse", "replace"] = "refuse",
        threads: int = 0,
    ) -> tuple[Ids, Places]:
        """Ids of the documents of files, as `encode_many` gives them: nothing is special, no end of text put between.

        Plain text (a file is a document), jsonl and parquet (a row is a document), each also packed as .gz or .zst.
        Plain text is read where it lies, by a tokenizer with a native core without ever becoming a string. The ids
        are held whole, 4 bytes each: for more than memory holds there is `idiolect encode`.

        Args:
            paths: files, folders (read whole) or patterns, as `Corpus` takes them.
            text_field: the field of a jsonl row, or the column of a parquet file, that holds the text.
            invalid: for bytes that are not UTF-8, "refuse" (an error with file and offset) or "replace" (by U+FFFD).
            threads: how many to use; 0: as many as this process may.

        Raises:
            CorpusError: a file does not exist, is damaged, or is not text.

        Example:
            >>> ids, starts = tokenizer.encode_files(["letters/", "diary.txt"])
        """
        from idiolect.tokenizers.files import encode_files  # it knows this file

        return encode_files(self, paths, text_field=text_field, invalid=invalid, threads=threads)

    def encode_with_offsets(self, text: str, *, allowed_special: Collection[str] = ()) -> TokenPlaces:
        """Ids of `text`, and where each token stands in it, in characters and in bytes.

        Example:
            >>> places = tokenizer.encode_with_offsets("the café")
            >>> [text[start:end] for start, end in places.characters]

        Raises:
            TokenizerError: as `encode`; or the places are not known, because the text is changed before it is cut.
        """
        ids: list[int] = []
        lengths: list[int] = []
        finder = self._finder(allowed_special)
        for number, part in enumerate(map(string, finder.parts(text))):
            if number % 2:
                ids.append(self.special_tokens[finder.name(part)])
                lengths.append(len(part.encode()))
            else:
                own, own_lengths = self.ordinary_lengths(part)
                ids += own
                lengths += own_lengths
        return TokenPlaces.of(text, ids, lengths)

    def ordinary_lengths(self, text: str) -> tuple[list[int], list[int]]:
        """Ids of `text`, in which nothing is special, and how many of its bytes each stands for."""
        ids = self.encode_ordinary(text)
        return ids, [len(self.token_bytes(i)) for i in ids]

    def sample(self, text: str | bytes, *, alpha: float = 0.1, seed: int = 0, nbest: int = -1) -> list[int]:
        """Ids of one of the possible segmentations of `text`, drawn by chance: training on many makes models robust.

        Args:
            text: in which nothing is special.
            alpha: for BPE, the probability by which each merge is left out (0: `encode`); for unigram, the power to
                which probabilities are raised (0: all alike).
            seed: determines the draw.
            nbest: for unigram, of how many best segmentations one is drawn; -1: of all.

        Raises:
            TokenizerError: this family has one segmentation only, or an argument is out of range.
        """
        raise TokenizerError(
            f"A tokenizer of kind {self.kind} cuts a text in one way only: to sample, learn one of kind bpe or unigram."
        )

    def nbest(self, text: str, n: int) -> list[tuple[list[int], float]]:
        """The `n` most probable segmentations of `text`, best first, each with its log-probability.

        Raises:
            TokenizerError: this family knows no probabilities.
        """
        raise TokenizerError(
            f"A tokenizer of kind {self.kind} gives segmentations no probabilities: learn one of kind unigram."
        )

    def extend(self, tokens: Iterable[str], *, special: bool = False) -> Tokenizer:
        """A tokenizer with new tokens after its own, whose ids stay what they are.

        Args:
            tokens: the new tokens, by id from `vocab_size` on. Ordinary ones are found in a text before anything else,
                leftmost first and of several the longest, as Hugging Face's added tokens are.
            special: whether text never becomes one of them, unless it is allowed.

        Example:
            >>> chat = tokenizer.extend(["<|user|>", "<|assistant|>"], special=True)

        Raises:
            TokenizerError: a token is empty, or is in the vocabulary already.
        """
        from idiolect.tokenizers.extended import extended

        return extended(self, tokens, special=special)

    def framed(self, ids: Iterable[int], second: Iterable[int] | None = None) -> Framed:
        """The ids of a text, or of two, with the special tokens that stand around them, and the segment of each.

        Without a `frame`, nothing is put around; the segments are 0, and 1 for a second text.

        Example:
            >>> question, answer = bert.encode("Who is it?"), bert.encode("Me.")
            >>> ids, segments = bert.framed(question, answer)    # [CLS] Who is it ? [SEP] Me . [SEP]
        """
        return self.frame.put(self.special_tokens, [ids] if second is None else [ids, second])

    def with_frame(self, frame: Frame | None = None, *, roles: Mapping[str, str] | None = None) -> Self:
        """The same tokenizer with a frame, with roles for its special tokens, or both; what is not given stays.

        Example:
            >>> tokenizer = tokenizer.extend(["[CLS]", "[SEP]", "[MASK]"], special=True)
            >>> tokenizer = tokenizer.with_frame(Frame.bert(), roles={"mask": "[MASK]"})

        Raises:
            TokenizerError: a token of the frame or of a role is no special token, or there is no such role.
        """
        for role in roles or ():
            if role not in ROLES:
                raise TokenizerError(f"There is no role {role!r}: choose one of {', '.join(ROLES)}.")
        for name in [*(frame.names if frame else ()), *(roles or {}).values()]:
            if name not in self.special_tokens:
                raise TokenizerError(f"{name!r} is no special token of this tokenizer: add it by extend(special=True).")
        changed = copy.copy(self)
        changed.frame = self.frame if frame is None else frame
        changed.roles = dict(self.roles if roles is None else roles)
        return changed

    def role(self, name: str) -> int:
        """The id of the special token that has a role: "mask", "pad", "cls", "sep", "unk", "bos" or "eos".

        Raises:
            TokenizerError: none has it.
        """
        if name not in self.roles:
            raise TokenizerError(f"This tokenizer has no {name} token: give it one by with_frame(roles=...).")
        return self.special_tokens[self.roles[name]]

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json`, as Hugging Face reads them, into an existing folder; a
        SentencePiece `tokenizer.model` where only that can express it (user-defined pieces of a unigram model)."""
        from idiolect.tokenizers.formats import save_tokenizer  # the formats know the families, which know this file

        save_tokenizer(self, folder)

    @property
    def end_of_text(self) -> int:
        """The id of the special token that opens and closes every document."""
        return self.special_tokens[self.end_of_text_name]

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of `ids` (a list, an array or whatever gives ints), exactly; special tokens give nothing.

        Raises:
            TokenizerError: there is no token of such an id.
        """
        if isinstance(ids, np.ndarray):
            given: list[int] | npt.NDArray[np.int64] = np.ascontiguousarray(ids, np.int64)
        else:
            given = ids if isinstance(ids, list) else list(ids)
        try:
            text = self._decoder.decode(given)
        except (ValueError, OverflowError):
            for token_id in given:
                self._checked(token_id)
            raise
        return text.removeprefix(b" ") if self.drops_first_space else text

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; bytes that are not UTF-8 become U+FFFD; special tokens give nothing."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def decode_batch(self, batch: Iterable[Iterable[int]]) -> list[str]:
        """The text of each list of ids."""
        return [self.decode(ids) for ids in batch]

    def show(self, text: str) -> Tokens:
        """The text as this tokenizer cuts it, coloured at a terminal and in a notebook.

        Example:
            >>> tokenizer.show("To be, or not to be")
        """
        from idiolect.tokenizers.inspect import look  # which knows the families, which know this file

        return look(self, text)

    def stream(self) -> StreamDecoder:
        """A decoder that takes one id at a time and never emits half a character."""
        return StreamDecoder(self)

    def fingerprint(self) -> str:
        """What identifies this tokenizer in every artifact made with it: a sha256, in hexadecimal.

        It covers all that decides the ids (kind, special tokens, pieces, merges, pattern) and, so that a change of the
        code or of Unicode's tables shows too, the ids of what it can write of a fixed probe text.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        """Made once: it takes a look at every piece, and each shard of tokens asks for it."""
        probe = "".join(character for character in PROBE if self.can_encode(character))
        pieces = [self.token_bytes(token_id).hex() for token_id in range(self.vocab_size)]
        special = sorted(self.special_tokens.items())
        identity: list[object] = [self.kind, special, pieces, list(self.rules()), self.encode(probe)]
        if self.end_of_text_name != END_OF_TEXT:
            identity.append(self.end_of_text_name)
        if self.strips:
            told = {name: strip if strip.alone else strip[:2] for name, strip in self.strips.items()}
            identity.append({"strips": sorted(told.items())})
        if self.frame != Frame():
            identity.append({"frame": self.frame.to_json()})
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()

    @cached_property
    def _decoder(self) -> TokenBytes:
        """What decodes natively, made when it is first needed."""
        special = set(self.special_tokens.values())
        return TokenBytes([b"" if i in special else self.token_bytes(i) for i in range(self.vocab_size)])

    @cached_property
    def _numbers(self) -> list[int]:
        """Python's int of each id, so that lists of ids share them."""
        return list(range(self.vocab_size))

    def __getstate__(self) -> dict[str, object]:
        """What is copied or sent to another process: all but what can be made again."""
        return {name: value for name, value in vars(self).items() if name not in _MADE_AGAIN}

    def _finder(self, allowed_special: Collection[str]) -> Finder:
        """What finds the allowed special tokens in a text. Of names that overlap, the longest."""
        for name in allowed_special:
            if name not in self.special_tokens:
                known = ", ".join(self.special_tokens)
                raise TokenizerError(f"{name!r} is no special token of this tokenizer: it has {known}.")
        return Finder(allowed_special, self.strips)

    def _checked(self, token_id: int) -> int:
        """The id itself, where there is such an id."""
        if not 0 <= token_id < self.vocab_size:
            raise TokenizerError(f"There is no token {token_id}: this tokenizer has ids 0 to {self.vocab_size - 1}.")
        return token_id

    @staticmethod
    def train(
        source: Corpus | Path | Sequence[str] | Sequence[Path],
        *,
        kind: str = "bpe",
        vocab_size: int = 8000,
        **options: Any,
    ) -> Tokenizer:
        """Learn a tokenizer from a corpus, from files, or from a list of strings (each a document).

        Args:
            source: a `Corpus`; one path or several, of files, folders or patterns; or the texts themselves, as str. Of
                a corpus and of files, only the documents for training are read (`text.splitting`).
            kind: "bpe", "unigram", "words", "whitespace", "characters" or "bytes".
            vocab_size: ids in all, special tokens and the 256 bytes included; words and characters: at most that many.
            options: for BPE, all of `bpe_learning.BpeOptions` (pattern, ties, min_frequency, ...); for unigram, all of
                `unigram_learning.UnigramOptions` (mode, coverage, ...).

        Raises:
            TokenizerError: the vocabulary is smaller than the alphabet or larger than the text supports, or there is no
                such option.

        Example:
            >>> tokenizer = Tokenizer.train([Path("letters")], vocab_size=32000, pattern="gpt2", ties="huggingface")
        """
        from idiolect.tokenizers.learning import train_tokenizer  # learning knows the families, which know this file

        return train_tokenizer(source, kind=kind, vocab_size=vocab_size, options=options)

    @staticmethod
    def load(
        path: str | Path, pattern: str | None = None, special_tokens: Mapping[str, int] | None = None
    ) -> Tokenizer:
        """Read a tokenizer: of a folder (a tokenizer's, a model's), a `tokenizer.json`, tiktoken's ranks, a
        SentencePiece `.model`, or GPT-2's `vocab.bpe` with `encoder.json` beside it.

        Args:
            path: the folder or the file.
            pattern: how text is cut, where the format does not say (tiktoken, GPT-2).
            special_tokens: names and ids of special tokens that the file does not have or does not tell.

        Example:
            >>> tokenizer = Tokenizer.load("ranks.tiktoken", pattern="cl100k", special_tokens={"<|endoftext|>": 50256})

        Raises:
            TokenizerError: there is none, or it is damaged, or of a kind this package does not read.
        """
        from idiolect.tokenizers.formats import load_tokenizer

        return load_tokenizer(Path(path), pattern, special_tokens)


def string(text: Text) -> str:
    """The text itself, or what its bytes are in UTF-8."""
    if isinstance(text, str):
        return text
    try:
        return str(text, "utf-8")
    except UnicodeDecodeError as error:
        raise TokenizerError(
            f"The text is not UTF-8 at byte {error.start}, and only a byte-level tokenizer can write that."
        ) from None
