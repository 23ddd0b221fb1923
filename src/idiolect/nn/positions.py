"""Where a token stands: rotary positions (Su et al. 2021, "RoFormer", section 3.2.2), and sinusoidal ones.

Channels i and i + C/2 of a head are the two coordinates of a point in a plane; at position t the point is turned by the
angle t · theta^(−2i/C). A query's product with a key then depends on how far apart they stand, not on where. The pairs
(i, i + C/2) are llama's and Qwen3's layout.

The tables of all cosines and sines cost 2 · context · head_dim floats, computed once; to turn is three operations.

Shapes: T positions, C channels of a head; any dimensions before them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn

from idiolect.errors import UsageError

Tables = tuple[Tensor, Tensor]
"""Cosines (T, C), and sines (T, C) with the sign of each channel's partner: − in the first half, + in the second."""


@dataclass(frozen=True, slots=True)
class RopeScaling:
    """How the angles of rotary positions are stretched, so that a model reaches beyond the context it was trained for.

    - linear: every angle is divided by `factor` (Chen et al. 2023, "Extending Context Window", section 2.3);
    - llama3: slow angles are divided by `factor`, fast ones kept, those between blended (Llama 3.1's rule);
    - yarn: the same by the number of turns within the old context, and scores are sharpened (Peng et al. 2023, "YaRN",
      sections 3.2 and 3.4);
    - longrope: every angle is divided by a number of its own, and scores are sharpened (Ding et al. 2024, "LongRoPE",
      section 3);
    - dynamic: nothing is stretched within the context (NTK-aware scaling).

    Beyond the context it was trained for, the last two turn all positions by the length of the whole text, so that what
    was read of it would depend on how it goes on: p(x_i | x_<i) would be no function of x_<i, and nothing that is
    remembered would hold. A model with them reads no more than that context.
    """

    kind: Literal["linear", "llama3", "yarn", "longrope", "dynamic"]
    factor: float
    """How many times longer the new context is."""
    original_context: int = 0
    """The context the model was trained for (llama3, yarn, longrope)."""
    low_freq_factor: float = 1.0
    """llama3: angles that turn less often than this within the original context are divided."""
    high_freq_factor: float = 4.0
    """llama3: angles that turn more often than this are kept."""
    beta_fast: float = 32.0
    """yarn: angles that turn more often than this within the original context are kept."""
    beta_slow: float = 1.0
    """yarn: angles that turn less often than this are divided."""
    truncate: bool = True
    """yarn: whether the first and the last pair of channels that are blended are rounded to whole ones."""
    short_factors: tuple[float, ...] = ()
    """longrope: by what each pair's angle is divided."""
    long_factors: tuple[float, ...] = ()
    """longrope: the same in longer texts; kept for the folders that are written."""
    attention_factor: float | None = None
    """yarn, longrope: what queries and keys are multiplied by; None: 0.1 ln(factor) + 1, or
    √(1 + ln(factor) / ln(original_context)) of longrope."""

    def __post_init__(self) -> None:
        """Raises UsageError for a rule that cannot be."""
        if not 1.0 <= self.factor < math.inf:
            raise UsageError(f"The factor of rope_scaling must be at least 1 and finite, not {self.factor}.")
        if self.kind not in ("linear", "dynamic") and self.original_context < 1:
            raise UsageError(f"rope_scaling of kind {self.kind} needs the original context.")
        if self.kind == "llama3" and not 0 < self.low_freq_factor < self.high_freq_factor:
            raise UsageError("low_freq_factor of rope_scaling must be above 0 and below high_freq_factor.")
        if self.kind == "yarn" and not 0 < self.beta_slow < self.beta_fast:
            raise UsageError("beta_slow of rope_scaling must be above 0 and below beta_fast.")
        if self.kind == "longrope" and self.original_context < 2:
            raise UsageError("The original context of longrope must be at least 2.")
        if not all(0.0 < one < math.inf for one in (*self.short_factors, *self.long_factors)):
            raise UsageError("The factors of longrope must be above 0 and finite.")

    def check(self, context: int, head_dim: int) -> None:
        """Raises UsageError for a model of this context and width of a head, where it cannot have the rule."""
        if self.kind != "longrope":
            return
        if context > self.original_context:
            raise UsageError(
                f"With rope_scaling of kind longrope a model reads {self.original_context} tokens, not {context}: "
                "longer texts would turn what was read before."
            )
        for factors in (self.short_factors, self.long_factors):
            if len(factors) != head_dim // 2:
                raise UsageError(
                    f"rope_scaling of kind longrope needs a factor for each of {head_dim // 2} pairs of channels, not "
                    f"{len(factors)}."
                )

    @property
    def size(self) -> float:
        """What cosines and sines are multiplied by."""
        if self.kind not in ("yarn", "longrope"):
            return 1.0
        if self.attention_factor is not None:
            return self.attention_factor
        if self.kind == "longrope":
            return math.sqrt(1 + math.log(self.factor) / math.log(self.original_context))
        return 0.1 * math.log(self.factor) + 1.0

    def stretched(self, speeds_c: Tensor, theta: float) -> Tensor:
        """The angle of each pair of channels from one position to the next, given the unstretched one."""
        if self.kind == "dynamic":
            return speeds_c
        if self.kind == "linear":
            return speeds_c / self.factor
        if self.kind == "longrope":
            exponents_c = torch.arange(len(speeds_c), dtype=torch.float32, device=speeds_c.device) / len(speeds_c)
            return 1.0 / (speeds_c.new_tensor(self.short_factors) * theta**exponents_c)
        if self.kind == "llama3":
            turns_c = self.original_context / (2 * math.pi / speeds_c)
            kept_c = (turns_c - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        else:
            # Pairs of channels that turn so and so often within the old context; between them the angles are blended.
            pairs = len(speeds_c)

            def pair_of(turns: float) -> float:
                return pairs * math.log(self.original_context / (turns * 2 * math.pi)) / math.log(theta)

            first, last = pair_of(self.beta_fast), pair_of(self.beta_slow)
            if self.truncate:
                first, last = math.floor(first), math.ceil(last)
            first, last = max(first, 0), min(last, 2 * pairs - 1)
            places_c = torch.arange(pairs, dtype=torch.float32, device=speeds_c.device)
            kept_c = 1 - (places_c - first) / max(last - first, 0.001)
        kept_c = kept_c.clamp(0, 1)
        return (1 - kept_c) * speeds_c / self.factor + kept_c * speeds_c


def rotary_tables(
    length: int,
    head_dim: int,
    theta: float,
    scaling: RopeScaling | None = None,
    device: torch.device | None = None,
) -> Tables:
    """The tables of positions 0 … length − 1, in fp32 step by step as `transformers` does, so that logits are equal."""
    exponents_c = torch.arange(0, head_dim, 2, dtype=torch.float32, device=device) / head_dim
    speeds_c = 1.0 / theta**exponents_c
    if scaling is not None:
        speeds_c = scaling.stretched(speeds_c, theta)
    angles_Tc = torch.arange(length, dtype=torch.float32, device=device)[:, None] * speeds_c
    cos_Tc, sin_Tc = angles_Tc.cos(), angles_Tc.sin()
    if scaling is not None:
        cos_Tc, sin_Tc = cos_Tc * scaling.size, sin_Tc * scaling.size
    return torch.cat((cos_Tc, cos_Tc), dim=-1), torch.cat((-sin_Tc, sin_Tc), dim=-1)


def sinusoids(places: Tensor, dim: int) -> Tensor:
    """A vector for each place in a text (…, D): sines in the even channels, cosines in the odd ones, of
    wavelengths from 2π to 10000 · 2π (Vaswani et al. 2017, section 3.5).

    Example:
        >>> sinusoids(torch.tensor([0]), 4).tolist()
        [[0.0, 1.0, 0.0, 1.0]]
    """
    speeds_d = 10000.0 ** -(torch.arange(0, dim, 2, dtype=torch.float32, device=places.device) / dim)
    angles = places[..., None].float() * speeds_d
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


def rotate(vectors: Tensor, tables: Tables) -> Tensor:
    """Turn vectors (…, T, C) by their positions; computed in fp32 or better, returned in the vectors' precision."""
    cos_TC, sin_TC = tables
    partners = vectors.roll(vectors.shape[-1] // 2, dims=-1)
    return torch.addcmul(vectors * cos_TC, partners, sin_TC).to(vectors.dtype)


class Rotary(nn.Module):
    """The tables of a model: `rotary(start, stop)` gives those of the positions from `start` to `stop`.

    They are no parameters, are not saved, and stay fp32 when the model is turned into another precision: rounded to
    bf16, far positions would fall together (transformers pull request 29285).
    """

    cos_TC: Tensor
    sin_TC: Tensor

    def __init__(self, length: int, head_dim: int, theta: float, scaling: RopeScaling | None = None) -> None:
        super().__init__()
        self.length, self.head_dim, self.theta, self.scaling = length, head_dim, theta, scaling
        cos_TC, sin_TC = rotary_tables(length, head_dim, theta, scaling)
        self.register_buffer("cos_TC", cos_TC, persistent=False)
        self.register_buffer("sin_TC", sin_TC, persistent=False)

    def forward(self, start: int, stop: int) -> Tables:
        """Cosines and sines (stop − start, C)."""
        return self.cos_TC[start:stop], self.sin_TC[start:stop]

    def at(self, places_BT: Tensor) -> Tables:
        """Cosines and sines of each row's own positions (B, 1, T, C), the same for every head."""
        return self.cos_TC[places_BT][:, None], self.sin_TC[places_BT][:, None]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What `to`, `cuda`, `half` and the like come down to: follow to the device, but not to the precision."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        device = self.cos_TC.device
        self.cos_TC, self.sin_TC = rotary_tables(self.length, self.head_dim, self.theta, self.scaling, device)
        return self
