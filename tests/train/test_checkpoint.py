"""Checkpoints: whole or not at all, read back before an older one goes, and never trusted when damaged."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from idiolect import checkpoints
from idiolect.checkpoints import newest_checkpoint
from idiolect.errors import ArtifactError
from idiolect.train import checkpoint
from idiolect.train.checkpoint import KEEP, State, all_finite, read_checkpoint, save_checkpoint


def tensors(value: float = 0.5) -> dict[str, dict[str, torch.Tensor]]:
    """Groups of tensors, one of them empty."""
    return {
        "model": {"layers.0.weight": torch.full((3, 2), value), "scale": torch.tensor(value)},
        "optimizer": {"0.1.exp_avg": torch.arange(4.0) * value, "0.1.step": torch.tensor(7.0)},
        "best": {},
    }


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    state = State(step=7, journal_bytes=123, best_loss=1.25, evaluations_without_gain=2, skipped=1, threads=3)
    assert newest_checkpoint(tmp_path) is None
    save_checkpoint(tmp_path, state, tensors())
    newest = newest_checkpoint(tmp_path)
    assert newest == tmp_path / "step-00000007"
    read_state, groups = read_checkpoint(newest)
    assert read_state == state and set(groups) == {"model", "optimizer"}
    for group, named in groups.items():
        assert named.keys() == tensors()[group].keys()
        assert all(torch.equal(tensor, tensors()[group][name]) for name, tensor in named.items())


def test_the_newest_are_kept_and_leftovers_go(tmp_path: Path) -> None:
    for step in (1, 2, 10, 11):
        (tmp_path / "step-00000099.partial").mkdir(parents=True)
        save_checkpoint(tmp_path, State(step=step), tensors(step))
        assert len(list(tmp_path.iterdir())) <= KEEP
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000010", "step-00000011"]


def test_nothing_is_deleted_before_the_new_one_was_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, State(step=step), tensors())
    real = checkpoint.save_file

    def damaging(flat: dict[str, torch.Tensor], path: Path) -> None:
        real(flat, path)
        damaged.append(path)

    def broken_disk(folder: Path) -> None:
        if damaged and folder == tmp_path / "step-00000003.partial":
            content = damaged[0].read_bytes()
            damaged[0].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    damaged: list[Path] = []
    monkeypatch.setattr(checkpoint, "save_file", damaging)
    monkeypatch.setattr(checkpoints, "flush_tree", broken_disk)
    with pytest.raises(ArtifactError, match="step-00000003 is damaged"):
        save_checkpoint(tmp_path, State(step=3), tensors())
    for step in (1, 2):
        read_checkpoint(tmp_path / f"step-{step:08d}")


def test_every_flipped_bit_and_every_cut_is_refused_with_the_folder(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, State(step=3, best_loss=1.5), tensors())
    folder = tmp_path / "step-00000003"
    for name in ("tensors.safetensors", "state.json"):
        whole = (folder / name).read_bytes()
        for place in range(len(whole)):
            for damaged in (
                whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :],
                whole[:place],
            ):
                (folder / name).write_bytes(damaged)
                with pytest.raises(
                    ArtifactError, match=r"The checkpoint .*step-00000003 is damaged: delete that folder"
                ):
                    read_checkpoint(folder)
        (folder / name).unlink()
        with pytest.raises(ArtifactError, match="is damaged"):
            read_checkpoint(folder)
        (folder / name).write_bytes(whole)
    read_checkpoint(folder)


def test_a_checkpoint_under_another_name_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, State(step=3), tensors())
    os.rename(tmp_path / "step-00000003", tmp_path / "step-00000009")
    with pytest.raises(ArtifactError, match="step-00000009 is damaged"):
        read_checkpoint(tmp_path / "step-00000009")


def test_saving_the_same_step_again_replaces_it(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        save_checkpoint(tmp_path, State(step=3), tensors(value))
    assert float(read_checkpoint(tmp_path / "step-00000003")[1]["model"]["scale"]) == 2.0


def test_its_record_is_plain_json(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, State(step=3), tensors())
    record = json.loads((tmp_path / "step-00000003" / "state.json").read_text("utf-8"))
    assert record["step"] == 3 and len(record["sha256"]) == 64


def test_all_finite() -> None:
    assert all_finite({"a": torch.ones(3), "b": torch.arange(3), "c": torch.zeros(0)})
    for value in (float("nan"), float("inf"), -float("inf")):
        assert not all_finite({"a": torch.ones(3), "b": torch.tensor([0.0, value])})
