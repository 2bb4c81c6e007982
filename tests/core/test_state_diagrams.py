from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from changeover.core.server_search import SearchState
from changeover.core.task_messages import PairStatus

ROOT = Path(__file__).parent.parent.parent
DRAWN = runpy.run_path(str(ROOT / "scripts/draw_states.py"))


def changes(machine: str) -> set[tuple[str, str]]:
    """Every change of state that was seen, as (from, to)."""
    return {(arrow.source, arrow.target) for arrow in DRAWN["arrows"](DRAWN[machine])}


def test_the_page_of_state_diagrams_is_not_stale() -> None:
    assert (ROOT / "docs/explanation/state-diagrams.md").read_text("utf-8") == DRAWN["page"]()


@pytest.mark.parametrize(
    ("machine", "states"),
    [
        ("a_search", {state.value for state in SearchState}),
        ("a_server", {status.name.lower() for status in PairStatus}),
    ],
)
def test_every_state_is_reached_and_left(machine: str, states: set[str]) -> None:
    assert {source for source, _ in changes(machine)} == states == {target for _, target in changes(machine)}


def test_t1_between_a_loss_and_a_try_a_search_always_waits_for_a_watch_timer() -> None:
    assert ("served", "trying") not in changes("a_search")
    assert {arrow.label for arrow in DRAWN["arrows"](DRAWN["a_search"]) if arrow.source == "waiting"} == {
        "timer watch"
    }


def test_t3_a_search_is_served_by_an_answer_and_by_nothing_else() -> None:
    found = DRAWN["arrows"](DRAWN["a_search"])
    assert {arrow.label for arrow in found if arrow.target == "served"} == {"first answer"}
