"""The benchmark of recording beside a back-fill still runs, and its figures are plausible."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "bench_trend_recording.py"


def test_the_quick_run_measures_both_servers_with_a_gap_and_without() -> None:
    words = [sys.executable, str(BENCHMARK), "--quick", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    for phase in ("level", "filling"):
        for server in ("Trend1", "Trend2"):
            found = run[phase][server]
            assert found["failures"] == []
            assert found["batches"] > 0
            assert 0 < found["recorded_per_s"] <= 2 * run["tags"]
            assert 0 < found["batch_s_median"] <= found["batch_s_max"]
    # The one that starts later lacks a moment also where both are level.
    assert run["level"]["Trend2"]["fills"] < run["filling"]["Trend2"]["fills"]
    assert run["filling"]["Trend2"]["filled_per_s"] > 0
