"""Pre-training an encoder: ours, with everything `fit` does, against BertForPreTraining of `transformers` in a plain
loop.

4 layers of 256, 4 heads, a vocabulary of 8,192, 32 pairs of up to 128 positions, dropout 0.1 (none of attention's
weights, which we do not drop), AdamW, gradients clipped: masked tokens and next sentences, on random text of 40
documents.

    python benchmarks/encoder.py [--runs 3] [--steps 15] [--precision fp32] [--threads 2]

First the two are given equal weights and a batch, and their losses must be equal. Then each side runs in a process of
its own, in turn, on the same rows; the plain loop has them ready before it starts, ours makes them as it goes. Prints
one JSON line for each run, and a table with the ratio of tokens read in a second (no padding counted): of the medians,
and of the quickest step of all runs, for machines that are not quiet. Random text, so this is about speed alone.
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
from torch import nn

from idiolect.compute import set_up
from idiolect.data.batch import Batch
from idiolect.data.encoder_rows import EncoderRows
from idiolect.data.masking import Masking
from idiolect.models.build import build
from idiolect.models.transformer import Transformer
from idiolect.models.weights import load_model, save_model
from idiolect.objectives.likelihood import MaskedLikelihood
from idiolect.pretraining.masked_tokens import as_encoders
from idiolect.pretraining.settings import PretrainSettings
from idiolect.tokenizers.characters import CharacterTokenizer
from idiolect.train.loop import fit
from idiolect.train.plan import Plan

VOCABULARY, ROWS, CONTEXT = 8192, 32, 128
SHAPE = {"layers": 4, "heads": 4, "dim": 256, "context": CONTEXT, "dropout": 0.1}
SIDES = ("transformers", "ours")
WARM_UP = 3


class RandomStream:
    """Forty documents of random ids."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self._ids = random.integers(1, VOCABULARY - 4, size=400_000)
        self.starts = np.sort(random.choice(len(self._ids), 40, replace=False))
        self.starts[0] = 0

    def __len__(self) -> int:
        return len(self._ids)

    def read(self, start: int, stop: int) -> np.ndarray:
        """The ids from `start` to `stop`."""
        return self._ids[start:stop]


def rows() -> EncoderRows:
    """Pairs of texts, tokens hidden."""
    alphabet = map(chr, range(0x4E00, 0x4E00 + VOCABULARY - 5))  # and <|endoftext|>, [CLS], [SEP], [MASK], [PAD]
    tokenizer = as_encoders(CharacterTokenizer(alphabet))
    assert tokenizer.vocab_size == VOCABULARY
    return EncoderRows(RandomStream(), tokenizer, CONTEXT, Masking.of(tokenizer), seed=0, pairs=True)


def read_tokens(batch: Batch) -> int:
    """Tokens of a batch without what fills its rows up."""
    if batch.segments_BT is None:
        return batch.ids_BT.numel()
    return int((batch.segments_BT == batch.segments_BT[:, :1]).sum())


def our_model() -> Transformer:
    """A new model of BERT's shape."""
    model = build(PretrainSettings(model="encoder", **SHAPE).spec(VOCABULARY, pairs=True))
    assert isinstance(model, Transformer)
    model.init_weights(0)
    return model


def their_model(folder: Path) -> nn.Module:
    """The model in a folder, as `transformers` has it."""
    from transformers import BertForPreTraining

    return BertForPreTraining.from_pretrained(folder, attention_probs_dropout_prob=0.0)


def their_inputs(batch: Batch) -> dict[str, torch.Tensor]:
    """A batch as `transformers` takes it."""
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


