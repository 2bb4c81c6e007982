"""A client's I/O data: which unit it reads each device by, and when that changes (I1 to I4, I6, T4).

Theory of operation. The client keeps a link to every I/O server on every LAN at once. For each I/O device it
has an ordered list of units, best first, and reads by the best one that it believes online. With each page
scan it sends one request per device, none while one is pending, and a probe on every link that carries
nothing else in that instant, so that a silent server loses all of its links together (T4).

What moves a device to another unit is the family's affair:

* announcing families (C): a lost link or an offline unit re-issues at once whatever was asked there, and asks
  at once for everything that is shown from there (I1);
* heartbeat families (A, B): a request has failed when it is unanswered for [LAN]TimeOut, or when its link is
  lost; the tags show #COM. It is re-issued at a heartbeat (I3): when its server does not even acknowledge, at
  the next heartbeat of any other live link; when the server acknowledges but the device is silent, at that
  server's own heartbeat that carries "offline".

The way back, to a better unit or to the LAN that stands first, is make-before-break: it is asked while the
other one still serves, and takes over with its first answer. A unit whose first news is still under way holds
back all worse ones, so that a client that starts does not touch the standby first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import ClassVar, TypeAlias

from changeover.core.deadlines import Deadlines, next_tick
from changeover.core.io_group import IoGroup, Pending
from changeover.core.io_writes import IoWrites
from changeover.core.link import AttemptFailed, Delivered, Link, LinkLost, LinkOpened
from changeover.core.link import Step as LinkStep
from changeover.core.machine import (
    Closed,
    Connected,
    ConnectFailed,
    Effect,
    Effects,
    EndCommand,
    FrameArrived,
    Note,
    Present,
    RaiseAlarm,
    SessionId,
    ShowCom,
    Start,
    Stimulus,
    WriteTag,
)
from changeover.core.messages import (
    Answer,
    Heartbeat,
    Message,
    Probe,
    ReadRequest,
    UnitState,
    UnitStatus,
    Welcome,
    WriteRequest,
    WriteResult,
)
from changeover.core.trace import TraceKind
from changeover.model.device import IoDevice, Unit, UnitMode
from changeover.model.moment import Duration, Instant
from changeover.model.plant import Timing, Way
from changeover.model.policy import Policy

NO_UNIT_ONLINE = "no unit of the I/O device is online"
Tags: TypeAlias = dict[str, tuple[str, ...]]
"""By I/O device: the tags that the client shows."""


class IoClient:
    """The machine of one client's I/O data.

    Args:
        name: The client's name.
        ways: Every way to every I/O server.
        devices: The I/O devices that it shows, each with its units, best first.
        tags: By device, the tags that it shows.
        page_scan: Period of its requests, R.
        policy: The version family.
        timing: Parameters of citect.ini.
        rng: The phase of the page scan comes from here.
    """

    def __init__(
        self,
        name: str,
        ways: tuple[Way, ...],
        devices: tuple[IoDevice, ...],
        tags: Tags,
        page_scan: Duration,
        policy: Policy,
        timing: Timing,
        rng: Random,
    ) -> None:
        self.name = name
        self._page_scan = page_scan
        self._policy = policy
        self._timing = timing
        self._rng = rng
        self._deadlines = Deadlines()
        self._counters = {"session": 0, "request": 0}
        self.links = {
            way: Link(
                way,
                name,
                timing.silence,
                timing.client_retry,
                self._deadlines,
                lambda: self._count("session"),
                timing.silence is not None or policy.needs_heartbeat_to_switch,
            )
            for way in ways
        }
        self._order = {way: place for place, way in enumerate(ways)}
        self._links_of: dict[str, list[Link]] = {}
        for way, link in self.links.items():
            self._links_of.setdefault(way.server, []).append(link)
        self._by_session: dict[SessionId, Link] = {}
        self.groups = {d.name: IoGroup(d, tags[d.name]) for d in devices if tags.get(d.name)}
        self._group_of = {u.name: group for group in self.groups.values() for u in group.units}
        self._beliefs: dict[str, UnitStatus | None] = {u.name: None for d in devices for u in d.units}
        self._ever_attached: set[str] = set()
        self._writes = IoWrites()

    # --- the contract ---

    def handle(self, stimulus: Stimulus, now: Instant) -> Effects:
        """Take one stimulus."""
        return tuple(self.TABLE[type(stimulus)](self, stimulus, now))

    def handle_timeout(self, now: Instant) -> Effects:
        """Act on every deadline that is due."""
        effects: list[Effect] = []
        while (due := self._deadlines.pop_due(now)) is not None:
            (purpose, owner), at = due
            if purpose == "scan":
                self._deadlines.set(("scan", ""), next_tick(at, self._page_scan, now))
                effects.extend(self._on_scan(now))
            elif purpose == "request":
                assert isinstance(owner, str)
                effects.extend(self._on_request_timeout(self.groups[owner], now))
            else:
                assert isinstance(owner, Way)
                link = self.links[owner]
                effects.extend(self._carry_out(link, link.handle_timer(purpose, at, now), now))
        return tuple(effects)

    def next_deadline(self) -> Instant | None:
        """The earliest deadline."""
        return self._deadlines.next()

    # --- handlers ---

    def _on_start(self, _: Start, now: Instant) -> Iterable[Effect]:
        self._deadlines.set(("scan", ""), now + round(self._rng.random() * self._page_scan))
        for link in self.links.values():
            yield from self._carry_out(link, link.start(now), now)

    def _on_link_stimulus(
        self, stimulus: Connected | ConnectFailed | FrameArrived | Closed, now: Instant
    ) -> Iterable[Effect]:
        link = self._by_session.get(stimulus.session)
        if link is None or link.session_id != stimulus.session:
            return ()
        return self._carry_out(link, link.handle(stimulus, now), now)

    def _on_write(self, stimulus: WriteTag, now: Instant) -> Iterable[Effect]:
        group = self.groups.get(stimulus.device)
        link = self._open_link(group.active) if group and group.active else None
        if group is None or group.active is None or link is None:
            yield EndCommand(stimulus.command, "refused", NO_UNIT_ONLINE)
            return
        self._writes.sent(stimulus.command, link.way)
        request = WriteRequest(stimulus.command, group.active.name, stimulus.tag, stimulus.value)
        yield link.send(request, now)
        for unit in group.units:
            mirror = self._open_link(unit)
            mirrors = unit.mode is UnitMode.STANDBY_WRITE and unit is not group.active
            if mirrors and mirror is not None and self._beliefs[unit.name] is UnitStatus.ONLINE:
                number = -self._count("request")
                self._writes.mirrored(number, mirror.way, unit.name)
                yield mirror.send(WriteRequest(number, unit.name, stimulus.tag, stimulus.value), now)

    # --- links ---

    def _carry_out(self, link: Link, steps: tuple[LinkStep, ...], now: Instant) -> list[Effect]:
        """Act on a link's outcomes, pass its effects on."""
        effects: list[Effect] = []
        self._by_session[link.session_id] = link
        for step in steps:
            if isinstance(step, Delivered):
                effects.extend(self._on_message(link, step.message, now))
            elif isinstance(step, LinkOpened):
                effects.extend(self._on_opened(link, step.welcome, now))
            elif isinstance(step, LinkLost):
                effects.extend(self._on_lost(link, step.silent, now))
            elif isinstance(step, AttemptFailed):
                effects.extend(self._choose_all(now))
            else:
                effects.append(step)
        if link.session is None:
            self._by_session = {
                number: held for number, held in self._by_session.items() if held.session_id == number
            }
        return effects

    def _on_opened(self, link: Link, welcome: Welcome, now: Instant) -> Iterable[Effect]:
        yield Note(TraceKind.SESSION_OPENED, str(link.way))
        first = link.way.server not in self._ever_attached
        self._ever_attached.add(link.way.server)
        if first or not self._policy.needs_heartbeat_to_switch:
            told = dict(welcome.units)
            for unit in self._units_of(link.way.server):
                # A unit that its own server does not know (an older plant runs there) is none to wait for.
                yield from self._believe(unit.name, told.get(unit.name, UnitStatus.OFFLINE), now)
        yield from self._choose_all(now)

    def _on_lost(self, link: Link, silent: bool, now: Instant) -> Iterable[Effect]:
        kind = TraceKind.SESSION_TIMEOUT if silent else TraceKind.SESSION_CLOSED
        yield Note(kind, str(link.way))
        yield RaiseAlarm("Session Timeout" if silent else "Session Closed", str(link.way))
        if not any(other.is_open for other in self._links_of[link.way.server]):
            for owned in self._units_of(link.way.server):
                self._beliefs[owned.name] = UnitStatus.OFFLINE
        yield from self._writes.on_lost(link.way)
        for group in self.groups.values():
            if group.returning is not None and group.returning.way == link.way:
                group.returning = None
            if group.way == link.way:
                yield from self._on_group_lost(group, now)
        yield from self._choose_all(now)

    # --- messages ---

    def _on_message(self, link: Link, message: Message, now: Instant) -> Iterable[Effect]:
        return self.MESSAGES[type(message)](self, link, message, now)

    def _on_answer(self, link: Link, answer: Answer, now: Instant) -> Iterable[Effect]:
        group = self._group_of.get(answer.unit)
        if group is None:
            return
        if group.pending is not None and group.pending.request == answer.request:
            if answer.failure:
                yield from self._on_refusal(group, answer, now)
            elif self._is_stale(group.pending, answer, now):
                # It waited in the network while the way was silent: what it tells is as old as that.
                group.needs_full = True
                yield self._ask(group, now)
            else:
                yield from self._become_served(group, group.pending, answer, now)
        elif group.returning is not None and group.returning.request == answer.request:
            returning, group.returning = group.returning, None
            if not answer.failure and not self._is_stale(returning, answer, now):
                yield from self._become_served(group, returning, answer, now)
                yield from self._choose(group, now)

    def _is_stale(self, pending: Pending, answer: Answer, now: Instant) -> bool:
        """Whether an answer was under way for longer than a value may be old and shown as good."""
        return now - pending.asked_at - answer.waited > self._timing.request_timeout

    def _on_refusal(self, group: IoGroup, answer: Answer, now: Instant) -> Iterable[Effect]:
        assert group.pending is not None
        if self._beliefs[answer.unit] is UnitStatus.OFFLINE:
            yield from self._on_group_lost(group, now)
        else:
            # Not a matter of redundancy (the server does not know the unit, or is overloaded): the tags
            # go #COM, and the next page scan asks again with the whole list.
            group.pending = None
            group.needs_full = True
            yield from self._show_com(group)

    def _on_unit_state(self, link: Link, message: UnitState, now: Instant) -> Iterable[Effect]:
        if self._policy.needs_heartbeat_to_switch and self._beliefs.get(message.unit) not in (
            None,
            UnitStatus.STARTING,
        ):
            return
        yield from self._believe(message.unit, message.status, now)
        group = self._group_of.get(message.unit)
        if group is not None:
            yield from self._choose(group, now)

    def _on_heartbeat(self, link: Link, heartbeat: Heartbeat, now: Instant) -> Iterable[Effect]:
        for unit, status in heartbeat.units:
            yield from self._believe(unit, status, now)
        for group in self.groups.values():
            if group.failed:
                yield from self._reissue_at_heartbeat(group, link, now)
                continue
            returning = group.returning
            if returning is not None and now - returning.asked_at >= self._timing.request_timeout:
                # Nobody answers for a silent device (I3): the better unit went again, and is asked again.
                group.returning = None
            yield from self._choose(group, now)

    def _on_write_result(self, link: Link, result: WriteResult, now: Instant) -> Iterable[Effect]:
        return self._writes.on_result(result)

    def _on_welcome_again(self, link: Link, message: Message, now: Instant) -> Iterable[Effect]:
        return ()

    def _believe(self, name: str, status: UnitStatus, now: Instant) -> Iterable[Effect]:
        before = self._beliefs.get(name)
        if name not in self._beliefs or before is status:
            return
        self._beliefs[name] = status
        group = self._group_of.get(name)
        if status is UnitStatus.OFFLINE and before is UnitStatus.ONLINE:
            yield RaiseAlarm("I/O device off-line", name)
        if group is None or status is not UnitStatus.OFFLINE:
            return
        if group.returning is not None and group.returning.unit.name == name:
            group.returning = None
        is_active = group.active is not None and group.active.name == name
        if is_active and self._policy.restart_pending_at_once:
            yield from self._on_group_lost(group, now)

    # --- page scan ---

    def _on_scan(self, now: Instant) -> Iterable[Effect]:
        if not self._policy.needs_heartbeat_to_switch:
            # What stood in the way of a choice, such as a link under suspicion, may be over.
            yield from self._choose_all(now)
        busy: set[Way] = set()
        for group in self.groups.values():
            if group.pending is None and group.way is not None and not group.failed:
                yield self._ask(group, now)
                busy.add(group.way)
        for way, link in self.links.items():
            if way not in busy and link.may_probe:
                yield link.send(Probe(), now)

    def _ask(self, group: IoGroup, now: Instant) -> Effect:
        """Request a device's tags by its active unit and way."""
        assert group.active is not None and group.way is not None
        group.pending = self._request(group, group.active, group.way, group.needs_full, now)
        if group.waiting_since is None:
            group.waiting_since = now
            self._deadlines.set(("request", group.device.name), now + self._timing.request_timeout)
        return self._send_request(group, group.pending, now)

    def _request(self, group: IoGroup, unit: Unit, way: Way, full: bool, now: Instant) -> Pending:
        return Pending(self._count("request"), unit, way, self.links[way].session_id, full, now)

    def _send_request(self, group: IoGroup, pending: Pending, now: Instant) -> Effect:
        tags = group.tags if pending.full else None
        request = ReadRequest(pending.request, pending.unit.name, self._page_scan, tags)
        return self.links[pending.way].send(request, now)

    # --- what becomes of a device's data ---

    def _become_served(
        self, group: IoGroup, pending: Pending, answer: Answer, now: Instant
    ) -> Iterable[Effect]:
        """Data is here: whatever waited, failed or showed #COM is over."""
        device = group.device.name
        if group.served_by is not pending.unit:
            if group.served_by is not None and pending.unit is not group.units[0]:
                yield RaiseAlarm("Stand-by I/O Device activated", pending.unit.name)
            yield Note(TraceKind.UNIT_ACTIVATED, pending.unit.name, str(pending.way))
        group.become_served(pending)
        self._deadlines.clear(("request", device))
        yield Note(TraceKind.VALUES, device, f"{pending.unit.name} {pending.way}")
        yield Present(device, pending.unit.name, pending.way, answer.data)

    def _on_group_lost(self, group: IoGroup, now: Instant) -> Iterable[Effect]:
        """The active unit or way is gone: re-issue at once (I1), or fail and wait for a heartbeat (I3)."""
        if self._policy.restart_pending_at_once:
            group.become_unserved()
            yield from self._choose(group, now)
            if group.active is None:
                yield from self._show_com(group)
        else:
            group.become_failed()
            yield from self._show_com(group)

    def _on_request_timeout(self, group: IoGroup, now: Instant) -> Iterable[Effect]:
        """A request waited for [LAN]TimeOut (I2, I3)."""
        if self._policy.request_timeout_fails and not group.failed:
            group.become_failed()
            if group.way is not None:
                yield Note(TraceKind.REQUEST_TIMEOUT, str(group.way), group.device.name)
        yield from self._show_com(group)

    def _reissue_at_heartbeat(self, group: IoGroup, heard: Link, now: Instant) -> Iterable[Effect]:
        """Re-issue a failed request at a heartbeat that allows it (I3, T4)."""
        pending = group.pending
        unit, link = self._best(group, now)
        if all(heard.way.server != owned.io_server for owned in group.units):
            return
        if pending is not None and not self._is_dead(pending, now):
            # The server is alive, so its device is at fault: only its own word counts, or a better unit's.
            better = unit is not None and group.rank(unit) < group.rank(pending.unit)
            if heard.way.server != pending.way.server and not better:
                return
            if self._beliefs[pending.unit.name] is UnitStatus.ONLINE and not better:
                # The device may have been away and come back since: ask again, without new hope.
                group.pending = self._request(group, pending.unit, pending.way, True, now)
                yield self._send_request(group, group.pending, now)
                return
            group.pending = None
        if unit is None or link is None:
            return
        group.become_unserved()
        group.become_asking(unit, link.way)
        group.waiting_since = None
        yield self._ask(group, now)

    def _is_dead(self, pending: Pending, now: Instant) -> bool:
        """Whether nobody will answer a failed request: its session is gone, or its server silent."""
        gone = self.links[pending.way].session_id != pending.session
        return gone or self._is_suspect(pending.way, now)

    def _is_suspect(self, way: Way, now: Instant) -> bool:
        """Whether a link is lost, or its server leaves sends unacknowledged (a request has failed on it).

        A frame that is half a time-out old tells enough: the failed request itself may have been
        acknowledged in the last moment before the fault.
        """
        link = self.links[way]
        limit = min(self._timing.patience, self._timing.request_timeout) // 2
        return not link.is_open or link.unacknowledged_for(now) >= limit

    def _show_com(self, group: IoGroup) -> Iterable[Effect]:
        if not group.shows_com:
            group.shows_com = True
            yield Note(TraceKind.COM, group.device.name)
            yield ShowCom(group.device.name)

    # --- choice ---

    def _choose_all(self, now: Instant) -> Iterable[Effect]:
        for group in self.groups.values():
            yield from self._choose(group, now)

    def _choose(self, group: IoGroup, now: Instant) -> Iterable[Effect]:
        """Go to the best unit if that is news: at once when nothing serves, else make before break."""
        if group.failed:
            return
        unit, link = self._best(group, now)
        if unit is None or link is None:
            return
        if group.active is None or group.way is None:
            group.become_asking(unit, link.way)
            yield self._ask(group, now)
        elif group.returning is None and self._is_better(group, unit, link.way):
            group.returning = self._request(group, unit, link.way, True, now)
            yield self._send_request(group, group.returning, now)

    def _is_better(self, group: IoGroup, unit: Unit, way: Way) -> bool:
        """Whether a unit, or the same unit by a LAN that stands before, beats what the group uses."""
        assert group.active is not None and group.way is not None
        offered = (group.rank(unit), self._order[way])
        return offered < (group.rank(group.active), self._order[group.way])

    def _best(self, group: IoGroup, now: Instant) -> tuple[Unit | None, Link | None]:
        """The best unit believed online and a live link to it; nothing while a better one is undecided."""
        for unit in group.units:
            if group.served_by is None and self._is_undecided(unit):
                return None, None
            link = self._open_link(unit, now)
            if link is not None and self._beliefs[unit.name] is UnitStatus.ONLINE:
                return unit, link
        return None, None

    def _is_undecided(self, unit: Unit) -> bool:
        """Whether the first news of a unit is still under way."""
        if self._beliefs[unit.name] in (UnitStatus.ONLINE, UnitStatus.OFFLINE):
            return False
        links = self._links_of.get(unit.io_server, [])
        return any(link.is_open or not link.first_attempt_ended for link in links)

    def _open_link(self, unit: Unit | None, now: Instant | None = None) -> Link | None:
        """A live link to a unit's server, LANs in file order; with `now`, none that is under suspicion."""
        for link in self._links_of.get(unit.io_server, ()) if unit else ():
            if link.is_open and (now is None or not self._is_suspect(link.way, now)):
                return link
        return None

    # --- parts ---

    def _units_of(self, server: str) -> Iterable[Unit]:
        return (u for g in self.groups.values() for u in g.units if u.io_server == server)

    def _count(self, what: str) -> int:
        self._counters[what] += 1
        return self._counters[what]

    MESSAGES: ClassVar[dict[type, Callable[..., Iterable[Effect]]]] = {
        Answer: _on_answer,
        UnitState: _on_unit_state,
        Heartbeat: _on_heartbeat,
        WriteResult: _on_write_result,
        Welcome: _on_welcome_again,
    }
    TABLE: ClassVar[dict[type, Callable[..., Iterable[Effect]]]] = {
        Start: _on_start,
        Connected: _on_link_stimulus,
        ConnectFailed: _on_link_stimulus,
        FrameArrived: _on_link_stimulus,
        Closed: _on_link_stimulus,
        WriteTag: _on_write,
    }
