"""A saved folder: transformers computes the same from it, ours from theirs, and a damaged one is refused."""

from __future__ import annotations

import copy
import json
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from variants import DECODERS, ENCODERS

from idiolect.errors import ModelError
from idiolect.models.weights import load_model, save_model

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import transformers

SHAPES = {
    "grouped, tied": {},
    "grouped, untied": {"tied": False},
    "one head of keys": {"kv_heads": 1, "heads": 3, "dim": 13, "head_dim": 2},
    "no groups": {"kv_heads": 5, "heads": 5, "dim": 7, "head_dim": 10, "mlp_dim": 9, "vocab_size": 101},
    "other constants": {"rope_theta": 1e6, "norm_eps": 1e-3, "layers": 1, "context": 40, "dropout": 0.1},
}


@pytest.fixture
def folder(tmp_path: Path, make_decoder) -> Path:
    """A good folder, for the tests to damage."""
    save_model(make_decoder(), tmp_path, end_of_text=0)
    return tmp_path


def rewrite(folder: Path, **changes: object) -> None:
    """Change tensors of the folder's weights; None takes one out."""
    tensors = load_file(folder / "model.safetensors") | changes
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, folder / "model.safetensors")


def refusal(folder: Path) -> str:
    """What `load_model` says against a folder; nothing if it reads it."""
    try:
        load_model(folder)
    except ModelError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_transformers_computes_the_same_logits(tmp_path: Path, make_decoder, shape: dict[str, object]) -> None:
    model = make_decoder(**shape)
    save_model(model, tmp_path, end_of_text=3)
    theirs, notes = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(notes.values()), notes
    torch.manual_seed(0)
    ids = torch.randint(model.spec.vocab_size, (3, model.spec.context))
    with torch.no_grad():
        told, exact = theirs(ids).logits, copy.deepcopy(model).double()(ids)
        # QK-norm of heads of two channels magnifies rounding: that of theirs is what can be asked of ours.
        rounding = float((told - exact).abs().max())
        torch.testing.assert_close(told, model(ids), atol=max(1e-5, 2 * rounding), rtol=0)
    assert rounding < 1e-4
    assert theirs.dtype == torch.float32
    assert theirs.generation_config.eos_token_id == theirs.config.bos_token_id == 3


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_a_saved_model_comes_back_bit_for_bit(tmp_path: Path, make_decoder, shape: dict[str, object]) -> None:
    model = make_decoder(**shape)
    save_model(model, tmp_path, end_of_text=0)
    again = load_model(tmp_path)
    assert again.spec == model.spec
    assert again.state_dict().keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    ids = torch.arange(10)[None]
    assert torch.equal(again.eval()(ids), model(ids))


SIZES = {
    "vocab_size": 41,
    "hidden_size": 12,
    "intermediate_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 24,
}
LLAMA3 = {
    **{"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "original_max_position_embeddings": 8},
    **{"low_freq_factor": 1.0, "high_freq_factor": 4.0},
}
FACTORS = {"short_factor": [1.0, 1.5], "long_factor": [4.0, 9.0]}
THEIRS = {
    "linear": transformers.LlamaConfig(
        rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 2.5}, **SIZES | {"hidden_size": 16}
    ),
    "yarn": transformers.Qwen3Config(
        head_dim=8,
        rope_parameters={
            **{"rope_type": "yarn", "rope_theta": 1e4, "factor": 3.0, "original_max_position_embeddings": 8},
            **{"mscale": 0.7, "mscale_all_dim": 1.2, "truncate": False},
        },
        **SIZES,
    ),
    "dynamic": transformers.LlamaConfig(
        rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}, **SIZES | {"hidden_size": 16}
    ),
    "longrope": transformers.MistralConfig(
        sliding_window=None,
        rope_parameters={
            **{"rope_type": "longrope", "rope_theta": 1e4, "original_max_position_embeddings": 24, **FACTORS},
        },
        **SIZES | {"hidden_size": 16, "max_position_embeddings": 96},
    ),
    "qwen3": transformers.Qwen3Config(head_dim=8, rope_parameters={"rope_type": "default", "rope_theta": 5e5}, **SIZES),
    "qwen2": transformers.Qwen2Config(**SIZES | {"hidden_size": 16}),
    "llama 2": transformers.LlamaConfig(**SIZES | {"hidden_size": 16, "num_key_value_heads": 4}),
    "llama 3": transformers.LlamaConfig(rope_parameters=LLAMA3, **SIZES | {"hidden_size": 16}),
    "mistral": transformers.MistralConfig(sliding_window=5, **SIZES | {"hidden_size": 16}),
    "mistral without a window": transformers.MistralConfig(sliding_window=None, head_dim=6, **SIZES),
}


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("shard_size", ["1GB", "3KB"])
def test_a_folder_made_by_transformers_is_read_and_written(
    tmp_path: Path, name: str, tied: bool, shard_size: str
) -> None:
    config = copy.deepcopy(THEIRS[name])
    config.tie_word_embeddings = tied
    torch.manual_seed(0)
    theirs = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    for parameter in theirs.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.2)
    theirs.save_pretrained(tmp_path, max_shard_size=shard_size)
    assert (tmp_path / "model.safetensors.index.json").exists() == (shard_size == "3KB")
    ours = load_model(tmp_path).eval()
    ids = torch.randint(41, (2, 24))
    with torch.no_grad():
        torch.testing.assert_close(ours(ids), theirs(ids).logits, atol=1e-5, rtol=0)
    if shard_size == "3KB":
        (tmp_path / "back").mkdir()
        save_model(ours, tmp_path / "back", end_of_text=0)
        back, notes = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "back", output_loading_info=True)
        same = transformers.LlamaForCausalLM if config.get_text_config().model_type == "mistral" else type(theirs)
        same = type(theirs) if name == "mistral" else same
        assert type(back) is same and not any(notes.values()), notes
        with torch.no_grad():
            torch.testing.assert_close(back(ids).logits, theirs(ids).logits, atol=1e-5, rtol=0)