def check() -> None:
    """Equal weights and an equal batch must give equal losses: the mean over hidden tokens, plus that over pairs."""
    made, batch = our_model(), rows().batch(0, ROWS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with torch.no_grad():  # output projections begin at zero: nothing of the blocks would be compared
            for parameter in made.parameters():
                parameter.add_(torch.randn(parameter.shape) * 0.05)
        save_model(made, folder, end_of_text=0)
        theirs = their_model(folder).eval()
        ours = load_model(folder).eval()
    assert isinstance(ours, Transformer) and batch.label_weights_B is not None
    with torch.no_grad():
        expected = float(theirs(**their_inputs(batch)).loss)
        labels = batch.label_weights_B
        tokens = MaskedLikelihood()(
            ours, Batch(batch.ids_BT, batch.targets_BT, batch.weights_BT, batch.segments_BT, batch.types_BT)
        )
        whole = MaskedLikelihood()(ours, batch)
        found = float(tokens / batch.weights_BT.sum() + (whole - tokens) / labels.sum())
    if abs(found - expected) > 1e-5 * expected:
        raise SystemExit(f"The losses differ: ours {found:.7f}, transformers {expected:.7f}.")
    print(f"equal weights, equal batch: loss {found:.6f} and {expected:.6f}", flush=True)


def transformers(steps: int, precision: str, threads: int) -> Iterator[float]:
    """Tokens in a second of each update of the plain loop."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    made = rows()
    batches = [made.batch(step * ROWS, ROWS) for step in range(steps)]
    with tempfile.TemporaryDirectory() as name:
        save_model(our_model(), Path(name), end_of_text=0)
        model = their_model(Path(name)).train()
    optim = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
    for batch in batches:
        began = time.perf_counter()
        optim.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = model(**their_inputs(batch)).loss
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optim.step()
        float(loss.detach())
        yield read_tokens(batch) / (time.perf_counter() - began)


def ours(steps: int, precision: str, threads: int) -> Iterator[float]:
    """Tokens in a second of each update of `fit`, its journal written and its rows made."""
    compute, model, made = set_up(threads), our_model(), rows()
    plan = Plan(steps=steps, batch=ROWS, optimizer="adamw", lr=1e-4, evaluate_every=0, checkpoint_every=0)
    with tempfile.TemporaryDirectory() as folder:
        fit(
            model,
            made,
            MaskedLikelihood(),
            plan,
            compute=compute,
            precision=precision,
            folder=Path(folder),
            evaluate=lambda final: {"val_loss": 0.0},
        )
        lines = (Path(folder) / "metrics.jsonl").read_text("utf-8").splitlines()
    for step, line in enumerate(lines):  # the journal counts what fills rows up too
        batch = made.batch(step * ROWS, ROWS)
        yield json.loads(line)["tokens_per_second"] * read_tokens(batch) / batch.ids_BT.numel()


def main() -> None:
    """Run the sides in turn and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", choices=SIDES, help="one side, in this process")
    given = parser.parse_args()
    if given.side:
        run = {"transformers": transformers, "ours": ours}[given.side]
        rates = list(run(given.steps, given.precision, given.threads))[WARM_UP:]
        print(json.dumps({"side": given.side, "tokens/s": round(statistics.median(rates)), "best": round(max(rates))}))
        return
    torch.set_num_threads(given.threads)
    check()
    figures: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
    options = [word for name in ("steps", "precision", "threads") for word in (f"--{name}", str(vars(given)[name]))]
    for _ in range(given.runs):
        for side in SIDES:
            command = [sys.executable, __file__, "--side", side, *options]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
            print(done.stdout.strip(), flush=True)
            line = json.loads(done.stdout)
            figures[side].append((line["tokens/s"], line["best"]))
    medians = {side: statistics.median(median for median, _ in runs) for side, runs in figures.items()}
    best = {side: max(rate for _, rate in runs) for side, runs in figures.items()}
    print(f"\n{given.precision:<14}{'tokens/s':>10}{'ratio':>8}{'best':>10}{'ratio':>8}   ({given.threads} threads)")
    for side in SIDES:
        shares = (medians[side] / medians["transformers"], best[side] / best["transformers"])
        print(f"{side:<14}{medians[side]:>10,.0f}{shares[0]:>8.2f}{best[side]:>10,.0f}{shares[1]:>8.2f}")


if __name__ == "__main__":
    main()
