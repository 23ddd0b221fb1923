"""Folders that say what they are: made whole, found again, verified, refused, and moved with their family."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from idiolect.artifact import Artifact, Kind, Provenance, Recipe, partial_of
from idiolect.errors import ArtifactError
from idiolect.making import check_target, create, unchanged


@dataclass(frozen=True)
class Settings:
    """Settings."""

    size: int = 8
    """Of it."""


def make(
    out: Path,
    kind: Kind = "tokenizer",
    parents: Mapping[str, Provenance] | None = None,
    files: Mapping[str, str] | None = None,
    *,
    settings: Settings | None = None,
    force: bool = False,
) -> Artifact:
    """A small artifact."""
    with create(out, Recipe(kind, settings or Settings(), parents or {}), force=force) as folder:
        for name, content in (files or {"vocab.txt": "a b c", "deep/merges.txt": "a b"}).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8")
    return Artifact.open(out)


def corpus(*files: Path) -> Provenance:
    """A text as a parent."""
    records = [{"path": str(f), "bytes": 0, "sha256": hashlib.sha256(f.read_bytes()).hexdigest()} for f in files]
    digest = hashlib.sha256(json.dumps([r["sha256"] for r in records]).encode()).hexdigest()
    return {"kind": "corpus", "digest": digest, "files": records}


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """A folder with text, a tokenizer of it, tokens of both, a model of those."""
    home = tmp_path / "family"
    home.mkdir()
    (home / "letters.txt").write_text("Dear reader")
    text = corpus(home / "letters.txt")
    tok = make(home / "tok", "tokenizer", {"corpus": text})
    tokens = make(
        home / "tokens", "tokens", {"corpus": text, "tokenizer": tok.provenance()}, {"train-00000.tokens": "1 2 3"}
    )
    make(home / "model", "model", {"tokens": tokens.provenance()}, {"model.safetensors": "w", "report.html": "<p>"})
    return home


def test_what_a_folder_holds(tmp_path: Path) -> None:
    made = make(tmp_path / "tok", settings=Settings(size=300))
    assert sorted(path.name for path in made.path.iterdir()) == ["config.toml", "deep", "manifest.json", "vocab.txt"]
    assert (made.path / "config.toml").read_text() == "# Of it.\nsize = 300\n"
    manifest = json.loads((made.path / "manifest.json").read_text())
    assert manifest["kind"] == made.kind == "tokenizer" and manifest["digest"] == made.digest
    assert manifest["files"]["deep/merges.txt"] == {"sha256": hashlib.sha256(b"a b").hexdigest(), "bytes": 3}
    assert set(manifest["files"]) == {"config.toml", "deep/merges.txt", "vocab.txt"}
    assert made.provenance() == {"kind": "tokenizer", "digest": made.digest, "path": str(tmp_path / "tok")}


def test_the_manifest_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with create(tmp_path / "tok", Recipe("tokenizer", Settings())) as folder:
        (folder / "a").write_text("a")
        assert folder == partial_of(tmp_path / "tok") and not (folder / "manifest.json").exists()
        with pytest.raises(ArtifactError, match="is unfinished: run the command that was making it again"):
            Artifact.open(tmp_path / "tok")
    assert len(list(Artifact.open(tmp_path / "tok").verify())) == 1


def test_the_digest_is_of_the_payload_and_not_of_the_records(tmp_path: Path) -> None:
    records = {"metrics.jsonl": "1", "report.html": "2", "tensorboard/events": "3", "forecast.json": "4"}
    one = make(tmp_path / "one", files={"vocab.txt": "a", **records})
    two = make(tmp_path / "two", files={"vocab.txt": "a"}, settings=Settings(9))
    three = make(tmp_path / "three", files={"vocab.txt": "b", **records})
    four = make(tmp_path / "four", "model", files={"vocab.txt": "a", **records})
    assert one.digest == two.digest
    assert len({one.digest, three.digest, four.digest}) == 3


def test_verify_tells_what_it_verified(family: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(family)
    lines = list(Artifact.open("model").verify())
    tok, tokens, model = (Artifact.open(name).digest[:12] for name in ("tok", "tokens", "model"))
    assert lines == [
        f"model: model {model}, 3 files as written",
        f"tokens: tokens {tokens}, 2 files as written",
        "letters.txt: text as read",
        f"tok: tokenizer {tok}, 3 files as written",
        "letters.txt: text as read",
    ]


def test_every_flipped_bit_is_named(family: Path) -> None:
    for path in sorted(family.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        places = range(len(content)) if len(content) < 300 else range(0, len(content), 7)
        for place in places:
            flipped = bytes([content[place] ^ (1 << place % 8)])
            path.write_bytes(content[:place] + flipped + content[place + 1 :])
            with pytest.raises(ArtifactError, match=path.name):
                list(Artifact.open(family / "model").verify())
        path.write_bytes(content)
    list(Artifact.open(family / "model").verify())


def test_what_is_missing_and_what_does_not_belong(family: Path) -> None:
    model = Artifact.open(family / "model")
    (family / "model" / "stranger.txt").write_text("?")
    with pytest.raises(ArtifactError, match=r"model/stranger.txt does not belong to this model: take it away"):
        list(model.verify())
    (family / "model" / "stranger.txt").unlink()
    (family / "model" / "model.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"model/model.safetensors is missing"):
        list(model.verify())


def test_a_parent_that_changed_and_a_text_that_changed(family: Path) -> None:
    model = Artifact.open(family / "model")
    assert model.parent("tokens") is not None and model.parent("reward") is None
    (family / "letters.txt").write_text("Dear writer")
    with pytest.raises(ArtifactError, match=r"letters.txt has changed since"):
        list(model.verify())
    (family / "letters.txt").write_text("Dear reader")
    make(family / "tokens", "tokens", {}, {"train-00000.tokens": "3 2 1"}, force=True)
    with pytest.raises(ArtifactError, match=r"tokens is no longer the tokens that .*model was made from"):
        list(model.verify())
    assert model.parent("tokens") is None


def test_parents_that_are_not_here_are_said(family: Path) -> None:
    shutil.rmtree(family / "tok")
    (family / "letters.txt").unlink()
    lines = list(Artifact.open(family / "model").verify())
    assert any(line.endswith("tok: not here, so this tokenizer was not verified") for line in lines)
    assert any(line.endswith("letters.txt: not here, so it was not verified") for line in lines)


def test_a_family_that_moved_house_verifies(family: Path) -> None:
    before = Artifact.open(family / "model").lineage()
    moved = family.rename(family.with_name("elsewhere"))
    lines = list(Artifact.open(moved / "model").verify())
    assert len(lines) == 5 and not any("not here" in line for line in lines)
    assert Artifact.open(moved / "model").lineage() == before


def test_a_target_on_another_disk_behind_a_link(family: Path) -> None:
    (family / "disk").mkdir()
    for content in ("1", "2"):
        (family / "disk" / "big").mkdir(exist_ok=True)
        if not (family / "link").is_symlink():
            (family / "link").symlink_to(family / "disk" / "big")
        tok = Artifact.open(family / "tok").provenance()
        make(family / "link", "tokens", {"tokenizer": tok}, {"a": content}, force=True)
        assert (family / "link").is_symlink() and (family / "disk" / "big" / "a").read_text() == content
        assert len(list(Artifact.open(family / "link").verify())) == 3
        assert Artifact.open(family / "link").parent("tokenizer") is not None
    assert [path.name for path in (family / "disk").iterdir()] == ["big"]


def test_lineage(family: Path) -> None:
    tok, tokens, model = (Artifact.open(family / name).digest[:12] for name in ("tok", "tokens", "model"))
    lines = Artifact.open(family / "model").lineage()
    assert lines[0].startswith("model model") and model in lines[0]
    assert tokens in lines[1] and sum(tok in line for line in lines) == 1
    assert sum("letters.txt" in line for line in lines) == 2
    shutil.rmtree(family / "tok")
    assert any("(no longer there)" in line for line in Artifact.open(family / "model").lineage())


def test_unchanged_means_same_recipe_and_no_file_lost(tmp_path: Path) -> None:
    out, recipe = tmp_path / "tok", Recipe("tokenizer", Settings())
    assert not unchanged(out, recipe)
    make(out, files={"vocab.txt": "a", "report.html": "r"})
    assert unchanged(out, recipe)
    assert not unchanged(out, Recipe("tokenizer", Settings(9)))
    assert not unchanged(out, Recipe("model", Settings()))
    assert not unchanged(out, Recipe("tokenizer", Settings(), {"corpus": {"kind": "corpus", "digest": "0"}}))
    (out / "report.html").unlink()
    assert unchanged(out, recipe), "a record may go"
    (out / "vocab.txt").write_text("")
    assert not unchanged(out, recipe), "the payload may not"
    make(out, files={"vocab.txt": "a"})
    assert unchanged(out, recipe), "and the same recipe makes it again without force"


def test_the_recipe_follows_settings_and_parents_digests_but_not_their_paths() -> None:
    parent = {"kind": "corpus", "digest": "0", "path": "a"}
    recipe = Recipe("tokens", Settings(), {"corpus": parent})
    assert recipe.digest == Recipe("tokens", Settings(), {"corpus": {**parent, "path": "b"}}).digest
    assert recipe.digest != Recipe("tokens", Settings(), {"corpus": {**parent, "digest": "1"}}).digest
    assert recipe.digest != Recipe("tokens", Settings(7), {"corpus": parent}).digest


def test_foreign_folders_are_refused_and_left_alone(tmp_path: Path) -> None:
    recipe = Recipe("tokenizer", Settings())
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("cat")
    (tmp_path / "file").write_text("file")
    (tmp_path / "x.partial").mkdir()
    (tmp_path / "x.partial" / "notes").write_text("mine")
    for name in ("photos", "file", "x"):
        for force in (False, True):
            with pytest.raises(ArtifactError, match="exists and is not an artifact of idiolect: choose another --out"):
                make(tmp_path / name, force=force)
    assert (tmp_path / "photos" / "cat.jpg").read_text() == "cat" and (tmp_path / "file").read_text() == "file"
    assert (tmp_path / "x.partial" / "notes").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "photos", "x.partial"]
    with pytest.raises(ArtifactError, match="cannot be written"), create(tmp_path / "file" / "x", recipe):
        pytest.fail("it wrote into a file")


def test_an_empty_folder_is_a_fine_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    make(tmp_path / "empty")
    monkeypatch.chdir(tmp_path)
    make(Path("new") / "folder")
    assert list(Artifact.open("new/folder").verify())
    with pytest.raises(ArtifactError, match=r"There is no artifact at \. \(no manifest.json\)"):
        Artifact.open(".")


def test_other_kinds_and_other_recipes_are_refused(tmp_path: Path) -> None:
    made = make(tmp_path / "tok")
    for force in (False, True):
        with pytest.raises(ArtifactError, match=r"tok exists and is a tokenizer, not a model: choose another --out"):
            make(tmp_path / "tok", "model", force=force)
    with pytest.raises(ArtifactError, match="was made from something else: choose another --out, or --force"):
        make(tmp_path / "tok", settings=Settings(9), files={"vocab.txt": "z"})
    assert Artifact.open(tmp_path / "tok") == made
    make(tmp_path / "tok", settings=Settings(9), files={"vocab.txt": "z"}, force=True)
    assert (tmp_path / "tok" / "vocab.txt").read_text() == "z" and not (tmp_path / "tok" / "deep").exists()
    with pytest.raises(ArtifactError, match="is a tokenizer, and a model is wanted here"):
        Artifact.open(tmp_path / "tok", "model")


def stop_halfway(out: Path, recipe: Recipe, *, force: bool = False, resume: bool = True) -> None:
    """A stage that is interrupted after it has written half."""
    with pytest.raises(KeyboardInterrupt), create(out, recipe, force=force, resume=resume) as folder:  # noqa: PT012
        assert not (folder / "half").exists()
        (folder / "half").write_text("half")
        raise KeyboardInterrupt


def test_a_failing_block_leaves_nothing_or_what_can_be_resumed(tmp_path: Path) -> None:
    out, recipe = tmp_path / "model", Recipe("model", Settings())
    stop_halfway(out, recipe, resume=False)
    assert not list(tmp_path.iterdir())
    stop_halfway(out, recipe)
    other = Recipe("model", Settings(9))
    with pytest.raises(ArtifactError, match="is an unfinished run with other settings or inputs"):
        check_target(out, other, force=False, resume=True)
    with create(out, recipe, resume=True) as folder:
        assert (folder / "half").read_text() == "half"
        (folder / "checkpoints").mkdir()
    assert sorted(path.name for path in out.iterdir()) == ["config.toml", "half", "manifest.json"]
    stop_halfway(out, other, force=True)
    with create(out, recipe, force=True, resume=True) as folder:
        assert not (folder / "half").exists(), "force drops an unfinished run of another recipe"


def test_followers_learn_the_folder_and_touch_nothing(tmp_path: Path) -> None:
    with create(tmp_path / "model", Recipe("model", Settings()), resume=True, leads=False) as folder:
        assert folder == partial_of(tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"format": 1}', '{"format": 1, "seal": []}', "\0"])
def test_a_broken_manifest(tmp_path: Path, content: str) -> None:
    made = make(tmp_path / "tok")
    (made.path / "manifest.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"manifest.json is damaged: delete .*tok and make it again"):
        Artifact.open(made.path)


def test_a_manifest_of_a_later_version(tmp_path: Path) -> None:
    made = make(tmp_path / "tok")
    (made.path / "manifest.json").write_text('{"format": 2}')
    with pytest.raises(ArtifactError, match="was written in format 2; this version reads 1"):
        Artifact.open(made.path)


@pytest.mark.skipif(os.name != "posix", reason="names that are not Unicode")
def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    text = tmp_path / os.fsdecode(b"l\xe9tter.txt")
    text.write_text("Dear")
    made = make(tmp_path / "tok", parents={"corpus": corpus(text)})
    assert len(list(made.verify())) == 2


def nested(out: Path, weights: str = "w") -> Artifact:
    """A comparison with two models in it."""
    with create(out, Recipe("comparison", Settings()), resume=True) as folder:
        for name in ("a", "b"):
            make(folder / "variants" / name, "model", files={"model.safetensors": weights, "README.md": "card"})
        (folder / "report.html").write_text("<p>")
        (folder / "steps.json").write_text("{}")
    return Artifact.open(out)


def test_artifacts_within_an_artifact_are_its_parts(tmp_path: Path) -> None:
    whole = nested(tmp_path / "whole")
    parts = {f"variants/{name}": Artifact.open(whole.path / "variants" / name) for name in ("a", "b")}
    assert whole.parts == {name: part.digest for name, part in parts.items()}
    assert set(whole.manifest["files"]) == {"config.toml", "report.html", "steps.json"}
    assert list(whole.verify()) == [
        f"{whole.path}: comparison {whole.digest[:12]}, 3 files as written",
        *(f"{part.path}: model {part.digest[:12]}, 2 files as written" for part in parts.values()),
    ]
    assert nested(tmp_path / "again").digest == whole.digest != nested(tmp_path / "other", "v").digest
    (parts["variants/a"].path / "README.md").write_text("a note of mine")  # as on any model's card
    assert list(whole.verify()) and whole.is_whole()


def test_a_part_that_is_damaged_lost_or_another_is_named(tmp_path: Path) -> None:
    def refuses(says: str) -> None:
        with pytest.raises(ArtifactError, match=says):
            list(whole.verify())

    recipe = Recipe("comparison", Settings())
    whole = nested(tmp_path / "whole")
    part = whole.path / "variants" / "a"
    assert unchanged(whole.path, recipe)
    (part / "model.safetensors").write_text("v")
    assert unchanged(whole.path, recipe)  # nothing is hashed
    refuses("a/model.safetensors differs")
    (part / "model.safetensors").unlink()
    assert not unchanged(whole.path, recipe)
    refuses("a/model.safetensors is missing")
    shutil.rmtree(part)
    assert not unchanged(whole.path, recipe)
    refuses("no artifact at .*a ")
    make(part, "model", files={"model.safetensors": "v"})
    assert not unchanged(whole.path, recipe)
    refuses("a is another model than was written")
    shutil.rmtree(part)
    make(part, "model", files={"model.safetensors": "w"})
    make(whole.path / "stranger")
    refuses("stranger does not belong")
