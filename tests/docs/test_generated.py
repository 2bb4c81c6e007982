from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_page_of_configurations_is_not_stale() -> None:
    page = runpy.run_path(str(ROOT / "scripts/seed_configurations.py"))["render"]()
    stale = "run .venv/bin/python scripts/seed_configurations.py > docs/reference/configurations.md"
    assert (ROOT / "docs/reference/configurations.md").read_text("utf-8") == page, stale
