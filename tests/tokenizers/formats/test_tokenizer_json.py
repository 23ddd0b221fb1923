"""Saved tokenizers: `tokenizers`, `transformers` and this package read each other's with the same ids."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest
import tokenizers
import transformers
from hypothesis import given
from hypothesis import strategies as st

from idiolect.tokenizers.base import END_OF_TEXT, Tokenizer
from idiolect.tokenizers.bpe import BytePairTokenizer
from idiolect.tokenizers.byte_level import BYTE_OF_CHARACTER, to_bytes, to_characters

TEXTS = [
    "The quick brown fox jumps over the lazy dog; it's 12345 dogs, the dog won't mind.\n\n\n",
    "naïve café, 你好世界, 你好, こんにちは, Привет, мир! 😀👩‍👩‍👧 e\u0301 \u00a0\u2003x\n",
    "def f(x):\r\n    return x ** 2  # 100%\r\n\r\n\tpass   \n",
    "\x00\x01 \x7f\ufeff \u200b",
]
Maker = Callable[[], Tokenizer]
MAKERS: dict[str, Maker] = {
    "gpt2": lambda: Tokenizer.train(TEXTS, vocab_size=290, pattern="gpt2", ties="first"),
    "cl100k": lambda: Tokenizer.train(TEXTS, vocab_size=290, pattern="cl100k", ties="huggingface"),
    "llama3": lambda: Tokenizer.train(TEXTS, vocab_size=290, pattern="llama3"),
    "o200k": lambda: Tokenizer.train(TEXTS, vocab_size=290, pattern="o200k"),
    "whitespace": lambda: Tokenizer.train(TEXTS, vocab_size=290, pattern="whitespace"),
    "uncut": lambda: Tokenizer.train(TEXTS, vocab_size=290, pattern="none"),
    "characters": lambda: Tokenizer.train([*TEXTS, END_OF_TEXT], kind="characters"),
}


def real_texts(data_folder: Path) -> list[str]:
    """Some 300 kB in many scripts."""
    with (data_folder / "peps" / "documents.jsonl").open(encoding="utf-8") as lines:
        peps = [json.loads(next(lines))["text"][:20_000] for _ in range(4)]
    udhr = pyarrow.parquet.read_table(data_folder / "udhr" / "documents.parquet", columns=["text"])["text"]
    return [
        (data_folder / "shakespeare" / "tinyshakespeare.txt").read_text("utf-8")[:60_000],
        (data_folder / "chinese" / "poems.txt").read_text("utf-8")[:15_000],
        (data_folder / "japanese" / "wagahai.txt").read_text("utf-8")[:15_000],
        *peps,
        *(text.as_py()[:600] for text in udhr[::5]),
    ]


def learnt_by_hugging_face(texts: list[str], vocab_size: int) -> tokenizers.Tokenizer:
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    theirs.train_from_iterator(texts, trainer)
    return theirs


def saved(tokenizer: Tokenizer, folder: Path) -> tokenizers.Tokenizer:
    tokenizer.save(folder)
    return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


def test_every_byte_has_one_character() -> None:
    assert sorted(BYTE_OF_CHARACTER.values()) == list(range(256))
    assert set(BYTE_OF_CHARACTER) == set(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    assert to_characters(b" the\n") == "ĠtheĊ"
    assert to_bytes("ĠtheĊ") == b" the\n"
    assert to_bytes("the ") is None


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_saved_is_loaded_again(name: str, tmp_path: Path) -> None:
    tokenizer = MAKERS[name]()
    tokenizer.save(tmp_path)
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        again = Tokenizer.load(path)
        assert type(again) is type(tokenizer)
        assert again.fingerprint() == tokenizer.fingerprint()
        assert again.encode("".join(TEXTS)) == tokenizer.encode("".join(TEXTS))
    assert Tokenizer.load(str(tmp_path)).special_tokens == {END_OF_TEXT: 0}
    first = (tmp_path / "tokenizer.json").read_bytes()
    Tokenizer.load(tmp_path).save(tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == first


@pytest.mark.parametrize("name", MAKERS)
def test_tokenizers_reads_it_with_the_same_ids(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    tokenizer = MAKERS[name]()
    theirs = saved(tokenizer, tmp_path_factory.mktemp("saved"))
    assert theirs.get_vocab_size() == tokenizer.vocab_size
    assert theirs.token_to_id(END_OF_TEXT) == tokenizer.end_of_text
    characters = st.sampled_from(sorted(set("".join(TEXTS))))
    if name != "characters":
        characters |= st.characters(exclude_categories=["Cs", "Cn"])
    parts = st.text(characters, max_size=8) | st.sampled_from(
        [END_OF_TEXT, "<|endof", "text|>", "  ", "\n\n", "dog's "]
    )

    @given(st.lists(parts).map("".join))
    def same_ids(text: str) -> None:
        ids = tokenizer.encode(text, allowed_special={END_OF_TEXT})
        assert theirs.encode(text).ids == ids
        assert theirs.decode(ids) == tokenizer.decode(ids)
        if END_OF_TEXT not in text:
            assert tokenizer.encode(text) == ids

    same_ids()


def test_tokenizers_refuses_an_unknown_character_as_we_do(tmp_path: Path) -> None:
    theirs = saved(Tokenizer.train(["abc"], kind="characters"), tmp_path)
    assert theirs.encode("cab").ids == [3, 1, 2]
    with pytest.raises(Exception, match="UNK"):
        theirs.encode("abd")


@pytest.mark.parametrize("with_config", [False, True], ids=["alone", "in a qwen3 folder"])
@pytest.mark.parametrize("name", MAKERS)
def test_transformers_reads_it_with_the_same_ids(name: str, with_config: bool, tmp_path: Path) -> None:
    tokenizer = MAKERS[name]()
    tokenizer.save(tmp_path)
    if with_config:
        config = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "vocab_size": tokenizer.vocab_size}
        (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert (theirs.bos_token, theirs.eos_token) == (END_OF_TEXT, END_OF_TEXT)
    assert theirs.eos_token_id == tokenizer.end_of_text
    assert theirs.pad_token is None
    assert len(theirs) == tokenizer.vocab_size
    for text in [*TEXTS, "", "".join(TEXTS), TEXTS[0] + END_OF_TEXT + TEXTS[1]]:
        ids = tokenizer.encode(text, allowed_special={END_OF_TEXT})
        assert theirs(text)["input_ids"] == ids  # nothing is put before or after
        assert theirs.decode(ids, skip_special_tokens=True) == tokenizer.decode(ids)
    theirs.save_pretrained(tmp_path / "again")
    assert Tokenizer.load(tmp_path / "again").fingerprint() == tokenizer.fingerprint()


def test_merges_and_ids_on_real_text_are_hugging_faces(data_folder: Path, tmp_path: Path) -> None:
    texts = real_texts(data_folder)
    theirs = learnt_by_hugging_face(texts, vocab_size=1500)
    ours = Tokenizer.train(texts, vocab_size=1500, ties="huggingface")
    settings = json.loads(theirs.to_str())
    assert saved(ours, tmp_path).get_vocab() == theirs.get_vocab()
    assert json.loads((tmp_path / "tokenizer.json").read_text("utf-8")) == settings | {
        "decoder": settings["pre_tokenizer"]
    }
    for text in texts:
        assert ours.encode(text) == theirs.encode(text).ids


@given(st.lists(st.text(st.sampled_from("ab c\n1'é你"), max_size=30), min_size=1, max_size=6), st.integers(257, 300))
def test_merges_on_random_text_are_hugging_faces(texts: list[str], vocab_size: int) -> None:
    theirs = learnt_by_hugging_face(texts, vocab_size)
    ours = Tokenizer.train(texts, vocab_size=theirs.get_vocab_size(), ties="huggingface")
    vocab = {token: i for token, i in theirs.get_vocab().items() if token != END_OF_TEXT}
    assert {to_characters(ours.token_bytes(i)): i for i in range(1, ours.vocab_size)} == vocab


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k"])
def test_ids_on_real_text_are_hugging_faces_under_both_patterns(
    pattern: str, data_folder: Path, tmp_path: Path
) -> None:
    texts = real_texts(data_folder)
    ours = Tokenizer.train(texts[:5], vocab_size=1500, pattern=pattern)
    theirs = saved(ours, tmp_path)
    for text in texts:
        ids = ours.encode(text)
        assert ids == theirs.encode(text).ids
        assert ours.decode(ids) == text


def test_gpt2s_own_vocabulary_is_read_with_its_ids(data_folder: Path, tmp_path: Path) -> None:
    folder = data_folder / "vocabularies" / "gpt2"
    vocab, merges = str(folder / "encoder.json"), str(folder / "vocab.bpe")
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE.from_file(vocab, merges))
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.post_processor = tokenizers.processors.ByteLevel(trim_offsets=False)
    theirs.decoder = tokenizers.decoders.ByteLevel()
    theirs.add_special_tokens([END_OF_TEXT])
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = Tokenizer.load(tmp_path)
    assert isinstance(ours, BytePairTokenizer)
    assert (ours.vocab_size, ours.end_of_text, ours.pattern) == (50257, 50256, "gpt2")
    assert ours.encode("Hello world") == [15496, 995]
    for text in real_texts(data_folder):
        assert ours.encode(text) == theirs.encode(text).ids


def test_older_files_are_read(tmp_path: Path) -> None:
    """Merges as strings with a space, and settings that were not written then."""
    tokenizer = MAKERS["gpt2"]()
    tokenizer.save(tmp_path)
    file = tmp_path / "tokenizer.json"
    settings = json.loads(file.read_text("utf-8"))
    settings["model"]["merges"] = [" ".join(merge) for merge in settings["model"]["merges"]]
    settings["model"] |= {"continuing_subword_prefix": "", "end_of_word_suffix": ""}
    del settings["pre_tokenizer"]["use_regex"], settings["model"]["ignore_merges"], settings["model"]["type"]
    file.write_text(json.dumps(settings), encoding="utf-8")
    assert Tokenizer.load(file).fingerprint() == tokenizer.fingerprint()
    theirs = tokenizers.Tokenizer.from_file(str(file))
    assert theirs.encode("".join(TEXTS)).ids == tokenizer.encode("".join(TEXTS))


def test_of_a_corpus_only_the_training_part_is_read(tmp_path: Path) -> None:
    from idiolect.text.corpus import Corpus

    (tmp_path / "text.txt").write_text("a b c\n" * 90 + "xyz\n" * 2, encoding="utf-8")
    corpus = Corpus([tmp_path / "text.txt"])
    tokenizer = Tokenizer.train(corpus, kind="characters")
    trained_on = "".join(document.text for document in corpus.documents(split="train"))
    assert tokenizer.vocab_size == 1 + len(set(trained_on))
    assert tokenizer.decode(tokenizer.encode(trained_on)) == trained_on
    assert not tokenizer.can_encode("x")
