"""What word vectors are worth to a language model that starts from them: the validation loss at equal steps.

    python benchmarks/embeddings_start.py [--families decoder lstm encoder] [--starts words tokens "words of few"]
        [--untied] [--steps 400] [--seeds 3] [--reviews 2500] [--threads 1] [--out FOLDER]

Film reviews ($IDIOLECT_DATA/imdb), a BPE tokenizer of 8,000 tokens. A small model (2 layers, 128 dimensions, rows of 64
tokens, 8 in a step) learns from `--reviews` of them, once from a random start and once from each kind of vectors,
everything else being equal, with the same seeds:

    words           skip-gram over all 75,000 reviews for training, 5 epochs, 128 dimensions
    words of few    the same over the model's own reviews alone
    tokens          the same as `words`, over the tokenizer's tokens

No review that the model is measured on is in any of the vectors: which reviews are held out is told by a hash of their
text. Prints the loss after each tenth of the steps, as means over the seeds with their standard deviation at the end,
with date, commit and machine; the pages stay in the folder.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
from pathlib import Path

import pyarrow.parquet as pq

import idiolect
from idiolect.journal import read_metrics

DATA = Path(os.environ.get("IDIOLECT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SHAPE = {"layers": 2, "heads": 4, "dim": 128, "context": 64, "batch": 8, "evaluate_tokens": 40_000}
STARTS = ("words", "tokens", "words of few")


def main() -> None:
    """Learn the vectors, train everything, and print the losses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", default=["decoder", "lstm", "encoder"])
    parser.add_argument("--untied", action="store_true", help="a head that is not the embeddings")
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=STARTS)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--reviews", type=int, default=2500)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=Path("embeddings_start"))
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    prepare(arguments.data / "imdb", out, arguments.reviews, arguments.starts, arguments.threads)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    print(f"\n{datetime.date.today()}, commit {commit.strip()}, {platform.machine()}, {arguments.threads} threads")
    for family in arguments.families:
        idiolect.compare(
            out / f"tokens-{arguments.reviews}",
            models=family,
            variants=[f"embeddings={out / vectors_name(start, arguments.reviews)}" for start in arguments.starts],
            tied=not arguments.untied,
            steps=arguments.steps,
            evaluate_every=max(1, arguments.steps // 10),
            seeds=arguments.seeds,
            threads=arguments.threads,
            yardsticks=False,
            out=out / f"{family}{'-untied' * arguments.untied}-{arguments.reviews}-{arguments.steps}",
            **SHAPE,
        )
        show(out, family, arguments)


def prepare(reviews: Path, out: Path, few: int, starts: list[str], threads: int) -> None:
    """Tokenizer, tokens and vectors; what is there already stays."""
    everything = [str(reviews / name) for name in ("train.parquet", "unsup.parquet")]
    if not all(Path(file).exists() for file in everything):
        raise SystemExit(f"{reviews} does not have the reviews: give --data, or set IDIOLECT_DATA.")
    texts = pq.read_table(everything[0], columns=["text"])["text"].to_pylist()
    own = out / f"reviews-{few}.jsonl"
    own.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts[:: max(1, len(texts) // few)][:few]))
    idiolect.tokenize(everything, vocab_size=8000, out=out / "tokenizer")
    idiolect.encode([str(own)], tokenizer=out / "tokenizer", out=out / f"tokens-{few}")
    for start in starts:
        idiolect.embed(
            [str(own)] if start == "words of few" else everything,
            dim=128,
            epochs=5,
            deterministic=True,
            threads=threads,
            out=out / vectors_name(start, few),
            **({"tokenizer": out / "tokenizer"} if start == "tokens" else {}),
        )


def vectors_name(start: str, few: int) -> str:
    """The folder of a kind of vectors."""
    return {"words": "vectors-of-words", "tokens": "vectors-of-tokens"}.get(start, f"vectors-of-{few}")


def show(out: Path, family: str, arguments: argparse.Namespace) -> None:
    """A table of the losses, and how far each start is below the random one."""
    folder = out / f"{family}{'-untied' * arguments.untied}-{arguments.reviews}-{arguments.steps}" / "variants"
    names = {"random": family, **{s: f"embeddings={vectors_name(s, arguments.reviews)}" for s in arguments.starts}}
    losses = {start: [curve(folder / name, seed) for seed in range(arguments.seeds)] for start, name in names.items()}
    steps = list(losses["random"][0])
    print(f"\n| {family} | " + " | ".join(f"{step:,}" for step in steps) + " |\n|---|" + "---|" * len(steps))
    for start, curves in losses.items():
        means = [statistics.fmean(curve[step] for curve in curves) for step in steps]
        cells = [f"{mean:.3f}" for mean in means]
        if arguments.seeds > 1:
            cells[-1] += f" ± {statistics.stdev(curve[steps[-1]] for curve in curves):.3f}"
        print(f"| {start} | " + " | ".join(cells) + " |", flush=True)
    for start in arguments.starts:
        below = [
            statistics.fmean(random[step] - own[step] for random, own in zip(losses["random"], losses[start]))
            for step in steps
        ]
        print(f"| {start}: below random | " + " | ".join(f"{gain:.3f}" for gain in below) + " |", flush=True)


def curve(folder: Path, seed: int) -> dict[int, float]:
    """The validation loss by step of one training."""
    folder = folder if seed == 0 else folder.with_name(f"{folder.name}+seed={seed}")
    return {line["step"]: line["val_loss"] for line in read_metrics(folder) if line["val_loss"] is not None}


if __name__ == "__main__":
    main()
