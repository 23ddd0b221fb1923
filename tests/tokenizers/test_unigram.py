"""The unigram tokenizer equals its plain-Python oracle, and SentencePiece on its own models."""

from __future__ import annotations

import math
import pickle
import random
from collections import Counter
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from idiolect.tokenizers import reference_unigram
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.unigram import UnigramTokenizer
from idiolect.tokenizers.unigram_learning import UnigramOptions, learn_unigram

SPACES = Normalizer(collapse_spaces=True, prefix_space=True, mark=True)
LINES = ["the car the cat the rat", "naïve café, 你好世界, 你好", "don't stop -  it's well-done!", "x2 = 10%  "] * 5


def of_probabilities(probability: dict[str, float], normalizer: Normalizer = Normalizer()) -> UnigramTokenizer:  # noqa: B008
    return UnigramTokenizer(
        ["<unk>", "</s>", *probability],
        [0.0, 0.0, *map(math.log, probability.values())],
        unknown=0,
        special_tokens={"</s>": 1},
        normalizer=normalizer,
    )


def of_sentencepiece(model: bytes, **settings: bytes) -> tuple[UnigramTokenizer, sentencepiece.SentencePieceProcessor]:
    peer = sentencepiece.SentencePieceProcessor(model_proto=model)
    size = peer.get_piece_size()
    pieces = [peer.id_to_piece(i) for i in range(size)]
    special = {pieces[i]: i for i in range(size) if peer.is_control(i)}
    tokenizer = UnigramTokenizer(
        pieces,
        [peer.get_score(i) for i in range(size)],
        unknown=peer.unk_id(),
        special_tokens=special,
        normalizer=Normalizer(collapse_spaces=True, prefix_space=True, mark=True, **settings),
        byte_ids=[i for i in range(size) if peer.is_byte(i)],
        end_of_text=next(reversed(special)),
    )
    return tokenizer, peer


@st.composite
def models(draw: st.DrawFn) -> dict[str, float]:
    """Every letter and some longer pieces, with weights far enough apart that sums of floats order them right."""
    longer = draw(st.lists(st.text("abc ", min_size=2, max_size=4), unique=True, max_size=8))
    pieces = [*"abc ", *longer]
    weights = draw(st.lists(st.floats(0.01, 1), min_size=len(pieces), max_size=len(pieces)))
    return {piece: weight / sum(weights) for piece, weight in zip(pieces, weights)}


@given(models(), st.text("abc ", max_size=9))
def test_the_native_code_equals_the_reference(probability: dict[str, float], text: str) -> None:
    tokenizer = of_probabilities(probability)
    best = [tokenizer.pieces[i] for i in tokenizer.encode(text)]
    assert "".join(best) == text
    expected = reference_unigram.best(text, probability)
    assert tokenizer.log_likelihood(best) == pytest.approx(tokenizer.log_likelihood(expected), abs=1e-4)
    total = reference_unigram.probability_of(text, probability)
    assert math.exp(tokenizer.text_log_likelihood(text)) == pytest.approx(total, rel=1e-5)
    found = tokenizer.nbest(text, 5)
    likelihoods = [
        reference_unigram.likelihood(one, probability) for one in reference_unigram.n_best(text, probability, 5)
    ]
    assert [math.exp(score) for _, score in found] == pytest.approx(likelihoods, rel=1e-5)
    for ids, score in found:
        assert tokenizer.log_likelihood([tokenizer.pieces[i] for i in ids]) == pytest.approx(score, abs=1e-5)
    assert len({tuple(ids) for ids, _ in found}) == len(found)


