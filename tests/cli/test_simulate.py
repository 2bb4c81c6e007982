"""`changeover simulate` from outside."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from changeover.cli.new import write_project
from changeover.cli.simulate import command
from changeover.model.server import TaskMode

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
    record, *others = json.loads(done.stdout)["simulations"]
    assert (record["function"], record["fault"], record["target"]) == ("io-data", "device-silent", "PLC1")
    assert [(other["function"], other["trials"]) for other in others] == [
        ("alarm", 30),
        ("trend", 30),
        ("report", 30),
    ]
    assert record["trials"] == 30
    for measure in MEASURES:
        assert set(record[measure]) == KEYS
        assert set(record["forecast"][measure]) == KEYS
    assert record["changeover_s"]["min"] >= 1.0


def test_what_does_not_apply_is_null(folder):
    done = simulate(
        folder, "--function", "io-data", "--fault", "standby-device-silent", "--trials", "5", "--json"
    )
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


def test_a_function_is_chosen_and_keeps_its_trials(folder):
    """The same seed gives an alarm the same trials, measured alone or with the others."""
    arguments = ("--fault", "server-closed", "--trials", "8", "--json")
    everything = json.loads(simulate(folder, *arguments).stdout)["simulations"]
    assert [record["function"] for record in everything] == ["io-data", "alarm", "trend", "report"]
    assert [record["injected"] for record in everything] == ["IOServer1", "SCADA1", "SCADA1", "SCADA1"]
    done = simulate(folder, "--function", "trend", *arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["simulations"] == everything[2:3]


def test_a_cut_between_the_pair_leaves_every_function_alone(folder):
    arguments = ("--fault", "partner-cut", "--trials", "3")
    done = simulate(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    for record in json.loads(done.stdout)["simulations"]:
        assert (record["target"], record["trials"]) == ("SCADA1+SCADA2", 3)
        assert record["forecast"]["outcome"] == "unaffected"
        assert [record[measure] for measure in MEASURES] == [None] * 4
    told = " ".join(simulate(folder, *arguments).stdout.split())
    assert "io-data, alarm, trend, report: unaffected by partner-cut (SCADA1+SCADA2): agrees" in told


def test_servers_of_one_function_on_one_computer_are_struck_one_by_one(folder):
    """To strike their computer would take the standby too."""
    plant = folder / "plant.toml"
    there, here = 'name = "Alarm2"\ncomputer = "SCADA2"', 'name = "Alarm2"\ncomputer = "SCADA1"\nport = 13080'
    plant.write_text(plant.read_text().replace(there, here))
    done = simulate(folder, "--fault", "server-closed", "--trials", "5", "--json")
    assert done.returncode == 0, done.stdout
    records = json.loads(done.stdout)["simulations"]
    assert [record["injected"] for record in records] == ["IOServer1", "Alarm1", "SCADA1", "SCADA1"]


def test_what_cannot_be_simulated_says_why(folder):
    """Every client is on the computer that falls silent."""
    plant = folder / "plant.toml"
    plant.write_text(plant.read_text().replace('computer = "HMI"', 'computer = "SCADA1"'))
    done = simulate(folder, "--fault", "server-silent", "--trials", "2")
    assert done.returncode == 0, done.stderr
    assert "alarm, server-silent Alarm1: not simulated: no client is left" in " ".join(done.stdout.split())
    records = json.loads(simulate(folder, "--fault", "server-silent", "--trials", "2", "--json").stdout)
    assert {record["trials"] for record in records["simulations"]} == {0}
    assert all(record["reason"].startswith("not simulated") for record in records["simulations"])


def test_a_contradiction_is_shown_and_told_by_the_status(folder, monkeypatch, capsys):
    """A forecast for another priority: clients would go back, and do not."""
    import changeover.forecast.rules as rules

    truth = rules.forecast_plant

    def wrong(plant):
        first = [s.mode is TaskMode.PRIMARY for s in plant.task_servers]
        ranked = [replace(s, priority=1 if f else 2) for s, f in zip(plant.task_servers, first, strict=True)]
        return truth(replace(plant, task_servers=tuple(ranked)))

    monkeypatch.setattr(rules, "forecast_plant", wrong)
    arguments = [str(folder), "--function", "alarm", "--fault", "server-closed", "--trials", "3"]
    with pytest.raises(SystemExit) as ended:
        command.main(arguments, standalone_mode=False)
    assert ended.value.code == 1
    assert "seen in 0 of 3 trials only" in " ".join(capsys.readouterr().out.split())


def test_the_stack_of_another_system_is_not_drilled(folder):
    plant = folder / "plant.toml"
    text = plant.read_text()
    assert 'network_protocol = "acknowledged"' in text
    plant.write_text(text.replace('network_protocol = "acknowledged"', 'network_protocol = "windows"'))
    done = subprocess.run(
        [sys.executable, "-m", "changeover", "drill", str(folder)],
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
