"""An alarm server: both of a pair watch, one logs, and what operators do is shared (T6).

Theory of operation. Both servers get every value and see the same transitions, each in its own scan. The
active one writes them into its journal at once. The other one notes them as pending until it has fetched the
record that tells the same; so when the active one is lost, what it had seen and not logged, or logged and not
passed on, is still there. Pending transitions are logged

* when this server becomes active: its partner is gone, and may never have seen them;
* when the active partner has logged nothing of the kind for a while: it is blind, this server is not.

Each record goes into the log of the server that wrote it, with a number; the partner fetches it by number.
A record that tells what a state says already is no news, so nothing is doubled in the states; where both have
logged the same transition, because they could not see each other, the merged journal folds the two.

Where a server's own scan goes on to differ from what the states say, one of the two is wrong: the partner was
blind, or is gone and did not see the end. Such a doubt is given two scans on the active server, and longer on
the other one; then what this server sees counts, provided that its device has delivered since.

An operator's action is done when this server has kept it and the partner has fetched it, or is gone. It
carries an identity; a server that gets it again answers, and does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import ClassVar

import msgspec

from changeover.core.alarm_records import AlarmEvent, AlarmState, JournalRecord
from changeover.core.alarm_states import AlarmStates, Change
from changeover.core.alarm_watch import AlarmWatch, Seen
from changeover.core.machine import DeviceUnknown, Effect, KeepAlarms, Values, WallClock
from changeover.core.task_messages import (
    Batch,
    Command,
    CommandResult,
    Fetch,
    FetchRecords,
    FetchStates,
    News,
    Numbers,
    PairState,
    PairStatus,
    Poll,
    Query,
)
from changeover.core.task_server import TaskPeer, TaskServer
from changeover.model.alarm import Alarm
from changeover.model.moment import SECOND, Duration, Instant
from changeover.model.plant import Timing, Way

RECORDS_PER_BATCH = 1000
STATES_PER_BATCH = 2000
CLOCKS_DIFFER_MAX: Duration = 60 * SECOND
"""By so much the partner's clock may be ahead: what an operator was shown of it is believed."""
ACTION_AGE_MAX: Duration = 3600 * SECOND
"""An action is at most so old, whatever its client says."""
UTC_MAX = 2**62
ACTIONS_KNOWN_MAX = 20_000
"""Identities of actions that are remembered."""


class KeptAlarms(msgspec.Struct, frozen=True):
    """What a server's own archive held when it started.

    Attributes:
        origin: Under which name this archive has numbered its records.
        states: Of alarms.
        numbers: By origin, the highest number kept.
        actions: Identities of the last actions, oldest first.
        saved_utc: When anything was kept last, 0 for never.
        fresh: A name that no archive has used. It is taken where this one may be older than what it gave out,
            a backup: when the first record is due, and no partner has shown yet that it knows of no more.
    """

    origin: str
    states: tuple[AlarmState, ...] = ()
    numbers: Numbers = ()
    actions: tuple[str, ...] = ()
    saved_utc: int = 0
    fresh: str = ""


class _Pending(msgspec.Struct, frozen=True, gc=False):
    """A transition that was seen here and not found in the partner's journal yet; `record` has no number."""

    record: JournalRecord
    since: Instant


