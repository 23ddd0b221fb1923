"""Vectors for the tokens of a tokenizer: each rule by a plain loop, widths that differ, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from idiolect.embeddings import starting
from idiolect.embeddings.of_models import token_names
from idiolect.embeddings.starting import NGRAMS, PIECE, UNKNOWN, WORD, Start, starting_rows
from idiolect.embeddings.subwords import Subwords
from idiolect.embeddings.vectors import Vectors
from idiolect.errors import UsageError, VectorsError
from idiolect.tokenizers.base import Tokenizer

TEXT = "The king and the queen of the kingdom. A king, kings and kingly queens; the NAVY of The Hague.\n" * 6
WORDS = ["the", "and", "of", "king", "a", "queen", "kings", "kingdom", "kingly", "queens", "navy", "hague", "the_hague"]
KINDS: dict[str, dict[str, object]] = {
    "bpe": {"vocab_size": 292},
    "unigram": {"vocab_size": 300},
    "words": {},
    "whitespace": {},
    "characters": {},
    "bytes": {},
}


def made(kind: str) -> Tokenizer:
    return Tokenizer.train([TEXT], kind=kind, **KINDS[kind])  # type: ignore[arg-type]


BPE = made("bpe")


def vectors_of(words: list[str], dim: int = 6, *, counts: bool = True) -> Vectors:
    matrix = np.random.default_rng(len(words)).normal(size=(len(words), dim)).astype(np.float32)
    return Vectors(words, matrix, np.arange(len(words), 0, -1) ** 2 if counts else None)


def in_a_loop(vectors: Vectors, tokenizer: Tokenizer) -> tuple[NDArray[np.float64], list[int]]:
    """The rows (V, D) as the rule has them, token by token, and how each is known."""
    rows, known = np.zeros((tokenizer.vocab_size, vectors.dim)), [UNKNOWN] * tokenizer.vocab_size
    for token in range(tokenizer.vocab_size):
        for spelt in (str, lambda word: word[0].upper() + word[1:], str.upper):
            alone: list[tuple[float, int]] = []
            inside: list[tuple[float, int]] = []
            for row, word in enumerate(vectors.words):
                text = spelt(word).replace("_", " ")
                if spelt is not str and text == word:
                    continue
                weight = 1 / (row + 1) if vectors.counts is None else float(vectors.counts[row])
                for place in ("",) if tokenizer.drops_first_space else (" ", ""):
                    if not tokenizer.can_encode(place + text):
                        continue
                    ids = tokenizer.encode(place + text)
                    (alone if len(ids) == 1 else inside).extend([(weight, row)] * ids.count(token))
            text = tokenizer.token_bytes(token).decode("utf-8", errors="replace")
            nothing = (*tokenizer.special_tokens.values(), tokenizer.unknown)
            if (not alone and not inside) or token in nothing or "\ufffd" in text or not text.strip():
                continue
            as_word = sum(weight for weight, _ in alone) >= sum(weight for weight, _ in inside)
            chosen = alone if as_word else alone + inside
            total = sum(weight for weight, _ in chosen)
            rows[token] = sum(weight * vectors.matrix[row].astype(np.float64) for weight, row in chosen) / total
            known[token] = WORD if as_word else PIECE
            break
    return rows, known


def check_rule(vectors: Vectors, tokenizer: Tokenizer) -> Start:
    start = starting_rows(vectors, tokenizer, vectors.dim)
    rows, known = in_a_loop(vectors, tokenizer)
    assert start.known.tolist() == known
    assert np.allclose(start.rows, scaled(apart(rows, start.known > 0), start.known > 0), atol=1e-4)
    return start


def apart(rows: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The known rows, less as much of their mean as leaves a fifth of their mean square to it."""
    mean, rest = rows[known].mean(axis=0), rows[known].var(axis=0).sum()
    kept = min(1.0, float(np.sqrt(rest / 4 / (mean @ mean)))) if rest > 1e-12 * (mean @ mean) else 1.0
    return np.where(known[:, None], rows - (1 - kept) * mean, 0.0)


