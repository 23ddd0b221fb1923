"""Native encoding equals the plain-Python reference: random vocabularies, texts of any bytes, every option."""

from __future__ import annotations

import itertools
import pickle
import random
import sys
import time
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idiolect._native import id_lists, split_words
from idiolect.errors import TokenizerError
from idiolect.tokenizers import reference_bpe
from idiolect.tokenizers.base import END_OF_TEXT
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.normalize import Normalizer

RankBy = Literal["pair", "piece"]
PATTERNS = ("gpt2", "cl100k", "o200k", "whitespace", "none")
# Few letters make many words that merge; the others make every kind of border, and broken UTF-8.
ATOMS = [b"a", b"a", b"b", b"ab", b" ", b" ", b"\n", b"'s", b".", b"12", b"\r\n", "é".encode(), "你".encode(), b"\xff"]
some_bytes = st.lists(st.sampled_from(ATOMS), max_size=60).map(b"".join) | st.binary(max_size=60)
START = [bytes([byte]) for byte in range(256)]


@st.composite
def vocabularies(draw: st.DrawFn, start: Sequence[bytes] = START) -> tuple[list[bytes], list[tuple[int, int]]]:
    """Pieces and merges in any order, with pieces that several pairs give and pieces that none gives."""
    pieces = list(start)
    for atom in draw(st.lists(st.sampled_from(ATOMS), max_size=4)):
        pieces += [atom] if atom not in pieces else []
    chosen = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(0, 40))):
        one, other = (chosen.choice([piece for piece in pieces if piece[:1] in b"ab \xc3\xe4"]) for _ in "ab")
        if len(one + other) <= 12 and one + other not in pieces:
            pieces.append(one + other)
    ids = {piece: number for number, piece in enumerate(pieces)}
    merges = [
        (ids[piece[:cut]], ids[piece[cut:]])
        for piece in pieces
        for cut in range(1, len(piece))
        if piece[:cut] in ids and piece[cut:] in ids and chosen.random() < 0.7
    ]
    chosen.shuffle(merges)
    return pieces, merges


def by_reference(
    tokenizer: BytePairTokenizer, pieces: Sequence[bytes], words: Sequence[Sequence[int]], rank_by: RankBy
) -> list[int]:
    """Ids of words that are given as the ids they start as."""
    ids = {piece: number for number, piece in enumerate(pieces) if number < len(pieces)}
    merged = [ids[pieces[left] + pieces[right]] for left, right in tokenizer.merges]
    first = {token: rank for rank, token in reversed(list(enumerate(merged)))}
    ranks = {pair: first[merged[n]] if rank_by == "piece" else n for n, pair in enumerate(tokenizer.merges)}
    return [token for word in words for token in reference_bpe.merge_word(word, ranks, merged)]


@pytest.mark.parametrize("rank_by", ["pair", "piece"])
@pytest.mark.parametrize("pattern", PATTERNS)
@given(vocabulary=vocabularies(), text=some_bytes, times=st.sampled_from([1, 1, 1, 9]))
def test_bytes_merge_as_in_the_reference(
    pattern: str, rank_by: RankBy, vocabulary: tuple[list[bytes], list[tuple[int, int]]], text: bytes, times: int
) -> None:
    pieces, merges = vocabulary
    end = len(pieces)
    tokenizer = BytePairTokenizer(
        [*pieces, b"<end>"],
        merges,
        pattern=pattern,
        special_tokens={"<end>": end},
        rank_by=rank_by,
        end_of_text="<end>",
    )
    text *= times  # words of more than 64 bytes are merged in another way
    words = split_words(pattern, text)
    expected = by_reference(tokenizer, pieces, words, rank_by)
    assert tokenizer.encode(text) == expected
    assert tokenizer.encode(text) == expected, "words from the cache"
    assert tokenizer.decode_bytes(expected) == text
    assert tokenizer.sample(text, alpha=0) == expected
    ids, lengths = tokenizer.ordinary_lengths(text)
    assert ids == expected and lengths == [len(pieces[i]) for i in ids]


@given(vocabulary=vocabularies(), text=some_bytes)
def test_a_word_that_is_a_piece_is_that_piece_where_merges_are_ignored(
    vocabulary: tuple[list[bytes], list[tuple[int, int]]], text: bytes
) -> None:
    pieces, merges = vocabulary
    plain = BytePairTokenizer([*pieces, b"<e>"], merges, pattern="gpt2", special_tokens={END_OF_TEXT: len(pieces)})
    whole = BytePairTokenizer(
        [*pieces, b"<e>"], merges, pattern="gpt2", special_tokens={END_OF_TEXT: len(pieces)}, ignore_merges=True
    )
    ids = {piece: number for number, piece in reversed(list(enumerate(pieces)))}
    expected = []
    for word in split_words("gpt2", text):
        expected += [ids[word]] if word in ids else plain.encode(word)
    assert whole.encode(text) == expected


