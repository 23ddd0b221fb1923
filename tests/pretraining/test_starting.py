"""`pretrain --embeddings`: what a model starts from, that it learns faster, and that it is the same run when it goes
on."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import idiolect
from idiolect import cli
from idiolect.artifact import Artifact
from idiolect.compute import set_up
from idiolect.embeddings.of_models import token_names
from idiolect.embeddings.starting import starting_rows
from idiolect.embeddings.vectors import Vectors
from idiolect.errors import ArtifactError, IdiolectError, Interrupted, UsageError, VectorsError
from idiolect.model_folder import load_folder
from idiolect.pretraining.masked_tokens import as_encoders
from idiolect.pretraining.run import prepare
from idiolect.pretraining.settings import PretrainSettings
from idiolect.tokenizers.base import Tokenizer
from idiolect.train import loop

SMALL: dict[str, Any] = {"layers": 1, "dim": 16, "heads": 2, "context": 24, "batch": 8, "steps": 24, "threads": 1}
SMALL |= {"evaluate_every": 8, "seed": 3, "yardsticks": False}
EMBED: dict[str, Any] = {"dim": 12, "epochs": 8, "min_count": 1, "sample": 0.0, "threads": 1, "deterministic": True}


@pytest.fixture(scope="module")
def vectors(tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vectors of the words that are counted with."""
    out = tmp_path_factory.mktemp("vectors") / "words"
    idiolect.embed([str(tokens.parent / "rows.jsonl")], **EMBED, out=out)
    return out


