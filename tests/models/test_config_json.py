"""config.json is read strictly: what would change the arithmetic, or might, is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from idiolect.errors import ModelError
from idiolect.models.config_json import TokenIds, read_config, read_token_ids, write_config
from idiolect.models.spec import RecurrentSpec, Spec, TransformerSpec
from idiolect.nn.positions import RopeScaling

SPEC = TransformerSpec(vocab_size=30, context=16, layers=3, heads=6, kv_heads=2, dim=20, head_dim=8, dropout=0.1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good config.json."""
    write_config(SPEC, tmp_path, end_of_text=7, dtype=torch.float32)
    return tmp_path / "config.json"


def rewrite(path: Path, **changes: object) -> None:
    """Change fields; `...` takes one out."""
    config = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({field: value for field, value in config.items() if value is not ...}), encoding="utf-8")


def test_what_is_written_is_read(path: Path) -> None:
    spec, config = read_config(path)
    assert (spec, config["model_type"]) == (SPEC, "qwen3")
    told = {"bos_token_id": 7, "eos_token_id": 7, "pad_token_id": None}
    assert json.loads((path.parent / "generation_config.json").read_text()) == told
    assert told.items() <= config.items()


def test_the_older_spelling_of_the_rotary_base_is_read(path: Path) -> None:
    rewrite(path, rope_parameters=..., rope_theta=1e6, rope_scaling=None, torch_dtype="bfloat16", idiolect=...)
    spec, _ = read_config(path)
    assert (spec.rope_theta, spec.dropout) == (1e6, 0.0)


REFUSED = [
    {"model_type": "llama"},
    {"model_type": ...},
    {"architectures": ["LlamaForSequenceClassification"]},
    {"architectures": ...},
    {"hidden_act": "gelu"},
    {"attention_bias": True},
    {"attention_dropout": 0.1},
    {"use_sliding_window": True},
    {"layer_types": ["full_attention", "sliding_attention", "full_attention"]},
    {"rope_scaling": {"type": "linear", "factor": 2.0}},
    {"rope_parameters": {"rope_theta": 1e4, "rope_type": "yarn"}},
    {"rope_parameters": {"rope_theta": 1e4, "rope_type": "default", "factor": 2.0}},
    {"rope_parameters": {"rope_theta": 1e4, "rope_type": "linear"}},
    {"rope_parameters": {"rope_theta": 1e4, "rope_type": "longrope", "short_factor": [1.0]}},
    {"rope_parameters": {"rope_theta": 1e4, "rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}},
    {"rope_parameters": {"rope_theta": 1e4, "rope_type": "proportional", "factor": 2.0}},
    {"rope_parameters": 3},
    {"rope_parameters": {}},
    {"rope_parameters": {"rope_theta": 0}},
    {"rope_parameters": ..., "rope_theta": ...},
    {"rope_theta": 77.0},
    {"quantization_config": {"bits": 4}},
    {"partial_rotary_factor": 0.5},
    {"hidden_size": ...},
    {"hidden_size": 20.0},
    {"hidden_size": True},
    {"hidden_size": "20"},
    {"hidden_size": 0},
    {"hidden_size": -20},
    {"hidden_size": 10**30},
    {"num_key_value_heads": 4},
    {"head_dim": 7},
    {"head_dim": ...},
    {"num_key_value_heads": None},
    {"max_position_embeddings": 10**9},
    {"tie_word_embeddings": ...},
    {"tie_word_embeddings": 1},
    {"rms_norm_eps": "small"},
    {"rms_norm_eps": float("nan")},
    {"rms_norm_eps": -1e-6},
    {"layer_types": 3},
    {"idiolect": {"dropout": 1.0}},
    {"idiolect": {"dropout": "much"}},
    {"idiolect": {"experts": 8}},
    {"idiolect": 3},
]


@pytest.mark.parametrize("changes", REFUSED, ids=repr)
def test_another_model_is_refused_by_the_fields_name(path: Path, changes: dict[str, object]) -> None:
    rewrite(path, **changes)
    with pytest.raises(ModelError) as refused:
        read_config(path)
    sentence = str(refused.value)
    ours = {"max_position_embeddings": "context", "num_key_value_heads": "kv_heads", "rope_parameters": "rope_"}
    names = {*changes, *(ours.get(field, field) for field in changes), "dropout"}
    assert str(path) in sentence and any(name in sentence for name in names), sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "nul", "[" * 100_000, "\udcff"])
