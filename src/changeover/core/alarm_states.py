"""The states of all alarms, as each server of a pair keeps them.

    normal --ACTIVE--> active unacknowledged --ACKNOWLEDGED--> active acknowledged --RETURNED--> normal
                            |         ^                             |
                        RETURNED    ACTIVE                        ACTIVE (another condition)
                            v         |                             v
                       returned unacknowledged                active unacknowledged
                            `-ACKNOWLEDGED-> normal

Beside these four an alarm may be disabled (out of service) or shelved. How a state follows from what is known
is `alarm_facts`; here is what makes news, what an operator may do, and what is listed.

Choices, in the sense of ISA-18.2 where no source says:
- Another condition (HIGH, then HIGH HIGH; also back) is a new occurrence: ACTIVE again, unacknowledged.
- A disabled alarm has no transitions: disabling ends its occurrence, which nobody need acknowledge any more.
  Enabled again it is normal; whoever applies ENABLED, its own or the partner's, then applies what the watch
  knows of the alarm: what is still wrong comes as a new occurrence, unacknowledged.
- A shelved alarm goes on: its transitions are tracked and logged, only it is not listed, and acknowledging by
  category, area or everything leaves it out, since the operator does not see it. When the time is over, or at
  UNSHELVED, it is listed as it then stands. Shelving a shelved alarm sets the time anew.
- Acknowledging what is acknowledged already is done, with no effect: the second of two operators sees no
  error.
- An acknowledgement of an occurrence that this server has not heard of yet, because its partner was lost with
  it, is kept: it counts when the occurrence becomes known.
- An action counts at its UTC. A later one of the same kind that is known already wins, and the late one is
  refused; so is an acknowledgement of an occurrence that has meanwhile given way to a new one.
- Tags are compared without case. A tag that is no longer in alarms.csv keeps its state, but is not listed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

import msgspec

from changeover.core.alarm_facts import AlarmFacts, Fact
from changeover.core.alarm_records import AlarmAction, AlarmEvent, AlarmState, JournalRecord, Shown
from changeover.core.alarm_watch import Seen
from changeover.model.alarm import Alarm, Condition
from changeover.model.moment import DAY, Duration

_VERBS = {
    AlarmEvent.ACKNOWLEDGED: "acknowledge",
    AlarmEvent.DISABLED: "disable",
    AlarmEvent.ENABLED: "enable",
    AlarmEvent.SHELVED: "shelve",
    AlarmEvent.UNSHELVED: "unshelve",
    AlarmEvent.COMMENT: "comment on",
}
_DONE = ""
SHELVING_MAX: Duration = 366 * DAY
"""For longer an alarm is disabled."""
TEXT_LENGTH_MAX = 1000
"""Of a comment or a name, in characters: records go to the partner by the thousand."""
_CLOCKS = " (if it was not, the clocks of operator and server differ)"
_NEIGHBOURS = 100
_TAG_SHOWN_MAX = 80


class Change(msgspec.Struct, frozen=True, gc=False):
    """What this server did to one alarm.

    Attributes:
        state: Where the alarm stands now.
        record: The line for the journal; its origin and number are still empty, the server that logs sets
            them (`msgspec.structs.replace`). The UTC stays as it is: the partner's order depends on it.
    """

    state: AlarmState
    record: JournalRecord

    @property
    def event(self) -> AlarmEvent:
        """What happened."""
        return self.record.event


class AlarmStates:
    """State by tag. Iterating gives the state of every alarm, in the order of the alarms."""

    def __init__(self, alarms: tuple[Alarm, ...]) -> None:
        self._alarms = {alarm.tag.casefold(): alarm for alarm in alarms}
        self._sorted = sorted(self._alarms)
        self._states = {key: AlarmState(alarm.tag) for key, alarm in self._alarms.items()}
        # Only of alarms to which something happened since their state was loaded: few of many.
        self._facts: dict[str, AlarmFacts] = {}
        self._shelved: dict[str, int] = {}

    # --- looking ---

    def __iter__(self) -> Iterator[AlarmState]:
        return (self._states[key] for key in self._alarms)

    def __len__(self) -> int:
        return len(self._alarms)

    def get(self, tag: str) -> AlarmState:
        """The state of an alarm, also of one that is only kept; a tag that nothing is known of is normal."""
        return self._states.get(tag.casefold()) or AlarmState(tag)

    # --- at the start ---

    def load(self, states: Iterable[AlarmState]) -> None:
        """Take a server's own last states as they are."""
        for state in states:
            self._rebase(state)

    def adopt(self, state: AlarmState) -> AlarmState | None:
        """Take the partner's whole state of an alarm while starting.

        Args:
            state: What the running partner believes.

        Returns:
            The state as it is kept now, None where the own one changed later or is the same.
        """
        own = self.get(state.tag)
        if own.changed_utc > state.changed_utc:
            return None
        taken = self._rebase(state)
        return None if taken == own else taken

    # --- what happens ---

    def apply_seen(self, seen: Seen, insist: bool = False) -> Change | None:
        """Take what this server sees.

        Args:
            seen: From the watch, of an alarm that is configured.
            insist: It counts even where the partner told of something later. For what the two still disagree
                on when the partner is lost, or for longer than two scans: its clock may be ahead.

        Returns:
            The new state and what to log, None where it is no news: the state has that condition, the alarm
            is disabled, or it is a late sight of what the partner has seen the end of. A sight that is not
            later than the alarm's last transition of this server is news all the same, one nanosecond after
            that: a clock was set, what this server sees is in order.
        """
        key = seen.tag.casefold()
        state = self._states[key]
        if state.disabled or seen.condition is state.condition:
            return None
        facts = self._facts_of(key)
        if facts.is_late(seen.utc) and not insist:
            return None
        returned = seen.condition is Condition.NORMAL
        fact = Fact(
            max(seen.utc, facts.end_utc + 1),
            AlarmEvent.RETURNED if returned else AlarmEvent.ACTIVE,
            (state.condition if returned else seen.condition).value,
            seen.value,
        )
        return self._change(key, fact)

    def apply_record(
        self, record: JournalRecord, instead_of: JournalRecord | None = None
    ) -> AlarmState | None:
        """Take a line of the partner's journal, in whatever order with what this server learns itself.

        Args:
            record: The line.
            instead_of: What this server saw of the same transition, if it did: the line counts in its place.

        An acknowledgement must not come before the transition that it concerns: the partner's journal in the
        order of its numbers sees to that.

        Returns:
            The new state, None where nothing changed.
        """
        key = record.tag.casefold()
        if key not in self._states:
            self._states[key] = AlarmState(record.tag)
        seen = None if instead_of is None else Fact.of(instead_of)
        self._facts_of(key).add(Fact.of(record), by_partner=True, instead_of=seen)
        return self._settle(key)

    def apply_action(self, action: AlarmAction) -> tuple[Change, ...] | str:
        """Do what an operator wants, to all alarms that are meant or to none.

        Alarms are meant by their tags, or by category and area (both given: in that area of that category),
        or all. Where tags say which, each of them must allow it, but for ACKNOWLEDGED: on a page it is enough
        that one has something to acknowledge. Where not, those that it does not apply to are left out.

        Args:
            action: One that an alarm has been through changes nothing there, and is done. Only the journal
                knows all actions: it is asked first.

        Returns:
            One change per alarm that it was done to, in the order of tags or alarms; none where nothing was
            left to do. Or a reason in words why it is refused; then nothing changed.
        """
        if why := _is_incomplete(action):
            return why
        keys = self._by_tags(action.tags) if action.tags else self._by_choice(action)
        if isinstance(keys, str):
            return keys
        rest = [
            key for key in keys if key not in self._facts or not self._facts[key].has_action(action.action)
        ]
        done = len(rest) < len(keys)
        if not action.tags:
            rest = [key for key in rest if _applies(self._states[key], action.event)]
        shown = {tag.casefold(): one for tag, one in zip(action.tags, action.shown, strict=False)}
        unheard = {key: shown[key] for key in rest if key in shown and self._is_unheard(key, shown[key])}
        obstacles = [self._obstacle(key, action, unheard) for key in rest]
        free = [key for key, obstacle in zip(rest, obstacles, strict=True) if obstacle is None]
        reasons = [obstacle for obstacle in obstacles if obstacle]
        done = done or _DONE in obstacles
        acknowledges = action.event is AlarmEvent.ACKNOWLEDGED
        if reasons and ((action.tags and not acknowledges) or not (free or done)):
            return reasons[0]
        if not (free or done or acknowledges):
            return f"nothing to {_VERBS[action.event]} there"
        return tuple(self._act(key, action, unheard.get(key)) for key in free)

    # --- the end of shelving ---

    def next_expiry(self) -> int | None:
        """When the next shelving is over, UTC nanoseconds; None for no shelved alarm."""
        return min(self._shelved.values(), default=None)

    def expire(self, utc: int) -> tuple[Change, ...]:
        """End the shelvings whose time is over, in the order of the alarms.

        Both servers of a pair do so by their own clocks; the record says when the time was over, so that both
        write the same.
        """
        due = [key for key in self._alarms if self._shelved.get(key, utc + 1) <= utc]
        return tuple(self._change(key, Fact(self._shelved[key], AlarmEvent.UNSHELVED)) for key in due)

    # --- parts of an action ---

    def _by_tags(self, tags: tuple[str, ...]) -> list[str] | str:
        for tag in tags:
            if tag.casefold() not in self._alarms:
                return self._no_alarm(tag)
        return list(dict.fromkeys(tag.casefold() for tag in tags))

    def _by_choice(self, action: AlarmAction) -> list[str] | str:
        category, area = action.category, action.area
        if action.everything:
            return list(self._alarms)
        if category < 0 and area < 0:
            return "no alarm is chosen: give tags, a category, an area, or all"
        keys = [
            key
            for key, alarm in self._alarms.items()
            if (category < 0 or alarm.category.number == category) and (area < 0 or alarm.area == area)
        ]
        of = (f" of category {category}" if category >= 0 else "") + (f" in area {area}" if area >= 0 else "")
        return keys or f"no alarm{of} in this project"

    def _no_alarm(self, tag: str) -> str:
        """The refusal of an unknown tag. Its like are looked for near by in the alphabet, to be quick."""
        shown = tag[:_TAG_SHOWN_MAX]
        place = bisect_left(self._sorted, shown.casefold())
        around = self._sorted[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS]
        near = [self._alarms[key].tag for key in get_close_matches(shown.casefold(), around, 3)]
        return f"no alarm {shown} in this project" + (f", did you mean {' or '.join(near)}?" if near else "")

    def _is_unheard(self, key: str, shown: Shown) -> bool:
        """Whether an operator was shown an occurrence that this server does not know yet."""
        return shown.active_utc > self._states[key].active_utc

    def _obstacle(self, key: str, action: AlarmAction, unheard: Mapping[str, Shown]) -> str | None:
        """Why an action cannot be done to an alarm; empty where it is done already, None where it can."""
        state, event = self._states[key], action.event
        if event is AlarmEvent.COMMENT:
            return None
        if state.disabled and event is not AlarmEvent.ENABLED and event is not AlarmEvent.UNSHELVED:
            return f"{state.tag} is disabled"
        if event is AlarmEvent.ACKNOWLEDGED:
            return None if key in unheard else _acknowledge_obstacle(state, action.utc)
        if event is AlarmEvent.ENABLED and not state.disabled:
            return f"{state.tag} is not disabled"
        if event is AlarmEvent.UNSHELVED and not state.shelved_until_utc:
            return f"{state.tag} is not shelved"
        if self._facts_of(key).is_overtaken(event, action.utc):
            return f"{state.tag} was changed after this was given{_CLOCKS}"
        return None

    def _act(self, key: str, action: AlarmAction, unheard: Shown | None) -> Change:
        fact = Fact(
            action.utc,
            action.event,
            (self._states[key] if unheard is None else unheard).condition.value,
            action=action.action,
            who=action.who,
            where=action.where,
            comment=action.comment,
            until_utc=action.until_utc if action.event is AlarmEvent.SHELVED else 0,
        )
        return self._change(key, fact)

    # --- keeping ---

    def _facts_of(self, key: str) -> AlarmFacts:
        facts = self._facts.get(key)
        if facts is None:
            facts = self._facts[key] = AlarmFacts(self._states[key])
        return facts

    def _change(self, key: str, fact: Fact) -> Change:
        """Add a fact of this server's own."""
        self._facts_of(key).add(fact)
        self._settle(key)
        return Change(self._states[key], fact.record(self._states[key].tag))

    def _settle(self, key: str) -> AlarmState | None:
        """The state as it follows from the facts now, None where it is the same as before."""
        state = self._facts[key].state()
        if state == self._states[key]:
            return None
        self._put(key, state)
        return state

    def _rebase(self, state: AlarmState) -> AlarmState:
        """Take a whole state instead of all that is known."""
        key = state.tag.casefold()
        if key in self._alarms:
            state = msgspec.structs.replace(state, tag=self._alarms[key].tag)
        self._facts.pop(key, None)
        self._put(key, state)
        return state

    def _put(self, key: str, state: AlarmState) -> None:
        self._states[key] = state
        if state.shelved_until_utc and key in self._alarms:
            self._shelved[key] = state.shelved_until_utc
        else:
            self._shelved.pop(key, None)


