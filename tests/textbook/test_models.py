"""The textbook on models: T6 and T7 what they give, T8 to T11 their parts, T12 the loss they begin with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.compute import set_up
from idiolect.data.labelled import LabelledText, label_names
from idiolect.language_model import LanguageModel
from idiolect.models.build import build
from idiolect.models.model import Model
from idiolect.models.shapes import SHAPES
from idiolect.models.spec import RecurrentSpec, TransformerSpec
from idiolect.nn import reference_recurrent
from idiolect.nn.attention import Attention
from idiolect.nn.masks import Sight
from idiolect.nn.norms import LayerNorm
from idiolect.nn.positions import rotary_tables, rotate
from idiolect.nn.recurrent import PARTS, Bend, Cell, RecurrentLayer
from idiolect.nn.reference import attend, multi_head
from idiolect.objectives.likelihood import Likelihood
from idiolect.pretraining.masked_tokens import as_encoders
from idiolect.text_classifier import TextClassifier
from idiolect.tokenizers.base import Tokenizer
from idiolect.train.loop import fit
from idiolect.train.plan import Plan

SPEC = TransformerSpec(vocab_size=40, context=16, layers=2, heads=4, kv_heads=2, dim=24, head_dim=6, mlp_dim=32)


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


def test_t6_an_encoders_embedding_of_a_position_depends_on_both_sides() -> None:
    encoder = build(replace(SPEC, family="encoder"))
    encoder.init_weights(seed=1)
    for parameter in encoder.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    ids = torch.arange(10)[None]
    for changed in range(10):
        other = ids.clone()
        other[0, changed] = 20
        moved = (encoder.hidden(ids) - encoder.hidden(other)).abs().amax(dim=-1)[0]
        assert (moved > 1e-4).all()


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


def test_t7_a_decoder_ranks_the_next_words_and_completes_the_one_being_typed() -> None:
    """`the movie was` → a ranked list of next words, each as likely as it was in what the model has read."""
    texts = ["the movie was great"] * 5 + ["the movie was bad"] * 3 + ["the movies were long"] * 2
    tokenizer = Tokenizer.train(texts, vocab_size=264)
    network = build(
        TransformerSpec(tokenizer.vocab_size, 32, layers=1, heads=2, kv_heads=2, dim=32, head_dim=16, mlp_dim=64)
    )
    network.init_weights(seed=0)
    end = tokenizer.end_of_text
    rows = [[*opening, *tokenizer.encode(text), end] for text in texts for opening in ([end], [])]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [end] * (longest - len(row)) for row in rows])
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.0)
    for _ in range(120):
        loss = F.cross_entropy(network(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model = LanguageModel(network.eval(), tokenizer)

    (first, p_first), (second, p_second) = model.autocomplete("the movie was ", k=2)
    assert (first, second) == ("great", "bad")
    assert p_first == pytest.approx(5 / 8, abs=0.1) and p_second == pytest.approx(3 / 8, abs=0.1)
    words = model.autocomplete("the mov", k=2)
    assert [word for word, _ in words] == ["movie", "movies"]
    assert words[0][1] == pytest.approx(8 / 10, abs=0.1)
    assert model.complete("the movie was", temperature=0) == " great"
    assert [choice.text for choice in model.choose("the movie was", [" bad", " great"])] == [" great", " bad"]


def test_t7_an_encoder_classifies_a_text_and_a_pair_of_texts(tmp_path: Path) -> None:
    """[CLS] the movie was great → positive; [CLS] all animals breathe [SEP] cats breathe → entailment. In miniature,
    on texts made for it; on real ones in `tests/test_minilm.py`."""
    things, good, bad = "movie film plot song".split(), "great fine lovely".split(), "awful dull poor".split()
    kinds = {"animals": ["cats", "dogs", "birds"], "plants": ["trees", "herbs", "mosses"]}
    verbs = ["breathe", "sleep", "grow"]
    judged = [
        LabelledText(f"the {thing} was {word}", "positive" if word in good else "negative")
        for thing in things
        for word in good + bad
    ]
    pairs = [
        LabelledText(f"all {kind} {verb}", "entailment" if verb == done else "neutral", second=f"{one} {done}")
        for kind, ones in kinds.items()
        for one in ones
        for verb in verbs
        for done in verbs
    ]
    asked = {judged[0].text: "positive", ("all animals breathe", "cats breathe"): "entailment"}
    words = [text for one in judged + pairs for text in (one.text, one.second or "")]
    tokenizer = as_encoders(Tokenizer.train(words, kind="words", vocab_size=60))
    shape = {**SHAPES["bert"], "layers": 2, "heads": 2, "kv_heads": 2, "dim": 32, "head_dim": 16, "mlp_dim": 64}
    network = build(TransformerSpec(tokenizer.vocab_size, 12, **shape))
    network.init_weights(seed=0)
    for task, (examples, (question, answer)) in enumerate(zip((judged, pairs), asked.items())):
        classifier = TextClassifier.on(LanguageModel(network, tokenizer), label_names(examples))
        unseen = [one for one in examples if (one.text if one.second is None else (one.text, one.second)) == question]
        learnt = [one for one in examples if one not in unseen]
        folder = tmp_path / str(task)
        folder.mkdir()
        fit(
            classifier.model,
            classifier.rows(learnt),
            Likelihood(few=True),
            Plan(steps=100, batch=16, optimizer="adamw", lr=0.003, warmup=10, checkpoint_every=0, evaluate_every=0),
            compute=set_up(1),
            precision="fp32",
            folder=folder,
            evaluate=lambda final: {},
        )
        [(said, probability)] = classifier.classify([question])  # type: ignore[list-item]
        assert len(unseen) == 1 and said == answer and probability > 0.7
        assert classifier.measure(examples).accuracy > 0.95


@pytest.mark.parametrize("family", ["rnn", "lstm", "gru"])
def test_t8_a_recurrent_network_goes_from_left_to_right_and_keeps_no_more_than_its_state(family: str) -> None:
    """h_i = RNN(h_{i−1}, x_i): what comes after depends on what came before through the state alone."""
    model = build(RecurrentSpec(vocab_size=40, context=16, layers=1, dim=24, family=family))
    model.init_weights(seed=0)
    ids = torch.arange(10)[None]
    whole, state = model.hidden(ids), model.new_cache(1, 10)
    for i in range(10):
        torch.testing.assert_close(model.hidden(ids[:, i : i + 1], cache=state)[:, 0], whole[:, i])
        other = ids.clone()
        other[0, i] = 30
        moved = (whole - model.hidden(other)).abs().amax(dim=-1)[0]
        assert not moved[:i].any() and (moved[i:] > 0).all()


@pytest.mark.parametrize(("bend", "sigma"), [("tanh", torch.tanh), ("logistic", torch.sigmoid)])
def test_t8_a_simple_network_is_sigma_of_u_h_and_v_x_and_b(
    items: Tensor, bend: Bend, sigma: Callable[[Tensor], Tensor]
) -> None:
    U, V, b = random_heads(2, 10, 10)[0], random_heads(2, 10, 10)[1], torch.linspace(-1, 1, 10).double()
    layer = RecurrentLayer(10, "rnn", bend).double()
    layer.load_state_dict({"weight_hh": U, "weight_ih": V, "bias_ih": b, "bias_hh": torch.zeros_like(b)})
    h = torch.zeros(10, dtype=torch.float64)
    outputs, _ = layer(items[:, None], h.view(1, 1, 10))
    for x, output in zip(items, outputs[:, 0]):
        h = sigma(U @ h + V @ x + b)
        torch.testing.assert_close(output, h)


@pytest.mark.parametrize(("cell", "peer"), [("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_t8_the_cells_as_they_are_written_equal_torchs_kernels(
    items: Tensor, cell: Cell, peer: type[nn.RNNBase]
) -> None:
    torch.manual_seed(0)
    layer, theirs = RecurrentLayer(10, cell).double(), peer(10, 10).double()
    layer.load_state_dict({name.removesuffix("_l0"): value for name, value in theirs.state_dict().items()})
    outputs, _ = reference_recurrent.read(layer, items, torch.zeros(PARTS[cell], 10, dtype=torch.float64))
    torch.testing.assert_close(outputs, theirs(items)[0])


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
    attention = Attention(dim=10, heads=4, kv_heads=2, head_dim=6, qk_norm_eps=1e-6).double()
    permuted = torch.tensor([3, 0, 6, 1, 5, 2, 4])

    def mixed(items: Tensor, tables: tuple[Tensor, Tensor] | None) -> Tensor:
        return attention(items[None], tables, Sight())[0]

    torch.testing.assert_close(mixed(items[permuted], None), mixed(items, None)[permuted])
    turned = rotary_tables(7, 6, theta=100.0)
    assert not torch.allclose(mixed(items[permuted], turned), mixed(items, turned)[permuted], atol=1e-3)


def test_t11_a_block_is_the_identity_at_initialisation_and_a_residual_afterwards(decoder: Model) -> None:
    fresh = build(SPEC)
    fresh.init_weights(seed=0)
    hidden = torch.randn(2, 5, SPEC.dim)
    tables = rotary_tables(5, SPEC.head_dim, SPEC.rope_theta)
    for block in fresh.layers:
        assert torch.equal(block(hidden, tables, Sight(causal=True)), hidden)
    for block in decoder.layers:
        assert (block(hidden, tables, Sight(causal=True)) - hidden).abs().max() > 0.1
        block.attention.o_proj.weight.data.zero_()
        block.mlp.down_proj.weight.data.zero_()
        assert torch.equal(block(hidden, tables, Sight(causal=True)), hidden)


def test_t11_layer_norm_takes_out_mean_and_scale_and_rms_norm_the_scale(decoder: Model) -> None:
    hidden = 3 + 2 * torch.randn(5, 24)
    normed = LayerNorm(24, eps=0.0)(hidden)
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
    model = build(TransformerSpec(vocab_size=vocab_size, context=64, layers=2, dim=dim, tied=tied))
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
