"""How fast word vectors are learnt, and how good they are: ours and the peers' on the same words, in one run.

    python benchmarks/word_vectors.py [--words N] [--epochs 5] [--seeds 1] [--threads 2] [--sides ours gensim ...]
        [--word2vec BINARY] [--glove FOLDER] [--min-count 5] [--log FILE]

The text is IMDB's 100,000 reviews in small letters, letters and apostrophes alone, a review a line (23.1 M words); with
`--words`, its beginning. All learn skip-gram with 100 dimensions, window 5, 5 negatives, sample 1e-4, minimum count 5.

Each measurement is a process of its own. Sides take turns, seed after seed. Words a second are the words of the
vocabulary, times the epochs, in the time of training alone; `whole` is from reading the text to vectors in memory,
counting and imports included. Memory is the most that the process held. Scores are means over the seeds:
Google's analogies with gensim's rule (the 300,000 most frequent words, capitals folded) and Spearman's correlation on
WordSim-353, both by idiolect.evaluation, whose equality with gensim's own is tested.

GloVe (`--sides "ours, GloVe"`; with `--glove`, beside Stanford's programs, which lie built in that folder) reads pairs
of words that meet, not words, so its speed is in pairs a second, each direction counted, and its epochs, window, rate
and x_max are our defaults for both sides. Of the programs, memory is that of the largest.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import numpy as np

DATA = Path(os.environ.get("IDIOLECT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
DIM, WINDOW, NEGATIVE, SAMPLE = 100, 5, 5, 1e-4
Result = tuple[list[str], np.ndarray, int, float]
"""Words, their vectors, words (GloVe: pairs) that all epochs read, seconds of training."""
PROGRAMS = ("word2vec", "GloVe, Stanford's")


def prepare(folder: Path, most: int) -> None:
    """The text as both sides read it: lines of words, and the same lines as rows of jsonl, for ours."""
    from idiolect.embeddings.words import RuleWords
    from idiolect.text.corpus import Corpus

    cut, written = RuleWords("letters").cut, 0
    with open(folder / "words.txt", "w", encoding="utf-8") as text, open(folder / "words.jsonl", "w") as rows:
        for document in Corpus([DATA / "imdb"]).documents():
            words = cut(document.text)
            text.write(" ".join(words) + "\n")
            rows.write(json.dumps({"text": " ".join(words)}) + "\n")
            written += len(words)
            if 0 < most <= written:
                break
    print(f"{written:,} words of text", file=sys.stderr)


def ours(folder: Path, options: argparse.Namespace, **changed: object) -> Result:
    from idiolect.embeddings.learning import LearningSettings, learn
    from idiolect.embeddings.subwords import enough_buckets
    from idiolect.embeddings.words import RuleWords, WordStream
    from idiolect.text.corpus import Corpus

    kind, grams = changed.pop("kind", "skipgram"), changed.pop("grams", False)
    settings = LearningSettings(
        dim=DIM,
        epochs=options.epochs,
        window=WINDOW,
        negative=NEGATIVE,
        sample=SAMPLE,
        seed=options.seed,
        threads=options.threads,
        checkpoint_every=0.0,
        **changed,
    )
    corpus = Corpus([folder / "words.jsonl"], validation=0.0, test=0.0)
    with tempfile.TemporaryDirectory() as scratch:
        words = RuleWords("spaces", lowercase=False, threads=options.threads)
        stream = WordStream.write(Path(scratch) / "ids", corpus, words, options.min_count)
        vocabulary = stream.vocabulary
        subwords = (3, 6, enough_buckets(vocabulary.words, 3, 6)) if grams else None
        learnt = learn(stream, settings, Path(scratch), kind=kind, subwords=subwords)
    return vocabulary.words, learnt.matrix_VD, int(vocabulary.counts.sum()) * options.epochs, learnt.state.seconds


def our_glove(folder: Path, options: argparse.Namespace) -> Result:
    from idiolect.embeddings.cooccurrence import Cooccurrences
    from idiolect.embeddings.glove import learn_glove
    from idiolect.embeddings.learning import DEFAULTS, LearningSettings
    from idiolect.embeddings.words import RuleWords, WordStream
    from idiolect.text.corpus import Corpus

    settings = LearningSettings(dim=DIM, seed=options.seed, threads=options.threads, checkpoint_every=0.0)
    corpus = Corpus([folder / "words.jsonl"], validation=0.0, test=0.0)
    with tempfile.TemporaryDirectory() as scratch:
        words = RuleWords("spaces", lowercase=False, threads=options.threads)
        stream = WordStream.write(Path(scratch) / "ids", corpus, words, options.min_count)
        window = DEFAULTS["glove"]["window"]
        pairs = Cooccurrences.count(
            Path(scratch) / "pairs", stream, window=window, memory=128 << 20, threads=options.threads
        )
        learnt = learn_glove(pairs, settings, Path(scratch))
    return stream.vocabulary.words, learnt.matrix_VD, learnt.state.words, learnt.state.seconds


def gensim(folder: Path, options: argparse.Namespace, *, fasttext: bool = False, **changed: object) -> Result:
    from gensim.models import FastText, Word2Vec

    arguments = {"vector_size": DIM, "window": WINDOW, "negative": NEGATIVE, "sample": SAMPLE, "sg": 1, **changed}
    model = (FastText if fasttext else Word2Vec)(
        **arguments, min_count=options.min_count, workers=options.threads, seed=options.seed + 1
    )
    path = str(folder / "words.txt")
    model.build_vocab(corpus_file=path)
    began = time.perf_counter()
    model.train(
        corpus_file=path,
        total_words=model.corpus_total_words,
        total_examples=model.corpus_count,
        epochs=options.epochs,
    )
    seconds = time.perf_counter() - began
    counts = [model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key]
    return model.wv.index_to_key, model.wv.vectors, int(sum(counts)) * options.epochs, seconds


def word2vec(folder: Path, options: argparse.Namespace) -> Result:
    """The original program; its clock starts at its first line of progress, after its pass over the vocabulary."""
    from idiolect.embeddings.vectors import Vectors

    out = folder / "word2vec.bin"
    command = f"{options.word2vec} -train {folder / 'words.txt'} -output {out} -binary 1 -threads {options.threads} "
    command += f"-size {DIM} -window {WINDOW} -negative {NEGATIVE} -sample {SAMPLE} -hs 0 -cbow 0 "
    command += f"-iter {options.epochs} -min-count {options.min_count}"
    process = subprocess.Popen(command.split(), stdout=subprocess.PIPE)
    seen, began = b"", 0.0
    assert process.stdout is not None
    while piece := os.read(process.stdout.fileno(), 65536):
        seen = (seen + piece)[:1_000_000]
        began = began or (time.perf_counter() if b"Alpha" in seen else 0.0)
    process.wait()
    seconds = time.perf_counter() - began
    found = re.search(rb"Words in train file: (\d+)", seen)
    assert found is not None, "the program said nothing that is known"
    vectors = Vectors.load(out)
    return vectors.words, vectors.matrix, int(found[1]) * options.epochs, seconds


def stanfords_glove(folder: Path, options: argparse.Namespace) -> Result:
    """Stanford's four programs, one after the other; the last one's clock starts where it says its settings."""
    from idiolect.embeddings.learning import DEFAULTS
    from idiolect.embeddings.vectors import Vectors

    given = DEFAULTS["glove"]
    with tempfile.TemporaryDirectory(dir=folder) as scratch:

        def run(arguments: str, source: str | None, sink: str) -> None:
            with open(source or os.devnull, "rb") as read, open(sink, "wb") as written:
                program, *rest = arguments.split()
                command = [str(options.glove / program), *rest]
                subprocess.run(command, stdin=read, stdout=written, stderr=subprocess.DEVNULL, cwd=scratch, check=True)

        vocabulary, together, shuffled = (f"{scratch}/{name}" for name in ("vocabulary", "together", "shuffled"))
        run(f"vocab_count -min-count {options.min_count} -verbose 0", str(folder / "words.txt"), vocabulary)
        window = f"-window-size {given['window']}"
        run(f"cooccur -vocab-file {vocabulary} {window} -memory 1 -verbose 0", str(folder / "words.txt"), together)
        run(f"shuffle -memory 1 -verbose 0 -seed {options.seed + 1}", together, shuffled)
        command = f"{options.glove}/glove -input-file {shuffled} -vocab-file {vocabulary} -save-file {scratch}/out "
        command += f"-vector-size {DIM} -iter {given['epochs']} -eta {given['lr']} -x-max {given['x_max']} "
        command += f"-threads {options.threads} -seed {options.seed + 1} -binary 0 -model 2 -verbose 1"
        process = subprocess.Popen(command.split(), stderr=subprocess.PIPE, text=True, cwd=scratch)
        assert process.stderr is not None
        began = ended = 0.0
        for line in process.stderr:
            began = began or (time.perf_counter() if line.startswith("alpha") else 0.0)
            ended = time.perf_counter() if "iter:" in line else ended
        if process.wait() != 0 or not began:
            raise SystemExit("glove did not do what is known of it.")
        pairs = os.path.getsize(shuffled) // 16
        vectors = Vectors.load(Path(scratch) / "out.txt")
    assert vectors.words[-1] == "<unk>"
    return vectors.words[:-1], vectors.matrix[:-1], pairs * given["epochs"], ended - began


SIDES: dict[str, Callable[[Path, argparse.Namespace], Result]] = {
    "ours": ours,
    "ours, deterministic": lambda *given: ours(*given, deterministic=True),
    "gensim": gensim,
    "word2vec": word2vec,
    "ours, CBOW": lambda *given: ours(*given, kind="cbow"),
    "gensim, CBOW": lambda *given: gensim(*given, sg=0, alpha=0.05),
    "ours, hierarchical": lambda *given: ours(*given, loss="hierarchical"),
    "gensim, hierarchical": lambda *given: gensim(*given, hs=1, negative=0),
    "ours, GloVe": our_glove,
    "GloVe, Stanford's": stanfords_glove,
    "ours, subwords": lambda *given: ours(*given, grams=True),
    "gensim, FastText": lambda *given: gensim(*given, fasttext=True),
}


def scores(words: list[str], matrix: np.ndarray) -> tuple[float, float]:
    """Share of the analogies, and Spearman's correlation on WordSim-353."""
    from idiolect.embeddings.vectors import Vectors
    from idiolect.evaluation.word_analogies import measure_analogies
    from idiolect.evaluation.word_similarity import measure_similarity

    vectors = Vectors(list(words), np.ascontiguousarray(matrix, np.float32))
    analogies = measure_analogies(vectors, DATA / "analogies" / "questions-words.txt")
    similarity = measure_similarity(vectors, DATA / "word_similarity" / "EN-WS-353-ALL.txt")
    return analogies.total.share, similarity.spearman


