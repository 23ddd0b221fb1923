"""Folders as `transformers` saves them, each family with its own way to write the same thing, read with its ids."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import tokenizers
import transformers

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.frame import ROLES
from idiolect.tokenizers.patterns import PATTERNS

Train = Callable[..., bytes]
LLAMA: dict[str, Any] = {
    "model_type": "bpe",
    "byte_fallback": True,
    "vocab_size": 380,
    "normalization_rule_name": "identity",
    "remove_extra_whitespaces": False,
    "allow_whitespace_only_pieces": True,
}
FOLDERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "t5": ("T5Tokenizer", "spiece.model", {"vocab_size": 200}),
    "xlm-roberta": ("XLMRobertaTokenizer", "sentencepiece.bpe.model", {"vocab_size": 200}),
    "llama": ("LlamaTokenizer", "tokenizer.model", LLAMA),
    "gemma": ("GemmaTokenizer", "tokenizer.model", {**LLAMA, "add_dummy_prefix": False}),
}


def texts() -> list[str]:
    """Random rows of what is hard: spaces of all kinds, marks, characters that are changed or unknown."""
    chance = random.Random(0)
    parts = ["the", "quick", "cat", " ", "  ", "\t", "\n", "\u3000", "\x85", "▁", "é", "e\u0301", "ﬁ", "你", "!", "ж"]
    return ["".join(chance.choices(parts, k=chance.randrange(12))) for _ in range(600)]


def same_ids(folder: Path, strings: list[str]) -> Tokenizer:
    """Ids without and with what stands around, of one text and of two; roles; and all of it once more when saved."""
    theirs, ours = transformers.AutoTokenizer.from_pretrained(folder), Tokenizer.load(folder)
    pairs = list(zip(strings, strings[1:] + strings[:1]))
    for text, other in pairs:
        ids, others = ours.encode(text), ours.encode(other)
        assert ids == theirs(text, add_special_tokens=False)["input_ids"], text
        assert ours.framed(ids).ids == theirs(text)["input_ids"]
        if other:  # an empty second text is none there
            assert ours.framed(ids, others).ids == theirs(text, other)["input_ids"]
    special = {role: getattr(theirs, f"{role}_token") for role in ROLES}
    assert dict(ours.roles) == {role: name for role, name in special.items() if name is not None}
    ours.save(folder)
    saved = Tokenizer.load(folder)
    assert saved.fingerprint() == ours.fingerprint()
    assert ours.roles.items() <= saved.roles.items()
    again = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    for text, other in pairs:
        ids, others = ours.encode(text), ours.encode(other)
        assert ids == again.encode(text, add_special_tokens=False).ids
        for framed, encoding in (
            (ours.framed(ids), again.encode(text)),
            (ours.framed(ids, others), again.encode(text, other)),
        ):
            assert framed == (encoding.ids, encoding.type_ids)
        if other:  # an empty second text is none there
            assert ours.framed(ids, others).ids == theirs(text, other)["input_ids"]
    return ours


@pytest.mark.parametrize("name", FOLDERS)
def test_what_transformers_makes_of_a_sentencepiece_model(name: str, spm: Train, tmp_path: Path) -> None:
    family, file, options = FOLDERS[name]
    (tmp_path / file).write_bytes(spm(**options))
    getattr(transformers, family).from_pretrained(tmp_path).save_pretrained(tmp_path / "saved")
    same_ids(tmp_path / "saved", texts())


def test_llama_2_on_real_text(data_folder: Path, tmp_path: Path) -> None:
    model = (data_folder / "vocabularies" / "llama2.tokenizer.model").read_bytes()
    (tmp_path / "tokenizer.model").write_bytes(model)
    transformers.LlamaTokenizer.from_pretrained(tmp_path).save_pretrained(tmp_path / "saved")
    udhr = pyarrow.parquet.read_table(data_folder / "udhr" / "documents.parquet", columns=["text"])["text"]
    ours = same_ids(tmp_path / "saved", [*texts(), *(text.as_py()[:500] for text in udhr[::4])])
    assert (ours.end_of_text_name, ours.vocab_size) == ("</s>", 32000)


@pytest.mark.parametrize("name", ["llama 3", "qwen 2", "gpt-4o"])
def test_byte_level_files_of_others(name: str, tmp_path: Path) -> None:
    """A pattern of their own, whole words before merges, a normal form, special tokens around a text."""
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE(ignore_merges=name == "llama 3"))
    pattern = {"llama 3": "cl100k", "qwen 2": "qwen2", "gpt-4o": "o200k"}[name]
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(PATTERNS[pattern]), "isolated")
    byte_level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([split, byte_level])
    theirs.decoder = tokenizers.decoders.ByteLevel()
    if name == "qwen 2":
        theirs.normalizer = tokenizers.normalizers.NFC()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    theirs.train_from_iterator(["the quick brown fox", "The car, the CAT 123 é 你好"] * 3, trainer)
    theirs.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>"])
    begin = theirs.token_to_id("<|begin_of_text|>")
    theirs.post_processor = tokenizers.processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", begin)]
    )
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=theirs, eos_token="<|end_of_text|>")
    fast.save_pretrained(tmp_path)
    ours = same_ids(tmp_path, texts())
    assert ours.end_of_text_name == "<|end_of_text|>"


def test_what_it_calls_its_end_decides_where_names_do_not(tmp_path: Path) -> None:
    Tokenizer.train(["abc"], vocab_size=257).extend(["<|im_end|>", "<pad>"], special=True).save(tmp_path)
    file, config = tmp_path / "tokenizer.json", tmp_path / "tokenizer_config.json"
    file.write_text(file.read_text("utf-8").replace("<|endoftext|>", "<|start|>"), encoding="utf-8")
    config.write_text('{"eos_token": {"content": "<|im_end|>"}}')
    assert Tokenizer.load(tmp_path).end_of_text == 257
    config.unlink()
    with pytest.raises(TokenizerError, match="no special token"):
        Tokenizer.load(tmp_path)
