"""What a person asks for becomes a shape: sizes, the switches of a known model, and those that were changed."""

from __future__ import annotations

import pytest

from idiolect.config import build
from idiolect.errors import UsageError
from idiolect.models import build as models
from idiolect.models.shapes import SHAPES
from idiolect.models.spec import RecurrentSpec, TransformerSpec
from idiolect.pretraining.settings import SWITCHES, PretrainSettings


def spec(**given: object) -> TransformerSpec:
    made = build(PretrainSettings, given).spec(100)
    assert isinstance(made, TransformerSpec)
    return made


def test_the_default_is_a_decoder_in_qwen3s_shape() -> None:
    expected = TransformerSpec(100, 256, layers=4, dim=128, heads=4, kv_heads=4, head_dim=32, mlp_dim=344)
    assert spec() == expected == spec(shape="qwen3")


@pytest.mark.parametrize("shape", SHAPES)
def test_each_known_shape_can_be_built(shape: str) -> None:
    made = spec(shape=shape, model=SHAPES[shape]["family"], dim=16, heads=2, layers=1)
    assert models.count_parameters(made) > 0
    for name, value in SHAPES[shape].items():
        assert getattr(made, name) == value


def test_a_switch_changes_the_shape_and_nothing_else() -> None:
    gpt2 = spec(shape="gpt2")
    assert gpt2.mlp_dim == 4 * gpt2.dim
    changed = spec(shape="gpt2", positions="alibi", qk_norm=True)
    assert (changed.positions, changed.qk_norm, changed.norm) == ("alibi", True, "layer")
    assert spec(gated=False).mlp_dim == 512


def test_an_encoder_with_pairs_has_the_heads_for_them() -> None:
    settings = build(PretrainSettings, {"model": "encoder", "pairs": True})
    with_pairs, without = settings.spec(100, pairs=True), settings.spec(100)
    assert isinstance(with_pairs, TransformerSpec) and isinstance(without, TransformerSpec)
    assert with_pairs.pooler and with_pairs.pair_head and not without.pooler


@pytest.mark.parametrize("family", ["rnn", "lstm", "gru"])
def test_a_recurrent_network_has_no_switches_of_transformers(family: str) -> None:
    made = build(PretrainSettings, {"model": family, "weight_drop": 0.5}).spec(100)
    assert made == RecurrentSpec(100, 256, 4, 128, family=family, weight_drop=0.5)
    for name in ("shape", *SWITCHES):
        value = {"shape": "gpt2", "positions": "alibi", "norm": "rms", "norm_place": "pre", "activation": "gelu"}
        value |= {"biases": "all", "window": 3, "global_every": 2}
        with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} is for Transformers"):
            build(PretrainSettings, {"model": family, name: value.get(name, True)}).spec(100)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"heads": 3}, "must divide dim"),
        ({"shape": "bert"}, "is not a shape of kind decoder"),
        ({"model": "encoder", "shape": "llama"}, "is not a shape of kind encoder"),
        ({"weight_drop": 0.5}, "for recurrent networks"),
        ({"variational": True}, "for recurrent networks"),
        ({"bend": "logistic"}, "for recurrent networks"),
        ({"model": "lstm", "bend": "logistic"}, "bend is a simple recurrent network's"),
        ({"window": -1}, "window must be 0 or more"),
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        build(PretrainSettings, given).spec(100)


@pytest.mark.parametrize(
    ("given", "rates"),
    [
        ({}, (0.01, 0.004)),
        ({"model": "encoder"}, (0.01, 0.004)),
        ({"model": "gru"}, (0.02, 0.01)),
        ({"model": "rnn", "lr": 0.5}, (0.5, 0.01)),
        ({"model": "lstm", "adamw_lr": 0.5}, (0.02, 0.5)),
        ({"model": "lstm", "optimizer": "adamw"}, (0.01, None)),
        ({"optimizer": "adamw"}, (0.001, None)),
    ],
)
def test_rates_that_are_not_given_are_the_familys(given: dict[str, object], rates: tuple[float, float | None]) -> None:
    settings = build(PretrainSettings, given).with_rates()
    assert (settings.lr, settings.adamw_lr) == rates
    assert settings.with_rates() == settings
