"""A tokenizer with tokens added after it was learnt: new ids at the end, the old ones unmoved.

Added tokens are found in the text before anything else, leftmost first and of several the longest, as Hugging Face's
added tokens are; the stretches between them are encoded as texts of their own. Where a text is given a space at its
front (SentencePiece's way), so is each stretch, and decoding takes away the first one alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Ids, Places, Text, Tokenizer, string
from idiolect.tokenizers.byte_level import utf8
from idiolect.tokenizers.normalize import MARK


class ExtendedTokenizer(Tokenizer):
    """A tokenizer and tokens added to it.

    Args:
        base: the tokenizer as it was learnt.
        added: names and ids of the ordinary tokens added. Names that are special tokens of `base` are ordinary here.
        special_tokens: names and ids of all special tokens, those of `base` that remain so among them.
        marks: whether `▁` in an added name stands for a space in the text too (SentencePiece's user-defined pieces).

    Example:
        >>> tokenizer = ExtendedTokenizer(base, {"<think>": base.vocab_size}, base.special_tokens)
        >>> tokenizer.encode("a<think>b") == [*base.encode("a"), base.vocab_size, *base.encode("b")]
        True
    """

    def __init__(
        self, base: Tokenizer, added: Mapping[str, int], special_tokens: Mapping[str, int], *, marks: bool = False
    ) -> None:
        assert not isinstance(base, ExtendedTokenizer)
        self.base = base
        self.added = dict(added)
        self.special_tokens = dict(special_tokens)
        self.kind = base.kind
        self.end_of_text_name = base.end_of_text_name
        self.drops_first_space = base.drops_first_space
        names = {**self.special_tokens, **self.added}
        self._names = {token_id: name for name, token_id in names.items() if token_id >= base.vocab_size}
        self._added_ids = set(self.added.values())
        self.marks = marks
        longest_first = [re.escape(name) for name in sorted(self.added, key=len, reverse=True)]
        if marks:
            longest_first = [name.replace(MARK, f"(?: |{MARK})") for name in longest_first]
        self._cut = f"({'|'.join(longest_first)})" if self.added else None

    @property
    def vocab_size(self) -> int:
        """Number of ids, the added ones included."""
        return self.base.vocab_size + len(self._names)

    def encode_ordinary(self, text: str) -> list[int]:
        """Ids of `text`, in which nothing is special; added tokens are found first."""
        ids: list[int] = []
        for n, part in enumerate(map(string, self._stretches(text))):
            ids += [self._added(part)] if n % 2 else self.base.encode_ordinary(part)
        return ids

    def encode_ordinary_many(
        self, texts: Sequence[Text], *, threads: int = 0, check: bool = False
    ) -> tuple[Ids, Places]:
        """Ids of each text end to end, and where each begins, in which nothing is special."""
        if self._cut is None:
            return self.base.encode_ordinary_many(texts, threads=threads, check=check)
        parts = [self._stretches(text) for text in texts]
        stretches = [part for text in parts for part in text[0::2]]
        ids, starts = self.base.encode_ordinary_many(stretches, threads=threads, check=check)
        ordinary = iter(np.split(ids, starts[1:-1]))
        found: list[Ids] = []
        lengths: list[int] = []
        for text in parts:
            own = [next(ordinary)]
            for name in text[1::2]:
                own += [np.array([self._added(string(name))], np.uint32), next(ordinary)]
            found += own
            lengths.append(sum(map(len, own)))
        return np.concatenate([ids[:0], *found]), np.cumsum([0, *lengths], dtype=np.int64)

    def ordinary_lengths(self, text: str | bytes) -> tuple[list[int], list[int]]:
        """Ids of `text`, in which nothing is special, and how many of its bytes each stands for."""
        ids: list[int] = []
        lengths: list[int] = []
        for n, part in enumerate(map(string, self._stretches(text))):
            own = ([self._added(part)], [len(part.encode())]) if n % 2 else self.base.ordinary_lengths(part)
            ids += own[0]
            lengths += own[1]
        return ids, lengths

    def sample(self, text: str | bytes, *, alpha: float = 0.1, seed: int = 0, nbest: int = -1) -> list[int]:
        """Ids of one of the possible segmentations of `text`, each stretch between added tokens drawn by itself."""
        ids: list[int] = []
        for n, part in enumerate(map(string, self._stretches(text))):
            if n % 2:
                ids.append(self._added(part))
            else:
                ids += self.base.sample(part, alpha=alpha, seed=seed + n, nbest=nbest)
        return ids

    def nbest(self, text: str, n: int) -> list[tuple[list[int], float]]:
        """The `n` most probable segmentations of `text`, which has no added tokens in it."""
        if len(self._stretches(text)) > 1:
            raise TokenizerError("The text has an added token in it, which has no probability: take it out.")
        return self.base.nbest(text, n)

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes a token stands for (an added or special one's: its name's)."""
        name = self._names.get(self._checked(token_id))
        piece = self.base.token_bytes(token_id) if name is None else name.encode()
        if self.marks and token_id in self._added_ids:
            return piece.replace(MARK.encode(), b" ")
        return piece

    def _added(self, found: str) -> int:
        return self.added[found.replace(" ", MARK) if self.marks and found not in self.added else found]

    def _stretches(self, text: Text) -> list[str] | list[bytes]:
        """The text cut at the added tokens: stretch, token, stretch, …, stretch."""
        if isinstance(text, str):
            return re.split(self._cut, text) if self._cut else [text]
        return re.split(self._cut.encode(), bytes(text)) if self._cut else [bytes(text)]

    def can_encode(self, text: str) -> bool:
        """Whether every character of `text`, outside added tokens, can be written."""
        return all(self.base.can_encode(string(part)) for part in self._stretches(text)[0::2])

    def rules(self) -> Iterator[object]:
        """The rules of the tokenizer as it was learnt, and what was added."""
        yield from self.base.rules()
        if self.added:
            yield {"added": sorted(self.added.items()), **({"marks": True} if self.marks else {})}


def extended(tokenizer: Tokenizer, tokens: Iterable[str], *, special: bool) -> ExtendedTokenizer:
    """A tokenizer with new tokens, as `Tokenizer.extend` documents it."""
    known = {tokenizer.token_bytes(token_id) for token_id in range(tokenizer.vocab_size)}
    new: dict[str, int] = {}
    for name in tokens:
        if not isinstance(name, str) or not name:
            raise TokenizerError("An added token is a string with at least one character.")
        if name in new or utf8(name) in known:
            raise TokenizerError(f"The token {name!r} is in the vocabulary already: add tokens that are new.")
        new[name] = tokenizer.vocab_size + len(new)
    if not new:
        raise TokenizerError("No tokens were given to add.")
    base, added = tokenizer, {}
    if isinstance(tokenizer, ExtendedTokenizer):
        base, added = tokenizer.base, tokenizer.added
    if isinstance(tokenizer, ExtendedTokenizer) and tokenizer.marks and (not special or tokenizer.added):
        raise TokenizerError("This tokenizer has SentencePiece's own added tokens: others cannot be added to them.")
    if special:
        return ExtendedTokenizer(base, added, {**tokenizer.special_tokens, **new})
    return ExtendedTokenizer(base, {**added, **new}, tokenizer.special_tokens)
