"""The unigram model, learnt and encoding, beside SentencePiece's, in one run.

    python benchmarks/unigram.py [--bytes 130000000] [--vocab-size 32000] [--runs 3] [--huggingface] [--data FOLDER]

Text: imdb, a review a line; the last 2% are held out. Every learner runs in a process of its own, which reads the text
from a file, so that its peak memory is its own (the process's before it starts to learn is taken off). Two threads, no
normalisation but SentencePiece's of spaces. Encoding is of the last 20 MB, from lists of strings; ids are compared
before any timing. Prints a line for each run and the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DATA = Path(os.environ.get("IDIOLECT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
LEARNERS = ("fast", "sentencepiece", "peer")
NAMES = {
    "fast": "ours, fast",
    "sentencepiece": "ours, SentencePiece's steps",
    "peer": "SentencePiece",
    "hf": "Hugging Face",
}


def main() -> None:
    """Run all of it, or one learner in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=130_000_000)
    parser.add_argument("--vocab-size", type=int, default=32000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--huggingface", action="store_true")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--learner")
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    if asked.learner:
        print(json.dumps(learn(asked.learner, asked.folder, asked.vocab_size)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_text(asked.data, folder, asked.bytes)
        learners = [*LEARNERS, *(["hf"] if asked.huggingface else [])]
        runs: dict[str, list[dict[str, float]]] = {learner: [] for learner in learners}
        for _ in range(asked.runs):
            for learner in learners:
                command = [sys.executable, __file__, "--learner", learner, "--folder", name]
                command += ["--vocab-size", str(asked.vocab_size)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                runs[learner].append(json.loads(done.stdout.splitlines()[-1]))
                print(json.dumps({"learner": NAMES[learner], **runs[learner][-1]}), flush=True)
        print(f"\n{'learning':30} {'seconds':>9} {'GB':>7} {'nats per character, held out':>30}")
        for learner, all_runs in runs.items():
            middle = {key: statistics.median(run[key] for run in all_runs) for key in all_runs[0]}
            print(f"{NAMES[learner]:30} {middle['seconds']:9.2f} {middle['gigabytes']:7.2f} {middle['held_out']:30.5f}")
        encode(folder, asked.runs)


def write_text(data: Path, folder: Path, size: int) -> None:
    """The reviews, one a line: text to learn from, and text held out."""
    import pyarrow.parquet as pq

    reviews = [
        text.replace("\n", " ")
        for part in ("train", "test", "unsup")
        for text in pq.read_table(data / "imdb" / f"{part}.parquet")["text"].to_pylist()
    ]
    text = "\n".join(reviews)[:size]
    cut = text.rfind("\n", 0, int(0.98 * len(text)))
    (folder / "text").write_text(text[:cut] + "\n", encoding="utf-8")
    (folder / "held-out").write_text(text[cut + 1 :], encoding="utf-8")


def kilobytes(name: str) -> int:
    """What Linux says of this process's memory: now (VmRSS), or at most so far (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def learn(learner: str, folder: Path, vocab_size: int) -> dict[str, float]:
    """Learn in this process: seconds, memory, likelihood of held-out text."""
    import sentencepiece
    import tokenizers

    from idiolect.tokenizers.normalize import Normalizer
    from idiolect.tokenizers.unigram import UnigramTokenizer
    from idiolect.tokenizers.unigram_learning import UnigramOptions, learn_unigram

    file = folder / "text"
    before = kilobytes("VmRSS")
    started = time.perf_counter()
    spaces = Normalizer(collapse_spaces=True, prefix_space=True, mark=True)
    if learner in ("fast", "sentencepiece"):
        options = UnigramOptions(
            vocab_size=vocab_size, mode=learner, byte_fallback=False, normalizer=spaces, max_sentence_length=100_000
        )
        with file.open(encoding="utf-8") as lines:
            tokenizer = learn_unigram(iter(lambda: "".join(lines.readlines(1 << 22)), ""), options)
        seconds = time.perf_counter() - started
        pieces, scores = tokenizer.pieces[3:], tokenizer.scores[3:]
    elif learner == "peer":
        sentencepiece.SentencePieceTrainer.train(
            input=str(file),
            model_prefix=str(folder / "peer"),
            vocab_size=vocab_size,
            normalization_rule_name="identity",
            max_sentence_length=100_000,
            minloglevel=2,
        )
        seconds = time.perf_counter() - started
        model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "peer.model"))
        pieces = [model.id_to_piece(i) for i in range(3, vocab_size)]
        scores = [model.get_score(i) for i in range(3, vocab_size)]
    else:
        model = tokenizers.Tokenizer(tokenizers.models.Unigram())
        model.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
        trainer = tokenizers.trainers.UnigramTrainer(vocab_size=vocab_size, show_progress=False, unk_token="<unk>")
        model.train([str(file)], trainer)
        seconds = time.perf_counter() - started
        vocabulary = json.loads(model.to_str())["model"]["vocab"]
        pieces, scores = zip(*(entry for entry in vocabulary if entry[0] != "<unk>"))
    memory = (kilobytes("VmHWM") - before) * 1024 / 1e9
    tokenizer = UnigramTokenizer(
        ["<unk>", "<s>", "</s>", *pieces],
        [0.0, 0.0, 0.0, *scores],
        unknown=0,
        special_tokens={"<s>": 1, "</s>": 2},
        normalizer=spaces,
    )
    lines = (folder / "held-out").read_text(encoding="utf-8").split("\n")
    # What is in no piece has the same price for all: it is left out of the likelihood.
    known = {piece for piece in pieces if len(piece) == 1}
    unknown = sum(character not in known for line in lines for character in line if character != " ")
    likelihood = sum(map(tokenizer.text_log_likelihood, lines)) - unknown * (min(scores) - 10)
    return {"seconds": seconds, "gigabytes": memory, "held_out": likelihood / sum(map(len, lines))}


def encode(folder: Path, runs: int) -> None:
    """Speed from lists of strings to lists of ids, and to arrays, with SentencePiece's model."""
    import sentencepiece

    from idiolect.tokenizers.normalize import Normalizer
    from idiolect.tokenizers.unigram import UnigramTokenizer

    peer = sentencepiece.SentencePieceProcessor(model_file=str(folder / "peer.model"))
    size = peer.get_piece_size()

    def fresh() -> UnigramTokenizer:
        return UnigramTokenizer(
            [peer.id_to_piece(i) for i in range(size)],
            [peer.get_score(i) for i in range(size)],
            unknown=0,
            special_tokens={"<s>": 1, "</s>": 2},
            normalizer=Normalizer(collapse_spaces=True, prefix_space=True, mark=True),
        )

    lines = (folder / "text").read_text(encoding="utf-8")[-20_000_000:].split("\n")
    bytes_ = sum(len(line.encode()) for line in lines)
    warm = fresh()
    assert warm.encode_batch(lines) == peer.encode(lines), "ids differ"
    seconds: dict[str, list[float]] = {}
    for _ in range(max(runs, 3)):
        cold = fresh()
        cold.encode("")
        for name, work in {
            "SentencePiece, lists": lambda: peer.encode(lines, num_threads=2),
            "ours, lists, cold": lambda cold=cold: cold.encode_batch(lines, threads=2),
            "ours, lists": lambda: warm.encode_batch(lines, threads=2),
            "ours, arrays": lambda: warm.encode_many(lines, threads=2),
            "ours, arrays, one thread": lambda: warm.encode_many(lines, threads=1),
        }.items():
            started = time.perf_counter()
            work()
            seconds.setdefault(name, []).append(time.perf_counter() - started)
    print(f"\n{'encoding, ids equal':30} {'MB/s':>9}")
    for name, all_seconds in seconds.items():
        print(f"{name:30} {bytes_ / 1e6 / statistics.median(all_seconds):9.1f}")


if __name__ == "__main__":
    main()
