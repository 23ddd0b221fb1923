"""Heads that give labels: on any body, in the folders of `transformers` both ways, with nothing left as it happened."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from idiolect.errors import ModelError, UsageError
from idiolect.models.build import build, with_head
from idiolect.models.config_json import TokenIds, read_config
from idiolect.models.heads import Headed
from idiolect.models.spec import HeadSpec, RecurrentSpec, Spec, TransformerSpec
from idiolect.models.weights import load_model, save_model

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import transformers

PAD = 1
NAMES = ("good", "bad", "neither")
SIZES = {
    **{"vocab_size": 41, "hidden_size": 16, "intermediate_size": 20, "num_hidden_layers": 2},
    **{"num_attention_heads": 4, "max_position_embeddings": 24, "pad_token_id": PAD},
    **{"bos_token_id": 0, "eos_token_id": 0},
}
LABELS = {"id2label": dict(enumerate(NAMES)), "label2id": {name: number for number, name in enumerate(NAMES)}}
GROUPED = {"num_key_value_heads": 2}
CONFIGS = {
    "Bert": (transformers.BertConfig, {"hidden_dropout_prob": 0.0}),
    "Roberta": (transformers.RobertaConfig, {"hidden_dropout_prob": 0.0, "type_vocab_size": 1}),
    "Llama": (transformers.LlamaConfig, {}),
    "Mistral": (transformers.MistralConfig, {**GROUPED, "sliding_window": 5}),
    "Qwen2": (transformers.Qwen2Config, GROUPED),
    "Qwen3": (transformers.Qwen3Config, {**GROUPED, "head_dim": 6}),
    "GPT2": (transformers.GPT2Config, {}),
}
RENAMED = {
    **{"hidden_size": "n_embd", "intermediate_size": "n_inner", "num_hidden_layers": "n_layer"},
    **{"num_attention_heads": "n_head", "max_position_embeddings": "n_positions"},
}
CLASSES = [f"{name}For{kind}Classification" for name in CONFIGS for kind in ("Sequence", "Token")]


def theirs_in(folder: Path, name: str, **config: object) -> torch.nn.Module:
    """A folder of `transformers` with a tiny classifier, and the model."""
    kind, own = CONFIGS[name.split("For")[0]]
    sizes = {RENAMED.get(field, field) if name.startswith("GPT2") else field: size for field, size in SIZES.items()}
    torch.manual_seed(0)
    model = getattr(transformers, name)(kind(**{**sizes, **own, **LABELS, **config}))
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    return model.eval()


def ids_of_unequal_length() -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (3, 20), the padding behind them, and where it is none."""
    ids_BT = torch.randint(2, 41, (3, 20), generator=torch.Generator().manual_seed(1))
    there_BT = torch.arange(20) < torch.tensor([20, 7, 13])[:, None]
    return ids_BT.masked_fill(~there_BT, PAD), there_BT


