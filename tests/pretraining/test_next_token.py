"""Every family that reads from left to right is trained by one command, saved, loaded, proved and speaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from idiolect import cli
from idiolect.evaluation.invariance import prove
from idiolect.language_model import LanguageModel

SMALL = "--layers 2 --dim 32 --heads 2 --context 24 --batch 8 --steps 40 --evaluate-every 20 --threads 1".split()
FAMILIES = {
    "rnn": "--model rnn",
    "logistic": "--model rnn --bend logistic",
    "lstm": "--model lstm --variational --dropout 0.1",
    "gru": "--model gru --weight-drop 0.1",
    "gpt2": "--shape gpt2",
    "llama": "--shape llama --kv-heads 1",
    "alibi": "--positions alibi --window 16",
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_learns_to_count_and_speaks(tokens: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    assert cli.main(["pretrain", str(tokens), *SMALL, *FAMILIES[name].split(), "--out", str(out)]) == 0
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text("utf-8").splitlines()]
    losses = [line["val_loss"] for line in lines if line["val_loss"] is not None]
    assert len(losses) == 2 and losses[1] < losses[0] < 5.8
    assert "bits per byte" in (out / "report.html").read_text("utf-8")
    model = LanguageModel.load(out)
    assert model.complete("one two", max_tokens=60, seed=1)
    assert [proof.what for proof in prove(model.model, model.tokenizer.end_of_text) if not proof.holds] == []
    assert model.log_prob("one two three").sum() > model.log_prob("three one two").sum()
    assert cli.main(["evaluate", str(out), str(tokens.parent / "rows.jsonl"), "--split", "validation"]) == 0
    assert cli.main(["verify", str(out)]) == 0
