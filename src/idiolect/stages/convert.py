"""`convert`: a tokenizer or word vectors, learnt here or elsewhere, as the files of another tool or as an artifact.

A folder is an artifact like any other, which `encode` takes. A single file is written beside its place and renamed, so
that it is there whole or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from idiolect.artifact import Artifact, Provenance, Recipe
from idiolect.config import verb
from idiolect.disk import replace_file
from idiolect.embeddings.files import FileFormat
from idiolect.errors import ArtifactError, UsageError
from idiolect.journal import say
from idiolect.making import create, unchanged
from idiolect.stages.asking import Asked, provenance
from idiolect.stages.page import close_page, page
from idiolect.stages.vectors_page import vectors_page
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.formats import convert as written_for


@dataclass(frozen=True)
class ConvertSettings:
    """Converting."""

    to: Literal[
        "tokenizer.json", "tiktoken", "sentencepiece", "gpt2", "vectors", "word2vec", "word2vec-binary", "glove"
    ] = "tokenizer.json"
    """What to write. Of a tokenizer: tokenizer.json and gpt2 (vocab.bpe, encoder.json), which are folders, tiktoken and
    sentencepiece. Of word vectors, or a model's embeddings: a folder of vectors, or one file."""
    pattern: str | None = None
    """How text is cut, where the files of the tokenizer do not say: gpt2, cl100k, o200k and so on."""
    special_tokens: tuple[str, ...] = ()
    """Special tokens that the files do not tell, each as NAME=ID."""
    embeddings: Literal["input", "output"] = "input"
    """Of a model folder: the vectors its tokens are read as, or those its head compares with."""


@verb
def convert(source: Path, settings: ConvertSettings, *, out: Path, force: bool = False) -> Path:
    """Write a tokenizer as another tool reads it, with the same ids, or word vectors, with the same numbers.

    What the other tool cannot express is refused.

    Example:
        >>> idiolect.convert("tok", to="sentencepiece", out="tok.model")
        >>> idiolect.convert("cl100k_base.tiktoken", to="tokenizer.json", out="tok")
        >>> idiolect.convert("glove.6B.100d.txt", to="vectors", out="vectors")
    """
    to = settings.to
    match to:
        case "vectors":
            return _vectors(source, settings, out, force)
        case "word2vec" | "word2vec-binary" | "glove":
            return _vectors_file(source, settings, to, out, force)
    special = dict(_name_and_id(token) for token in settings.special_tokens)
    loaded = Tokenizer.load(source, settings.pattern, special)
    files = written_for(loaded, to)
    if isinstance(files, bytes):
        _put(files, out, force=force)
    else:
        recipe = Recipe("tokenizer", settings, {"tokenizer": _provenance(source, loaded)})
        if unchanged(out, recipe) and not force:
            say(f"{out} is up to date.")
            return out
        with create(out, recipe, force=force) as folder:
            for name, content in files.items():
                (folder / name).write_bytes(content)
            report = page(recipe, out, f"{loaded.vocab_size:,} tokens of kind {loaded.kind}")
            close_page(report, recipe, out).write(folder / "report.html")
    say(f"Wrote {loaded.vocab_size:,} tokens for {settings.to} into {out}.")
    return out


def _vectors(source: Path, settings: ConvertSettings, out: Path, force: bool) -> Path:
    """Write word vectors, or the embeddings of a model, as a folder of ours."""
    recipe = Recipe("vectors", settings, {"vectors": provenance(source)})
    if unchanged(out, recipe) and not force:
        say(f"{out} is up to date.")
        return out
    vectors = Asked.open(source, settings.embeddings).vectors
    with create(out, recipe, force=force) as folder:
        vectors.save(folder)
        report = page(recipe, out, f"{len(vectors):,} words of {vectors.dim} dimensions, from {source.name}")
        vectors_page(report, vectors)
        close_page(report, recipe, out).write(folder / "report.html")
    say(f"Wrote {len(vectors):,} words of {vectors.dim} dimensions into {out}.")
    return out


def _vectors_file(source: Path, settings: ConvertSettings, to: FileFormat, out: Path, force: bool) -> Path:
    """Write them as a file that others read."""
    if out.is_dir() or (out.exists() and not force):
        raise ArtifactError(f"{out} exists: choose another --out, or --force for a file.")
    vectors = Asked.open(source, settings.embeddings).vectors
    vectors.export(out, to)
    say(f"Wrote {len(vectors):,} words of {vectors.dim} dimensions for {to} into {out}.")
    return out


def _name_and_id(written: str) -> tuple[str, int]:
    name, _, token_id = written.rpartition("=")
    if not name or not token_id.isascii() or not token_id.isdigit() or len(token_id) > 9:
        raise UsageError(f"A special token is written NAME=ID, as in '<|endoftext|>=50256', not '{written}'.")
    return name, int(token_id)


def _provenance(path: Path, tokenizer: Tokenizer) -> Provenance:
    """The tokenizer as a parent: an artifact, or a file from elsewhere, known by its fingerprint."""
    if (path / "manifest.json").is_file():
        return Artifact.open(path).provenance()
    return {"kind": "tokenizer", "name": path.name, "digest": tokenizer.fingerprint()}


def _put(content: bytes, out: Path, *, force: bool) -> None:
    """Have a file at `out` whole, or leave what was there."""
    try:
        if out.is_dir() or (out.exists() and not force and out.read_bytes() != content):
            raise ArtifactError(f"{out} exists and is something else: choose another --out, or --force for a file.")
        out.parent.mkdir(parents=True, exist_ok=True)
        replace_file(out, content)
    except OSError as error:
        raise ArtifactError(f"{out} cannot be written ({error.strerror}): choose another --out.") from error
