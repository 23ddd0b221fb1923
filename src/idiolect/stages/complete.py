"""`complete`: continue a prompt at the terminal, as the model writes."""

from __future__ import annotations

import secrets
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from idiolect.compute import set_up
from idiolect.config import verb
from idiolect.errors import UsageError
from idiolect.generate.sampling import Sampling
from idiolect.language_model import LanguageModel


@dataclass(frozen=True)
class CompleteSettings(Sampling):
    """Completion."""

    max_tokens: int = 100
    """Most tokens to write."""
    samples: int = 1
    """How many continuations to draw."""
    seed: int | None = None
    """The same seed gives the same text; unset: another each time."""
    stop: tuple[str, ...] = ()
    """Texts that end the completion when they occur; they are not printed."""
    beams: int = 0
    """Instead of drawing: search for the likeliest continuations, keeping so many at each step."""
    nbest: int = 1
    """With beams: how many of the best to print, each with its score (ln p, divided by a penalty on its length)."""

    def __post_init__(self) -> None:
        """Raises UsageError for a value out of range, and for settings of which one would have no effect."""
        Sampling.__post_init__(self)
        if self.samples < 1:
            raise UsageError(f"samples must be at least 1, not {self.samples}.")
        if not self.beams:
            if self.nbest != 1:
                raise UsageError("nbest is the number of results of a search: say how many beams too.")
            return
        searching = {"max_tokens", "beams", "nbest"}
        for field in fields(self):
            if field.name not in searching and getattr(self, field.name) != field.default:
                raise UsageError(f"A beam search draws nothing, and {field.name} has no effect on it: leave one out.")


@verb
def complete(model: Path, prompt: str, settings: CompleteSettings) -> list[str]:
    """Continue a prompt; the text appears as it is written, after the prompt. With beams, the best texts by score.

    Example:
        >>> idiolect.complete("model", "To be", max_tokens=50, seed=1)
        >>> idiolect.complete("model", "To be", max_tokens=20, beams=5, nbest=3)
    """
    set_up()
    speaker = LanguageModel.load(model)
    if settings.beams:
        found = speaker.beam_search(prompt, beams=settings.beams, nbest=settings.nbest, max_tokens=settings.max_tokens)
        for one in found:
            print(f"{one.score:.4f}  {prompt}{one.text}")
        return [one.text for one in found]
    sampling = {field.name: value for field in fields(Sampling) if (value := asdict(settings)[field.name]) is not None}
    seed = secrets.randbits(32) if settings.seed is None else settings.seed
    texts = []
    for sample in range(settings.samples):
        pieces = []
        stream = speaker.stream(
            prompt, max_tokens=settings.max_tokens, stop=settings.stop, seed=seed, sample=sample, **sampling
        )
        sys.stdout.write(prompt)
        for piece in stream:
            sys.stdout.write(piece)
            sys.stdout.flush()
            pieces.append(piece)
        sys.stdout.write("\n" if sample == settings.samples - 1 else "\n\n---\n\n")
        texts.append("".join(pieces))
    return texts