CHARACTERS = ["▁", "a", "b", "é", "你", "😀"]


@pytest.mark.parametrize("outside", ["bytes", "unknown"])
@pytest.mark.parametrize("pattern", ["none", "metaspace"])
@given(chosen=st.integers(0, 2**32), text=st.text(st.sampled_from("  aab éé你😀ßx\ud7ff▁"), max_size=100))
def test_characters_merge_as_in_the_reference(pattern: str, outside: str, chosen: int, text: str) -> None:
    pieces, merges = vocabularies_of_characters(chosen)
    byte_ids = [] if outside == "unknown" else list(range(len(pieces), len(pieces) + 256))
    unknown = len(pieces) + len(byte_ids)
    tokenizer = BytePairTokenizer(
        [*pieces, *(START if byte_ids else ()), b"<unk>", b"</s>"],
        merges,
        pattern=pattern,
        special_tokens={"</s>": unknown + 1, "<unk>": unknown},
        symbols="characters",
        normalizer=Normalizer(prefix_space=True, mark=True),
        byte_ids=byte_ids,
        unknown=unknown,
        rank_by="piece",
        end_of_text="</s>",
    )
    ids = {piece.decode(): number for number, piece in enumerate(pieces)}
    marked = tokenizer.normalizer(text)
    words = [word.decode() for word in split_words(pattern, marked.encode())]
    expected: list[int] = []
    for word in words:
        start: list[int] = []
        for character in word:
            if character in ids:
                start.append(ids[character])
            elif byte_ids:
                start += [byte_ids[byte] for byte in character.encode()]
            elif not start or start[-1] != unknown:
                start.append(unknown)
        expected += by_reference(tokenizer, pieces, [start], "piece")
    assert tokenizer.encode(text) == expected
    if byte_ids and "▁" not in text:
        assert tokenizer.decode(expected) == text
        stream = tokenizer.stream()
        assert "".join(map(stream.push, expected)) + stream.flush() == text
    if "▁" not in text:
        places = tokenizer.encode_with_offsets(text)
        assert places.ids == expected
        edges = [0, *(end for _, end in places.bytes)]
        assert [(start, end) for start, end in itertools.pairwise(edges)] == places.bytes
        assert edges[-1] == len(text.encode())
        for token, (first, last) in zip(places.ids, places.bytes):
            if token != unknown and token not in byte_ids:
                written = pieces[token].decode().replace("▁", " ")
                assert text.encode()[first:last].decode() in (written, written[1:])


def vocabularies_of_characters(seed: int) -> tuple[list[bytes], list[tuple[int, int]]]:
    """Pieces of some characters; in every other one, some go on with a mark after another character."""
    chosen = random.Random(seed)
    texts = list(CHARACTERS)
    for _ in range(chosen.randrange(30)):
        joined = chosen.choice(texts) + chosen.choice(texts)
        if joined not in texts and (seed % 2 or "▁" not in joined.lstrip("▁")):
            texts.append(joined)
    ids = {text: number for number, text in enumerate(texts)}
    merges = [
        (ids[text[:cut]], ids[text[cut:]])
        for text in texts
        for cut in range(1, len(text))
        if text[:cut] in ids and text[cut:] in ids
    ]
    chosen.shuffle(merges)
    return [text.encode() for text in texts], merges


