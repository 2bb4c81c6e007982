"""Pages that a script writes say what the code does now."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("script", "page"),
    [
        ("scripts/seed_configurations.py", "docs/reference/configurations.md"),
        ("scripts/seed_answers.py", "docs/reference/five-seconds.md"),
    ],
)
def test_the_page_is_not_stale(script: str, page: str) -> None:
    rendered = runpy.run_path(str(ROOT / script))["render"]()
    assert (ROOT / page).read_text("utf-8") == rendered, f"run .venv/bin/python {script} > {page}"
