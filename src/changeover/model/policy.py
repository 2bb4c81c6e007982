"""Version families as values.

A project's version selects a family, and a family is nothing but a policy record: the machines read its
fields and never ask for a version (changeover-model.md, section 2). A new behaviour is a new record.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from changeover.model.moment import SECOND, Duration


class Family(Enum):
    """The three version families of the seed article: who changes over how."""

    A = "A"
    B = "B"
    C = "C"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a family does, one field per mechanism.

    Attributes:
        family: The family that this record describes.
        restart_pending_at_once: Requests pending on a lost session or an offline unit go to the next unit at
            once (I1); otherwise they wait for a heartbeat (I3).
        needs_heartbeat_to_switch: A client changes over, and back, only at an I/O server's heartbeat
            (I3, I6).
        announce_at_once: An I/O server tells its clients of a unit's change of state at once (I1), not with
            its next heartbeat.
        request_timeout_fails: A request unanswered for [LAN]TimeOut has failed, it is not merely late (I3).
        watch_period_default: Default of [LAN]WatchTime.
    """

    family: Family
    restart_pending_at_once: bool
    needs_heartbeat_to_switch: bool
    announce_at_once: bool
    request_timeout_fails: bool
    watch_period_default: Duration


def _heartbeat_policy(family: Family, watch_period_default: Duration) -> Policy:
    return Policy(
        family=family,
        restart_pending_at_once=False,
        needs_heartbeat_to_switch=True,
        announce_at_once=False,
        request_timeout_fails=True,
        watch_period_default=watch_period_default,
    )


POLICIES: dict[Family, Policy] = {
    Family.A: _heartbeat_policy(Family.A, 30 * SECOND),
    Family.B: _heartbeat_policy(Family.B, 2 * SECOND),
    Family.C: Policy(
        family=Family.C,
        restart_pending_at_once=True,
        needs_heartbeat_to_switch=False,
        announce_at_once=True,
        request_timeout_fails=False,
        watch_period_default=2 * SECOND,
    ),
}

OLDEST_VERSION = (1, 0)
NEWEST_VERSION = (7, 20)


def parse_version(text: str) -> tuple[int, int]:
    """Read a product version.

    Args:
        text: Such as `5.0`, `3.40` or `4.2`; one digit after the dot means tens (4.2 is 4.20).

    Returns:
        Major and two-digit minor version.

    Raises:
        ValueError: The text is no version, or outside 1.0 to 7.20.
    """
    major_text, dot, minor_text = text.strip().partition(".")
    digits = major_text + minor_text
    well_formed = dot and digits.isascii() and digits.isdigit() and len(minor_text) in (1, 2)
    if not well_formed or not major_text:
        raise ValueError(f"{text!r} is no version, write it like 5.0 or 3.40")
    version = (int(major_text), int(minor_text) * (10 if len(minor_text) == 1 else 1))
    if not OLDEST_VERSION <= version <= NEWEST_VERSION:
        raise ValueError(f"version {text} is unknown, allowed are 1.0 to 7.20")
    return version


def family_of(version: tuple[int, int]) -> Family:
    """The family of a version: A below 3.40 and 4.00 to 4.1x, B up to 5.0, C from 5.0 on (seed)."""
    if version >= (5, 0):
        return Family.C
    if version < (3, 40) or (4, 0) <= version < (4, 20):
        return Family.A
    return Family.B
