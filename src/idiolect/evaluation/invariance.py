"""What must not change what a model computes: how its input is cut, packed, batched, remembered, or stored.

Each check computes the same thing in two ways on the same random tokens and gives the largest difference. It says
nothing of how good a model is; it finds the seams at which such software fails silently. Costs a few passes over
rows of at most 64 tokens.

Shapes: B rows, T positions, V vocabulary.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from idiolect.data.batch import Batch
from idiolect.models.model import Model, evaluating
from idiolect.models.weights import load_model, save_model
from idiolect.objectives.likelihood import Likelihood

ROWS, POSITIONS = 4, 64

Logits = Callable[[Tensor], Tensor]
"""Another's computation: ids (B, T) to logits (B, T, V), hidden states (B, T, D), or labels' scores (B, L) of texts."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Two ways of computing the same, and how far apart they came out."""

    what: str
    error: float
    """The largest difference: of logits in units of their root mean square, of gradients likewise."""
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the error is a number within the tolerance."""
        return self.error <= self.tolerance


def prove(model: Model, end_of_text: int, *, seed: int = 0) -> Iterator[Proof]:
    """Every check that goes for a model, one after the other. The model comes back as it was.

    Args:
        model: in fp32 on any device.
        end_of_text: for the folder that is written and read again.
        seed: of the random tokens.

    Example:
        >>> for proof in prove(model, end_of_text=0):
        ...     print(proof.what, proof.error, proof.holds)
    """
    with evaluating(model):
        try:
            yield from _checks(model, end_of_text, seed)
        finally:
            model.zero_grad(set_to_none=True)


def prove_against(name: str, model: Model, theirs: Logits, *, seed: int = 0) -> Proof:
    """That another program computes the same from the same tokens.

    Args:
        name: the other program's.
        model: ours.
        theirs: what it computes: an encoder's hidden states where it gives no labels, and logits otherwise.
        seed: of the random tokens.
    """
    ids_BT = _tokens(model, seed)
    with torch.no_grad():
        if model.spec.family == "encoder" and model.spec.head is None:
            ours = model.hidden(ids_BT)
        else:
            ours = model(ids_BT)
        if model.spec.head is not None and model.spec.head.pooling != "each":
            ours = ours[:, 0 if model.spec.head.pooling == "cls" else -1]
        return Proof(f"ours = {name}", _apart(ours, theirs(ids_BT)), 1e-4)


def _checks(model: Model, end_of_text: int, seed: int) -> Iterator[Proof]:
    ids_BT = _tokens(model, seed)
    with torch.no_grad():
        whole_BTV = _outputs(model, ids_BT)
        single = torch.cat([_outputs(model, row[None]) for row in ids_BT])
        yield Proof("batched = single", _apart(whole_BTV, single), 1e-4)
        yield Proof("packed = unpacked", _apart(*_packed(model, ids_BT)), 1e-4)
        if model.spec.family != "encoder" and model.spec.head is None:
            yield Proof("cached = uncached", _apart(whole_BTV, _cached(model, ids_BT)), 1e-4)
        with tempfile.TemporaryDirectory() as folder:
            save_model(model, Path(folder), end_of_text)
            again = load_model(Path(folder)).eval().to(ids_BT.device)
            yield Proof("saved = loaded", _apart(whole_BTV, _outputs(again, ids_BT)), 0.0)
    yield Proof("accumulated = whole batch", _accumulated(model, ids_BT), 1e-4)


def _outputs(model: Model, ids_BT: Tensor, segments_BT: Tensor | None = None) -> Tensor:
    """Logits, or hidden states of an encoder that has no head for them."""
    hidden_BTD = model.hidden(ids_BT, segments_BT)
    return model.head(hidden_BTD) if _has_head(model) else hidden_BTD


def _has_head(model: Model) -> bool:
    return model.spec.family != "encoder" or model.spec.masked_head or model.spec.head is not None


def _tokens(model: Model, seed: int) -> Tensor:
    """Random ids (B, T), no longer than the model reads."""
    random = torch.Generator().manual_seed(seed)
    ids_BT = torch.randint(model.spec.vocab_size, (ROWS, min(POSITIONS, model.spec.context)), generator=random)
    return ids_BT.to(next(model.parameters()).device)


def _packed(model: Model, ids_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of two documents each, and the documents by themselves."""
    cut = ids_BT.shape[1] // 3 or 1
    segments_BT = (torch.arange(ids_BT.shape[1], device=ids_BT.device) >= cut).long().expand_as(ids_BT)
    apart = [_outputs(model, part) for part in (ids_BT[:, :cut], ids_BT[:, cut:]) if part.shape[1]]
    return _outputs(model, ids_BT, segments_BT), torch.cat(apart, dim=1)


def _cached(model: Model, ids_BT: Tensor) -> Tensor:
    """The same tokens read in three pieces, then one by one, each behind those before it."""
    positions = ids_BT.shape[1]
    cache = model.new_cache(len(ids_BT), positions)
    cuts = sorted({positions // 2, positions // 2 + 1, *range(positions * 3 // 4, positions)})
    edges = [0, *(cut for cut in cuts if 0 < cut < positions), positions]
    parts = [model.hidden(ids_BT[:, begin:end], cache=cache) for begin, end in itertools.pairwise(edges)]
    return model.head(torch.cat(parts, dim=1))


def _accumulated(model: Model, ids_BT: Tensor) -> float:
    """The gradient of a batch of unequal weights at once and in two uneven micro-batches."""
    if not _has_head(model) or ids_BT.shape[1] < 2:
        return 0.0
    weights_BT = torch.ones_like(ids_BT[:, 1:], dtype=torch.float32)
    weights_BT[0, 1:] = 0.0
    outputs = model.spec.vocab_size if model.spec.head is None else len(model.spec.head.labels)
    batch = Batch(ids_BT[:, :-1], ids_BT[:, 1:] % outputs, weights_BT)
    gradients = []
    for cuts in ((0, ROWS), (0, 1, ROWS)):
        model.zero_grad(set_to_none=True)
        for begin, end in itertools.pairwise(cuts):
            loss = Likelihood()(model, batch.rows(begin, end)) / batch.weight
            torch.autograd.backward(loss)
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    return _apart(*gradients)


def _apart(one: Tensor, other: Tensor) -> float:
    """The largest difference, in units of the root mean square of the first."""
    size = one.double().square().mean().sqrt()
    return float((one.double() - other.double()).abs().max() / size.clamp_min(1e-30))
