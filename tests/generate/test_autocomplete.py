"""Completions while typing against the sum over all token sequences there are, on a vocabulary of a few tokens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
import torch

from idiolect.errors import TokenizerError, UsageError
from idiolect.generate.autocomplete import ENDS, Typed, Unit, Vocabulary, autocomplete, take_back
from idiolect.models.model import Model
from idiolect.models.transformer import Transformer
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer

Decoders = Callable[..., Transformer]


class Pieces(Tokenizer):
    """A handful of pieces; of those that fit the longest comes next."""

    kind = "pieces"

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = [END_OF_TEXT.encode(), *pieces]
        self.special_tokens = {END_OF_TEXT: 0}

    @property
    def vocab_size(self) -> int:
        return len(self.pieces)

    def encode_ordinary(self, text: str) -> list[int]:
        rest, ids = text.encode(), []
        while rest:
            fits = [i for i in range(1, len(self.pieces)) if rest.startswith(self.pieces[i])]
            if not fits:
                raise TokenizerError(f"{text} cannot be written.")
            ids.append(max(fits, key=lambda i: len(self.pieces[i])))
            rest = rest[len(self.pieces[ids[-1]]) :]
        return ids

    def token_bytes(self, token_id: int) -> bytes:
        return self.pieces[token_id]

    def can_encode(self, text: str) -> bool:
        return True

    def rules(self) -> Iterator[object]:
        return iter(())


TINY = Pieces(b"a", b"b", b" ", b"\n", b"ab", b" a", b"a\nb", b"b ", b" ab a")
LONGEST = 3


def enumerated(model: Model, tokenizer: Tokenizer, typed: Typed, unit: Unit) -> dict[str, float]:
    """The probability of every completion: the sum over all token sequences, over that of all that spell the typed."""
    found: dict[bytes, float] = defaultdict(float)
    spelled = 0.0 if typed.spelling else 1.0

    def go_on(ids: list[int], text: bytes, share: float) -> None:
        nonlocal spelled
        with torch.no_grad():
            shares = model(torch.tensor([[0, *typed.ids, *ids]]))[0, -1].double().softmax(-1).tolist()
        for token, own in enumerate(shares[: tokenizer.vocab_size]):
            if token == 0:
                if text.startswith(typed.spelling):
                    found[text] += share * own
                continue
            longer = text + tokenizer.token_bytes(token)
            if not (longer.startswith(typed.spelling) or typed.spelling.startswith(longer)):
                continue
            if len(text) < len(typed.spelling) <= len(longer):
                spelled += share * own
            ends = [i for i in range(max(len(text), len(typed.spelling)), len(longer)) if longer[i] in ENDS[unit]]
            if ends:
                found[longer[: ends[0]]] += share * own
            elif len(ids) < LONGEST:
                go_on([*ids, token], longer, share * own)

    go_on([], b"", 1.0)
    whole = {
        typed.before + text[typed.begins :]: share / spelled
        for text, share in found.items()
        if len(text) >= typed.begins
    }
    return {text.decode(): share for text, share in whole.items() if text}


@pytest.mark.parametrize("unit", ["word", "line"])
@pytest.mark.parametrize("text", ["", "a", "ab", "b a", "ab ", "b\na", "ab ab", "ba\nb b", "b \n", "a\n", "bab ab"])
def test_probabilities_are_sums_over_all_spellings(make_decoder: Decoders, text: str, unit: Unit) -> None:
    for seed in range(2):
        model = make_decoder(vocab_size=TINY.vocab_size + 2, context=32, seed=seed)  # two ids that spell nothing
        typed = take_back(TINY, text, unit)
        expected = enumerated(model, TINY, typed, unit)
        found = autocomplete(
            model, Vocabulary(TINY, model.spec.vocab_size, unit), typed, 9999, most=LONGEST, width=9999
        )
        assert dict(found) == pytest.approx(expected, abs=1e-6)
        assert [share for _, share in found] == sorted((share for _, share in found), reverse=True)
        assert sum(share for _, share in found) <= 1 + 1e-6
        unfinished = text.split("\n")[-1] if unit == "line" else text.replace("\n", " ").split(" ")[-1]
        assert found and all(whole.startswith(unfinished) and whole for whole, _ in found)


def test_the_first_k_are_those_of_the_whole_search(make_decoder: Decoders) -> None:
    for seed in range(5):
        model = make_decoder(vocab_size=TINY.vocab_size, context=32, seed=seed)
        vocabulary, typed = Vocabulary(TINY, TINY.vocab_size, "word"), take_back(TINY, "b a", "word")
        whole = autocomplete(model, vocabulary, typed, 9999, width=2000, most=6)
        few = autocomplete(model, vocabulary, typed, 4, most=6)
        assert [word for word, _ in few] == [word for word, _ in whole[:4]]
        for (_, found), (_, exact) in zip(few, whole):
            assert found == pytest.approx(exact, rel=0.05)


def test_a_word_is_found_whose_tokens_do_not_begin_with_those_typed(make_decoder: Decoders) -> None:
    """`ca` is typed as c, a; the one word that goes on so is c, at: what is typed must be taken back."""
    tokenizer = Pieces(b" ", b"c", b"a", b"at", b"t")
    model = make_decoder(vocab_size=tokenizer.vocab_size, context=16)
    assert tokenizer.encode(" ca") == [1, 2, 3] and tokenizer.encode(" cat") == [1, 2, 4]
    following = torch.tensor([1, 2, 4, 3, 1, 1])  # after each token the likely one: <eot> → space → c → at → space
    with torch.no_grad():
        model.head = lambda hidden_BTD: hidden_BTD  # type: ignore[method-assign]
    model.hidden = lambda ids_BT, cache: 20.0 * torch.nn.functional.one_hot(following[ids_BT], 6)  # type: ignore
    typed = take_back(tokenizer, " ca", "word")
    assert typed == Typed([], b" ca", b"", 1)
    [(word, share), *_] = autocomplete(model, Vocabulary(tokenizer, 6, "word"), typed, 1)
    assert word == "cat" and share > 0.99


def test_a_text_is_taken_back_to_where_a_token_ends() -> None:
    assert take_back(TINY, "b ab", "word") == Typed([], b"b ab", b"", 2), "a token holds the space and what is before"
    assert take_back(TINY, "ab ab", "word") == Typed([5], b" ab", b"", 1)
    assert take_back(TINY, "ab ab", "line") == Typed([5], b" ab", b"ab", 0)
    assert take_back(TINY, "ab ", "word") == Typed([5], b" ", b"", 1)
    assert take_back(TINY, "", "word") == Typed([], b"", b"", 0)
    assert take_back(TINY, "ba\nb b", "word") == Typed([2, 7], b" b", b"", 1)
    assert take_back(TINY, "ba\nb b", "line") == Typed([2, 7], b" b", b"b", 0), "a token began the line"
    assert take_back(TINY, "aba\nb", "word") == Typed([5], b"a\nb", b"", 2)


def test_words_without_their_spaces_are_taken_back_too() -> None:
    words = Tokenizer.train(["the movie was great", "the movies were bad"], kind="words")
    assert take_back(words, "the mov", "word") == Typed(words.encode("the"), b" mov", b"", 1)
    assert take_back(words, "the movie  was ", "word") == Typed(words.encode("the movie was"), b" ", b"", 1)
    assert take_back(words, "th", "word") == Typed([], b" th", b"", 1)


@pytest.mark.parametrize("kind", ["bpe", "unigram", "characters", "words", "whitespace"])
def test_every_kind_of_tokenizer_completes(make_decoder: Decoders, kind: str) -> None:
    sizes = {"bpe": 265, "unigram": 280}
    tokenizer = Tokenizer.train(
        ["the movie was great, the movies were bad"] * 3, kind=kind, vocab_size=sizes.get(kind, 90)
    )
    model = make_decoder(vocab_size=tokenizer.vocab_size, context=32)
    for unit in ("word", "line"):
        vocabulary = Vocabulary(tokenizer, tokenizer.vocab_size, unit)
        for text in ("the mov", "the movie was ", "", "t"):
            found = autocomplete(model, vocabulary, take_back(tokenizer, text, unit), 5)
            start = text if unit == "line" else text.split(" ")[-1]
            assert all(whole.startswith(start) and whole and "<|" not in whole for whole, _ in found), found
            assert sum(share for _, share in found) <= 1 + 1e-9
            if unit == "word" and kind in ("bpe", "words", "characters"):
                assert found


def test_what_no_token_spells_has_no_completion(make_decoder: Decoders) -> None:
    words = Tokenizer.train(["the movie was great"], kind="words")
    model = make_decoder(vocab_size=words.vocab_size, context=32)
    assert (
        autocomplete(model, Vocabulary(words, words.vocab_size, "word"), take_back(words, "the xyl", "word"), 5) == []
    )


def test_a_text_longer_than_the_context_is_read_from_its_end(make_decoder: Decoders) -> None:
    model = make_decoder(vocab_size=TINY.vocab_size, context=8)
    vocabulary = Vocabulary(TINY, TINY.vocab_size, "word")
    long, other = (take_back(TINY, start + "b a" * 30, "word") for start in ("", "abbb"))
    assert autocomplete(model, vocabulary, long, 3) == autocomplete(model, vocabulary, other, 3) != []


def test_a_model_without_a_window_reads_everything(make_decoder: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a recurrent network does, however short the text: the window must not shorten the search."""
    model = make_decoder(vocab_size=TINY.vocab_size, context=64)
    vocabulary, typed = Vocabulary(TINY, TINY.vocab_size, "word"), take_back(TINY, "b a", "word")
    expected = autocomplete(model, vocabulary, typed, 9999)
    monkeypatch.setattr(Transformer, "window", None)
    assert autocomplete(model, vocabulary, typed, 9999) == expected


def test_bad_requests_are_refused(make_decoder: Decoders) -> None:
    vocabulary, typed = Vocabulary(TINY, TINY.vocab_size, "word"), take_back(TINY, "a", "word")
    with pytest.raises(UsageError, match="k must be at least 1"):
        autocomplete(make_decoder(vocab_size=TINY.vocab_size), vocabulary, typed, 0)
    encoder = make_decoder(vocab_size=TINY.vocab_size, family="encoder", masked_head=True)
    with pytest.raises(UsageError, match="both sides"):
        autocomplete(encoder, vocabulary, typed, 3)
    with pytest.raises(TokenizerError):
        take_back(TINY, "q", "word")