@pytest.mark.parametrize(("alpha", "nbest"), [(1.0, -1), (0.3, -1), (0.0, -1), (0.5, 4)])
def test_samples_come_as_often_as_they_should(alpha: float, nbest: int) -> None:
    probability = {"a": 0.2, "b": 0.2, "c": 0.1, "ab": 0.2, "bc": 0.15, "abc": 0.15}
    tokenizer = of_probabilities(probability)
    ways = reference_unigram.n_best("abcab", probability, nbest if nbest > 0 else 99)
    weights = [reference_unigram.likelihood(way, probability) ** alpha for way in ways]
    draws = 4000
    seen = Counter(tuple(tokenizer.sample("abcab", alpha=alpha, seed=seed, nbest=nbest)) for seed in range(draws))
    assert sum(seen.values()) == draws and len(seen) == len(ways)
    chi_square = 0.0
    for way, weight in zip(ways, weights):
        due = draws * weight / sum(weights)
        chi_square += (seen[tuple(tokenizer.pieces.index(piece) for piece in way)] - due) ** 2 / due
    freedom = len(ways) - 1
    assert chi_square < freedom + 4 * math.sqrt(2 * freedom)
    assert tokenizer.sample("abcab", alpha=alpha, seed=7) == tokenizer.sample("abcab", alpha=alpha, seed=7)


def test_learnt_text_comes_back_and_any_other_too() -> None:
    tokenizer = learn_unigram(LINES, UnigramOptions(vocab_size=300))
    for text in (*LINES, "Ünknown 😀\n\tends  ", "", " ", "  a"):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.fingerprint() == tokenizer.fingerprint()
    assert tokenizer.encode_batch(LINES, threads=1) == tokenizer.encode_batch(LINES, threads=3)


def test_words_that_come_and_go_in_the_cache_keep_their_ids() -> None:
    tokenizer = learn_unigram(LINES, UnigramOptions(vocab_size=300))
    chosen = random.Random(1)
    words = ["".join(chosen.choices("thecar-!1é", k=chosen.randint(1, 18))) for _ in range(30_000)]
    texts = [" ".join(chosen.choices(words, k=50)) for _ in range(2_000)]
    expected = [tokenizer.nbest(text, 1)[0][0] for text in texts[::50]]  # by the lattice, which keeps no words
    for _ in range(2):
        found = tokenizer.encode_batch(texts, threads=1)[::50]
        for ids, best in zip(found, expected):
            pieces = [[tokenizer.pieces[i] for i in one] for one in (ids, best)]
            assert tokenizer.log_likelihood(pieces[0]) == pytest.approx(tokenizer.log_likelihood(pieces[1]), abs=1e-3)
        assert found == [tokenizer.encode(text) for text in texts[::50]]


def test_a_megabyte_of_one_letter_and_user_defined_pieces() -> None:
    tokenizer = learn_unigram(LINES, UnigramOptions(vocab_size=300, user_defined=("<sep>", "cat")))
    assert len(tokenizer.encode("a" * 2**20)) > 2**16
    ids = tokenizer.encode("a<sep>the catt")
    assert [tokenizer.pieces[i] for i in ids if i in tokenizer.user_defined] == ["<sep>", "cat"]


@pytest.mark.parametrize("name", ["japanese/wagahai.txt", "japanese/botchan_en.txt", "shakespeare"])
def test_ids_of_a_japanese_model_are_sentencepieces(data_folder: Path, name: str) -> None:
    model = (data_folder / "vocabularies" / "japanese_unigram.model").read_bytes()
    tokenizer, peer = of_sentencepiece(model, charsmap=_charsmap(model))
    path = data_folder / name
    text = (path if path.is_file() else next(path.glob("*.txt"))).read_text()[:300_000]
    lines = [*text.split("\n"), text]
    assert tokenizer.encode_batch(lines) == peer.encode(lines)
    for line in lines[:20]:
        best = tokenizer.nbest(line, 3)
        assert [ids for ids, _ in best[:1]] == [peer.encode(line)]


def _charsmap(model: bytes) -> bytes:
    """The normalizer's rule table, found in the file: field 3, in which field 2."""

    def fields(data: bytes) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        at = 0

        def number() -> int:
            nonlocal at
            value = shift = 0
            while True:
                byte = data[at]
                at += 1
                value |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return value

        while at < len(data):
            key = number()
            if key & 7 == 0:
                number()
            else:
                size = number() if key & 7 == 2 else 4
                found[key >> 3] = data[at : at + size]
                at += size
        return found

    return fields(fields(model)[3]).get(2, b"")
