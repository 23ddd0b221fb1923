"""Folders that say what they are: a manifest with the digest of every file, its parents, and how it was made.

A stage writes into `<out>.partial` beside its target: payload, `config.toml`, `metrics.jsonl`, `report.html`, and last
`manifest.json`. Then every file and folder is flushed to the disk and the folder is renamed: a target is there
whole or not at all. The digest of an artifact covers its payload alone, not the records of the run (times, report),
so making it again gives it back.

    <out>/
      manifest.json      kind, digest, files (sha256, bytes), parents, recipe, package version, command, time, and a
                         seal: the digest of all these, so that no damage to it goes unseen
      config.toml        the settings
      ...                the payload

Artifacts may stand within an artifact, such as the models of a comparison. Its manifest names them as `parts`, each
with its digest; their files are their own business.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from idiolect.config import to_toml
from idiolect.disk import file_digest, flush, flush_tree, remove, write_durably
from idiolect.errors import ArtifactError

Kind = Literal["corpus", "tokenizer", "tokens", "vectors", "model", "report", "comparison"]
Provenance = dict[str, Any]
"""What an artifact knows of a parent: `kind`, `digest`, and `path` (an artifact) or `files` (text files), relative
to its own folder."""

FORMAT = 1
MANIFEST = "manifest.json"
RECORDS = (
    *("comparison.json", "config.toml", "forecast.json", "metrics.jsonl"),
    *("report.html", "run.json", "snapshots", "tensorboard"),
)
"""Files about the run rather than of its result: hashed and verified, but not part of the digest."""
SCRATCH = ("checkpoints", "ids", "recipe", ".lock")
"""What an unfinished run keeps beside its payload; it is dropped when the artifact is whole."""
NOTES = ("README.md",)
"""What people may write on in a finished artifact: a model's card. It is no part of what is verified."""


UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOENT, errno.ENAMETOOLONG, errno.EFBIG)


@dataclass(frozen=True)
class Recipe:
    """What an artifact is made from: when the recipe is unchanged, so would be the result."""

    kind: Kind
    settings: Any
    """The stage's settings (a dataclass)."""
    parents: Mapping[str, Provenance] = field(default_factory=dict)
    """By role: corpus, tokenizer, tokens, model."""

    @property
    def digest(self) -> str:
        """sha256 over kind, settings, the parents' digests and the package version."""
        parents = {role: parent["digest"] for role, parent in self.parents.items()}
        return _digest([FORMAT, version("idiolect"), self.kind, asdict(self.settings), parents])

    def family(self, out: Path) -> Ancestor:
        """The family tree of what is being made, before it has a digest of its own."""
        return Ancestor(self.kind, out.name, "", _ancestors(self.parents, Path()))


