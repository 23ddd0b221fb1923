"""What is hidden of a row: 15% of its ordinary tokens, of these 80% under the mask, 10% under another token."""

from __future__ import annotations

import numpy as np
import pytest

from idiolect.data.masking import Masking, word_beginnings
from idiolect.errors import TokenizerError, UsageError
from idiolect.pretraining.masked_tokens import as_encoders
from idiolect.tokenizers.base import Tokenizer

TOKENIZER = as_encoders(Tokenizer.train(["the car, the cat and the rats sat on the mats"] * 5, vocab_size=275))
SPECIAL = list(TOKENIZER.special_tokens.values())


def row(length: int, seed: int = 0) -> np.ndarray:
    ids = np.random.default_rng(seed).integers(270, size=length)
    ids[[0, -1]] = TOKENIZER.role("cls"), TOKENIZER.role("sep")
    return ids


def test_the_shares_are_those_of_bert() -> None:
    masking = Masking.of(TOKENIZER)
    hidden = masked = kept = ordinary = 0
    for number in range(300):
        ids = row(128, number)
        read, chosen = masking.hide(ids, seed=1, row=number)
        assert not chosen[np.isin(ids, SPECIAL)].any(), "special tokens are never hidden"
        assert (read[~chosen] == ids[~chosen]).all(), "what is not predicted is read as it is"
        assert not np.isin(read[chosen & (read != masking.mask)], SPECIAL).any(), "nothing special stands for a token"
        ordinary += int((~np.isin(ids, SPECIAL)).sum())
        hidden += int(chosen.sum())
        masked += int((read[chosen] == masking.mask).sum())
        kept += int((read[chosen] == ids[chosen]).sum())
    assert hidden / ordinary == pytest.approx(0.15, abs=0.005)
    assert masked / hidden == pytest.approx(0.8, abs=0.02)
    assert kept / hidden == pytest.approx(0.1, abs=0.02)


def test_what_is_hidden_is_a_function_of_seed_and_row() -> None:
    masking, ids = Masking.of(TOKENIZER), row(64)
    first, again = masking.hide(ids, 3, 7), masking.hide(ids, 3, 7)
    assert (first[0] == again[0]).all() and (first[1] == again[1]).all()
    assert (first[1] != masking.hide(ids, 3, 8)[1]).any() and (first[1] != masking.hide(ids, 4, 7)[1]).any()


@pytest.mark.parametrize("length", [2, 3, 4, 9])
def test_a_short_row_hides_one_token_if_it_can(length: int) -> None:
    ids = row(length)
    for whole in (False, True):
        _, chosen = Masking.of(TOKENIZER, whole_words=whole).hide(ids, 0, 0)
        assert chosen.sum() >= 1 if length > 2 else not chosen.any()


def test_whole_words_are_hidden_with_all_their_tokens() -> None:
    begins = word_beginnings(TOKENIZER)
    text = "the unhappy cats, sat restlessly on the mats again"
    ids = np.array(TOKENIZER.framed(TOKENIZER.encode(text)).ids)
    words = np.cumsum(begins[ids] | np.isin(ids, SPECIAL) | np.roll(np.isin(ids, SPECIAL), 1))
    masking = Masking.of(TOKENIZER, whole_words=True)
    some = False
    for number in range(50):
        _, chosen = masking.hide(ids, 0, number)
        for word in np.unique(words):
            assert len(set(chosen[words == word].tolist())) == 1, "a word is hidden whole or not at all"
            some |= bool(chosen[words == word].all() and (words == word).sum() > 1)
    assert some


def test_a_word_begins_with_a_space_or_is_punctuation() -> None:
    begins = word_beginnings(TOKENIZER)
    for piece, expected in ((b" the", True), (b",", True), (b"a", False), (b" ", True), (b"\xe4", False)):
        pieces = [TOKENIZER.token_bytes(i) for i in range(TOKENIZER.vocab_size)]
        if piece in pieces:
            assert begins[pieces.index(piece)] == expected, piece


def test_what_cannot_be_masked_is_refused() -> None:
    with pytest.raises(TokenizerError, match="no mask token"):
        Masking.of(Tokenizer.train(["the cat"], kind="bytes"))
    for rate in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="share of masked tokens"):
            Masking.of(TOKENIZER, rate=rate)
