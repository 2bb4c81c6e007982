"""A seeded sweep of the simulation: safety under faults, then liveness.

`CHANGEOVER_SWEEP=5000 pytest tests/simulation/test_sweep.py` runs more seeds, `CHANGEOVER_SWEEP=4711..4712`
runs a range. A failure shows what was done to the plant.
"""

from __future__ import annotations

import os

import pytest

from changeover.model.moment import SECOND
from simulation.chaos import Chaos

SEEDS_BY_DEFAULT = 200
FOUND_A_BUG = (4148, 6237, 6552, 7207, 7952)
"""Each of them ended once with a client that never returned."""


def seeds() -> list[int]:
    text = os.environ.get("CHANGEOVER_SWEEP", "")
    if not text:
        return [*range(SEEDS_BY_DEFAULT), *FOUND_A_BUG]
    first, dots, last = text.partition("..")
    return list(range(int(first), int(last)) if dots else range(int(first)))


@pytest.mark.parametrize("seed", seeds())
def test_faults_do_no_harm_and_all_comes_back(seed: int) -> None:
    chaos = Chaos(seed)
    chaos.world.start()
    chaos.run_faults(8 * SECOND)
    stays = chaos.leave_one_fault()
    chaos.settle()
    chaos.check_served(stays)
    if stays is not None:
        chaos.repair(stays)
    chaos.settle_as_new()
    chaos.check_standby_probing()
