"""A tokenizer seen at work: a text in colours, merges replayed one by one, a segmentation's likelihood as fractions.

Nothing here is needed to encode: it is for the terminal, the notebook and the classroom. Costs are those of a few
words; replaying looks at each merge once.
"""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle, pairwise

from rich.text import Text

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.normalize import MARK
from idiolect.tokenizers.patterns import splitter
from idiolect.tokenizers.reference import merge_everywhere
from idiolect.tokenizers.unigram import UnigramTokenizer

GROUNDS = ("#fde2e4", "#e2ece9", "#dfe7fd", "#fff1c1", "#ead8f5")
"""Backgrounds that follow each other, pale enough for black letters."""
VISIBLE = str.maketrans({" ": "_", "\n": "⏎", "\t": "⇥", "\r": "␍"})


@dataclass(frozen=True)
class Tokens:
    """A text cut into tokens, for people: coloured at a terminal (`rich`), coloured in a notebook.

    Example:
        >>> tokens = look(tokenizer, "To be")
        >>> tokens.ids, tokens.pieces
        ([395, 312], [b'To', b' be'])
        >>> tokens                          # as the last line of a notebook's cell: in colours
    """

    ids: list[int]
    pieces: list[bytes]
    """The bytes of each token; half a character may be one."""

    @property
    def shown(self) -> list[str]:
        """Each token as it can be printed: bytes that are no character as \\xNN."""
        return [piece.decode("utf-8", errors="backslashreplace") for piece in self.pieces]

    @property
    def _lines_marked(self) -> list[str]:
        return [shown.replace("\n", "⏎\n") for shown in self.shown]

    def __rich__(self) -> Text:
        text = Text()
        for shown, ground in zip(self._lines_marked, cycle(GROUNDS)):
            text.append(shown.removesuffix("\n"), style=f"black on {ground}")
            text.append("\n" if shown.endswith("\n") else "")  # without its colour, which would fill the line
        return text

    def _repr_html_(self) -> str:
        cells = (
            f'<span style="background:{ground};color:#000;white-space:pre-wrap" title="{token_id}">'
            f"{html.escape(shown)}</span>"
            for shown, token_id, ground in zip(self._lines_marked, self.ids, cycle(GROUNDS))
        )
        return f'<div style="font-family:monospace;line-height:1.7">{"".join(cells)}</div>'


def look(tokenizer: Tokenizer, text: str) -> Tokens:
    """The text as this tokenizer cuts it."""
    ids = tokenizer.encode(text)
    return Tokens(ids, [tokenizer.token_bytes(token_id) for token_id in ids])


@dataclass(frozen=True)
class MergeStep:
    """One merge on a few words."""

    rank: int
    """Its place in the order the merges were learnt, from 1; 0 for the words before any merge."""
    merged: bytes
    """What the pair became; empty before any merge."""
    times: int
    """How often the pair stood in these words."""
    symbols: list[bytes]
    """The words after it, end to end, cut into symbols."""

    def __str__(self) -> str:
        """[th e _ c a r]   "th" occurs 3 times (merge 1)"""
        shown = "[" + " ".join(map(visible, self.symbols)) + "]"
        if not self.rank:
            return shown
        times = "once" if self.times == 1 else f"{self.times} times"
        return f'{shown}   "{visible(self.merged)}" occurs {times} (merge {self.rank:,})'


def visible(symbol: bytes) -> str:
    """A symbol as a textbook prints it: a space as _, bytes that are no character as \\xNN."""
    return symbol.decode("utf-8", errors="backslashreplace").translate(VISIBLE)


def replay_merges(tokenizer: Tokenizer, text: str) -> Iterator[MergeStep]:
    """The merges that a BPE tokenizer makes in a text, in the order they were learnt, each with the words after it.

    The last step's symbols are the tokens that `encode` gives.

    Raises:
        TokenizerError: the tokenizer has no merges.

    Example:
        >>> for step in replay_merges(tokenizer, "the car the cat the rat"):
        ...     print(step)
        [t h e _ c a r _ t h e _ c a t _ t h e _ r a t]
        [th e _ c a r _ th e _ c a t _ th e _ r a t]   "th" occurs 3 times (merge 1)
    """
    if not isinstance(tokenizer, BytePairTokenizer):
        raise TokenizerError(f"A tokenizer of kind {tokenizer.kind} has no merges to replay: explain one of kind bpe.")
    bare = tokenizer.with_merges(0, normalized=True)
    words = [tuple(bare.encode(word)) for word in splitter(tokenizer.pattern)(tokenizer.normalizer(text))]
    yield MergeStep(0, b"", 0, [tokenizer.token_bytes(symbol) for word in words for symbol in word])
    pairs = {pair for word in words for pair in pairwise(word)}
    for rank, (pair, token) in enumerate(zip(tokenizer.merges, tokenizer.merged), start=1):
        if pair not in pairs:
            continue
        before = sum(map(len, words))
        words = [tuple(merge_everywhere(word, pair, token)) for word in words]
        pairs = {pair for word in words for pair in pairwise(word)}
        symbols = [tokenizer.token_bytes(symbol) for word in words for symbol in word]
        yield MergeStep(rank, tokenizer.token_bytes(token), before - len(symbols), symbols)


def explain(tokenizer: Tokenizer, words: str) -> Iterator[str]:
    """What a tokenizer learnt, on a few words, line by line.

    BPE: its merges, one by one. Unigram: `words` are the pieces of a text with spaces between them; their likelihood by
    their own shares, then by the model's probabilities, and the segmentation that the model finds likeliest.

    Example:
        >>> print(*explain(tokenizer, "the car the cat the rat"), sep="\n")
    """
    if not isinstance(tokenizer, UnigramTokenizer):
        yield from map(str, replay_merges(tokenizer, words))
        return
    pieces = words.split()
    text = "".join(pieces).replace(MARK, " ").removeprefix(" ")
    yield f"{text}: {' | '.join(pieces)}"
    yield f"by their own shares: {likelihood_as_fractions(pieces)}"
    probabilities = {piece: math.exp(score) for piece, score in zip(tokenizer.pieces, tokenizer.scores)}
    if all(piece in probabilities for piece in pieces):
        product = math.prod(probabilities[piece] for piece in pieces)
        factors = " · ".join(f"{probabilities[piece]:.3g}" for piece in pieces)
        yield f"by the model: {factors} = {product:.3g}"
    else:
        strangers = [piece for piece in pieces if piece not in probabilities]
        yield f"by the model: 0, for it has no piece {strangers[0]}"
    (ids, score), *_ = tokenizer.nbest(text, 1)
    yield f"likeliest: {' | '.join(tokenizer.pieces[i] for i in ids)} = {math.exp(score):.3g}"


def likelihood_as_fractions(pieces: Sequence[str]) -> str:
    """The likelihood of a segmentation under the unigram model that makes it likeliest, as a product of fractions.

    Each piece has the probability of its share among the pieces: the M-step of one segmentation (Kudo 2018, section
    3.2).

    Example:
        >>> likelihood_as_fractions(["ab", "ab", "c"])
        '2/3 · 2/3 · 1/3 = 4/27'
    """
    if not pieces:
        raise TokenizerError("There are no pieces to multiply: give the pieces of a text, with spaces between them.")
    counts = Counter(pieces)
    shares = [Fraction(counts[piece], len(pieces)) for piece in pieces]
    product = Fraction(1)
    for share in shares:
        product *= share
    return " · ".join(map(str, shares)) + f" = {product}"