def measure(side: str, folder: Path, options: argparse.Namespace) -> None:
    """One measurement, as a line of JSON."""
    began = time.perf_counter()
    words, matrix, read, seconds = SIDES[side](folder, options)
    whole = time.perf_counter() - began
    whose = resource.RUSAGE_CHILDREN if side in PROGRAMS else resource.RUSAGE_SELF
    memory = resource.getrusage(whose).ru_maxrss / 1024
    analogies, similarity = scores(words, matrix)
    record = {"side": side, "seed": options.seed, "words_per_second": read / seconds}
    record |= {"whole": whole, "memory": memory, "vocabulary": len(words)}
    print(json.dumps(record | {"analogies": analogies, "similarity": similarity}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--min-count", type=int, default=5)
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), default=["ours", "gensim"])
    parser.add_argument("--word2vec", help="the original program, built; it then is a side")
    parser.add_argument("--glove", type=Path, help="the folder of Stanford's programs, built; they then are a side")
    parser.add_argument("--log", type=Path, help="file to append each measurement to")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure[0], Path(options.measure[1]), options)
        return
    sides = list(options.sides)
    for side, given in zip(PROGRAMS, (options.word2vec, options.glove)):
        if given is None and side in sides:
            parser.error(f"{side} is a program: say where it lies.")
        sides += [side] if given is not None and side not in sides else []
    records: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), options.words)
        for seed in range(options.seeds):
            for side in sides:
                again = [sys.executable, *sys.argv, "--measure", side, folder, "--seed", str(seed)]
                line = subprocess.run(again, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()[-1]
                records.append(json.loads(line))
                print(line, file=sys.stderr)
                if options.log:
                    with open(options.log, "a", encoding="utf-8") as log:
                        log.write(line + "\n")
    print("| side | words/s (GloVe: pairs/s) | whole, s | memory, MB | analogies | WordSim-353 |")
    print("|---|---|---|---|---|---|")
    for side in sides:
        own = [record for record in records if record["side"] == side]
        speed, whole, memory, right, rho = (
            mean(record[name] for record in own)
            for name in ("words_per_second", "whole", "memory", "analogies", "similarity")
        )
        print(f"| {side} | {speed:,.0f} | {whole:.1f} | {memory:.0f} | {right:.1%} | {rho:.3f} |")


if __name__ == "__main__":
    main()