VARIANTS = DECODERS | ENCODERS


@pytest.mark.parametrize("name", VARIANTS)
def test_a_shape_that_only_we_know_comes_back_bit_for_bit(tmp_path: Path, make_decoder, name: str) -> None:
    model = make_decoder(**VARIANTS[name])
    save_model(model, tmp_path, end_of_text=0)
    again = load_model(tmp_path)
    assert again.spec == model.spec
    for parameter, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[parameter], tensor), parameter


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_weights_are_read_into_fp32(tmp_path: Path, make_decoder, dtype: torch.dtype) -> None:
    model = make_decoder().to(dtype)
    save_model(model, tmp_path, end_of_text=0)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == str(dtype).removeprefix("torch.")
    again = load_model(tmp_path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor.float()), name


def test_the_weights_may_be_read_by_whoever_may_read_the_config(folder: Path) -> None:
    assert (folder / "model.safetensors").stat().st_mode == (folder / "config.json").stat().st_mode


def test_a_tied_head_is_stored_once_and_a_second_copy_must_be_equal(folder: Path) -> None:
    stored = load_file(folder / "model.safetensors")
    assert "lm_head.weight" not in stored
    embedding = stored["model.embed_tokens.weight"]
    rewrite(folder, **{"lm_head.weight": embedding.clone()})
    load_model(folder)
    rewrite(folder, **{"lm_head.weight": embedding + 1})
    with pytest.raises(ModelError, match=r"lm_head\.weight differs"):
        load_model(folder)


DAMAGE = {
    "lacks the tensor model.norm.weight": {"model.norm.weight": None},
    "has the tensor model.layers.0.self_attn.q_proj.bias": {"model.layers.0.self_attn.q_proj.bias": torch.zeros(24)},
    "model.norm.weight has shape [11]; config.json makes it [12]": {"model.norm.weight": torch.ones(11)},
    "q_proj.weight has shape [12, 24]": {"model.layers.1.self_attn.q_proj.weight": torch.ones(12, 24)},
    "model.norm.weight is of type I64": {"model.norm.weight": torch.ones(12, dtype=torch.int64)},
    "model.norm.weight is of type F64": {"model.norm.weight": torch.ones(12, dtype=torch.float64)},
    "model.norm.weight holds a number that is not finite": {"model.norm.weight": torch.full((12,), torch.nan)},
    "k_norm.weight holds a number that is not finite": {
        "model.layers.0.self_attn.k_norm.weight": torch.full((6,), torch.inf)
    },
}


@pytest.mark.parametrize(("said", "changes"), DAMAGE.items(), ids=DAMAGE.keys())
def test_tensors_that_do_not_fit_are_refused_by_name(folder: Path, said: str, changes: dict[str, object]) -> None:
    rewrite(folder, **changes)
    with pytest.raises(ModelError) as refused:
        load_model(folder)
    assert said in str(refused.value)
    assert str(refused.value).count("\n") == 0


def test_a_model_that_is_not_finite_is_not_saved(tmp_path: Path, make_decoder) -> None:
    model = make_decoder()
    model.layers[1].mlp.up_proj.weight.data[2, 3] = torch.nan
    with pytest.raises(ModelError, match=r"model\.layers\.1\.mlp\.up_proj\.weight holds a number that is not finite"):
        save_model(model, tmp_path, end_of_text=0)
    assert not list(tmp_path.iterdir())


def test_a_truncated_file_is_refused_wherever_it_ends(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    for length in [0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1]:
        (folder / "model.safetensors").write_bytes(whole[:length])
        with pytest.raises(ModelError, match="damaged"):
            load_model(folder)


def test_a_header_that_lies_is_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    for lie in [
        (2**62).to_bytes(8, "little") + whole[8:],
        whole[:8] + whole[8 : 8 + size].replace(b"[12]", b"[13]", 1) + whole[8 + size :],
        whole[:8] + b"{" * size + whole[8 + size :],
        whole + b"more",
    ]:
        path.write_bytes(lie)
        with pytest.raises(ModelError):
            load_model(folder)


def test_every_flipped_bit_of_the_header_is_refused_or_harmless(folder: Path) -> None:
    path = folder / "model.safetensors"
    whole = bytearray(path.read_bytes())
    refusals = []
    for position in range(0, 8 + int.from_bytes(whole[:8], "little"), 17):
        whole[position] ^= 4
        path.write_bytes(whole)
        whole[position] ^= 4
        refusals.append(refusal(folder))
    assert all(said == "" or str(folder) in said for said in refusals)
    assert sum(said != "" for said in refusals) > 0.9 * len(refusals)  # the rest fell into metadata or blanks


def test_missing_files_are_named(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors is missing"):
        load_model(folder)
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize("index", ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}', "\udcff"])
def test_a_damaged_index_of_shards_is_refused(folder: Path, index: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(index, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ModelError, match="index"):
        load_model(folder)


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", ""])
def test_a_shard_outside_the_folder_is_refused(folder: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"model.norm.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(ModelError, match="not a file in its folder"):
        load_model(folder)


def test_a_tensor_in_two_shards_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "1.safetensors")
    save_file({"model.norm.weight": torch.ones(12)}, folder / "2.safetensors")
    index = {"weight_map": {"model.norm.weight": "1.safetensors", "else": "2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(ModelError, match=r"model\.norm\.weight, which another shard has"):
        load_model(folder)
