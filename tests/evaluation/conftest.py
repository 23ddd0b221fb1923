"""A tokenizer small enough to think about."""

from __future__ import annotations

import pytest

from idiolect.tokenizers.characters import CharacterTokenizer


@pytest.fixture(scope="session")
def letters() -> CharacterTokenizer:
    """One id for each lower-case letter, the space and two characters of several bytes; 0 is `<|endoftext|>`."""
    return CharacterTokenizer(" abcdefghijklmnopqrstuvwxyzé你")