@pytest.fixture(scope="module")
def trained() -> BytePairTokenizer:
    lines = ["the car, the cat and the rat's 1234 hats. It isn't so;\n", "naïve 你好世界。你好，世界 😀\n", "a" * 64]
    return BytePairTokenizer.learn(lines, vocab_size=317, pattern="gpt2", ties="first")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_ids_do_not_depend_on_threads_nor_on_where_a_long_text_is_cut(trained: BytePairTokenizer, pattern: str) -> None:
    tokenizer = BytePairTokenizer(
        [trained.token_bytes(i) for i in range(trained.vocab_size)],
        trained.merges,
        pattern=pattern,
        special_tokens={END_OF_TEXT: 0},
    )
    chosen = random.Random(1)
    atoms = ["the", "cat", " ", "  ", "\n", "\n\n", "'s", "'", ".", "。", "，", "你好", "é", "12345", "\r\n", "/", "x"]
    text = "".join(chosen.choices(atoms, k=400_000))
    whole = BytePairTokenizer(tokenizer.pieces, trained.merges, pattern="none", special_tokens=tokenizer.special_tokens)
    by_word = {word: whole.encode(word) for word in set(split_words(pattern, text.encode()))}
    expected = [token for word in split_words(pattern, text.encode()) for token in by_word[word]]
    for threads in (1, 2, 7):
        assert tokenizer.encode_array(text, threads=threads).tolist() == expected
    pieces = [text[start : start + 997] for start in range(0, len(text), 997)]
    together, starts = tokenizer.encode_many([*pieces, "", text, ""], threads=3)
    apart = [tokenizer.encode(piece) for piece in pieces]
    assert np.split(together, starts[1:-1])[-2].tolist() == expected
    assert tokenizer.encode_batch(pieces) == apart
    assert together[: starts[len(pieces)]].tolist() == [token for piece in apart for token in piece]
    assert starts[-1] == starts[-2] == len(together)


def test_nothing_but_the_merges_decides_even_for_pieces_that_no_merge_makes() -> None:
    """A piece that the merges never make is never given for its own text, though the vocabulary has it."""
    pieces = [*START, b"ab", b"abc", b"bc", END_OF_TEXT.encode()]
    tokenizer = BytePairTokenizer(
        pieces, [(ord("b"), ord("c")), (256, ord("c"))], pattern="gpt2", special_tokens={END_OF_TEXT: 259}
    )
    assert tokenizer.encode("abc") == tokenizer.encode("abc") == [ord("a"), 258]


def test_special_tokens_in_a_batch(trained: BytePairTokenizer) -> None:
    texts = [f"the{END_OF_TEXT}", "cat", "", f"{END_OF_TEXT}{END_OF_TEXT}rat"]
    expected = [trained.encode(text, allowed_special={END_OF_TEXT}) for text in texts]
    assert trained.encode_batch(texts, allowed_special={END_OF_TEXT}) == expected
    assert trained.encode_batch([text.encode() for text in texts], allowed_special={END_OF_TEXT}) == expected
    assert expected[3][:2] == [0, 0] and expected[0][-1] == 0
    assert not any(0 in ids for ids in trained.encode_batch(texts))
    assert trained.encode_batch([], allowed_special={END_OF_TEXT}) == trained.encode_batch([]) == []
    with pytest.raises(TokenizerError, match="put the text into a list"):
        trained.encode_batch("the cat")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_offsets_say_where_each_token_stands(text: str) -> None:
    tokenizer = BytePairTokenizer.learn(["the cat, é 你好"], vocab_size=262, pattern="gpt2", ties="first")
    places = tokenizer.encode_with_offsets(text, allowed_special={END_OF_TEXT})
    assert places.ids == tokenizer.encode(text, allowed_special={END_OF_TEXT})
    data = text.encode()
    for token, (start, end), (first, last) in zip(places.ids, places.bytes, places.characters):
        assert data[start:end] == tokenizer.token_bytes(token)
        assert data[start:end] in text[first:last].encode()
        assert len(text[:first].encode()) <= start and end <= len(text[:last].encode())
        assert len(text[first:last].encode()) < end - start + 8


def test_offsets_of_special_tokens_and_of_half_characters(trained: BytePairTokenizer) -> None:
    tokenizer = BytePairTokenizer.learn(["x"], vocab_size=257, pattern="gpt2", ties="first")
    places = tokenizer.encode_with_offsets(f"é{END_OF_TEXT}x", allowed_special={END_OF_TEXT})
    assert places.characters == [(0, 1), (0, 1), (1, 14), (14, 15)]
    assert places.bytes == [(0, 1), (1, 2), (2, 15), (15, 16)]
    folded = BytePairTokenizer(
        trained.pieces,
        trained.merges,
        pattern="gpt2",
        special_tokens={END_OF_TEXT: 0},
        normalizer=Normalizer(lowercase=True),
    )
    with pytest.raises(TokenizerError, match="changes a text before it is cut"):
        folded.encode_with_offsets("The")


