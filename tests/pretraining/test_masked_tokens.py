"""An encoder learns from tokens on disk to fill in what is hidden, and which texts belong together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from idiolect import cli
from idiolect.language_model import LanguageModel
from idiolect.pretraining.masked_tokens import as_encoders
from idiolect.tokenizers.base import Tokenizer

SMALL = [
    *"--model encoder --layers 2 --dim 32 --heads 2 --context 32".split(),
    *"--batch 8 --steps 30 --evaluate-every 15 --threads 1".split(),
]


def test_an_encoder_is_trained_saved_and_seen(tokens: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    assert cli.main(["pretrain", str(tokens), *SMALL, "--pairs", "--whole-words", "--out", str(out)]) == 0
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text("utf-8").splitlines()]
    evaluated = [line for line in lines if line["val_loss"] is not None]
    assert len(evaluated) == 2 and evaluated[1]["val_loss"] < evaluated[0]["val_loss"] < 6
    assert 0 <= evaluated[1]["pair_accuracy"] <= 1 and 0 <= evaluated[1]["masked_accuracy"] <= 1
    assert "⟦" in evaluated[1]["sample"]
    model = LanguageModel.load(out)
    assert model.spec.family == "encoder" and model.spec.pair_head
    assert model.tokenizer.role("mask") == model.spec.vocab_size - 2
    page = (out / "report.html").read_text("utf-8")
    assert "pairs judged right" in page and "Hidden tokens named" in page
    assert cli.main(["pretrain", str(tokens), *SMALL, "--pairs", "--whole-words", "--out", str(out)]) == 0, "up to date"


@pytest.mark.parametrize("shape", ["roberta", "modernbert"])
def test_other_encoders_are_trained_too(tokens: Path, tmp_path: Path, shape: str) -> None:
    assert cli.main(["pretrain", str(tokens), *SMALL, "--shape", shape, "--out", str(tmp_path / "m")]) == 0
    loaded = LanguageModel.load(tmp_path / "m")
    assert torch.isfinite(loaded.model(torch.tensor([[1, 2, 3]]))).all()


def test_a_tokenizer_gets_what_an_encoder_needs_and_keeps_its_ids() -> None:
    plain = Tokenizer.train(["the cat sat"] * 3, vocab_size=262)
    extended = as_encoders(plain)
    assert extended.vocab_size == plain.vocab_size + 4
    assert extended.encode("the cat [MASK]") == plain.encode("the cat [MASK]")
    assert extended.framed([5], [6]).ids == [extended.role("cls"), 5, extended.role("sep"), 6, extended.role("sep")]
    assert as_encoders(extended) is extended


@pytest.mark.parametrize("kind", ["bpe", "unigram", "words", "whitespace", "characters", "bytes"])
def test_a_tokenizer_of_any_kind_is_an_encoders_after_it_was_saved(tmp_path: Path, kind: str) -> None:
    texts = ["the car the cat the rat, naïve café don't stop"] * 20
    sizes = {"bpe": {"vocab_size": 270}, "unigram": {"vocab_size": 285}}
    extended = as_encoders(Tokenizer.train(texts, kind=kind, **sizes.get(kind, {})))
    extended.save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    assert loaded.fingerprint() == extended.fingerprint() and loaded.kind == kind
    assert (loaded.frame, dict(loaded.roles)) == (extended.frame, dict(extended.roles))
    text = "the [MASK] rat"
    assert loaded.encode(text, allowed_special=["[MASK]"]) == extended.encode(text, allowed_special=["[MASK]"])
    assert loaded.role("mask") in loaded.encode(text, allowed_special=["[MASK]"])


def test_what_cannot_be_is_refused_in_words(tokens: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, says in (
        ("--masked 0", "share of masked tokens"),
        ("--context 9", "leaves no room"),
        ("--shape gpt2", "not a shape of kind encoder"),
        ("--context 100000", "a row needs"),
    ):
        assert cli.main(["pretrain", str(tokens), *SMALL, *options.split(), "--out", str(tmp_path / "m")]) == 2
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert says in said, said
        assert not (tmp_path / "m").exists()
