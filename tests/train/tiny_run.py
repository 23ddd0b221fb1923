"""A tiny model, rows made of thin air and short runs of `fit`, for the tests of training; run as a script under
`torchrun`, it trains and leaves its weights.

    torchrun tiny_run.py FOLDER [PLAN FIELD=VALUE ...]
"""

from __future__ import annotations

import ast
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from idiolect.compute import Compute, set_up, tear_down
from idiolect.data.batch import Batch
from idiolect.data.lanes import TrainingLanes
from idiolect.errors import Interrupted
from idiolect.models.build import build
from idiolect.models.model import Model
from idiolect.models.spec import RecurrentSpec
from idiolect.nn.cache import KVCache
from idiolect.objectives.carried import CarriedLikelihood
from idiolect.objectives.likelihood import Likelihood
from idiolect.train.loop import Run, fit
from idiolect.train.plan import Plan

VOCABULARY, DIM, CONTEXT = 11, 8, 6
ALONE = Compute(torch.device("cpu"), threads=1)


class TinyModel(Model):
    """Embedding, one layer with dropout, a scale, a head: each kind of parameter once."""

    def __init__(self, dropout: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(VOCABULARY, DIM)
        self.inner = nn.Linear(DIM, DIM)
        self.scale = nn.Parameter(torch.ones(DIM))
        self.lm_head = nn.Linear(DIM, VOCABULARY, bias=False)
        self.dropout = dropout
        self.init_weights(seed)

    def hidden(
        self,
        ids_BT: Tensor,
        segments_BT: Tensor | None = None,
        cache: KVCache | None = None,
        types_BT: Tensor | None = None,
    ) -> Tensor:
        hidden_BTD = self.embed_tokens(ids_BT)
        inner_BTD = F.dropout(torch.tanh(self.inner(hidden_BTD)), self.dropout, self.training)
        return (hidden_BTD + inner_BTD) * self.scale

    def head(self, hidden_BTD: Tensor) -> Tensor:
        logits_BTV: Tensor = self.lm_head(hidden_BTD)
        return logits_BTV

    def init_weights(self, seed: int) -> None:
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.normal_(std=0.3, generator=random)


class TinyRows:
    """Rows of a text in which each token mostly follows from the one before it, with ragged masks.

    Args:
        at: called with the number of the first row whenever a batch is asked for.
        masked: share of the positions that count nothing.
    """

    def __init__(self, at: Callable[[int], None] = lambda first: None, masked: float = 0.3) -> None:
        self._at = at
        self._masked = masked

    def batch(self, first: int, count: int) -> Batch:
        self._at(first)
        return stack([self._row(number) for number in range(first, first + count)])

    def _row(self, number: int) -> Batch:
        random = torch.Generator().manual_seed(number)
        ids = torch.randint(VOCABULARY, (1, CONTEXT + 1), generator=random)
        for place in range(1, CONTEXT + 1):
            if torch.rand((), generator=random) < 0.8:
                ids[:, place] = (3 * ids[:, place - 1] + 1) % VOCABULARY
        weights = (torch.rand(1, CONTEXT, generator=random) >= self._masked).float()
        return Batch(ids[:, :-1], ids[:, 1:], weights)


class TinyLanes(TrainingLanes):
    """A text of seven documents in lanes, for a recurrent network."""

    def __init__(self, lanes: int, at: Callable[[int], None] = lambda first: None) -> None:
        super().__init__(TinyStream(), CONTEXT, lanes, seed=0)  # type: ignore[arg-type]
        self._at = at

    def batch(self, first: int, count: int) -> Batch:
        self._at(first)
        return super().batch(first, count)


class TinyStream:
    """A text of 200 ids in memory."""

    def __init__(self) -> None:
        self._ids = np.random.default_rng(0).integers(VOCABULARY, size=200)
        self.starts = np.array([0, 17, 18, 19, 80, 130, 131])

    def __len__(self) -> int:
        return 200

    def read(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        return self._ids[start:stop]


def tiny_recurrent(dropout: float, seed: int = 0) -> Model:
    """An LSTM with everything that draws random numbers in training."""
    made = build(
        RecurrentSpec(VOCABULARY, CONTEXT, layers=2, dim=DIM, dropout=dropout, variational=True, weight_drop=dropout)
    )
    made.init_weights(seed)
    return made


def stack(rows: list[Batch]) -> Batch:
    """Rows of one batch."""
    columns = zip(*((row.ids_BT, row.targets_BT, row.weights_BT) for row in rows))
    return Batch(*(torch.cat(column) for column in columns))


def plan(**changes: object) -> Plan:
    """A short one."""
    usual = Plan(steps=8, batch=6, warmup=2, evaluate_every=3, checkpoint_every=2, optimizer="adamw")
    return replace(usual, **changes)  # type: ignore[arg-type]


def train(
    folder: Path,
    plan: Plan,
    *,
    model: Model | None = None,
    rows: TinyRows | TinyLanes | None = None,
    objective: Callable[[Model, Batch], Tensor] | None = None,
    evaluate: Callable[[bool], Mapping[str, float | str]] | None = None,
    compute: Compute = ALONE,
) -> tuple[Run, Model]:
    """Fit a tiny model; evaluation is the mean loss over rows that training never sees."""
    model = model or TinyModel(dropout=0.2, seed=plan.seed)

    def held_out(final: bool) -> Mapping[str, float | str]:
        model.eval()
        batch = TinyRows().batch(10**6, 20 if final else 8)
        with torch.inference_mode():
            return {"val_loss": float(Likelihood()(model, batch)) / batch.weight, "sample": "é"}

    folder.mkdir(parents=True, exist_ok=True)
    run = fit(
        model,
        rows or TinyRows(),
        objective or Likelihood(),
        plan,
        compute=compute,
        precision="fp32",
        folder=folder,
        evaluate=evaluate or held_out,
    )
    return run, model


def lines_of(folder: Path) -> list[dict[str, object]]:
    """metrics.jsonl without what a clock says."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name != "tokens_per_second"} for line in lines]


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    """Whether every weight is equal in every bit."""
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(name == other_name and torch.equal(a, b) for (name, a), (other_name, b) in pairs)


def main(folder: Path, changes: dict[str, str]) -> None:
    """One process of a run. `sigterm=RANK:STEP` has one of them asked to stop; `recurrent=1` carries states."""
    dropout = float(changes.pop("dropout", "0"))
    rank, step = map(int, changes.pop("sigterm", "-1:0").split(":"))
    recurrent = changes.pop("recurrent", "0") == "1"
    made = plan(**{name: ast.literal_eval(value) for name, value in changes.items()})
    compute = set_up(threads=1)

    def stop(first: int) -> None:
        if compute.rank == rank and first // made.batch == step:
            os.kill(os.getpid(), signal.SIGTERM)

    try:
        if recurrent:
            lanes, objective = TinyLanes(made.batch, stop), CarriedLikelihood(made.batch)
            model = tiny_recurrent(dropout)
            train(folder, made, model=model, rows=lanes, objective=objective, compute=compute)
        else:
            _, model = train(folder, made, model=TinyModel(dropout), rows=TinyRows(stop), compute=compute)
        save_file(model.state_dict(), folder / f"weights-{compute.rank}.safetensors")
    finally:
        tear_down()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), dict(word.split("=") for word in sys.argv[2:]))
    except Interrupted as error:
        sys.exit(error.exit_code)
