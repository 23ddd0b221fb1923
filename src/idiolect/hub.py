"""Folders of the Hugging Face hub: a name becomes a folder on this machine.

Only what a model of this package is read from is downloaded: `config.json` and its siblings, safetensors, and the files
of a tokenizer. Nothing of it is run. What has been downloaded before is taken from the cache of `huggingface_hub`.
"""

from __future__ import annotations

import re
from pathlib import Path

from idiolect.errors import ModelError, UsageError

FILES = [
    *("config.json", "generation_config.json"),
    *("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model"),
    *("vocab.json", "merges.txt", "vocab.txt", "chat_template.jinja"),
]
"""What is downloaded, where it is there."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


def folder_of(name: str | Path, revision: str | None = None) -> Path:
    """The folder of this path, where there is one; else that of the hub's model of this name.

    Args:
        name: a folder, or a name as the hub has it: `openai-community/gpt2`.
        revision: which of the hub's versions: a commit, a tag or a branch; None: the newest.

    Raises:
        UsageError: it is neither, or the package `huggingface_hub` is not installed.
        ModelError: it could not be downloaded.

    Example:
        >>> folder_of("openai-community/gpt2")
        PosixPath('/home/you/.cache/huggingface/hub/models--openai-community--gpt2/snapshots/607a30d…')
    """
    folder = Path(name)
    if folder.exists():
        return folder
    if not isinstance(name, str) or not _NAME.fullmatch(name) or ".." in name:
        raise UsageError(f"There is no folder {name}, and a model of the Hugging Face hub cannot be called so.")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise UsageError(
            f"There is no folder {name}. To take it from the Hugging Face hub: pip install huggingface_hub."
        ) from None
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=FILES))
    except (OSError, ValueError) as error:  # all that goes wrong there is one of these: network, name, access
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(
            f"There is no folder {name}, and the Hugging Face hub did not give such a model: {reason}"
        ) from error
