"""Kill the making of an artifact at every call that changes the disk, and look at what is left. Run by
`test_artifact_crashes.py` in a process of its own, which forks one child for each death.

    python crash_everywhere.py FOLDER first|replace|resume
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idiolect.artifact import Artifact, Recipe
from idiolect.making import create

KILLED = 9
CALLS = ("rename", "fsync", "mkdir", "unlink", "rmdir", "open", "close")


@dataclass(frozen=True)
class Settings:
    """Settings."""

    content: str
    """Of the payload."""


def make(out: Path, content: str, resume: bool = False) -> None:
    """The stage under test: two files, one in a folder; when it resumes, the first is taken over as it is."""
    with create(out, Recipe("tokens", Settings(content)), force=not resume, resume=resume) as folder:
        done = folder / "a.txt"
        if not done.exists():
            done.write_text(content)
        (folder / "deep").mkdir(exist_ok=True)
        (folder / "deep" / "b.txt").write_text(content)
        (folder / "checkpoints").mkdir(exist_ok=True)


def dies_at(number: int, work: Callable[[], None]) -> bool:
    """Do the work in a child that ends without a farewell just before its `number`-th call; whether it came so far."""
    child = os.fork()
    if child == 0:
        left = [number]

        def counted(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapper(*given: Any, **named: Any) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    os._exit(KILLED)
                return call(*given, **named)

            return wrapper

        for name in CALLS:
            setattr(os, name, counted(getattr(os, name)))
        work()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, KILLED), f"death {number}: the child ended with {code}"
    return code == KILLED


def content_of(folder: Path) -> str | None:
    """What a whole artifact holds, None where there is none; fails when there is half of one."""
    if not folder.exists():
        return None
    list(Artifact.open(folder).verify())
    contents = {(folder / name).read_text() for name in ("a.txt", "deep/b.txt")}
    assert len(contents) == 1, "a mixture of old and new"
    return contents.pop()


def main(folder: Path, scenario: str) -> None:
    """Every death of one scenario."""
    out, resume = folder / "out", scenario == "resume"
    replaced = folder / "out.replaced"
    deaths = 0
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if scenario == "replace":
            make(out, "old")
        if not dies_at(deaths + 1, lambda: make(out, "new", resume)):
            break
        deaths += 1
        left = content_of(out)
        if scenario == "replace":
            assert left in ("old", "new") or (left is None and content_of(replaced) == "old"), f"death {deaths}: {left}"
        else:
            assert left in (None, "new"), f"death {deaths}: {left}"
        make(out, "new", resume)
        assert content_of(out) == "new"
        assert [path.name for path in folder.iterdir()] == ["out"], f"death {deaths} leaves litter"
        assert not {"checkpoints", "recipe", ".lock"} & {path.name for path in out.iterdir()}
    print(deaths)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
