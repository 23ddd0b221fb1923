"""What every tokenizer promises, whatever its family: round trips, streams, special tokens, fingerprints."""

from __future__ import annotations

import pickle
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer

LINES = [
    "The quick brown fox jumps over the lazy dog; the dog does not mind.\n",
    "naïve café, 你好世界, 你好, こんにちは, Привет, мир! 😀👩‍👩‍👧\n",
    "def f(x):\r\n    return x ** 2  # 100%\n",
    END_OF_TEXT,
]
TOKENIZERS = [
    Tokenizer.train(LINES, vocab_size=290, pattern=pattern, ties=ties)
    for pattern in ("gpt2", "cl100k")
    for ties in ("first", "huggingface")
] + [Tokenizer.train(LINES, kind=kind) for kind in ("characters", "words", "whitespace", "bytes")]
BPE = TOKENIZERS[:4]
any_text = st.text(st.characters(exclude_categories=["Cs"]))
likely_text = st.lists(st.sampled_from(["the", "dog", " ", "\n", "你", "😀", "e\u0301", END_OF_TEXT, "\x00", "100"]))


@pytest.mark.parametrize("tokenizer", BPE)
@given(any_text | likely_text.map("".join))
def test_any_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode_bytes(ids) == text.encode()
    assert tokenizer.end_of_text not in ids


@pytest.mark.parametrize("tokenizer", BPE)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.characters(categories=["Cs"]))
def test_a_lone_surrogate_is_refused_with_its_place(tokenizer: Tokenizer, text: str, surrogate: str) -> None:
    with pytest.raises(TokenizerError, match=f"lone surrogate.* at position {len(text)}"):
        tokenizer.encode(text + surrogate + text)
    assert tokenizer.can_encode(text)
    assert not tokenizer.can_encode(text + surrogate)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@given(st.data())
def test_a_stream_gives_the_same_text_and_never_half_a_character(tokenizer: Tokenizer, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size - 1), max_size=40))
    stream = tokenizer.stream()
    given_so_far = ""
    for end, token_id in enumerate(ids, start=1):
        given_so_far += stream.push(token_id)
        assert tokenizer.decode(ids[:end]).startswith(given_so_far)
    assert given_so_far + stream.flush() == tokenizer.decode(ids)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_a_stream_of_real_text_has_no_replacement_characters(tokenizer: Tokenizer) -> None:
    stream = tokenizer.stream()
    parts = [stream.push(token_id) for token_id in tokenizer.encode("".join(LINES))]
    assert "\ufffd" not in "".join(parts)
    assert stream.flush() == ""
    if tokenizer.kind not in ("words", "whitespace"):  # these drop spaces
        assert "".join(parts) == "".join(LINES)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_special_tokens_come_only_where_they_are_allowed(tokenizer: Tokenizer) -> None:
    text = f"{END_OF_TEXT}the{END_OF_TEXT}{END_OF_TEXT} dog"
    end = tokenizer.end_of_text
    assert end not in tokenizer.encode(text)
    allowed = tokenizer.encode(text, allowed_special={END_OF_TEXT})
    assert allowed == [end, *tokenizer.encode("the"), end, end, *tokenizer.encode(" dog")]
    assert tokenizer.decode(allowed) == "the dog"
    assert tokenizer.token_bytes(end) == END_OF_TEXT.encode()
    with pytest.raises(TokenizerError, match=r"'<s>' is no special token.*<\|endoftext\|>"):
        tokenizer.encode(text, allowed_special=["<s>"])


def test_of_overlapping_special_tokens_the_longest_wins() -> None:
    plain = BPE[0]
    assert isinstance(plain, BytePairTokenizer)
    size = plain.vocab_size
    pieces = [plain.token_bytes(i) for i in range(size)] + [b"<a>", b"<a><a>", b"<a.>"]
    special = {END_OF_TEXT: 0, "<a>": size, "<a><a>": size + 1, "<a.>": size + 2}
    tokenizer = BytePairTokenizer(pieces, plain.merges, pattern=plain.pattern, special_tokens=special)
    assert tokenizer.encode("<a><a><a>", allowed_special={"<a>", "<a><a>"}) == [size + 1, size]
    assert tokenizer.encode("<ab><a.>", allowed_special={"<a.>"})[-1] == size + 2
    assert tokenizer.encode("<ab>", allowed_special={"<a.>"}) == plain.encode("<ab>")


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_an_id_that_is_not_there_is_refused(tokenizer: Tokenizer) -> None:
    for token_id in (-1, tokenizer.vocab_size, 10**9):
        with pytest.raises(TokenizerError, match=f"no token {token_id}: .* ids 0 to {tokenizer.vocab_size - 1}"):
            tokenizer.decode([token_id])


def test_fingerprints_tell_tokenizers_apart_and_know_the_same_again() -> None:
    for one, other in combinations(TOKENIZERS, 2):
        assert one.fingerprint() != other.fingerprint()
    again = Tokenizer.train(LINES, vocab_size=290)
    assert again.fingerprint() == TOKENIZERS[0].fingerprint()
    assert Tokenizer.train(LINES, vocab_size=289).fingerprint() != again.fingerprint()
    assert len(again.fingerprint()) == 64


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_a_tokenizer_can_be_sent_to_another_process(tokenizer: Tokenizer) -> None:
    assert pickle.loads(pickle.dumps(tokenizer)).encode(LINES[0]) == tokenizer.encode(LINES[0])


def test_training_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TokenizerError, match="choose bpe, unigram, words"):
        Tokenizer.train(["text"], kind="syllables")
    with pytest.raises(TokenizerError, match="put the text into a list"):
        Tokenizer.train("text")
    with pytest.raises(TokenizerError, match="lone surrogate"):
        Tokenizer.train(["\udc80"], vocab_size=257)
