"""Learning BPE from texts, corpora and counts: what it gives, what it refuses, and that the peers learn the same."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
import rustbpe
import sentencepiece
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from idiolect.errors import TokenizerError
from idiolect.text.corpus import Corpus
from idiolect.tokenizers import reference_bpe
from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.bpe_learning import BpeOptions, count_words, learn_bpe
from idiolect.tokenizers.byte_level import ALPHABET, to_characters
from idiolect.tokenizers.counting import counted_in_file
from idiolect.tokenizers.normalize import Normalizer
from idiolect.tokenizers.patterns import PATTERNS, splitter

# Real text

Texts = Callable[[str], list[str]]


@pytest.fixture(scope="module", params=["part", pytest.param("whole", marks=pytest.mark.slow)])
def texts(request: pytest.FixtureRequest, data_folder: Path) -> Texts:
    """The documents of a folder of real text: about a megabyte of each, or all of it."""

    def read(name: str) -> list[str]:
        files = sorted(path for path in (data_folder / name).iterdir() if path.suffix != ".md")
        found = list(_read(files))
        if request.param == "whole":
            return found
        if len(found) < 20:
            found = [line for text in found for line in text.split("\n\n")]
        step = max(1, sum(map(len, found)) // 500_000)
        return found[::step]

    return read


def _read(files: Sequence[Path]) -> Iterator[str]:
    for file in files:
        if file.suffix == ".parquet":
            yield from parquet.read_table(file, columns=["text"]).column("text").to_pylist()
        elif file.suffix == ".jsonl":
            yield from (json.loads(line)["text"] for line in file.read_text("utf-8").splitlines())
        else:
            yield file.read_text("utf-8")


FOLDERS = ["imdb", "udhr", "chinese", "japanese", "peps"]


def pairs_of(tokenizer: BytePairTokenizer) -> list[tuple[bytes, bytes]]:
    return [(tokenizer.token_bytes(left), tokenizer.token_bytes(right)) for left, right in tokenizer.merges]


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "o200k"])
@pytest.mark.parametrize("folder", FOLDERS)
def test_hugging_face_learns_the_same_from_bytes(folder: str, pattern: str, texts: Texts) -> None:
    documents = texts(folder)
    size = 3000
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    cut = pre_tokenizers.Split(tokenizers.Regex(PATTERNS[pattern]), "isolated")
    peer = tokenizers.Tokenizer(models.BPE())
    peer.pre_tokenizer = (
        pre_tokenizers.ByteLevel(add_prefix_space=False)
        if pattern == "gpt2"
        else pre_tokenizers.Sequence([cut, byte_level])
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[END_OF_TEXT], initial_alphabet=alphabet, show_progress=False
    )
    peer.train_from_iterator(documents, trainer)
    ours = learn_bpe(documents, BpeOptions(vocab_size=size, pattern=pattern, ties="huggingface")).tokenizer
    names = [END_OF_TEXT, *(to_characters(ours.token_bytes(n)) for n in range(1, ours.vocab_size))]
    assert {name: n for n, name in enumerate(names)} == peer.get_vocab()
    theirs = [tuple(pair) for pair in json.loads(peer.to_str())["model"]["merges"]]
    assert [(names[left], names[right]) for left, right in ours.merges] == theirs


@pytest.mark.parametrize("folder", ["imdb", "chinese", "udhr"])
def test_hugging_face_learns_the_same_from_characters(folder: str, texts: Texts) -> None:
    documents = texts(folder)
    peer = tokenizers.Tokenizer(models.BPE(unk_token="<unk>"))
    peer.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex(PATTERNS["whitespace"]), "isolated")
    size = len(set("".join(documents))) + 1000
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[END_OF_TEXT, "<unk>"], show_progress=False)
    peer.train_from_iterator(documents, trainer)
    options = BpeOptions(vocab_size=size, pattern="whitespace", ties="huggingface", symbols="characters")
    ours = learn_bpe(documents, options).tokenizer
    names = [ours.token_bytes(n).decode() for n in range(ours.vocab_size)]
    assert {name: n for n, name in enumerate(names)} == peer.get_vocab()
    theirs = [tuple(pair) for pair in json.loads(peer.to_str())["model"]["merges"]]
    assert [(names[left], names[right]) for left, right in ours.merges] == theirs


@pytest.mark.parametrize(("min_frequency", "max_token_length"), [(20, None), (0, 5), (50, 7), (0, 2)])
def test_hugging_faces_limits_are_the_same(min_frequency: int, max_token_length: int | None, texts: Texts) -> None:
    documents = texts("imdb")
    peer = tokenizers.Tokenizer(models.BPE())
    peer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=4000,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=min_frequency,
        max_token_length=max_token_length,
        show_progress=False,
    )
    peer.train_from_iterator(documents, trainer)
    size = peer.get_vocab_size()
    options = BpeOptions(
        vocab_size=size,
        ties="huggingface",
        min_frequency=max(1, min_frequency),
        max_token_length=max_token_length or 0,
    )
    ours = learn_bpe(documents, options).tokenizer
    names = [END_OF_TEXT, *(to_characters(ours.token_bytes(n)) for n in range(1, ours.vocab_size))]
    assert {name: n for n, name in enumerate(names)} == peer.get_vocab()
    if size < 4000:
        with pytest.raises(TokenizerError, match="larger than the text supports"):
            learn_bpe(documents, BpeOptions(**{**vars(options), "vocab_size": size + 1}))


@pytest.mark.parametrize("folder", FOLDERS)
def test_rustbpe_learns_the_same(folder: str, texts: Texts) -> None:
    documents = texts(folder)
    peer = rustbpe.Tokenizer()
    peer.train_from_iterator(iter(documents), 3000)
    ranks = sorted(peer.get_mergeable_ranks(), key=lambda piece_and_rank: piece_and_rank[1])
    ours = learn_bpe(documents, BpeOptions(vocab_size=3001, pattern="cl100k", ties="rustbpe")).tokenizer
    assert [left + right for left, right in pairs_of(ours)] == [bytes(piece) for piece, _ in ranks[256:]]


SENTENCEPIECE = [
    {},
    {"byte_fallback": True},
    {"character_coverage": 1.0},
    {"max_sentencepiece_length": 5, "character_coverage": 0.98, "required_chars": "Ж§"},
]


@pytest.mark.parametrize("settings", SENTENCEPIECE, ids=lambda settings: " ".join(settings) or "default")
@pytest.mark.parametrize("folder", FOLDERS)
def test_sentencepiece_learns_the_same(folder: str, settings: dict[str, object], texts: Texts) -> None:
    documents = texts(folder)
    lines = [line for text in documents for line in text.split("\n") if line]
    characters = len(set("".join(lines)))
    size = 3 + characters + 1200 + (256 if "byte_fallback" in settings else 0)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=size,
        normalization_rule_name="identity",
        max_sentence_length=2**30,
        minloglevel=2,
        **settings,
    )
    peer = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    options = BpeOptions(
        vocab_size=size,
        ties="sentencepiece",
        byte_fallback="byte_fallback" in settings,
        coverage=float(settings.get("character_coverage", 0)),  # type: ignore[arg-type]
        max_token_length=int(settings.get("max_sentencepiece_length", 0)),  # type: ignore[call-overload]
        required_characters=str(settings.get("required_chars", "")),
    )
    ours = learn_bpe(documents, options).tokenizer
    first = 259 if options.byte_fallback else 3
    assert peer.get_piece_size() == ours.vocab_size
    theirs = [peer.id_to_piece(n).replace("▁", " ") for n in range(first, size)]
    assert [ours.token_bytes(n).decode() for n in range(first, size)] == theirs
    for line in lines[:300]:
        assert ours.encode(line) == peer.encode(line)


def test_sentencepiece_takes_names_of_special_tokens_out_of_the_text() -> None:
    lines = ["the <s>car</s> <unk> cat<s>", "<s><s>the cat"] * 30
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=16,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    peer = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    ours = learn_bpe(lines, BpeOptions(vocab_size=16, ties="sentencepiece")).tokenizer
    theirs = [peer.id_to_piece(n).replace("▁", " ") for n in range(3, 16)]
    assert [ours.token_bytes(n).decode() for n in range(3, 16)] == theirs


@pytest.mark.parametrize("folder", ["udhr", "chinese", "japanese"])
def test_the_first_rule_equals_plain_python_on_real_text(folder: str, texts: Texts) -> None:
    documents = texts(folder)[:200]
    counts: Counter[str] = Counter()
    for text in documents:
        counts.update(splitter("cl100k")(text))
    ids = {byte: n for n, byte in enumerate(ALPHABET, start=1)}
    words = {tuple(ids[byte] for byte in word.encode()): times for word, times in counts.items()}
    expected = reference_bpe.learn_merges(words, first_id=257, most=700, ties="first")
    ours = learn_bpe(documents, BpeOptions(vocab_size=957, pattern="cl100k"))
    assert ours.tokenizer.merges == expected
    assert ours.different_words == len(words)


# Threads, sources and normalizers


def test_threads_change_nothing() -> None:
    documents = [f"word{n % 97} the {n * n % 1009} car-{n % 13}" for n in range(5000)]
    alone = learn_bpe(documents, BpeOptions(vocab_size=500, threads=1)).tokenizer
    for threads in (2, 4):
        assert learn_bpe(documents, BpeOptions(vocab_size=500, threads=threads)).tokenizer.merges == alone.merges


def test_a_corpus_teaches_by_its_training_part_only(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    documents = [f"{'ab' if n % 2 else 'cd'} number {n}" for n in range(300)]
    rows.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents), encoding="utf-8")
    training = [document.text for document in Corpus([rows]).documents("train")]
    assert 0 < len(training) < 300
    from_texts = Tokenizer.train(training, vocab_size=270)
    assert Tokenizer.train(Corpus([rows]), vocab_size=270).fingerprint() == from_texts.fingerprint()
    assert Tokenizer.train(rows, vocab_size=270).fingerprint() == from_texts.fingerprint()
    assert Tokenizer.train([rows], vocab_size=270).fingerprint() == from_texts.fingerprint()
    characters = Tokenizer.train([rows], kind="characters")
    assert characters.fingerprint() == Tokenizer.train(training, kind="characters").fingerprint()


@given(
    st.lists(st.text(st.sampled_from("ab ▁\né"), max_size=20), max_size=8), st.booleans(), st.booleans(), st.booleans()
)
def test_spaces_are_treated_natively_as_the_normalizer_treats_them(
    texts: list[str], collapse: bool, prefix: bool, mark: bool
) -> None:
    normalizer = Normalizer(collapse_spaces=collapse, prefix_space=prefix, mark=mark)
    expected: Counter[str] = Counter()
    for text in texts:
        expected.update(splitter("metaspace")(normalizer(text)))
    words = count_words(texts, BpeOptions(pattern="metaspace", normalizer=normalizer))
    assert words.items() == [(word.encode(), times) for word, times in expected.items()]


def test_sentencepieces_lines_and_normal_forms_go_together() -> None:
    options = BpeOptions(ties="sentencepiece", normalizer=Normalizer(form="nfkc", lowercase=True))
    words = dict(count_words(["Ｔhe  ﬁsh\nthe <s>sea\n\n"], options).items())
    assert words == {"▁the".encode(): 2, "▁fish".encode(): 1, "▁\x1fsea".encode(): 1}


def test_the_name_of_a_special_token_is_never_merged() -> None:
    options = BpeOptions(vocab_size=280, pattern="none", ties="huggingface")
    texts = [END_OF_TEXT] * 9 + ["".join(map(chr, range(97, 120)))] * 3
    tokenizer = learn_bpe(texts, options).tokenizer
    assert END_OF_TEXT.encode() not in [left + right for left, right in pairs_of(tokenizer)]
    assert tokenizer.special_tokens[END_OF_TEXT] not in tokenizer.encode(END_OF_TEXT)


# Counts made elsewhere


def test_counts_made_elsewhere_teach_the_same(tmp_path: Path) -> None:
    documents = ['the car, the cat\tand\nthe "rat" é' * 3, " the  car"] * 5
    options = BpeOptions(vocab_size=272)
    words = count_words(documents, options).items()
    expected = learn_bpe(documents, options).tokenizer.merges
    as_json, as_lines = tmp_path / "counts.json", tmp_path / "counts.tsv"
    as_json.write_text(json.dumps({word.decode(): times for word, times in words}), encoding="utf-8")
    assert learn_bpe(counted_in_file(as_json), options).tokenizer.merges == expected
    plain = [(word, times) for word, times in words if b"\n" not in word]
    as_lines.write_bytes(b"".join(word + b"\t" + str(times).encode() + b"\r\n" for word, times in plain))
    assert counted_in_file(as_lines).items() == plain
    as_lines.write_bytes(b"a\t3\nb\t4\n\na\t5\n")
    assert counted_in_file(as_lines).items() == [(b"a", 8), (b"b", 4)]
    as_json.write_text('{"a": 3, "b": 4, "a": 5}', encoding="utf-8")
    assert counted_in_file(as_json).items() == [(b"a", 8), (b"b", 4)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "has no words"),
        (b"{}", "has no words"),
        (b"word 3\n", "line 1 is not a word, a tab and a count"),
        (b"a\t1\n\t3\n", "line 2 is not a word"),
        (b"a\tmany\n", "'many' is no count"),
        (b"a\t-3\n", "'-3' is no count"),
        (b"a\t0\n", "0 is no count"),
        (b"a\t" + b"9" * 5000 + b"\n", "is no count"),
        (b'{"a": 1.5}', "1.5 is no count"),
        (b'{"a": true}', "True is no count"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is no count"),
        (b'{"a": 4611686018427387904, "b": 1, "a": 4611686018427387904}', "63 bits"),
        (b'{"a": [1]', "begins like JSON"),
        (b'{"a": {"b": 1}}', "is no count"),
        (b'{"\\ud800": 1}', "surrogate"),
        (b"{" * 100_000, "begins like JSON"),
        (b"a\xff\t1\n", "offset 1"),
    ],
)
def test_damaged_counts_are_refused_with_their_place(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "counts"
    file.write_bytes(content)
    with pytest.raises(TokenizerError, match=told):
        counted_in_file(file)
    with pytest.raises(TokenizerError, match="cannot be read"):
        counted_in_file(tmp_path / "none")


# What is refused


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"ties": "last"}, "first, huggingface, rustbpe, sentencepiece"),
        ({"pattern": "p50k"}, "gpt2, cl100k"),
        ({"symbols": "letters"}, "bytes or characters"),
        ({"ties": "sentencepiece", "pattern": "cl100k"}, "cannot be cl100k"),
        ({"ties": "rustbpe", "symbols": "characters"}, "rustbpe starts from bytes"),
        ({"min_frequency": 0}, "at least 1"),
        ({"max_token_length": 1}, "at least two"),
        ({"max_token_length": -1}, "at least 0"),
        ({"threads": -1}, "at least 0"),
        ({"max_memory": 1000}, "at least 1048576"),
        ({"coverage": 1.5, "symbols": "characters"}, "share"),
        ({"coverage": float("nan"), "symbols": "characters"}, "share"),
        ({"coverage": 0.5}, "are for BPE of characters"),
        ({"byte_fallback": True}, "are for BPE of characters"),
        ({"required_characters": "\ud800", "symbols": "characters"}, "surrogate"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(TokenizerError, match=told):
        BpeOptions(**options)  # type: ignore[arg-type]


def test_texts_that_cannot_be_learnt_from_are_refused() -> None:
    characters = BpeOptions(vocab_size=300, symbols="characters")
    with pytest.raises(TokenizerError, match="lone surrogate"):
        learn_bpe(["fine", "half \ud800"], BpeOptions(vocab_size=258))
    with pytest.raises(TokenizerError, match="put the text into a list"):
        learn_bpe("text", BpeOptions(vocab_size=258))
    with pytest.raises(TokenizerError, match="text is empty"):
        learn_bpe([], characters)
    with pytest.raises(TokenizerError, match="larger than the text supports: it allows 2 merges, so 7 ids"):
        learn_bpe(["the", "the"], characters)
    with pytest.raises(TokenizerError, match="3 characters, but there is room for 1"):
        learn_bpe(["the", "the"], BpeOptions(vocab_size=3, symbols="characters"))
    with pytest.raises(TokenizerError, match="258 ids"):
        learn_bpe(["the"], BpeOptions(vocab_size=257, symbols="characters", byte_fallback=True))
    with pytest.raises(TokenizerError, match="BPE has no option 'tie': its options are byte_fallback"):
        Tokenizer.train(["the"], tie="first")


@given(st.lists(st.text(max_size=30), max_size=5), st.sampled_from(["first", "huggingface", "rustbpe"]))
def test_what_is_learnt_from_any_text_gives_it_back(texts: list[str], ties: str) -> None:
    tokenizer = Tokenizer.train([*texts, "abcd" * 3], vocab_size=259, ties=ties)
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_with_a_cap_on_memory_what_is_missing_is_told() -> None:
    texts = [" ".join(f"w{n * m % 99991}" for m in range(40)) for n in range(2000)] + ["the cat"] * 500
    learning = learn_bpe(texts, BpeOptions(vocab_size=258, max_memory=1 << 20))
    assert learning.forgotten > 0 and learning.missing > 0
    whole = learn_bpe(texts, BpeOptions(vocab_size=258))
    assert (whole.forgotten, whole.missing) == (0, 0)
