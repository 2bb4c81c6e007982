"""Citect projects for tests: tables as bytes, and whole projects made of a Plant."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from changeover.drivers.modbus.address import MODBUS_PROTOCOLS
from changeover.model.alarm import Alarm, AlarmType, Condition
from changeover.model.device import UnitMode
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.plant import Plant
from changeover.model.tag import Tag
from changeover.model.trend import TrendType

Row = Mapping[str, object]

_MODES = {
    UnitMode.PRIMARY: "Primary",
    UnitMode.STANDBY: "Standby",
    UnitMode.STANDBY_WRITE: "StandbyWrite",
}
_LIMITS = {
    Condition.HIGH_HIGH: ("HIGHHIGH", "HHDELAY"),
    Condition.HIGH: ("HIGH", "HDELAY"),
    Condition.LOW: ("LOW", "LDELAY"),
    Condition.LOW_LOW: ("LOWLOW", "LLDELAY"),
    Condition.DEVIATION: ("DEVIATION", "DEVDELAY"),
}


def dbf_bytes(
    fields: Sequence[tuple[str, int]],
    rows: Iterable[Row],
    *,
    encoding: str = "cp1252",
    deleted: Iterable[int] = (),
    language: int = 0,
) -> bytes:
    """A dBase III table.

    Args:
        fields: Names and lengths.
        rows: Values by name; missing ones are blank.
        encoding: Of the values.
        deleted: Indices of rows, from 0, that are marked as deleted.
        language: The header's language driver.
    """
    gone = set(deleted)
    records = [
        (b"*" if index in gone else b" ")
        + b"".join(str(row.get(name, "")).encode(encoding)[:length].ljust(length) for name, length in fields)
        for index, row in enumerate(rows)
    ]
    descriptors = b"".join(
        struct.pack("<11sc4xB15x", name.encode("ascii"), b"C", length) for name, length in fields
    )
    first = 32 + len(descriptors) + 1
    record_length = 1 + sum(length for _, length in fields)
    header = struct.pack("<B3BIHH17xB2x", 3, 126, 11, 20, len(records), first, record_length, language)
    return header + descriptors + b"\r" + b"".join(records) + b"\x1a"


def table(rows: Sequence[Row], *, encoding: str = "cp1252", least: int = 1) -> bytes:
    """A table whose columns are those of its rows, each as long as its longest value, or `least`."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lengths = (
        max([least, *(len(str(row.get(name, "")).encode(encoding)) for row in rows)]) for name in names
    )
    return dbf_bytes(list(zip(names, lengths, strict=True)), rows, encoding=encoding)


