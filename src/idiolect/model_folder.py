"""A model with its tokenizer in a folder, read and written together, so that the one never comes without the other.

Reading costs one pass over the vocabulary beside the weights, to see that the tokenizer is the model's own.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from idiolect.errors import ArtifactError, TokenizerError
from idiolect.model_card import CARD, card_of, check_card
from idiolect.models.config_json import CONFIG, TokenIds, read_token_ids, written
from idiolect.models.model import Model
from idiolect.models.weights import load_model, save_model
from idiolect.tokenizers.base import Tokenizer


def is_model(path: Path) -> bool:
    """Whether a folder is a language model's."""
    return (path / CONFIG).is_file()


def check_fit(model: Model, tokenizer: Tokenizer) -> None:
    """Raises TokenizerError when the tokenizer has ids that the model has no place for."""
    if tokenizer.vocab_size > model.spec.vocab_size:
        raise TokenizerError(
            f"The tokenizer has {tokenizer.vocab_size} tokens and the model room for {model.spec.vocab_size}: "
            "use the tokenizer it was trained with."
        )


def load_folder(folder: Path) -> tuple[Model, Tokenizer, TokenIds]:
    """A model, its dropout off, its tokenizer, and the ids by their role that the folder tells of.

    Raises:
        ModelError: the folder is not a model's, is damaged, or of an unknown kind.
        TokenizerError: its tokenizer cannot be read, or is another one than the model was trained with. A folder
            that does not record its tokenizer's fingerprint (Hugging Face's own) is only checked for size.
    """
    model = load_model(folder).eval()
    tokenizer = Tokenizer.load(folder)
    check_fit(model, tokenizer)
    recorded = _read_config(folder).get("idiolect", {}).get("tokenizer_fingerprint")
    if recorded not in (None, tokenizer.fingerprint()):
        raise TokenizerError(
            f"The tokenizer in {folder} is not the one its model was trained with: put the right one back."
        )
    return model, tokenizer, read_token_ids(folder, model.spec.vocab_size)


def save_folder(model: Model, tokenizer: Tokenizer, tokens: TokenIds, folder: Path) -> None:
    """Write the weights, the tokenizer and its fingerprint, and a model card. The folder is made where it is missing;
    files of an earlier save are replaced.

    Raises:
        ArtifactError: the folder cannot be written, or has a README.md that is not a model card of this package.
        ModelError: a weight is not a finite number.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_card(folder)
        known = _with_padding(tokens, tokenizer)
        save_model(model, folder, tokenizer.end_of_text, known)
        config = _read_config(folder)
        config["idiolect"]["tokenizer_fingerprint"] = tokenizer.fingerprint()
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        tokenizer.save(folder)
        architecture = written(model.spec, known)["architectures"][0]
        (folder / CARD).write_text(card_of(model.spec, tokenizer, architecture), encoding="utf-8")
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise ArtifactError(f"{folder} cannot be written ({error.strerror}): choose another folder.") from error


def _with_padding(tokens: TokenIds, tokenizer: Tokenizer) -> TokenIds:
    """The ids by their role, with the padding that only the tokenizer tells of."""
    if tokens.pad is not None or "pad" not in tokenizer.roles:
        return tokens
    return replace(tokens, pad=tokenizer.role("pad"))


def _read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a folder that `models/weights.py` has read or written: "idiolect" is what is ours in it."""
    config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return config
