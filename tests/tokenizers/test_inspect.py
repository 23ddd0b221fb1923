"""Seeing a tokenizer at work: merges replayed as a textbook does, likelihoods as fractions, tokens in colours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.inspect import likelihood_as_fractions, look, replay_merges

CARS = ["the car", "the cat", "the rat"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(CARS, vocab_size=262)


def test_merges_are_replayed_as_the_textbook_does(tokenizer: Tokenizer) -> None:
    steps = [str(step) for step in replay_merges(tokenizer, "the car the rat")]
    assert steps[:3] == [
        "[t h e _ c a r _ t h e _ r a t]",
        '[th e _ c a r _ th e _ r a t]   "th" occurs 2 times (merge 1)',
        '[the _ c a r _ the _ r a t]   "the" occurs 2 times (merge 2)',
    ]
    assert steps[3].endswith('"_c" occurs once (merge 3)')


def test_what_cannot_be_printed_is_shown_by_its_bytes(tokenizer: Tokenizer) -> None:
    (start, *_) = replay_merges(tokenizer, "é\n")
    assert str(start) == "[\\xc3 \\xa9 ⏎]"


@given(st.text(alphabet="thecar \né", max_size=30))
def test_the_last_step_is_what_encode_gives(text: str) -> None:
    tokenizer = Tokenizer.train(CARS, vocab_size=262)
    *_, last = replay_merges(tokenizer, text)
    assert last.symbols == [tokenizer.token_bytes(i) for i in tokenizer.encode(text)]


def test_only_bpe_has_merges_to_replay() -> None:
    with pytest.raises(TokenizerError, match="of kind characters has no merges"):
        list(replay_merges(Tokenizer.train(["ab"], kind="characters"), "ab"))


def test_t4_a_segmentations_likelihood_is_a_product_of_fractions() -> None:
    assert likelihood_as_fractions(["ab", "ab", "c"]) == "2/3 · 2/3 · 1/3 = 4/27"
    with pytest.raises(TokenizerError, match="no pieces"):
        likelihood_as_fractions([])


def test_tokens_are_coloured_at_the_terminal_and_in_a_notebook(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.show("the <b>\n")
    assert tokens == look(tokenizer, "the <b>\n")
    assert b"".join(tokens.pieces) == b"the <b>\n"
    page = tokens._repr_html_()
    assert "&lt;" in page and "<b>" not in page and f'title="{tokens.ids[0]}"' in page
    console = Console(force_terminal=True, color_system="truecolor", width=80, record=True)
    with console.capture() as said:
        console.print(tokens)
    assert "\x1b[" in said.get() and "⏎" in said.get()


def test_a_tokenizer_with_its_first_merges_is_the_one_it_was(tokenizer: Tokenizer) -> None:
    assert isinstance(tokenizer, BytePairTokenizer)
    earlier = tokenizer.with_merges(2)
    smaller = Tokenizer.train(CARS, vocab_size=259)
    assert earlier.encode("the cat") == smaller.encode("the cat")
    assert earlier.vocab_size == tokenizer.vocab_size and len(tokenizer.merges) == 5
