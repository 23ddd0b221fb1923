"""An equal budget: how many steps each variant makes, and how wide it is.

| budget     | equal                         | decided here           |
|------------|-------------------------------|------------------------|
| tokens     | tokens read                   | steps                  |
| parameters | tokens read, parameters       | steps, width           |
| time       | seconds of training           | steps, by a rehearsal  |

The first variant is as it was asked for, and the measure of the others. Embeddings count as parameters: they are most
of a small model, and who has fewer needs less memory. Seconds are those of the updates, without evaluations.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import replace

from idiolect.comparing.settings import Budget
from idiolect.comparing.variants import Variant, spec_of
from idiolect.errors import UsageError
from idiolect.models.build import count_parameters
from idiolect.pretraining.settings import PretrainSettings
from idiolect.tokenizers.base import Tokenizer

REHEARSAL_SHARE, SHORTEST_REHEARSAL, LONGEST_REHEARSAL = 0.05, 1.0, 10.0
"""How long a variant is rehearsed under a budget of time, as a share of it, and within which seconds."""


def planned(variants: Sequence[Variant], budget: Budget, points: int, tokenizer: Tokenizer) -> list[Variant]:
    """The variants with steps, evaluations and widths as the budget has them. Under one of time the steps are those of
    equal tokens, until a rehearsal tells more.

    Args:
        variants: as asked for, the first one the measure.
        budget: what is equal.
        points: evaluations of each.
        tokenizer: that of the tokens.

    Raises:
        UsageError: a variant names what the budget decides.
    """
    tokens = tokens_of(variants[0].settings)
    found = []
    for variant in variants:
        settings = variant.settings
        if budget == "parameters" and variant is not variants[0]:
            if settings.dim != variants[0].settings.dim:
                raise UsageError(f"{variant.name} sets dim, which a budget of parameters decides: leave it out.")
            settings = replace(settings, dim=nearest_dim(settings, count_parameters(variants[0].spec), tokenizer))
        settings = _with_steps(settings, round(tokens / (settings.batch * settings.context)), points)
        found.append(Variant(variant.name, settings, spec_of(settings, tokenizer)))
    return found


def tokens_of(settings: PretrainSettings) -> int:
    """Tokens that a training reads."""
    return settings.steps * settings.batch * settings.context


def nearest_dim(settings: PretrainSettings, parameters: int, tokenizer: Tokenizer) -> int:
    """The width with which a model has as nearly so many parameters as can be.

    A Transformer's is a multiple of twice its heads, so that each has a whole and even width.

    Example:
        >>> nearest_dim(PretrainSettings(model="lstm"), 861_696, tokenizer)
        160
    """
    step = 2 if settings.recurrent else 2 * settings.heads

    def count(times: int) -> int:
        return count_parameters(spec_of(replace(settings, dim=times * step), tokenizer))

    most = 1
    while count(most) < parameters:
        most *= 2
    enough = bisect.bisect_left(range(most + 1), parameters, lo=1, key=count)
    return step * min((max(1, enough - 1), enough), key=lambda times: abs(count(times) - parameters))


def rehearsal(seconds: float) -> float:
    """For how many seconds a variant is rehearsed that is to train for so many."""
    return min(max(REHEARSAL_SHARE * seconds, SHORTEST_REHEARSAL), LONGEST_REHEARSAL)


def with_steps(variant: Variant, steps: int, points: int) -> Variant:
    """The variant with another number of steps."""
    return replace(variant, settings=_with_steps(variant.settings, steps, points))


def _with_steps(settings: PretrainSettings, steps: int, points: int) -> PretrainSettings:
    steps = max(1, steps)
    return replace(settings, steps=steps, evaluate_every=max(1, steps // points))
