from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_page_of_state_diagrams_is_not_stale() -> None:
    page = runpy.run_path(str(ROOT / "scripts/draw_states.py"))["page"]()
    assert (ROOT / "docs/explanation/state-diagrams.md").read_text("utf-8") == page
