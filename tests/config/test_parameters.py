from __future__ import annotations

import pytest

from changeover.config.driver_table import DRIVERS, find_driver
from changeover.config.parameters import PARAMETERS, SEND_TIMEOUT, WATCH_TIME, WATCHDOG, Parameter
from changeover.model.device import OfflineRule
from changeover.model.policy import Family

ALL = (*PARAMETERS, *(row for driver in DRIVERS for row in driver.parameters))


@pytest.mark.parametrize("row", ALL, ids=str)
def test_every_row_is_sound(row: Parameter) -> None:
    assert row.affects and row.source
    for family in Family:
        assert row.minimum <= row.default(family) <= row.maximum
        assert row.read(str(row.default(family))) == row.default(family)


def test_no_row_twice() -> None:
    names = [(row.section.lower(), row.name.lower()) for row in ALL]
    assert len(names) == len(set(names))


def test_the_watch_default_depends_on_the_family() -> None:
    assert [WATCH_TIME.default(family) for family in Family] == [30, 2, 2]


@pytest.mark.parametrize(
    "text", ["", "2s", "2000 ; x", "2_000", "٣٠٠٠", "1e3", "9" * 5000, "49", "600001", "-2000"]
)
def test_bad_values_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"whole number|out of range"):
        SEND_TIMEOUT.read(text)


def test_the_allowed_range_names_the_unit() -> None:
    assert SEND_TIMEOUT.allowed == "allowed are 50 to 600000, in milliseconds"
    assert WATCH_TIME.allowed == "allowed are 1 to 600, in seconds"
    assert WATCHDOG.allowed == "allowed are 0 and 1"


def test_offline_rules_of_the_drivers() -> None:
    squared = {driver.protocol for driver in DRIVERS if driver.offline_rule is OfflineRule.SQUARED}
    assert squared == {"MODBUS", "ABTCP", "MELSEC", "OMRON", "SIEMENS", "CCM", "TOSHIBA"}
    assert {driver.protocol for driver in DRIVERS if driver.is_spoken} == {"MODNET", "MODBUS"}
    assert find_driver("modnet") is DRIVERS[0]
    assert find_driver("PROFINET") is None