def citect_tables(plant: Plant, encoding: str = "cp1252", least: int = 1) -> dict[str, bytes]:
    """The tables of a project that says of a plant all that such a project can say.

    Args:
        plant: The plant.
        encoding: Of its texts.
        least: Least length of a column, in bytes.
    """
    rows = {
        "units.dbf": _units(plant),
        "boards.dbf": [
            {"SERVER": server.name, "NAME": f"Board_{server.name}", "TYPE": "TCPIP", "ADDR": "0"}
            for server in plant.io_servers
        ],
        "ports.dbf": _ports(plant),
        "variable.dbf": [_variable(tag) for tag in plant.tags],
        "digalm.dbf": [_digital(a) for a in plant.alarms if a.type is AlarmType.DIGITAL],
        "anaalm.dbf": [_analogue(a) for a in plant.alarms if a.type is AlarmType.ANALOGUE],
        "hresalm.dbf": [
            {**_alarm(a), "VAR": a.variables[0]} for a in plant.alarms if a.type is AlarmType.TIME_STAMPED
        ],
        "category.dbf": [
            {
                "CATEGORY": c.number, "NAME": c.name, "PRIORITY": c.priority,
                "LOGDEV": "AlmLog" if c.logs else "",
            }
            for c in dict.fromkeys(alarm.category for alarm in plant.alarms)
        ],
        "trend.dbf": [
            {
                "NAME": trend.tag, "EXPR": trend.tag, "TRIGGER": trend.trigger, "AREA": trend.area or "",
                "TYPE": "TRN_EVENT" if trend.type is TrendType.EVENT else "TRN_PERIODIC",
                "SAMPLEPER": trend.period / SECOND if trend.period else "",
            }
            for trend in plant.trends
        ],
    }  # fmt: skip
    return {name: table(of, encoding=encoding, least=least) for name, of in rows.items() if of}


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a new folder."""
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def write_backup(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a backup."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def _units(plant: Plant) -> list[Row]:
    return [
        {
            "SERVER": unit.io_server,
            "NAME": device.name if unit.mode is UnitMode.PRIMARY else f"{device.name}_{unit.priority}",
            "NUMBER": device.number, "ADDR": "1" if device.protocol in MODBUS_PROTOCOLS else "",
            "PROTOCOL": device.protocol,
            "PORT": unit.port_name or f"P{device.number}_{unit.priority}",
            "MODE": _MODES[unit.mode], "PRIORITY": unit.priority, "EXCLUSIVE": "FALSE",
        }
        for device in plant.io_devices
        for unit in device.units
    ]  # fmt: skip


def _ports(plant: Plant) -> list[Row]:
    return [
        {
            "SERVER": unit.io_server, "NAME": unit.port_name or f"P{device.number}_{unit.priority}",
            "BOARD": f"Board_{unit.io_server}",
            "SPECIAL": f"-I{unit.address.host} -P{unit.address.port} -T",
        }
        for device in plant.io_devices
        for unit in device.units
    ]  # fmt: skip


def _variable(tag: Tag) -> Row:
    address, dot, bit = tag.address.partition(".")
    row: dict[str, object] = {
        "NAME": tag.name, "TYPE": tag.type.value, "UNIT": tag.device,
        "ADDR": f"{address}.{16 - int(bit)}" if dot else address,
        "ENG_UNITS": tag.units, "DEADBAND": tag.deadband or "", "COMMENT": tag.comment,
    }  # fmt: skip
    if tag.scaling is not None:
        scaling = tag.scaling
        row |= {"RAW_ZERO": scaling.raw_zero, "RAW_FULL": scaling.raw_full}
        row |= {"ENG_ZERO": scaling.eng_zero, "ENG_FULL": scaling.eng_full}
    return row


def _alarm(alarm: Alarm) -> Row:
    return {
        "TAG": alarm.tag, "NAME": alarm.name, "DESC": alarm.description, "CATEGORY": alarm.category.number,
        "AREA": alarm.area or "", "COMMENT": alarm.comment,
    }  # fmt: skip


def _digital(alarm: Alarm) -> Row:
    terms = [
        f"NOT {name}" if off else name for name, off in zip(alarm.variables, alarm.inverted, strict=True)
    ]
    return {
        **_alarm(alarm), "VAR_A": terms[0], "VAR_B": terms[1] if len(terms) > 1 else "",
        "DELAY": _clock(alarm.delay),
    }  # fmt: skip


def _analogue(alarm: Alarm) -> Row:
    row = {**_alarm(alarm), "VAR": alarm.variables[0], "DEADBAND": alarm.deadband or ""}
    if alarm.set_point is not None:
        row["SETPOINT"] = alarm.set_point
    for limit in alarm.limits:
        if limit.condition is Condition.RATE:
            # The product counts in [Alarm]Period, a minute.
            row["RATE"] = limit.value * 60
            continue
        column, delay = _LIMITS[limit.condition]
        row |= {column: limit.value, delay: _clock(limit.delay)}
    return row


def _clock(span: int) -> str:
    seconds, rest = divmod(span, SECOND)
    fraction = f".{rest // MILLISECOND:03}" if rest else ""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}" if span else ""
