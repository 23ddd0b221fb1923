"""What a training run is told: how long, how fast, how often it looks at itself. One record for every gradient
method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from idiolect.compute import Precision
from idiolect.errors import UsageError

OptimizerName = Literal["muon", "adamw", "sgd", "momentum", "nesterov", "adagrad", "rmsprop"]

DEFAULTS: dict[OptimizerName, tuple[float, float]] = {
    "muon": (0.01, 0.1),
    "adamw": (0.001, 0.1),
    "sgd": (1.0, 0.0),
    "momentum": (0.05, 0.0),
    "nesterov": (0.05, 0.0),
    "adagrad": (0.03, 0.0),
    "rmsprop": (0.001, 0.1),
}
"""Highest learning rate and decay of each optimiser where none is given (measured: docs/log.md). Those whose rates are
high have no decay of their own accord: a step takes decay times rate of a weight, at a rate of 1 a tenth of it."""


@dataclass(frozen=True)
class Plan:
    """Training."""

    steps: int = 2000
    """Updates of the weights."""
    batch: int = 32
    """Rows in each update, over all micro-batches and processes."""
    accumulate: int = 1
    """Micro-batches that a process cuts its rows into; saves memory, changes nothing else."""
    optimizer: OptimizerName = "muon"
    """Muon for the matrices inside the blocks and AdamW for everything else, or one of the others for all: AdamW;
    gradient descent (sgd), with momentum, or with Nesterov's; AdaGrad; RMSProp."""
    lr: float | None = None
    """Highest learning rate. Unset: muon 0.01; adamw, rmsprop 0.001; sgd 1; momentum, nesterov 0.05; adagrad 0.03; for
    recurrent networks muon 0.02 and adamw 0.01."""
    adamw_lr: float | None = None
    """Highest learning rate of the parameters that AdamW has beside Muon. Unset: 0.004; recurrent networks 0.01."""
    weight_decay: float | None = None
    """Decoupled decay of matrices, each step by this times the learning rate; norms and biases are spared. Unset: 0.1
    for muon, adamw and rmsprop, 0 for the others."""
    momentum: float = 0.95
    """Share of the momentum that is kept from step to step: of muon, momentum and nesterov."""
    beta1: float = 0.9
    """Share of the average of gradients that is kept: of AdamW."""
    beta2: float = 0.95
    """Share of the average of squared gradients that is kept: of AdamW and rmsprop."""
    schedule: Literal["wsd", "cosine"] = "wsd"
    """Learning rate after the warm-up: stable and then straight down to zero, or a cosine down to a tenth."""
    warmup: int = 20
    """Steps in which the learning rate rises from zero."""
    cooldown: float = 0.5
    """Share of the steps in which the `wsd` learning rate falls to zero."""
    clip: float = 1.0
    """Largest norm of the gradient; longer ones are scaled down to it. 0: never."""
    precision: Precision = "auto"
    """Matrix products in fp32, in bf16 (weights stay fp32), or bf16 where the machine gains by it."""
    compile: bool = False
    """Compile the model with torch.compile: a slow start, then often faster steps."""
    evaluate_every: int = 250
    """Steps between evaluations on the validation tokens; the last step is always evaluated. 0: only then."""
    evaluate_tokens: int = 32_768
    """Validation tokens of each evaluation but the last, which takes them all. 0: all, always."""
    patience: int = 0
    """Stop early after this many evaluations without a better validation loss, and keep the best weights. 0: never."""
    checkpoint_every: int = 500
    """Steps between checkpoints, from which a stopped run resumes. 0: only when it is stopped."""
    snapshot_every: int = 0
    """Steps between copies of the weights that stay in the folder, of which the page draws the path of the training.
    Each is as large as the model. 0: none."""
    log_every: int = 1
    """Steps between lines of metrics.jsonl."""
    seed: int = 0
    """Of initial weights, order of rows, dropout: the same seed gives the same run."""
    threads: int | None = None
    """Processor threads; unset: the machine's cores, shared among the processes on it."""

    @property
    def highest_adamw_lr(self) -> float:
        """The learning rate at its highest of what AdamW has beside Muon."""
        return self.adamw_lr if self.adamw_lr is not None else 0.004

    @property
    def highest_lr(self) -> float:
        """The learning rate at its highest: as set, or the optimiser's own default."""
        return self.lr if self.lr is not None else DEFAULTS[self.optimizer][0]

    @property
    def decay(self) -> float:
        """The decay of matrices: as set, or the optimiser's own default."""
        return self.weight_decay if self.weight_decay is not None else DEFAULTS[self.optimizer][1]

    def __post_init__(self) -> None:
        """Raises UsageError for a value out of range."""
        for name in ("steps", "batch", "accumulate", "log_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}.")
        for name, rate in (("lr", self.highest_lr), ("adamw_lr", self.highest_adamw_lr)):
            if not 0 < rate < float("inf"):
                raise UsageError(f"{name} must be above 0 and finite, not {rate}.")
        for name in ("momentum", "beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 0 and below 1, not {getattr(self, name)}.")
        if self.optimizer in ("momentum", "nesterov") and not self.momentum:
            raise UsageError(f"--optimizer {self.optimizer} needs a momentum above 0: without it, it is sgd.")
        if not 0 <= self.decay < float("inf"):
            raise UsageError(f"weight_decay must be 0 or more, not {self.decay}.")
        for name in (
            "warmup",
            "clip",
            "evaluate_every",
            "evaluate_tokens",
            "patience",
            "checkpoint_every",
            "snapshot_every",
        ):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"{name} must be 0 or more, not {getattr(self, name)}.")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"seed must be at least 0 and below 2**63, not {self.seed}.")
        if not 0 <= self.cooldown <= 1:
            raise UsageError(f"cooldown is a share of the steps, from 0 to 1, not {self.cooldown}.")
