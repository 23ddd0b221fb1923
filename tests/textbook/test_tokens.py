"""The textbook on tokens and sequences: T1 words, T2 distributions, T3 byte-pair encoding, T4 the unigram model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise, product

import pytest
import torch
from torch import nn

from idiolect.evaluation.ngram import KneserNey
from idiolect.evaluation.perplexity import token_log_probs
from idiolect.models.build import build
from idiolect.models.model import Model
from idiolect.models.spec import TransformerSpec
from idiolect.tokenizers import reference, reference_bpe, reference_unigram
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.unigram import UnigramTokenizer
from idiolect.tokenizers.words import split_words


def test_t1_splitting_by_spaces_gives_words_and_their_ids_give_the_text_back() -> None:
    text = "the mouse ate the cheese"
    assert split_words(text) == ["the", "mouse", "ate", "the", "cheese"]
    for kind in ("whitespace", "words"):
        tokenizer = Tokenizer.train([text], kind=kind)
        ids = tokenizer.encode(text)
        assert [tokenizer.decode([token_id]) for token_id in ids] == ["the", "mouse", "ate", "the", "cheese"]
        assert ids[0] == ids[3] and len(set(ids)) == 4
        assert tokenizer.decode(ids) == text


def test_t1_hyphens_and_contractions_follow_a_rule() -> None:
    assert split_words("Fine-tuning, don't stop - it’s well-nigh done!") == [
        *("Fine-tuning", ",", "don't", "stop", "-", "it’s", "well-nigh", "done", "!")
    ]
    assert split_words("'quoted' rock'n'roll cafe\u0301 3.14") == [
        *("'", "quoted", "'", "rock'n'roll", "cafe\u0301", "3", ".", "14")
    ]
    assert split_words(" \n\t ") == []


def test_t1_chinese_has_no_spaces_so_a_learnt_tokenizer_serves() -> None:
    sentence = "老鼠吃了奶酪"
    assert split_words(sentence) == [sentence]  # splitting by spaces finds no words
    lines = ["老鼠吃了奶酪", "猫吃了老鼠", "奶酪和老鼠", "猫和奶酪", "猫看了老鼠"]
    tokenizer = Tokenizer.train(lines, vocab_size=274, ties="first")
    tokens = [tokenizer.decode([token_id]) for token_id in tokenizer.encode(sentence)]
    assert "".join(tokens) == sentence
    assert "老鼠" in tokens and "奶酪" in tokens  # mouse and cheese, learnt from nothing but the text
    new = "奶酪吃了猫"  # a sentence it has not met
    assert tokenizer.decode(tokenizer.encode(new)) == new
    assert len(tokenizer.encode(new)) < len(new)


# A distribution over sequences


VOCABULARY = range(4)


OPENING = 0  # what stands before a sequence and is itself not predicted


CONTEXT = 3


@pytest.fixture(scope="module")
def tiny_decoder() -> Model:
    """A tiny_decoder with far from equal probabilities, whose context is shorter than the sequences here."""
    model = build(
        TransformerSpec(len(VOCABULARY), CONTEXT, layers=2, heads=2, kv_heads=1, dim=16, head_dim=8, mlp_dim=24)
    )
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.7, generator=generator)
    return model


@pytest.fixture(scope="module", params=["tiny_decoder", "n-gram"])
def log_prob(request: pytest.FixtureRequest, tiny_decoder: Model) -> Callable[[Sequence[int]], float]:
    """log p(x_1, ..., x_L) of a sequence, by a neural model and by counting."""
    if request.param == "tiny_decoder":
        return lambda sequence: float(token_log_probs(tiny_decoder, [OPENING, *sequence]).sum())
    counted = KneserNey.learn([[0, 1, 2, 3, 1, 2, 0], [0, 2, 2, 1, 0]], vocab_size=len(VOCABULARY), order=3)
    return lambda sequence: float(counted.log_probs([OPENING, *sequence]).sum())


@pytest.mark.parametrize("length", [1, 2, 5])
def test_t2_the_probabilities_of_all_sequences_sum_to_one(
    log_prob: Callable[[Sequence[int]], float], length: int
) -> None:
    probs = [math.exp(log_prob(sequence)) for sequence in product(VOCABULARY, repeat=length)]
    assert len(probs) == 4**length
    assert sum(probs) == pytest.approx(1, abs=1e-6)
    assert max(probs) > 2 * min(probs)  # and it prefers some


def test_t2_a_sequence_is_as_likely_as_its_tokens_one_after_the_other(
    log_prob: Callable[[Sequence[int]], float],
) -> None:
    """log p(x_1, ..., x_L) = Σ log p(x_i | x_<i), where p(x_i | x_<i) is p(x_1, ..., x_i) / p(x_1, ..., x_{i−1})."""
    sequence = [2, 3, 1, 1, 0, 2, 3, 0, 3]
    conditionals = []
    for i in range(len(sequence)):
        continuations = [math.exp(log_prob([*sequence[:i], token]) - log_prob(sequence[:i])) for token in VOCABULARY]
        assert sum(continuations) == pytest.approx(1, abs=1e-5)
        conditionals.append(math.log(continuations[sequence[i]]))
    assert log_prob(sequence) == pytest.approx(sum(conditionals), abs=1e-5)


def test_t2_the_conditionals_are_the_models_softmax(tiny_decoder: Model) -> None:
    ids = [OPENING, 2, 3, 1]
    with torch.no_grad():
        probs_TV = tiny_decoder(torch.tensor([ids[:-1]]))[0].softmax(-1)
    expected = [math.log(probs_TV[i, ids[i + 1]]) for i in range(CONTEXT)]
    assert token_log_probs(tiny_decoder, ids).tolist() == pytest.approx(expected, abs=1e-6)


# Byte-pair encoding


@pytest.mark.parametrize(
    "learn_merges", [reference.learn_merges, reference_bpe.learn_merges], ids=["reference", "quick"]
)
def test_t3_bpe_merges_the_most_frequent_pair_and_ties_go_by_a_rule(learn_merges) -> None:  # type: ignore[no-untyped-def]
    words = Counter(tuple(map(ord, word)) for word in split_words("the car the cat the rat"))

    def merged(ties: str) -> list[str]:
        texts = {ord(letter): letter for letter in "thecarat"}
        for token, (left, right) in enumerate(learn_merges(words, first_id=256, most=3, ties=ties), start=256):
            texts[token] = texts[left] + texts[right]
        return [texts[token] for token in range(256, 259)]

    assert merged("first") == ["th", "the", "ca"]  # 3 times, 3 times, 2 times
    assert merged("huggingface") == ["he", "the", "at"]  # of th and he, 3 times each, the smaller ids


def test_t3_the_whole_tokenizer_learns_the_same_under_both_rules() -> None:
    pieces = {}
    for ties in ("first", "huggingface"):
        tokenizer = Tokenizer.train(["the", "car", "the", "cat", "the", "rat"], vocab_size=260, ties=ties)
        pieces[ties] = [tokenizer.token_bytes(token_id) for token_id in range(257, 260)]
    assert pieces == {"first": [b"th", b"the", b"ca"], "huggingface": [b"he", b"the", b"at"]}


def test_t4_a_segmentation_has_the_product_of_its_pieces_probabilities() -> None:
    probability = {"ab": 2 / 3, "c": 1 / 3}
    assert list(reference_unigram.segmentations("ababc", probability)) == [["ab", "ab", "c"]]
    assert reference_unigram.likelihood(["ab", "ab", "c"], probability) == pytest.approx(4 / 27)
    tokenizer = UnigramTokenizer(
        ["<unk>", "</s>", "ab", "c"],
        [0.0, 0.0, math.log(2 / 3), math.log(1 / 3)],
        unknown=0,
        special_tokens={"</s>": 1},
        normalizer=Normalizer(),
    )
    assert math.exp(tokenizer.log_likelihood(["ab", "ab", "c"])) == pytest.approx(4 / 27)
    assert tokenizer.encode("ababc") == [2, 2, 3]
    # The M-step from that segmentation: 2 of the 3 pieces are ab.
    assert reference_unigram.step({"ababc": 1}, probability) == pytest.approx(probability)


def test_t4_the_likelihood_never_falls_from_one_em_step_to_the_next() -> None:
    words = {"ababc": 3, "abcab": 2, "caba": 1}
    pieces = ["a", "b", "c", "ab", "abc", "ca", "bab"]
    probability = dict.fromkeys(pieces, 1 / len(pieces))
    likelihoods = []
    for _ in range(20):
        likelihoods.append(reference_unigram.log_likelihood(words, probability))
        probability = reference_unigram.step(words, probability)
    assert all(later >= earlier - 1e-12 for earlier, later in pairwise(likelihoods))
    assert likelihoods[-1] > likelihoods[0] + 1


def test_t4_viterbi_finds_the_best_of_all_segmentations() -> None:
    probability = {"a": 0.2, "b": 0.1, "c": 0.1, "ab": 0.15, "abc": 0.05, "ca": 0.25, "bab": 0.15}
    for text in ("ababc", "abcabcaba", "cababcbabab"):
        best = max(
            reference_unigram.segmentations(text, probability),
            key=lambda one: reference_unigram.likelihood(one, probability),
        )
        assert reference_unigram.best(text, probability) == best
