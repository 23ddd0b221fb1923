"""Completing what is being typed: the likeliest ends of a word, or of a line, each with its probability.

What is typed is characters, and its last word may be unfinished: the tokens of `the mov` need not be the first tokens
of `the movie`. So the last word is taken back, with the space before it, to where a token ends (what is called token
healing), and the search goes over all tokens that spell the typed characters and then go on. It ends where the word
does: before a space, tab or line end, or with the document; a line ends before its line end.

The probability of a completion is that of all token sequences that spell it and its end, divided by that of all that
spell what is typed: p(completion | what is typed). Completions exclude each other, so their probabilities add up to at
most 1. The search is level by level, one token at a time: `width` sequences go on at each level, and those
that could not change the ranking any more do not; what is lost so is missing from the probabilities.

Cost: the text before the word is read once, then each level is one pass over the weights for at most `width` rows.

Shapes: N sequences going on, V vocabulary.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from idiolect.errors import UsageError
from idiolect.generate.engine import check_prompt, next_logits
from idiolect.generate.sampling import log_probs
from idiolect.models.model import Model, evaluating
from idiolect.tokenizers.base import Tokenizer

Unit = Literal["word", "line"]

SPACES = b" \t\n\r\v\f"
ENDS: dict[Unit, bytes] = {"word": SPACES, "line": b"\n"}
"""What ends a word, and a line. Other scripts' spaces are characters like any other."""

MOST: dict[Unit, int] = {"word": 16, "line": 48}
"""Tokens of a completion at most."""

_NEGLIGIBLE = 1e-3
"""A sequence goes on while it is at least this share of the last completion that would be shown."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A text, taken back to where a token ends."""

    ids: list[int]
    """The tokens of what stands before."""
    spelling: bytes
    """What is to be spelled again."""
    before: bytes
    """The part of the unfinished word or line that stands in `ids`."""
    begins: int
    """How many bytes of `spelling` come before the word or line; 0 where it began earlier."""


def take_back(tokenizer: Tokenizer, text: str, unit: Unit) -> Typed:
    """The text up to its last word, as tokens, and that word with the space before it, as what is typed.

    A text that the tokenizer changes before it cuts it (normalised, or words without their spaces) is cut exactly
    before the space.

    Raises:
        TokenizerError: characters that the tokenizer cannot write.
    """
    ids = tokenizer.encode(text)
    front = b" " if tokenizer.drops_first_space else b""
    typed = front + text.encode()
    word = len(typed)
    while word > 0 and typed[word - 1] not in SPACES:
        word -= 1
    space = len(typed[:word].rstrip(SPACES))
    start = word if unit == "word" else max(typed.rfind(b"\n") + 1, len(front))
    pieces = [tokenizer.token_bytes(token_id) for token_id in ids]
    if b"".join(pieces) == typed:
        kept = cut = 0
        while kept < len(ids) and cut + len(pieces[kept]) <= space:
            cut += len(pieces[kept])
            kept += 1
        return Typed(ids[:kept], typed[cut:], typed[start:cut], max(0, start - cut))
    between = typed[space:word]
    if between and not tokenizer.encode(between.decode()):
        between = b" "  # such tokenizers know no other
    known = typed[len(front) : space].decode()
    inside = max(0, start - space - (word - space) + len(between)) if start > space else 0
    return Typed(tokenizer.encode(known), between + typed[word:], typed[start:space], inside)


class Vocabulary:
    """The tokens by what they spell, so that those that go on from typed characters are found at once.

    It holds every token's bytes and is made once for a tokenizer and a unit: some 0.1 s for 50,000 tokens.

    Args:
        tokenizer: whose tokens.
        size: the model's vocabulary, which may be larger: ids that spell nothing never go on.
        unit: what is completed.
    """

    def __init__(self, tokenizer: Tokenizer, size: int, unit: Unit) -> None:
        special = set(tokenizer.special_tokens.values())
        self.unit: Unit = unit
        self.ends = ends = ENDS[unit]
        self.opening = tokenizer.end_of_text
        self.pieces = [b"" if i in special else tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size)]
        if tokenizer.unknown is not None:
            self.pieces[tokenizer.unknown] = b""
        spelled = [token_id for token_id, piece in enumerate(self.pieces) if piece]
        spelled.sort(key=self.pieces.__getitem__)
        self._sorted = [self.pieces[token_id] for token_id in spelled]
        self._sorted_ids = torch.tensor(spelled)
        self.last_end_V = torch.zeros(size, dtype=torch.int64)
        """How many bytes of each token there are up to its last end, that included; 0: there is no end in it."""
        self.goes_on_V, self.ends_later_V, self.ends_V = (torch.zeros(size, dtype=torch.bool) for _ in range(3))
        """Tokens without an end; with one inside; those that begin with one, and special ones."""
        for token_id in spelled:
            piece = self.pieces[token_id]
            last_end = len(piece.rstrip(bytes(set(range(256)) - set(ends))))
            self.last_end_V[token_id] = last_end
            self.goes_on_V[token_id] = last_end == 0
            self.ends_V[token_id] = piece[0] in ends
            self.ends_later_V[token_id] = last_end > 0 and piece[0] not in ends
        for token_id in special:
            self.ends_V[token_id] = True

    def beginning_with(self, rest: bytes) -> Tensor:
        """Ids of the tokens that begin with these bytes."""
        above = bisect_right(self._sorted, rest, key=lambda piece: piece[: len(rest)])
        return self._sorted_ids[bisect_left(self._sorted, rest) : above]

    def inside(self, rest: bytes) -> list[int]:
        """Ids of the tokens with which these bytes begin, and which are shorter."""
        found = []
        for length in range(1, len(rest)):
            place = bisect_left(self._sorted, rest[:length])
            while place < len(self._sorted) and self._sorted[place] == rest[:length]:
                found.append(int(self._sorted_ids[place]))
                place += 1
        return found

    def until_end(self, spelled: bytes, start: int) -> bytes:
        """The bytes before the first end that is not before `start`."""
        return spelled[: next(place for place in range(start, len(spelled)) if spelled[place] in self.ends)]


