from __future__ import annotations

from pathlib import Path

from changeover.config.reference import render

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "parameters.md"


def test_the_parameter_reference_is_fresh() -> None:
    stale = "run .venv/bin/python -m changeover.config.reference > docs/reference/parameters.md"
    assert PAGE.read_text(encoding="utf-8") == render(), stale
