"""Word vectors measured on all that is asked of them: files of analogies, files of similarity, and an older set.

result = ask(vectors, analogies=[Path("questions-words.txt")], similarity=[Path("EN-WS-353-ALL.txt")])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from idiolect.embeddings.analogies import Method
from idiolect.embeddings.vectors import Vectors
from idiolect.evaluation.drift import CHANCE, MIN_COUNT, Drift, Moved, measure_drift
from idiolect.evaluation.word_analogies import RESTRICT, Accuracy, Analogies, measure_analogies
from idiolect.evaluation.word_similarity import Agreement, measure_similarity
from idiolect.figures import LineChart, Series
from idiolect.report import Report


@dataclass(frozen=True)
class WordScores:
    """What came of measuring vectors."""

    analogies: tuple[Analogies, ...] = ()
    similarity: tuple[Agreement, ...] = ()
    drift: Drift | None = None

    def merits(self) -> list[tuple[str, object]]:
        """The most telling figures by name."""
        found: list[tuple[str, object]] = []
        for one in self.analogies:
            found += [
                (f"{part.name} analogies", percent(part.share)) for part in (one.total, one.semantic, one.syntactic)
            ]
        found += [(f"Spearman, {one.file}", one.spearman) for one in self.similarity]
        if self.drift is not None:
            found.append(("median drift", round(self.drift.median, 3)))
            if self.drift.noise is not None:
                found.append(("median noise", round(self.drift.noise, 3)))
        return found

    def describe(self, report: Report) -> None:
        """Put the tables into a report, a section for each kind of question."""
        for one in self.analogies:
            report.section(f"Analogies: {one.file}")
            rows = [*one.sections, one.semantic, one.syntactic, one.total]
            report.table(
                ["section", "correct", "asked", "of", "accuracy", "95% interval"],
                [_figures(row) for row in rows],
                caption=f"a is to b as c is to d, answered by {one.method}. Asked are the questions whose words are "
                "all there; the intervals are Wilson's.",
            )
            wrong = [(row.name, *row.wrong[0]) for row in one.sections if row.wrong]
            report.table(
                ["wrong, for example", "question", "wanted", "answered"],
                [[name, f"{a} : {b} :: {c} : ?", d, answer] for name, (a, b, c, d), answer in wrong],
            )
        if self.similarity:
            report.section("Similarity as people see it")
            report.table(
                ["pairs", "Spearman", "95% interval", "pairs there", "of"],
                [[one.file, one.spearman, interval(one.interval), one.pairs, one.of] for one in self.similarity],
                caption="Rank correlation of the vectors' cosine with people's scores; the intervals are a bootstrap's "
                "over the pairs.",
            )
        if self.drift is not None:
            _describe_drift(report, self.drift)


def ask(
    vectors: Vectors,
    *,
    analogies: Sequence[Path] = (),
    similarity: Sequence[Path] = (),
    against: Vectors | None = None,
    control: tuple[Vectors, Vectors] | None = None,
    min_count: int = MIN_COUNT,
    restrict: int = RESTRICT,
    fold: bool = True,
    method: Method = "3CosAdd",
) -> WordScores:
    """Measure vectors; the arguments are those of `measure_analogies`, `measure_similarity` and `measure_drift`."""
    return WordScores(
        tuple(measure_analogies(vectors, path, restrict=restrict, fold=fold, method=method) for path in analogies),
        tuple(measure_similarity(vectors, path, restrict=restrict, fold=fold) for path in similarity),
        None if against is None else measure_drift(against, vectors, control=control, min_count=min_count),
    )


def _figures(row: Accuracy) -> list[object]:
    shown = interval(row.interval, share=True) if row.asked else None
    return [row.name, row.correct, row.asked, row.questions, percent(row.share), shown]


def _describe_drift(report: Report, drift: Drift) -> None:
    report.section("Words that moved")
    report.text(
        f"{drift.words:,} words of both sets were laid over each other by the best rotation; half of them moved by "
        f"less than {drift.median:.3f} (cosine distance: 0 stayed, 1 at a right angle). {verdict(drift)}"
    )
    if drift.bands:
        lines = [
            Series(name, [band.count for band in bands], [band.distance for band in bands])
            for name, bands in (("from before to after", drift.bands), ("in the control", drift.control))
            if bands
        ]
        report.chart(
            LineChart(
                "Drift by frequency",
                lines,
                x_label="occurrences, in the set that has fewer",
                y_label="median cosine distance",
                log_x=True,
                from_zero=True,
                caption="How far words move between any two sets of vectors depends on how often they are met. "
                + (
                    "Only what stands above the control can be change."
                    if drift.control
                    else "A control would show by how much."
                ),
            )
        )
    beyond = "moved most" if drift.noise is None else "moved most beyond the control"
    for title, moved in ((beyond, drift.most), ("moved least", drift.least)):
        names, rows = drift_table(moved)
        report.table([title, *names, "neighbours before", "neighbours after"], rows)


def verdict(drift: Drift) -> str:
    """Whether the drift can be told from noise, in a sentence or two."""
    if drift.noise is None:
        return (
            "How much of that is noise is not known: two sets of vectors of the same text differ as well, rare words "
            "most. Give a control (--control): vectors of all the text dealt at random into two parts as large."
        )
    said = (
        f"In the control, words as frequent moved by {drift.noise:.3f} (median). {drift.beyond:,} of {drift.words:,} "
        f"words moved farther than {1 - CHANCE:.0%} of words as frequent did there; chance gives "
        f"{CHANCE * drift.words:,.0f}."
    )
    if drift.beyond <= 2 * CHANCE * drift.words:
        said += " So this is hardly more than noise, and the words that moved most may have moved by chance."
    return said


def drift_table(moved: Sequence[Moved]) -> tuple[list[str], list[list[object]]]:
    """The names of the columns between a word and its neighbours, and the rows: what is not known has no column."""
    noisy, counted = any(one.noise is not None for one in moved), any(one.counts is not None for one in moved)
    names = ["distance", *["control"] * noisy, *["times"] * counted]
    rows: list[list[object]] = [
        [
            one.word,
            round(one.distance, 3),
            *[None if one.noise is None else round(one.noise, 3)] * noisy,
            *(["{:,}\N{NO-BREAK SPACE}→\N{NO-BREAK SPACE}{:,}".format(*one.counts)] if one.counts else []),
            ", ".join(one.before),
            ", ".join(one.after),
        ]
        for one in moved
    ]
    return names, rows


def percent(share: float) -> str | None:
    """A share as people read it; None where there is none."""
    return None if share != share else f"{100 * share:.1f} %"


def interval(both: tuple[float, float], *, share: bool = False) -> str:
    """An interval as people read it."""
    if share:
        return f"{100 * both[0]:.1f} to {100 * both[1]:.1f} %"
    return f"{both[0]:.3f} to {both[1]:.3f}".replace("-", "−")
