"""Merges out of ranks, and when the two say the same.

tiktoken and SentencePiece keep no merges: of all neighbours whose joined piece is in the vocabulary, the pair of the
best rank is merged, the leftmost where several have it. Hugging Face and GPT-2 keep pairs. The two agree, and this is
why. Whatever the text, what happens between two places that no merge has crossed is what happens to that stretch
alone: the same pairs are there, and the best of them is the best. So a piece comes into being from the same two parts
wherever it does, those that merging the piece by itself ends with (`last_merge`), or it never does. One pair for each
piece, in the order of ranks, gives the same ids as the ranks; further pairs with the same result are never met, as
long as they stand together in the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from idiolect.errors import TokenizerError
from idiolect.tokenizers.formats.strict import short

Piece = TypeVar("Piece", bytes, str)

_MOST_WORK = 2**30  # squares of lengths, added up: some ten seconds; GPT-4's vocabulary comes to a hundredth of it
_NONE = float("inf")


def last_merge(piece: Piece, ranks: Mapping[Piece, float]) -> tuple[Piece, Piece] | None:
    """The two parts from which merging by ranks puts a piece together; None where it ends with something else.

    Args:
        piece: bytes, or a string of characters; it starts as single ones.
        ranks: each piece with its rank, the best being the lowest; no two of more than one symbol have the same.

    Example:
        >>> last_merge("that", {"th": 0, "at": 1, "tha": 2, "that": 3})
        ('th', 'at')
    """
    starts = list(range(len(piece) + 1))
    pairs = [ranks.get(piece[n : n + 2], _NONE) for n in range(len(piece) - 1)]
    while len(pairs) > 1:
        best = min(pairs)
        if best == _NONE:
            return None
        at = pairs.index(best)
        del starts[at + 1], pairs[at]
        if at > 0:
            pairs[at - 1] = ranks.get(piece[starts[at - 1] : starts[at + 1]], _NONE)
        if at < len(pairs):
            pairs[at] = ranks.get(piece[starts[at] : starts[at + 2]], _NONE)
    if not pairs or pairs[0] == _NONE:
        return None
    return piece[: starts[1]], piece[starts[1] :]


def merges_of_ranks(ranks: Mapping[Piece, float]) -> list[tuple[Piece, Piece]]:
    """The pair of each piece that merging can reach, best rank first.

    Cost: for each piece, the square of its length at most; a second or two for a hundred thousand tokens.

    Raises:
        TokenizerError: the pieces are so long that this would take minutes.
    """
    if sum(len(piece) ** 2 for piece in ranks) > _MOST_WORK:
        raise TokenizerError("its tokens are so long that their merges cannot be worked out in reasonable time.")
    pairs = (last_merge(piece, ranks) for piece in sorted(ranks, key=lambda piece: ranks[piece]))
    return [pair for pair in pairs if pair]


def without_ties(ranks: Mapping[str, float]) -> dict[str, float]:
    """Other ranks that merge the same, and of which no two are equal, single characters aside.

    Where pieces share a rank, the leftmost pair is merged whichever piece it makes. For runs of one character this has
    a use: Llama's space pieces, of 2 to 16 spaces, share the worst rank, so that spaces are taken 16 at a time and the
    rest in one. Powers of two, smaller first, and then each sum of them, larger left part first, give just that: the
    powers leave the sixteens and the binary digits of the rest, largest first, and the sums join these from the left.

    Raises:
        TokenizerError: pieces of another kind share a rank.
    """
    groups: dict[float, list[str]] = {}
    for piece, rank in ranks.items():
        if len(piece) > 1:
            groups.setdefault(rank, []).append(piece)
    order: list[str] = []
    for _, group in sorted(groups.items()):
        order += group if len(group) == 1 else _runs_in_order(group, ranks)
    return {piece: float(n) for n, piece in enumerate([*order, *(piece for piece in ranks if len(piece) == 1)])}


def _runs_in_order(group: list[str], ranks: Mapping[str, float]) -> list[str]:
    character, longest = group[0][0], max(map(len, group))
    whole = sorted(group) == sorted(character * n for n in range(2, longest + 1))
    alone = all(character * 2 not in piece or piece in group for piece in ranks)
    if not whole or not alone or longest & (longest - 1):
        raise TokenizerError(
            f"its pieces {short(group[0])} and {short(group[1])} have the same score, so that merges have no order."
        )

    def place(piece: str) -> tuple[int, int]:
        size = len(piece)
        last = size & -size  # the lowest of its binary digits
        return (0, size) if last == size else (1, last - size)

    return sorted(group, key=place)


def why_not_ranks(merges: Sequence[tuple[Piece, Piece]], ranks: Mapping[Piece, float]) -> str | None:
    """Why merging by a list of merges is not merging by ranks: a clause, or None where the two are the same.

    Args:
        merges: pairs in their order; several may give one piece.
        ranks: every piece that merging by ranks may use, with its rank.
    """
    order = [ranks[left + right] for left, right in merges]
    if any(later < earlier for earlier, later in pairwise(order)):
        return "its merges stand in another order than the ranks of the tokens they make"
    known = set(merges)
    for left, right in merges_of_ranks(ranks):
        if (left, right) not in known:
            return f"they would merge {short(left)} with {short(right)}, and no merge of this tokenizer does"
    return None