def assert_equal(ours: Headed, theirs: torch.nn.Module) -> None:
    """The logits of each text, or of each token, in a batch of unequal lengths."""
    ids_BT, there_BT = ids_of_unequal_length()
    with torch.no_grad():
        told = theirs(ids_BT, attention_mask=there_BT.long()).logits
        found = ours.head(ours.hidden(ids_BT, (~there_BT).long()))
    if ours.pooling == "each":
        found, told = found[there_BT], told[there_BT]
    else:
        places = there_BT.sum(dim=1) - 1 if ours.pooling == "last" else torch.zeros(3, dtype=torch.int64)
        found = found[torch.arange(3), places]
    torch.testing.assert_close(found, told, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", CLASSES)
def test_transformers_computes_the_same_both_ways(tmp_path: Path, name: str) -> None:
    theirs = theirs_in(tmp_path, name)
    ours = load_model(tmp_path).eval()
    assert isinstance(ours, Headed) and ours.labels == NAMES
    assert_equal(ours, theirs)
    (tmp_path / "back").mkdir()
    save_model(ours, tmp_path / "back", end_of_text=0, tokens=TokenIds(pad=PAD))
    back, notes = getattr(transformers, name).from_pretrained(tmp_path / "back", output_loading_info=True)
    assert not any(notes.values()), notes
    assert back.config.id2label == LABELS["id2label"] and back.config.label2id == LABELS["label2id"]
    assert_equal(ours, back.eval())
    again = load_model(tmp_path / "back")
    assert again.spec == ours.spec
    for key, tensor in ours.state_dict().items():
        assert torch.equal(again.state_dict()[key], tensor), key
    assert not (tmp_path / "back" / "generation_config.json").exists(), "it generates nothing"


def test_without_names_the_labels_are_numbered_as_everywhere(tmp_path: Path) -> None:
    theirs_in(tmp_path, "BertForSequenceClassification", id2label=None, label2id=None, num_labels=2)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("id2label", None), config.pop("label2id", None)
    for more in ({}, {"num_labels": 2}, {"_num_labels": 2, "output_past": True}):
        path.write_text(json.dumps(config | more), encoding="utf-8")
        assert load_model(tmp_path).spec.head == HeadSpec(("LABEL_0", "LABEL_1"))
    path.write_text(json.dumps(config | {"_num_labels": 9}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"classifier\.bias has shape \[2\]|classifier\.weight has shape \[2, 16\]"):
        load_model(tmp_path)


def test_a_decoder_without_padding_is_written_with_its_end_of_text_as_one(tmp_path: Path) -> None:
    """Their decoders find the last token by the padding's id, and classify one text at a time without."""
    theirs_in(tmp_path, "LlamaForSequenceClassification", pad_token_id=None)
    ours = load_model(tmp_path).eval()
    (tmp_path / "back").mkdir()
    save_model(ours, tmp_path / "back", end_of_text=PAD)
    assert_equal(ours, transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "back").eval())


@pytest.mark.parametrize("name", ["RobertaForSequenceClassification", "BertForTokenClassification"])
def test_a_pooler_that_nothing_reads_is_passed_over(tmp_path: Path, name: str) -> None:
    """Well-known checkpoints of both kinds have one (roberta-large-mnli, bert-base-NER)."""
    theirs = theirs_in(tmp_path, name)
    prefix = name.split("For")[0].lower()
    more = {f"{prefix}.pooler.dense.weight": torch.ones(16, 16), f"{prefix}.pooler.dense.bias": torch.ones(16)}
    save_file(load_file(tmp_path / "model.safetensors") | more, tmp_path / "model.safetensors")
    assert_equal(load_model(tmp_path).eval(), theirs)


DAMAGE = {
    "BertForSequenceClassification": {
        "lacks the tensor classifier.weight": {"classifier.weight": None},
        "lacks the tensor bert.pooler.dense.bias": {"bert.pooler.dense.bias": None},
        "classifier.weight has shape [2, 16]; config.json makes it [3, 16]": {"classifier.weight": torch.ones(2, 16)},
        "has the tensor score.weight": {"score.weight": torch.ones(3, 16)},
        "classifier.bias holds a number that is not finite": {"classifier.bias": torch.full((3,), torch.nan)},
    },
    "RobertaForSequenceClassification": {
        "lacks the tensor classifier.dense.weight": {"classifier.dense.weight": None},
        "lacks the tensor classifier.out_proj.bias": {"classifier.out_proj.bias": None},
    },
    "Qwen3ForSequenceClassification": {
        "lacks the tensor score.weight": {"score.weight": None},
        "has the tensor score.bias": {"score.bias": torch.ones(3)},
        "score.weight holds a number that is not finite": {"score.weight": torch.full((3, 16), torch.inf)},
    },
    "GPT2ForTokenClassification": {"lacks the tensor classifier.bias": {"classifier.bias": None}},
}


@pytest.mark.parametrize(
    ("name", "said", "changes"),
    [(name, said, changes) for name, all_ in DAMAGE.items() for said, changes in all_.items()],
)
def test_tensors_of_a_head_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, name: str, said: str, changes: dict[str, torch.Tensor | None]
) -> None:
    theirs_in(tmp_path, name)
    tensors = load_file(tmp_path / "model.safetensors") | changes
    save_file({key: t for key, t in tensors.items() if t is not None}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError) as refused:
        load_model(tmp_path)
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"problem_type": "multi_label_classification"},
        {"problem_type": "regression"},
        {"id2label": {"0": "a", "2": "b"}},
        {"id2label": {"0": "a", "1": "a", "2": "b"}},
        {"id2label": {"0": "a", "1": 3}},
        {"id2label": {}},
        {"id2label": ["a", "b"]},
        {"id2label": {"0": ""}},
    ],
    ids=repr,
)
def test_labels_that_cannot_be_told_apart_are_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    theirs_in(tmp_path, "BertForSequenceClassification")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    with pytest.raises(ModelError) as refused:
        read_config(path)
    assert any(word in str(refused.value) for word in ("id2label", "problem_type", "Labels"))


