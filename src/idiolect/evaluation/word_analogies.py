"""How many of a file's analogy questions vectors answer, section by section.

A file is Google's `questions-words.txt` (Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector
Space", section 4.1) or written like it: a line `: section`, and below it lines of four words, "a b c d", of which the
last is asked for. Sections whose names begin with "gram" are syntactic, all others semantic.

Counted is as gensim counts (`evaluate_word_analogies`): only the most frequent words are asked about and may answer;
with folded capitals a word stands for itself and all that differ from it by capitals, and its most frequent form is
meant; a question with a word that is not there is left out. Cost: 2 · V · D operations for each question.

Shapes: V words, D dimensions, Q questions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from idiolect.embeddings.analogies import Method, answers
from idiolect.embeddings.vectors import Vectors
from idiolect.errors import UsageError

RESTRICT: Final = 300_000
"""How many of the most frequent words take part, as in gensim."""
_TOGETHER: Final = 512  # questions that are answered together
Question = tuple[str, str, str, str]


@dataclass(frozen=True)
class Accuracy:
    """Answers to the questions of a section, or of several."""

    name: str
    correct: int
    """Questions whose best answer is the one wanted."""
    asked: int
    """Questions all of whose words are there."""
    questions: int
    """Questions of the file."""
    wrong: tuple[tuple[Question, str], ...] = field(default=(), repr=False)
    """Some that were answered wrongly, and how."""

    @property
    def share(self) -> float:
        """Correct of those asked, from 0 to 1; NaN where none was asked."""
        return self.correct / self.asked if self.asked else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share lies with 95% confidence (Wilson 1927)."""
        if not self.asked:
            return (0.0, 1.0)
        z, n, share = 1.96, self.asked, self.share
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return (max(middle - half, 0.0), min(middle + half, 1.0))


@dataclass(frozen=True)
class Analogies:
    """What came of a file of questions: its sections, and their totals."""

    file: str
    method: Method
    sections: tuple[Accuracy, ...]

    @property
    def semantic(self) -> Accuracy:
        """All sections whose names do not begin with "gram"."""
        return _total("semantic", [one for one in self.sections if not one.name.startswith("gram")])

    @property
    def syntactic(self) -> Accuracy:
        """All sections whose names begin with "gram"."""
        return _total("syntactic", [one for one in self.sections if one.name.startswith("gram")])

    @property
    def total(self) -> Accuracy:
        """All sections."""
        return _total("total", self.sections)


def _total(name: str, sections: list[Accuracy] | tuple[Accuracy, ...]) -> Accuracy:
    return Accuracy(
        name,
        sum(one.correct for one in sections),
        sum(one.asked for one in sections),
        sum(one.questions for one in sections),
    )


def read_questions(path: Path) -> dict[str, list[Question]]:
    """The questions of a file by section.

    Raises:
        UsageError: it cannot be read, has no question, or a line is neither a section nor four words.
    """
    sections: dict[str, list[Question]] = {}
    name = ""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(f"The questions {path} cannot be read: {reason}.") from None
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if line.startswith(":"):
            name = line[1:].strip()
        elif len(words) == 4:
            sections.setdefault(name, []).append((words[0], words[1], words[2], words[3]))
        elif words:
            raise UsageError(f"{path}, line {number:,} is not four words: 'a b c d', where a is to b as c is to d.")
    if not sections:
        raise UsageError(f"{path} has no questions: lines of four words, below lines that begin with a colon.")
    return sections


def measure_analogies(
    vectors: Vectors, path: Path, *, restrict: int = RESTRICT, fold: bool = True, method: Method = "3CosAdd"
) -> Analogies:
    """Ask vectors all questions of a file.

    Args:
        vectors: the words by falling count.
        path: the file; see `read_questions`.
        restrict: how many of the most frequent words take part; 0: all.
        fold: whether capitals make no difference.
        method: how a question is answered: "3CosAdd" or "3CosMul".

    Example:
        >>> measure_analogies(vectors, Path("questions-words.txt")).total.share
        0.238
    """
    known = vectors.most_frequent(min(restrict or len(vectors), len(vectors)))
    forms: dict[str, list[int]] = {}
    for row, word in enumerate(known.words):
        forms.setdefault(word.upper() if fold else word, []).append(row)
    sections = read_questions(path).items()
    found = tuple(_section(known, forms, name, questions, fold, method) for name, questions in sections)
    return Analogies(path.name, method, found)


def _section(
    vectors: Vectors, forms: dict[str, list[int]], name: str, questions: list[Question], fold: bool, method: Method
) -> Accuracy:
    asked, correct = 0, 0
    wrong: list[tuple[Question, str]] = []
    there = []
    for question in questions:
        keys = [word.upper() if fold else word for word in question]
        if all(key in forms for key in keys):
            there.append((question, keys))
    for start in range(0, len(there), _TOGETHER):
        some = there[start : start + _TOGETHER]
        rows_Q3 = np.array([[forms[key][0] for key in keys[:3]] for _, keys in some])
        units_3QD = vectors.units(rows_Q3.T).astype(np.float32)
        excluded = [[row for key in keys[:3] for row in forms[key]] for _, keys in some]
        rows_Q1, scores_Q1 = answers(vectors.matrix, vectors.lengths, units_3QD, 1, excluded=excluded, method=method)
        for (question, keys), row, score in zip(some, rows_Q1[:, 0], scores_Q1[:, 0]):
            asked += 1
            if row in forms[keys[3]] and score > -np.inf:
                correct += 1
            elif len(wrong) < 5:
                wrong.append((question, vectors.words[row]))
    return Accuracy(name, correct, asked, len(questions), tuple(wrong))
