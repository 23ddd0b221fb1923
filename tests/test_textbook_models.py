"""The textbook on models: decoders (T6, T7), attention (T9, T10), blocks (T11) and the loss they start from (T12)."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.models.build import build
from idiolect.models.spec import DecoderSpec, Model
from idiolect.nn.attention import Attention
from idiolect.nn.positions import rotary_tables, rotate
from idiolect.nn.reference import attend, multi_head

SPEC = DecoderSpec(vocab_size=40, context=16, layers=2, heads=4, kv_heads=2, dim=24, head_dim=6, mlp_dim=32)


@pytest.fixture
def decoder() -> Model:
    """A decoder whose blocks do something: its initial weights are shaken up."""
    model = build(SPEC)
    model.init_weights(seed=0)
    torch.manual_seed(1)
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


@pytest.fixture
def items() -> Tensor:
    return torch.randn(7, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def random_heads(heads: int, rows: int, columns: int) -> Tensor:
    generator = torch.Generator().manual_seed(rows)
    return torch.randn(heads, rows, columns, dtype=torch.float64, generator=generator)


def test_t6_a_decoders_embedding_of_a_position_depends_on_the_left_only(decoder: Model) -> None:
    ids = torch.arange(10)[None]
    for changed in range(10):
        other = ids.clone()
        other[0, changed] = 30
        moved = (decoder.hidden(ids) - decoder.hidden(other)).abs().amax(dim=-1)[0]
        torch.testing.assert_close(moved[:changed], torch.zeros(changed), atol=1e-5, rtol=0)
        assert (moved[changed:] > 1e-3).all()


def test_t7_a_decoder_gives_embeddings_and_the_distribution_of_the_next_token(decoder: Model) -> None:
    prompt = torch.tensor([[3, 1, 4]])
    embeddings = decoder.hidden(prompt)
    assert embeddings.shape == (1, 3, SPEC.dim)
    here, there = decoder.hidden(torch.tensor([[7, 5]]))[0, 1], decoder.hidden(torch.tensor([[8, 5]]))[0, 1]
    assert (here - there).abs().max() > 1e-3  # the same token in another context

    probabilities = decoder.head(embeddings).softmax(dim=-1)
    assert probabilities.shape == (1, 3, SPEC.vocab_size)
    assert (probabilities > 0).all()
    torch.testing.assert_close(probabilities.sum(dim=-1), torch.ones(1, 3))
    ranked = probabilities[0, -1].argsort(descending=True)
    assert sorted(ranked.tolist()) == list(range(SPEC.vocab_size))
    assert probabilities[0, -1, ranked[0]] > probabilities[0, -1, ranked[-1]]


def test_t9_a_query_takes_a_weighted_mean_of_the_values(items: Tensor) -> None:
    w_query, w_key, w_value = random_heads(3, 4, 10)
    query = items[2] + 1
    output, weights = attend(query, items, w_query, w_key, w_value)

    scores = torch.stack([x @ w_key.T @ w_query @ query for x in items])
    torch.testing.assert_close(weights, scores.exp() / scores.exp().sum())
    torch.testing.assert_close(output, weights @ (items @ w_value.T))
    assert (weights >= 0).all()
    assert weights.sum().item() == pytest.approx(1.0)

    fast = F.scaled_dot_product_attention(
        (w_query @ query)[None, None], (items @ w_key.T)[None], (items @ w_value.T)[None], scale=1.0
    )
    torch.testing.assert_close(fast[0, 0], output)


def test_t9_with_equal_scores_the_output_is_the_mean_value(items: Tensor) -> None:
    w_query, w_key, w_value = random_heads(3, 4, 10)
    output, weights = attend(torch.zeros(10, dtype=torch.float64), items, w_query, w_key, w_value)
    torch.testing.assert_close(weights, torch.full((7,), 1 / 7, dtype=torch.float64))
    torch.testing.assert_close(output, (items @ w_value.T).mean(dim=0))


def test_t10_each_position_is_put_in_for_the_query_and_the_heads_are_added(items: Tensor) -> None:
    w_query, w_key, w_value, w_output = *(random_heads(9, 4, 10).split(3)), random_heads(3, 10, 4)
    by_formula = multi_head(items.T, w_query, w_key, w_value, w_output)
    for position, item in enumerate(items):
        summed = sum(
            w_output[h] @ attend(item / math.sqrt(4), items, w_query[h], w_key[h], w_value[h])[0] for h in range(3)
        )
        torch.testing.assert_close(by_formula[:, position], summed)


def test_t10_without_positions_attention_commutes_with_permutations_and_with_them_not(items: Tensor) -> None:
    torch.manual_seed(0)
    attention = Attention(dim=10, heads=4, kv_heads=2, head_dim=6, norm_eps=1e-6, layer=0).double()
    everything = torch.ones(7, 7, dtype=torch.bool)
    nowhere = torch.ones(7, 6), torch.zeros(7, 6)
    permuted = torch.tensor([3, 0, 6, 1, 5, 2, 4])

    def mixed(items: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
        return attention(items[None], tables, everything)[0]

    torch.testing.assert_close(mixed(items[permuted], nowhere), mixed(items, nowhere)[permuted])
    turned = rotary_tables(7, 6, theta=100.0)
    assert not torch.allclose(mixed(items[permuted], turned), mixed(items, turned)[permuted], atol=1e-3)


def test_t11_a_block_is_the_identity_at_initialisation_and_a_residual_afterwards(decoder: Model) -> None:
    fresh = build(SPEC)
    fresh.init_weights(seed=0)
    hidden = torch.randn(2, 5, SPEC.dim)
    tables = rotary_tables(5, SPEC.head_dim, SPEC.rope_theta)
    for block in fresh.layers:
        assert torch.equal(block(hidden, tables), hidden)
    for block in decoder.layers:
        assert (block(hidden, tables) - hidden).abs().max() > 0.1
        block.self_attn.o_proj.weight.data.zero_()
        block.mlp.down_proj.weight.data.zero_()
        assert torch.equal(block(hidden, tables), hidden)


def test_t11_layer_norm_takes_out_mean_and_scale_and_rms_norm_the_scale(decoder: Model) -> None:
    hidden = 3 + 2 * torch.randn(5, 24)
    normed = nn.LayerNorm(24, elementwise_affine=False, eps=0.0)(hidden)
    torch.testing.assert_close(normed.mean(dim=-1), torch.zeros(5), atol=1e-6, rtol=0)
    torch.testing.assert_close(normed.var(dim=-1, correction=0), torch.ones(5))

    norm = decoder.norm
    norm.weight.data.fill_(1.0)
    torch.testing.assert_close(norm(hidden).square().mean(dim=-1), torch.ones(5))
    torch.testing.assert_close(norm(hidden), norm(7 * hidden))
    centred = hidden - hidden.mean(dim=-1, keepdim=True)
    torch.testing.assert_close(norm(centred), normed, atol=1e-5, rtol=1e-5)


def test_t11_rotary_positions_turn_each_pair_of_channels() -> None:
    vectors = torch.tensor([1.0, 0.0]).expand(4, 2)
    angles = torch.arange(4.0)
    turned = rotate(vectors, rotary_tables(4, 2, theta=10000.0))
    torch.testing.assert_close(turned, torch.stack([angles.cos(), angles.sin()], dim=-1))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("vocab_size", "dim"), [(65, 128), (1024, 128), (8000, 512)])
def test_t12_at_initialisation_the_loss_is_near_log_vocabulary(vocab_size: int, dim: int, tied: bool) -> None:
    model = build(DecoderSpec(vocab_size=vocab_size, context=64, layers=2, dim=dim, tied=tied))
    model.init_weights(seed=0)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(vocab_size, (4, 65), generator=generator)
    loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(vocab_size), abs=0.15)


def test_t12_the_gradient_of_the_loss_equals_finite_differences(decoder: Model) -> None:
    decoder.double()
    ids = torch.tensor([[3, 1, 4, 1, 5]])

    def loss() -> Tensor:
        """Mean over positions of −log softmax(E φ(x_<i))[x_i], written out."""
        logits = decoder.hidden(ids[:, :-1])[0] @ decoder.embed_tokens.weight.T
        return -torch.stack([logits[i].log_softmax(dim=0)[ids[0, i + 1]] for i in range(4)]).mean()

    loss().backward()
    generator = torch.Generator().manual_seed(0)
    for name, parameter in decoder.named_parameters():
        direction = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
        with torch.no_grad():
            parameter.add_(direction, alpha=1e-5)
            above = loss()
            parameter.sub_(direction, alpha=2e-5)
            below = loss()
            parameter.add_(direction, alpha=1e-5)
        assert ((above - below) / 2e-5).item() == pytest.approx((parameter.grad * direction).sum().item(), rel=1e-5), (
            name
        )
