"""a is to b as c is to what? Two ways to answer, for many questions at once.

They are those of Levy & Goldberg (2014), "Linguistic Regularities in Sparse and Explicit Word Representations":

- **3CosAdd** (their equation 3; Mikolov et al. 2013): the word nearest to b − a + c, all of length 1.
- **3CosMul** (their equation 4): the word x with the largest cos(x, b) · cos(x, c) / (cos(x, a) + 0.001), the cosines
  moved from [−1, 1] into [0, 1]; no single large term outweighs the others.

Shapes: Q questions, D dimensions, V rows, N best answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from idiolect.embeddings.search import Floats, Rows, best_rows
from idiolect.errors import UsageError

Method = Literal["3CosAdd", "3CosMul"]
EPSILON: Final = 0.001  # keeps the quotient finite (their footnote to equation 4)


def answers(
    matrix_VD: NDArray[np.float32],
    lengths_V: Floats,
    questions_3QD: Floats,
    n: int,
    *,
    excluded: Sequence[Sequence[int]],
    method: Method = "3CosAdd",
) -> tuple[Rows, Floats]:
    """The n best rows for each question and their scores, both (Q, N).

    Args:
        matrix_VD, lengths_V: the rows that may be an answer, and how long they are.
        questions_3QD: a, b and c of each question, of length 1.
        n: how many answers to give.
        excluded: for each question the rows that are no answer: a, b and c themselves.
        method: "3CosAdd" or "3CosMul".

    Raises:
        UsageError: there is no such method.
    """
    match method:
        case "3CosAdd":
            a_QD, b_QD, c_QD = questions_3QD
            wanted_QD = b_QD - a_QD + c_QD
            wanted_QD /= np.maximum(np.linalg.norm(wanted_QD, axis=1, keepdims=True), 1e-30)
            return best_rows(matrix_VD, lengths_V, wanted_QD, n, excluded=excluded)
        case "3CosMul":
            three_RD = questions_3QD.reshape(-1, questions_3QD.shape[2])
            return best_rows(matrix_VD, lengths_V, three_RD, n, excluded=excluded, scored=_multiplied)
    raise UsageError(f"There is no method '{method}': choose 3CosAdd or 3CosMul.")


def _multiplied(cosines_RB: Floats) -> Floats:
    """3CosMul's scores (Q, B) from the cosines with all a, then all b, then all c (3Q, B)."""
    a_QB, b_QB, c_QB = (cosines_RB.reshape(3, -1, cosines_RB.shape[1]) + 1) / 2
    scores_QB: Floats = b_QB * c_QB / (a_QB + EPSILON)
    return scores_QB
