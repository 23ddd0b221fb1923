"""What is asked for becomes variants, each of them itself; what cannot be compared is refused in words."""

from __future__ import annotations

import pytest

from idiolect.comparing.settings import CompareSettings
from idiolect.comparing.variants import Variant, differences, variants_of
from idiolect.config import build
from idiolect.errors import UsageError
from idiolect.tokenizers.base import Tokenizer


def made(tokenizer: Tokenizer, **given: object) -> list[Variant]:
    return variants_of(build(CompareSettings, given), tokenizer)


def test_each_family_stands_as_it_is_and_with_each_change(tokenizer: Tokenizer) -> None:
    names = [variant.name for variant in made(tokenizer, models="lstm,decoder", variants=["tied=false", "lr=0.5"])]
    assert names == ["lstm", "lstm+tied=false", "lstm+lr=0.5", "decoder", "decoder+tied=false", "decoder+lr=0.5"]


def test_a_single_family_needs_no_name_in_its_variants(tokenizer: Tokenizer) -> None:
    variants = made(tokenizer, variants="positions=alibi, norm=layer+biases=all", dim=64)
    assert [variant.name for variant in variants] == ["decoder", "positions=alibi", "norm=layer+biases=all"]
    assert [variant.settings.positions for variant in variants] == [None, "alibi", None]
    assert variants[2].settings.norm == "layer" and variants[2].settings.biases == "all"
    assert all(variant.settings.dim == 64 for variant in variants)


def test_a_family_may_be_changed_by_itself(tokenizer: Tokenizer) -> None:
    variants = made(tokenizer, models="rnn+bend=logistic,decoder,decoder + shape=gpt2", variants="optimizer=adamw")
    names = ["rnn+bend=logistic", "decoder", "decoder+shape=gpt2"]
    assert [variant.name for variant in variants] == [
        more for name in names for more in (name, f"{name}+optimizer=adamw")
    ]
    assert [variant.settings.lr for variant in variants] == [0.02, 0.01, 0.01, 0.001, 0.01, 0.001]
    assert variants[5].settings.shape == "gpt2"


@pytest.mark.parametrize(
    ("written", "field", "value"),
    [
        ("residual=false", "residual", False),
        ("norm-place=post", "norm_place", "post"),
        ("shape=gpt2", "shape", "gpt2"),
        ("lr=3e-3", "lr", 3e-3),
        ("window=8", "window", 8),
    ],
)
def test_a_value_is_read_as_its_setting_is(written: str, field: str, value: object, tokenizer: Tokenizer) -> None:
    assert getattr(made(tokenizer, variants=written)[1].settings, field) == value


def test_a_family_learns_at_its_own_rates_unless_told(tokenizer: Tokenizer) -> None:
    lstm, decoder = made(tokenizer, models="lstm,decoder")
    assert (lstm.settings.lr, lstm.settings.adamw_lr) == (0.02, 0.01)
    assert (decoder.settings.lr, decoder.settings.adamw_lr) == (0.01, 0.004)
    assert [variant.settings.lr for variant in made(tokenizer, models="lstm,decoder", lr=0.005)] == [0.005, 0.005]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"models": "rnn,lstn"}, r"no family 'lstn'.*Did you mean 'lstm'"),
        ({"models": "rnn,lstm,rnn"}, "rnn is named twice"),
        ({"models": "decoder,decoder+shape=qwen3"}, "shape=qwen3 changes nothing of the decoder"),
        ({"models": "lstm,rnn+shape=gpt2"}, "--shape is for Transformers"),
        ({"models": "decoder,decoder+"}, "is named twice"),
        ({"models": "rnn"}, "needs two variants"),
        ({}, "needs two variants"),
        ({"variants": "positions"}, "setting=value"),
        ({"variants": "positions=alibbi"}, r"'positions' in 'positions=alibbi' must be one of .*Did you mean 'alibi'"),
        ({"variants": "position=alibi"}, r"no setting 'position' to vary. Did you mean 'positions'"),
        ({"variants": "residual=no"}, "must be true or false, not 'no'"),
        ({"variants": "layers=two"}, "must be a whole number, not 'two'"),
        ({"variants": "heads=3"}, "heads .3. must divide dim"),
        ({"variants": "lr=-1"}, "lr must be above 0"),
        ({"variants": "positions=alibi,positions=alibi"}, "positions=alibi is named twice"),
        ({"variants": "positions=alibi+positions=none"}, "sets positions twice"),
        ({"variants": "positions=rotary"}, "positions=rotary changes nothing of the decoder"),
        ({"variants": "shape=qwen3"}, "shape=qwen3 changes nothing"),
        ({"variants": "shape=llama,qk_norm=false+norm_eps=1"}, "no setting 'norm_eps'"),
        ({"variants": "norm=layer,norm=layer+positions=rotary"}, "are the same model"),
        ({"variants": "masked=0.3"}, "changes nothing of the decoder"),
        ({"models": "decoder,lstm", "variants": "heads=8"}, "heads=8 changes nothing of the lstm"),
        ({"models": "lstm", "variants": "positions=alibi"}, "--positions is for Transformers"),
        ({"variants": "weight_drop=0.5"}, "for recurrent networks"),
        ({"variants": "model=lstm"}, "go to --models"),
        ({"variants": "steps=7"}, "steps is the same for all variants, or the budget's to decide"),
        ({"variants": "weight_decay=0.1"}, "changes nothing"),
        ({"variants": "snapshot_every=5"}, "snapshot_every is the same for all"),
        ({"variants": "seed=7"}, "seed is the same for all"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"budget": "money"}, "must be one of tokens, parameters, time"),
    ],
)
def test_what_cannot_be_compared_is_refused(given: dict[str, object], says: str, tokenizer: Tokenizer) -> None:
    with pytest.raises(UsageError, match=says) as refusal:
        made(tokenizer, **given)
    assert "\n" not in str(refusal.value)


def test_an_encoder_answers_another_question(tokenizer: Tokenizer) -> None:
    variants = made(tokenizer, models="decoder,rnn,encoder", variants="dropout=0.1")
    questions = {variant.settings.model: variant.question for variant in variants}
    assert questions == {"decoder": "next token", "rnn": "next token", "encoder": "15% hidden tokens"}
    variants = made(tokenizer, models="encoder", variants="masked=0.3,whole-words=true,pairs=true,positions=rotary")
    assert [variant.question for variant in variants] == [
        "15% hidden tokens",
        "30% hidden tokens",
        "15% hidden words",
        "15% hidden tokens, and pairs",
        "15% hidden tokens",
    ]
    assert variants[0].spec.vocab_size == variants[3].spec.vocab_size > tokenizer.vocab_size


def test_differences_are_what_two_variants_have_and_do_not_share(tokenizer: Tokenizer) -> None:
    found = dict(differences(made(tokenizer, models="lstm,decoder", variants="tied=false")))
    assert found == {
        "tied": [True, False, True, False],
        "family": ["lstm", "lstm", "decoder", "decoder"],
        "lr": [0.02, 0.02, 0.01, 0.01],
        "adamw_lr": [0.01, 0.01, 0.004, 0.004],
    }
    found = dict(differences(made(tokenizer, variants="shape=gpt2")))
    assert found["positions"] == ["rotary", "learned"] and found["biases"] == ["none", "all"]
    assert "lr" not in found
    found = dict(differences(made(tokenizer, variants="optimizer=sgd")))
    assert found["lr"] == [0.01, 1.0] and found["weight_decay"] == [0.1, 0.0]
