"""A client's side of alarms, trends or reports: its machine, its connections, what it shows, what it asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count
from random import Random

from changeover.core import machine as core
from changeover.core.alarm_records import AlarmAction, AlarmState
from changeover.core.task_client import TaskClient
from changeover.model.plant import Plant, Way
from changeover.model.server import Client, Function
from changeover.protocol.frames import FROM_TASK_SERVERS
from changeover.protocol.queries import Answer, QueryError, Question, decode_answer, encode
from changeover.runtime.client import CommandEnd, HardwareAlarm
from changeover.runtime.host import Host
from changeover.runtime.trace_file import Trace
from changeover.runtime.transport import Connector, Tap


class TaskClientHost(Host):
    """Runs one client's machine for one function.

    Args:
        plant: The plant.
        client: Which of its clients.
        function: ALARM, TREND or REPORT; the client reaches a server of it.
        trace: Where trace lines go.
        rng: Phases come from here.
        on_alarm: Takes hardware alarms.
        tap: Looks on while frames go out and come in.

    Attributes:
        states: Of alarms, what is not normal, by tag.
        is_served: Whether a server answers.
    """

    def __init__(
        self,
        plant: Plant,
        client: Client,
        function: Function,
        trace: Trace,
        rng: Random,
        on_alarm: Callable[[HardwareAlarm], None] | None = None,
        tap: Tap | None = None,
    ) -> None:
        self.plant = plant
        self.client = client
        self.function = function
        self.states: dict[str, AlarmState] = {}
        self.news = asyncio.Event()
        priority = {server.name: server.priority for server in plant.tasks(function)}
        ways = plant.task_ways(client.computer, function)
        self.machine = TaskClient(client.name, function, ways, priority, client.page_scan, plant.timing, rng)
        super().__init__(self.machine, trace)
        self._on_alarm = on_alarm
        self._connector = Connector(self.feed, plant.timing.silence, FROM_TASK_SERVERS, tap)
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[tuple[str, bytes]]] = {}
        self._ends: dict[int, asyncio.Future[CommandEnd]] = {}
        self._performers |= {
            core.SendFrame: lambda effect: self._connector.send(effect.session, effect.frame),
            core.OpenConnection: self._open_connection,
            core.CloseConnection: lambda effect: self._connector.close(effect.session),
            core.ShowNews: self._show_news,
            core.EndQuestion: self._end_question,
            core.EndCommand: self._end_command,
            core.RaiseAlarm: self._raise_alarm,
        }

    @property
    def way(self) -> Way | None:
        """The way that serves this client now, None while it searches."""
        return self.machine.search.current

    def stop(self) -> None:
        """Close every connection."""
        super().stop()
        self._connector.close_all()

    async def ask(self, question: Question, seconds: float) -> Answer:
        """Ask the server's archive; a changeover on the way does no harm.

        Args:
            question: What to ask.
            seconds: How long to wait.

        Raises:
            QueryError: There is no answer; the text says why.
        """
        number = next(self._numbers)
        future: asyncio.Future[tuple[str, bytes]] = self._loop.create_future()
        self._answers[number] = future
        self.feed(core.AskServer(number, encode(question)))
        timer = self._loop.call_later(seconds, self.feed, core.GiveUp(number))
        try:
            failure, body = await future
        finally:
            timer.cancel()
            self._answers.pop(number, None)
        if failure:
            raise QueryError(failure)
        return decode_answer(body)

    async def act(self, action: AlarmAction, seconds: float) -> CommandEnd:
        """Act on alarms; done, refused, or unknown when nobody can say within `seconds`."""
        number = next(self._numbers)
        future: asyncio.Future[CommandEnd] = self._loop.create_future()
        self._ends[number] = future
        self.feed(core.ActOnAlarms(number, action.showing(self.states)))
        timer = self._loop.call_later(seconds, self.feed, core.GiveUp(number))
        try:
            return await future
        finally:
            timer.cancel()
            self._ends.pop(number, None)

    def _open_connection(self, effect: core.OpenConnection) -> None:
        self._connector.connect(effect.session, *self.plant.route(self.client.computer, effect.way))

    def _show_news(self, effect: core.ShowNews) -> None:
        if effect.news.full:
            self.states.clear()
        for state in effect.news.states:
            if state.words == "normal":
                self.states.pop(state.tag, None)
            else:
                self.states[state.tag] = state
        self.news.set()

    def _end_question(self, effect: core.EndQuestion) -> None:
        future = self._answers.get(effect.command)
        if future is not None and not future.done():
            future.set_result((effect.failure, effect.body))

    def _end_command(self, effect: core.EndCommand) -> None:
        future = self._ends.get(effect.command)
        if future is not None and not future.done():
            future.set_result(CommandEnd(effect.outcome, effect.why))

    def _raise_alarm(self, effect: core.RaiseAlarm) -> None:
        self.trace.line("hardware-alarm", text=effect.text, subject=effect.subject)
        if self._on_alarm is not None:
            self._on_alarm(HardwareAlarm(time.time_ns(), effect.text, effect.subject))
