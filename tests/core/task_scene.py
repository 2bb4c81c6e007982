"""A task server and its partner, for playbooks. S = 2 s, ClientRetryTime 5 s.

Ticks come at 125 ms and every 250 ms. `Report1` is the server, `Report2` its partner. Sessions that the
server opens to its partner are 2, 4, …; by session 1 the partner, by 3, 5, … clients are connected. Whoever
is there acknowledges everything at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from changeover.core.machine import Accepted, Connected, ConnectFailed, Start
from changeover.core.messages import Hello, Welcome
from changeover.core.report_server import KeptRuns, ReportServer
from changeover.core.task_messages import PairState, PairStatus
from changeover.model.plant import Way
from changeover.model.report import Report, Schedule
from core.playbook import Dice, Playbook
from plants import timing_for

STARTING, INACTIVE, ACTIVE = PairStatus
SESSIONS = range(1, 40)
ACKNOWLEDGEMENTS = tuple(f"{n}: ack" for n in SESSIONS)
TELLING = tuple(f"{n}: {line}" for n in SESSIONS for line in ("PairState", "Probe"))
"""What goes to the partner with each tick and each change: left out where a scene is not about it."""


def ways_to(partner: str, lans: str = "A") -> tuple[Way, ...]:
    """Every way to a partner, on LANs of one letter."""
    return tuple(Way(partner, lan) for lan in lans)


class Periods:
    """A calendar of periods in whole nanoseconds: runs at their multiples."""

    def runs_between(self, schedule: Schedule, after_utc: int, until_utc: int, limit: int) -> tuple[int, ...]:
        period = schedule.period
        return tuple(range((after_utc // period + 1) * period, until_utc + 1, period)[-limit:])


def a_report_server(
    *hide: str,
    first: bool = True,
    partner: bool = True,
    lans: str = "A",
    reports: Sequence[Report] = (),
    kept: KeptRuns | None = None,
    neighbours: Sequence[str] = (),
    has_visitors: bool = False,
    rng: Random | None = None,
    **timing: float,
) -> tuple[ReportServer, Playbook]:
    """A report server that has not started. Its archive is R1, its partner's R2."""
    fields = {"send_timeout": 2000, "client_retry": 5000, "report_watch": 1000, **timing}
    server = ReportServer(
        "Report1",
        "Report2" if partner else None,
        ways_to("Report2", lans) if partner else (),
        first,
        frozenset(neighbours),
        timing_for("C", **fields),
        rng or Dice(0.5),
        tuple(reports),
        Periods(),
        kept or KeptRuns("R1"),
        has_visitors,
    )
    return server, Playbook(server, *ACKNOWLEDGEMENTS, *hide)


def says(status: PairStatus, *numbers: tuple[str, int], saved: int = 0, lacks: bool = False) -> PairState:
    """How the partner says that it is."""
    return PairState(status, saved, tuple(numbers), lacks)


def partner_opens(
    play: Playbook,
    at_ms: float,
    *expected: str,
    session: int = 2,
    own: str = "Report1",
    partner: str = "Report2",
) -> None:
    """Our link to the partner stands from now on; what is told to it then is expected."""
    play.attends.add(session)
    play(at_ms, Connected(session), f"{session}: Hello {own}")
    play(at_ms, play.says(session, Welcome(partner, ())), f"note partner-found {partner}", *expected)


def accepted(play: Playbook, at_ms: float, session: int, name: str, *expected: str) -> None:
    """Somebody connects and greets."""
    play.attends.add(session)
    play(at_ms, Accepted(session))
    play(at_ms, play.says(session, Hello(name)), *expected)


def alone(
    play: Playbook, at_ms: float, *expected: str, server: str = "Report1", partner: str = "Report2"
) -> None:
    """The server starts and its partner refuses: it is active."""
    play(at_ms, Start(), f"open 2 {partner}/A")
    refused = f"note partner-lost {partner}"
    play(at_ms, ConnectFailed(2), refused, f"note server-active {server}", *expected)


def connected(*hide: str, **arguments: object) -> tuple[ReportServer, Playbook]:
    """A server that starts and whose link to the partner stands since 1 ms; the partner has said nothing."""
    server, play = a_report_server(*TELLING, *hide, **arguments)
    play(0, Start(), "open 2 Report2/A")
    partner_opens(play, 1)
    return server, play