def test_what_is_not_an_object_of_json_is_refused(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ModelError, match="JSON"):
        read_config(path)


OWN = TransformerSpec(vocab_size=30, context=16, positions="alibi", window=4, rope_scaling=None)
LSTM = RecurrentSpec(vocab_size=30, context=16, family="gru", dropout=0.2)
STRETCHED = TransformerSpec(vocab_size=30, context=16, residual=False, rope_scaling=RopeScaling("yarn", 2.0, 8))


@pytest.mark.parametrize("spec", [OWN, LSTM, STRETCHED], ids=["alibi", "gru", "stretched"])
def test_a_shape_of_our_own_is_read_back(tmp_path: Path, spec: Spec) -> None:
    write_config(spec, tmp_path, end_of_text=7, dtype=torch.float32)
    again, config = read_config(tmp_path / "config.json")
    assert (again, config["model_type"]) == (spec, "idiolect")


@pytest.mark.parametrize(
    "changes",
    [
        {"positions": "absolute"},
        {"window": -1},
        {"window": 2.5},
        {"heads": True},
        {"layers": 10**12},
        {"residual": "yes"},
        {"experts": 8},
        {"vocab_size": ...},
        {"family": "hybrid"},
        {"family": "lstm"},
        {"rope_scaling": {"kind": "linear"}},
        {"rope_scaling": 3},
    ],
    ids=repr,
)
def test_a_shape_of_our_own_is_read_strictly(tmp_path: Path, changes: dict[str, object]) -> None:
    write_config(OWN, tmp_path, end_of_text=7, dtype=torch.float32)
    path = tmp_path / "config.json"
    shape = json.loads(path.read_text(encoding="utf-8"))["shape"] | changes
    rewrite(path, shape={name: value for name, value in shape.items() if value is not ...})
    with pytest.raises(ModelError, match="shape"):
        read_config(path)
    for wrong in (..., 3, None, []):
        rewrite(path, shape=wrong)
        with pytest.raises(ModelError, match="shape"):
            read_config(path)


def test_the_ids_of_generation_are_kept(tmp_path: Path) -> None:
    tokens = TokenIds(begin=1, ends=(2, 7), pad=0)
    write_config(SPEC, tmp_path, end_of_text=9, dtype=torch.float32, tokens=tokens)
    for name in ("config.json", "generation_config.json"):
        told = json.loads((tmp_path / name).read_text(encoding="utf-8"))
        assert (told["bos_token_id"], told["eos_token_id"], told["pad_token_id"]) == (1, [2, 7], 0)
    assert read_token_ids(tmp_path, SPEC.vocab_size) == tokens


def test_generation_config_wins_over_config_and_may_be_absent(path: Path) -> None:
    assert read_token_ids(path.parent, 30) == TokenIds(7, (7,))
    generation = path.parent / "generation_config.json"
    generation.write_text('{"eos_token_id": [3, 40, -1], "temperature": 0.6}', encoding="utf-8")
    assert read_token_ids(path.parent, 30) == TokenIds(7, (3,)), "ids that no model can say are passed over"
    generation.unlink()
    assert read_token_ids(path.parent, 30) == TokenIds(7, (7,))


@pytest.mark.parametrize("content", ["", "[]", '{"eos_token_id": "2"}', '{"eos_token_id": [true]}', "\udcff"])
def test_a_damaged_generation_config_is_refused(path: Path, content: str) -> None:
    generation = path.parent / "generation_config.json"
    generation.write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ModelError):
        read_token_ids(path.parent, 30)


def test_an_encoder_claims_no_token_that_it_was_not_told_of(tmp_path: Path) -> None:
    spec = TransformerSpec(vocab_size=30, context=16, family="encoder", masked_head=True)
    write_config(spec, tmp_path, end_of_text=7, dtype=torch.float32)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["eos_token_id"] is config["bos_token_id"] is config["pad_token_id"] is None
    assert not (tmp_path / "generation_config.json").exists(), "it does not generate"
