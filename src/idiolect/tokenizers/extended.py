"""A tokenizer with tokens added after it was learnt: new ids at the end, the old ones unmoved.

Added tokens are found in the text before anything else, leftmost first and of several the longest, as Hugging Face's
added tokens are; the stretches between them are encoded as texts of their own. Where a text is given a space at its
front (SentencePiece's way), so is each stretch, and decoding takes away the first one alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Ids, Places, Text, Tokenizer, string
from idiolect.tokenizers.byte_level import utf8
from idiolect.tokenizers.finding import Finder, Strip
from idiolect.tokenizers.normalize import MARK, Normalizer


class ExtendedTokenizer(Tokenizer):
    """A tokenizer and tokens added to it.

    Args:
        base: the tokenizer as it was learnt.
        added: names and ids of the ordinary tokens added. Names that are special tokens of `base` are ordinary here.
        special_tokens: names and ids of all special tokens, those of `base` that remain so among them.
        marks: whether `▁` in an added name stands for a space in the text too (SentencePiece's user-defined pieces).
        strips: of the tokens that take whitespace beside them into themselves, which.
        late: names of added tokens that are looked for in the normalized text, after the others (Hugging Face's
            `normalized`; all of SentencePiece's).
        normalizer: what is done to a text before the late ones are looked for; `base` normalizes no more then than is
            needed to read marks as spaces.

    Example:
        >>> tokenizer = ExtendedTokenizer(base, {"<think>": base.vocab_size}, base.special_tokens)
        >>> tokenizer.encode("a<think>b") == [*base.encode("a"), base.vocab_size, *base.encode("b")]
        True
    """

    def __init__(
        self,
        base: Tokenizer,
        added: Mapping[str, int],
        special_tokens: Mapping[str, int],
        *,
        marks: bool = False,
        strips: Mapping[str, Strip] | None = None,
        late: Collection[str] = (),
        normalizer: Normalizer | None = None,
    ) -> None:
        assert not isinstance(base, ExtendedTokenizer)
        self.base = base
        self.added = dict(added)
        self.special_tokens = dict(special_tokens)
        self.kind = base.kind
        self.end_of_text_name = base.end_of_text_name
        self.unknown = base.unknown
        self.drops_first_space = base.drops_first_space if normalizer is None else normalizer.prefix_space
        self.strips = dict(strips or {})
        self.late = frozenset(late)
        self.normalizer = normalizer
        self.frame, self.roles = base.frame, dict(base.roles)
        names = {**self.special_tokens, **self.added}
        self._names = {token_id: name for name, token_id in names.items() if token_id >= base.vocab_size}
        self._added_ids = set(self.added.values())
        self.marks = marks
        self._all = Finder(self.added, self.strips, marks=marks)
        self._early = Finder(self.added.keys() - self.late, self.strips, marks=marks)
        self._late = Finder(self.late, self.strips, marks=marks)

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
        if not self.added and self.normalizer is None:
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
        if self.normalizer is not None:
            raise TokenizerError(
                "The places of the tokens are not known: this tokenizer changes a text before it is cut."
            )
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
        return self.added[self._all.name(found)]

    def _stretches(self, text: Text) -> Sequence[str | bytes]:
        """The text cut at the added tokens: stretch, token, stretch, …, stretch."""
        given = bytes(text) if isinstance(text, memoryview) else text
        if self.normalizer is None and not self.late:
            return self._early.parts(given)
        parts: list[str] = []
        for n, part in enumerate(map(string, self._early.parts(given))):
            if n % 2:
                parts.append(part)
            else:
                normalized = part if self.normalizer is None else self.normalizer(part)
                parts += map(string, self._late.parts(normalized))
        return parts

    def can_encode(self, text: str) -> bool:
        """Whether every character of `text`, outside added tokens, can be written."""
        return all(self.base.can_encode(string(part)) for part in self._stretches(text)[0::2])

    def rules(self) -> Iterator[object]:
        """The rules of the tokenizer as it was learnt, and what was added."""
        yield from self.base.rules()
        if self.added:
            yield {"added": sorted(self.added.items()), **({"marks": True} if self.marks else {})}
        if self.late:
            yield {"late": sorted(self.late)}
        if self.normalizer is not None:
            yield {"normalizer": self.normalizer.to_json()}


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
    base, added, rest = tokenizer, dict[str, int](), dict[str, Any]()
    if isinstance(tokenizer, ExtendedTokenizer):
        base, added = tokenizer.base, tokenizer.added
        rest = {"late": tokenizer.late, "normalizer": tokenizer.normalizer, "marks": tokenizer.marks}
        if tokenizer.marks and not special:
            raise TokenizerError("This tokenizer has SentencePiece's own added tokens: others cannot be added to them.")
    special_tokens = {**tokenizer.special_tokens, **(new if special else {})}
    larger = ExtendedTokenizer(
        base, added if special else {**added, **new}, special_tokens, strips=tokenizer.strips, **rest
    )
    larger.frame, larger.roles = tokenizer.frame, dict(tokenizer.roles)
    return larger
