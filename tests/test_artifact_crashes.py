"""Whatever kills a stage, and wherever the disk ends: the old artifact is there, or the new one, and the next run goes
well."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from idiolect.artifact import Artifact, Recipe, partial_of
from idiolect.errors import ArtifactError
from idiolect.making import create, unchanged


@dataclass(frozen=True)
class Settings:
    """Settings."""

    content: str = "old"
    """Of the payload."""


def make(out: Path, content: str = "old", *, force: bool = False) -> None:
    with create(out, Recipe("tokens", Settings(content)), force=force) as folder:
        (folder / "a.txt").write_text(content)


@pytest.mark.parametrize(("scenario", "fewest"), [("first", 35), ("replace", 45), ("resume", 35)])
def test_killed_before_any_call_that_changes_the_disk(tmp_path: Path, scenario: str, fewest: int) -> None:
    script = Path(__file__).with_name("crash_everywhere.py")
    ran = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "work"), scenario], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) >= fewest, "fewer deaths than calls: the script no longer sees them"


@pytest.mark.parametrize("call", ["rename", "fsync"])
def test_a_failing_call_anywhere_leaves_the_old_artifact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    real = getattr(os, call)
    for number in range(1, 100):
        make(tmp_path / "out", force=True)
        left = [number]

        def failing(*given: object, left: list[int] = left, real: object = real) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(*given)  # type: ignore[operator]

        monkeypatch.setattr(os, call, failing)
        try:
            make(tmp_path / "out", "new", force=True)
        except ArtifactError as error:
            assert str(error).startswith("The disk is full")  # noqa: PT017  the last call fails no more
        else:
            assert left[0] > 0
            break
        finally:
            monkeypatch.undo()
        list(Artifact.open(tmp_path / "out").verify())
        assert not partial_of(tmp_path / "out").exists()
    assert number > (1 if call == "rename" else 4)


def test_a_native_writer_that_knows_no_errno(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="The disk is full"), create(tmp_path / "out", Recipe("model", Settings())):
        raise RuntimeError('I/O error: Os { code: 28, message: "No space left on device" }')
    with pytest.raises(RuntimeError, match="other"), create(tmp_path / "out", Recipe("model", Settings())):
        raise RuntimeError("other")
    assert not list(tmp_path.iterdir())


FULL_DISK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_artifact_crashes import Settings, make
from idiolect.artifact import Artifact, Recipe
from idiolect.making import create
from idiolect.errors import ArtifactError
out = Path(sys.argv[1]) / "out"
make(out)
for resume in (False, True):
    try:
        with create(out, Recipe("tokens", Settings("new")), force=True, resume=resume) as folder:
            (folder / "big").write_bytes(bytes(2**21))
    except ArtifactError as error:
        assert str(error).startswith("The disk is full"), error
    else:
        raise SystemExit("it fitted")
    list(Artifact.open(out).verify())
    assert (out / "a.txt").read_text() == "old"
    assert (out.parent / "out.partial").exists() == resume
make(out, "new", force=True)
assert (out / "a.txt").read_text() == "new"
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
    own = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run([*own, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a disk of their own")
    script = [sys.executable, "-c", FULL_DISK, str(tmp_path), str(Path(__file__).parent)]
    ran = subprocess.run([*own, *script], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


HOLDER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_artifact_crashes import Settings
from idiolect.artifact import Recipe
from idiolect.making import create
with create(Path(sys.argv[1]), Recipe("tokens", Settings()), resume=sys.argv[3] == "True") as folder:
    (folder / "a.txt").write_text("old")
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("resume", [False, True])
def test_two_processes_never_make_the_same_artifact(tmp_path: Path, resume: bool) -> None:
    out, recipe = tmp_path / "out", Recipe("tokens", Settings())
    command = [sys.executable, "-c", HOLDER, str(out), str(Path(__file__).parent), str(resume)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout and holder.stdin and holder.stdout.readline() == "held\n"
        for force in (False, True):
            busy = pytest.raises(ArtifactError, match="is being made by another process: wait for it")
            with busy, create(out, recipe, force=force, resume=resume):
                pytest.fail("it let a second one in")
            assert (partial_of(out) / "a.txt").read_text() == "old", "the first one's work is untouched"
        holder.communicate("go on\n", timeout=60)
    assert holder.returncode == 0
    list(Artifact.open(out).verify())


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", HOLDER, str(out), str(Path(__file__).parent), "False"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        holder.kill()
    make(out, "new")
    assert (out / "a.txt").read_text() == "new"


def test_between_the_two_renames_the_old_one_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    make(out)
    os.rename(out, tmp_path / "out.replaced")  # what kill -9 leaves at the worst instant
    with pytest.raises(ArtifactError, match="was made from something else: choose another --out, or --force"):
        make(out, "new")
    other = pytest.raises(ArtifactError, match="is a tokens, not a model")
    with other, create(out, Recipe("model", Settings()), force=True):
        pytest.fail("it let another kind in")
    assert (tmp_path / "out.replaced" / "a.txt").read_text() == "old"
    with pytest.raises(ZeroDivisionError), create(out, Recipe("tokens", Settings("new")), force=True):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert unchanged(out, Recipe("tokens", Settings()))
