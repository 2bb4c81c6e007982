"""The I/O server's benchmark still runs, and its figures are plausible."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "bench_io_server.py"


def test_the_quick_run_measures_both_loads() -> None:
    words = [sys.executable, str(BENCHMARK), "--quick", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    load = report["load"]
    tags = report["devices"] * report["registers"]
    assert load["scan_ms"] == 200
    assert 0 < load["updates_per_s"] <= 1.5 * tags * 5
    assert load["memory_mb"]["server"] > 10
    assert 0 < load["page_scan_ms"][0] <= load["page_scan_ms"][2]
    assert load["alarms"] == 0
    assert report["trials"]
