"""The recurrent network: every way of reading the same text gives the same numbers, and every parameter learns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from idiolect.errors import ModelError, UsageError
from idiolect.models.build import build, count_parameters
from idiolect.models.model import Model
from idiolect.models.recurrent import Recurrent
from idiolect.models.spec import RecurrentSpec
from idiolect.models.weights import load_model, save_model
from idiolect.nn.reference_recurrent import read

CLOSE = {"atol": 2e-6, "rtol": 1e-5}
SHAPES: dict[str, dict[str, object]] = {
    "rnn": {"family": "rnn"},
    "logistic rnn": {"family": "rnn", "bend": "logistic"},
    "lstm": {"family": "lstm"},
    "gru": {"family": "gru"},
    "untied": {"tied": False},
    "one layer": {"layers": 1},
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
Make = Callable[..., Model]


@pytest.fixture
def make() -> Make:
    """`make(family=…, …)`: a network in evaluation mode, far from its initial weights."""

    def make(**shape: object) -> Model:
        model = build(RecurrentSpec(**{"vocab_size": 19, "context": 16, "layers": 2, "dim": 12, **shape}))
        model.init_weights(seed=1)
        generator = torch.Generator().manual_seed(2)
        for parameter in model.parameters():
            parameter.data.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
        return model.eval()

    return make


def some_ids(*shape: int) -> Tensor:
    return torch.randint(19, shape, generator=torch.Generator().manual_seed(3))


@shapes
def test_the_model_is_the_textbooks_layers_one_on_the_other(make: Make, shape: dict[str, object]) -> None:
    model = make(**shape).double()
    assert isinstance(model, Recurrent)
    ids = some_ids(9)
    hidden_TD = model.embed_tokens.weight[ids] * (12**0.5 if model.spec.tied else 1)
    for layer in model.layers:
        hidden_TD, _ = read(layer, hidden_TD, model.new_cache(1).layer(0)[:, 0])
    torch.testing.assert_close(model.hidden(ids[None])[0], hidden_TD)
    head = model.embed_tokens if model.lm_head is None else model.lm_head
    torch.testing.assert_close(model(ids[None])[0], hidden_TD @ head.weight.T)


@shapes
@pytest.mark.parametrize("cuts", [[1] * 40, [40], [5, 35], [5, 1, 1, 4, 29]], ids=str)
def test_cached_equals_uncached_at_any_length(make: Make, cuts: list[int], shape: dict[str, object]) -> None:
    model = make(**shape)
    ids = some_ids(3, 40)  # longer than the context
    cache = model.new_cache(3, 40)
    with torch.no_grad():
        parts = [model.hidden(part, cache=cache) for part in ids.split(cuts, dim=1)]
        torch.testing.assert_close(torch.cat(parts, dim=1), model.hidden(ids), **CLOSE)
    assert cache.length == 40 and model.window is None


@shapes
def test_packed_equals_each_document_alone(make: Make, shape: dict[str, object]) -> None:
    model = make(**shape)
    ids = some_ids(2, 16)
    lengths = [[3, 1, 12], [7, 9, 0]]
    segments = torch.stack([torch.arange(3).repeat_interleave(torch.tensor(row)) for row in lengths])
    packed = model(ids, segments)
    for row in range(2):
        alone = [model(part[None])[0] for part in ids[row].split(lengths[row]) if len(part)]
        torch.testing.assert_close(packed[row], torch.cat(alone), **CLOSE)
    assert not torch.allclose(packed, model(ids), atol=1e-2)
    torch.testing.assert_close(model(ids, torch.zeros_like(ids)), model(ids), **CLOSE)


@shapes
def test_no_gradient_crosses_from_one_document_to_another(make: Make, shape: dict[str, object]) -> None:
    model = make(**shape)
    segments = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 2]])
    seen: list[Tensor] = []
    model.embed_tokens.register_forward_hook(lambda module, given, out: seen.append(out.requires_grad_()))
    hidden = model.hidden(some_ids(1, 8), segments)
    (gradient,) = torch.autograd.grad(hidden[0, 6].sum(), seen[0])
    by_place = torch.zeros(8)  # packed: the piece of four, the piece of three, the last one
    by_place[[3, 0, 7, 4, 1, 5, 2, 6]] = gradient.abs().sum(dim=-1)
    assert (by_place[3:7] > 0).all() and not by_place[:3].any() and not by_place[7:].any()


@shapes
def test_the_first_segment_goes_on_from_the_cache_and_others_start_anew(make: Make, shape: dict[str, object]) -> None:
    model = make(**shape)
    before, ids = some_ids(3, 5), some_ids(3, 8)
    segments = torch.tensor([[0, 0, 0, 1, 1, 1, 2, 2], [0] * 8, [1] * 7 + [2]])
    cache = model.new_cache(3, 13)
    model.hidden(before, cache=cache)
    found = model.hidden(ids, segments, cache)
    whole = model.hidden(torch.cat([before, ids], dim=1))[:, 5:]
    torch.testing.assert_close(found[0, :3], whole[0, :3], **CLOSE)
    torch.testing.assert_close(found[0, 3:6], model.hidden(ids[:1, 3:6])[0], **CLOSE)
    torch.testing.assert_close(found[1], whole[1], **CLOSE)
    torch.testing.assert_close(found[2, :7], model.hidden(ids[2:, :7])[0], **CLOSE)
    after = some_ids(3, 4)
    last = [
        torch.cat([ids[0, 6:], after[0]]),
        torch.cat([before[1], ids[1], after[1]]),
        torch.cat([ids[2, 7:], after[2]]),
    ]
    expected = torch.stack([model.hidden(row[None])[0, -4:] for row in last])
    torch.testing.assert_close(model.hidden(after, cache=cache), expected, **CLOSE)


@shapes
def test_batched_equals_single(make: Make, shape: dict[str, object]) -> None:
    model, ids = make(**shape), some_ids(5, 11)
    torch.testing.assert_close(model(ids), torch.cat([model(row[None]) for row in ids]), **CLOSE)


@pytest.mark.parametrize("tied", [True, False])
@shapes
def test_every_parameter_gets_a_gradient(make: Make, tied: bool, shape: dict[str, object]) -> None:
    model, ids = make(**{**shape, "tied": tied}), some_ids(4, 16)
    F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 1e-6, name


def test_dropout_acts_in_training_only(make: Make) -> None:
    for more in ({"dropout": 0.3}, {"dropout": 0.3, "variational": True}, {"weight_drop": 0.3}):
        model, ids = make(**more), some_ids(2, 8)
        torch.testing.assert_close(model(ids), make()(ids))
        model.train()
        torch.manual_seed(0)
        assert not torch.equal(model(ids), model(ids)), more
        torch.testing.assert_close(model.eval()(ids), make()(ids))


@pytest.mark.parametrize("segments", [None, torch.tensor([[0] * 8 + [1] * 24] * 64)], ids=["whole", "cut"])
@pytest.mark.parametrize("variational", [False, True])
def test_variational_dropout_drops_the_same_units_at_each_position(
    make: Make, variational: bool, segments: Tensor | None
) -> None:
    model = make(dropout=0.25, variational=variational, family="rnn").train()
    torch.manual_seed(0)
    dropped_BTD = model.hidden(some_ids(64, 32), segments) == 0
    assert 0.2 < dropped_BTD.double().mean() < 0.3
    alike = (dropped_BTD[:, 8:] == dropped_BTD[:, 8:9]).all(dim=1)
    assert bool(alike.all()) == variational
    assert dropped_BTD[:, 0].any(dim=0).all(), "each row drops others"


def test_initial_weights_are_those_of_the_table_and_depend_on_the_seed_alone(make: Make) -> None:
    one, two = (build(RecurrentSpec(400, 8, dim=64, layers=2)) for _ in range(2))
    torch.manual_seed(0)
    one.init_weights(seed=5)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    two.init_weights(seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters()))
    two.init_weights(seed=6)
    assert isinstance(one, Recurrent) and isinstance(two, Recurrent)
    assert not torch.equal(one.embed_tokens.weight, two.embed_tokens.weight)
    assert one.embed_tokens.weight.std().item() == pytest.approx(1 / 8, rel=0.1)
    for layer in one.layers:
        assert layer.weight_ih.std().item() == pytest.approx(1 / 8, rel=0.1)
        for gate in layer.weight_hh.split(64):
            torch.testing.assert_close(gate @ gate.T, torch.eye(64), atol=1e-5, rtol=0)
        assert layer.bias_ih.tolist() == [0.0] * 64 + [1.0] * 64 + [0.0] * 128 and not layer.bias_hh.any()
    loss = F.cross_entropy(one(torch.randint(400, (4, 50))).flatten(0, 1), torch.randint(400, (200,)))
    assert loss.item() == pytest.approx(5.99, abs=0.1)  # log 400


@shapes
def test_saved_equals_loaded(make: Make, tmp_path: Path, shape: dict[str, object]) -> None:
    model = make(**shape)
    save_model(model, tmp_path, end_of_text=0)
    loaded = load_model(tmp_path)
    assert loaded.spec == model.spec
    assert torch.equal(loaded.eval()(some_ids(2, 9)), model(some_ids(2, 9)))


def test_a_folder_that_is_not_whole_is_refused(make: Make, tmp_path: Path) -> None:
    save_model(make(), tmp_path, end_of_text=0)
    config = (tmp_path / "config.json").read_text("utf-8")
    (tmp_path / "config.json").write_text(config.replace('"family": "lstm"', '"family": "gru"'), "utf-8")
    with pytest.raises(ModelError, match=r"layers.0.weight_ih has shape \[48, 12\]; config.json makes it \[36, 12\]"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text(config.replace('"family": "lstm"', '"family": "eli"'), "utf-8")
    with pytest.raises(ModelError, match="family"):
        load_model(tmp_path)


def test_its_parameters_are_counted_without_building_it() -> None:
    for family, gates in (("rnn", 1), ("gru", 3), ("lstm", 4)):
        spec = RecurrentSpec(31, 8, layers=3, dim=10, family=family)
        assert count_parameters(spec) == 31 * 10 + 3 * gates * (2 * 10 * 10 + 2 * 10)


def test_shapes_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="weight_drop must be at least 0 and below 1"):
        RecurrentSpec(9, 8, weight_drop=1.0)
    with pytest.raises(UsageError, match="bend is a simple recurrent network's"):
        RecurrentSpec(9, 8, family="gru", bend="logistic")


@pytest.mark.parametrize("segments", [None, torch.arange(4).repeat_interleave(4).expand(2, 16)], ids=["whole", "cut"])
@shapes
def test_bf16_gives_logits_near_those_of_fp32(make: Make, shape: dict[str, object], segments: Tensor | None) -> None:
    model, ids = make(**shape), some_ids(2, 16)
    expected, cache = model(ids, segments), model.new_cache(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model.head(model.hidden(ids, segments, cache))
    torch.testing.assert_close(logits.float(), expected, atol=0.25, rtol=0.05)
    assert cache.layer(0).dtype == torch.float32
    F.cross_entropy(logits.float().flatten(0, 1), ids.flatten()).backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in model.parameters())
    with torch.no_grad():
        logits = model.bfloat16()(ids, segments)
    assert logits.dtype == torch.bfloat16
    torch.testing.assert_close(logits.float(), expected, atol=0.25, rtol=0.05)
