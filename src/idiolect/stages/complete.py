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


@verb
def complete(model: Path, prompt: str, settings: CompleteSettings) -> list[str]:
    """Continue a prompt; the text appears as it is written, after the prompt.

    Example:
        >>> idiolect.complete("model", "To be", max_tokens=50, seed=1)
    """
    if settings.samples < 1:
        raise UsageError(f"samples must be at least 1, not {settings.samples}.")
    set_up()
    speaker = LanguageModel.load(model)
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
