"""A vector for each word of a corpus: the mean of the hidden states wherever it stands.

The corpus is read twice, to count its words and then by the model, in windows that overlap by half so that a token is
seen with context before it. A word's vector at one place is the mean of its tokens'. Memory: one sum for each word that
is asked for. It costs two forward passes over each token.

Shapes: V words, D model width, T positions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
import regex
import torch
from numpy.typing import NDArray

from idiolect.data.framing import Framing
from idiolect.embeddings.contextual import hidden_of
from idiolect.embeddings.vectors import Vectors
from idiolect.errors import CorpusError
from idiolect.models.model import Model, evaluating
from idiolect.tokenizers.base import Tokenizer

_WORD: Final = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:[-‐'’][\p{L}\p{M}\p{N}]+)*")
_WINDOW: Final = 512  # tokens that a model without a limit reads at once
_TOGETHER: Final = 16  # windows that are read together


class _Window(NamedTuple):
    """Tokens as they are read, and the words among them: for each its row and its tokens, first and one behind."""

    ids: list[int]
    words: list[tuple[int, int, int]]


def contextual_vectors(
    model: Model,
    tokenizer: Tokenizer,
    texts: Callable[[], Iterable[str]],
    *,
    min_count: int = 5,
    most: int = 20_000,
    lower: bool = True,
) -> Vectors:
    """Words by falling count, each with its mean contextual vector over all the texts.

    Args:
        model, tokenizer: which belong together.
        texts: gives the texts each time it is called.
        min_count: words that are met less often have no vector.
        most: how many words have one at most.
        lower: whether capitals are made small in the words that are counted; the model reads the text as it is.

    Raises:
        CorpusError: no word is met often enough.
    """
    counted: Counter[str] = Counter()
    for text in texts():
        counted.update(_cased(word, lower) for word in _WORD.findall(text))
    words = [word for word, count in counted.most_common(most) if count >= min_count]
    if not words:
        raise CorpusError(f"No word is met {min_count} times: give more text, or lower min_count.")
    rows = {word: row for row, word in enumerate(words)}
    sums_VD = np.zeros((len(words), model.spec.dim), dtype=np.float32)
    seen_V = np.zeros(len(words), dtype=np.int64)
    with evaluating(model), torch.no_grad():
        for batch in _batches(window for text in texts() for window in _windows(model, tokenizer, text, rows, lower)):
            hidden_BTD, _ = hidden_of(model, [window.ids for window in batch])
            for window, hidden_TD in zip(batch, hidden_BTD.float().cpu().numpy()):
                for row, start, end in window.words:
                    sums_VD[row] += hidden_TD[start:end].mean(axis=0)
                    seen_V[row] += 1
    met = np.flatnonzero(seen_V)
    means_VD = sums_VD[met]
    means_VD /= seen_V[met, None]
    return Vectors([words[row] for row in met], means_VD, seen_V[met], kind="contextual")


def _cased(word: str, lower: bool) -> str:
    return word.lower() if lower else word


def _batches(windows: Iterable[_Window]) -> Iterator[list[_Window]]:
    batch: list[_Window] = []
    for window in windows:
        batch.append(window)
        if len(batch) == _TOGETHER:
            yield batch
            batch = []
    if batch:
        yield batch


def _windows(model: Model, tokenizer: Tokenizer, text: str, rows: dict[str, int], lower: bool) -> Iterator[_Window]:
    """The windows of a text. Each word is in one of them: the first in which it is whole and has half a window before
    it, or the text's beginning."""
    framing = Framing(tokenizer, encoder=model.spec.family == "encoder", context=model.window or _WINDOW)
    ids = tokenizer.encode(text)
    words = _places(tokenizer, ids, rows, lower)
    before, size = framing.before(), framing.room()
    step, next_word = max(size // 2, 1), 0
    for start in range(0, max(len(ids) - size, 0) + step, step):
        inside: list[tuple[int, int, int]] = []
        while next_word < len(words) and words[next_word][2] <= start + size:
            row, first, end = words[next_word]
            if first >= start:  # a word longer than half a window may be whole in none
                inside.append((row, first - start + before, end - start + before))
            next_word += 1
        if inside:
            yield _Window(framing.put(ids[start : start + size]).ids, inside)


def _places(tokenizer: Tokenizer, ids: list[int], rows: dict[str, int], lower: bool) -> list[tuple[int, int, int]]:
    """The words among tokens, by what the tokens stand for: (row, first token, the token behind the last)."""
    pieces = [tokenizer.token_bytes(token_id) for token_id in ids]
    ends_T: NDArray[np.int64] = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    text = b"".join(pieces).decode("utf-8", errors="surrogateescape")
    sizes = np.fromiter((len(letter.encode("utf-8", "surrogateescape")) for letter in text), dtype=np.int64)
    bytes_before = np.concatenate([[0], np.cumsum(sizes)])
    found = []
    for match in _WORD.finditer(text):
        row = rows.get(_cased(match[0], lower))
        if row is not None:
            first = int(np.searchsorted(ends_T, bytes_before[match.start()], side="right"))
            last = int(np.searchsorted(ends_T, bytes_before[match.end()], side="left"))
            found.append((row, first, last + 1))
    return found
