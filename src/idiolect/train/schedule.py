"""The learning rate of each step, as a share of the highest: a pure function, so a resumed run needs no state for
it."""

from __future__ import annotations

import math

from idiolect.train.plan import Plan

COSINE_FLOOR = 0.1
"""Where the cosine ends, as a share of the highest learning rate."""


def share_of_lr(step: int, plan: Plan) -> float:
    """The learning rate of step `step` (counted from 0) divided by the highest.

    It rises linearly over `warmup` steps. Then `cosine` falls to a tenth along half a wave (Loshchilov & Hutter
    2017), and `wsd` (warm-up, stable, decay; Hu et al., MiniCPM, 2024) stays until the last `cooldown` share and
    falls straight to zero.

    Example:
        >>> share_of_lr(0, Plan(steps=100, warmup=10, schedule="cosine"))
        0.1
    """
    warm = min(1.0, (step + 1) / plan.warmup) if plan.warmup else 1.0
    if plan.schedule == "wsd":
        cooling = plan.cooldown * plan.steps
        return warm * (min(1.0, (plan.steps - step) / cooling) if cooling else 1.0)
    after = max(0, step - plan.warmup) / max(1, plan.steps - plan.warmup)
    return warm * (COSINE_FLOOR + (1 - COSINE_FLOOR) * 0.5 * (1 + math.cos(math.pi * after)))
