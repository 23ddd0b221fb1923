"""The special tokens of a file, and which of them stands between documents.

Files know many: to open a text, to close it, to mark what is unknown or hidden. This package needs one, which opens
and closes every document. It is `<|endoftext|>` where there is one, else what the file itself calls its end, else a
name that is known to mean it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from idiolect.errors import TokenizerError
from idiolect.tokenizers.base import END_OF_TEXT
from idiolect.tokenizers.byte_level import utf8
from idiolect.tokenizers.formats.strict import short, without_holes

_KNOWN_ENDS = (END_OF_TEXT, "<|end_of_text|>", "</s>", "<eos>", "<|end|>", "[EOS]", "[SEP]")


@dataclass(frozen=True)
class Special:
    """The special tokens with their ids, and the name of the one between documents."""

    ids: dict[str, int]
    end_of_text: str

    @staticmethod
    def of(ids: Mapping[str, int], told: object = None) -> Special:
        """Choose the one between documents.

        Args:
            ids: names and ids.
            told: what the file calls its end; passed over where it is none of the names.

        Raises:
            TokenizerError: none is fit for it.
        """
        for name in (END_OF_TEXT, told, *_KNOWN_ENDS):
            if isinstance(name, str) and name in ids:
                return Special(dict(ids), name)
        if len(ids) == 1:
            return Special(dict(ids), next(iter(ids)))
        raise TokenizerError(
            f"it has no special token {END_OF_TEXT}, which opens and closes every document, nor another that is known "
            f"to: name one, as in special_tokens={{{END_OF_TEXT!r}: 50256}}."
        )

    def with_vocabulary(self, vocab: Mapping[str, object]) -> list[str]:
        """All tokens in the order of their ids, special ones included: each id once, without holes."""
        return without_holes([*vocab.items(), *self.ids.items()])


def check_given(given: Mapping[str, int], known: int) -> None:
    """Refuse special tokens from a caller that no tokenizer can have.

    Args:
        given: names and ids.
        known: how many ids the file itself has at least.
    """
    for name, token_id in given.items():
        if not name or type(token_id) is not int or not 0 <= token_id < known + 2**16:
            raise TokenizerError(f"the special token {short(name)} cannot have the id {short(token_id)}.")
        utf8(name)
    if len(set(given.values())) < len(given):
        raise TokenizerError("two special tokens have the same id.")
