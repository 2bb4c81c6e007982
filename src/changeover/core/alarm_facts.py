"""What a server has learnt of one alarm, and the state that follows from it.

Both servers of a pair learn the same facts (transitions, operators' actions), each in another order: its own
at once, the partner's when they arrive, after hours where the link between them was cut. So the state is not
changed step by step: it is computed from what is remembered, which is the state at the start (the base) and,
of each kind of fact, the latest `DEPTH` in the order of their UTC. Which facts are the latest does not depend
on the order in which they came, and neither does the state. A fact that came twice is remembered once.

- Transitions and services (disabling, enabling) make one timeline. A repeated ACTIVE of the same condition is
  no new occurrence; while the alarm is disabled transitions count for nothing; disabling and enabling both
  end the occurrence that is there.
- An acknowledgement concerns the occurrence that was active at its UTC: one that began later stays as it is.
  It says which condition its server believed in, and acknowledges no other one: scans differ, and one server
  may have seen HIGH HIGH at a moment at which an operator was shown HIGH. The first one counts.
- A transition that both saw is remembered as the journal has it, once the journal is there.
- The latest shelving counts. That its time is over concerns no shelving that lasts longer.
- A comment stays with the occurrence during which it was given.
"""

from __future__ import annotations

from bisect import bisect_left
from enum import Enum
from typing import NamedTuple

from changeover.core.alarm_records import AlarmEvent, AlarmState, JournalRecord
from changeover.model.alarm import Condition

DEPTH = 8
"""How many facts of a kind are remembered per alarm. Two servers' view of its last occurrence takes four."""


class Fact(NamedTuple):
    """A journal record without its identity and its tag: the same fact from both servers is equal.

    Facts are ordered by their UTC, those of one nanosecond by the rest: both servers order them alike.
    """

    utc: int
    event: AlarmEvent
    condition: str = Condition.NORMAL.value
    value: float = 0.0
    action: str = ""
    who: str = ""
    where: str = ""
    comment: str = ""
    until_utc: int = 0

    @classmethod
    def of(cls, record: JournalRecord) -> Fact:
        """What a record tells."""
        return cls(
            record.utc,
            record.event,
            record.condition.value,
            record.value,
            record.action,
            record.who,
            record.where,
            record.comment,
            record.until_utc,
        )

    def record(self, tag: str) -> JournalRecord:
        """As a journal record that its server has not numbered yet."""
        return JournalRecord(
            "",
            0,
            self.utc,
            tag,
            self.event,
            Condition(self.condition),
            self.value,
            self.action,
            self.who,
            self.where,
            self.comment,
            self.until_utc,
        )


class Kind(Enum):
    """Facts of one kind contend with each other, not with others."""

    TRANSITION = "transition"
    SERVICE = "service"
    ACKNOWLEDGEMENT = "acknowledgement"
    SHELVING = "shelving"
    EXPIRY = "expiry"
    COMMENT = "comment"


_KINDS = {
    AlarmEvent.ACTIVE: Kind.TRANSITION,
    AlarmEvent.RETURNED: Kind.TRANSITION,
    AlarmEvent.DISABLED: Kind.SERVICE,
    AlarmEvent.ENABLED: Kind.SERVICE,
    AlarmEvent.ACKNOWLEDGED: Kind.ACKNOWLEDGEMENT,
    AlarmEvent.SHELVED: Kind.SHELVING,
    AlarmEvent.UNSHELVED: Kind.SHELVING,
    AlarmEvent.COMMENT: Kind.COMMENT,
}


