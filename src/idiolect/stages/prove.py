"""`prove`: that a model computes the same however its input is cut, packed, batched, remembered or stored."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from idiolect.compute import set_up
from idiolect.config import verb
from idiolect.errors import ModelError
from idiolect.evaluation.invariance import Logits, Proof, prove_against
from idiolect.evaluation.invariance import prove as proofs_of
from idiolect.journal import say
from idiolect.model_card import add_proofs
from idiolect.model_folder import load_folder
from idiolect.models.architectures import own
from idiolect.models.config_json import CONFIG, read_config
from idiolect.models.spec import Spec


@dataclass(frozen=True)
class ProveSettings:
    """Proof."""

    seed: int = 0
    """Of the random tokens."""
    threads: int | None = None
    """Processor threads; unset: the machine's cores."""


@verb
def prove(model: Path, settings: ProveSettings) -> list[Proof]:
    """Compute the same in two ways, wherever two ways must agree, and print the largest differences.

    Accumulated = whole batch, packed = unpacked, cached = uncached, batched = single, saved = loaded, and ours =
    `transformers` where that is installed and knows the model; of a model that gives labels, which remembers nothing,
    all but the third. The result goes onto the model's card. Where one does not hold, the exit code is 2.

    Example:
        >>> idiolect.prove("model")
    """
    compute = set_up(settings.threads)
    loaded, tokenizer, _ = load_folder(model)
    loaded.to(compute.device)
    proofs = list(proofs_of(loaded, tokenizer.end_of_text, seed=settings.seed))
    known = read_config(model / CONFIG)[1]["model_type"] != own.MODEL_TYPE
    theirs = _transformers(model, loaded.spec) if known else None
    if theirs is not None:
        proofs.append(prove_against("transformers", loaded.cpu().eval(), theirs, seed=settings.seed))
    table = Table("", "largest error", "tolerance", "", box=None, pad_edge=False)
    for proof in proofs:
        table.add_row(proof.what, f"{proof.error:.1e}", f"{proof.tolerance:.0e}", "holds" if proof.holds else "FAILS")
    Console(highlight=False).print(table)
    if add_proofs(model, proofs):
        say(f"The card {model / 'README.md'} says so.")
    failed = [proof.what for proof in proofs if not proof.holds]
    if failed:
        raise ModelError(f"{model} does not hold that {', '.join(failed)}: its figures cannot be trusted.")
    return proofs


def _transformers(folder: Path, spec: Spec) -> Logits | None:
    """What `transformers` computes of the folder: logits, or the hidden states of an encoder that gives no labels; None
    where it is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            library: Any = importlib.import_module("transformers")
            library.utils.logging.set_verbosity_error()  # an encoder without a pooler is no news
            library.utils.logging.disable_progress_bar()
            kind = getattr(library, _class(spec))
            theirs = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
            if spec.head is not None:
                theirs.config.pad_token_id = -1  # none of the random tokens is padding
    except ImportError:
        say("transformers is not installed: the comparison with it is left out.")
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"transformers cannot read {folder}: {error}.") from error
    return lambda ids_BT: theirs(ids_BT)[0]


def _class(spec: Spec) -> str:
    """The class in `transformers` that reads a model of a shape."""
    if spec.head is not None:
        return f"AutoModelFor{'Token' if spec.head.pooling == 'each' else 'Sequence'}Classification"
    return "AutoModel" if spec.family == "encoder" else "AutoModelForCausalLM"
