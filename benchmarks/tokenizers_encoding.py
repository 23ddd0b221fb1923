"""How fast text becomes ids: ours and each peer's on the same text, in one run.

    python benchmarks/tokenizers_encoding.py [--megabytes 20 130] [--runs 5] [--vocabulary gpt2 cl100k]

Two tasks on IMDB's reviews. `file`: the name of one text file in, the ids of its whole text out, in whatever form the
side has quickest. `lists`: a list of reviews (str) in, a list of ids (int) for each out; reading is not timed.

Every measurement is a process of its own. Cold is its first call (reading the file included, importing and loading the
vocabulary not), warm the median of the calls after it. Sides take turns, and the figures are medians over `--runs`
processes. Before any timing all sides must have given the same ids. Memory is the most that the process held, with the
vocabulary and the text.
"""

from __future__ import annotations

import argparse
import base64
import gc
import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median

import numpy as np

WARM = 3
THREADS = len(os.sched_getaffinity(0))
END = "<|endoftext|>"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
Encode = Callable[[object], object]


def ranks_of(folder: Path) -> dict[bytes, int]:
    """cl100k's pieces and their ranks."""
    lines = (folder / "cl100k_base.tiktoken").read_bytes().splitlines()
    return {base64.b64decode(piece): int(rank) for piece, rank in (line.split() for line in lines)}


def gpt2_of(folder: Path) -> tuple[list[bytes], list[tuple[int, int]]]:
    """GPT-2's pieces and merges."""
    from idiolect.tokenizers.byte_level import to_bytes

    names = json.loads((folder / "gpt2" / "encoder.json").read_text("utf-8"))
    pieces = [to_bytes(name) if name != END else END.encode() for name in sorted(names, key=names.__getitem__)]
    lines = (folder / "gpt2" / "vocab.bpe").read_text("utf-8").splitlines()[1:]
    return pieces, [tuple(names[part] for part in line.split()) for line in lines]


# The sides: each gives a function for a task, or None where it has none.


def ours(vocabulary: str, task: str, folder: Path) -> Encode | None:
    import idiolect.tokenizers.files  # noqa: F401  what the first call would import
    from idiolect.tokenizers.bpe import BytePairTokenizer

    if vocabulary == "gpt2":
        pieces, merges = gpt2_of(folder)
        tokenizer = BytePairTokenizer(pieces, merges, pattern="gpt2", special_tokens={END: pieces.index(END.encode())})
    else:
        ranks = ranks_of(folder)
        pieces = [*sorted(ranks, key=ranks.__getitem__), END.encode()]
        cuts = ((piece[:cut], piece[cut:]) for piece in ranks for cut in range(1, len(piece)))
        merges = [(ranks[one], ranks[other]) for one, other in cuts if one in ranks and other in ranks]
        tokenizer = BytePairTokenizer(
            pieces,
            merges,
            pattern="cl100k",
            special_tokens={END: len(ranks)},
            rank_by="piece",
            ignore_merges=True,
        )
    return (lambda path: tokenizer.encode_files(path)[0]) if task == "file" else tokenizer.encode_batch


def tiktoken(vocabulary: str, task: str, folder: Path) -> Encode | None:
    import tiktoken

    if vocabulary == "gpt2":
        ranks = {piece: i for i, piece in enumerate(gpt2_of(folder)[0]) if piece != END.encode()}
    else:
        ranks = ranks_of(folder)
    pattern = GPT2 if vocabulary == "gpt2" else CL100K
    encoding = tiktoken.Encoding(vocabulary, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    if task == "file":
        return lambda path: encoding.encode_ordinary(Path(path).read_text("utf-8"))
    return lambda texts: encoding.encode_ordinary_batch(texts, num_threads=THREADS)


def huggingface(vocabulary: str, task: str, folder: Path) -> Encode | None:
    if vocabulary != "gpt2" or task == "file":  # it has no form of one long text that uses threads
        return None
    import tokenizers

    files = (str(folder / "gpt2" / name) for name in ("encoder.json", "vocab.bpe"))
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE.from_file(*files))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return lambda texts: [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def gigatoken(vocabulary: str, task: str, folder: Path) -> Encode | None:
    try:
        import gigatoken
    except ImportError:  # `pip install gigatoken` to have it in the table
        return None
    if vocabulary == "gpt2":
        from idiolect.tokenizers.base import Tokenizer
        from idiolect.tokenizers.bpe import BytePairTokenizer

        pieces, merges = gpt2_of(folder)
        own: Tokenizer = BytePairTokenizer(
            pieces, merges, pattern="gpt2", special_tokens={END: pieces.index(END.encode())}
        )
        with tempfile.TemporaryDirectory() as saved:
            own.save(Path(saved))
            tokenizer = gigatoken.Tokenizer(Path(saved) / "tokenizer.json")
    else:
        tokenizer = gigatoken.Tokenizer.from_tiktoken(folder / "cl100k_base.tiktoken")
    if task == "file":
        return lambda path: tokenizer.encode_files(gigatoken.TextFileSource([str(path)]))[0]
    return tokenizer.encode_batch_list


SIDES = {side.__name__: side for side in (ours, gigatoken, tiktoken, huggingface)}


# One process


def work(side: str, vocabulary: str, task: str, folder: Path, text: Path, warm: int, digest: bool) -> None:
    """Measure one side and print what came of it as JSON."""
    encode = SIDES[side](vocabulary, task, folder)
    if encode is None:
        print(json.dumps(None))
        return
    given: object = text if task == "file" else text.read_text("utf-8").split("\n")
    seconds = []
    gc.disable()
    for _ in range(1 + warm):
        start = time.perf_counter()
        ids = encode(given)
        seconds.append(time.perf_counter() - start)
        if not digest:
            del ids
    record = {"cold": seconds[0], "warm": median(seconds[1:] or seconds)}
    held = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    record["peak"] = int(held[1]) / 1000 if held else float("nan")
    if digest:
        rows: Iterable[object] = [ids] if task == "file" else ids  # type: ignore[assignment]
        arrays = (np.asarray(row, dtype="<u4") for row in rows)
        state = hashlib.sha256()
        for array in arrays:
            state.update(len(array).to_bytes(8, "little") + array.tobytes())
        record["ids"] = state.hexdigest()
    print(json.dumps(record))


# All of them


def measure(side: str, vocabulary: str, task: str, text: Path, data: Path, *options: str) -> dict[str, object] | None:
    command = [sys.executable, __file__, "--data", str(data), "--work", side, vocabulary, task, str(text), *options]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out.splitlines()[-1])  # type: ignore[no-any-return]