SMALL = {"vocab_size": 41, "context": 16, "layers": 1, "dim": 12}
TINY = {**SMALL, "heads": 2, "kv_heads": 2, "head_dim": 6, "mlp_dim": 20}
BODIES: dict[str, Spec] = {
    "decoder": TransformerSpec(**TINY),
    "untied decoder": TransformerSpec(**TINY, tied=False),
    "encoder": TransformerSpec(**TINY, family="encoder", masked_head=True, window=4, tied=False),
    "lstm": RecurrentSpec(**SMALL),
    "untied gru": RecurrentSpec(**SMALL, family="gru", tied=False),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("pooling", ["cls", "last", "mean", "each"])
def test_any_body_has_any_head_that_makes_sense_and_comes_back_bit_for_bit(
    tmp_path: Path, name: str, pooling: str
) -> None:
    model = build(BODIES[name])
    model.init_weights(seed=1)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    head = HeadSpec(NAMES, pooling=pooling)
    if pooling == "cls" and name != "encoder":
        with pytest.raises(UsageError, match="first position"):
            with_head(model, head, seed=0)
        return
    headed = with_head(model, head, seed=0).eval()
    ids_BT = torch.arange(12).view(2, 6)
    with torch.no_grad():
        if pooling != "mean":
            assert torch.equal(headed.hidden(ids_BT), model.eval().hidden(ids_BT)), "the body is the model's own"
        logits_BTL = headed(ids_BT)
        assert logits_BTL.shape == (2, 6, 3)
        headed.body.embed_tokens.weight.add_(1.0)  # type: ignore[operator]
    assert all(torch.equal(model.state_dict()[key], tensor) for key, tensor in before.items()), "copies, not shares"
    with torch.no_grad():
        headed.body.embed_tokens.weight.sub_(1.0)  # type: ignore[operator]
    save_model(headed, tmp_path, end_of_text=0)
    again = load_model(tmp_path)
    assert again.spec == headed.spec
    for key, tensor in headed.state_dict().items():
        assert torch.equal(again.state_dict()[key], tensor), key
    with pytest.raises(UsageError, match="does not continue text"):
        headed.new_cache(1, 4)


def test_another_head_takes_the_place_of_the_first() -> None:
    model = build(BODIES["encoder"])
    model.init_weights(seed=1)
    first = with_head(model, HeadSpec(NAMES), seed=0)
    second = with_head(first, HeadSpec(("yes", "no"), pooling="mean"), seed=0)
    assert second.spec == replace(first.spec, pooler=False, head=HeadSpec(("yes", "no"), pooling="mean"))
    ids_BT = torch.arange(12).view(2, 6)
    for one, other in zip(first.body.layers.parameters(), second.body.layers.parameters()):  # type: ignore[union-attr]
        assert torch.equal(one, other)
    assert second(ids_BT).shape == (2, 6, 2)


@pytest.mark.parametrize("name", BODIES)
def test_the_mean_is_that_of_each_document(name: str) -> None:
    headed = build(
        replace(BODIES[name], masked_head=False, tied=True, head=HeadSpec(NAMES, pooling="mean"))
        if name == "encoder"
        else replace(BODIES[name], head=HeadSpec(NAMES, pooling="mean"))
    )
    headed.init_weights(seed=0)
    headed.eval()
    ids_BT, segments_BT = torch.arange(18).view(2, 9), torch.tensor([[0] * 4 + [1] * 5, [0] * 7 + [1] * 2])
    with torch.no_grad():
        means_BTD = headed.hidden(ids_BT, segments_BT)
        bare_BTD = headed.body.hidden(ids_BT, segments_BT)
        for row, cut in ((0, 4), (1, 7)):
            for begin, end in ((0, cut), (cut, 9)):
                expected = bare_BTD[row, begin:end].mean(dim=0).expand(end - begin, -1)
                torch.testing.assert_close(means_BTD[row, begin:end], expected)
        alone_BTD = headed.hidden(ids_BT[:1, :4])
    torch.testing.assert_close(means_BTD[:1, :4], alone_BTD, atol=1e-5, rtol=0)


@pytest.mark.parametrize("labels", [(), ("a", "a"), ("a", "")])
def test_labels_are_different_names(labels: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="Labels must be"):
        HeadSpec(labels)


def test_a_head_of_labels_is_the_only_one() -> None:
    with pytest.raises(UsageError, match="one head"):
        TransformerSpec(**TINY, family="encoder", masked_head=True, head=HeadSpec(NAMES))
    with pytest.raises(UsageError, match="pooler"):
        TransformerSpec(**TINY, family="encoder", pooler=True, head=HeadSpec(NAMES, pooling="mean"))
