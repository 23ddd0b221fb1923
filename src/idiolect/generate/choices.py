"""How likely given endings of one beginning are: the beginning is read once, the endings together.

Cost: one pass over the beginning, and one over all endings, the shorter ones padded to the longest of their batch.

Shapes: B endings, T positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from idiolect.errors import UsageError
from idiolect.generate.engine import check_prompt
from idiolect.generate.sampling import log_probs
from idiolect.models.model import Model, evaluating

_LOGITS_AT_ONCE = 2**22


def ending_log_probs(model: Model, prompt_ids: Sequence[int], endings: Sequence[Sequence[int]]) -> list[Tensor]:
    """ln p of each id of each ending, given the prompt and the ids of the ending before it: float64, on the CPU.

    Args:
        model: one that reads from left to right.
        prompt_ids: at least one id. Where prompt and longest ending are more than a Transformer reads, the beginning of
            the prompt is left out, for all endings alike.
        endings: each of at least one id.

    Raises:
        UsageError: no prompt, an ending longer than the context, or a model that does not read from left to right.
        ModelError: an id outside the model's vocabulary, or logits that are not numbers.

    Example:
        >>> [one.sum() for one in ending_log_probs(model, [5, 7], [[9], [9, 2]])]
        [tensor(-0.9, dtype=torch.float64), tensor(-1.3, dtype=torch.float64)]
    """
    for ids in (prompt_ids, *endings):
        check_prompt(model, ids)
    longest = max(map(len, endings))
    window = model.window or len(prompt_ids) + longest
    if longest > window:
        raise UsageError(f"An ending of {longest} tokens is longer than the model's context of {window}: shorten it.")
    prompt_ids = prompt_ids[-(window - longest + 1) :]  # the last id of an ending is not read
    rows = max(1, _LOGITS_AT_ONCE // (longest * model.spec.vocab_size))
    order = sorted(range(len(endings)), key=lambda place: len(endings[place]))
    found: dict[int, Tensor] = {}
    device = next(model.parameters()).device
    with torch.inference_mode(), evaluating(model):
        beginning = model.new_cache(1, len(prompt_ids) + longest - 1)
        last_11D = model.hidden(torch.tensor([prompt_ids], device=device), cache=beginning)[:, -1:]
        first_V = log_probs(model.head(last_11D)[0, 0]).cpu()
        for start in range(0, len(order), rows):
            places = order[start : start + rows]
            ids_BT = torch.zeros(len(places), len(endings[places[-1]]), dtype=torch.int64)
            for row, place in enumerate(places):  # padded behind, where nothing before can see it
                ids_BT[row, : len(endings[place])] = torch.tensor(endings[place])
            values_BT = first_V[ids_BT[:, :1]]
            if ids_BT.shape[1] > 1:
                hidden_BTD = model.hidden(ids_BT[:, :-1].to(device), cache=beginning.repeat(len(places)))
                later_BTV = log_probs(model.head(hidden_BTD)).cpu()
                values_BT = torch.cat([values_BT, later_BTV.gather(2, ids_BT[:, 1:, None])[..., 0]], dim=1)
            for row, place in enumerate(places):
                found[place] = values_BT[row, : len(endings[place])].clone()
    return [found[place] for place in range(len(endings))]
