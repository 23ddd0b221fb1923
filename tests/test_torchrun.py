"""Two processes under `torchrun` are one run: the same loss at every step, but for rounding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from idiolect.cli import main

TEXT = "".join(f"{n} men went to mow, went to mow a meadow, {n - 1} men and {n * n} dogs.\n" for n in range(500))
SHAPE = "--layers 2 --heads 2 --dim 64 --context 32 --batch 6 --steps 60 --seed 3 --precision fp32 --no-yardsticks"
TORCHRUN = [sys.executable, *"-m torch.distributed.run --standalone --nproc-per-node 2 -m idiolect".split()]


def losses(folder: Path) -> list[float]:
    """The training loss of each step."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["train_loss"] for line in lines]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    assert main(["tokenize", str(folder / "text.txt"), "--kind", "characters", "--out", str(folder / "tok")]) == 0
    words = ["encode", str(folder / "text.txt"), "--tokenizer", str(folder / "tok"), "--out", str(folder / "tokens")]
    assert main(words) == 0
    return folder / "tokens"


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 3])
def test_two_processes_are_one_run(tokens: Path, tmp_path: Path, accumulate: int) -> None:
    shape = [*SHAPE.split(), "--accumulate", str(accumulate)]
    assert main(["pretrain", str(tokens), *shape, "--threads", "1", "--out", str(tmp_path / "one")]) == 0
    command = [*TORCHRUN, "pretrain", str(tokens), *shape, "--out", str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, "NO_COLOR": "1"})
    assert done.returncode == 0, done.stderr
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == len(two) == 60
    assert max(abs(a - b) for a, b in zip(one, two)) < 1e-6
    assert main(["verify", str(tmp_path / "two")]) == 0


@pytest.mark.slow
def test_two_processes_start_from_the_same_vectors(tokens: Path, tmp_path: Path) -> None:
    vectors = str(tmp_path / "vectors")
    text = str(tokens.parent / "text.txt")
    assert main(["embed", text, "--kind", "ppmi", "--dim", "6", "--min-count", "1", "--out", vectors]) == 0
    shape = [*SHAPE.split(), "--embeddings", vectors]
    assert main(["pretrain", str(tokens), *shape, "--threads", "1", "--out", str(tmp_path / "one")]) == 0
    command = [*TORCHRUN, "pretrain", str(tokens), *shape, "--out", str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, "NO_COLOR": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("tokens start from vectors") == 1
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert max(abs(a - b) for a, b in zip(one, two, strict=True)) < 1e-6


@pytest.mark.slow
def test_two_processes_compare_as_one(tokens: Path, tmp_path: Path) -> None:
    shape = [*SHAPE.split(), "--models", "decoder,rnn", "--steps", "12"]
    assert main(["compare", str(tokens), *shape, "--threads", "1", "--out", str(tmp_path / "one")]) == 0
    for budget in ("tokens", "time"):
        command = [*TORCHRUN, "compare", str(tokens), *shape, "--budget", budget, "--out", str(tmp_path / budget)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, "NO_COLOR": "1"})
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("decoder") == 1  # the table is printed by one process
        assert main(["verify", str(tmp_path / budget)]) == 0
    for name in ("decoder", "rnn"):
        one, two = losses(tmp_path / "one" / "variants" / name), losses(tmp_path / "tokens" / "variants" / name)
        assert max(abs(a - b) for a, b in zip(one, two, strict=True)) < 1e-6
