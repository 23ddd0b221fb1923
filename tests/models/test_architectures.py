"""GPT-2, BERT and RoBERTa: what `transformers` computes from a folder we compute, and the other way round."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from idiolect.errors import ModelError
from idiolect.models.config_json import TokenIds, read_config
from idiolect.models.spec import TransformerSpec
from idiolect.models.transformer import Transformer
from idiolect.models.weights import load_model, save_model

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import transformers

GPT2 = {"vocab_size": 41, "n_embd": 12, "n_layer": 2, "n_head": 3, "n_positions": 24, "bos_token_id": 0}
BERT = {
    **{"vocab_size": 41, "hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 2},
    **{"num_attention_heads": 3, "max_position_embeddings": 26, "hidden_dropout_prob": 0.0},
}
DECODERS = {
    "gpt2": {},
    "wide": {"n_inner": 7},
    "exact gelu": {"activation_function": "gelu"},
    "fast gelu": {"activation_function": "gelu_fast"},
    "relu": {"activation_function": "relu"},
    "other constants": {"layer_norm_epsilon": 1e-3, "activation_function": "gelu_pytorch_tanh"},
}
ENCODERS = {
    "BertModel": {},
    "BertForMaskedLM": {},
    "BertForPreTraining": {"hidden_act": "gelu_new", "layer_norm_eps": 1e-3},
    "BertForNextSentencePrediction": {"hidden_act": "relu"},
    "RobertaModel": {},
    "RobertaForMaskedLM": {},
}


def shaken(model: torch.nn.Module) -> torch.nn.Module:
    """Every parameter away from its initial zero or one."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()


def gpt2(folder: Path, shard_size: str = "1GB", **config: object) -> torch.nn.Module:
    """A folder of `transformers` with a tiny GPT-2, and the model."""
    model = shaken(transformers.GPT2LMHeadModel(transformers.GPT2Config(**GPT2 | config)))
    model.save_pretrained(folder, max_shard_size=shard_size)
    return model


def encoder(folder: Path, name: str, shard_size: str = "1GB", pooler: bool = True, **config: object) -> torch.nn.Module:
    """A folder of `transformers` with a tiny encoder of a class, and the model."""
    kind = transformers.RobertaConfig if name.startswith("Roberta") else transformers.BertConfig
    options = {} if pooler else {"add_pooling_layer": False}
    if kind is transformers.RobertaConfig:
        config = {"pad_token_id": 1, "type_vocab_size": 1} | config
    model = shaken(getattr(transformers, name)(kind(**BERT | config), **options))
    model.save_pretrained(folder, max_shard_size=shard_size)
    return model


