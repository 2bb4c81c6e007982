"""Playbooks of an operator's commands: each ends as done, refused or unknown; standby_write mirrors."""

from __future__ import annotations

import pytest

from changeover.core.io_client import NO_UNIT_ONLINE
from changeover.core.machine import Closed, WriteTag
from changeover.core.messages import WriteOutcome, WriteResult
from changeover.model.device import UnitMode
from changeover.model.policy import Family
from core.client_scene import OFFLINE, U1, U2, a_client, news, steady

SET = WriteTag(7, "PLC1", "PLC1_T1", 5.0)
DONE, REFUSED, UNKNOWN = WriteOutcome.DONE, WriteOutcome.REFUSED, WriteOutcome.UNKNOWN
SESSION_LOST = "the session was lost before the write was answered"
FAMILIES = pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)


@FAMILIES
def test_a_command_goes_to_the_active_unit_and_ends_as_the_server_says(family: Family) -> None:
    _, play = steady(family)
    play(100, SET, f"1: Write 7 {U1} PLC1_T1=5")
    play(101, play.says(1, WriteResult(7, DONE)), "command 7 done")
    play(110, WriteTag(8, "PLC1", "PLC1_T1", 6.0), f"1: Write 8 {U1} PLC1_T1=6")
    play(111, play.says(1, WriteResult(8, REFUSED, "illegal value")), "command 8 refused: illegal value")
    play(120, WriteTag(9, "PLC1", "PLC1_T1", 7.0), f"1: Write 9 {U1} PLC1_T1=7")
    play(121, play.says(1, WriteResult(9, UNKNOWN, "unit offline")), "command 9 unknown: unit offline")


@FAMILIES
def test_a_command_whose_session_is_lost_is_unknown_and_a_late_result_changes_nothing(family: Family) -> None:
    _, play = steady(family, "note", "alarm", "#COM", "2: Read")
    play(100, SET, f"1: Write 7 {U1} PLC1_T1=5")
    play(101, Closed(1), f"command 7 unknown: {SESSION_LOST}")
    play(102, play.says(1, WriteResult(7, DONE)))


@FAMILIES
def test_of_two_sessions_only_the_lost_ones_commands_are_unknown(family: Family) -> None:
    _, play = steady(family, "note", "alarm")
    play(100, SET, f"1: Write 7 {U1} PLC1_T1=5")
    play(101, Closed(2))
    play(102, play.says(1, WriteResult(7, DONE)), "command 7 done")


def test_without_a_unit_a_command_is_refused_at_once() -> None:
    _, play = a_client(Family.C)
    play(0, SET, f"command 7 refused: {NO_UNIT_ONLINE}")
    play(1, WriteTag(8, "nobody", "x", 1.0), f"command 8 refused: {NO_UNIT_ONLINE}")


def test_after_all_units_are_lost_a_command_is_refused() -> None:
    _, play = steady(Family.C, "note", "alarm", "#COM")
    play(50, play.says(2, news(U2, OFFLINE)))
    play(60, play.says(1, news(U1, OFFLINE)))
    play(70, SET, f"command 7 refused: {NO_UNIT_ONLINE}")


def test_a_command_after_a_changeover_goes_to_the_unit_that_is_active_then() -> None:
    _, play = steady(Family.C, "note", "alarm", "2: Read")
    play(50, play.says(1, news(U1, OFFLINE)))
    play(60, SET, f"2: Write 7 {U2} PLC1_T1=5")


@FAMILIES
def test_a_plain_standby_gets_no_writes(family: Family) -> None:
    _, play = steady(family, standby=UnitMode.STANDBY)
    play(100, SET, f"1: Write 7 {U1} PLC1_T1=5")


@FAMILIES
def test_standby_write_mirrors_every_command_and_the_operator_hears_of_the_active_unit(
    family: Family,
) -> None:
    _, play = steady(family, standby=UnitMode.STANDBY_WRITE)
    play(100, SET, f"1: Write 7 {U1} PLC1_T1=5", f"2: Write -2 {U2} PLC1_T1=5")
    play(101, play.says(2, WriteResult(-2, DONE)))
    play(102, play.says(1, WriteResult(7, DONE)), "command 7 done")


def test_a_mirrored_write_that_fails_is_an_alarm() -> None:
    _, play = steady(Family.C, standby=UnitMode.STANDBY_WRITE)
    play(100, SET, f"1: Write 7 {U1} PLC1_T1=5", f"2: Write -2 {U2} PLC1_T1=5")
    play(101, play.says(2, WriteResult(-2, REFUSED, "why")), f"alarm Write to stand-by refused: why: {U2}")
    play(102, play.says(1, WriteResult(7, DONE)), "command 7 done")


def test_a_mirrored_write_whose_session_is_lost_is_an_alarm_and_forgotten() -> None:
    client, play = steady(Family.C, standby=UnitMode.STANDBY_WRITE)
    play(100, SET, f"1: Write 7 {U1} PLC1_T1=5", f"2: Write -2 {U2} PLC1_T1=5")
    play(101, play.says(1, WriteResult(7, DONE)), "command 7 done")
    lines = play._told(client.handle(Closed(2), play.now))
    assert [line for line in lines if line.startswith("alarm Write to stand-by unknown")], lines
    assert not len(client._writes)


def test_no_mirror_to_a_standby_that_is_offline_or_away() -> None:
    _, play = steady(Family.C, "note", "alarm", standby=UnitMode.STANDBY_WRITE)
    play(50, play.says(2, news(U2, OFFLINE)))
    play(100, SET, f"1: Write 7 {U1} PLC1_T1=5")
    play(110, Closed(2))
    play(120, WriteTag(8, "PLC1", "PLC1_T1", 6.0), f"1: Write 8 {U1} PLC1_T1=6")