def test_dropout_leaves_out_merges_by_chance(trained: BytePairTokenizer) -> None:
    text = "the cat and the rat's hats " * 40
    ids = trained.encode(text)
    assert trained.sample(text, alpha=0.0) == ids
    assert trained.sample(text, alpha=1.0) == [trained.encode(character)[0] for character in text]
    one, other = trained.sample(text, alpha=0.3, seed=1), trained.sample(text, alpha=0.3, seed=2)
    assert one != other and one == trained.sample(text, alpha=0.3, seed=1)
    assert trained.decode(one) == trained.decode(other) == text
    lengths = [len(trained.sample(text, alpha=alpha / 10, seed=3)) for alpha in range(0, 11, 2)]
    assert lengths == sorted(lengths) and lengths[1] > len(ids)
    for alpha in (-0.1, 1.1, float("nan")):
        with pytest.raises(TokenizerError, match="it is a probability"):
            trained.sample(text, alpha=alpha)
    with pytest.raises(TokenizerError, match="leave nbest out"):
        trained.sample(text, nbest=5)
    with pytest.raises(TokenizerError, match="no probabilities"):
        trained.nbest(text, 5)


def test_the_first_merge_is_left_out_as_often_as_asked() -> None:
    """A word of two bytes with one merge: dropout of p leaves it apart in p of the draws."""
    tokenizer = BytePairTokenizer(
        [*START, b"ab", b"<e>"], [(97, 98)], pattern="gpt2", special_tokens={END_OF_TEXT: 257}
    )
    apart = sum(len(tokenizer.sample("ab", alpha=0.25, seed=seed)) == 2 for seed in range(4000))
    assert abs(apart / 4000 - 0.25) < 0.03


@settings(max_examples=30)
@given(st.lists(st.integers(0, 316), max_size=50))
def test_decoding_takes_lists_arrays_and_whatever_gives_ints(ids: list[int]) -> None:
    tokenizer = BytePairTokenizer.learn(
        ["the car, the cat and the rat's 1234 hats. It isn't so;\n" * 3, "a" * 64],
        vocab_size=290,
        pattern="gpt2",
        ties="first",
    )
    ids = [i % tokenizer.vocab_size for i in ids]
    expected = b"".join(tokenizer.token_bytes(i) for i in ids if i != tokenizer.end_of_text)
    for form in (ids, tuple(ids), iter(ids), np.array(ids, np.uint16), np.array(ids, np.int64)):
        assert tokenizer.decode_bytes(form) == expected
    assert tokenizer.decode_batch([ids, []]) == [expected.decode(errors="replace"), ""]
    for wrong in (-1, tokenizer.vocab_size, 2**40, 2**70):
        with pytest.raises(TokenizerError, match=f"There is no token {wrong}: "):
            tokenizer.decode([*ids, wrong])
    with pytest.raises(TokenizerError, match="There is no token 1000: "):
        tokenizer.decode(np.array([1000]))


def test_lists_of_ids_are_ints_that_are_shared(trained: BytePairTokenizer) -> None:
    ids = trained.encode_batch(["你" * 9, "你"])
    assert all(type(token) is int for token in ids[0])
    large = [token for token in ids[0] if token > 256]
    assert len({id(token) for token in large}) == len(set(large))


def test_lists_made_in_threads_hold_their_ints() -> None:
    numbers = list(range(5000))
    random_numbers = np.random.default_rng(5)
    ids = random_numbers.integers(0, len(numbers), 300_000).astype(np.uint32)
    cuts = np.sort(random_numbers.integers(0, len(ids), 400))
    starts = np.array([0, 0, *cuts, len(ids), len(ids)], np.int64)
    looked_at = range(300, len(numbers), 13)  # Python itself holds the smaller ones
    before = [sys.getrefcount(numbers[i]) for i in looked_at]
    for threads in (1, 3):
        lists = id_lists(ids, starts, numbers, threads)
        assert lists == [ids[start:end].tolist() for start, end in itertools.pairwise(starts)]
        more = np.bincount(ids, minlength=len(numbers))
        assert [sys.getrefcount(numbers[i]) for i in looked_at] == [n + more[i] for n, i in zip(before, looked_at)]
        del lists
        assert [sys.getrefcount(numbers[i]) for i in looked_at] == before
    for wrong in ([0, len(ids) + 1], [2, 1], [-1, 1]):
        with pytest.raises(IndexError):
            id_lists(ids, np.array(wrong, np.int64), numbers)
    with pytest.raises(IndexError):
        id_lists(np.array([5000], np.uint32), np.array([0, 1], np.int64), numbers)
    assert id_lists(ids[:0], np.zeros(0, np.int64), []) == []


