"""Snapshots on the way, the plane through them, the loss in it, and the ways down textbook surfaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_run import TinyModel, TinyRows, plan, same_weights, train
from torch import Tensor, nn

from idiolect.objectives.likelihood import Likelihood
from idiolect.train.paths import (
    best_descent,
    descend,
    heights,
    plane_of,
    rosenbrock,
    save_snapshot,
    snapshots,
    valley,
)
from idiolect.train.plan import Plan


def walk(folder: Path, points: list[tuple[float, float]]) -> list[Path]:
    """Snapshots that move in two directions of a space of 3 + 4, of unequal length."""
    first = {"a": torch.tensor([1.0, 0.0, 0.0]), "b": torch.zeros(2, 2)}
    second = {"a": torch.zeros(3), "b": torch.tensor([[0.0, 0.6], [0.8, 0.0]])}
    for step, (x, y) in enumerate(points):
        save_snapshot(folder, step, {name: 5 + x * first[name] + y * second[name] for name in first})
    return snapshots(folder)


def test_the_plane_of_points_in_a_plane_is_that_plane(tmp_path: Path) -> None:
    points = [(0.0, 0.0), (4.0, 1.0), (8.0, -1.0), (12.0, 0.0)]
    other = [(0.0, 0.0), (-3.0, 2.0)]
    plane = plane_of([walk(tmp_path / "a", points), walk(tmp_path / "b", other)])
    assert sum(plane.shares) == pytest.approx(1.0) and plane.shares[0] > plane.shares[1]
    assert [path.shape for path in plane.paths] == [(4, 2), (2, 2)]
    assert (plane.paths[0][0] <= 0).all(), "the first run begins in the lower left quarter"
    for name in ("across", "up"):  # of length 1, and at right angles
        assert sum(float((t**2).sum()) for t in getattr(plane, name).values()) == pytest.approx(1.0)
    assert sum(float((plane.across[n] * plane.up[n]).sum()) for n in plane.up) == pytest.approx(0.0, abs=1e-6)
    found = np.concatenate(plane.paths)  # distances are those of the weights
    true = np.array(points + other)
    for i in range(6):
        for j in range(6):
            assert np.linalg.norm(found[i] - found[j]) == pytest.approx(np.linalg.norm(true[i] - true[j]), abs=1e-5)
    model = nn.Module()
    model.a, model.b = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(2, 2))
    for file, (x, y) in zip(snapshots(tmp_path / "a"), plane.paths[0]):
        plane.put(model, x, y)
        assert all(torch.allclose(p, load_file(file)[name], atol=1e-5) for name, p in model.named_parameters())


def test_the_heights_are_the_losses_and_the_weights_come_back(tmp_path: Path) -> None:
    plane = plane_of([walk(tmp_path, [(0.0, 0.0), (4.0, 1.0), (8.0, -1.0)])])
    model = nn.Module()
    model.a, model.b = nn.Parameter(torch.full((3,), 7.0)), nn.Parameter(torch.full((2, 2), 7.0))
    xs, ys = np.array([-1.0, 0.0, 2.0]), np.array([0.5, 3.0])

    def loss() -> float:
        with torch.inference_mode():
            return float((model.a - plane.middle["a"]).square().sum() + (model.b - plane.middle["b"]).square().sum())

    found_YX = heights(plane, model, loss, xs, ys)
    assert np.allclose(found_YX, xs[None, :] ** 2 + ys[:, None] ** 2, atol=1e-5)
    assert all(bool((p == 7.0).all()) for p in model.parameters())


def test_a_walk_that_stays_has_a_plane_too(tmp_path: Path) -> None:
    plane = plane_of([walk(tmp_path, [(1.0, 1.0), (1.0, 1.0)])])
    assert np.allclose(plane.paths[0], 0.0) and all(bool(torch.isfinite(t).all()) for t in plane.across.values())


def test_a_run_keeps_its_weights_on_the_way(tmp_path: Path) -> None:
    made = plan(snapshot_every=3, steps=8)
    _, model = train(tmp_path, made)
    files = snapshots(tmp_path)
    assert [file.name for file in files] == [f"step-{step:08d}.safetensors" for step in (0, 3, 6)]
    untrained = dict(TinyModel(dropout=0.2).named_parameters())
    assert all(torch.equal(untrained[name], t) for name, t in load_file(files[0]).items())
    straight = TinyModel(dropout=0.2)
    train(tmp_path / "shorter", plan(steps=8), model=straight)
    assert same_weights(straight, model), "they change nothing"


@pytest.mark.parametrize("step", [0, 1, 2, 3, 4, 5])
def test_a_resumed_run_has_the_same_snapshots(tmp_path: Path, step: int) -> None:
    made = plan(snapshot_every=2, steps=6, checkpoint_every=3)
    train(tmp_path / "straight", made)

    def crash(first: int) -> None:
        if first == step * made.batch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", made, rows=TinyRows(crash))
    train(tmp_path / "run", made)
    pairs = list(zip(snapshots(tmp_path / "straight"), snapshots(tmp_path / "run"), strict=True))
    assert len(pairs) == 4 and all(a.name == b.name and a.read_bytes() == b.read_bytes() for a, b in pairs)


def test_the_loss_in_the_plane_of_a_training_is_that_of_its_weights(tmp_path: Path) -> None:
    _, model = train(tmp_path, plan(snapshot_every=4, steps=8))
    plane, batch = plane_of([snapshots(tmp_path)]), TinyRows().batch(0, 6)
    model.eval()

    def loss() -> float:
        with torch.inference_mode():
            return float(Likelihood()(model, batch)) / batch.weight

    for file, (x, y) in zip(snapshots(tmp_path), plane.paths[0]):  # three points are in one plane
        found = heights(plane, model, loss, np.array([x]), np.array([y]))[0, 0]
        other = TinyModel()
        other.load_state_dict(load_file(file))
        assert found == pytest.approx(float(Likelihood()(other, batch).detach()) / batch.weight, abs=1e-5)


def test_a_descent_is_gradient_descent() -> None:
    path = descend(valley, (-4.0, 1.0), Plan(steps=3, optimizer="sgd", lr=0.05))
    expected = [(-4.0 * 0.95**n, 1.0 * (1 - 1.5) ** n) for n in range(4)]
    assert np.allclose(path, expected, atol=1e-6)


@pytest.mark.parametrize(("loss", "goal"), [(valley, (0.0, 0.0)), (rosenbrock, (1.0, 1.0))])
def test_the_surfaces_are_lowest_at_their_goals(loss, goal: tuple[float, float]) -> None:  # type: ignore[no-untyped-def]
    def at(x: float, y: float) -> Tensor:
        return loss(torch.tensor([x, y], dtype=torch.float64))

    assert float(at(*goal)) == 0.0
    assert all(float(at(goal[0] + x, goal[1] + y)) > 0 for x in (-0.1, 0.1) for y in (-0.1, 0.0, 0.1))


def test_the_best_descent_does_not_fly_off() -> None:
    plans = [Plan(steps=200, optimizer="sgd", lr=lr) for lr in (100.0, 1.0, 0.06, 0.001)]
    assert len(descend(valley, (-4.0, 1.0), plans[0])) < 201, "it flies off"
    plan_, path = best_descent(valley, (-4.0, 1.0), plans)
    assert plan_.lr == 0.06 and len(path) == 201
