"""The paths of trainings as a picture: in the plane that shows most of their movement, with the loss as contour lines.

Costs a forward pass of at most `TOKENS` tokens for each of the grid's points.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from idiolect.errors import UsageError
from idiolect.landscape import Landscape, Track
from idiolect.pretraining.run import Prepared
from idiolect.train.parallel import Carrying
from idiolect.train.paths import Floats, heights, plane_of, shapes_of, snapshots

GRID = (25, 19)
"""Points of the plane at which the loss is computed, across and up."""
TOKENS = 2048
"""Training tokens that the loss is computed on, at most, but for a single row."""
MARGIN = 0.15
"""What the picture shows around the paths, as a share of their extent."""


def paths_chart(title: str, folders: Mapping[str, Path], prepared: Prepared) -> Landscape:
    """Draw the paths of one or more trainings of one shape (Li et al. 2018, section 7).

    Args:
        title: of the chart.
        folders: each training's, by the name of its path; with the snapshots of `--snapshot-every`.
        prepared: one of these trainings, or another of the same shape on the same tokens, for the model and its
            rows; the model has the same weights afterwards.

    Raises:
        UsageError: a folder has fewer than two snapshots, or the models differ in shape.

    Example:
        >>> report.chart(paths_chart("Paths", {"sgd": Path("sgd"), "adamw": Path("adamw")}, prepared))
    """
    runs = {name: snapshots(folder) for name, folder in folders.items()}
    model, most = prepared.task.speaker.model, TOKENS // prepared.settings.context
    wanted = {name: list(parameter.shape) for name, parameter in model.named_parameters()}
    for name, files in runs.items():
        if len(files) < 2:
            raise UsageError(f"{folders[name]} has no snapshots to draw a path of: train it with --snapshot-every.")
        if shapes_of(files[0]) != wanted:
            raise UsageError(f"Paths are drawn of models of one shape, and that of {folders[name]} is another.")
    plane = plane_of(list(runs.values()))
    batch = prepared.task.rows.batch(0, min(prepared.settings.batch, max(1, most))).to(prepared.compute.device)
    objective, compute = prepared.task.objective, prepared.compute
    carrying: object = objective  # it may be more than a function

    def forget() -> None:
        if isinstance(carrying, Carrying):
            carrying.load_tensors({})

    def loss() -> float:
        forget()
        with torch.inference_mode(), compute.autocast(prepared.precision):
            return float(objective(model, batch)) / batch.weight

    model.eval()
    xs, ys = (_around([path[:, axis] for path in plane.paths], count) for axis, count in enumerate(GRID))
    across, up = plane.shares
    found_YX = heights(plane, model, loss, xs, ys)
    forget()
    return Landscape(
        title,
        xs,
        ys,
        found_YX,
        [Track(name, path[:, 0], path[:, 1]) for name, path in zip(runs, plane.paths)],
        x_label=f"first principal direction ({across:.0%} of the movement)",
        y_label=f"second principal direction ({up:.0%})",
        caption=(
            f"The weights on their way from the ring to the disc, in the plane that shows the most of it, a dot every "
            f"{prepared.settings.snapshot_every:,} steps. Lines: the loss on {batch.ids_BT.numel():,} training tokens, "
            "in nats, in the plane; the path itself is beside it in all other dimensions, and usually lower."
        ),
    )


def _around(places: list[Floats], count: int) -> Floats:
    """Evenly spaced coordinates that hold all places, with a margin."""
    low, high = min(p.min() for p in places), max(p.max() for p in places)
    room = MARGIN * (high - low) or 1.0
    return np.linspace(low - room, high + room, count)