def test_words_that_come_and_go_in_the_cache_keep_their_ids(trained: BytePairTokenizer) -> None:
    chosen = random.Random(1)
    words = ["".join(chosen.choices("the car ", k=chosen.randint(1, 20))) for _ in range(60_000)]
    texts = [" ".join(chosen.choices(words, k=50)) for _ in range(5_000)]
    expected = [trained.encode_with_offsets(text).ids for text in texts[::50]]  # which keeps no words
    for _ in range(2):
        assert trained.encode_batch(texts, threads=1)[::50] == expected


def test_it_comes_back_from_another_process_with_all_its_options() -> None:
    pieces, merges = vocabularies_of_characters(4)
    tokenizer = BytePairTokenizer(
        [*pieces, b"<unk>", b"</s>"],
        merges,
        pattern="metaspace",
        special_tokens={"</s>": len(pieces) + 1},
        symbols="characters",
        normalizer=Normalizer(mark=True),
        unknown=len(pieces),
        end_of_text="</s>",
    )
    tokenizer.decode(tokenizer.encode("a b"))
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.encode("ab é x") == tokenizer.encode("ab é x")
    assert again.fingerprint() == tokenizer.fingerprint() and again.end_of_text == len(pieces) + 1
    assert not tokenizer.can_encode("\ud800")


def test_every_option_shows_in_the_fingerprint(trained: BytePairTokenizer) -> None:
    def made(**options: object) -> str:
        settings = {"pattern": "gpt2", "special_tokens": {END_OF_TEXT: 0}, **options}
        return BytePairTokenizer([*trained.pieces, b"last"], trained.merges, **settings).fingerprint()  # type: ignore[arg-type]

    prints = [
        made(),
        made(pattern="cl100k"),
        made(ignore_merges=True),
        made(rank_by="piece"),
        made(normalizer=Normalizer(lowercase=True)),
        made(special_tokens={END_OF_TEXT: 0, "last": trained.vocab_size}),
        made(special_tokens={END_OF_TEXT: 0, "last": trained.vocab_size}, end_of_text="last"),
    ]
    assert len(set(prints)) == len(prints)


def test_what_does_not_fit_together_is_refused() -> None:
    def make(pieces: Sequence[bytes], merges: Sequence[tuple[int, int]], **options: object) -> BytePairTokenizer:
        settings = {"pattern": "gpt2", "special_tokens": {END_OF_TEXT: len(pieces) - 1}, **options}
        return BytePairTokenizer(pieces, merges, **settings)  # type: ignore[arg-type]

    for fault, pieces, merges, options in [
        ("ids are 0 to 256", [*START, b"e"], [(1, 257)], {}),
        ("ids are 0 to 256", [*START, b"e"], [(-1, 2)], {}),
        ("no piece of the vocabulary", [*START, b"e"], [(97, 98)], {}),
        ("stands twice", [*START, b"ab", b"e"], [(97, 98), (97, 98)], {}),
        ("lacks byte 97", [*START[:97], b"aa", *START[98:], b"e"], [], {}),
        ("no special token", [*START, b"e"], [], {"end_of_text": "</s>"}),
        ("has id 999", [*START, b"e"], [], {"special_tokens": {END_OF_TEXT: 999}}),
        ("no pattern", [*START, b"e"], [], {"pattern": "p50k"}),
        ("256 byte tokens", [*START, b"e"], [], {"symbols": "characters", "byte_ids": [1, 2]}),
        ("byte token is not in", [*START, b"e"], [], {"symbols": "characters", "byte_ids": [999] * 256}),
        ("unknown token is not in", [*START, b"e"], [], {"symbols": "characters", "unknown": 999}),
        ("neither byte tokens", [*START, b"e"], [], {"unknown": 3}),
    ]:
        with pytest.raises(TokenizerError, match=fault):
            make(pieces, merges, **options)
    letters = make([b"a", b"b", b"e"], [], symbols="characters")
    assert letters.encode("ab") == [0, 1] and not letters.can_encode("abc") and letters.can_encode("ba")
    with pytest.raises(TokenizerError, match="'c'"):
        letters.encode("abc")


def test_hostile_text_takes_linear_time(trained: BytePairTokenizer) -> None:
    start = time.monotonic()
    for text in ("a" * 2**20, " " * 2**20, "ab" * 2**19, "你" * 2**18, "'" * 2**20, "\n\r" * 2**19, "\u0301" * 2**19):
        assert trained.decode(trained.encode(text)) == text
        assert trained.decode(trained.sample(text, alpha=0.2)) == text
    assert time.monotonic() - start < 30
