"""The variants of a comparison: each has a name and the settings of its training, and none is another by another name.

What a variant is, is its `record`: the shape of its model and all that decides how it learns, as it comes out in the
end. `positions=rotary` leaves the record of a decoder as it was, so it is no variant of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import get_args

from idiolect.comparing.settings import CompareSettings
from idiolect.config import nearest, parse, settings_of
from idiolect.errors import UsageError
from idiolect.models.spec import Spec
from idiolect.pretraining.masked_tokens import as_encoders
from idiolect.pretraining.settings import Family, PretrainSettings
from idiolect.tokenizers.base import Tokenizer
from idiolect.train.plan import Plan

RUNNING = (
    *("seed", "threads", "accumulate", "compile", "log_every", "checkpoint_every"),
    *("evaluate_every", "evaluate_tokens", "snapshot_every"),
)
"""Settings of a training that change how it runs and not what is learnt."""
SHARED = (*RUNNING, "steps", "prompt", "yardsticks")
"""Settings that all variants share, or the budget decides."""
OF_ENCODERS = ("masked", "whole_words", "pairs")
"""Settings that only encoders heed."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the things compared."""

    name: str
    """Unlike all others; the folder of its model, too."""
    settings: PretrainSettings
    spec: Spec

    @property
    def question(self) -> str:
        """What its loss is of: only losses of one question can be compared."""
        settings = self.settings
        if settings.model != "encoder":
            return "next token"
        words = "words" if settings.whole_words else "tokens"
        return f"{settings.masked:.0%} hidden {words}" + (", and pairs" if settings.pairs else "")

    def record(self) -> dict[str, object]:
        """All that it is, by name."""
        settings = self.settings
        plan = {field.name: getattr(settings, field.name) for field in fields(Plan) if field.name not in RUNNING}
        plan["weight_decay"] = settings.decay  # as it is where none was given
        objective: dict[str, object] = {"across_documents": settings.across_documents}
        if settings.embeddings is not None:
            objective["embeddings"] = str(settings.embeddings)
        if settings.model == "encoder":
            objective |= {name: getattr(settings, name) for name in OF_ENCODERS}
        return {**asdict(self.spec), **plan, **objective}


def variants_of(settings: CompareSettings, tokenizer: Tokenizer) -> list[Variant]:
    """The variants that are asked for: each family as it is, and with each of the changes.

    Raises:
        UsageError: a family, a setting or a value that is unknown; a change that a family does not know, or that
            changes nothing of it; two that are the same; fewer than two.

    Example:
        >>> settings = CompareSettings(variants=("positions=alibi", "norm=layer+biases=all"))
        >>> [variant.name for variant in variants_of(settings, tokenizer)]
        ['decoder', 'positions=alibi', 'norm=layer+biases=all']
    """
    models = _listed(settings.models) or [settings.model]
    changes = _listed(settings.variants)
    variants: list[Variant] = []
    for model in models:
        family, _, own = model.partition("+")
        plain = _plain(settings, _family(family.strip()))
        standing = _variant(plain.model, plain, tokenizer)
        if own:
            plain, standing = _changed(plain, standing, own, standing.name, tokenizer)
        _add(variants, standing)
        for change in changes:
            _add(variants, _changed(plain, standing, change, standing.name if len(models) > 1 else "", tokenizer)[1])
    if len(variants) < 2:
        raise UsageError("A comparison needs two variants: give several --models, or --variants.")
    return variants


def vectors_of(settings: CompareSettings) -> list[Path]:
    """What the embeddings of any of the variants start from, each once. Raises UsageError as `variants_of`."""
    written = [*_listed(settings.variants), *(model.partition("+")[2] for model in _listed(settings.models))]
    named = [settings.embeddings, *(_changes(change).get("embeddings") for change in written if change)]
    return list(dict.fromkeys(path for path in named if isinstance(path, Path)))


def _variant(name: str, settings: PretrainSettings, tokenizer: Tokenizer) -> Variant:
    return Variant(name, settings.with_rates(), spec_of(settings, tokenizer))


def _changed(
    plain: PretrainSettings, standing: Variant, written: str, family: str, tokenizer: Tokenizer
) -> tuple[PretrainSettings, Variant]:
    """What stands, with a change; named after the change, and the family where one is given."""
    change = _changes(written)
    name = "+".join(f"{setting}={_typed(value)}" for setting, value in change.items())
    changed = replace(plain, **change)  # type: ignore[arg-type]
    variant = _variant(f"{family}+{name}" if family else name, changed, tokenizer)
    if variant.record() == standing.record():
        raise UsageError(f"{name} changes nothing of the {standing.name}, which is so already: leave it out.")
    return changed, variant


def spec_of(settings: PretrainSettings, tokenizer: Tokenizer) -> Spec:
    """The shape of the model that these settings make with a tokenizer."""
    if settings.model != "encoder":
        return settings.spec(tokenizer.vocab_size)
    return settings.spec(as_encoders(tokenizer).vocab_size, pairs=settings.pairs)


def differences(variants: Sequence[Variant]) -> list[tuple[str, list[object]]]:
    """The settings in which variants differ, each with the value of every variant; None where one has no such setting.

    What only some have, and those alike, is left out: it follows from the family.
    """
    records = [variant.record() for variant in variants]
    names = list(dict.fromkeys(name for record in records for name in record))
    found = []
    for name in names:
        had = [record[name] for record in records if name in record]
        if any(value != had[0] for value in had):
            found.append((name, [record.get(name) for record in records]))
    return found


def _add(variants: list[Variant], variant: Variant) -> None:
    """Take it in, if nothing is the same."""
    for other in variants:
        if other.name == variant.name:
            raise UsageError(f"{variant.name} is named twice: leave one out.")
        if other.record() == variant.record():
            raise UsageError(f"{other.name} and {variant.name} are the same model: leave one out.")
    variants.append(variant)


def _plain(settings: CompareSettings, family: Family) -> PretrainSettings:
    """The settings of a training of a family, without those of the comparison, which measures yardsticks once."""
    own = {field.name: getattr(settings, field.name) for field in fields(PretrainSettings)}
    return PretrainSettings(**{**own, "model": family, "yardsticks": False})


def _listed(texts: Iterable[str]) -> list[str]:
    """What is separated by commas, or given one by one."""
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def _family(name: str) -> Family:
    families: tuple[Family, ...] = get_args(Family)
    for family in families:
        if name == family:
            return family
    raise UsageError(f"There is no family '{name}': choose of {', '.join(families)}.{nearest(name, families)}")


def _changes(text: str) -> dict[str, object]:
    """What `positions=alibi+norm=layer` says."""
    known = {setting.name: setting for setting in settings_of(PretrainSettings)}
    found: dict[str, object] = {}
    for part in text.split("+"):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        key = name.replace("-", "_")
        if not equals:
            raise UsageError(f"A variant is written setting=value, not '{part}', such as positions=alibi.")
        if key == "model":
            raise UsageError("The families to compare go to --models, not to --variants.")
        if key in SHARED:
            raise UsageError(
                f"{name} is the same for all variants, or the budget's to decide: leave it out of --variants."
            )
        if key not in known:
            raise UsageError(f"There is no setting '{name}' to vary.{nearest(key, known)}")
        if key in found:
            raise UsageError(f"'{text}' sets {name} twice: leave one out.")
        found[key] = parse(value, known[key].type, f"'{name}' in '{text}'")
    return found


def _typed(value: object) -> str:
    """A value as it would be typed, of a path its last name."""
    if isinstance(value, Path):  # it is part of the name of a folder
        return value.name
    return str(value).lower() if isinstance(value, bool) else str(value)
