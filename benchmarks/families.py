"""Families beside each other on tiny Shakespeare, character by character: RNN, GRU, LSTM and a Transformer.

    python benchmarks/families.py [--budgets tokens parameters time] [--steps 1000] [--threads 1] [--out FOLDER]

2 layers, 128 dimensions (4 heads), rows of 128 tokens, 16 of them in a step. Each family has its own default learning
rates, which were chosen for it on this text (docs/log.md); nothing else is set for one family alone. Under the budget
of parameters the others' widths are chosen to have as many as the decoder; under that of time they train as long as it
did. Prints a table for each budget, with date, commit and machine; the pages stay in the folder.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
from pathlib import Path

import idiolect

FAMILIES = "decoder,lstm,gru,rnn"  # the first is the measure of the others
SHAPE = {"layers": 2, "heads": 4, "dim": 128, "context": 128, "batch": 16}
DATA = Path(os.environ.get("IDIOLECT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def main() -> None:
    """Compare at each budget, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budgets", nargs="+", default=["tokens", "parameters", "time"])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=Path("families"))
    arguments = parser.parse_args()
    text = arguments.data / "shakespeare" / "tinyshakespeare.txt"
    if not text.exists():
        raise SystemExit(f"{text} is not here: give --data, or set IDIOLECT_DATA.")
    out = arguments.out
    idiolect.tokenize([str(text)], kind="characters", out=out / "tokenizer")
    idiolect.encode([str(text)], tokenizer=out / "tokenizer", out=out / "tokens")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    print(f"\n{datetime.date.today()}, commit {commit.strip()}, {platform.machine()}, {arguments.threads} threads")
    for budget in arguments.budgets:
        compared = idiolect.compare(
            out / "tokens",
            models=FAMILIES,
            budget=budget,
            steps=arguments.steps,
            seeds=arguments.seeds,
            threads=arguments.threads,
            evaluate_every=max(1, arguments.steps // 10),
            out=out / f"equal-{budget}",
            **SHAPE,
        )
        print(
            f"\n| equal {budget} | parameters | without embeddings | steps | time | tokens/s | loss | bits per byte |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for o in compared.outcomes:
            cells = [o.name, f"{o.parameters:,}", f"{o.inner_parameters:,}", f"{o.steps:,}", f"{o.seconds:.0f} s"]
            cells += [f"{o.tokens_per_second:,.0f}", f"{o.val_loss:.4f}", f"{o.bits_per_byte:.4f}"]
            print("| " + " | ".join(cells) + " |", flush=True)
        print("| " + ", ".join(f"{name} {bits:.4f}" for name, bits in compared.yardsticks) + " |")


if __name__ == "__main__":
    main()
