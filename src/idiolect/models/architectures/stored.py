"""Which tensor of a file holds which parameters of ours.

Others lay them out otherwise: several side by side in one, transposed, or with rows in front that nothing uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor of a file.

    Example:
        >>> fused = Stored("attn.c_attn.weight", ("q_proj.weight", "k_proj.weight", "v_proj.weight"), transposed=True)
    """

    name: str
    """In the file."""
    parts: tuple[str, ...]
    """The names of the parameters it holds, one after the other along the first dimension."""
    transposed: bool = False
    """Whether the matrix of the file is turned over (GPT-2's)."""
    blank_rows: int = 0
    """Rows in front that no position uses (RoBERTa's positions); written as zeros."""
    copies: tuple[str, ...] = ()
    """Names under which a file may hold it once more (a tied head): it must say the same there. Never written."""

    def shape(self, shapes: Mapping[str, Sequence[int]]) -> list[int]:
        """Its shape in the file, given those of the parameters."""
        rows = sum(shapes[part][0] for part in self.parts) + self.blank_rows
        shape = [rows, *shapes[self.parts[0]][1:]]
        return shape[::-1] if self.transposed else shape

    def packed(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """The tensor to write."""
        tensor = torch.cat([parameters[part] for part in self.parts])
        if self.blank_rows:
            tensor = torch.cat([tensor.new_zeros(self.blank_rows, *tensor.shape[1:]), tensor])
        return (tensor.T if self.transposed else tensor).contiguous()

    def unpacked(self, tensor: Tensor, shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
        """The parameters in a tensor that was read."""
        whole = (tensor.T if self.transposed else tensor)[self.blank_rows :]
        sizes = [shapes[part][0] for part in self.parts]
        return dict(zip(self.parts, torch.split(whole, sizes)))
