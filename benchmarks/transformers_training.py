"""Training a Transformer: ours, with everything `fit` does, against the same model of `transformers` in a plain loop.

An encoder is BertForPreTraining: masked tokens and next sentences, 4 layers of 256, 4 heads, a vocabulary of 8,192, 32
pairs of up to 128 positions. A decoder is LlamaForCausalLM: 6 layers of 384, 6 heads, a vocabulary of 4,096, 8 rows of
256 positions. AdamW, gradients clipped; the encoder drops 0.1 (none of attention's weights, which we do not drop). The
text is 40 random documents, so this is about speed alone.

    python benchmarks/transformers_training.py [--model encoder] [--precision fp32] [--threads 2] [--runs 3]

First the two are given equal weights and a batch, and their losses must be equal. Then each side runs in a process of
its own, in turn, on the same rows; the plain loop has them ready before it starts, ours makes them as it goes. Prints
one JSON line for each run, and a table with the ratio of tokens read in a second (no padding counted): of the medians,
and of the quickest step of all runs, for machines that are not quiet.
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
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from idiolect.compute import set_up
from idiolect.data.batch import Batch
from idiolect.data.encoder_rows import EncoderRows
from idiolect.data.masking import Masking
from idiolect.data.rows import TrainingRows
from idiolect.models.build import build
from idiolect.models.model import Model
from idiolect.models.weights import load_model, save_model
from idiolect.objectives.likelihood import Likelihood, MaskedLikelihood
from idiolect.pretraining.masked_tokens import as_encoders
from idiolect.pretraining.settings import PretrainSettings
from idiolect.tokenizers.characters import CharacterTokenizer
from idiolect.train.loop import fit
from idiolect.train.parallel import Objective
from idiolect.train.plan import Plan

VOCABULARY = {"encoder": 8192, "decoder": 4096}
ROWS = {"encoder": 32, "decoder": 8}
SHAPE = {
    "encoder": {"layers": 4, "heads": 4, "dim": 256, "context": 128, "dropout": 0.1},
    "decoder": {"layers": 6, "heads": 6, "dim": 384, "context": 256, "shape": "llama"},
}
SIDES = ("transformers", "ours")
WARM_UP = 3


class RandomStream:
    """Forty documents of random ids."""

    def __init__(self, vocabulary: int) -> None:
        random = np.random.default_rng(0)
        self._ids = random.integers(1, vocabulary - 4, size=400_000)
        self.starts = np.sort(random.choice(len(self._ids), 40, replace=False))
        self.starts[0] = 0

    def __len__(self) -> int:
        return len(self._ids)

    def read(self, start: int, stop: int) -> np.ndarray:
        """The ids from `start` to `stop`."""
        return self._ids[start:stop]


def rows(family: str) -> EncoderRows | TrainingRows:
    """An encoder's pairs of texts, tokens hidden; or a decoder's windows, which may see into the next document."""
    vocabulary, context = VOCABULARY[family], int(SHAPE[family]["context"])
    stream = RandomStream(vocabulary)
    if family == "decoder":
        return TrainingRows(stream, context, seed=0, across_documents=True)
    alphabet = map(chr, range(0x4E00, 0x4E00 + vocabulary - 5))  # and <|endoftext|>, [CLS], [SEP], [MASK], [PAD]
    tokenizer = as_encoders(CharacterTokenizer(alphabet))
    assert tokenizer.vocab_size == vocabulary
    return EncoderRows(stream, tokenizer, context, Masking.of(tokenizer), seed=0, pairs=True)


def read_tokens(batch: Batch) -> int:
    """Tokens of a batch without what fills its rows up."""
    if batch.segments_BT is None:
        return batch.ids_BT.numel()
    return int((batch.segments_BT == batch.segments_BT[:, :1]).sum())


def objective(family: str) -> Objective:
    """What is learnt."""
    return MaskedLikelihood() if family == "encoder" else Likelihood()


def our_model(family: str) -> Model:
    """A new model."""
    model = build(PretrainSettings(model=family, **SHAPE[family]).spec(VOCABULARY[family], pairs=family == "encoder"))
    model.init_weights(0)
    return model


def their_model(folder: Path, family: str) -> nn.Module:
    """The model in a folder, as `transformers` has it."""
    from transformers import BertForPreTraining, LlamaForCausalLM

    if family == "decoder":
        return LlamaForCausalLM.from_pretrained(folder)
    return BertForPreTraining.from_pretrained(folder, attention_probs_dropout_prob=0.0)


def their_inputs(batch: Batch, family: str) -> dict[str, object]:
    """A batch as `transformers` takes it."""
    if family == "decoder":
        labels = {"labels": batch.targets_BT, "shift_labels": batch.targets_BT}
        return {"input_ids": batch.ids_BT, "use_cache": False, **labels}
    real = torch.ones_like(batch.ids_BT)
    if batch.segments_BT is not None:
        real = (batch.segments_BT == batch.segments_BT[:, :1]).long()
    return {
        "input_ids": batch.ids_BT,
        "attention_mask": real,
        "token_type_ids": batch.types_BT,
        "labels": batch.targets_BT.masked_fill(batch.weights_BT == 0, -100),
        "next_sentence_label": batch.labels_B,
    }


def our_loss(model: Model, batch: Batch, family: str) -> float:
    """The loss as `transformers` counts it: the mean over tokens, plus that over pairs."""
    whole = float(objective(family)(model, batch))
    if batch.label_weights_B is None:
        return whole / batch.weight
    of_tokens = replace(batch, labels_B=None, label_weights_B=None)
    tokens = float(objective(family)(model, of_tokens))
    return tokens / of_tokens.weight + (whole - tokens) / float(batch.label_weights_B.sum())


def check(family: str) -> None:
    """Equal weights and an equal batch must give equal losses."""
    made, batch = our_model(family), rows(family).batch(0, ROWS[family])
    with tempfile.TemporaryDirectory() as name, torch.no_grad():
        for parameter in made.parameters():  # output projections begin at zero: nothing of the blocks would be compared
            parameter.add_(torch.randn(parameter.shape) * 0.05)
        save_model(made, Path(name), end_of_text=0)
        expected = float(their_model(Path(name), family).eval()(**their_inputs(batch, family)).loss)
        found = our_loss(load_model(Path(name)).eval(), batch, family)
    if abs(found - expected) > 1e-5 * expected:
        raise SystemExit(f"The losses differ: ours {found:.7f}, transformers {expected:.7f}.")
    print(f"equal weights, equal batch: loss {found:.6f} and {expected:.6f}", flush=True)


def transformers(family: str, steps: int, precision: str, threads: int) -> Iterator[float]:
    """Tokens in a second of each update of the plain loop."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    made = rows(family)
    batches = [made.batch(step * ROWS[family], ROWS[family]) for step in range(steps)]
    with tempfile.TemporaryDirectory() as name:
        save_model(our_model(family), Path(name), end_of_text=0)
        model = their_model(Path(name), family).train()
    optim = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
    for batch in batches:
        began = time.perf_counter()
        optim.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = model(**their_inputs(batch, family)).loss
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optim.step()
        float(loss.detach())
        yield read_tokens(batch) / (time.perf_counter() - began)


