"""`compare`: variants of a model, trained at an equal budget, on one page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from idiolect.artifact import Artifact, Recipe
from idiolect.comparing.budget import planned, rehearsal, with_steps
from idiolect.comparing.columns import LEARNT, MEMORY, PARAMETERS, SPEED, TIME, TOKENS, known
from idiolect.comparing.outcomes import Compared, Outcome, Training
from idiolect.comparing.page import Tried, comparison_page
from idiolect.comparing.settings import CompareSettings
from idiolect.comparing.variants import Variant, variants_of, vectors_of
from idiolect.compute import Compute, choose_precision, set_up, tear_down
from idiolect.config import verb
from idiolect.data.tokens import Tokens
from idiolect.disk import write_durably
from idiolect.evaluation.comparison import baselines_on_tokens
from idiolect.journal import duration, say, speaks
from idiolect.making import check_target, create, unchanged
from idiolect.pretraining.run import prepare
from idiolect.stages.asking import provenance
from idiolect.stages.page import close_page, page
from idiolect.stages.training import recipe_of, train
from idiolect.tokenizers.base import Tokenizer


@verb
def compare(tokens: Path, settings: CompareSettings, *, out: Path, force: bool = False) -> Compared:
    """Train variants of a model at an equal budget, and set them beside each other on one page.

    Each variant is a family of --models, as it is or with one of --variants. Their models stand in `OUT/variants`, and
    are what pretrain makes. Stopped at any instant, the same command goes on where it was.

    Example:
        >>> idiolect.compare("tokens", models="rnn,lstm,gru,decoder", steps=200, dim=128, out="comparison")
        >>> idiolect.compare("tokens", variants=["positions=alibi", "norm=layer"], steps=200, out="switches")
    """
    made = Artifact.open(tokens, "tokens")
    parents = {"tokens": made.provenance()}
    for number, vectors in enumerate(vectors_of(settings), start=1):
        parents[f"embeddings {number}"] = provenance(vectors)
    recipe = Recipe("comparison", settings, parents)
    if unchanged(out, recipe) and not force:
        say(f"{out} is up to date.")
        compared = Compared.load(out)
    else:
        check_target(out, recipe, force=force, resume=True)  # before the long part
        compute = set_up(settings.threads)
        try:
            compared = _Comparison(tokens, made, settings, compute).run(recipe, out, force=force)
        finally:
            tear_down()
    if speaks():
        _print(compared)
    say(f"The page is {out / 'report.html'}; the models are in {out / 'variants'}.")
    return compared


class _Comparison:
    """A comparison of which everything has been checked that can be before anything trains."""

    def __init__(self, tokens: Path, made: Artifact, settings: CompareSettings, compute: Compute) -> None:
        self.tokens, self.made, self.settings, self.compute = tokens, made, settings, compute
        tokenizer = Tokenizer.load(tokens)
        precision = choose_precision(settings.precision, compute.device, settings.dim)  # the same for all widths
        asked = variants_of(replace(settings, precision=precision), tokenizer)
        self.variants = planned(asked, settings.budget, settings.points, tokenizer)
        prepared = [prepare(tokens, variant.settings, compute).task.prompt for variant in self.variants]
        self.prompt = next((prompt for prompt in prepared if prompt), "")

    def run(self, recipe: Recipe, out: Path, *, force: bool) -> Compared:
        """Train what is not trained yet, and set the page."""
        with create(out, recipe, force=force, resume=True, leads=self.compute.leads) as folder:
            self.compute.wait()
            tried: list[Tried] = []
            for number, asked in enumerate(self.variants, start=1):
                variant = self._in_budget(asked, tried, folder)
                say(f"Variant {number} of {len(self.variants)}: {variant.name}")
                seeds = range(self.settings.seed, self.settings.seed + self.settings.seeds)
                tried.append((variant, [self._trained(variant, seed, folder) for seed in seeds]))
            outcomes = tuple(Outcome.of(variant, trainings) for variant, trainings in tried)
            compared = Compared(self.settings.budget, outcomes, self._yardsticks() if self.compute.leads else ())
            if self.compute.leads:
                compared.save(folder)
                report = page(recipe, out, f"{_listed(compared)} at an equal budget of {self.settings.budget}")
                comparison_page(report, compared, tried, self.prompt)
                close_page(report, recipe, out).write(folder / "report.html")
        self.compute.wait()
        return compared

    def _trained(self, variant: Variant, seed: int, folder: Path) -> Training:
        """Train a variant, unless it is there already."""
        settings = replace(variant.settings, seed=seed)
        name = variant.name if seed == self.settings.seed else f"{variant.name}+seed={seed}"
        target = folder / "variants" / name
        recipe = recipe_of(self.made, settings)
        if unchanged(target, recipe):
            say(f"{name} is trained already.")
        else:
            prepare(self.tokens, settings, self.compute).pace(seconds=0)  # so that none pays for what all need
            _, run = train(self.tokens, recipe, settings, self.compute, target)
            say(f"Trained {name} in {duration(run.seconds)} to a validation loss of {run.val_loss:.4f}.")
        return Training.read(target, variant, seed)

    def _in_budget(self, variant: Variant, tried: list[Tried], folder: Path) -> Variant:
        """The variant with the steps that fit into the time of the first one, where time is the budget.

        They are measured once, and kept on the disk: what goes on after a stop is the same training.
        """
        if self.settings.budget != "time" or not tried:
            return variant
        file, points = folder / "steps.json", self.settings.points
        steps: dict[str, int] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        self.compute.wait()
        if variant.name not in steps:
            seconds = tried[0][1][0].seconds[-1]
            pace = prepare(self.tokens, variant.settings, self.compute).pace(rehearsal(seconds))
            paces = self.compute.total([pace])  # alike in all processes
            steps[variant.name] = max(1, round(seconds * self.compute.world / paces[0]))
            if self.compute.leads:
                write_durably(file, json.dumps(steps, indent=2))
        return with_steps(variant, steps[variant.name], points)

    def _yardsticks(self) -> tuple[tuple[str, float], ...]:
        """The bits per byte of what has no weights; encoders have none to set beside."""
        wanted = self.settings.yardsticks and any(variant.question == "next token" for variant in self.variants)
        return (
            tuple(baselines_on_tokens(Tokenizer.load(self.tokens), Tokens.load(self.tokens)).rows()) if wanted else ()
        )


def _listed(compared: Compared) -> str:
    """The names of the variants as a sentence has them; their number where they are many."""
    names = [outcome.name for outcome in compared.outcomes]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) <= 6 else f"{len(names)} variants"


def _print(compared: Compared) -> None:
    """The figures on standard output, the best of a column marked by a star."""
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=120)
    for group in compared.groups():
        columns = known((PARAMETERS, TOKENS, TIME, SPEED, MEMORY, *LEARNT), group)
        table = Table(box=None, pad_edge=False)
        table.add_column("" if group[0].question == "next token" else group[0].question, overflow="fold")
        for column in columns:
            table.add_column(column.name, justify="right")
        marked = [column.marked(group) for column in columns]
        for row, (outcome, *cells) in enumerate(zip(group, *(column.cells(group) for column in columns))):
            stars = ["*" if row in best else " " for best in marked]
            styles = ["bold" if row in best else "" for best in marked]
            table.add_row(outcome.name, *(Text(*of) for of in zip(map("".join, zip(cells, stars)), styles)))
        console.print(table)
    for name, bits in compared.yardsticks:
        console.print(f"{name}: {bits:.4f} bits per byte", markup=False)
