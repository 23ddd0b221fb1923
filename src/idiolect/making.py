"""An artifact in the making: a folder beside its target, put in its place when it is whole.

A stage writes into `<out>.partial` beside its target: payload, `config.toml`, `metrics.jsonl`, `report.html`, and last
`manifest.json`. Then every file and folder is flushed to the disk and the folder is renamed: a target is there
whole or not at all. `.lock` holds the unfinished folder for one process; `<out>.replaced` is what stood at the target,
between the two renames of a replacement.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from idiolect.artifact import (
    FORMAT,
    MANIFEST,
    SCRATCH,
    Artifact,
    Provenance,
    Recipe,
    beside,
    contents,
    digest_of,
    partial_of,
    payload_of,
)
from idiolect.config import to_toml
from idiolect.disk import file_digest, flush, flush_tree, remove, write_durably
from idiolect.errors import ArtifactError

UNWRITABLE: Final = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR),
    *(errno.ENOENT, errno.ENAMETOOLONG, errno.EFBIG),
)
"""What the system says of a target that cannot be written."""


def unchanged(out: Path, recipe: Recipe) -> bool:
    """Whether `out` is already what this recipe makes, with no file of its payload missing or cut short."""
    try:
        found = Artifact.open(out, recipe.kind)
    except ArtifactError:
        return False
    return found.is_whole() and bool(found.manifest["recipe"] == recipe.digest)


@contextmanager
def create(
    out: Path, recipe: Recipe, *, force: bool = False, resume: bool = False, leads: bool = True
) -> Iterator[Path]:
    """Make an artifact: yields the folder to write the payload into, and puts it in place when the block ends well.

    Args:
        out: the target.
        recipe: what it is made from.
        force: replace an artifact that is there already, and drop an unfinished run of another recipe.
        resume: keep an unfinished folder of the same recipe, and leave one behind when the block fails.
        leads: False in the other processes of a group, which only learn the folder's name.

    Raises:
        ArtifactError: the target is something else, an unfinished run of another recipe is there, it is being
            made by another process, or the disk is full. Nothing that was there is lost.
    """
    partial = partial_of(out)
    check_target(out, recipe, force=force, resume=resume)
    if not leads:
        yield partial
        return
    with _explained(out):
        partial.mkdir(parents=True, exist_ok=True)
        lock = _lock(partial, out)
    try:
        with _explained(out):
            _recover(out)
            if not (resume and _unfinished_recipe(out) == recipe.digest):
                _empty(partial)
            (partial / "config.toml").write_text(to_toml(recipe.settings), encoding="utf-8")
            (partial / "recipe").write_text(recipe.digest, encoding="utf-8")
            yield partial
            _finish(partial, out, recipe)
    except BaseException:
        _recover(out)
        if not (resume and _has_begun(partial)):
            _empty(partial)
            shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        os.close(lock)


def check_target(out: Path, recipe: Recipe, *, force: bool, resume: bool) -> None:
    """Refuse a target that is something else than an artifact of this kind, or an unfinished run of another recipe."""
    partial, standing = partial_of(out), out if out.exists() else _replaced(out)
    for folder, mark in ((standing, MANIFEST), (partial, ".lock")):
        if folder.exists() and not (folder / mark).exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise ArtifactError(f"{folder} exists and is not an artifact of idiolect: choose another --out.")
    if (standing / MANIFEST).exists():
        found = Artifact.open(standing)
        if found.kind != recipe.kind:
            raise ArtifactError(f"{out} exists and is a {found.kind}, not a {recipe.kind}: choose another --out.")
        if not force and found.manifest["recipe"] != recipe.digest:
            raise ArtifactError(
                f"{out} exists and was made from something else: choose another --out, or --force to replace it."
            )
    if resume and not force and _unfinished_recipe(out) not in (None, recipe.digest):
        raise ArtifactError(
            f"{partial} is an unfinished run with other settings or inputs: repeat its own command "
            f"to finish it, or --force to drop it."
        )


def _unfinished_recipe(out: Path) -> str | None:
    """The recipe of the unfinished run beside `out`, if there is one."""
    try:
        return (partial_of(out) / "recipe").read_text(encoding="utf-8") or None
    except OSError:
        return None


def _has_begun(partial: Path) -> bool:
    """Whether an unfinished folder holds anything that was not there from the beginning."""
    return any(path.name not in ("config.toml", "recipe", ".lock") for path in partial.iterdir())


def _finish(partial: Path, out: Path, recipe: Recipe) -> None:
    """Write the manifest, flush everything to the disk, and put the folder in its place."""
    names, parts = contents(partial)
    files = {name: {"sha256": file_digest(partial / name), "bytes": (partial / name).stat().st_size} for name in names}
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "kind": recipe.kind,
        "digest": "",
        "files": files,
        "parts": {name: Artifact.open(partial / name).digest for name in parts},
        "parents": {role: _relative(parent, out) for role, parent in recipe.parents.items()},
        "recipe": recipe.digest,
        "idiolect": version("idiolect"),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    payload = {name: file["sha256"] for name, file in payload_of(manifest).items()}
    manifest["digest"] = digest_of([recipe.kind, payload | manifest["parts"]])
    manifest["seal"] = digest_of(manifest)
    write_durably(partial / MANIFEST, json.dumps(manifest, indent=2))
    flush_tree(partial)
    out = out.resolve()
    if out.exists():
        os.rename(out, _replaced(out))
    os.rename(partial, out)
    flush(out.parent)
    _recover(out)
    for name in SCRATCH:
        remove(out / name)


def _replaced(out: Path) -> Path:
    """Where the artifact that stood at `out` is while a new one takes its place."""
    return beside(out, ".replaced")


def _recover(out: Path) -> None:
    """End a replacement: drop what was replaced, or put it back if it was cut short between its two renames."""
    replaced = _replaced(out)
    if replaced.exists() and not out.exists():
        os.rename(replaced, out.resolve())
    else:
        shutil.rmtree(replaced, ignore_errors=True)


@contextmanager
def _explained(out: Path) -> Iterator[None]:
    """Say in a sentence when the disk is full or the target cannot be written; anything else passes through."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ArtifactError(f"The disk is full: free some space and run the command for {out} again.") from error
        if error.errno in UNWRITABLE:
            raise ArtifactError(f"{out} cannot be written ({error.strerror}): choose another --out.") from error
        raise
    except Exception as error:
        if "No space left on device" in str(error):  # raised by native writers that know no errno
            raise ArtifactError(f"The disk is full: free some space and run the command for {out} again.") from error
        raise


def _lock(partial: Path, out: Path) -> int:
    """Hold the unfinished folder for this process alone; the system lets go of it even after kill -9."""
    handle = os.open(partial / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(handle), os.stat(partial / ".lock")):
            raise FileNotFoundError  # the holder has just finished and renamed the folder
    except OSError:
        os.close(handle)
        raise ArtifactError(f"{out} is being made by another process: wait for it, or choose another --out.") from None
    return handle


def _relative(parent: Provenance, out: Path) -> Provenance:
    """A parent with its paths as seen from the artifact's folder, so that the family can move house together."""
    parent = dict(parent)
    if "path" in parent:
        parent["path"] = os.path.relpath(os.path.realpath(parent["path"]), out.resolve())
    if "files" in parent:
        parent["files"] = [
            {**file, "path": os.path.relpath(os.path.realpath(file["path"]), out.resolve())} for file in parent["files"]
        ]
    return parent


def _empty(partial: Path) -> None:
    """Drop everything in an unfinished folder but the lock that is held on it."""
    for path in partial.glob("*"):
        if path.name != ".lock":
            remove(path)