def assert_equal_encoders(ours: Transformer, theirs: torch.nn.Module) -> None:
    """Hidden states, pooled vectors and the logits of each head, on pairs of segments."""
    ids_BT = torch.randint(3, 41, (2, ours.spec.context))
    types_BT = (torch.arange(ours.spec.context) > 9).long().expand(2, -1) if ours.spec.types > 1 else None
    with torch.no_grad():
        hidden_BTD = ours.hidden(ids_BT, types_BT=types_BT)
        base = theirs.base_model(ids_BT, token_type_ids=types_BT)
        torch.testing.assert_close(hidden_BTD, base.last_hidden_state, atol=1e-5, rtol=0)
        if base.pooler_output is not None:
            torch.testing.assert_close(ours.pooled(hidden_BTD), base.pooler_output, atol=1e-5, rtol=0)
        told = theirs(ids_BT, token_type_ids=types_BT)
        masked = told.prediction_logits if "prediction_logits" in told else told.get("logits")
        if masked is not None and masked.ndim == 3:
            torch.testing.assert_close(ours.head(hidden_BTD), masked, atol=1e-5, rtol=0)
        pairs = told.seq_relationship_logits if "seq_relationship_logits" in told else told.get("logits")
        if pairs is not None and pairs.ndim == 2:
            torch.testing.assert_close(ours.pair_logits(hidden_BTD), pairs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("shard_size", ["1GB", "3KB"])
def test_gpt2_both_ways(tmp_path: Path, name: str, tied: bool, shard_size: str) -> None:
    theirs = gpt2(tmp_path, shard_size, tie_word_embeddings=tied, **DECODERS[name])
    assert (tmp_path / "model.safetensors.index.json").exists() == (shard_size == "3KB")
    ours = load_model(tmp_path).eval()
    ids_BT = torch.randint(41, (2, 24))
    with torch.no_grad():
        torch.testing.assert_close(ours(ids_BT), theirs(ids_BT).logits, atol=1e-5, rtol=0)
    (tmp_path / "back").mkdir()
    save_model(ours, tmp_path / "back", end_of_text=0)
    back, notes = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "back", output_loading_info=True)
    assert type(back) is type(theirs) and not any(notes.values()), notes
    with torch.no_grad():
        torch.testing.assert_close(back(ids_BT).logits, theirs(ids_BT).logits, atol=1e-5, rtol=0)
    assert load_model(tmp_path / "back").spec == ours.spec


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("shard_size", ["1GB", "3KB"])
def test_encoders_both_ways(tmp_path: Path, name: str, tied: bool, shard_size: str) -> None:
    theirs = encoder(tmp_path, name, shard_size, tie_word_embeddings=tied, **ENCODERS[name])
    ours = load_model(tmp_path).eval()
    assert isinstance(ours, Transformer)
    assert ours.spec.context == (24 if name.startswith("Roberta") else 26)
    assert ours.spec.tied == (tied or not ours.spec.masked_head)
    assert_equal_encoders(ours, theirs)
    (tmp_path / "back").mkdir()
    save_model(ours, tmp_path / "back", end_of_text=0, tokens=TokenIds(pad=1))
    back, notes = type(theirs).from_pretrained(tmp_path / "back", output_loading_info=True)
    assert not any(notes.values()), notes
    assert_equal_encoders(ours, back.eval())
    assert load_model(tmp_path / "back").spec == ours.spec


@pytest.mark.parametrize("name", ["BertModel", "RobertaModel"])
def test_a_bare_encoder_comes_with_a_pooler_or_without(tmp_path: Path, name: str) -> None:
    theirs = encoder(tmp_path, name, pooler=False)
    ours = load_model(tmp_path).eval()
    assert isinstance(ours, Transformer)
    assert not ours.spec.pooler
    assert_equal_encoders(ours, theirs)


def renamed(folder: Path, change: object, **more: torch.Tensor) -> None:
    """Give the tensors of a folder other names."""
    tensors = load_file(folder / "model.safetensors")
    save_file({change(name): tensor for name, tensor in tensors.items()} | more, folder / "model.safetensors")


