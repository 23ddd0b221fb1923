"""Recurrent cells as a textbook writes them, one step each: h_i = RNN(h_{i−1}, x_i). Slow; the fused kernels must
equal them.

A unit looks at the state h before and at the token's vector x through `U h + V x + b`. A simple network bends that
and is done; an LSTM and a GRU have gates, which are such sums squeezed into (0, 1), to decide what to keep.

Costs a handful of small products for each position, one position after the other. Shapes: T positions, D width; no
rows.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from idiolect.nn.recurrent import Bend, RecurrentLayer


class Sum(NamedTuple):
    """The weights of one sum U h + V x + b."""

    U_DD: Tensor
    V_DD: Tensor
    b_D: Tensor

    def of(self, h_D: Tensor, x_D: Tensor) -> Tensor:
        """U h + V x + b."""
        return self.U_DD @ h_D + self.V_DD @ x_D + self.b_D


def logistic(z: Tensor) -> Tensor:
    """1 / (1 + e^−z), between 0 and 1."""
    return 1 / (1 + torch.exp(-z))


def simple_rnn_step(x_D: Tensor, h_D: Tensor, total: Sum, bend: Bend = "tanh") -> Tensor:
    """h' = σ(U h + V x + b) with tanh or the logistic function for σ (Elman 1990, "Finding Structure in Time").

    Example:
        >>> eye = torch.eye(1)
        >>> simple_rnn_step(torch.zeros(1), torch.zeros(1), Sum(eye, eye, torch.zeros(1)), "logistic")
        tensor([0.5000])
    """
    z_D = total.of(h_D, x_D)
    return torch.tanh(z_D) if bend == "tanh" else logistic(z_D)


def lstm_step(
    x_D: Tensor, h_D: Tensor, c_D: Tensor, enter: Sum, forget: Sum, candidate: Sum, leave: Sum
) -> tuple[Tensor, Tensor]:
    """A long short-term memory (Hochreiter & Schmidhuber 1997; the forget gate of Gers et al. 2000): h' and c'.

    The memory c keeps what the forget gate lets stay, and adds what the input gate lets in of a candidate; the output
    gate says how much of it shows in h.
    """
    i_D, f_D, o_D = (logistic(gate.of(h_D, x_D)) for gate in (enter, forget, leave))
    kept_D = f_D * c_D + i_D * torch.tanh(candidate.of(h_D, x_D))
    return o_D * torch.tanh(kept_D), kept_D


def gru_step(x_D: Tensor, h_D: Tensor, reset: Sum, keep: Sum, candidate: Sum, b_state_D: Tensor) -> Tensor:
    """A gated recurrent unit (Cho et al. 2014, "Learning Phrase Representations", section 2.3): h'.

    The update gate mixes the state with a candidate. The reset gate takes away from what the state adds to the
    candidate: after the product with U, as the fused kernels have it, so that it has a bias `b_state` of its own.
    """
    r_D, z_D = logistic(reset.of(h_D, x_D)), logistic(keep.of(h_D, x_D))
    n_D = torch.tanh(candidate.V_DD @ x_D + candidate.b_D + r_D * (candidate.U_DD @ h_D + b_state_D))
    return z_D * h_D + (1 - z_D) * n_D


def read(layer: RecurrentLayer, inputs_TD: Tensor, state_SD: Tensor) -> tuple[Tensor, Tensor]:
    """What `layer` computes of one row: the states h of all positions (T, D), and what it holds at the end (S, D)."""
    weights = (layer.weight_hh, layer.weight_ih, layer.bias_ih, layer.bias_hh)
    gates = list(zip(*(torch.split(weight, inputs_TD.shape[1]) for weight in weights)))
    outputs = []
    for x_D in inputs_TD:
        match layer.cell:
            case "rnn":
                ((U, V, b, more),) = gates
                state_SD = simple_rnn_step(x_D, state_SD[0], Sum(U, V, b + more), layer.bend)[None]
            case "lstm":
                enter, forget, candidate, leave = (Sum(U, V, b + more) for U, V, b, more in gates)
                state_SD = torch.stack(lstm_step(x_D, state_SD[0], state_SD[1], enter, forget, candidate, leave))
            case "gru":
                reset, keep = (Sum(U, V, b + more) for U, V, b, more in gates[:2])
                U, V, b, b_state_D = gates[2]
                state_SD = gru_step(x_D, state_SD[0], reset, keep, Sum(U, V, b), b_state_D)[None]
        outputs.append(state_SD[0])
    return torch.stack(outputs), state_SD