def _applies(state: AlarmState, event: AlarmEvent) -> bool:
    """Whether an action that names no tag means this alarm."""
    match event:
        case AlarmEvent.ACKNOWLEDGED:
            return not state.acknowledged and state.is_listed
        case AlarmEvent.ENABLED:
            return state.disabled
        case AlarmEvent.UNSHELVED:
            return state.shelved_until_utc > 0
        case AlarmEvent.COMMENT:
            return state.is_listed
        case _:
            return not state.disabled


def _acknowledge_obstacle(state: AlarmState, utc: int) -> str | None:
    """Why an alarm in service cannot be acknowledged; empty where it is, None where it can."""
    if not state.active_utc:
        return f"{state.tag} has nothing to acknowledge"
    if state.acknowledged:
        return _DONE
    if state.active_utc > utc:
        return f"{state.tag} became active after this was given{_CLOCKS}"
    return None


def _is_incomplete(action: AlarmAction) -> str:
    """What an action lacks by itself, empty for nothing."""
    if action.event not in _VERBS:
        return f"{action.event.name} is nothing that an operator does"
    if not action.action:
        return "the action has no identity"
    if action.event is AlarmEvent.COMMENT and not action.comment.strip():
        return "the comment is empty"
    if max(len(action.comment), len(action.who), len(action.where)) > TEXT_LENGTH_MAX:
        return f"its comment or name is longer than {TEXT_LENGTH_MAX} characters"
    if action.event is AlarmEvent.SHELVED and not action.until_utc:
        return "shelving needs a time at which it ends"
    if action.event is AlarmEvent.SHELVED and action.until_utc <= action.utc:
        return "the time at which shelving ends is over already"
    if action.until_utc - action.utc > SHELVING_MAX:
        return f"shelving ends after {SHELVING_MAX // DAY} days at most"
    return ""
