"""`export`: a model as another program runs it: a GGUF file for llama.cpp, or a folder for `transformers`.

A file is written beside its place and renamed, so that it is there whole or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from idiolect.config import verb
from idiolect.disk import replacing
from idiolect.errors import ArtifactError, ModelError
from idiolect.gguf import file, shape, vocabulary
from idiolect.journal import say
from idiolect.language_model import LanguageModel
from idiolect.models.config_json import written


@dataclass(frozen=True)
class ExportSettings:
    """Exporting."""

    format: Literal["gguf", "huggingface"] = "gguf"
    """What to write: one file for llama.cpp and the tools around it, or a folder for transformers."""
    type: file.Type = "f16"
    """GGUF: how matrices are kept, in 32, 16 or about 8 bits a number."""


@verb
def export(model: str, settings: ExportSettings, *, out: Path, force: bool = False) -> Path:
    """Write a model for another program, with the same ids and the same text; what that cannot be is refused.

    Example:
        >>> idiolect.export("model", format="gguf", type="q8_0", out="model.gguf")
        >>> idiolect.export("model", format="huggingface", out="for-transformers")
    """
    speaker = LanguageModel.from_pretrained(model)
    if out.exists() and not force:
        raise ArtifactError(f"{out} exists already: choose another --out, or --force to replace it.")
    match settings.format:
        case "gguf":
            write_gguf(speaker, out, settings.type)
        case "huggingface":
            known = written(speaker.spec, speaker.tokens)
            if known["model_type"] == "idiolect":
                raise ModelError("transformers has no model of this shape: only this package reads its folder.")
            speaker.save(out)
    say(f"Wrote {out} for {'llama.cpp' if settings.format == 'gguf' else 'transformers'}.")
    return out


def write_gguf(speaker: LanguageModel, out: Path, kept_as: file.Type) -> None:
    """Write a GGUF file: `llama-cli -m model.gguf -p "To be" --temp 0` then says what `complete` says.

    Raises:
        ModelError, TokenizerError: llama.cpp has no such model, or would cut text otherwise; the message says why.
        ArtifactError: the file cannot be written.
    """
    metadata = shape.described(speaker.model) | {
        "general.name": out.stem,
        "general.file_type": file.FILE_TYPES[kept_as],
        "general.quantization_version": 2,
        **vocabulary.described(speaker.tokenizer, speaker.spec.vocab_size, speaker.tokens),
    }
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as unfinished:
            file.write(unfinished, metadata, shape.tensors(speaker.model), kept_as)
    except OSError as error:
        raise ArtifactError(f"{out} cannot be written ({error.strerror}): choose another --out.") from error
