"""What the tests of formats share: small SentencePiece models, learnt by SentencePiece."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import sentencepiece

TEXTS = [
    "The car, the cat, the rat: the quick brown fox jumps over the lazy dog. ",
    "the theory of the thing that they thought  there   were three  of",
    "naïve café, 你好世界, 你好, こんにちは, Привет мир! ﬁne Ａ①   x\ty\n",
] * 4


@pytest.fixture(scope="session")
def spm() -> Callable[..., bytes]:
    """Learns a model with the options that are named, and gives its file."""

    def learn(**options: Any) -> bytes:
        model = io.BytesIO()
        plain = {"vocab_size": 120, "character_coverage": 1.0, "hard_vocab_limit": False, "minloglevel": 2}
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXTS), model_writer=model, **{**plain, **options}
        )
        return model.getvalue()

    return learn
