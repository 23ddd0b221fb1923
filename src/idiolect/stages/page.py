"""What the report pages of all stages have in common: the title above, the settings and the family tree below."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from pathlib import Path

from idiolect.artifact import Recipe
from idiolect.config import settings_of
from idiolect.report import Report


def page(recipe: Recipe, out: Path, subtitle: str) -> Report:
    """A report with its heading."""
    return Report(out.name, kind=recipe.kind, subtitle=subtitle, footer=f"Made with idiolect {version('idiolect')}.")


def close_page(report: Report, recipe: Recipe, out: Path) -> Report:
    """The same report with settings and lineage at its end."""
    report.section("Settings")
    meanings = {setting.name: setting.meaning for setting in settings_of(type(recipe.settings))}
    report.settings(dataclasses.asdict(recipe.settings), meanings)
    report.section("Lineage")
    report.tree(recipe.family(out))
    return report