@dataclass(frozen=True)
class Artifact:
    """A finished artifact: `open` one, `verify` it, draw its `lineage`."""

    path: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, path: str | Path, kind: Kind | None = None) -> Artifact:
        """Read the manifest of an artifact; of this kind, if one is named. The files are not hashed: `verify` does
        that.

        Raises:
            ArtifactError: there is no artifact, its manifest is damaged, or it is of another kind.
        """
        path = Path(path)
        wanted = kind or "artifact"
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            known = manifest["format"] == FORMAT
            whole = not known or manifest.pop("seal") == _digest(manifest)
        except (FileNotFoundError, NotADirectoryError):
            if partial_of(path).exists():
                raise ArtifactError(f"{path} is unfinished: run the command that was making it again.") from None
            raise ArtifactError(f"There is no {wanted} at {path} (no {MANIFEST}).") from None
        except OSError as error:
            raise ArtifactError(f"{path / MANIFEST} cannot be read: {error.strerror}.") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            known = whole = False
        if not whole:
            raise ArtifactError(f"{path / MANIFEST} is damaged: delete {path} and make it again.")
        if not known:
            raise ArtifactError(f"{path} was written in format {manifest['format']}; this version reads {FORMAT}.")
        if kind is not None and manifest["kind"] != kind:
            raise ArtifactError(f"{path} is a {manifest['kind']}, and a {kind} is wanted here.")
        return cls(path, manifest)

    @property
    def kind(self) -> Kind:
        """What it is: tokenizer, tokens, model …"""
        return self.manifest["kind"]  # type: ignore[no-any-return]

    @property
    def digest(self) -> str:
        """sha256 of the payload."""
        return str(self.manifest["digest"])

    @property
    def parents(self) -> dict[str, Provenance]:
        """What it was made from, by role; paths are relative to its folder."""
        return dict(self.manifest["parents"])

    def provenance(self) -> Provenance:
        """This artifact as a parent of another."""
        return {"kind": self.kind, "digest": self.digest, "path": str(self.path)}

    def parent(self, role: str) -> Artifact | None:
        """A parent that is an artifact, if it can still be found and is still the same."""
        provenance = self.parents.get(role)
        if provenance is None or "path" not in provenance:
            return None
        try:
            found = Artifact.open(self.path / provenance["path"])
        except ArtifactError:
            return None
        return found if found.digest == provenance["digest"] else None

    @property
    def parts(self) -> dict[str, str]:
        """The artifacts within it: their places, relative to its folder, and their digests."""
        return dict(self.manifest.get("parts", {}))

    def is_whole(self) -> bool:
        """Whether no file of its payload, or of its parts', is missing or cut short. Nothing is hashed."""
        try:
            sizes = [
                (self.path / name).stat().st_size == file["bytes"] for name, file in _payload(self.manifest).items()
            ]
            parts = [(Artifact.open(self.path / name), digest) for name, digest in self.parts.items()]
        except (ArtifactError, OSError):
            return False
        return all(sizes) and all(part.digest == digest and part.is_whole() for part, digest in parts)

    def verify(self) -> Iterator[str]:
        """Hash every file again, those of its parts, and those of the parents that can be found; yields a line for each
        thing verified.

        Raises:
            ArtifactError: names the first file that differs, is missing, or does not belong.
        """
        yield from self._verify_files()
        for role, provenance in self.parents.items():
            yield from self._verify_parent(role, provenance)

    def _verify_files(self) -> Iterator[str]:
        files, parts = _inside(self.path)
        present = set(files)
        for name, recorded in self.manifest["files"].items():
            if name not in present:
                raise ArtifactError(f"{self.path / name} is missing: make {self.path} again.")
            if file_digest(self.path / name) != recorded["sha256"]:
                raise ArtifactError(f"{self.path / name} differs from what was written: make {self.path} again.")
        strangers = (present | set(parts)) - set(self.manifest["files"]) - set(self.parts) - {MANIFEST}
        if strangers:
            raise ArtifactError(f"{self.path / min(strangers)} does not belong to this {self.kind}: take it away.")
        yield f"{self.path}: {self.kind} {self.digest[:12]}, {len(self.manifest['files'])} files as written"
        for name, digest in self.parts.items():
            part = Artifact.open(self.path / name)
            if part.digest != digest:
                raise ArtifactError(f"{part.path} is another {part.kind} than was written: make {self.path} again.")
            yield from part._verify_files()

    def _verify_parent(self, role: str, provenance: Provenance) -> Iterator[str]:
        if "path" in provenance:
            path = _located(self.path, provenance["path"])
            if not (path / MANIFEST).exists():
                yield f"{path}: not here, so this {role} was not verified"
                return
            parent = Artifact.open(path)
            if parent.digest != provenance["digest"]:
                raise ArtifactError(f"{path} is no longer the {role} that {self.path} was made from.")
            yield from parent.verify()
            return
        for recorded in provenance.get("files", []):
            path = _located(self.path, recorded["path"])
            if not path.exists():
                yield f"{path}: not here, so it was not verified"
            elif file_digest(path) != recorded["sha256"]:
                raise ArtifactError(f"{path} has changed since {self.path} was made from it.")
            else:
                yield f"{path}: text as read"

    def family(self) -> Ancestor:
        """This artifact with its parents and theirs, as far as they can be found."""
        return Ancestor(self.kind, self.path.resolve().name, self.digest, _ancestors(self.parents, self.path))

    def lineage(self) -> list[str]:
        """The family tree, one line for each ancestor, children before parents."""
        return list(_tree(self.family()))