def weights(tokens: Path, **given: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The input embeddings of a model before the first step, and its head where it is another matrix."""
    settings = PretrainSettings(**{**SMALL, **given}).with_rates()
    model: Any = prepare(tokens, settings, set_up(1)).task.speaker.model
    head = None if model.lm_head is None else model.lm_head.weight.detach()
    return model.embed_tokens.weight.detach(), head


@pytest.mark.parametrize("family", ["decoder", "encoder", "rnn", "lstm", "gru"])
@pytest.mark.parametrize("tied", [True, False])
def test_known_rows_are_the_vectors_and_the_others_are_as_they_were(
    tokens: Path, vectors: Path, family: str, tied: bool
) -> None:
    if family == "encoder" and not tied:
        pytest.skip("a BERT's head is its embeddings")
    tokenizer = Tokenizer.load(tokens)
    plain, head = weights(tokens, model=family, tied=tied)
    started, same_head = weights(tokens, model=family, tied=tied, embeddings=vectors)
    start = starting_rows(Vectors.load(vectors), tokenizer, 16, seed=3)
    known = np.flatnonzero(start.known)
    assert 20 < len(known) < tokenizer.vocab_size
    spread = plain.square().mean().sqrt().clamp(min=0.25)  # 1 / sqrt(16)
    assert torch.allclose(started[known], torch.from_numpy(start.rows[known]) * spread)
    assert torch.allclose(started[known].square().mean().sqrt(), spread, rtol=1e-4)
    others = np.setdiff1d(np.arange(len(plain)), known)
    assert torch.equal(started[others], plain[others]), "special tokens, also an encoder's own, start at random"
    assert tied or (head is not None and same_head is not None and torch.equal(head, same_head))
    if family == "encoder":
        assert as_encoders(tokenizer).role("mask") in others


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tokens, and vectors, of a text in which a word's class alone tells which class comes next: 8 classes of 20."""
    folder, draw = tmp_path_factory.mktemp("classes"), random.Random(0)
    words = [[f"{a}{b}{c}" for b in "aeiou" for c in "nmlr"] for a in "bdfgkpst"]
    texts = (" ".join(draw.choice(words[(n + place) % 8]) for place in range(30)) for n in range(400))
    (folder / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    rows = [str(folder / "rows.jsonl")]
    idiolect.tokenize(rows, kind="words", out=folder / "tok")
    idiolect.encode(rows, tokenizer=folder / "tok", out=folder / "tokens")
    idiolect.embed(rows, kind="ppmi", dim=12, min_count=1, window=3, threads=1, out=folder / "vectors")
    return folder


@pytest.mark.parametrize(("family", "gain"), [("decoder", 0.5), ("lstm", 0.3)])
def test_the_loss_is_lower_at_equal_steps(classes: Path, tmp_path: Path, family: str, gain: float) -> None:
    losses = []
    for given in ({}, {"embeddings": classes / "vectors"}):
        out = tmp_path / str(len(given))
        idiolect.pretrain(classes / "tokens", **{**SMALL, "model": family, "steps": 40, **given}, out=out)
        losses.append(json.loads((out / "metrics.jsonl").read_text("utf-8").splitlines()[-1])["val_loss"])
    assert losses[1] < losses[0] - gain, losses


def test_from_the_command_line_to_the_page_the_card_and_the_lineage(
    tokens: Path, vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--layers 1 --dim 16 --heads 2 --context 24 --batch 8 --steps 3 --threads 1 --no-yardsticks".split()
    command = ["pretrain", str(tokens), *words, "--embeddings", str(vectors), "--out", str(tmp_path / "model")]
    assert cli.main(command) == 0
    sentence = str(starting_rows(Vectors.load(vectors), Tokenizer.load(tokens), 16))
    assert "tokens start from vectors: " in sentence and "as words" in sentence and "as pieces of words" in sentence
    assert sentence in capsys.readouterr().err
    page, card = ((tmp_path / "model" / name).read_text("utf-8") for name in ("report.html", "README.md"))
    assert sentence in page and sentence in card and "▁three" in page
    made = Artifact.open(tmp_path / "model")
    assert made.parents["embeddings"]["digest"] == Artifact.open(vectors).digest
    assert any("vectors words" in line for line in made.lineage())
    list(made.verify())
    assert cli.main(command) == 0 and "is up to date" in capsys.readouterr().err
    before = (tmp_path / "model" / "model.safetensors").read_bytes()
    assert cli.main([*command, "--force"]) == 0
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before, "the same again"


def test_other_vectors_are_another_recipe(tokens: Path, vectors: Path, tmp_path: Path) -> None:
    file = tmp_path / "vectors.txt"
    Vectors.load(vectors).export(file)
    idiolect.pretrain(tokens, **SMALL, embeddings=file, out=tmp_path / "model")
    assert Artifact.open(tmp_path / "model").parents["embeddings"]["files"][0]["path"] == "../vectors.txt"
    list(Artifact.open(tmp_path / "model").verify())
    Vectors.load(vectors).most_frequent(5).export(file)
    with pytest.raises(ArtifactError, match="was made from something else"):
        idiolect.pretrain(tokens, **SMALL, embeddings=file, out=tmp_path / "model")


def test_stopped_and_gone_on_it_is_the_same_model(
    tokens: Path, vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {**SMALL, "embeddings": vectors, "checkpoint_every": 8}
    idiolect.pretrain(tokens, **given, out=tmp_path / "straight")
    update = loop._Trainer.update

    def at_nine(self: object, step: int, *, stop: bool = False) -> object:
        if step == 9:
            os.kill(os.getpid(), signal.SIGTERM)
        return update(self, step, stop=stop)

    with monkeypatch.context() as patch:
        patch.setattr(loop._Trainer, "update", at_nine)
        with pytest.raises(Interrupted):
            idiolect.pretrain(tokens, **given, out=tmp_path / "stopped")
    idiolect.pretrain(tokens, **given, out=tmp_path / "stopped")
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("straight", "stopped"))
    assert one == two


def test_vectors_of_the_tokenizers_own_tokens(tokens: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = [str(tokens.parent / "rows.jsonl")]
    idiolect.embed(texts, **EMBED, tokenizer=tokens.parent / "tok", out=tmp_path / "own")
    assert Vectors.load(tmp_path / "own").tokenizer == Tokenizer.load(tokens).fingerprint()
    idiolect.pretrain(tokens, **SMALL, embeddings=tmp_path / "own", out=tmp_path / "model")
    assert "tokens start from vectors of their own." in capsys.readouterr().err
    assert "from their own vectors" in (tmp_path / "model" / "report.html").read_text("utf-8")
    idiolect.tokenize(texts, vocab_size=300, out=tmp_path / "tok")
    idiolect.embed(texts, **EMBED, tokenizer=tmp_path / "tok", out=tmp_path / "others")
    with pytest.raises(VectorsError, match="of another tokenizer's tokens than the model is to read"):
        idiolect.pretrain(tokens, **SMALL, embeddings=tmp_path / "others", out=tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_a_models_embeddings_go_on_in_another_model(tokens: Path, tmp_path: Path) -> None:
    idiolect.pretrain(tokens, **SMALL, model="gru", out=tmp_path / "gru")
    trained: Any = load_folder(tmp_path / "gru")[0]
    started, _ = weights(tokens, model="encoder", embeddings=tmp_path / "gru")
    rows = trained.embed_tokens.weight.detach()
    row = Tokenizer.load(tokens).encode(" three")[0]
    assert torch.allclose(started[row] / started[row].norm(), rows[row] / rows[row].norm(), atol=1e-5)
    # a model with another tokenizer gives the tokens that are words
    texts = [str(tokens.parent / "rows.jsonl")]
    idiolect.tokenize(texts, kind="words", out=tmp_path / "tok")
    idiolect.encode(texts, tokenizer=tmp_path / "tok", out=tmp_path / "tokens")
    other, _ = weights(tmp_path / "tokens", embeddings=tmp_path / "gru")
    tokenizer = Tokenizer.load(tmp_path / "tok")
    same = other[token_names(tokenizer, tokenizer.vocab_size).index("▁three")]
    assert torch.allclose(same / same.norm(), rows[row] / rows[row].norm(), atol=1e-5)


def test_a_comparison_has_it_as_a_variant(tokens: Path, vectors: Path, tmp_path: Path) -> None:
    given = {**SMALL, "steps": 8, "variants": f"embeddings={vectors}"}
    compared = idiolect.compare(tokens, **given, out=tmp_path / "comparison")
    assert [outcome.name for outcome in compared.outcomes] == ["decoder", "embeddings=words"]
    assert str(vectors) in (tmp_path / "comparison" / "report.html").read_text("utf-8")
    made = Artifact.open(tmp_path / "comparison")
    assert made.parents["embeddings 1"]["digest"] == Artifact.open(vectors).digest
    variant = Artifact.open(tmp_path / "comparison" / "variants" / "embeddings=words")
    assert variant.parents["embeddings"]["digest"] == Artifact.open(vectors).digest
    list(made.verify())


@pytest.mark.parametrize(
    ("damage", "error", "sentence"),
    [
        ("missing", IdiolectError, "cannot be read"),
        ("folder", IdiolectError, "no folder of word vectors"),
        ("stranger", UsageError, "None of the tokenizer's"),
        ("folder with nan", VectorsError, "a number that is none"),
        ("nan", VectorsError, "damaged|finite|no number"),
    ],
)
def test_what_cannot_be_started_from_is_said(
    tokens: Path, vectors: Path, tmp_path: Path, damage: str, error: type[Exception], sentence: str
) -> None:
    path = tmp_path / damage
    match damage:
        case "folder":
            path.mkdir()
            (path / "note.txt").write_text("mine")
        case "stranger":
            path.write_text("королева 1 2\n🙂 3 4\n")
        case "folder with nan":
            Vectors.load(vectors).save(path)
            matrix = np.full(Vectors.load(vectors).matrix.shape, np.nan, np.float32)
            save_file({"vectors": matrix}, path / "vectors.safetensors")
        case "nan":
            path.write_text("one 1 2\ntwo nan 4\n")
    with pytest.raises(error, match=sentence):
        idiolect.pretrain(tokens, **SMALL, embeddings=path, out=tmp_path / "model")
    assert not (tmp_path / "model").exists()