class _Occurrence:
    """The timeline up to a point: the last occurrence, and whether the alarm is in service.

    Attributes:
        condition: What is wrong, or NORMAL.
        opened: What was wrong when the last occurrence began, empty where that is not known.
        active_utc: When the last occurrence began, 0 for never.
        returned_utc: When it ended, 0 while it lasts.
        value: The value that made it active.
        disabled: Whether it is out of service.
        serviced_utc: When it was last disabled or enabled, as far as facts tell; else 0.
    """

    __slots__ = ("active_utc", "condition", "disabled", "opened", "returned_utc", "serviced_utc", "value")

    def __init__(self, base: AlarmState) -> None:
        self.condition = base.condition.value
        self.opened = "" if base.condition is Condition.NORMAL else base.condition.value
        self.active_utc = base.active_utc
        self.returned_utc = base.returned_utc
        self.value = base.value
        self.disabled = base.disabled
        self.serviced_utc = 0

    def take(self, fact: Fact) -> None:
        """The next fact of the timeline."""
        if fact.event is AlarmEvent.DISABLED or fact.event is AlarmEvent.ENABLED:
            self.disabled = fact.event is AlarmEvent.DISABLED
            self.serviced_utc = fact.utc
            self._end(fact.utc)
        elif self.disabled:
            return
        elif fact.event is AlarmEvent.RETURNED:
            self._end(fact.utc)
        elif fact.condition != self.condition:
            self.condition = self.opened = fact.condition
            self.active_utc = fact.utc
            self.returned_utc = 0
            self.value = fact.value

    def is_meant_by(self, acknowledgement: Fact) -> bool:
        """Whether an acknowledgement concerns the last occurrence."""
        if acknowledgement.utc < self.active_utc:
            return False
        if self.condition != Condition.NORMAL.value:
            return acknowledgement.condition == self.condition
        return not self.opened or acknowledgement.condition in (Condition.NORMAL.value, self.opened)

    def _end(self, utc: int) -> None:
        if self.condition != Condition.NORMAL.value:
            self.condition = Condition.NORMAL.value
            self.returned_utc = utc


