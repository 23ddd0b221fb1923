"""One layer of a recurrent network over whole rows, by PyTorch's fused kernels; `reference_recurrent` writes them out.

A token costs 2 · 2 · gates · dim² floating-point operations (1 gate in a simple network, 3 in a GRU, 4 in an LSTM),
and backwards twice as many. Positions come one after the other, so what keeps the machine busy is the number of rows.

Rows that are cut into pieces (several documents in a row) are packed: the first positions of all pieces, then the
second ones, and so on, the longest piece first. The kernel runs over the positions that as many pieces have, and again
over the next ones, so that no position is computed that nobody asked for.

Shapes: B rows, T positions, N = B · T positions packed, P pieces, S tensors of a state, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from idiolect.nn.dropout import dropout

Cell = Literal["rnn", "lstm", "gru"]
Bend = Literal["tanh", "logistic"]

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
"""Matrices from state to state, stacked in one: an LSTM's in the order input, forget, candidate, output; a GRU's
reset, update, candidate."""
PARTS = {"rnn": 1, "lstm": 2, "gru": 1}
"""Tensors of a state: h, and an LSTM's memory c."""


class RecurrentLayer(nn.Module):
    """h_i = RNN(h_{i−1}, x_i), of width `dim` inside and outside.

    The parameters are those of `torch.nn.RNN`, `LSTM` and `GRU`: matrices V (`weight_ih`) and U (`weight_hh`), their
    gates stacked, and two biases, of which only the sum counts but for a GRU's candidate.

    Args:
        cell: which of the three.
        bend: what bends a simple network's sum.
        weight_drop: share of U's weights that is dropped, in training, one draw for a whole pass (Merity et al. 2018,
            "Regularizing and Optimizing LSTM Language Models", section 2).
    """

    def __init__(self, dim: int, cell: Cell, bend: Bend = "tanh", weight_drop: float = 0.0) -> None:
        super().__init__()
        self.cell = cell
        self.bend = bend
        self.weight_drop = weight_drop
        rows = GATES[cell] * dim
        self.weight_ih = nn.Parameter(torch.empty(rows, dim))
        self.weight_hh = nn.Parameter(torch.empty(rows, dim))
        self.bias_ih = nn.Parameter(torch.empty(rows))
        self.bias_hh = nn.Parameter(torch.empty(rows))

    def forward(self, inputs: Tensor, state_SBD: Tensor, pieces: Pieces | None = None) -> tuple[Tensor, Tensor]:
        """The states h of all positions, and what is held behind the last one.

        Args:
            inputs: (T, B, D); with `pieces`, packed (N, D).
            state_SBD: what is held before the first position: (S, B, D), or (S, P, D) for packed pieces.
        """
        weight_hh = dropout(self.weight_hh, self.weight_drop, self.training)
        weights = [self.weight_ih, weight_hh, self.bias_ih, self.bias_hh]
        if pieces is None:
            return self._run(inputs, state_SBD, weights)
        outputs = []
        for part, (positions, alive) in zip(torch.split(inputs, [t * p for t, p in pieces.runs]), pieces.runs):
            states, held = self._run(part.view(positions, alive, -1), state_SBD[:, :alive], weights)
            outputs.append(states.flatten(0, 1))
            state_SBD = torch.cat([held, state_SBD[:, alive:]], dim=1)
        return torch.cat(outputs), state_SBD

    def _run(self, inputs_TBD: Tensor, state_SBD: Tensor, weights: list[Tensor]) -> tuple[Tensor, Tensor]:
        """One call of the kernel."""
        options = (True, 1, 0.0, self.training, False, False)
        states = [part_BD[None] for part_BD in state_SBD]
        match self.cell:
            case "lstm":
                outputs_TBD, *held = torch.lstm(inputs_TBD, states, weights, *options)
            case "gru":
                outputs_TBD, *held = torch.gru(inputs_TBD, states[0], weights, *options)
            case "rnn" if self.bend == "tanh":
                outputs_TBD, *held = torch.rnn_tanh(inputs_TBD, states[0], weights, *options)
            case "rnn":
                bent_TBD, bent_held = torch.rnn_tanh(inputs_TBD, 2 * states[0] - 1, _as_tanh(weights), *options)
                outputs_TBD, held = (1 + bent_TBD) / 2, [(1 + bent_held) / 2]
        return outputs_TBD, torch.cat(held).to(state_SBD.dtype)


def _as_tanh(weights: list[Tensor]) -> list[Tensor]:
    """The weights with which a network of tanh computes g = 2h − 1 where one of the logistic function computes h.

    The logistic function is (1 + tanh(z / 2)) / 2, and U h = U g / 2 + U 1 / 2; there is no fused kernel of it.
    """
    V, U, b, more = weights
    return [V / 2, U / 4, b / 2 + U.sum(dim=1) / 4, more / 2]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Rows cut into pieces that know nothing of each other, and how to pack them.

    Example:
        >>> cut(torch.tensor([[0, 0, 1], [0, 0, 0]])).runs
        [(1, 3), (1, 2), (1, 1)]
    """

    places_N: Tensor
    """Of each packed position, its place among the B · T of the rows."""
    pieces_N: Tensor
    """Of each packed position, its piece; 0 is the longest."""
    runs: list[tuple[int, int]]
    """So many positions, and so many pieces that have them, from the first positions on."""
    firsts_B: Tensor
    """Of each row, its first piece."""
    lasts_B: Tensor
    """Of each row, its last piece."""

    @property
    def count(self) -> int:
        """Pieces in all."""
        return self.runs[0][1]


def cut(segments_BT: Tensor) -> Pieces:
    """Cut rows wherever the segment changes."""
    starts_BT = torch.ones_like(segments_BT, dtype=torch.bool)
    starts_BT[:, 1:] = segments_BT[:, 1:] != segments_BT[:, :-1]
    pieces_N = starts_BT.flatten().cumsum(0) - 1  # in reading order, at first
    lengths_P = torch.bincount(pieces_N)
    ranks_P = lengths_P.argsort(descending=True, stable=True).argsort()
    begins_P = starts_BT.flatten().nonzero()[:, 0]
    within_N = torch.arange(len(pieces_N), device=pieces_N.device) - begins_P[pieces_N]
    alive, positions = torch.unique_consecutive(torch.bincount(within_N), return_counts=True)
    pieces_N = ranks_P[pieces_N]
    places_N = (within_N * len(lengths_P) + pieces_N).argsort()
    pieces_BT = pieces_N.view_as(segments_BT)
    runs = list(zip(positions.tolist(), alive.tolist()))
    return Pieces(places_N, pieces_N[places_N], runs, pieces_BT[:, 0], pieces_BT[:, -1])
