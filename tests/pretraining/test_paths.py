"""The path of a training on its page, of each family, and those of several optimisers in one picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import idiolect
from idiolect import cli
from idiolect.artifact import Artifact
from idiolect.compute import set_up
from idiolect.errors import UsageError
from idiolect.pretraining import paths
from idiolect.pretraining.paths import paths_chart
from idiolect.pretraining.run import prepare
from idiolect.pretraining.settings import PretrainSettings
from idiolect.train.paths import snapshots

SMALL = {"layers": 1, "dim": 16, "heads": 2, "context": 24, "batch": 8, "steps": 12, "threads": 1, "seed": 3}


@pytest.fixture(autouse=True)
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "GRID", (5, 4))


@pytest.mark.parametrize("family", [{"model": "decoder"}, {"model": "lstm"}, {"model": "encoder", "pairs": True}])
def test_the_page_of_a_training_has_its_path_and_the_model_is_the_same(
    tokens: Path, tmp_path: Path, family: dict[str, object]
) -> None:
    kept = idiolect.pretrain(tokens, **SMALL, **family, snapshot_every=4, yardsticks=False, out=tmp_path / "kept")
    plain = idiolect.pretrain(tokens, **SMALL, **family, yardsticks=False, out=tmp_path / "plain")
    pairs = zip(kept.model.parameters(), plain.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs), "drawing changes nothing"
    assert Artifact.open(tmp_path / "kept").digest == Artifact.open(tmp_path / "plain").digest
    steps = [int(path.stem.removeprefix("step-")) for path in snapshots(tmp_path / "kept")]
    assert steps == [0, 4, 8, 12] and not snapshots(tmp_path / "plain")
    page = (tmp_path / "kept" / "report.html").read_text("utf-8")
    assert "first principal direction" in page and "a dot every 4 steps" in page
    assert "principal direction" not in (tmp_path / "plain" / "report.html").read_text("utf-8")
    assert cli.main(["verify", str(tmp_path / "kept")]) == 0


def test_the_loss_at_a_place_is_that_of_the_weights_there(tokens: Path, tmp_path: Path) -> None:
    settings = PretrainSettings(**SMALL, snapshot_every=6)  # three snapshots are in one plane
    idiolect.pretrain(tokens, **SMALL, snapshot_every=6, yardsticks=False, out=tmp_path / "model")
    prepared = prepare(tokens, settings, set_up(1))
    chart = paths_chart("Paths", {"muon": tmp_path / "model"}, prepared)
    (track,) = chart.tracks
    assert chart.heights_YX.shape == (4, 5) and np.isfinite(chart.heights_YX).all()
    assert chart.xs[0] < min(track.xs) and max(track.xs) < chart.xs[-1]
    ends = [load_file(path) for path in snapshots(tmp_path / "model")]
    apart = sum(float((ends[0][name] - ends[-1][name]).square().sum()) for name in ends[0]) ** 0.5
    assert np.hypot(track.xs[0] - track.xs[-1], track.ys[0] - track.ys[-1]) == pytest.approx(apart, rel=1e-4)


def test_several_optimisers_go_from_one_place_and_stand_on_one_page(tokens: Path, tmp_path: Path) -> None:
    words = "--optimizers sgd muon --layers 1 --heads 2 --dim 16 --context 24 --batch 8 --steps 20 --threads 1"
    out = tmp_path / "optimisers"
    assert cli.main(["optimisers", str(tokens), *words.split(), "--out", str(out)]) == 0
    starts = [load_file(snapshots(out / name)[0]) for name in ("sgd", "muon")]
    assert all(torch.equal(starts[0][name], starts[1][name]) for name in starts[0])
    first = [json.loads((out / name / "metrics.jsonl").read_text("utf-8").splitlines()[0]) for name in ("sgd", "muon")]
    assert first[0]["train_loss"] == first[1]["train_loss"], "and on the same batch"
    page = (out / "report" / "report.html").read_text("utf-8")
    assert page.count("principal direction") >= 2 and "Rosenbrock 1960" in page and "muon" in page
    assert cli.main(["verify", str(out / "report")]) == 0
    before = (out / "report" / "manifest.json").read_bytes()
    assert cli.main(["optimisers", str(tokens), *words.split(), "--out", str(out)]) == 0
    assert (out / "report" / "manifest.json").read_bytes() == before, "an unchanged report is not made again"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--optimizers sgd sgd", "Name two optimisers or more, each once."),
        ("--optimizers sgd", "Name two optimisers or more, each once."),
        ("--optimizers sgd adam", "must be one of muon, adamw, sgd"),
        ("--snapshot-every 0", "snapshot_every must be at least 1"),
        ("--steps 5 --snapshot-every 6", "snapshot_every must be at least 1 and at most steps"),
    ],
)
def test_what_cannot_be_compared_is_said(
    tokens: Path, tmp_path: Path, words: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["optimisers", str(tokens), *words.split(), "--out", str(tmp_path / "o")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_training_without_snapshots_has_no_path(tokens: Path, tmp_path: Path) -> None:
    prepared = prepare(tokens, PretrainSettings(**SMALL), set_up(1))
    with pytest.raises(UsageError, match="has no snapshots to draw a path of: train it with --snapshot-every"):
        paths_chart("Paths", {"muon": tmp_path}, prepared)


def test_models_of_two_shapes_have_no_plane(tokens: Path, tmp_path: Path) -> None:
    idiolect.pretrain(tokens, **SMALL, snapshot_every=6, yardsticks=False, out=tmp_path / "model")
    other = {**SMALL, "dim": 32}
    idiolect.pretrain(tokens, **other, snapshot_every=6, yardsticks=False, out=tmp_path / "other")
    prepared = prepare(tokens, PretrainSettings(**SMALL), set_up(1))
    with pytest.raises(UsageError, match=r"of one shape, and that of .*other is another"):
        paths_chart("Paths", {"muon": tmp_path / "model", "sgd": tmp_path / "other"}, prepared)