class AlarmFacts:
    """The facts of one alarm.

    Attributes:
        told_utc: UTC of the partner's latest transition, 0 for none.
        seen_utc: UTC of the latest transition that this server saw itself, or of that in the base.
    """

    __slots__ = ("_base", "_facts", "_since_utc", "seen_utc", "told_utc")

    def __init__(self, base: AlarmState) -> None:
        self._base = base
        self._facts: dict[Kind, list[Fact]] = {}
        # The base's own last transition: what is not later than that is in it already.
        self._since_utc = max(base.active_utc, base.returned_utc)
        self.seen_utc = self._since_utc
        self.told_utc = 0

    def add(self, fact: Fact, by_partner: bool = False, instead_of: Fact | None = None) -> None:
        """Remember a fact, unless it is known, in the base, or older than all remembered ones of its kind.

        Args:
            fact: The fact.
            by_partner: Whether the partner tells it.
            instead_of: The same as this server saw it, if it did.
        """
        kind = Kind.EXPIRY if is_expiry(fact) else _KINDS[fact.event]
        if instead_of is not None and instead_of in self._facts.get(kind, ()):
            self._facts[kind].remove(instead_of)
        if kind is Kind.TRANSITION and by_partner:
            self.told_utc = max(self.told_utc, fact.utc)
        elif kind is Kind.TRANSITION:
            self.seen_utc = max(self.seen_utc, fact.utc)
        if not self._in_base(kind, fact.utc):
            self._remember(kind, fact)
        if fact.comment and kind is not Kind.COMMENT and not self._in_base(Kind.COMMENT, fact.utc):
            self._remember(Kind.COMMENT, fact)

    def has_action(self, action: str) -> bool:
        """Whether an action is among the facts."""
        return any(fact.action == action for facts in self._facts.values() for fact in facts)

    def is_overtaken(self, event: AlarmEvent, utc: int) -> bool:
        """Whether an action of that UTC would change nothing, because a later one of its kind is known.

        For ACKNOWLEDGED that is for the caller to see: the alarm's occurrence began later.
        """
        kind = _KINDS[event]
        latest = self._latest(kind)
        return self._in_base(kind, utc) or (latest is not None and latest.utc >= utc)

    @property
    def end_utc(self) -> int:
        """The latest UTC on the timeline: what happens now is later than that."""
        return max(self.told_utc, self._own_end_utc())

    def is_late(self, utc: int) -> bool:
        """Whether something seen here is older than the timeline's last fact, a transition of the partner."""
        return utc <= self.told_utc and self.told_utc > self._own_end_utc()

    def state(self) -> AlarmState:
        """What follows from the facts."""
        occurrence = self._occurrence()
        acknowledged, acknowledged_utc, acknowledged_by = self._acknowledgement(occurrence)
        shelved_until_utc, shelving_utc = self._shelving()
        comment, comment_utc = self._comment(occurrence.active_utc)
        return AlarmState(
            tag=self._base.tag,
            condition=Condition(occurrence.condition),
            acknowledged=acknowledged,
            active_utc=occurrence.active_utc,
            returned_utc=occurrence.returned_utc,
            acknowledged_utc=acknowledged_utc,
            acknowledged_by=acknowledged_by,
            value=occurrence.value,
            disabled=occurrence.disabled,
            shelved_until_utc=shelved_until_utc,
            comment=comment,
            changed_utc=max(
                self._base.changed_utc,
                occurrence.active_utc,
                occurrence.returned_utc,
                occurrence.serviced_utc,
                acknowledged_utc,
                shelving_utc,
                comment_utc,
            ),
        )

    # --- parts of the state ---

    def _occurrence(self) -> _Occurrence:
        occurrence = _Occurrence(self._base)
        timeline = self._facts.get(Kind.TRANSITION, [])
        if Kind.SERVICE in self._facts:
            timeline = sorted(timeline + self._facts[Kind.SERVICE])
        for fact in timeline:
            occurrence.take(fact)
        return occurrence

    def _acknowledgement(self, occurrence: _Occurrence) -> tuple[bool, int, str]:
        """Whether the occurrence is acknowledged, when and by whom."""
        base, began = self._base, occurrence.active_utc
        if began == base.active_utc and base.acknowledged:
            return True, base.acknowledged_utc, base.acknowledged_by
        for fact in self._facts.get(Kind.ACKNOWLEDGEMENT, ()):
            if occurrence.is_meant_by(fact):
                return True, fact.utc, fact.who
        # An operator who takes an alarm out of service knows of it.
        return occurrence.serviced_utc > began, 0, ""

    def _shelving(self) -> tuple[int, int]:
        """Until when it is shelved, 0 for not; and when that came to be."""
        base, latest, expiry = self._base, self._latest(Kind.SHELVING), self._latest(Kind.EXPIRY)
        until, since = (
            (latest.until_utc, latest.utc) if latest else (base.shelved_until_utc, base.changed_utc)
        )
        if expiry is not None and 0 < until <= expiry.utc:
            return 0, max(until, since)
        return until, since

    def _comment(self, active_utc: int) -> tuple[str, int]:
        """The comment on the occurrence, and when it was given."""
        latest = self._latest(Kind.COMMENT)
        if latest is not None and latest.utc >= active_utc:
            return latest.comment, latest.utc
        return (self._base.comment if active_utc == self._base.active_utc else ""), 0

    # --- remembering ---

    def _own_end_utc(self) -> int:
        service = self._latest(Kind.SERVICE)
        return max(self.seen_utc, service.utc if service else 0)

    def _latest(self, kind: Kind) -> Fact | None:
        facts = self._facts.get(kind)
        return facts[-1] if facts else None

    def _in_base(self, kind: Kind, utc: int) -> bool:
        """Whether the base is later than a fact: a state says of few things when they came to be."""
        if kind is Kind.TRANSITION:
            return utc <= self._since_utc
        if kind is Kind.SERVICE or kind is Kind.SHELVING:
            return utc <= self._base.changed_utc
        return kind is Kind.COMMENT and bool(self._base.comment) and utc <= self._base.changed_utc

    def _remember(self, kind: Kind, fact: Fact) -> None:
        facts = self._facts.setdefault(kind, [])
        place = bisect_left(facts, fact)
        if place < len(facts) and facts[place] == fact:
            return
        facts.insert(place, fact)
        if len(facts) > DEPTH:
            del facts[0]


def is_expiry(fact: Fact | JournalRecord) -> bool:
    """Whether a shelving ended by itself: UNSHELVED without an operator."""
    return fact.event is AlarmEvent.UNSHELVED and not fact.action