class AlarmServer(TaskServer):
    """The machine of one alarm server.

    Args:
        name, partner, ways, is_first, neighbours, timing, rng: As for every task server.
        alarms: All alarms.
        device_of: By variable tag, its I/O device.
        kept: What the own archive holds.
        has_visitors: As for every task server.
    """

    def __init__(
        self,
        name: str,
        partner: str | None,
        ways: tuple[Way, ...],
        is_first: bool,
        neighbours: frozenset[str],
        timing: Timing,
        rng: Random,
        alarms: tuple[Alarm, ...],
        device_of: Mapping[str, str],
        kept: KeptAlarms,
        has_visitors: bool = False,
    ) -> None:
        super().__init__(
            name, partner, ways, is_first, neighbours, timing, timing.alarm_start, rng, has_visitors
        )
        self.origin = kept.origin
        self._fresh = kept.fresh if partner is not None else ""
        self._logs = {alarm.tag: alarm.category.logs for alarm in alarms}
        self._device_of = {alarm.tag: device_of[alarm.variables[0]] for alarm in alarms}
        self._watch = AlarmWatch(alarms, device_of)
        self.states = AlarmStates(alarms)
        self.states.load(kept.states)
        self._kept = dict(kept.numbers)
        self._saved = kept.saved_utc
        self._actions = dict.fromkeys(kept.actions)
        self._patience = 2 * (timing.patience + timing.alarm_scan)
        self._pending: dict[str, list[_Pending]] = {}
        self._doubts: dict[str, Instant] = {}
        self._delivered: dict[str, tuple[int, Instant]] = {}
        # By alarm, when its state changed here last, for the alarms whose state did.
        self._changed_at: dict[str, Instant] = {}
        self._unanswered: list[tuple[int, int, int]] = []
        self._states_after: str | None = ""
        self._included: dict[str, int] | None = None
        # Alarms whose state was not taken over: for them even records that the states include are replayed.
        self._replayed: set[str] = set()
        self._utc = 0
        # Of the wall clock before the monotonic one, 0 while it is not known.
        self._ahead: Duration = 0
        self._revision = 1
        self._news: dict[str, int] = {}
        self._ask_of_active()

    # --- values ---

    def _on_values(self, values: Values, now: Instant) -> Iterable[Effect]:
        self._utc = max(self._utc, values.utc)
        self._ahead = max(self._ahead, values.utc - now)
        self._delivered[values.device] = (values.utc, now)
        return self._on_seen(self._watch.handle_values(values.changed, values.utc, now, values.device), now)

    def _on_device_unknown(self, stimulus: DeviceUnknown, now: Instant) -> Iterable[Effect]:
        self._delivered.pop(stimulus.device, None)
        self._watch.handle_unknown(stimulus.tags, self._utc, now)
        return ()

    def _on_wall_clock(self, clock: WallClock, now: Instant) -> Iterable[Effect]:
        self._utc, self._ahead = clock.utc, clock.utc - now
        if self.status is not PairStatus.STARTING:
            yield from self._take_over(self.states.expire(clock.utc), now)

    def _on_seen(self, seen: Iterable[Seen], now: Instant, insist: bool = False) -> Iterable[Effect]:
        """What is seen otherwise than before; a server that starts only remembers it (`AlarmWatch.known`)."""
        if self.status is PairStatus.STARTING:
            return
        changes: list[Change] = []
        for one in seen:
            change = self.states.apply_seen(one, insist)
            if change is None:
                # Mostly because it is known; else the partner told of something later, by its clock.
                self._doubt((one.tag,), now)
                continue
            changes.append(change)
            if self._logs[one.tag] and not self.is_active:
                self._pending.setdefault(one.tag, []).append(_Pending(change.record, now))
                self._await("pending", now + self._patience)
        yield from self._take_over(changes, now)

    def _take_over(self, changes: Iterable[Change], now: Instant) -> Iterable[Effect]:
        """What this server did to alarms: the active one logs it."""
        changes = tuple(changes)
        if self.is_active:
            logged = (change.record for change in changes if self._logs[change.state.tag])
            yield from self._keep((change.state for change in changes), self._numbered(logged), now)
        else:
            # Of these no record will ever come.
            unlogged = tuple(change.state for change in changes if not self._logs[change.state.tag])
            if unlogged:
                yield KeepAlarms(unlogged, ())
            self._publish((change.state for change in changes), now)

    def _ask_of_active(self) -> None:
        """What is believed active may have ended meanwhile: then the first look is news, too."""
        self._watch.ask(state.tag for state in self.states if state.is_active)

    def _numbered(self, records: Iterable[JournalRecord]) -> tuple[JournalRecord, ...]:
        """Records with this server's name and its next numbers."""
        records = tuple(records)
        if records and self._fresh:
            self.origin, self._fresh = self._fresh, ""
            # What was done before is not in these numbers, and was not done now.
            self._unanswered = [(0, session, request) for _, session, request in self._unanswered]
        last = self._kept.get(self.origin, 0)
        return tuple(
            msgspec.structs.replace(record, origin=self.origin, number=last + 1 + place)
            for place, record in enumerate(records)
        )

    # --- pending transitions ---

    def _log_pending(self, since: Instant, now: Instant) -> Iterable[Effect]:
        """Log what was noted at an instant or before, in the order of its times."""
        ripe: list[JournalRecord] = []
        for tag, noted in tuple(self._pending.items()):
            ripe.extend(one.record for one in noted if one.since <= since)
            left = [one for one in noted if one.since > since]
            if left:
                self._pending[tag] = left
                self._await("pending", left[0].since + self._patience)
            else:
                del self._pending[tag]
        ripe.sort(key=lambda record: (record.utc, record.tag))
        states = (self.states.get(tag) for tag in dict.fromkeys(record.tag for record in ripe))
        yield from self._keep(states, self._numbered(ripe), now)

    def _forget_pending(self, record: JournalRecord) -> JournalRecord | None:
        """The partner's journal tells of a transition: which of those noted here that is, if any."""
        noted = self._pending.get(record.tag, [])
        alike = [
            one
            for one in noted
            if one.record.event is record.event and one.record.condition is record.condition
        ]
        if not alike:
            return None
        same = min(alike, key=lambda one: abs(one.record.utc - record.utc))
        noted.remove(same)
        if not noted:
            del self._pending[record.tag]
        return same.record

    # --- doubts ---

    def _doubt(self, tags: Iterable[str], now: Instant) -> None:
        """Look later whether this server's own scan and the states still differ."""
        for tag in tags:
            known = self._watch.known(tag)
            if known is not None and known is not self.states.get(tag).condition:
                self._doubts.setdefault(tag, now)
                self._await("doubt", now + self._grace())

    def _on_doubt(self, now: Instant) -> Iterable[Effect]:
        certain: list[Seen] = []
        for tag, since in tuple(self._doubts.items()):
            known, state = self._watch.known(tag), self.states.get(tag)
            if known is None or known is state.condition or state.disabled:
                del self._doubts[tag]
                continue
            if now - since < self._grace():
                self._await("doubt", since + self._grace())
                continue
            sight = self._watch.sight(tag, self._utc, state.condition)
            if sight is not None and self._has_delivered_since(state, now):
                del self._doubts[tag]
                certain.append(sight)
            else:
                self._await("doubt", now + self._timing.alarm_scan)
        yield from self._on_seen(certain, now, insist=True)

    def _has_delivered_since(self, state: AlarmState, now: Instant) -> bool:
        """Whether an alarm's device has delivered just now, and since the alarm's last transition."""
        _, at = self._delivered.get(self._device_of[state.tag], (0, 0))
        return now - at <= 2 * self._timing.alarm_scan and at > self._changed_at.get(state.tag, 0)

    def _grace(self) -> Duration:
        return 2 * self._timing.alarm_scan if self.is_active else self._patience

    def _await(self, timer: str, at: Instant) -> None:
        """Arm a timer, unless it comes up before."""
        armed = self._deadlines.get((timer, ""))
        if armed is None or at < armed:
            self._deadlines.set((timer, ""), at)

    # --- actions ---

    def _on_command(self, peer: TaskPeer, command: Command, now: Instant) -> Iterable[Effect]:
        action = command.action
        if action.action in self._actions:
            self._unanswered.append((self._kept.get(self.origin, 0), peer.session.id, command.request))
            yield from self._answer_actions(now)
            return
        # By this server's clock: it saw what the operator answers to, whatever the client's clock says.
        given = msgspec.structs.replace(action, utc=self._given_utc(command, now))
        changes = self.states.apply_action(given)
        if isinstance(changes, str):
            yield self._peers.tell(peer, CommandResult(command.request, changes), now)
            return
        self._know(action.action)
        records = self._numbered(change.record for change in changes)
        self._unanswered.append(
            (self._kept.get(self.origin, 0) + len(records), peer.session.id, command.request)
        )
        yield from self._keep((change.state for change in changes), records, now)
        self._doubt_enabled(records, now)
        yield from self._answer_actions(now)

    def _given_utc(self, command: Command, now: Instant) -> int:
        """When an action was given, by this server's clock; after whatever its operator can have seen.

        Clocks differ and are set: that an alarm's last change came before is known by the monotonic one.
        """
        age = min(max(command.age, 0), ACTION_AGE_MAX)
        given_utc = self._wall(now) - age if self._ahead else min(max(command.action.utc, 0), UTC_MAX)
        given_at = now - age
        seen = (
            self.states.get(tag).changed_utc + 1
            for tag in command.action.tags or self._changed_at
            if self._changed_at.get(tag, 0) <= given_at
        )
        shown = (
            one.active_utc + 1
            for one in command.action.shown
            if 0 < one.active_utc - given_utc < CLOCKS_DIFFER_MAX
        )
        return max((given_utc, *seen, *shown))

    def _answer_actions(self, now: Instant) -> Iterable[Effect]:
        """Answer the actions that the partner has, or will never have: it is gone."""
        has = dict(self._pair.partner.numbers).get(self.origin, 0)
        waiting, self._unanswered = self._unanswered, []
        for number, session, request in waiting:
            if self._pair.is_there and has < number:
                self._unanswered.append((number, session, request))
                continue
            peer = self._peers.get(session)
            if peer is not None:
                yield self._peers.tell(peer, CommandResult(request, ""), now)

    def _know(self, action: str) -> None:
        self._actions[action] = None
        if len(self._actions) > ACTIONS_KNOWN_MAX:
            del self._actions[next(iter(self._actions))]

    def _doubt_enabled(self, records: Iterable[JournalRecord], now: Instant) -> None:
        """What is wrong with an alarm that was enabled again is a new occurrence."""
        self._doubt((record.tag for record in records if record.event is AlarmEvent.ENABLED), now)

    # --- the partner ---

    def _numbers(self) -> Numbers:
        return tuple(self._kept.items())

    def _saved_utc(self) -> int:
        return self._saved

    def _lacking(self, partner: PairState) -> Fetch | None:
        wants_states = self.status is PairStatus.STARTING and self._states_after is not None
        includes_ours = self._has_our_records(partner) and not self._pending
        if wants_states and self._included is None and includes_ours:
            # Its states follow from all that we know, and more: no record that it has now need be replayed.
            self._included = dict(partner.numbers)
        if wants_states and self._included is not None:
            return FetchStates(self._states_after or "", STATES_PER_BATCH)
        for origin, number in partner.numbers:
            kept = self._kept.get(origin, 0)
            if number > kept:
                return FetchRecords(origin, kept, RECORDS_PER_BATCH)
        return FetchStates(self._states_after or "", STATES_PER_BATCH) if wants_states else None

    def _on_batch(self, fetch: Fetch, batch: Batch, now: Instant) -> Iterable[Effect]:
        if isinstance(fetch, FetchStates):
            self._states_after = None if batch.done else batch.states[-1].tag
            adopted: list[AlarmState] = []
            for offered in batch.states:
                if self._included is None and not self._is_new(offered):
                    continue
                state = self.states.adopt(offered)
                if state is not None:
                    adopted.append(state)
                elif self.states.get(offered.tag) != offered:
                    # The own one changed later: what the partner knows besides is in its records.
                    self._replayed.add(offered.tag)
            self._ask_of_active()
            yield from self._keep(adopted, (), now)
            return
        included, states = self._included or {}, []
        for record in batch.journal:
            if record.action:
                self._know(record.action)
            seen = self._forget_pending(record)
            if record.number <= included.get(record.origin, 0) and record.tag not in self._replayed:
                continue
            # A state that this server had seen by itself is kept now, together with the record that logs it.
            states.append(self.states.apply_record(record, seen) or self.states.get(record.tag))
        yield from self._keep(states, batch.journal, now)
        self._doubt((record.tag for record in batch.journal if record.event.is_transition), now)
        self._doubt_enabled(batch.journal, now)

    def _is_new(self, state: AlarmState) -> bool:
        """Whether the partner's state can tell what the journals, which both have, do not."""
        return not self._logs.get(state.tag, True) or not self.states.get(state.tag).changed_utc

    def _on_question(self, peer: TaskPeer, message: Fetch | Query, now: Instant) -> Iterable[Effect]:
        if not isinstance(message, FetchStates):
            yield from super()._on_question(peer, message, now)
            return
        later = sorted(
            (state for state in self.states if state.changed_utc and state.tag > message.after),
            key=lambda state: state.tag,
        )
        batch = Batch(done=len(later) <= message.limit, states=tuple(later[: message.limit]))
        yield self._peers.tell(peer, batch, now)

    def _on_partner_told(self, state: PairState, now: Instant) -> Iterable[Effect]:
        if dict(state.numbers).get(self.origin, 0) <= self._kept.get(self.origin, 0):
            # It knows of no record of ours that we do not: our numbers may go on.
            self._fresh = ""
        return self._answer_actions(now)

    def _on_partner_lost(self, now: Instant) -> Iterable[Effect]:
        return self._answer_actions(now)

    # --- transitions ---

    def _on_begin(self, now: Instant) -> Iterable[Effect]:
        self._states_after = ""
        self._included = None
        self._replayed.clear()
        return ()

    def _on_activated(self, now: Instant) -> Iterable[Effect]:
        yield from self._log_pending(now, now)
        self._doubts.clear()
        self._doubt((state.tag for state in self.states), now)

    def _on_ready(self, now: Instant) -> Iterable[Effect]:
        # What was seen during the start, and is not in what was fetched.
        self._doubt((state.tag for state in self.states), now)
        return ()

    def _on_own_timer(self, purpose: str, owner: object, at: Instant, now: Instant) -> Iterable[Effect]:
        if purpose == "pending":
            return self._log_pending(now - self._patience, now)
        assert purpose == "doubt"
        return self._on_doubt(now)

    def _wall(self, now: Instant) -> int:
        """What the wall clock says, or the devices say, now."""
        return now + self._ahead

    # --- keeping and showing ---

    def _keep(
        self, states: Iterable[AlarmState], records: Iterable[JournalRecord], now: Instant
    ) -> Iterable[Effect]:
        """Persist, then tell the partner, then let clients see it."""
        states, records = tuple(states), tuple(records)
        if not states and not records:
            return
        for record in records:
            self._kept[record.origin] = max(record.number, self._kept.get(record.origin, 0))
        changed = (state.changed_utc for state in states)
        self._saved = max(self._saved, *changed, *(record.utc for record in records))
        yield KeepAlarms(states, records)
        self._publish(states, now)
        if records:
            yield from self._tell_partner(now)

    def _publish(self, states: Iterable[AlarmState], now: Instant) -> None:
        for state in states:
            self._changed_at[state.tag] = now
            self._revision += 1
            self._news.pop(state.tag, None)
            self._news[state.tag] = self._revision

    def _on_poll(self, peer: TaskPeer, poll: Poll, now: Instant) -> Iterable[Effect]:
        full = not 0 < poll.revision <= self._revision
        if full:
            states = tuple(state for state in self.states if state.words != "normal")
        else:
            newer = []
            for tag in reversed(self._news):
                if self._news[tag] <= poll.revision:
                    break
                newer.append(self.states.get(tag))
            states = tuple(newer)
        news = News(poll.request, self._revision, self.is_active, full, states)
        yield self._peers.tell(peer, news, now)

    TABLE: ClassVar[dict[type, Callable[..., Iterable[Effect]]]] = TaskServer.TABLE | {
        Values: _on_values,
        DeviceUnknown: _on_device_unknown,
        WallClock: _on_wall_clock,
    }
