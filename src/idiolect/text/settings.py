"""How a stage reads its text: the settings that every verb with a TEXT input has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from idiolect.text.corpus import Corpus


@dataclass(frozen=True)
class ReadingSettings:
    """Reading text."""

    text_field: str = "text"
    """Field of a jsonl row, or column of a parquet file, that holds the text."""
    invalid: Literal["refuse", "replace"] = "refuse"
    """What to do with bytes that are not UTF-8: refuse the file, or put U+FFFD."""
    deduplicate: bool = False
    """Keep only the first of documents whose texts are exactly equal."""
    weights: tuple[float, ...] = ()
    """Mixture: one number for each TEXT, its share of the characters; the mixture ends when one runs out."""
    validation: float = 0.05
    """Share of the documents held out for validation (fewer than 20 documents: the last 10% of each)."""
    test: float = 0.05
    """Share of the documents held out for the final test."""

    def corpus(self, texts: Sequence[str]) -> Corpus:
        """The corpus of these sources, read as the settings say."""
        return Corpus(
            texts,
            text_field=self.text_field,
            invalid=self.invalid,
            deduplicate=self.deduplicate,
            weights=self.weights or None,
            validation=self.validation,
            test=self.test,
        )
