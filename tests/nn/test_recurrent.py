"""The fused kernels that training uses equal the textbook's cells, forwards and backwards, whole and in pieces."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from idiolect.nn import reference_recurrent
from idiolect.nn.cache import RecurrentState
from idiolect.nn.dropout import dropout
from idiolect.nn.recurrent import GATES, PARTS, RecurrentLayer, cut
from idiolect.nn.reference_recurrent import logistic

T, B, D = 7, 3, 5
CELLS = [("rnn", "tanh"), ("rnn", "logistic"), ("lstm", "tanh"), ("gru", "tanh")]
cells = pytest.mark.parametrize(("cell", "bend"), CELLS, ids=[f"{cell}-{bend}" for cell, bend in CELLS])
CLOSE = {"atol": 1e-12, "rtol": 1e-10}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make_layer(cell: str, bend: str = "tanh", seed: int = 0, **more: float) -> RecurrentLayer:
    layer = RecurrentLayer(D, cell, bend, **more).double()
    for number, parameter in enumerate(layer.parameters()):
        parameter.data = random(*parameter.shape, seed=10 * seed + number)
    return layer


def start(cell: str, rows: int = B) -> Tensor:
    """A state that is not zero, within the bounds of any cell."""
    return torch.sigmoid(random(PARTS[cell], rows, D, seed=99))


@cells
@pytest.mark.parametrize("seed", range(3))
def test_the_kernels_equal_the_textbook(cell: str, bend: str, seed: int) -> None:
    layer = make_layer(cell, bend, seed)
    inputs, state = random(T, B, D, seed=seed).requires_grad_(), start(cell).requires_grad_()
    outputs, held = layer(inputs, state)
    rows = [reference_recurrent.read(layer, inputs[:, row], state[:, row]) for row in range(B)]
    expected, expected_held = (torch.stack(parts, dim=1) for parts in zip(*rows))
    torch.testing.assert_close(outputs, expected, **CLOSE)
    torch.testing.assert_close(held, expected_held, **CLOSE)

    weigh = random(T, B, D, seed=7)
    learnt = [inputs, state, *layer.parameters()]
    fast = torch.autograd.grad((outputs * weigh).sum() + held.square().sum(), learnt)
    slow = torch.autograd.grad((expected * weigh).sum() + expected_held.square().sum(), learnt)
    for one, other in zip(fast, slow):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-8)
        assert one.abs().max() > 1e-6


@pytest.mark.parametrize(("cell", "peer"), [("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_the_parameters_are_those_of_torch(cell: str, peer: type[nn.RNNBase]) -> None:
    layer, theirs = make_layer(cell), peer(D, D).double()
    theirs.load_state_dict({f"{name}_l0": value for name, value in layer.state_dict().items()})
    assert layer.weight_hh.shape == (GATES[cell] * D, D)
    zero = torch.zeros(PARTS[cell], B, D, dtype=torch.float64)
    assert torch.equal(layer(random(T, B, D), zero)[0], theirs(random(T, B, D))[0])


@cells
def test_it_goes_on_where_it_stopped(cell: str, bend: str) -> None:
    layer, inputs = make_layer(cell, bend), random(T, B, D)
    whole, whole_held = layer(inputs, start(cell))
    held, outputs = start(cell), []
    for part in inputs.split([1, 4, 2]):
        output, held = layer(part, held)
        outputs.append(output)
    torch.testing.assert_close(torch.cat(outputs), whole, **CLOSE)
    torch.testing.assert_close(held, whole_held, **CLOSE)


SEGMENTS = torch.tensor([[0, 0, 0, 1, 1, 2, 3], [0, 0, 0, 0, 0, 0, 0], [5, 6, 6, 6, 6, 6, 9]])


def test_rows_are_cut_where_the_segment_changes() -> None:
    pieces = cut(SEGMENTS)
    assert pieces.count == 8 and pieces.runs == [(1, 8), (1, 4), (1, 3), (2, 2), (2, 1)]
    assert sorted(pieces.places_N.tolist()) == list(range(21))
    by_piece: dict[int, list[int]] = {}
    for place, piece in zip(pieces.places_N.tolist(), pieces.pieces_N.tolist()):
        by_piece.setdefault(piece, []).append(place)
    found = sorted(by_piece.values())
    assert found == [[0, 1, 2], [3, 4], [5], [6], [*range(7, 14)], [14], [15, 16, 17, 18, 19], [20]]
    assert [by_piece[int(piece)][0] for piece in pieces.firsts_B] == [0, 7, 14]
    assert [by_piece[int(piece)][-1] for piece in pieces.lasts_B] == [6, 13, 20]


@cells
def test_packed_pieces_equal_each_alone(cell: str, bend: str) -> None:
    layer, inputs_BTD, pieces = make_layer(cell, bend), random(B, T, D), cut(SEGMENTS)
    state = start(cell, rows=pieces.count)
    outputs, held = layer(inputs_BTD.flatten(0, 1)[pieces.places_N], state, pieces)
    for piece in range(pieces.count):
        own = pieces.pieces_N == piece
        places = pieces.places_N[own]
        alone, alone_held = layer(inputs_BTD.flatten(0, 1)[places, None], state[:, piece : piece + 1])
        torch.testing.assert_close(outputs[own], alone[:, 0], **CLOSE)
        torch.testing.assert_close(held[:, piece], alone_held[:, 0], **CLOSE)


@cells
def test_weight_drop_takes_weights_from_state_to_state_in_training_only(cell: str, bend: str) -> None:
    layer, plain = make_layer(cell, bend, weight_drop=0.5), make_layer(cell, bend)
    inputs, state = random(T, B, D), start(cell)
    torch.manual_seed(0)
    dropped = dropout(layer.weight_hh.detach(), 0.5, training=True)
    assert 0.3 < (dropped == 0).double().mean() < 0.7
    torch.manual_seed(0)
    outputs, _ = layer(inputs, state)
    plain.weight_hh.data = dropped
    torch.testing.assert_close(outputs, plain(inputs, state)[0], **CLOSE)
    outputs.sum().backward()
    assert layer.weight_hh.grad is not None and torch.equal(layer.weight_hh.grad == 0, dropped == 0)
    layer.eval()
    torch.testing.assert_close(layer(inputs, state)[0], make_layer(cell, bend)(inputs, state)[0], **CLOSE)


def test_the_logistic_function() -> None:
    assert logistic(torch.tensor([0.0])).item() == 0.5
    torch.testing.assert_close(logistic(random(9)), torch.sigmoid(random(9)))


def test_a_state_is_kept_repeated_and_has_no_history() -> None:
    state = RecurrentState(layers=2, parts=2, batch=1, dim=3)
    assert state.length == 0 and not state.tensor().any()
    for layer in range(2):
        state.put(layer, torch.full((2, 1, 3), 1.0 + layer, requires_grad=True) * 2)
    state.advance(4)
    assert state.tensor().shape == (1, 2, 2, 3) and not state.tensor().requires_grad
    wide = state.repeat(3)
    assert wide.length == 4 and wide.layer(1).shape == (2, 3, 3) and (wide.layer(1) == 4.0).all()
    wide.put(0, torch.zeros(2, 3, 3))
    assert (state.layer(0) == 2.0).all(), "the one it came from is as it was"
    wide.put(1, torch.arange(3.0).view(1, 3, 1).expand(2, 3, 3))
    assert wide.select([2, 2, 0]).layer(1)[0, :, 0].tolist() == [2.0, 2.0, 0.0]
    state.advance(5)
    both = wide.beside([state])
    assert both.length == 9 and both.layer(1)[1, :, 2].tolist() == [0.0, 1.0, 2.0, 4.0]
    again = RecurrentState(layers=2, parts=2, batch=3, dim=3)
    again.fill(wide.tensor())
    assert torch.equal(again.tensor(), wide.tensor())
