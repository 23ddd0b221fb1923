"""Pull the plug: kill -9 at random instants, in training and in saving; the same command ends in the same bits.

A run is a fork of this process, which has imported everything already, so that a life costs a second and not five.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from idiolect import cli
from idiolect.embeddings import learning
from idiolect.stages import compare, embed, encode, pretrain, tokenize  # noqa: F401  imported before the forks

TEXT = "".join(
    f"{n} green bottles hanging on the wall, and if {n % 7} should fall there are {n - 1}.\n" for n in range(400)
)
STEPS = 80
PRETRAIN = (
    "pretrain tokens --layers 2 --heads 2 --dim 32 --context 32 --batch 8 --dropout 0.1 --seed 5 --threads 1".split()
)
PRETRAIN += f"--steps {STEPS} --checkpoint-every 3 --evaluate-every 20 --no-yardsticks --out model".split()


def live(command: list[str], folder: Path) -> int:
    """Start a command in a process of its own, in a folder; returns its number."""
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        os.chdir(folder)
        with open("said", "a", encoding="utf-8") as said, contextlib.redirect_stdout(said):
            os.dup2(said.fileno(), 2)
            code = cli.main(command)
    finally:
        os._exit(code)


def end(child: int) -> int:
    """Wait for a process; its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run(command: list[str], folder: Path) -> None:
    """A command that must end well."""
    assert end(live(command, folder)) == 0, (folder / "said").read_text(encoding="utf-8")


def outcome(folder: Path) -> tuple[bytes, list[dict[str, object]]]:
    """What must be alike: the weights, and every line of the journal but for its speed."""
    lines = [json.loads(line) for line in (folder / "model" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    for line in lines:
        del line["tokens_per_second"]
    return (folder / "model" / "model.safetensors").read_bytes(), lines


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A folder with tokens and the model of an uninterrupted run, and how long that took."""
    folder = tmp_path_factory.mktemp("straight")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    run("tokenize text.txt --kind characters --out tok".split(), folder)
    run("encode text.txt --tokenizer tok --out tokens".split(), folder)
    began = time.perf_counter()
    run(PRETRAIN, folder)
    return folder, time.perf_counter() - began


def killed_and_resumed(straight: tuple[Path, float], folder: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill a run `kills` times before it may end; every second time while it saves. Returns where the kills fell."""
    source, seconds = straight
    shutil.copytree(source / "tokens", folder / "tokens")
    chance, checkpoints = random.Random(seed), folder / "model.partial" / "checkpoints"
    fell = {"training": 0, "saving": 0}
    while sum(fell.values()) < kills:
        child = live(PRETRAIN, folder)
        until = time.perf_counter() + chance.uniform(0.0, 0.7 * seconds)
        in_saving = sum(fell.values()) % 2 == 1
        if in_saving:  # a few instants after a half-written checkpoint shows
            while not list(checkpoints.glob("*.partial")) and os.waitpid(child, os.WNOHANG) == (0, 0):
                pass
            until = time.perf_counter() + chance.uniform(0.0, 0.003)
        while time.perf_counter() < until:
            pass
        saving = bool(list(checkpoints.glob("*.partial")))
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            if end(child) == -signal.SIGKILL:
                fell["saving" if saving else "training"] += 1
        if (folder / "model").exists():  # it got to its end before it was killed: begin again
            shutil.rmtree(folder / "model")
    run(PRETRAIN, folder)
    return fell


def test_a_run_killed_twice_is_the_same_run(straight: tuple[Path, float], tmp_path: Path) -> None:
    assert sum(killed_and_resumed(straight, tmp_path, 2, seed=0).values()) == 2
    assert outcome(tmp_path) == outcome(straight[0])
    assert sorted(os.listdir(tmp_path)) == ["model", "said", "tokens"]


@pytest.mark.slow
def test_forty_kills(straight: tuple[Path, float], tmp_path: Path) -> None:
    fell = {"training": 0, "saving": 0}
    for life in range(10):
        folder = tmp_path / str(life)
        folder.mkdir()
        for where, times in killed_and_resumed(straight, folder, 4, seed=life + 1).items():
            fell[where] += times
        assert outcome(folder) == outcome(straight[0]), f"life {life} came out different"
    print(f"killed {fell['training']} times in training and {fell['saving']} in saving")
    assert sum(fell.values()) == 40 and fell["saving"] >= 5


def test_a_stage_killed_while_it_writes_leaves_nothing_half_made(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT * 40, encoding="utf-8")
    run("tokenize text.txt --kind characters --out tok".split(), tmp_path)
    command = "encode text.txt --tokenizer tok --out tokens".split()
    child = live(command, tmp_path)
    while not list(tmp_path.glob("tokens.partial/*.tokens")):
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
    os.kill(child, signal.SIGKILL)
    end(child)
    assert not (tmp_path / "tokens").exists()
    run(command, tmp_path)
    run(["verify", "tokens"], tmp_path)
    assert not (tmp_path / "tokens.partial").exists()


COMPARE = [*PRETRAIN[2:-1], "comparison", "--steps", "24", "--models", "rnn,decoder,lstm"]


@pytest.mark.slow
def test_a_comparison_killed_anywhere_is_the_same_comparison(straight: tuple[Path, float], tmp_path: Path) -> None:
    def compared(folder: Path) -> dict[str, bytes]:
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.safetensors"))}

    command, chance, killed = ["compare", "tokens", *COMPARE], random.Random(1), 0
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        shutil.copytree(straight[0] / "tokens", tmp_path / name / "tokens")
    began = time.perf_counter()
    run(command, tmp_path / "whole")
    seconds = time.perf_counter() - began
    while not (tmp_path / "killed" / "comparison").exists():
        child = live(command, tmp_path / "killed")
        time.sleep(chance.uniform(0.1, 0.4) * seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        killed += end(child) == -signal.SIGKILL
    run(command, tmp_path / "killed")
    run(["verify", "comparison"], tmp_path / "killed")
    assert killed >= 2
    assert len(compared(tmp_path / "whole")) == 3
    assert compared(tmp_path / "killed") == compared(tmp_path / "whole")


EMBED = (
    "embed text.txt --dim 16 --epochs 3 --seed 7 --checkpoint-every 0.000001 --subwords 3-4 --phrases 1 --out vectors"
)


@pytest.mark.parametrize("way", ["--threads 1", "--deterministic --threads 2"])
def test_word_vectors_killed_five_times_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(learning, "CHUNK", 8)  # a checkpoint at each of some ten chunks
    command, chance = f"{EMBED} {way}".split(), random.Random(len(way))
    for name in ("straight", "killed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text.txt").write_text(TEXT * 70, encoding="utf-8")
    began = time.perf_counter()
    run(command, tmp_path / "straight")
    seconds, kills = time.perf_counter() - began, 0
    while kills < 5:
        child = live(command, tmp_path / "killed")
        time.sleep(chance.uniform(0.0, 0.8 * seconds))
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        kills += end(child) == -signal.SIGKILL
        if (tmp_path / "killed" / "vectors").exists():  # it got to its end before it was killed: begin again
            shutil.rmtree(tmp_path / "killed" / "vectors")
    run(command, tmp_path / "killed")
    files = [(tmp_path / name / "vectors" / "vectors.safetensors").read_bytes() for name in ("straight", "killed")]
    assert files[0] == files[1]
    assert sorted(os.listdir(tmp_path / "killed")) == ["said", "text.txt", "vectors"]
