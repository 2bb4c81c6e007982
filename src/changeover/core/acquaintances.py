"""Sessions that a client keeps to the servers that do not serve it, so that these know who is on the network.

A server that loses its partner has to know whether the partner is gone or it is cut off itself; both look the
same from where it stands. Its clients tell: whoever hears them is on the network (`core.pair`). But clients
ask one server only. So each keeps a session to every other server of the function too, on every LAN, and puts
a probe on it with each page scan; while it searches, to all of them. Nothing else is said there, and nothing
is concluded from it here: how a client finds its server is the search's affair alone.
"""

from __future__ import annotations

from collections.abc import Callable

from changeover.core.deadlines import Deadlines
from changeover.core.link import AttemptFailed, Delivered, Link, LinkLost, LinkOpened, LinkState, Step
from changeover.core.machine import (
    Closed,
    Connected,
    ConnectFailed,
    Effect,
    Effects,
    FrameArrived,
    SessionId,
)
from changeover.core.messages import Probe
from changeover.model.moment import Duration, Instant
from changeover.model.plant import Way


class Acquaintances:
    """One client's sessions to the servers that do not serve it.

    Args:
        ways: Every way to the function's servers.
        client: The client's name.
        silence: S; None where the network stack finds a silent peer (D2).
        retry_period: [LAN]ClientRetryTime.
        next_session: Numbers attempts.
    """

    def __init__(
        self,
        ways: tuple[Way, ...],
        client: str,
        silence: Duration | None,
        retry_period: Duration,
        next_session: Callable[[], SessionId],
    ) -> None:
        self._deadlines = Deadlines()
        self.links = {
            way: Link(way, client, silence, retry_period, self._deadlines, next_session, silence is not None)
            for way in ways
        }

    def avoid(self, server: str | None, now: Instant) -> Effects:
        """Keep sessions to all servers but the one that serves the client; to all while none does."""
        effects: list[Effect] = []
        for way, link in self.links.items():
            if way.server == server:
                effects.extend(link.close(now))
            elif link.state is LinkState.WAITING:
                effects.extend(_effects(link.connect(now)))
        return tuple(effects)

    def owns(self, session: SessionId) -> bool:
        """Whether a session is one of those here."""
        return any(link.session_id == session for link in self.links.values())

    def handle(self, stimulus: Connected | ConnectFailed | FrameArrived | Closed, now: Instant) -> Effects:
        """Take a stimulus of one of these sessions."""
        for link in self.links.values():
            if link.session_id == stimulus.session:
                return self._carry_out(link, link.handle(stimulus, now), now)
        return ()

    def handle_timeout(self, now: Instant) -> Effects:
        """Act on every deadline here that is due."""
        effects: list[Effect] = []
        while (due := self._deadlines.pop_due(now)) is not None:
            (purpose, way), at = due
            assert isinstance(way, Way)
            link = self.links[way]
            effects.extend(self._carry_out(link, link.handle_timer(purpose, at, now), now))
        return tuple(effects)

    def next_deadline(self) -> Instant | None:
        """The earliest deadline here."""
        return self._deadlines.next()

    def probe(self, now: Instant) -> Effects:
        """With each page scan: be heard."""
        return tuple(link.send(Probe(), now) for link in self.links.values() if link.may_probe)

    def _carry_out(self, link: Link, steps: tuple[Step, ...], now: Instant) -> Effects:
        """A session that is lost is opened anew at once: a server that just woke has to know who is there."""
        effects = _effects(steps)
        if any(isinstance(step, LinkLost) for step in steps):
            effects += _effects(link.connect(now))
        return effects


def _effects(steps: tuple[Step, ...]) -> Effects:
    """What goes out; outcomes have no consequence."""
    return tuple(
        step for step in steps if not isinstance(step, LinkOpened | LinkLost | AttemptFailed | Delivered)
    )
