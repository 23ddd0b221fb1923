"""`autocomplete`: the likeliest ends of what is being typed, each with its probability."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from idiolect.compute import set_up
from idiolect.config import verb
from idiolect.errors import UsageError
from idiolect.generate.autocomplete import Unit
from idiolect.language_model import LanguageModel


@dataclass(frozen=True)
class AutocompleteSettings:
    """Autocompletion."""

    k: int = 5
    """How many completions."""
    unit: Unit = "word"
    """What is completed: the last word, or the last line."""

    def __post_init__(self) -> None:
        """Raises UsageError for a value out of range."""
        if self.k < 1:
            raise UsageError(f"k must be at least 1, not {self.k}.")


@verb
def autocomplete(model: Path, typed: str, settings: AutocompleteSettings) -> list[tuple[str, float]]:
    """Complete the word or line that is being typed: the likeliest first, each with its probability.

    After a space the next word is foretold.

    Example:
        >>> idiolect.autocomplete("model", "the mov", k=3)
        [('movie', 0.61), ('movies', 0.2), ('move', 0.05)]
    """
    set_up()
    found = LanguageModel.load(model).autocomplete(typed, settings.k, unit=settings.unit)
    for text, probability in found:
        print(f"{probability:.4f}  {text}")
    return found
