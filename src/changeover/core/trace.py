"""The one kind of trace that runtime, simulation and drills all write.

A trace is a sequence of lines in the order of their instants. What a client shows is in `VALUES` and `COM`
lines; the rest says why.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from changeover.model.moment import Instant


class TraceKind(Enum):
    """What a trace line tells; in brackets what its subject is."""

    SESSION_OPENED = "session-opened"  # way
    SESSION_TIMEOUT = "session-timeout"  # way
    SESSION_CLOSED = "session-closed"  # way
    REQUEST_TIMEOUT = "request-timeout"  # way: a request unanswered for [LAN]TimeOut, in A and B
    UNIT_ACTIVATED = "unit-activated"  # unit: the client now reads by it
    UNIT_ONLINE = "unit-online"  # unit: its I/O server says so
    UNIT_OFFLINE = "unit-offline"  # unit
    WOKE_LATE = "woke-late"  # server: it slept for [LAN]SendTimeout or longer
    SERVER_FOUND = "server-found"  # way, detail: function: its first answer to this client
    SERVER_ACTIVE = "server-active"  # server: it believes that it is the active one of its pair
    SERVER_INACTIVE = "server-inactive"  # server
    PARTNER_FOUND = "partner-found"  # server: the partner
    PARTNER_LOST = "partner-lost"  # server: the partner
    REDUNDANT = "redundant"  # server: its partner has whatever it has, and the other way round
    VALUES = "values"  # device, detail: unit and way
    COM = "com"  # device


class TraceLine(msgspec.Struct, frozen=True, gc=False):
    """One line of a trace.

    Attributes:
        at: When, on the host's monotonic clock.
        source: The server or client that wrote it.
        kind: What it tells.
        subject: Whom it is about.
        detail: More, by kind.
    """

    at: Instant
    source: str
    kind: TraceKind
    subject: str
    detail: str = ""
