"""The path of a training: copies of the weights on the way, and the plane in which most of the way lies.

A training moves through as many dimensions as there are weights. Of the snapshots of one or more runs, the two
principal directions span the plane that shows the most of their movement, and the loss is computed on a grid in it (Li
et al. 2018, "Visualizing the Loss Landscape of Neural Nets", section 7). Loss surfaces of two weights need no such
plane: `descend` goes down those that textbooks draw.

Costs: a snapshot is as large as the model; the plane reads each of them twice, one tensor of all snapshots at a time,
and a point of the grid costs a forward pass.

Shapes: S snapshots of all runs, N steps, P numbers of a tensor, X columns and Y rows of the grid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from idiolect.disk import replacing
from idiolect.train.optim import build_optimizers
from idiolect.train.plan import Plan

Floats = npt.NDArray[np.float64]
Loss = Callable[[Tensor], Tensor]
"""A loss of two weights, (2,) or (…, 2) -> (…)."""

SNAPSHOTS = "snapshots"
"""The folder of a run's snapshots: `step-00000100.safetensors`, the weights after 100 updates."""


def save_snapshot(folder: Path, step: int, weights: Mapping[str, Tensor]) -> None:
    """Keep the weights as they are after `step` updates, in `folder`/snapshots; whole or not at all."""
    (folder / SNAPSHOTS).mkdir(parents=True, exist_ok=True)
    with replacing(folder / SNAPSHOTS / f"step-{step:08d}.safetensors") as unfinished:
        save_file({name: weight.detach().cpu() for name, weight in weights.items()}, unfinished)


def snapshots(folder: Path) -> list[Path]:
    """The snapshots of a run, in the order of its steps."""
    return sorted((folder / SNAPSHOTS).glob("step-*.safetensors"))


def shapes_of(snapshot: Path) -> dict[str, list[int]]:
    """The shape of each tensor of a snapshot; only the head of the file is read."""
    with safe_open(snapshot, "pt") as opened:
        return {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118  no mapping


@dataclass(frozen=True)
class Plane:
    """A plane through the space of all weights, by a point of it and two directions of length 1."""

    middle: dict[str, Tensor]
    """The mean of all snapshots: the point (0, 0)."""
    across: dict[str, Tensor]
    up: dict[str, Tensor]
    paths: list[Floats]
    """Of each run, where its snapshots are in the plane (S, 2)."""
    shares: tuple[float, float]
    """How much of the snapshots' variance each direction shows, of 1."""

    @torch.no_grad()
    def put(self, model: nn.Module, x: float, y: float) -> None:
        """Set a model's weights to those of a point."""
        for name, parameter in model.named_parameters():
            parameter.copy_(self.middle[name] + x * self.across[name] + y * self.up[name])


def plane_of(runs: Sequence[Sequence[Path]]) -> Plane:
    """The plane of the two principal directions of all snapshots of some runs of one shape.

    The directions are found from the products of each two snapshots (S × S numbers), never from a matrix of all weights
    by all weights. The first run begins in the lower left quarter.
    """
    files = [path for run in runs for path in run]
    with safe_open(files[0], "pt") as first:
        names = sorted(first.keys())
    gram_SS = np.zeros((len(files), len(files)))
    for name in names:
        moved_SP = _moved(files, name)[1]
        gram_SS += (moved_SP @ moved_SP.T).numpy()
    variances, vectors_SS = np.linalg.eigh(gram_SS)
    largest = np.sqrt(np.maximum(variances[[-1, -2]], 0.0))
    places_S2 = vectors_SS[:, [-1, -2]] * largest
    signs = np.where(places_S2[0] > 0, -1.0, 1.0)
    places_S2 = places_S2 * signs
    mix_2S = torch.from_numpy((vectors_SS[:, [-1, -2]] * signs / np.maximum(largest, 1e-300)).T.copy())
    middle, across, up = {}, {}, {}
    for name in names:
        mean, moved_SP = _moved(files, name)
        directions = (mix_2S @ moved_SP).reshape(2, *mean.shape)
        middle[name], across[name], up[name] = mean, directions[0].float(), directions[1].float()
    total = max(float(variances.sum()), 1e-300)
    ends = np.cumsum([len(run) for run in runs])[:-1]
    shares = (float(variances[-1] / total), float(variances[-2] / total))
    return Plane(middle, across, up, list(np.split(places_S2, ends)), shares)


def _moved(files: Sequence[Path], name: str) -> tuple[Tensor, Tensor]:
    """The mean of a tensor over all snapshots, in its own shape, and how far each is from it (S, P) in float64."""
    found = []
    for file in files:
        with safe_open(file, "pt") as opened:
            found.append(opened.get_tensor(name))
    stacked = torch.stack(found).double()
    mean = stacked.mean(dim=0)
    return mean.float(), (stacked - mean).flatten(1)


def heights(plane: Plane, model: nn.Module, loss: Callable[[], float], xs: Floats, ys: Floats) -> Floats:
    """The loss on a grid of the plane (Y, X); the model's weights are afterwards what they were before."""
    before = [parameter.detach().clone() for parameter in model.parameters()]
    found_YX = np.empty((len(ys), len(xs)))
    for row, y in enumerate(ys):
        for column, x in enumerate(xs):
            plane.put(model, float(x), float(y))
            found_YX[row, column] = loss()
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), before):
            parameter.copy_(value)
    return found_YX


def valley(theta: Tensor) -> Tensor:
    """½ (x² + 30 y²): a valley 30 times as steep across as along, least at (0, 0). A step that is short enough for its
    walls is far too short for its floor."""
    return 0.5 * (theta[..., 0] ** 2 + 30 * theta[..., 1] ** 2)


def rosenbrock(theta: Tensor) -> Tensor:
    """(1 − x)² + 100 (y − x²)²: a bent valley, least at (1, 1) (Rosenbrock 1960)."""
    return (1 - theta[..., 0]) ** 2 + 100 * (theta[..., 1] - theta[..., 0] ** 2) ** 2


def descend(loss: Loss, start: tuple[float, float], plan: Plan) -> Floats:
    """Where the optimiser of a plan goes from a point in `plan.steps` steps at its highest learning rate (N + 1, 2).
    A path that flies off ends where it does."""
    theta = nn.Parameter(torch.tensor(start))
    module = nn.Module()
    module.theta = theta
    optimizers = build_optimizers(module, plan)
    path = [theta.tolist()]
    for _ in range(plan.steps):
        optimizers.zero_grad()
        loss(theta).backward()  # type: ignore[no-untyped-call]
        optimizers.step()
        if not bool(torch.isfinite(theta).all()):
            break
        path.append(theta.tolist())
    return np.array(path)


def best_descent(loss: Loss, start: tuple[float, float], plans: Sequence[Plan]) -> tuple[Plan, Floats]:
    """Of some plans, that which ends lowest, and its path."""
    found = [(plan, descend(loss, start, plan)) for plan in plans]

    def end(made: tuple[Plan, Floats]) -> float:
        reached = float(loss(torch.from_numpy(made[1][-1])))
        return reached if len(made[1]) == made[0].steps + 1 and np.isfinite(reached) else float("inf")

    return min(found, key=end)
