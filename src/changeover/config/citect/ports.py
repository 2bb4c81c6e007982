"""boards.dbf and ports.dbf: at which TCP address a unit answers.

A TCP/IP port has it in its special options, `-I<address> -P<port> -T`. The names of these two tables' columns
are inferred from the product's forms, so each is looked for under several.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from changeover.config.citect.notes import NoteKind, Notes
from changeover.config.citect.tables import Record

_BOARD = ("BOARD", "BOARD_NAME", "BOARDNAME")
_BOARD_TYPE = ("TYPE", "BOARD_TYPE", "BOARDTYPE")
_OPTIONS = ("SPECIAL", "SPECIALOPT", "SPECIAL_OPT", "OPT", "SPECOPT")
_PORT = ("NAME", "PORT_NAME", "PORTNAME")
_DASH = "-–"

MODBUS_TCP_PORT = 502
"""The port that is registered for Modbus TCP, where `-P` is missing."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a unit answers.

    Attributes:
        host: None where the project holds no IPv4 address.
        port: TCP port.
        why: Why there is no address, in words; empty where there is one.
    """

    host: IPv4Address | None
    port: int
    why: str = ""


class Ports:
    """The ports of a project.

    Args:
        boards: Records of boards.dbf.
        ports: Records of ports.dbf.
        notes: Takes what has no counterpart.
    """

    def __init__(self, boards: Iterable[Record], ports: Iterable[Record], notes: Notes) -> None:
        self._notes = notes
        self._types: dict[str, str] = {}
        for board in boards:
            name = board.get("NAME", "BOARD_NAME", "BOARDNAME").lower()
            self._types.setdefault(name, board.get(*_BOARD_TYPE))
        self._places: dict[tuple[str, str], Place] = {}
        for port in ports:
            name, server = port.get(*_PORT).lower(), port.get("SERVER").lower()
            place = self._read(port)
            self._places.setdefault((server, name), place)
            # Names of ports are unique in the versions that have no server in this table.
            self._places.setdefault(("", name), place)

    def place(self, server: str, port: str) -> Place:
        """Where the units on a port of an I/O server answer."""
        for key in ((server.lower(), port.lower()), ("", port.lower())):
            if key in self._places:
                return self._places[key]
        return Place(None, 0, "this port is not in ports.dbf")

    def _read(self, record: Record) -> Place:
        column = next((column for column in _OPTIONS if column in record.cells), _OPTIONS[0])
        options = _split(record.get(column))
        board = self._types.get(record.get(*_BOARD).lower(), "")
        unread = [key + value for key, value in options.items() if key not in "IPT"]
        if unread:
            why = f"of the options, {' '.join('-' + option for option in unread)} has no counterpart here"
            record.note(self._notes, NoteKind.CELL_LEFT_OUT, column, why)
        if "I" not in options:
            what = f"its board is of type {board}" if board else "its port has no -I option"
            return Place(None, 0, f"{what}: the project holds no TCP address")
        port = self._tcp_port(record, column, options.get("P"))
        host = _usable_address(options["I"])
        if host is None:
            return Place(None, port, f"'{options['I']}' is no IPv4 address of a host")
        return Place(host, port)

    def _tcp_port(self, record: Record, column: str, text: str | None) -> int:
        if (
            text is not None
            and text.isascii()
            and text.isdigit()
            and len(text) <= 5
            and 1 <= int(text) <= 65535
        ):
            return int(text)
        problem = "has no port" if text is None else f"'{text}' is no TCP port"
        record.note(
            self._notes, NoteKind.PLACEHOLDER, column, f"{problem}: {MODBUS_TCP_PORT} is written, check it"
        )
        return MODBUS_TCP_PORT


def _split(text: str) -> dict[str, str]:
    """Options by their letter in upper case; the value may follow after a blank."""
    options: dict[str, str] = {}
    letter = ""
    for word in text.split():
        if word[0] in _DASH and len(word) > 1:
            letter = word[1].upper()
            options.setdefault(letter, word[2:])
        elif letter and not options[letter]:
            options[letter] = word
    return options


def _usable_address(text: str) -> IPv4Address | None:
    if not re.fullmatch(r"[0-9.]{7,15}", text):
        return None
    try:
        # The product's own tools write 010.001.000.005 as well.
        address = IPv4Address(".".join(str(int(part)) for part in text.split(".")))
    except ValueError:
        return None
    number = int(address) & 0xFFFFFF
    # The ends of a network of 8 bits are no host of any.
    if address.is_multicast or address.is_reserved or int(address) >> 24 == 0 or number in (0, 0xFFFFFF):
        return None
    return address
