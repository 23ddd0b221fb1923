"""The verb `convert`: what it writes, what it refuses, and that files are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece
import tokenizers

import idiolect
from idiolect.artifact import Artifact
from idiolect.cli import main
from idiolect.errors import ArtifactError, UsageError
from idiolect.tokenizers.base import Tokenizer

TEXTS = ["the car, the cat, the rat"] * 3


@pytest.fixture
def tok(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("the car, the cat, the rat\n" * 30)
    idiolect.tokenize([str(tmp_path / "text.txt")], vocab_size=265, out=tmp_path / "tok")
    return tmp_path / "tok"


def test_it_writes_files_and_folders_of_each_format(tok: Path, tmp_path: Path) -> None:
    ours = Tokenizer.load(tok)
    ranks = tmp_path / "there" / "ranks.tiktoken"
    assert main(["convert", str(tok), "--to", "tiktoken", "--out", str(ranks)]) == 0
    assert Tokenizer.load(ranks, pattern="gpt2").encode("the cat") == ours.encode("the cat")
    assert main(["convert", str(tok), "--to", "gpt2", "--out", str(tmp_path / "two")]) == 0
    assert Tokenizer.load(tmp_path / "two").fingerprint() == ours.fingerprint()
    back = tmp_path / "back"
    assert main(["convert", str(ranks), "--pattern", "gpt2", "--to", "tokenizer.json", "--out", str(back)]) == 0
    theirs = tokenizers.Tokenizer.from_file(str(back / "tokenizer.json"))
    assert theirs.encode("the cat").ids == ours.encode("the cat")
    assert Artifact.open(back, "tokenizer").parents["tokenizer"]["name"] == "ranks.tiktoken"
    assert all(line.endswith("as written") for line in Artifact.open(back).verify())
    assert (back / "report.html").is_file()


def test_what_it_made_can_encode_a_corpus(tok: Path, tmp_path: Path) -> None:
    idiolect.convert(tok, to="gpt2", out=tmp_path / "two")
    tokens = idiolect.encode([str(tmp_path / "text.txt")], tokenizer=tmp_path / "two", out=tmp_path / "tokens")
    assert len(tokens.splits["train"]) > 0


def test_what_cannot_be_expressed_ends_with_the_reason(
    tok: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(tok), "--to", "sentencepiece", "--out", str(tmp_path / "tok.model")]) == 2
    message = capsys.readouterr().err
    assert "cannot be written for sentencepiece: SentencePiece starts from characters" in message
    assert not (tmp_path / "tok.model").exists()
    assert main(["convert", str(tok), "--to", "gguf", "--out", str(tmp_path / "x")]) == 2
    assert main(["convert", str(tmp_path / "none"), "--out", str(tmp_path / "x")]) == 2


def test_a_model_of_sentencepiece_goes_there_and_back(tmp_path: Path) -> None:
    prefix = tmp_path / "spm"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_prefix=str(prefix), vocab_size=30, hard_vocab_limit=False, minloglevel=2
    )
    idiolect.convert(f"{prefix}.model", out=tmp_path / "tok")
    idiolect.convert(tmp_path / "tok", to="sentencepiece", out=tmp_path / "again.model")
    first, second = (
        sentencepiece.SentencePieceProcessor(model_file=str(file))
        for file in (tmp_path / "spm.model", tmp_path / "again.model")
    )
    assert first.encode(TEXTS[0]) == second.encode(TEXTS[0])


def test_what_stands_there_is_kept(tok: Path, tmp_path: Path) -> None:
    out = tmp_path / "ranks.tiktoken"
    idiolect.convert(tok, to="tiktoken", out=out)
    content = out.read_bytes()
    idiolect.convert(tok, to="tiktoken", out=out)  # the same again
    out.write_text("mine")
    with pytest.raises(ArtifactError, match="exists and is something else"):
        idiolect.convert(tok, to="tiktoken", out=out)
    assert out.read_text() == "mine"
    idiolect.convert(tok, to="tiktoken", out=out, force=True)
    assert out.read_bytes() == content
    with pytest.raises(ArtifactError, match="exists"):
        idiolect.convert(tok, to="tiktoken", out=tok, force=True)
    with pytest.raises(ArtifactError, match="exists and is not an artifact"):
        idiolect.convert(tok, to="gpt2", out=out, force=True)
    assert not list(tmp_path.glob("*.partial"))


def test_special_tokens_are_named_with_their_ids(tok: Path, tmp_path: Path) -> None:
    idiolect.convert(tok, to="tiktoken", out=tmp_path / "r")
    special = ["<|endoftext|>=0", "<|user|>=265"]
    idiolect.convert(tmp_path / "r", pattern="cl100k", special_tokens=special, out=tmp_path / "back")
    assert Tokenizer.load(tmp_path / "back").special_tokens == {"<|endoftext|>": 0, "<|user|>": 265}
    for wrong in ("<|user|>", "<|user|>=", "=3", "a=-1", "a=x"):
        with pytest.raises(UsageError, match="NAME=ID"):
            idiolect.convert(tmp_path / "r", pattern="gpt2", special_tokens=[wrong], out=tmp_path / "x")