def scaled(rows: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The known rows with a mean square of 1 each; the others zeros."""
    lengths = np.sqrt(np.square(rows).mean(axis=1, keepdims=True))
    return np.where(known[:, None], rows / np.maximum(lengths, 1e-30), 0.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("counts", [True, False])
def test_rows_are_what_a_loop_over_the_rule_gives(kind: str, counts: bool) -> None:
    check_rule(vectors_of(WORDS, counts=counts), made(kind))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text("abgikneoTHqu_é'", min_size=1, max_size=9).filter(str.strip), min_size=1, unique=True))
def test_any_words_give_what_the_loop_gives(words: list[str]) -> None:
    words = [word for word in words if word.replace("_", " ").strip() == word.replace("_", " ")]
    if words:
        vectors = vectors_of(words)
        if not any(in_a_loop(vectors, BPE)[1]):
            return
        check_rule(vectors, BPE)


def test_many_words_are_taken_in_parts_and_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = starting_rows(vectors_of(WORDS), BPE, 6)
    monkeypatch.setattr(starting, "_TOGETHER", 3)
    parts = starting_rows(vectors_of(WORDS), BPE, 6)
    assert np.allclose(whole.rows, parts.rows, atol=1e-6) and (whole.known == parts.known).all()


def test_a_token_is_its_word_with_its_space_and_its_capital() -> None:
    vectors = vectors_of(WORDS)
    start, names = starting_rows(vectors, BPE, 6), token_names(BPE, BPE.vocab_size)

    def same(token: str, word: str) -> bool:
        row = start.rows[names.index(token)]
        cosine = row @ vectors.vector(word) / np.linalg.norm(row) / np.linalg.norm(vectors.vector(word))
        return bool(cosine > 1 - 1e-5)

    assert same("▁the", "the") and same("The", "the") and same("▁king", "king") and same("▁queen", "queen")
    assert not same("▁the", "king")
    assert start.known[names.index("⏎")] == UNKNOWN and start.known[BPE.end_of_text] == UNKNOWN
    assert not start.rows[BPE.end_of_text].any()


def test_a_phrase_is_written_with_its_space() -> None:
    vectors = Vectors(["the", "new_king"], np.eye(2, dtype=np.float32), np.array([9, 1]))
    start, names = starting_rows(vectors, BPE, 2), token_names(BPE, BPE.vocab_size)
    assert start.known[names.index("▁king")] == PIECE and start.rows[names.index("▁king")].argmax() == 1
    assert start.known[names.index("_")] == UNKNOWN


def test_the_tokenizers_own_tokens_take_their_own_vectors() -> None:
    names = token_names(BPE, BPE.vocab_size)
    matrix = np.random.default_rng(0).normal(size=(len(names), 5)).astype(np.float32)
    some = list(range(0, len(names), 2))
    vectors = Vectors([names[n] for n in some], matrix[some], tokenizer=BPE.fingerprint())
    start = starting_rows(vectors, BPE, 5)
    known = np.array([n in some and n != BPE.end_of_text for n in range(len(names))])
    assert ((start.known == WORD) == known).all() and start.own
    assert np.allclose(start.rows, scaled(matrix.astype(np.float64), known), atol=1e-5)
    assert str(start) == f"{known.sum()} of {len(names)} tokens start from vectors of their own."
    other = Tokenizer.train([TEXT], vocab_size=280)
    with pytest.raises(VectorsError, match="another tokenizer's tokens"):
        starting_rows(vectors, other, 5)


def test_more_dimensions_keep_all_angles_and_fewer_the_most_of_them() -> None:
    vectors = vectors_of(WORDS, dim=8)
    alike, wide, narrow = (starting_rows(vectors, BPE, dim) for dim in (8, 40, 3))
    for start in (alike, wide, narrow):
        known = start.known > 0
        assert np.allclose(np.square(start.rows[known]).mean(axis=1), 1.0, atol=1e-5)
        assert not start.rows[~known].any()
    assert np.allclose(alike.rows @ alike.rows.T / 8, wide.rows @ wide.rows.T / 40, atol=1e-5)
    rows, known = in_a_loop(vectors, BPE)
    rows = rows[np.array(known) > 0]
    _, _, directions = np.linalg.svd(rows, full_matrices=False)
    best = rows @ directions[:3].T
    best /= np.linalg.norm(best, axis=1, keepdims=True)
    mine = narrow.rows[np.array(known) > 0]
    assert np.allclose(best @ best.T, mine @ mine.T / 3, atol=1e-5), "PCA, turned"


def test_the_same_seed_gives_the_same_rows() -> None:
    one, two, other = (starting_rows(vectors_of(WORDS), BPE, 12, seed=seed).rows for seed in (1, 1, 2))
    assert np.array_equal(one, two) and not np.allclose(one, other)


def test_what_no_word_has_is_made_of_its_n_grams() -> None:
    words = ["the", "of"]
    buckets = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    vectors = Vectors(words, np.eye(2, 4, dtype=np.float32), subwords=Subwords(3, 4, buckets))
    start, names = starting_rows(vectors, BPE, 4), token_names(BPE, BPE.vocab_size)
    for token, word in (("▁king", "king"), ("▁NAVY", "navy")):
        if token in names:
            row, vector = start.rows[names.index(token)], vectors.vector(word)
            assert start.known[names.index(token)] == NGRAMS
            assert np.allclose(row / np.linalg.norm(row), vector / np.linalg.norm(vector), atol=1e-5)
    assert "by their n-grams" in str(start) and start.known[names.index("▁the")] == WORD


def test_words_of_another_script_are_refused() -> None:
    latin = Tokenizer.train([TEXT], kind="words")
    with pytest.raises(UsageError, match="None of the tokenizer's"):
        starting_rows(vectors_of(["король", "королева"]), latin, 6)


def test_a_vector_of_zeros_says_nothing() -> None:
    vectors = Vectors(["king", "queen", "the"], np.array([[0, 0], [0, 0], [1, 2]], np.float32))
    start, names = starting_rows(vectors, BPE, 2), token_names(BPE, BPE.vocab_size)
    assert start.known[names.index("▁king")] == UNKNOWN and start.known[names.index("▁the")] == WORD
    with pytest.raises(UsageError, match="None of"):
        starting_rows(Vectors(["king"], np.zeros((1, 2), np.float32)), BPE, 2)


def test_vectors_that_all_point_one_way_are_set_apart() -> None:
    """As those of little text do; vectors that do not are left alone."""
    plain = vectors_of(WORDS, dim=8)
    parallel = Vectors(WORDS, plain.matrix + 20, plain.counts)
    one = starting_rows(parallel, BPE, 8)
    unit = one.rows[one.known > 0] / np.sqrt(8)
    assert 0.1 < np.square(unit.mean(axis=0)).sum() < 0.3
    same = starting_rows(Vectors(WORDS, np.ones((len(WORDS), 3), np.float32)), BPE, 3)
    assert np.allclose(same.rows[same.known > 0], 1.0), "there is nothing to set apart"
