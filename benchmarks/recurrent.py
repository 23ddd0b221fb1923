"""Training a word-level LSTM, GRU or simple network: ours, with everything `fit` does, against a plain PyTorch loop.

2 layers of 650, a vocabulary of 10,000, 20 lanes of 35 positions, dropout 0.2, the head a matrix of its own: the medium
model of Zaremba et al. 2014, on random tokens. Random tokens, so this is about speed alone.

    python benchmarks/recurrent.py [--cell lstm] [--runs 3] [--steps 15] [--precision fp32] [--threads 2]

Each side runs in a process of its own, in turn: torch.nn.LSTM (GRU, RNN) with SGD, as the examples of PyTorch train it,
and with AdamW; ours with AdamW and with Muon. Prints one JSON line for each run, and a table with the ratio of time to
the plain loop of SGD, which has the least to do, and to that of AdamW, which does the same: of the medians, and of the
quickest step of all runs, for machines that are not quiet.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

VOCABULARY, WIDTH, LAYERS, LANES, POSITIONS, DROPOUT = 10_000, 650, 2, 20, 35, 0.2
WARM_UP = 3
SIDES = ("plain sgd", "plain adamw", "ours adamw", "ours muon")


State = tuple[Tensor, Tensor] | Tensor | None


class PlainNetwork(nn.Module):
    """What one writes first: an embedding, PyTorch's LSTM (GRU, RNN), a linear layer."""

    def __init__(self, cell: str) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        kernel = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell]
        self.cells = kernel(WIDTH, WIDTH, LAYERS, dropout=DROPOUT)
        self.linear = nn.Linear(WIDTH, VOCABULARY)

    def forward(self, ids_TB: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits and the state behind the last position."""
        hidden_TBD, state = self.cells(self.dropout(self.embedding(ids_TB)), state)
        return self.linear(self.dropout(hidden_TBD)), state


def plain(cell: str, optimizer: str, steps: int, precision: str, threads: int) -> Iterator[float]:
    """Seconds of each update of the plain loop."""
    torch.set_num_threads(threads)
    model = PlainNetwork(cell)
    parameters = list(model.parameters())
    sgd = torch.optim.SGD(parameters, lr=1.0)
    optim = sgd if optimizer == "sgd" else torch.optim.AdamW(parameters, lr=1e-3, fused=True)
    text_NB = torch.randint(VOCABULARY, (steps * POSITIONS + 1, LANES))
    state = None
    for first in range(0, steps * POSITIONS, POSITIONS):
        began = time.perf_counter()
        ids_TB, targets_TB = text_NB[first : first + POSITIONS], text_NB[first + 1 : first + POSITIONS + 1]
        optim.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            logits_TBV, state = model(ids_TB, state)
        nn.functional.cross_entropy(logits_TBV.float().flatten(0, 1), targets_TB.flatten()).backward()
        state = tuple(part.detach() for part in state) if cell == "lstm" else state.detach()
        nn.utils.clip_grad_norm_(parameters, 0.25)
        optim.step()
        yield time.perf_counter() - began


class RandomStream:
    """One document of random ids."""

    starts = np.zeros(1, np.int64)

    def __init__(self, length: int) -> None:
        self._ids = np.random.default_rng(0).integers(VOCABULARY, size=length)

    def __len__(self) -> int:
        return len(self._ids)

    def read(self, start: int, stop: int) -> np.ndarray:
        """The ids from `start` to `stop`."""
        return self._ids[start:stop]


def ours(cell: str, optimizer: str, steps: int, precision: str, threads: int) -> Iterator[float]:
    """Seconds of each update of `fit`, its journal written and its rows read."""
    from idiolect.compute import set_up
    from idiolect.data.lanes import TrainingLanes
    from idiolect.models.build import build
    from idiolect.models.spec import RecurrentSpec
    from idiolect.objectives.carried import CarriedLikelihood
    from idiolect.train.loop import fit
    from idiolect.train.plan import Plan

    compute = set_up(threads)
    sizes = {"layers": LAYERS, "dim": WIDTH, "dropout": DROPOUT}
    spec = RecurrentSpec(VOCABULARY, POSITIONS, **sizes, tied=False, family=cell)
    model = build(spec)
    model.init_weights(0)
    rows = TrainingLanes(RandomStream(LANES * POSITIONS * 64), POSITIONS, LANES, seed=0)
    plan = Plan(steps=steps, batch=LANES, optimizer=optimizer, evaluate_every=0, checkpoint_every=0)
    with tempfile.TemporaryDirectory() as folder:
        fit(
            model,
            rows,
            CarriedLikelihood(LANES),
            plan,
            compute=compute,
            precision=precision,
            folder=Path(folder),
            evaluate=lambda final: {"val_loss": 0.0},
        )
        for line in (Path(folder) / "metrics.jsonl").read_text("utf-8").splitlines():
            yield LANES * POSITIONS / json.loads(line)["tokens_per_second"]


def main() -> None:
    """Run the sides in turn and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell", choices=("lstm", "gru", "rnn"), default="lstm")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", choices=SIDES, help="one side, in this process")
    given = parser.parse_args()
    if given.side:
        name, optimizer = given.side.split()
        run = {"plain": plain, "ours": ours}[name]
        seconds = list(run(given.cell, optimizer, given.steps, given.precision, given.threads))
        ms = [round(1000 * column(seconds[WARM_UP:]), 1) for column in (statistics.median, min)]
        print(json.dumps({"side": given.side, "ms": ms[0], "quickest_ms": ms[1]}))
        return
    figures: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
    names = ("cell", "steps", "precision", "threads")
    options = [word for name in names for word in (f"--{name}", str(vars(given)[name]))]
    for _ in range(given.runs):
        for side in SIDES:
            command = [sys.executable, __file__, "--side", side, *options]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
            print(done.stdout.strip(), flush=True)
            line = json.loads(done.stdout)
            figures[side].append((line["ms"], line["quickest_ms"]))
    print(f"\n{given.cell} {given.precision}, {given.threads} threads; time, and of plain sgd's and plain adamw's")
    for name, column in (("median", statistics.median), ("quickest", min)):
        place = 0 if name == "median" else 1
        ms = {side: column([run[place] for run in runs]) for side, runs in figures.items()}
        for side in SIDES:
            shares = (ms[side] / ms["plain sgd"], ms[side] / ms["plain adamw"])
            print(f"{name:<10}{side:<14}{ms[side]:>9.1f} ms{shares[0]:>8.2f}{shares[1]:>8.2f}")


if __name__ == "__main__":
    main()