@dataclass(frozen=True)
class Ancestor:
    """An artifact or a text in a family tree."""

    kind: str
    name: str
    digest: str
    parents: Sequence[Ancestor] = ()


MOST_TEXTS = 20
"""Text files of a corpus that a family tree names."""


def _ancestors(parents: Mapping[str, Provenance], folder: Path) -> list[Ancestor]:
    """The parents of an artifact in `folder` (their paths are relative to it), each with its own."""
    found = []
    for parent in parents.values():
        if "path" not in parent:
            texts = [Ancestor("text", f["path"], f["sha256"]) for f in parent.get("files", [])]
            more = [Ancestor("text", f"… and {len(texts) - MOST_TEXTS:,} more", "")] if len(texts) > MOST_TEXTS else []
            found.append(Ancestor(parent["kind"], parent.get("name", ""), parent["digest"], texts[:MOST_TEXTS] + more))
            continue
        path = _located(folder, parent["path"])
        try:
            artifact = Artifact.open(path)
            same = artifact.digest == parent["digest"]
        except ArtifactError:
            same = False
        name = path.name if same else f"{path.name} (no longer there)"
        grandparents = artifact.family().parents if same else ()
        found.append(Ancestor(parent["kind"], name, parent["digest"], grandparents))
    return found


def _tree(ancestor: Ancestor, before: str = "", below: str = "") -> Iterator[str]:
    yield f"{before}{ancestor.kind} {ancestor.name}  {ancestor.digest[:12]}".rstrip()
    for number, parent in enumerate(ancestor.parents):
        last = number == len(ancestor.parents) - 1
        branch, onward = ("└─ ", "   ") if last else ("├─ ", "│  ")
        yield from _tree(parent, below + branch, below + onward)


def partial_of(out: Path) -> Path:
    """Where an artifact is while it is being made."""
    return _beside(out, ".partial")


def _beside(out: Path, ending: str) -> Path:
    """The target's own name with an ending, on the disk where the target lies (it may be a link, or ".")."""
    out = out.resolve()
    return out.parent / f"{out.name}{ending}"


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
    names, parts = _inside(partial)
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
    payload = {name: file["sha256"] for name, file in _payload(manifest).items()}
    manifest["digest"] = _digest([recipe.kind, payload | manifest["parts"]])
    manifest["seal"] = _digest(manifest)
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
    return _beside(out, ".replaced")


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


def _inside(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the files of an artifact, and of the artifacts within it, sorted, relative to it."""
    files: list[str] = []
    parts: list[str] = []
    for root, folders, names in os.walk(folder):
        here = Path(root).relative_to(folder)
        if here.parts and here.parts[0] in SCRATCH:
            folders.clear()
        elif here.parts and MANIFEST in names:
            parts.append(here.as_posix())
            folders.clear()
        else:
            files += [(here / name).as_posix() for name in names if (folder / here / name).is_file()]
    left_out = (*SCRATCH, *NOTES, MANIFEST)
    return sorted(name for name in files if name not in left_out), sorted(parts)


def _payload(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The files of an artifact that are its result, without the records of the run."""
    return {name: file for name, file in manifest["files"].items() if Path(name).parts[0] not in RECORDS}


def _digest(record: object) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()


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


def _located(folder: Path, relative: str) -> Path:
    """A path relative to an artifact's folder, as a person would write it."""
    found, here = (folder / relative).resolve(), Path.cwd()
    return found.relative_to(here) if found.is_relative_to(here) else found


def _empty(partial: Path) -> None:
    """Drop everything in an unfinished folder but the lock that is held on it."""
    for path in partial.glob("*"):
        if path.name != ".lock":
            remove(path)