def test_a_gpt2_folder_of_the_hub_is_read(tmp_path: Path) -> None:
    """No prefix, the masks of an older class, and a config.json of its time."""
    theirs = gpt2(tmp_path)
    masks = {f"h.{n}.attn.bias": torch.ones(1, 1, 24, 24, dtype=torch.uint8) for n in range(2)}
    masks |= {f"h.{n}.attn.masked_bias": torch.tensor(-1e4) for n in range(2)}
    renamed(tmp_path, lambda name: name.removeprefix("transformer."), **masks)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    for field in ("tie_word_embeddings", "dtype", "n_inner", "scale_attn_weights", "reorder_and_upcast_attn"):
        config.pop(field, None)
    config |= {"n_ctx": 24, "task_specific_params": {"text-generation": {"do_sample": True}}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    ids_BT = torch.randint(41, (2, 24))
    ours = load_model(tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(ours(ids_BT), theirs(ids_BT).logits, atol=1e-5, rtol=0)


def test_a_bert_folder_of_the_hub_is_read(tmp_path: Path) -> None:
    """The norms' old names, heads beyond what its class needs, the tied head once more, and positions as a table."""
    theirs = encoder(tmp_path, "BertForPreTraining")
    embedding = theirs.bert.embeddings.word_embeddings.weight.detach()
    more = {
        "bert.embeddings.position_ids": torch.arange(26)[None],
        "cls.predictions.decoder.weight": embedding.clone(),
        "cls.predictions.decoder.bias": theirs.cls.predictions.bias.detach().clone(),
    }

    def old(name: str) -> str:
        return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")

    renamed(tmp_path, old, **more)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config |= {"architectures": ["BertForMaskedLM"], "position_embedding_type": "absolute"}
    del config["tie_word_embeddings"]
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    ours = load_model(tmp_path).eval()
    assert isinstance(ours, Transformer)
    assert ours.spec.pooler and ours.spec.pair_head and ours.spec.tied
    assert_equal_encoders(ours, theirs)
    renamed(tmp_path, old, **{"cls.predictions.decoder.bias": torch.ones(41)})
    with pytest.raises(ModelError, match=r"decoder\.bias differs from cls\.predictions\.bias"):
        load_model(tmp_path)


def test_a_bare_bert_without_its_prefix_is_read(tmp_path: Path) -> None:
    theirs = encoder(tmp_path, "BertForMaskedLM")
    renamed(tmp_path, lambda name: name.removeprefix("bert."))
    ours = load_model(tmp_path).eval()
    assert isinstance(ours, Transformer)
    assert_equal_encoders(ours, theirs)


def test_robertas_padding_needs_an_id(tmp_path: Path) -> None:
    """Without a padding token the same arithmetic is written as BERT's, whose positions no text can shift."""
    encoder(tmp_path, "RobertaForMaskedLM")
    ours = load_model(tmp_path).eval()
    (tmp_path / "back").mkdir()
    save_model(ours, tmp_path / "back", end_of_text=0)
    back = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "back").eval()
    assert isinstance(back, transformers.BertForMaskedLM) and isinstance(ours, Transformer)
    assert_equal_encoders(ours, back)


DAMAGE = {
    "gpt2": {
        "lacks the tensor transformer.ln_f.weight": {"transformer.ln_f.weight": None},
        "lacks the tensor transformer.h.1.attn.c_attn.bias": {"transformer.h.1.attn.c_attn.bias": None},
        "has the tensor transformer.h.0.attn.q.weight": {"transformer.h.0.attn.q.weight": torch.ones(1)},
        "c_attn.weight has shape [36, 12]; config.json makes it [12, 36]": {
            "transformer.h.1.attn.c_attn.weight": torch.ones(36, 12)
        },
        "wpe.weight has shape [23, 12]": {"transformer.wpe.weight": torch.ones(23, 12)},
        "lm_head.weight differs from transformer.wte.weight": {"lm_head.weight": torch.ones(41, 12)},
        "are two names of one tensor": {"ln_f.bias": torch.ones(12)},
        "c_fc.weight is of type I64": {"transformer.h.0.mlp.c_fc.weight": torch.ones(12, 48, dtype=torch.int64)},
        "c_proj.bias holds a number that is not finite": {
            "transformer.h.0.attn.c_proj.bias": torch.full((12,), torch.nan)
        },
    },
    "BertForPreTraining": {
        "lacks the tensor bert.pooler.dense.bias": {"bert.pooler.dense.bias": None},
        "lacks the tensor cls.seq_relationship.weight": {"cls.seq_relationship.weight": None},
        "lacks the tensor cls.predictions.bias": {"cls.predictions.bias": None},
        "has the tensor cls.classifier.weight": {"cls.classifier.weight": torch.ones(2, 12)},
        "self.key.weight has shape [12, 13]": {"bert.encoder.layer.1.attention.self.key.weight": torch.ones(12, 13)},
        "decoder.weight differs": {"cls.predictions.decoder.weight": torch.ones(41, 12)},
        "position_embeddings.weight holds a number": {
            "bert.embeddings.position_embeddings.weight": torch.full((26, 12), torch.inf)
        },
    },
    "RobertaModel": {
        "lacks the tensor roberta.pooler.dense.weight": {"pooler.dense.weight": None},
        "has the tensor lm_head.bias": {"lm_head.bias": torch.ones(41)},
        "position_embeddings.weight has shape [24, 12]; config.json makes it [26, 12]": {
            "embeddings.position_embeddings.weight": torch.ones(24, 12)
        },
    },
}


@pytest.mark.parametrize(
    ("name", "said", "changes"),
    [(name, said, changes) for name, all_ in DAMAGE.items() for said, changes in all_.items()],
)
def test_tensors_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, name: str, said: str, changes: dict[str, torch.Tensor | None]
) -> None:
    if name == "gpt2":
        gpt2(tmp_path)
    else:
        encoder(tmp_path, name)
    tensors = load_file(tmp_path / "model.safetensors") | changes
    assert len(tensors) < len(load_file(tmp_path / "model.safetensors")) + 2
    save_file({key: t for key, t in tensors.items() if t is not None}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError) as refused:
        load_model(tmp_path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


REFUSED = {
    "gpt2": [
        {"scale_attn_by_inverse_layer_idx": True},
        {"reorder_and_upcast_attn": True},
        {"scale_attn_weights": False},
        {"add_cross_attention": True},
        {"activation_function": "quick_gelu"},
        {"n_ctx": 25},
        {"n_head": 5},
        {"n_inner": 0},
        {"n_positions": None},
        {"architectures": ["GPT2ForQuestionAnswering"]},
        {"tie_word_embeddings": None},
        {"layer_norm_epsilon": "small"},
        {"experts": 8},
    ],
    "RobertaForMaskedLM": [
        {"position_embedding_type": "relative_key"},
        {"is_decoder": True},
        {"add_cross_attention": True},
        {"hidden_act": "relu"},
        {"num_attention_heads": 5},
        {"pad_token_id": -1},
        {"pad_token_id": 25},
        {"pad_token_id": "1"},
        {"max_position_embeddings": 2},
        {"type_vocab_size": 0},
        {"architectures": ["BertForMaskedLM"]},
        {"architectures": ["RobertaForMultipleChoice"]},
        {"embedding_size": 6},
    ],
}


@pytest.mark.parametrize(
    ("name", "changes"), [(name, changes) for name, fields in REFUSED.items() for changes in fields], ids=repr
)
def test_a_config_of_another_model_is_refused_by_the_fields_name(
    tmp_path: Path, name: str, changes: dict[str, object]
) -> None:
    if name == "gpt2":
        gpt2(tmp_path)
    else:
        encoder(tmp_path, name)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    with pytest.raises(ModelError) as refused:
        read_config(path)
    ours = {"pad_token_id": "max_position_embeddings"}
    assert any(field in str(refused.value) or ours.get(field, field) in str(refused.value) for field in changes)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [{"types": 0}, {"window": 4}, {"gated": True}, {"norm_place": "pre"}, {"residual": False}, {"dim": 24}],
    ids=repr,
)
def test_what_bert_cannot_say_is_written_as_our_own(tmp_path: Path, changes: dict[str, object]) -> None:
    shape = {
        **{"family": "encoder", "masked_head": True, "pooler": True, "pair_head": True, "types": 2},
        **{"positions": "learned", "norm": "layer", "norm_place": "post", "qk_norm": False, "biases": "all"},
        **{"gated": False, "activation": "gelu", "embedding_norm": True},
        **{"layers": 2, "heads": 3, "kv_heads": 3, "head_dim": 4, "dim": 12, "mlp_dim": 20},
    }
    model = Transformer(TransformerSpec(vocab_size=41, context=16, **shape | changes))
    model.init_weights(seed=0)
    save_model(model, tmp_path, end_of_text=0)
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["model_type"] == "idiolect"
    assert load_model(tmp_path).spec == model.spec