def ours(family: str, steps: int, precision: str, threads: int) -> Iterator[float]:
    """Tokens in a second of each update of `fit`, its journal written and its rows made."""
    compute, model, made, count = set_up(threads), our_model(family), rows(family), ROWS[family]
    plan = Plan(steps=steps, batch=count, optimizer="adamw", lr=1e-4, evaluate_every=0, checkpoint_every=0)
    with tempfile.TemporaryDirectory() as folder:
        fit(
            model,
            made,
            objective(family),
            plan,
            compute=compute,
            precision=precision,
            folder=Path(folder),
            evaluate=lambda final: {"val_loss": 0.0},
        )
        lines = (Path(folder) / "metrics.jsonl").read_text("utf-8").splitlines()
    for step, line in enumerate(lines):  # the journal counts what fills rows up too
        batch = made.batch(step * count, count)
        yield json.loads(line)["tokens_per_second"] * read_tokens(batch) / batch.ids_BT.numel()


def main() -> None:
    """Run the sides in turn and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("encoder", "decoder"), default="encoder")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", choices=SIDES, help="one side, in this process")
    given = parser.parse_args()
    if given.side:
        run = {"transformers": transformers, "ours": ours}[given.side]
        rates = list(run(given.model, given.steps, given.precision, given.threads))[WARM_UP:]
        print(json.dumps({"side": given.side, "tokens/s": round(statistics.median(rates)), "best": round(max(rates))}))
        return
    torch.set_num_threads(given.threads)
    check(given.model)
    figures: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
    names = ("model", "steps", "precision", "threads")
    options = [word for name in names for word in (f"--{name}", str(vars(given)[name]))]
    for _ in range(given.runs):
        for side in SIDES:
            command = [sys.executable, __file__, "--side", side, *options]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
            print(done.stdout.strip(), flush=True)
            line = json.loads(done.stdout)
            figures[side].append((line["tokens/s"], line["best"]))
    medians = {side: statistics.median(median for median, _ in runs) for side, runs in figures.items()}
    best = {side: max(rate for _, rate in runs) for side, runs in figures.items()}
    print(f"\n{given.model} {given.precision}, {given.threads} threads; tokens/s: median, ratio, best, ratio")
    for side in SIDES:
        shares = (medians[side] / medians["transformers"], best[side] / best["transformers"])
        print(f"{side:<14}{medians[side]:>10,.0f}{shares[0]:>8.2f}{best[side]:>10,.0f}{shares[1]:>8.2f}")


if __name__ == "__main__":
    main()
