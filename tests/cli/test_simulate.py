"""`changeover simulate` from outside."""

import json
import os
import subprocess
import sys

import pytest

from changeover.cli.new import write_project

MEASURES = ("changeover_s", "com_s", "detection_s", "return_s")
KEYS = {"min", "mean", "p50", "p95", "p99", "max"}


@pytest.fixture
def folder(tmp_path):
    write_project(tmp_path / "plant")
    return tmp_path / "plant"


def simulate(folder, *arguments, hash_seed="0"):
    return subprocess.run(
        [sys.executable, "-m", "changeover", "simulate", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
    )


def test_json_has_the_documented_shape(folder):
    done = simulate(folder, "--fault", "device-silent", "--trials", "30", "--json")
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)["simulations"]
    assert (record["function"], record["fault"], record["target"]) == ("io-data", "device-silent", "PLC1")
    assert record["trials"] == 30
    for measure in MEASURES:
        assert set(record[measure]) == KEYS
        assert set(record["forecast"][measure]) == KEYS
    assert record["changeover_s"]["min"] >= 1.0


def test_what_does_not_apply_is_null(folder):
    done = simulate(folder, "--fault", "standby-device-silent", "--trials", "5", "--json")
    (record,) = json.loads(done.stdout)["simulations"]
    assert record["changeover_s"] is None
    assert record["forecast"]["changeover_s"] is None
    assert record["forecast"]["reason"]


def test_the_same_seed_is_the_same_trials_under_any_hash_seed(folder):
    arguments = ("--fault", "server-silent", "--trials", "20", "--json")
    first = simulate(folder, *arguments, hash_seed="1").stdout
    assert first == simulate(folder, *arguments, hash_seed="2").stdout
    assert first != simulate(folder, *arguments, "--seed", "2").stdout


def test_the_table_shows_both_witnesses(folder):
    done = simulate(folder, "--fault", "server-closed", "--trials", "10")
    assert done.returncode == 0
    assert "agrees" in done.stdout
    assert "forecast" in done.stdout


def test_only_forecast_are_other_functions_and_other_stacks(folder):
    done = simulate(folder, "--function", "alarm")
    assert done.returncode == 2
    assert "can only be forecast" in done.stderr
    plant = folder / "plant.toml"
    text = plant.read_text()
    assert 'network_protocol = "acknowledged"' in text
    plant.write_text(text.replace('network_protocol = "acknowledged"', 'network_protocol = "windows"'))
    for verb in ("simulate", "drill"):
        done = subprocess.run(
            [sys.executable, "-m", "changeover", verb, str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert 'network_protocol = "windows"' in done.stderr
        assert done.stdout == ""


def test_an_unknown_target_names_the_known_ones(folder):
    done = simulate(folder, "--target", "IOServer9")
    assert done.returncode == 2
    assert "IOServer1" in done.stderr
