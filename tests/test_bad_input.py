"""Bad input: exit code 2, one sentence on standard error, nothing written, nothing lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from idiolect import cli, making
from idiolect.train import loop

TEXT = "".join(f"line {n} of a text that is long enough\n" for n in range(300))
SMALL = "--layers 1 --heads 1 --dim 16 --context 16 --batch 2 --no-yardsticks --threads 1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one artifact of each kind."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("text.txt").write_text(TEXT, encoding="utf-8")
        for words in (
            "tokenize text.txt --kind characters --out tok",
            "tokenize text.txt --vocab-size 260 --out other",
            "encode text.txt --tokenizer tok --out tokens",
            f"pretrain tokens {SMALL} --steps 4 --out model",
        ):
            assert cli.main(words.split()) == 0
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, as the current one."""
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def tree(folder: Path) -> dict[str, bytes]:
    """Every file and what it holds."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def refused(words: str | list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must be refused; returns its sentence."""
    before = tree(here)
    capsys.readouterr()
    assert cli.main(words.split() if isinstance(words, str) else words) == 2
    said = capsys.readouterr()
    sentence = [line for line in said.err.splitlines() if line.startswith("idiolect: ")]
    assert len(sentence) == 1 and "Traceback" not in said.err
    assert tree(here) == before
    return sentence[0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("tokenize missing.txt --out x", "missing.txt does not exist"),
        ("tokenize empty.txt --out x", "empty.txt"),
        ("tokenize binary.txt --out x", "binary.txt"),
        ("tokenize latin.txt --out x", "latin.txt"),
        ("tokenize text.txt --vocab-size 100 --out x", "257"),
        ("tokenize text.txt --vocab-size 50000 --out x", "merges"),
        ("tokenize text.txt --kind characters --vocab-size 5 --out x", "characters"),
        ("tokenize text.txt --kin bpe --out x", "Did you mean '--kind'?"),
        ("tokenize text.txt --kind bpee --out x", "must be one of bpe, "),
        ("tokenize text.txt --vocab-size many --out x", "must be a whole number"),
        ("tokenize text.txt --config wrong.toml --out x", "Did you mean 'vocab_size'?"),
        ("tokenize text.txt --config types.toml --out x", "must be a whole number"),
        ("tokenize text.txt --config . --out x", "cannot be read"),
        ("tokenize text.txt --weights 1 2 --out x", "weights"),
        ("tokenize text.txt --out notes", "choose another --out"),
        ("tokenize text.txt --out tokens", "is a tokens, not a tokenizer"),
        ("tokenize text.txt --vocab-size 258 --out tok", "--force"),
        ("tokenize text.txt --out text.txt/x", "choose another --out"),
        ("encode text.txt --tokenizer nothing --out x", "nothing"),
        ("encode odd.txt --tokenizer tok --out x", "é"),
        (f"pretrain tokens {SMALL} --context 100000 --out x", "smaller --context"),
        (f"pretrain tok {SMALL} --out x", "a tokens is wanted"),
        (f"pretrain tokens {SMALL} --steps 0 --out x", "steps must be at least 1"),
        (f"pretrain tokens {SMALL} --lr nan --out x", "lr must be"),
        (f"pretrain tokens {SMALL} --heads 3 --out x", "must divide"),
        (f"pretrain tokens {SMALL} --batch 2 --accumulate 4 --out x", "larger --batch"),
        ("complete model éé", "é"),
        ("complete tokens hello", "tokens"),
        ("complete model hello --top-p 3", "top_p"),
        ("complete model hello --max-tokens 0", "max_tokens"),
        ("evaluate model empty.txt", "empty.txt"),
        ("evaluate nothing text.txt", "nothing"),
        ("lineage text.txt", "text.txt"),
        ("verify nowhere", "nowhere"),
        ("pretrane tokens", "Did you mean 'pretrain'?"),
    ],
)
def test_it_is_refused_in_a_sentence(words: str, says: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "empty.txt").write_text("", encoding="utf-8")
    (here / "binary.txt").write_bytes(bytes(range(256)) * 40)
    (here / "latin.txt").write_bytes("café\n".encode("latin-1") * 500)
    (here / "odd.txt").write_text(TEXT + "é", encoding="utf-8")
    (here / "wrong.toml").write_text("vocab_sise = 300\n", encoding="utf-8")
    (here / "types.toml").write_text('vocab_size = "300"\n', encoding="utf-8")
    (here / "notes").mkdir()
    (here / "notes" / "diary.txt").write_text("mine", encoding="utf-8")
    assert says in refused(words, here, capsys)


