"""Merges out of ranks: what `ranks` claims of them, checked on everything small."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idiolect.errors import TokenizerError
from idiolect.tokenizers.formats.ranks import last_merge, merges_of_ranks, why_not_ranks, without_ties

PIECES = ["".join(p) for n in (2, 3, 4) for p in itertools.product("ab", repeat=n)]


def by_ranks(text: str, ranks: dict[str, float]) -> list[str]:
    """As tiktoken and SentencePiece merge: the best piece that two neighbours make, the leftmost of equals."""
    word = list(text)
    while True:
        pairs = [ranks.get(left + right, float("inf")) for left, right in itertools.pairwise(word)]
        if not pairs or min(pairs) == float("inf"):
            return word
        at = pairs.index(min(pairs))
        word[at : at + 2] = [word[at] + word[at + 1]]


def by_pairs(text: str, merges: list[tuple[str, str]]) -> list[str]:
    """As Hugging Face merges: the earliest merge whose pair is there, the leftmost of them."""
    word = list(text)
    while True:
        places = {pair: n for n, pair in reversed(list(enumerate(itertools.pairwise(word))))}
        pair = next((pair for pair in merges if pair in places), None)
        if pair is None:
            return word
        word[places[pair] : places[pair] + 2] = ["".join(pair)]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), unique=True), st.lists(st.text("abc", max_size=14), max_size=8))
def test_one_pair_for_each_piece_merges_as_the_ranks_do(pieces: list[str], texts: list[str]) -> None:
    ranks = {piece: float(n) for n, piece in enumerate(pieces)}
    merges = merges_of_ranks(ranks)
    assert len({left + right for left, right in merges}) == len(merges)
    for text in [*texts, "a" * 20, "ab" * 10]:
        assert by_pairs(text, merges) == by_ranks(text, ranks)
    assert why_not_ranks(merges, {**ranks}) is None


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), unique=True), st.randoms(), st.text("ab", max_size=16))
def test_further_pairs_that_stand_together_change_nothing(pieces: list[str], chance: object, text: str) -> None:
    ranks = {piece: float(n) for n, piece in enumerate(pieces)}
    merges = []
    for piece in pieces:
        cuts = [(piece[:n], piece[n:]) for n in range(1, len(piece))]
        chance.shuffle(cuts)  # type: ignore[attr-defined]
        merges += [(left, right) for left, right in cuts if {left, right} <= {*pieces, "a", "b"}]
    assert why_not_ranks(merges, ranks) is None
    assert by_pairs(text, merges) == by_ranks(text, ranks)


@pytest.mark.parametrize("longest", [2, 4, 8, 16])
def test_runs_that_share_a_rank_are_taken_longest_first(longest: int) -> None:
    ranks = {"ax": 0.0, "xa": 1.0, **{"x" * n: 7.0 for n in range(2, longest + 1)}}
    merges = merges_of_ranks(without_ties(ranks))
    for n in range(5 * longest):
        for text in ("x" * n, "a" + "x" * n, "x" * n + "a", "ax" + "x" * n + "b"):
            assert by_pairs(text, merges) == by_ranks(text, ranks)


@pytest.mark.parametrize(
    "ranks",
    [
        {"ab": 1.0, "bc": 1.0},
        {"xx": 1.0, "xxx": 1.0},  # three at a time are no power of two
        {"xx": 1.0, "xxxx": 1.0},
        {"xx": 1.0, "xxx": 1.0, "xxxx": 1.0, "axx": 0.0},
    ],
)
def test_other_ties_are_refused(ranks: dict[str, float]) -> None:
    with pytest.raises(TokenizerError, match="have the same score"):
        without_ties(ranks)


def test_pieces_of_hundreds_of_thousands_of_characters_are_not_worked_on() -> None:
    with pytest.raises(TokenizerError, match="so long"):
        merges_of_ranks({"a" * 200_000: 0.0})
    assert last_merge("a", {}) is None
    assert last_merge("ab", {}) is None
