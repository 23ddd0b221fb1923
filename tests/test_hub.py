"""A name of the hub becomes a folder: nothing but model and tokenizer is asked for, and a folder that exists wins."""

from __future__ import annotations

import fnmatch
import sys
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from idiolect.errors import ModelError, UsageError
from idiolect.hub import FILES, folder_of


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None, list[str]]]:
    """What was asked of the hub, which gives an empty folder."""
    calls: list[tuple[str, str | None, list[str]]] = []

    def download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        calls.append((name, revision, allow_patterns))
        return str(tmp_path / "snapshot")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return calls


def test_a_name_is_downloaded(tmp_path: Path, asked: list[tuple[str, str | None, list[str]]]) -> None:
    assert folder_of("someone/some-model") == tmp_path / "snapshot"
    assert folder_of("gpt2", revision="607a30d") == tmp_path / "snapshot"
    assert [call[:2] for call in asked] == [("someone/some-model", None), ("gpt2", "607a30d")]


def test_only_configuration_safetensors_and_tokenizer_are_asked_for() -> None:
    def wanted(name: str) -> bool:
        return any(fnmatch.fnmatch(name, pattern) for pattern in FILES)

    assert all(map(wanted, ["config.json", "model-00001-of-00002.safetensors", "vocab.txt", "tokenizer.json"]))
    unwanted = ["pytorch_model.bin", "modeling_own.py", "tf_model.h5", "onnx/model.onnx", "README.md", "model.gguf"]
    assert not any(map(wanted, unwanted))


def test_a_folder_that_exists_wins(
    tmp_path: Path, asked: list[tuple[str, str | None, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpt2").mkdir()
    monkeypatch.chdir(tmp_path)
    assert folder_of("gpt2") == Path("gpt2")
    assert not asked


@pytest.mark.parametrize("name", ["a/b/c", "../gpt2", "/models/gpt2", "gpt2/", "", "a b", "~/gpt2", "a/..", "é/b"])
def test_what_is_no_name_is_not_asked_for(asked: list[tuple[str, str | None, list[str]]], name: str) -> None:
    with pytest.raises(UsageError, match="There is no folder"):
        folder_of(name or "./nowhere")
    assert not asked


@pytest.mark.parametrize("fault", [LocalEntryNotFoundError("no\nnetwork"), OSError("refused"), ValueError("odd")])
def test_a_failed_download_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    def download(*_: object, **__: object) -> str:
        raise fault

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(ModelError, match="the Hugging Face hub did not give such a model") as refused:
        folder_of("someone/some-model")
    assert "\n" not in str(refused.value)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match="pip install huggingface_hub"):
        folder_of("someone/some-model")
