"""Tiny Shakespeare, character by character, at nanoGPT's small budget.

4 layers, 4 heads, 128 dimensions, context 64, 2,000 steps of 12 rows.

    python benchmarks/shakespeare.py [--nanogpt FOLDER] [--runs 3] [--data FOLDER]

Both sides train on the first 90% of the text and are measured on the last 10%; wall time is of the whole command,
from its start to its end, evaluations included. With `--nanogpt` (a checkout with data/shakespeare_char prepared)
its own train.py runs in turn with ours: eager fp32, once with glibc's default allocator and once told to keep freed
memory, and the faster counts. Prints one JSON line for each run and a table of medians.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHAPE = {"layers": 4, "heads": 4, "dim": 128, "context": 64}
STEPS, ROWS = 2000, 12
KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "67108864",
}
DATA = Path(os.environ.get("IDIOLECT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def ours(text: Path, folder: Path, *more: str) -> tuple[float, float]:
    """Wall seconds of `pretrain` and its final validation loss."""
    idiolect = [sys.executable, "-m", "idiolect"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True}
    tok, tokens, model = (str(folder / name) for name in ("tok", "tokens", "model"))
    subprocess.run([*idiolect, "tokenize", str(text), "--kind", "characters", "--out", tok], **quiet)
    subprocess.run([*idiolect, "encode", str(text), "--tokenizer", tok, "--out", tokens], **quiet)
    shape = [word for name, value in SHAPE.items() for word in (f"--{name}", str(value))]
    started = time.perf_counter()
    subprocess.run(
        [*idiolect, "pretrain", tokens, *shape, "--steps", str(STEPS), "--batch", str(ROWS), *more, "--out", model],
        **quiet,
    )
    seconds = time.perf_counter() - started
    lines = (folder / "model" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return seconds, json.loads(lines[-1])["val_loss"]


def nanogpt(checkout: Path, folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Wall seconds of nanoGPT's train.py and its final validation loss (20 batches, as it estimates it)."""
    command = [sys.executable, "train.py", "config/train_shakespeare_char.py", "--device=cpu", "--compile=False"]
    command += ["--eval_iters=20", "--eval_interval=250", "--block_size=64", f"--batch_size={ROWS}", "--n_layer=4"]
    command += ["--n_head=4", "--n_embd=128", f"--max_iters={STEPS}", f"--lr_decay_iters={STEPS}", "--dropout=0.0"]
    command += ["--dtype=float32", "--log_interval=50", f"--out_dir={folder}"]
    started = time.perf_counter()
    run = subprocess.run(
        command, cwd=checkout, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - started
    return seconds, float(re.findall(r"val loss ([\d.]+)", run.stdout)[-1])


def main() -> None:
    """Run both sides in turn and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanogpt", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("more", nargs="*", help="options for idiolect pretrain, after --")
    arguments = parser.parse_args()
    text = arguments.data / "shakespeare" / "tinyshakespeare.txt"
    if not text.exists():
        raise SystemExit(f"{text} is not here: give --data, or set IDIOLECT_DATA.")
    figures: dict[str, list[tuple[float, float]]] = {}
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            jobs = {"idiolect": lambda folder=folder: ours(text, folder, *arguments.more)}
            if arguments.nanogpt:
                for label, environment in (("nanoGPT", {}), ("nanoGPT, memory kept", KEEP_MEMORY)):
                    jobs[label] = lambda e=environment, n=label, f=folder: nanogpt(arguments.nanogpt, f / n, e)
            for label, job in jobs.items():
                seconds, loss = job()
                figures.setdefault(label, []).append((seconds, loss))
                print(json.dumps({"job": label, "seconds": round(seconds, 1), "val_loss": loss}), flush=True)
    print(f"\n{'':<22}{'seconds':>9}{'val loss':>10}   (medians of {arguments.runs})")
    medians = {label: [statistics.median(column) for column in zip(*runs)] for label, runs in figures.items()}
    for label, (seconds, loss) in medians.items():
        print(f"{label:<22}{seconds:>9.1f}{loss:>10.4f}")
    peers = [seconds for label, (seconds, _) in medians.items() if label != "idiolect"]
    if peers:
        print(f"idiolect takes {medians['idiolect'][0] / min(peers):.2f} of the faster peer's time.")


if __name__ == "__main__":
    main()
