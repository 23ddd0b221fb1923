"""What `prove` finds: nothing where a model is sound, and the seam where one is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from idiolect import cli
from idiolect.errors import UsageError
from idiolect.evaluation.invariance import prove, prove_against
from idiolect.language_model import LanguageModel
from idiolect.models.build import build
from idiolect.models.model import Model
from idiolect.models.spec import HeadSpec, Spec, TransformerSpec
from idiolect.models.transformer import Transformer
from idiolect.nn.cache import Cache
from idiolect.pretraining.masked_tokens import as_encoders
from idiolect.tokenizers.base import Tokenizer

SIZES = {"context": 32, "layers": 2, "heads": 2, "kv_heads": 1, "dim": 16, "head_dim": 8, "mlp_dim": 24}
DECODER = TransformerSpec(60, **SIZES)
ENCODER = TransformerSpec(60, **SIZES, family="encoder", masked_head=True)
BODY = TransformerSpec(60, **SIZES, family="encoder")
LABELS = HeadSpec(("a", "b", "c"), pooling="last")


def model_of(spec: Spec) -> Model:
    model = build(spec)
    model.init_weights(0)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.mark.parametrize(
    "spec",
    [DECODER, ENCODER, BODY, replace(DECODER, head=LABELS), replace(BODY, head=replace(LABELS, pooling="mean"))],
    ids=["decoder", "encoder", "encoder without a head", "decoder that gives labels", "encoder that gives labels"],
)
def test_everything_holds_of_a_sound_model_which_is_left_as_it_was(spec: Spec) -> None:
    model = model_of(spec)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    proofs = list(prove(model, end_of_text=0))
    assert [proof.what for proof in proofs if not proof.holds] == []
    assert ("cached = uncached" in [proof.what for proof in proofs]) == (spec.family == "decoder" and not spec.head)
    assert model.training and all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


class Forgetful(Transformer):
    """Counts positions from zero behind a cache."""

    def hidden(
        self, ids_BT: Tensor, segments_BT: Tensor | None = None, cache: Cache | None = None, **_: None
    ) -> Tensor:
        if cache is None:
            return super().hidden(ids_BT, segments_BT)
        return super().hidden(ids_BT)


class Leaky(Transformer):
    """Lets documents of a row see each other."""

    def hidden(
        self, ids_BT: Tensor, segments_BT: Tensor | None = None, cache: Cache | None = None, **_: None
    ) -> Tensor:
        return super().hidden(ids_BT, None, cache)


class Sloppy(Transformer):
    """Treats the rows of a batch as if they were one text's."""

    def hidden(
        self, ids_BT: Tensor, segments_BT: Tensor | None = None, cache: Cache | None = None, **_: None
    ) -> Tensor:
        hidden = super().hidden(ids_BT, segments_BT, cache)
        return hidden + hidden.mean(dim=0, keepdim=True)


@pytest.mark.parametrize(
    ("kind", "what"),
    [(Forgetful, "cached = uncached"), (Leaky, "packed = unpacked"), (Sloppy, "batched = single")],
)
def test_a_fault_is_found_and_named(kind: type[Transformer], what: str) -> None:
    model = kind(DECODER)
    model.load_state_dict(model_of(DECODER).state_dict())
    assert what in [proof.what for proof in prove(model, end_of_text=0) if not proof.holds]


def test_a_not_a_number_never_holds() -> None:
    model = model_of(DECODER).eval()
    proof = prove_against("another", model, lambda ids_BT: torch.full((*ids_BT.shape, 60), torch.nan))
    assert not proof.holds
    assert prove_against("itself", model, model).holds


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A decoder and an encoder, saved."""
    base = tmp_path_factory.mktemp("models")
    tokenizer = Tokenizer.train(["the cat sat on the mat"], kind="characters")
    for name, spec, own in (("decoder", DECODER, tokenizer), ("encoder", ENCODER, as_encoders(tokenizer))):
        LanguageModel(model_of(spec), own).save(base / name)
    return {name: base / name for name in ("decoder", "encoder")}


def test_the_command_prints_and_writes_onto_the_card(
    folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("decoder", "encoder"):
        assert cli.main(["prove", str(folders[name])]) == 0
        assert "saved = loaded" in capsys.readouterr().out
        assert cli.main(["prove", str(folders[name])]) == 0, "the section is put in place of the one before"
        card = (folders[name] / "README.md").read_text("utf-8")
        assert card.count("## What was proved") == 1 and "| batched = single |" in card
        assert ("ours = transformers" in card) == (name == "decoder"), "of this encoder transformers has no shape"


def test_texts_become_vectors_alone_as_together(folders: dict[str, Path]) -> None:
    texts = ["the cat", "a", "", "sat on the mat", "the mat"]
    for name in ("decoder", "encoder"):
        model = LanguageModel.load(folders[name])
        for pooling in ("cls", "mean", "last"):
            together = model.embed(texts, pooling=pooling)
            assert together.shape == (5, 16) and together.isfinite().all()
            alone = torch.cat([model.embed([text], pooling=pooling) for text in texts])
            torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
        with pytest.raises(UsageError, match="Text 2 is"):
            model.embed(["the", "the cat " * 10])
        with pytest.raises(UsageError, match="no pooling"):
            model.embed(["the"], pooling="max")  # type: ignore[arg-type]
    decoder = LanguageModel.load(folders["decoder"])
    assert torch.equal(decoder.embed(["the cat"], pooling="cls"), decoder.embed(["a mat"], pooling="cls")), (
        "it saw none"
    )


def test_masks_are_filled_with_the_likeliest_tokens(
    folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    model = LanguageModel.load(folders["encoder"])
    filled = model.fill("the c[MASK]t s[MASK]t", k=3)
    assert [len(tokens) for tokens in filled] == [3, 3]
    for tokens in filled:
        shares = [probability for _, probability in tokens]
        assert shares == sorted(shares, reverse=True) and 0 < sum(shares) <= 1
    ids = model.tokenizer.framed(model.tokenizer.encode("the c[MASK]t s[MASK]t", allowed_special=["[MASK]"])).ids
    place = ids.index(model.tokenizer.role("mask"))
    with torch.no_grad():
        expected = model.model(torch.tensor([ids]))[0, place, : model.tokenizer.vocab_size].softmax(dim=-1)
    assert filled[0][0][1] == pytest.approx(expected.max().item())
    assert cli.main(["fill", str(folders["encoder"]), "the c[MASK]t", "-k", "2"]) == 0
    assert capsys.readouterr().out.count("0.") == 2
    for folder, text, says in (
        ("encoder", "the cat", "nothing to fill"),
        ("decoder", "the [MASK]", "cannot fill masks"),
        ("encoder", "[MASK]" * 40, "more than the model's context"),
    ):
        assert cli.main(["fill", str(folders[folder]), text]) == 2
        assert says in capsys.readouterr().err
    assert cli.main(["complete", str(folders["encoder"]), "the"]) == 2
    assert "fill masks" in capsys.readouterr().err
    assert json.loads((folders["encoder"] / "config.json").read_text("utf-8"))["model_type"] == "idiolect"
