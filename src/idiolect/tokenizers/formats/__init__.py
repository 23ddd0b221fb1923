"""Tokenizers as files: save, load and convert.

| format | files | module |
|---|---|---|
| Hugging Face | `tokenizer.json`, `tokenizer_config.json` | `tokenizer_json` |
| tiktoken | ranks: any name | `tiktoken` |
| SentencePiece | `.model` | `sentencepiece` |
| GPT-2 | `vocab.bpe` + `encoder.json`, `merges.txt` + `vocab.json` | `gpt2` |
| BERT | `vocab.txt` (read) | `vocab_txt` |

Beside them may lie a `tokenizer_config.json` (`config`). A tokenizer is saved in the first. What is read gives the ids
of the tool it came from, and what is written gives that tool the same ids; what a format cannot express is refused with
the reason. A file is known by what it holds, or by its name.

The whole file is held while it is read: some hundred bytes for each id.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.formats import config, gpt2, sentencepiece, tiktoken, tokenizer_json, vocab_txt
from idiolect.tokenizers.formats.config import Config
from idiolect.tokenizers.formats.strict import read_bytes
from idiolect.tokenizers.frame import Frame
from idiolect.tokenizers.patterns import PATTERNS

Format = Literal["tokenizer.json", "tiktoken", "sentencepiece", "gpt2"]
"""What `convert` writes."""

_MODEL = "tokenizer.model"
_IN_FOLDERS = (
    tokenizer_json.FILE,
    _MODEL,
    "tokenizer.tiktoken",
    *(merges for merges, _ in gpt2.PAIRS),
    vocab_txt.FILE,
)
"""What is looked for in a folder, in this order."""


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json` into an existing folder, or SentencePiece's `tokenizer.model`
    for what only that can express: pieces that are always taken, or not used, and a space behind a text.

    Raises:
        TokenizerError: neither can express it; the message says why the first cannot.
    """
    try:
        files = tokenizer_json.written(tokenizer)
    except TokenizerError:
        if tokenizer.frame != Frame() or tokenizer.strips:
            raise  # a model file has no place for these
        try:
            model = sentencepiece.written(tokenizer)
        except TokenizerError:
            model = None
        if model is None:
            raise
        files = {_MODEL: model, config.FILE: config.written(tokenizer)}
        (folder / tokenizer_json.FILE).unlink(missing_ok=True)  # it would be read first
    for name, content in files.items():
        (folder / name).write_bytes(content)


def load_tokenizer(
    path: Path, pattern: str | None = None, special_tokens: Mapping[str, int] | None = None
) -> Tokenizer:
    """Read the tokenizer of a folder, or of a file in any of the formats.

    Args:
        path: a folder that has a tokenizer, or a file.
        pattern: how text is cut, for formats that do not say (tiktoken, GPT-2).
        special_tokens: names and ids of special tokens that the file does not have or does not tell.

    Raises:
        TokenizerError: there is none, or it is damaged, or of a kind this package does not read, and which of these.
    """
    file = path
    if path.is_dir():
        file = next((path / name for name in _IN_FOLDERS if (path / name).is_file()), path)
    if not file.is_file():
        raise TokenizerError(
            f"There is no tokenizer at {path}: give a folder that has one of {', '.join(_IN_FOLDERS)}, or such a file."
        )
    if pattern is not None and pattern not in PATTERNS:
        raise TokenizerError(f"There is no pattern {pattern!r}: choose one of {', '.join(PATTERNS)}.")
    try:
        return _read(file, pattern, special_tokens or {})
    except TokenizerError as fault:
        raise TokenizerError(f"{file} cannot be used: {fault}") from None


def _read(file: Path, pattern: str | None, special_tokens: Mapping[str, int]) -> Tokenizer:
    for merges, vocab in gpt2.PAIRS:
        if file.name in (merges, vocab):
            for part in (merges, vocab):
                if not (file.parent / part).is_file():
                    raise TokenizerError(f"it belongs with a file {part} beside it, which is not there.")
            contents = [read_bytes(file.parent / part) for part in (merges, vocab)]
            return gpt2.read(contents[0], contents[1], pattern, special_tokens, Config.beside(file, whole=True))
    content = read_bytes(file)
    if file.name == vocab_txt.FILE and pattern is None:
        return vocab_txt.read(content, special_tokens, Config.beside(file, whole=True))
    if tiktoken.looks_so(content):
        return tiktoken.read(content, pattern, special_tokens)
    if pattern is not None:
        raise TokenizerError("only tiktoken's ranks and GPT-2's files leave the pattern open, and it is neither.")
    if file.suffix == ".json" or content.lstrip()[:1] in (b"{", b"["):
        return tokenizer_json.read(file, content, special_tokens)
    if file.suffix == ".model" or sentencepiece.looks_so(content):
        tokenizer = sentencepiece.read(content, special_tokens)
        if file.name == _MODEL:
            _configure(tokenizer, Config.beside(file, whole=True))
        return tokenizer
    raise TokenizerError(
        "it is neither JSON (tokenizer.json), nor ranks (tiktoken), nor a protocol buffer of pieces (SentencePiece), "
        "nor named as GPT-2's and BERT's files are (vocab.bpe, encoder.json, merges.txt, vocab.json, vocab.txt)."
    )


def _configure(tokenizer: Tokenizer, beside: Config) -> None:
    """Give a SentencePiece model the roles and the frame that the configuration says."""
    beside.check(tokenizer.special_tokens)
    tokenizer.roles, tokenizer.strips, tokenizer.frame = beside.roles, beside.strips, beside.ends()


def convert(tokenizer: Tokenizer, to: Format) -> bytes | dict[str, bytes]:
    """What another tool reads with the same ids: the content of one file, or of several by their names.

    Raises:
        TokenizerError: that format cannot express this tokenizer; the message says why.
    """
    try:
        match to:
            case "tokenizer.json":
                return tokenizer_json.written(tokenizer)
            case "tiktoken":
                return tiktoken.written(tokenizer)
            case "sentencepiece":
                return sentencepiece.written(tokenizer)
            case "gpt2":
                return gpt2.written(tokenizer)
    except TokenizerError as reason:
        raise TokenizerError(f"This tokenizer cannot be written for {to}: {reason}") from None
    raise TokenizerError(f"There is no format {to!r}: choose tokenizer.json, tiktoken, sentencepiece or gpt2.")
