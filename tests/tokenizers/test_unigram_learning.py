"""Unigram models learnt in SentencePiece's mode are SentencePiece's: pieces, their order, scores bit for bit, ids."""

from __future__ import annotations

import io
import json
import math
import random
from pathlib import Path

import pyarrow.parquet
import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from idiolect._native import unigram_expectation
from idiolect.errors import TokenizerError
from idiolect.tokenizers import reference_unigram
from idiolect.tokenizers.unigram_learning import UnigramOptions, learn_unigram

LINES = ["the car the cat the rat", "naïve café, 你好世界, 你好", "don't stop -  it's well-done!", "x2 = 10%  "] * 5


def peer_of(lines: list[str], **options: object) -> sentencepiece.SentencePieceProcessor:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        normalization_rule_name="identity",
        minloglevel=5,
        **options,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def assert_same(text: str, theirs: dict[str, object], ours: dict[str, object]) -> None:
    lines = text.split("\n")
    peer = peer_of(lines, **theirs)
    tokenizer = learn_unigram([text], UnigramOptions(mode="sentencepiece", **{"byte_fallback": False, **ours}))  # type: ignore[arg-type]
    assert tokenizer.pieces == [peer.id_to_piece(i) for i in range(peer.get_piece_size())]
    assert tokenizer.scores == [peer.get_score(i) for i in range(peer.get_piece_size())]
    lines = [*lines[:3000], text[:100_000], "the ё ё😀😀 a  the", " ▁a▁ "]
    assert tokenizer.encode_batch(lines) == peer.encode(lines)


@given(
    st.lists(st.text("abé中", min_size=2, max_size=4), unique=True, max_size=9),
    st.dictionaries(st.text("abé中", min_size=1, max_size=9), st.integers(1, 1000), min_size=1, max_size=30),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
)
def test_one_step_expects_what_the_reference_expects(
    longer: list[str], words: dict[str, int], shards: int, draw: random.Random
) -> None:
    pieces = [*"abé中", *longer]
    weights = [draw.uniform(0.01, 1) for _ in pieces]
    probability = {piece: weight / sum(weights) for piece, weight in zip(pieces, weights)}
    counts, likelihood = unigram_expectation(
        [piece.encode() for piece in pieces],
        [math.log(share) for share in probability.values()],
        [(word.encode(), count) for word, count in words.items()],
        shards,
    )
    expected = dict.fromkeys(pieces, 0.0)
    for word, times in words.items():
        for piece, count in reference_unigram.expected(word, probability).items():
            expected[piece] += times * count
    assert counts == pytest.approx(list(expected.values()), rel=1e-4, abs=1e-4)
    assert likelihood == pytest.approx(reference_unigram.log_likelihood(words, probability), rel=1e-5)


OPTIONS: list[tuple[dict[str, object], dict[str, object]]] = [
    ({}, {}),
    ({"byte_fallback": True}, {"byte_fallback": True}),
    (
        {"shrinking_factor": 0.6, "num_sub_iterations": 1, "max_sentencepiece_length": 8, "num_threads": 3},
        {"shrinking": 0.6, "sub_iterations": 1, "max_piece_length": 8, "num_threads": 3},
    ),
    ({"user_defined_symbols": ["the"], "required_chars": "ё"}, {"user_defined": ("the",), "required_characters": "ё"}),
    ({"split_by_unicode_script": False}, {"split_by_script": False}),
    (
        {"split_by_number": False, "split_digits": True, "num_threads": 1},
        {"split_by_number": False, "split_digits": True, "num_threads": 1},
    ),
    ({"split_by_number": False}, {"split_by_number": False}),
    ({"seed_sentencepiece_size": 3000, "split_digits": True}, {"seeds": 3000, "split_digits": True}),
]


@pytest.mark.parametrize(("theirs", "ours"), OPTIONS)
def test_each_option_does_what_it_does_there(
    data_folder: Path, theirs: dict[str, object], ours: dict[str, object]
) -> None:
    text = (data_folder / "japanese" / "botchan_en.txt").read_text()
    assert_same(text, {"vocab_size": 2000, **theirs}, {"vocab_size": 2000, **ours})


def test_what_a_piece_may_mix() -> None:
    lines = ["мp3 ab12 the theory мир мира 12 345 abc"] * 50
    cases: list[tuple[dict[str, bool], set[str]]] = [
        ({}, set()),
        ({"split_by_number": False}, {"▁ab12", "p3"}),
        ({"split_by_script": False}, {"▁ab12", "▁мp3"}),
    ]
    for options, mixed in cases:
        learning = UnigramOptions(vocab_size=32, byte_fallback=False, **options)  # type: ignore[arg-type]
        pieces = set(learn_unigram(lines, learning).pieces)
        assert pieces & {"▁ab12", "p3", "▁мp3"} == mixed


