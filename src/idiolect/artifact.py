"""Folders that say what they are: a manifest with the digest of every file, its parents, and how it was made.

The digest of an artifact covers its payload alone, not the records of the run (times, report), so making it again
gives it back. `making` is how one comes to be.

    <out>/
      manifest.json      kind, digest, files (sha256, bytes), parents, recipe, package version, command, time, and a
                         seal: the digest of all these, so that no damage to it goes unseen
      config.toml        the settings
      ...                the payload

Artifacts may stand within an artifact, such as the models of a comparison. Its manifest names them as `parts`, each
with its digest; their files are their own business.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from idiolect.disk import file_digest
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
        return digest_of([FORMAT, version("idiolect"), self.kind, asdict(self.settings), parents])

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
            whole = not known or manifest.pop("seal") == digest_of(manifest)
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
                (self.path / name).stat().st_size == file["bytes"] for name, file in payload_of(self.manifest).items()
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
        files, parts = contents(self.path)
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
    return beside(out, ".partial")


def beside(out: Path, ending: str) -> Path:
    """The target's own name with an ending, on the disk where the target lies (it may be a link, or ".")."""
    out = out.resolve()
    return out.parent / f"{out.name}{ending}"


def contents(folder: Path) -> tuple[list[str], list[str]]:
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


def payload_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The files of an artifact that are its result, without the records of the run."""
    return {name: file for name, file in manifest["files"].items() if Path(name).parts[0] not in RECORDS}


def digest_of(record: object) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()


def _located(folder: Path, relative: str) -> Path:
    """A path relative to an artifact's folder, as a person would write it."""
    found, here = (folder / relative).resolve(), Path.cwd()
    return found.relative_to(here) if found.is_relative_to(here) else found