def reviews(data: Path, size: int) -> Iterator[str]:
    """IMDB's reviews, each on one line, up to so many bytes."""
    import pyarrow.parquet as parquet

    for name in ("test", "train", "unsup"):
        for text in parquet.read_table(data / "imdb" / f"{name}.parquet", columns=["text"])["text"].to_pylist():
            line = text.replace("\n", " ").replace("\r", " ")
            size -= len(line.encode()) + 1
            if size < 0:
                return
            yield line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=os.environ.get("IDIOLECT_DATA", beside))
    parser.add_argument("--megabytes", type=int, nargs="+", default=[20, 130])
    parser.add_argument("--vocabulary", nargs="+", default=["gpt2", "cl100k"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--slow", action="store_true", help="measure tokenizers on more than 20 MB too")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--digest", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        side, vocabulary, task, text = options.work
        warm = 0 if options.digest or side == "huggingface" else WARM
        work(side, vocabulary, task, options.data / "vocabularies", Path(text), warm, options.digest)
        return
    with tempfile.TemporaryDirectory() as folder:
        for size, vocabulary, task in itertools.product(options.megabytes, options.vocabulary, ("file", "lists")):
            text = Path(folder) / f"imdb-{size}.txt"
            if not text.exists():
                text.write_text("\n".join(reviews(options.data, size * 10**6)), encoding="utf-8")
            sides = [side for side in SIDES if side != "huggingface" or size <= 20 or options.slow]
            compare(sides, vocabulary, task, text, options.data, options.runs)


def compare(sides: list[str], vocabulary: str, task: str, text: Path, data: Path, runs: int) -> None:
    """Check one task and print its table."""
    checked = {side: measure(side, vocabulary, task, text, data, "--digest") for side in sides}
    present = {side: record for side, record in checked.items() if record}
    different = [side for side, record in present.items() if record["ids"] != present["ours"]["ids"]]
    if different:
        raise SystemExit(f"{vocabulary}, {task}: the ids of {', '.join(different)} differ from ours.")
    records: dict[str, list[dict[str, object]]] = {side: [] for side in present}
    for _ in range(runs):
        for side in present:
            record = measure(side, vocabulary, task, text, data)
            assert record
            records[side].append(record)
    size = text.stat().st_size / 1e6
    print(f"\n{vocabulary}, {task}, {size:.0f} MB, {THREADS} threads, median of {runs}; ids of all sides are the same")
    print(f"{'':12} {'cold MB/s':>10} {'warm MB/s':>10} {'ours/cold':>10} {'ours/warm':>10} {'peak MB':>9}")
    speed = {
        side: {name: size / median(float(str(one[name])) for one in rows) for name in ("cold", "warm")}
        for side, rows in records.items()
    }
    for side, rows in records.items():
        cold, warm = speed[side]["cold"], speed[side]["warm"]
        peak = median(float(str(one["peak"])) for one in rows)
        ratio = f"{speed['ours']['cold'] / cold:10.1f} {speed['ours']['warm'] / warm:10.1f}"
        print(f"{side:12} {cold:10.1f} {warm:10.1f} {ratio} {peak:9.0f}", flush=True)


if __name__ == "__main__":
    main()
