"""A whole life on text that is on every machine: the documentation of the Python that runs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from idiolect.config import verb
from idiolect.errors import UsageError
from idiolect.journal import console, say
from idiolect.language_model import LanguageModel
from idiolect.stages.encode import encode
from idiolect.stages.evaluate import evaluate
from idiolect.stages.gather import gather
from idiolect.stages.pretrain import pretrain
from idiolect.stages.tokenize import tokenize

PROMPTS = ("str.split(", "json.dump(", "class collections.", 'The "for" statement')


@dataclass(frozen=True)
class DemoSettings:
    """Demo."""

    steps: int = 1500
    """Updates of the model; the default takes a few minutes on two cores."""

    def __post_init__(self) -> None:
        """Raises UsageError for a value out of range."""
        if self.steps < 1:
            raise UsageError(f"steps must be at least 1, not {self.steps}.")


@verb
def demo(settings: DemoSettings, *, out: Path = Path("demo")) -> LanguageModel:
    """Learn a tokenizer and a model from Python's own documentation, measure it, and let it speak.

    Example:
        >>> idiolect.demo(out="demo")
    """
    gather(["@pydocs"], deduplicate=True, out=out / "corpus")
    tokenize([str(out / "corpus")], kind="bpe", vocab_size=2048, out=out / "tokenizer")
    encode([str(out / "corpus")], tokenizer=out / "tokenizer", out=out / "tokens")
    model = pretrain(
        out / "tokens",
        layers=4,
        heads=4,
        dim=192,
        context=256,
        dropout=0.1,
        batch=8,
        steps=settings.steps,
        prompt=PROMPTS[0],
        out=out / "model",
    )
    evaluate(out / "model", [str(out / "corpus")], split="test", out=out / "evaluation", force=True)
    for prompt in PROMPTS:
        continuation = model.complete(prompt, max_tokens=60, temperature=0.6, seed=1)
        console.print(Text.assemble((prompt, "bold"), continuation), soft_wrap=True, end="\n\n")
    say(f"The report of the model is {(out / 'model' / 'report.html').resolve()}")
    return model