@pytest.mark.parametrize(
    "threads", [1, 16, pytest.param(2, marks=pytest.mark.slow), pytest.param(17, marks=pytest.mark.slow)]
)
def test_characters_of_three_bytes_and_long_words(data_folder: Path, threads: int) -> None:
    text = (data_folder / "japanese" / "wagahai.txt").read_text()
    options = {"vocab_size": 4000, "num_threads": threads}
    assert_same(text, options, options)


def test_small_random_texts_with_few_letters() -> None:
    """Where few letters make many ties (of seeds, paths, losses), and some lines are nothing but spaces."""
    learnt = 0
    for seed in range(60):
        draw = random.Random(seed)
        alphabet = draw.choice(["ab", "abc", "abcdefgh", "aé你好1", "ab\t1-", "アあ亜ー1１"]) + " "
        weights = [1 / rank for rank in range(1, len(alphabet) + 1)]
        lines = [
            "".join(draw.choices(alphabet, weights, k=draw.randint(1, 60))) for _ in range(draw.choice([5, 40, 200]))
        ]
        options = {"vocab_size": 3 + len(alphabet) + draw.randint(0, 30), "num_threads": draw.choice([1, 2, 3, 16, 17])}
        coverage = draw.choice([1.0, 0.9995, 0.98])
        try:
            tokenizer = learn_unigram(
                ["\n".join(lines)],
                UnigramOptions(mode="sentencepiece", byte_fallback=False, coverage=coverage, **options),
            )
        except TokenizerError:
            with pytest.raises(RuntimeError):
                peer_of(lines, character_coverage=coverage, **options)
            continue
        learnt += 1
        peer = peer_of(lines, character_coverage=coverage, **options)
        assert tokenizer.pieces == [peer.id_to_piece(i) for i in range(options["vocab_size"])], seed
        assert tokenizer.scores == [peer.get_score(i) for i in range(options["vocab_size"])], seed
    assert learnt > 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "vocab_size", "threads"),
    [(2_000_000, 8000, 1), (2_000_000, 8000, 16), (8_000_000, 16000, 5), (130_000_000, 32000, 16)],
)
def test_reviews(data_folder: Path, size: int, vocab_size: int, threads: int) -> None:
    reviews: list[str] = []
    for part in ("train", "test", "unsup"):
        if sum(map(len, reviews)) < size:
            reviews += pyarrow.parquet.read_table(data_folder / "imdb" / f"{part}.parquet")["text"].to_pylist()
    text = "\n".join(review.replace("\n", " ") for review in reviews)[:size]
    options = {"vocab_size": vocab_size, "num_threads": threads}
    assert_same(text, options, options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "vocab_size"),
    [("chinese/poems.txt", 12000), ("udhr/documents.parquet", 20000), ("peps/documents.jsonl", 16000)],
)
def test_many_scripts(data_folder: Path, name: str, vocab_size: int) -> None:
    path = data_folder / name
    if path.suffix == ".parquet":
        text = "\n".join(pyarrow.parquet.read_table(path)["text"].to_pylist())
    elif path.suffix == ".jsonl":
        text = "\n".join(json.loads(line)["text"] for line in path.read_text().splitlines())
    else:
        text = path.read_bytes().decode()
    options = {"vocab_size": vocab_size, "num_threads": 16}
    assert_same(text, options, options)


@pytest.mark.parametrize("mode", ["fast", "sentencepiece"])
def test_learning_does_not_depend_on_threads(mode: str) -> None:
    one, three = (learn_unigram(LINES, UnigramOptions(vocab_size=295, mode=mode, threads=n)) for n in (1, 3))  # type: ignore[arg-type]
    assert one.pieces == three.pieces and one.scores == three.scores


def test_what_cannot_be_learnt_is_refused() -> None:
    with pytest.raises(TokenizerError, match="larger than the text supports"):
        learn_unigram(["abc"], UnigramOptions(vocab_size=1000))
    with pytest.raises(TokenizerError, match="too small"):
        UnigramOptions(vocab_size=100)
    with pytest.raises(TokenizerError, match="different characters"):
        learn_unigram(["abcdefghijkl"], UnigramOptions(vocab_size=263))
    with pytest.raises(TokenizerError, match="text is empty"):
        learn_unigram([], UnigramOptions())
    with pytest.raises(TokenizerError, match="no mode"):
        UnigramOptions(mode="quick")  # type: ignore[arg-type]