def autocomplete(
    model: Model, vocabulary: Vocabulary, typed: Typed, k: int, *, most: int | None = None, width: int = 32
) -> list[tuple[str, float]]:
    """The k likeliest words or lines that begin as typed, in a document that begins so, with their probabilities.

    Args:
        vocabulary: of the model's tokenizer, for the unit that `typed` was taken back for.
        k: how many at most, 1 or more.
        most: tokens of a completion at most; None: 16 of a word, 48 of a line.
        width: token sequences that go on at each level of the search.

    Raises:
        UsageError: k out of range, or a model that does not read from left to right.
    """
    if k < 1:
        raise UsageError(f"k must be at least 1, not {k}.")
    found = likeliest_endings(
        model,
        [vocabulary.opening, *typed.ids],
        typed.spelling,
        vocabulary,
        k=k,
        shortest=0 if typed.before else typed.begins + 1,
        most=most or MOST[vocabulary.unit],
        width=width,
    )
    whole = [((typed.before + text[typed.begins :]).decode(errors="replace"), share) for text, share in found]
    return [(text, share) for text, share in whole if "\ufffd" not in text][:k]  # none with half a character


def likeliest_endings(
    model: Model,
    prompt_ids: Sequence[int],
    typed: bytes,
    vocabulary: Vocabulary,
    *,
    k: int,
    shortest: int,
    most: int,
    width: int,
) -> list[tuple[bytes, float]]:
    """Texts up to their end that begin with `typed`, each with its probability given that they do, likeliest first.

    Args:
        k: how many of the first shall be right; those behind were only partly followed.
        prompt_ids: what stands before, at least one id; a Transformer reads as many of the last as leave room for
            `most` more.
        shortest: bytes that a text must have to count.
        most: tokens of a text at most, its end not counted.
        width: sequences that go on at each level.
    """
    check_prompt(model, prompt_ids)
    if model.window is not None:
        most = min(most, model.window // 2)
        prompt_ids = prompt_ids[-(model.window - most) :]
    found: dict[bytes, float] = defaultdict(float)
    spelled = 0.0 if typed else 1.0
    with torch.inference_mode(), evaluating(model):
        cache = model.new_cache(1, len(prompt_ids) + most)
        logits_NV = next_logits(model, [prompt_ids], cache)
        beam, totals_N1 = [b""], torch.zeros(1, 1, dtype=torch.float64)
        for level in range(most + 1):
            totals_NV = totals_N1 + log_probs(logits_NV).cpu()
            goes_on_NV = vocabulary.goes_on_V.repeat(len(beam), 1)
            ends_later_NV = vocabulary.ends_later_V.repeat(len(beam), 1)
            for row, text in enumerate(beam):
                if rest := typed[len(text) :]:
                    whole = vocabulary.beginning_with(rest)
                    spelled += float(totals_NV[row, whole].exp().sum())
                    ends = vocabulary.last_end_V[whole] > len(rest)
                    goes_on_NV[row] = ends_later_NV[row] = False
                    goes_on_NV[row, whole[~ends]] = ends_later_NV[row, whole[ends]] = True
                    goes_on_NV[row, vocabulary.inside(rest)] = True
                elif len(text) >= shortest:
                    found[text] += float(totals_NV[row, vocabulary.ends_V].exp().sum())
            for row, token_id, total in _best(totals_NV, ends_later_NV, width):
                text = beam[row] + vocabulary.pieces[token_id]
                ended = vocabulary.until_end(text, max(len(typed), len(beam[row])))
                if len(ended) >= shortest:
                    found[ended] += math.exp(total)
            shown = sorted(found.values(), reverse=True)[:k]
            least = shown[-1] * _NEGLIGIBLE if len(shown) == k else 0.0
            kept = [one for one in _best(totals_NV, goes_on_NV, width) if math.exp(one[2]) > least]
            if not kept or level == most:
                break
            rows, ids, totals = zip(*kept)
            beam = [beam[row] + vocabulary.pieces[token_id] for row, token_id in zip(rows, ids)]
            totals_N1 = totals_N1.new_tensor(totals)[:, None]
            cache = cache.select(rows)
            logits_NV = next_logits(model, [[token_id] for token_id in ids], cache)
    ranked = sorted(found.items(), key=lambda one: -one[1])
    return [(text, share / spelled) for text, share in ranked if share > 0]


def _best(totals_NV: Tensor, allowed_NV: Tensor, most: int) -> list[tuple[int, int, float]]:
    """The likeliest of the allowed extensions, at most so many: row, token, ln p."""
    best = totals_NV.masked_fill(~allowed_NV, -math.inf).flatten().topk(min(most, totals_NV.numel()))
    places = zip(best.indices.tolist(), best.values.tolist())
    return [(*divmod(place, totals_NV.shape[1]), total) for place, total in places if total > -math.inf]
