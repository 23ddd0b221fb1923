"""What an encoder knows of held-out rows: hidden tokens beside the entropy of single tokens, and pairs of texts.

    python benchmarks/encoder.py MODEL TOKENS [--threads 1]

MODEL was trained by `idiolect pretrain TOKENS --model encoder --pairs`; docs/comparisons.md has the commands. Every row
of the validation part is read once, with other tokens hidden and other pairs drawn than in training. Prints the masked
loss, the cross-entropy of the same hidden tokens by their share in the training part, the entropy of those shares, and
how many hidden tokens and pairs are right.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import idiolect
from idiolect.data.encoder_rows import EncoderRows
from idiolect.data.masking import Masking
from idiolect.data.tokens import Tokens
from idiolect.models.transformer import Transformer

ROWS = 64


@torch.inference_mode()
def main() -> None:
    """Read the rows, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("tokens", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    speaker = idiolect.load(arguments.model)
    model, tokenizer = speaker.model.eval(), speaker.tokenizer
    if not isinstance(model, Transformer) or not model.spec.pair_head:
        raise SystemExit(f"{arguments.model} was not trained on pairs: give --pairs to pretrain --model encoder.")
    read = Tokens.load(arguments.tokens)
    training = read.split("train")
    counts_V = np.bincount(training.read(0, len(training)), minlength=tokenizer.vocab_size) + 1.0
    shares_V = torch.from_numpy(counts_V / counts_V.sum())
    masking = Masking.of(tokenizer)
    rows = EncoderRows(read.split("validation"), tokenizer, model.spec.context, masking, seed=0, pairs=True)
    hidden, masked_loss, single_loss, named, pairs, judged = 0, 0.0, 0.0, 0, 0, 0
    for start in range(0, rows.per_epoch, ROWS):
        batch = rows.batch(start, min(ROWS, rows.per_epoch - start))
        hidden_BTD = model.hidden(batch.ids_BT, batch.segments_BT, types_BT=batch.types_BT)
        chosen_BT = batch.weights_BT > 0
        logits_NV = model.head(hidden_BTD[chosen_BT][None])[0].float()
        targets_N = batch.targets_BT[chosen_BT]
        hidden += len(targets_N)
        masked_loss += float(F.cross_entropy(logits_NV, targets_N, reduction="sum"))
        single_loss -= float(shares_V[targets_N].log().sum())
        named += int((logits_NV.argmax(-1) == targets_N).sum())
        asked_B = batch.label_weights_B > 0
        pairs += int(asked_B.sum())
        judged += int((model.pair_logits(hidden_BTD).argmax(-1) == batch.labels_B)[asked_B].sum())
    entropy = float(-(shares_V * shares_V.log()).sum())
    print(f"{rows.per_epoch:,} rows, {hidden:,} hidden tokens, {pairs:,} pairs")
    print(f"masked loss {masked_loss / hidden:.2f} nats; by the shares of single tokens {single_loss / hidden:.2f}")
    print(f"entropy of single tokens {entropy:.2f} nats")
    print(f"hidden tokens named {named / hidden:.1%}; pairs judged right {judged / pairs:.1%}")


if __name__ == "__main__":
    main()
