"""Learning BPE: ours against each tool whose merges it gives, with that tool's tie rule.

    python benchmarks/tokenizers_learning.py [--runs 3] [--vocab-size 32000] [--data FOLDER] [--megabytes N]

The text is imdb (all three files, 130 MB), a review a line, in memory as a list of lines on both sides; SentencePiece,
which takes files too, reads the same list. Each learning runs in a process of its own, ours and theirs by turns, on all
processors the process may use. Seconds are those of the learning call alone; memory is the peak of the process beyond
what it held before (the lines and the libraries). Before anything is timed the two must have learnt the same. Prints
one JSON line for each run and a table of medians.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

DATA = Path(os.environ.get("IDIOLECT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
PEERS = {"huggingface": "gpt2", "rustbpe": "cl100k", "sentencepiece": "gpt2"}
"""Tie rules, each with the pattern that its tool is run with (SentencePiece cuts at spaces)."""

Learner = Callable[[list[str], int], Callable[[], list[str]]]
"""Learns from lines, and gives a function (not timed) that tells what was learnt, comparably."""


def ours(ties: str) -> Learner:
    """This package, by a tie rule."""
    from idiolect.tokenizers.bpe_learning import BpeOptions, learn_bpe

    def learn(lines: list[str], size: int) -> Callable[[], list[str]]:
        options = BpeOptions(vocab_size=size, pattern=PEERS[ties], ties=ties)  # type: ignore[arg-type]
        tokenizer = learn_bpe(lines, options).tokenizer

        def told() -> list[str]:
            if ties == "sentencepiece":
                return [tokenizer.token_bytes(n).decode() for n in range(3, size)]
            pairs = [(tokenizer.token_bytes(left), tokenizer.token_bytes(right)) for left, right in tokenizer.merges]
            return [
                f"{left.hex()} {right.hex()}" if ties == "huggingface" else (left + right).hex()
                for left, right in pairs
            ]

        return told

    return learn


def huggingface(lines: list[str], size: int) -> Callable[[], list[str]]:
    """`tokenizers`: byte-level, the GPT-2 pattern."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    from idiolect.tokenizers.byte_level import to_bytes

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(lines, trainer)

    def told() -> list[str]:
        merges = json.loads(tokenizer.to_str())["model"]["merges"]
        return [" ".join((to_bytes(token) or b"").hex() for token in pair) for pair in merges]

    return told


def rustbpe(lines: list[str], size: int) -> Callable[[], list[str]]:
    """nanochat's trainer, with its own pattern (GPT-4's)."""
    import rustbpe

    tokenizer = rustbpe.Tokenizer()
    tokenizer.train_from_iterator(iter(lines), size - 1)
    ranked = sorted(tokenizer.get_mergeable_ranks(), key=lambda piece_and_rank: piece_and_rank[1])
    return lambda: [bytes(piece).hex() for piece, _ in ranked[256:]]


def sentencepiece(lines: list[str], size: int) -> Callable[[], list[str]]:
    """SentencePiece's BPE with its defaults, but without normalization and with long lines kept."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=size,
        normalization_rule_name="identity",
        max_sentence_length=2**30,
        num_threads=len(os.sched_getaffinity(0)),
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return lambda: [processor.id_to_piece(n).replace("▁", " ") for n in range(3, size)]


def kilobytes(what: str) -> int:
    """What Linux says of this process's memory: now (VmRSS), or at most since the peak was forgotten (VmHWM)."""
    return int(re.findall(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())[0])


def worker(side: str, ties: str, file: Path, size: int) -> None:
    """One learning, in this process: prints seconds, memory, and a digest of what was learnt."""
    peers: dict[str, Learner] = {"huggingface": huggingface, "rustbpe": rustbpe, "sentencepiece": sentencepiece}
    learn = ours(ties) if side == "ours" else peers[ties]
    lines = file.read_text(encoding="utf-8").splitlines()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak that reading the lines has left
    before = kilobytes("VmRSS")
    started = time.perf_counter()
    told = learn(lines, size)
    seconds = time.perf_counter() - started
    memory = (kilobytes("VmHWM") - before) * 1024
    digest = hashlib.sha256("\n".join(told()).encode()).hexdigest()
    print(json.dumps({"side": side, "ties": ties, "seconds": seconds, "megabytes": memory / 1e6, "learnt": digest}))


def write_lines(data: Path, file: Path, most: int) -> None:
    """imdb, a review a line, up to `most` bytes."""
    import pyarrow.parquet as parquet

    written = 0
    with open(file, "w", encoding="utf-8", newline="\n") as out:
        for source in sorted((data / "imdb").glob("*.parquet")):
            for text in parquet.read_table(source, columns=["text"]).column("text").to_pylist():
                line = " ".join(text.splitlines()) + "\n"
                written += len(line.encode())
                if written > most:
                    return
                out.write(line)


def main() -> None:
    """Both sides by turns, and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--vocab-size", type=int, default=32000)
    parser.add_argument("--megabytes", type=int, default=10_000, help="of text at most")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--worker", nargs=3, metavar=("SIDE", "TIES", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        side, ties, file = given.worker
        worker(side, ties, Path(file), given.vocab_size)
        return
    runs: dict[tuple[str, str], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lines.txt"
        write_lines(given.data, file, given.megabytes * 10**6)
        for _ in range(given.runs):
            for ties in PEERS:
                for side in ("ours", "theirs"):
                    command = [sys.executable, __file__, "--vocab-size", str(given.vocab_size), "--worker", side, ties]
                    told = subprocess.run([*command, str(file)], check=True, capture_output=True, text=True).stdout
                    print(told.strip(), flush=True)
                    runs.setdefault((side, ties), []).append(json.loads(told))
                if runs["ours", ties][-1]["learnt"] != runs["theirs", ties][-1]["learnt"]:
                    sys.exit(f"{ties}: the two have not learnt the same.")
    print(f"\n{'tie rule':15}{'theirs':>10}{'ours':>10}{'ratio':>8}{'their MB':>10}{'our MB':>9}")
    for ties in PEERS:
        their, our = (statistics.median(run["seconds"] for run in runs[side, ties]) for side in ("theirs", "ours"))
        memory = [statistics.median(run["megabytes"] for run in runs[side, ties]) for side in ("theirs", "ours")]
        print(f"{ties:15}{their:9.2f}s{our:9.2f}s{their / our:8.1f}{memory[0]:10.0f}{memory[1]:9.0f}")


if __name__ == "__main__":
    main()
