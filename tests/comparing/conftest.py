"""A tokenizer of a few characters, which is all that shapes need."""

from __future__ import annotations

import pytest

from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.characters import CharacterTokenizer


@pytest.fixture(scope="package")
def tokenizer() -> Tokenizer:
    return CharacterTokenizer("abcdefghij")