def test_a_model_with_another_tokenizer_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy("other/tokenizer.json", "model/tokenizer.json")
    assert "okenizer" in refused("complete model line", here, capsys)
    shutil.copy("other/tokenizer.json", "tokens/tokenizer.json")
    assert "okenizer" in refused(f"pretrain tokens {SMALL} --out x", here, capsys)


def test_a_damaged_shard_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard = here / "tokens" / "train-00000.tokens"
    data = np.frombuffer(shard.read_bytes(), np.uint8).copy()
    data[2000] ^= 1
    shard.write_bytes(data.tobytes())
    assert "train-00000.tokens" in refused(f"pretrain tokens {SMALL} --out x", here, capsys)
    assert "train-00000.tokens" in refused("verify model", here, capsys)


def stopped(here: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Leave an unfinished run with a checkpoint; returns its command."""
    command = f"pretrain tokens {SMALL} --steps 8 --checkpoint-every 3 --evaluate-every 0 --out run".split()
    update = loop._Trainer.update

    def fail(self: loop._Trainer, step: int, *, stop: bool = False) -> loop._Update:
        if step == 5:
            raise KeyboardInterrupt
        return update(self, step, stop=stop)

    with monkeypatch.context() as patch:
        patch.setattr(loop._Trainer, "update", fail)
        assert cli.main(command) == 130
    assert (here / "run.partial" / "checkpoints" / "step-00000003").is_dir()
    return command


def test_a_checkpoint_with_a_flipped_bit_is_refused_and_kept(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = stopped(here, monkeypatch)
    path = here / "run.partial" / "checkpoints" / "step-00000003" / "tensors.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:])
    assert "step-00000003 is damaged" in refused(command, here, capsys)
    path.write_bytes(whole)
    assert cli.main(command) == 0 and (here / "run" / "model.safetensors").exists()
    assert "Resuming at step 3" in capsys.readouterr().err


def test_an_unfinished_run_of_other_settings_is_not_lost(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = stopped(here, monkeypatch)
    assert "unfinished run with other settings" in refused([*command, "--seed", "7"], here, capsys)


def test_a_full_disk_is_told_and_nothing_is_lost(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(making, "flush_tree", full)
    assert "The disk is full" in refused("tokenize text.txt --vocab-size 261 --out x", here, capsys)
    assert "The disk is full" in refused("tokenize text.txt --vocab-size 261 --out other --force", here, capsys)
    assert json.loads((here / "other" / "manifest.json").read_text(encoding="utf-8"))["kind"] == "tokenizer"


ON_A_FULL_DISK = """
import shutil, sys
from pathlib import Path
from idiolect import cli
disk, here = map(Path, sys.argv[1:])
room = shutil.disk_usage(disk).free
(disk / "filler").write_bytes(bytes(room - 150_000))
for words in (
    f"gather {here}/text.txt --out {disk}/corpus",
    f"encode {here}/text.txt --tokenizer {here}/tok --out {disk}/tokens",
    f"pretrain {here}/tokens --layers 2 --heads 2 --dim 64 --context 16 --batch 2 --steps 4 --out {disk}/m",
):
    left = sorted(disk.iterdir())
    (disk / "rest").write_bytes(bytes(max(0, shutil.disk_usage(disk).free - 20_000)))
    code = cli.main(words.split())
    (disk / "rest").unlink()
    made = [path for path in sorted(disk.iterdir()) if path not in left and path.suffix != ".partial"]
    assert code == 2 and not made, (words, code, made)
(disk / "filler").unlink()
assert cli.main(words.split()) == 0, "with room again, the same command goes on"
assert cli.main(["verify", f"{disk}/m"]) == 0
"""


def test_whole_commands_on_a_disk_that_is_really_full(here: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = 'mount -t tmpfs -o size=4m none "$0" && exec "$@"'
    own = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(disk)]
    if not shutil.which("unshare") or subprocess.run([*own, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a disk of their own")
    script = [sys.executable, "-c", ON_A_FULL_DISK, str(disk), str(here)]
    ran = subprocess.run([*own, *script], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    full = [line for line in ran.stderr.splitlines() if "The disk is full" in line]
    assert len(full) == 3 and "Traceback" not in ran.stderr
