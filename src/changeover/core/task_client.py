"""A client of alarm, trend or report servers: asks the one that it found, and asks on at the next one.

Theory of operation. While a page shows them the client polls its server every page scan, none while one is
pending; a probe goes out instead when the pending one was acknowledged, so that a server that stops answering
is found all the same (D4). `core.server_search` says by which way.

Questions to the archive, and operators' actions, are kept until they are answered: what was under way to a
server that is lost goes to the next one. An action carries its identity, and a server that knows it already
answers without doing it again, so asking on is safe. When nobody waits any longer for an action, it ends as
unknown if it was ever sent, else as refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import ClassVar

from changeover.core.acquaintances import Acquaintances
from changeover.core.deadlines import Deadlines, next_tick
from changeover.core.machine import (
    ActOnAlarms,
    AskServer,
    Closed,
    Connected,
    ConnectFailed,
    Effect,
    Effects,
    EndCommand,
    EndQuestion,
    FrameArrived,
    GiveUp,
    Note,
    RaiseAlarm,
    ShowNews,
    Start,
    Stimulus,
)
from changeover.core.messages import Message, Probe, Welcome
from changeover.core.server_search import Opened, Received, ServerLost, ServerSearch, Step
from changeover.core.task_messages import Command, CommandResult, Found, News, Poll, Query
from changeover.core.trace import TraceKind
from changeover.model.moment import Duration, Instant
from changeover.model.plant import Timing, Way
from changeover.model.server import Function


class _Wish:
    """A question or action that is not answered yet."""

    __slots__ = ("given_at", "request", "stimulus", "times_sent")

    def __init__(self, stimulus: AskServer | ActOnAlarms, now: Instant) -> None:
        self.stimulus = stimulus
        self.given_at = now
        self.request = 0
        self.times_sent = 0


class TaskClient:
    """The machine of one client's alarms, trends or reports.

    Args:
        name: The client's name.
        function: ALARM, TREND or REPORT.
        ways: Every way to the function's servers, the primary's first; at least one.
        priority: By server, lowest is best.
        page_scan: Period of its polls, R.
        timing: Parameters of citect.ini.
        rng: Phases of the page scan and of the watch timers come from here.
    """

    def __init__(
        self,
        name: str,
        function: Function,
        ways: tuple[Way, ...],
        priority: Mapping[str, int],
        page_scan: Duration,
        timing: Timing,
        rng: Random,
    ) -> None:
        self.name = name
        self.function = function
        self._page_scan = page_scan
        self._rng = rng
        self._deadlines = Deadlines()
        self._sessions = 0
        self._requests = 0
        self.search = ServerSearch(
            ways, priority, name, timing.silence, timing.watch, self._deadlines, self._next_session, rng
        )
        self._others = Acquaintances(ways, name, timing.silence, timing.client_retry, self._next_session)
        self._polls: dict[Way, int] = {}
        self._revision = 0
        self._wishes: dict[int, _Wish] = {}
        self._asked: dict[int, int] = {}

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
            else:
                assert isinstance(owner, Way)
                effects.extend(self._carry_out(self.search.handle_timer(purpose, owner, at, now), now))
        effects.extend(self._others.handle_timeout(now))
        return tuple(effects)

    def next_deadline(self) -> Instant | None:
        """The earliest deadline."""
        own, others = self._deadlines.next(), self._others.next_deadline()
        if own is None or others is None:
            return own if others is None else others
        return min(own, others)

    # --- handlers ---

    def _on_start(self, _: Start, now: Instant) -> Iterable[Effect]:
        self._deadlines.set(("scan", ""), now + round(self._rng.random() * self._page_scan))
        yield from self._carry_out(self.search.start(now), now)
        yield from self._others.avoid(None, now)

    def _on_network(
        self, stimulus: Connected | ConnectFailed | FrameArrived | Closed, now: Instant
    ) -> Iterable[Effect]:
        if self._others.owns(stimulus.session):
            return self._others.handle(stimulus, now)
        return self._carry_out(self.search.handle(stimulus, now), now)

    def _on_wish(self, stimulus: AskServer | ActOnAlarms, now: Instant) -> Iterable[Effect]:
        wish = self._wishes[stimulus.command] = _Wish(stimulus, now)
        if self.search.current is not None:
            yield self._send(wish, now)

    def _on_give_up(self, stimulus: GiveUp, now: Instant) -> Iterable[Effect]:
        wish = self._wishes.pop(stimulus.command, None)
        if wish is None:
            return
        self._asked.pop(wish.request, None)
        if isinstance(wish.stimulus, AskServer):
            yield EndQuestion(stimulus.command, f"no {self.function.value} server answered", b"")
        elif wish.times_sent:
            yield EndCommand(stimulus.command, "unknown", "it was sent, and no answer came")
        else:
            yield EndCommand(stimulus.command, "refused", f"no {self.function.value} server was reached")

    # --- the search's outcomes ---

    def _carry_out(self, steps: tuple[Step, ...], now: Instant) -> Iterable[Effect]:
        for step in steps:
            if isinstance(step, Opened):
                yield self._poll(step.way, now)
            elif isinstance(step, ServerLost):
                yield from self._on_lost(step, now)
            elif isinstance(step, Received):
                yield from self._on_message(step.way, step.message, now)
            else:
                yield step

    def _on_lost(self, step: ServerLost, now: Instant) -> Iterable[Effect]:
        kind = TraceKind.SESSION_TIMEOUT if step.silent else TraceKind.SESSION_CLOSED
        yield Note(kind, str(step.way), self.function.value)
        yield RaiseAlarm("Session Timeout" if step.silent else "Session Closed", str(step.way))
        self._polls.clear()
        self._asked.clear()
        yield from self._others.avoid(None, now)

    def _on_message(self, way: Way, message: Message, now: Instant) -> Iterable[Effect]:
        return self.MESSAGES[type(message)](self, way, message, now)

    def _on_news(self, way: Way, news: News, now: Instant) -> Iterable[Effect]:
        if self._polls.get(way) != news.request:
            return
        del self._polls[way]
        if way != self.search.current:
            yield from self._carry_out(self.search.answered(way, now), now)
            yield Note(TraceKind.SERVER_FOUND, str(way), self.function.value)
            yield from self._others.avoid(way.server, now)
            self._polls.clear()
            self._asked.clear()
            for wish in self._wishes.values():
                yield self._send(wish, now)
        self._revision = news.revision
        yield ShowNews(news)

    def _on_found(self, way: Way, found: Found, now: Instant) -> Iterable[Effect]:
        command = self._asked.pop(found.request, None)
        if command is not None:
            del self._wishes[command]
            yield EndQuestion(command, found.failure, found.body)

    def _on_result(self, way: Way, result: CommandResult, now: Instant) -> Iterable[Effect]:
        command = self._asked.pop(result.request, None)
        if command is None:
            return
        wish = self._wishes.pop(command)
        if result.why and wish.times_sent > 1:
            # The server that it was sent to before may have done it.
            yield EndCommand(command, "unknown", f"it was sent to a server that is lost; then: {result.why}")
        else:
            yield EndCommand(command, "refused" if result.why else "done", result.why)

    def _on_nothing_new(self, way: Way, message: Message, now: Instant) -> Iterable[Effect]:
        return ()

    # --- asking ---

    def _on_scan(self, now: Instant) -> Iterable[Effect]:
        yield from self._others.probe(now)
        way, link = self.search.current, self.search.link
        if way is None or link is None:
            return
        if way not in self._polls:
            yield self._poll(way, now)
        elif link.may_probe:
            yield link.send(Probe(), now)

    def _poll(self, way: Way, now: Instant) -> Effect:
        request = self._polls[way] = self._next_request()
        # What another server called a revision means nothing to this one.
        revision = self._revision if way == self.search.current else 0
        return self.search.links[way].send(Poll(request, revision), now)

    def _send(self, wish: _Wish, now: Instant) -> Effect:
        link = self.search.link
        assert link is not None
        wish.request = self._next_request()
        wish.times_sent += 1
        self._asked[wish.request] = wish.stimulus.command
        if isinstance(wish.stimulus, AskServer):
            return link.send(Query(wish.request, wish.stimulus.body), now)
        return link.send(Command(wish.request, wish.stimulus.action, now - wish.given_at), now)

    def _next_session(self) -> int:
        self._sessions += 1
        return self._sessions

    def _next_request(self) -> int:
        self._requests += 1
        return self._requests

    MESSAGES: ClassVar[dict[type, Callable[..., Iterable[Effect]]]] = {
        News: _on_news,
        Found: _on_found,
        CommandResult: _on_result,
        Welcome: _on_nothing_new,
    }
    TABLE: ClassVar[dict[type, Callable[..., Iterable[Effect]]]] = {
        Start: _on_start,
        Connected: _on_network,
        ConnectFailed: _on_network,
        FrameArrived: _on_network,
        Closed: _on_network,
        AskServer: _on_wish,
        ActOnAlarms: _on_wish,
        GiveUp: _on_give_up,
    }
