"""The Transformer: every way of reading the same text gives the same numbers, and every parameter learns."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from variants import DECODERS, ENCODERS

from idiolect.errors import UsageError
from idiolect.models.model import Model
from idiolect.nn import attention
from idiolect.nn.cache import KVCache


@pytest.fixture(autouse=True, scope="module", params=[0, attention.SHORT], ids=["fused", "plain"])
def both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test here holds for the fused kernel and for the plain products of short rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "SHORT", request.param)
        yield


CLOSE = {"atol": 2e-5, "rtol": 1e-4}


def some_ids(model: Model, *shape: int) -> Tensor:
    return torch.randint(model.spec.vocab_size, shape, generator=torch.Generator().manual_seed(3))


def test_initial_weights_depend_on_the_seed_alone(make_decoder) -> None:
    one, two = make_decoder(tied=False), make_decoder(tied=False)
    torch.manual_seed(0)
    one.init_weights(seed=5)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    two.init_weights(seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, two.state_dict()[name]), name
    two.init_weights(seed=6)
    assert not torch.equal(one.embed_tokens.weight, two.embed_tokens.weight)


@pytest.mark.parametrize(("tied", "embedding"), [(True, 2 / 64), (False, 1.0)])
def test_initial_weights_are_those_of_the_table(make_decoder, tied: bool, embedding: float) -> None:
    model = make_decoder(vocab_size=400, dim=64, mlp_dim=96, tied=tied)
    model.init_weights(seed=0)
    spreads = {"embed_tokens": embedding, "lm_head": 1 / 64} | dict.fromkeys(("q_proj", "gate_proj", "up_proj"), 1 / 8)
    for name, parameter in model.named_parameters():
        part = name.split(".")[-2]
        if part in spreads:
            assert parameter.std().item() == pytest.approx(spreads[part], rel=0.1), name
            assert abs(parameter.mean().item()) < 0.1 * spreads[part], name
        elif part in ("o_proj", "down_proj"):
            assert not parameter.any(), name
        elif "norm" in part:
            assert (parameter == 1).all(), name


@pytest.mark.parametrize("shape", DECODERS.values(), ids=DECODERS.keys())
@pytest.mark.parametrize("cuts", [[1] * 16, [16], [5, 11], [5, 1, 1, 4, 5]], ids=str)
def test_cached_equals_uncached(make_decoder, cuts: list[int], shape: dict[str, object]) -> None:
    model = make_decoder(**shape)
    ids = some_ids(model, 3, 16)
    cache = model.new_cache(3, 16)
    with torch.no_grad():
        parts = [model.hidden(part, cache=cache) for part in ids.split(cuts, dim=1)]
        torch.testing.assert_close(torch.cat(parts, dim=1), model.hidden(ids), **CLOSE)
    assert cache.length == 16


@pytest.mark.parametrize("shape", (DECODERS | ENCODERS).values(), ids=(DECODERS | ENCODERS).keys())
def test_packed_equals_each_document_alone(make_decoder, shape: dict[str, object]) -> None:
    model = make_decoder(**shape)
    ids = some_ids(model, 2, 16)
    lengths = [[3, 1, 12], [7, 9, 0]]
    segments = torch.stack([torch.arange(3).repeat_interleave(torch.tensor(row)) for row in lengths])
    packed = model(ids, segments)
    for row in range(2):
        alone = [model(part[None])[0] for part in ids[row].split(lengths[row]) if len(part)]
        torch.testing.assert_close(packed[row], torch.cat(alone), **CLOSE)
    assert not torch.allclose(packed, model(ids), atol=1e-2)


def test_one_segment_equals_none(make_decoder) -> None:
    model = make_decoder()
    ids = some_ids(model, 2, 9)
    torch.testing.assert_close(model(ids, torch.zeros_like(ids)), model(ids), **CLOSE)


@pytest.mark.parametrize("shape", (DECODERS | ENCODERS).values(), ids=(DECODERS | ENCODERS).keys())
def test_batched_equals_single(make_decoder, shape: dict[str, object]) -> None:
    model = make_decoder(**shape)
    ids = some_ids(model, 5, 11)
    torch.testing.assert_close(model(ids), torch.cat([model(row[None]) for row in ids]), **CLOSE)


@pytest.mark.parametrize("tied", [True, False])
def test_the_gradient_equals_finite_differences(make_decoder, tied: bool) -> None:
    model = make_decoder(vocab_size=5, dim=4, heads=2, kv_heads=1, head_dim=2, mlp_dim=3, layers=1, tied=tied).double()
    ids, targets = some_ids(model, 1, 4), some_ids(model, 1, 4).flip(1)
    segments = torch.tensor([[0, 0, 0, 1]])
    names, parameters = zip(*model.named_parameters())

    def loss(*values: Tensor) -> Tensor:
        logits = torch.func.functional_call(model, dict(zip(names, values)), (ids, segments))
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    assert torch.autograd.gradcheck(loss, parameters, eps=1e-6, atol=1e-7)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("shape", (DECODERS | ENCODERS).values(), ids=(DECODERS | ENCODERS).keys())
def test_every_parameter_gets_a_gradient(make_decoder, tied: bool, shape: dict[str, object]) -> None:
    model = make_decoder(tied=tied, **shape)
    ids = some_ids(model, 4, 16)
    hidden = model.hidden(ids[:, :-1], types_BT=(ids[:, :-1] % 2 if model.spec.types else None))
    loss = F.cross_entropy(model.head(hidden).flatten(0, 1), ids[:, 1:].flatten())
    if model.spec.pair_head:
        loss = loss + F.cross_entropy(model.pair_logits(hidden), torch.tensor([0, 1, 1, 0]))
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        if not name.endswith("k_proj.bias"):  # it adds the same to all the scores of a query, which softmax takes out
            assert parameter.grad.abs().max() > 1e-6, name


def test_dropout_acts_in_training_only(make_decoder) -> None:
    model = make_decoder(dropout=0.3)
    ids = some_ids(model, 2, 8)
    assert torch.equal(model(ids), model(ids))
    torch.testing.assert_close(model(ids), make_decoder()(ids))
    model.train()
    torch.manual_seed(0)
    assert not torch.equal(model(ids), model(ids))
    torch.testing.assert_close(model.eval()(ids), make_decoder()(ids))


def test_autocast_gives_logits_near_those_of_fp32_and_fp32_gradients(make_decoder) -> None:
    model = make_decoder()
    ids = some_ids(model, 2, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.hidden(ids)
        logits = model.head(hidden)
    assert hidden.dtype == torch.float32
    torch.testing.assert_close(logits.float(), model(ids), atol=0.15, rtol=0.05)
    F.cross_entropy(logits.float().flatten(0, 1), ids.flatten()).backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in model.parameters())


def test_it_runs_in_bf16_with_a_cache(make_decoder) -> None:
    model = make_decoder()
    ids = some_ids(model, 2, 16)
    expected = model(ids)
    model.bfloat16()
    spec = model.spec
    cache = KVCache(spec.layers, 2, spec.kv_heads, spec.context, spec.head_dim, dtype=torch.bfloat16)
    with torch.no_grad():
        logits = torch.cat([model.head(model.hidden(part, cache=cache)) for part in ids.split(4, dim=1)], dim=1)
    assert logits.dtype == torch.bfloat16
    torch.testing.assert_close(logits.float(), expected, atol=0.2, rtol=0.05)


@pytest.mark.parametrize("shape", ENCODERS.values(), ids=ENCODERS.keys())
def test_an_encoder_sees_both_sides_and_says_that_it_cannot_go_on(make_decoder, shape: dict[str, object]) -> None:
    model = make_decoder(**{**shape, "window": 0})
    ids = some_ids(model, 1, 9)
    changed = torch.cat([ids[:, :-1], 1 + ids[:, -1:] % 18], dim=1)
    assert (model.hidden(ids)[:, 0] - model.hidden(changed)[:, 0]).abs().max() > 1e-3
    with pytest.raises(UsageError, match="does not continue text"):
        model.new_cache(1, 9)
    with pytest.raises(UsageError, match="no head for masked tokens"):
        make_decoder(family="encoder").head(torch.zeros(1, 1, 12))
    with pytest.raises(UsageError, match="no pooler"):
        make_decoder(family="encoder").pooled(torch.zeros(1, 1, 12))


@pytest.mark.parametrize("shape", (DECODERS | ENCODERS).values(), ids=(DECODERS | ENCODERS).keys())
def test_the_weights_of_attention_are_shares_of_what_may_be_seen(make_decoder, shape: dict[str, object]) -> None:
    model = make_decoder(**shape)
    ids = some_ids(model, 2, 9)
    weights = model.attention_weights(ids)
    assert weights.shape == (model.spec.layers, 2, 4, 9, 9)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(weights.shape[:-1]))
    if model.spec.family == "decoder":
        assert (weights.triu(diagonal=1) == 0).all()
    else:
        assert (weights.triu(diagonal=1) > 0).any()


def test_without_any_positions_an_encoder_commutes_with_permutations(make_decoder) -> None:
    model = make_decoder(family="encoder", positions="none")
    ids, order = some_ids(model, 1, 9), torch.tensor([4, 0, 8, 2, 6, 1, 7, 3, 5])
    torch.testing.assert_close(model.hidden(ids[:, order]), model.hidden(ids)[:, order], **CLOSE)
    for positions in ("rotary", "learned", "sinusoidal", "alibi"):
        model = make_decoder(family="encoder", positions=positions)
        assert not torch.allclose(model.hidden(ids[:, order]), model.hidden(ids)[:, order], atol=1e-2), positions


def test_a_text_longer_than_the_context_is_refused(make_decoder) -> None:
    model = make_decoder()
    with pytest.raises(UsageError, match="17 tokens are more than the model's context of 16"):
        model(some_ids(model, 1, 17))
    cache = model.new_cache(1, 16)
    model.hidden(some_ids(model, 1, 10), cache=cache)
    with pytest.raises(UsageError, match="17 tokens"):
        model.hidden(some_ids(model, 1, 7), cache=cache)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own, of torch.jit
def test_compiled_equals_eager(make_decoder) -> None:
    model = make_decoder()
    compiled = torch.compile(model)
    ids = some_ids(model, 2, 16)
    segments = torch.arange(4).repeat_interleave(4).expand(2, 16)
    for given in (None, segments):
        torch.testing.assert_close(compiled(ids, given), model(ids, given), **CLOSE)
    compiled(ids).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
