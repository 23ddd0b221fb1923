"""A vector for each word of a corpus: the mean of a language model's hidden states wherever the word stands.

The corpus is read twice: its words are counted, and then the model reads it in windows that overlap by half, so that a
token is seen with context before it. A word's vector at one place is the mean of its tokens'; its vector is the mean
over the places (the "aggregated" representations of Bommasani et al. 2020, "Interpreting Pretrained Contextualized
Representations via Reductions to Static Embeddings", section 3). How much of a word's hidden states their mean does not
hold tells how much its contexts matter to the model (compare Ethayarajh 2019, "How Contextual are Contextualized Word
Representations?", section 3).

Memory: a sum for each word, V × D numbers in float64, and some texts. It costs two forward passes over each token.

    checkpoints/step-00000012/
      sums.f64      the sums, as they lie in memory
      state.json    batches of texts that are done, positions, seconds …

Shapes: V words, D model width, B windows, T positions, W words' places of a batch, N tokens of these.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from idiolect import checkpoints
from idiolect.data.framing import Framing, together
from idiolect.embeddings.contextual import hidden_of
from idiolect.embeddings.learning import WORTH_SAYING
from idiolect.embeddings.vectors import Vectors
from idiolect.embeddings.words import Rule, RuleWords, check_words
from idiolect.errors import Interrupted, ModelError, TokenizerError
from idiolect.journal import Bar, Journal, duration, say
from idiolect.models.model import Model, evaluating
from idiolect.signals import noting_signals
from idiolect.text.batches import gathered
from idiolect.tokenizers.base import Tokenizer
from idiolect.tokenizers.places import TokenPlaces

SUMS: Final = "sums.f64"
_WINDOW: Final = 512  # tokens that are read at once, by a model with room for more too
_POSITIONS: Final = 2**13  # that are computed together
_CHARACTERS: Final = 2**14  # that are read between two looks at the clock


class _Window(NamedTuple):
    """Tokens as they are read, and the words among them: for each its row and its tokens, first and one behind."""

    ids: list[int]
    words: list[tuple[int, int, int]]


class Averaging:
    """Sums of the hidden states of words, to which texts are added.

    Args:
        model, tokenizer: which belong together.
        cutter: what a word is.
        words: those that are wanted.

    Example:
        >>> averaging = Averaging(model, tokenizer, RuleWords("letters"), ["good", "bad"])
        >>> averaging.read(["The movie was good.", "It was bad."])
        >>> averaging.vectors().similarity("good", "bad")
    """

    def __init__(self, model: Model, tokenizer: Tokenizer, cutter: RuleWords, words: Sequence[str]) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._cutter = cutter
        self._words = list(words)
        self._rows = {word: row for row, word in enumerate(words)}
        context = min(model.window or _WINDOW, _WINDOW)
        self._framing = Framing(tokenizer, encoder=model.spec.family == "encoder", context=context)
        self.sums_VD = np.zeros((len(words), model.spec.dim))
        self.squares_V = np.zeros(len(words))
        """The squared lengths of the hidden states, summed."""
        self.seen_V = np.zeros(len(words), dtype=np.int64)

    @property
    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """All that it knows."""
        return self.sums_VD, self.squares_V, self.seen_V

    @torch.no_grad()
    def read(self, texts: Iterable[str]) -> int:
        """Add texts; the number of positions that were computed.

        Raises:
            ModelError: a hidden state is not a number.
        """
        windows = [window for text in texts for window in self._windows(text)]
        with evaluating(self._model):
            for batch in together([len(window.ids) for window in windows], _POSITIONS):
                self._add([windows[number] for number in batch])
        return sum(len(window.ids) for window in windows)

    def vectors(self) -> Vectors:
        """The means, the most frequent word first; words that were met nowhere are left out."""
        met = self._met()
        means_VD = (self.sums_VD[met] / self.seen_V[met, None]).astype(np.float32)
        return Vectors([self._words[row] for row in met], means_VD, self.seen_V[met], kind="contextual")

    def spread(self) -> NDArray[np.float64]:
        """For each word of `vectors()`, the share of its hidden states' squared length that is not their mean's: 0 if
        they are all the same, near 1 if they have nothing in common."""
        met = self._met()
        mean_of_squares_V = self.squares_V[met] / self.seen_V[met]
        square_of_mean_V = np.square(self.sums_VD[met] / self.seen_V[met, None]).sum(axis=1)
        spread_V: NDArray[np.float64] = 1 - square_of_mean_V / np.maximum(mean_of_squares_V, 1e-300)
        return np.clip(spread_V, 0, 1)

    def _met(self) -> NDArray[np.int64]:
        order = np.argsort(-self.seen_V, kind="stable")
        return order[: np.count_nonzero(self.seen_V)]

    def _add(self, windows: Sequence[_Window]) -> None:
        """Compute windows together, and add the words in them."""
        hidden_BTD, _ = hidden_of(self._model, [window.ids for window in windows])
        width = hidden_BTD.shape[1]
        places = [
            (row, b * width + first, end - first) for b, one in enumerate(windows) for row, first, end in one.words
        ]
        row_W, first_W, length_W = np.array(places, dtype=np.int64).T
        word_N = np.repeat(np.arange(len(row_W)), length_W)
        token_N = np.repeat(first_W - np.append(0, length_W[:-1].cumsum()), length_W) + np.arange(len(word_N))
        hidden_ND = hidden_BTD.flatten(0, 1)[torch.from_numpy(token_N).to(hidden_BTD.device)].float()
        sums_WD = hidden_ND.new_zeros(len(row_W), hidden_ND.shape[1])
        sums_WD.index_add_(0, torch.from_numpy(word_N).to(hidden_ND.device), hidden_ND)
        hidden_WD = sums_WD.double().cpu().numpy() / length_W[:, None]
        if not np.isfinite(hidden_WD).all():
            raise ModelError("The model's hidden states of this text are not all numbers, so there is no mean of them.")
        order_W = np.argsort(row_W, kind="stable")
        row_U, start_U = np.unique(row_W[order_W], return_index=True)
        self.sums_VD[row_U] += np.add.reduceat(hidden_WD[order_W], start_U, axis=0)
        np.add.at(self.squares_V, row_W, np.square(hidden_WD).sum(axis=1))
        np.add.at(self.seen_V, row_W, 1)

    def _windows(self, text: str) -> Iterator[_Window]:
        """The windows of a text. Each word is in one of them: the first in which it is whole and has half a window
        before it, or the text's beginning."""
        ids, words = self._placed(text)
        before, size = self._framing.before(), self._framing.room()
        step, next_word = max(size // 2, 1), 0
        for start in range(0, max(len(ids) - size, 0) + step, step):
            inside: list[tuple[int, int, int]] = []
            while next_word < len(words) and words[next_word][2] <= start + size:
                row, first, end = words[next_word]
                if first >= start:  # a word longer than half a window may be whole in none
                    inside.append((row, first - start + before, end - start + before))
                next_word += 1
            if inside:
                yield _Window(self._framing.put(ids[start : start + size]).ids, inside)

    def _placed(self, text: str) -> tuple[list[int], list[tuple[int, int, int]]]:
        """The ids of a text, and the wanted words among them: (row, first token, the token behind the last)."""
        places, shown = _tokens(self._tokenizer, text)
        starts_T, ends_T = np.array(places.characters, dtype=np.int64).reshape(-1, 2).T
        met = [
            (row, *place) for word, *place in self._cutter.places(shown) if (row := self._rows.get(word)) is not None
        ]
        row_W, start_W, end_W = np.array(met, dtype=np.int64).reshape(-1, 3).T
        first_W = np.searchsorted(ends_T, start_W, side="right")
        behind_W = np.searchsorted(starts_T, end_W, side="left")
        there = first_W < behind_W  # what the tokenizer leaves out is nowhere
        return places.ids, list(zip(*(one[there].tolist() for one in (row_W, first_W, behind_W))))


def _tokens(tokenizer: Tokenizer, text: str) -> tuple[TokenPlaces, str]:
    """The tokens of a text and their places in it; or, where the tokenizer changes texts in a way that does not tell
    them, in the text that the tokens stand for."""
    try:
        return tokenizer.encode_with_offsets(text), text
    except TokenizerError:
        ids = tokenizer.encode(text)
        pieces = [tokenizer.token_bytes(token_id).decode("utf-8", errors="replace") for token_id in ids]
        shown = "".join(pieces)
        return TokenPlaces.of(shown, ids, [len(piece.encode()) for piece in pieces]), shown


def contextual_vectors(
    model: Model,
    tokenizer: Tokenizer,
    texts: Callable[[], Iterable[str]],
    *,
    words: Rule = "letters",
    lowercase: bool = True,
    min_count: int = 5,
    max_words: int = 20_000,
) -> Vectors:
    """Words by falling count, each with its mean contextual vector over all the texts.

    Args:
        model, tokenizer: which belong together.
        texts: gives the texts each time it is called.
        words: what a word is; see `RuleWords`.
        lowercase: whether capitals are made small in the words; the model reads the text as it is.
        min_count: words that are met less often have no vector.
        max_words: how many words have one at most.

    Raises:
        CorpusError: fewer than two words are met often enough.
    """
    cutter = RuleWords(words, lowercase=lowercase)
    vocabulary = cutter.count_texts(([text] for text in texts()), min_count)
    check_words(vocabulary, min_count)
    averaging = Averaging(model, tokenizer, cutter, vocabulary.words[:max_words])
    for some in _together(texts()):
        averaging.read(some)
    return averaging.vectors()


def _together(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in lists of some thousand characters, long ones in parts."""
    return gathered((part for text in texts for part in _parts(text)), len, _CHARACTERS)


def _parts(text: str) -> Iterator[str]:
    """A text in parts that are not too long to be stopped in, cut behind a line or a word where there is one."""
    start = 0
    while len(text) - start > 2 * _CHARACTERS:
        middle, end = start + _CHARACTERS, start + 2 * _CHARACTERS
        cut = max(text.rfind("\n", middle, end), 0) or max(text.rfind(" ", middle, end), 0) or end - 1
        yield text[start : cut + 1]
        start = cut + 1
    yield text[start:]


@dataclass
class State:
    """Where a run stands, apart from its sums."""

    step: int = 0
    """Batches of texts done."""
    positions: int = 0
    """Positions that the model has computed."""
    seconds: float = 0.0
    """Time spent reading, over all the run's parts."""
    forecast_seconds: float = 0.0
    """Time that all of it was to take, by the first batch."""
    journal_bytes: int = 0
    """Length of metrics.jsonl at that moment."""


def average_in_batches(
    averaging: Averaging, texts: Iterable[str], folder: Path, *, occurrences: int, checkpoint_every: float
) -> State:
    """Read all texts that a run in the folder has not read yet.

    Args:
        averaging: what they are added to; what the run has read is put into it.
        texts: all of them, in the same order each time.
        folder: for the journal and the checkpoints.
        occurrences: how often the wanted words stand in the texts, for the bar and the forecast.
        checkpoint_every: seconds between checkpoints. 0: none.

    Raises:
        Interrupted: it was asked to stop; what it had done is saved.
        ArtifactError: the checkpoint that it would go on from is damaged.
    """
    kept = folder / "checkpoints"
    newest, state = checkpoints.newest_checkpoint(kept), State()
    if newest is not None:
        state = checkpoints.read(newest, SUMS, State)
        checkpoints.read_arrays(newest / SUMS, averaging.arrays)
        say(f"Resuming after {averaging.seen_V.sum():,} of {occurrences:,} words.")
    write = partial(checkpoints.write_arrays, arrays=averaging.arrays)
    journal = Journal(folder, length=state.journal_bytes, step=state.step)
    saved = time.perf_counter()
    done = int(averaging.seen_V.sum())
    with closing(journal), noting_signals() as asked, Bar("averaging", occurrences, done) as bar:
        for some in islice(_together(texts), state.step, None):
            began = time.perf_counter()
            positions = averaging.read(some)
            seconds = time.perf_counter() - began
            done = int(averaging.seen_V.sum())
            state.step += 1
            state.positions += positions
            state.seconds += seconds
            if state.step == 1:
                state.forecast_seconds = seconds * occurrences / max(done, 1)
                if state.forecast_seconds > WORTH_SAYING:
                    say(f"It will take about {duration(state.forecast_seconds)}.")
            rate = positions / seconds
            journal.write({"step": state.step, "words": done, "tokens_per_second": round(rate)})
            bar.update(done, f"words, {rate:,.0f} tokens/s")
            due = 0 < checkpoint_every <= time.perf_counter() - saved
            if asked or due:
                state.journal_bytes = journal.position()
                checkpoints.save(kept, state.step, state, SUMS, write, keep=1)
                saved = time.perf_counter()
            if asked:
                raise Interrupted(
                    f"Stopped after {done:,} of {occurrences:,} words, and saved: the same command goes on from there.",
                    asked[0],
                )
    return state
