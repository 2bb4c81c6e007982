"""A seeded sweep of alarm, trend and report servers: random faults, then heal, liveness and the audits.

`CHANGEOVER_SWEEP` as in test_sweep.py. A failure shows what was done to the plant.
"""

from __future__ import annotations

import pytest

from simulation.task_chaos import TaskChaos
from simulation.test_sweep import seeds


@pytest.mark.parametrize("seed", seeds())
def test_nothing_is_lost_and_nothing_doubled(seed: int) -> None:
    chaos = TaskChaos(seed)
    chaos.run()
    for audit, counts in chaos.audits().items():
        # Runs that a server repeats because it could not see its partner since that made them are `folded`.
        assert counts.is_clean, (audit, counts, chaos.history)
