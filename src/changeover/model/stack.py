"""What a computer's own TCP stack does about a peer that no longer answers (D2).

Both count from a retransmission time-out, RTO, that doubles with each expiry. Windows counts retransmissions;
Linux counts time: a connection dies at the first expiry that lies beyond what its setting stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from changeover.model.moment import MICROSECOND, MILLISECOND, SECOND, Duration

LINUX_RTO: Duration = 200 * MILLISECOND
"""The least retransmission time-out of Linux, unless net.ipv4.tcp_rto_min_us says otherwise."""


class NetworkProtocol(Enum):
    """Who detects a silent peer (D1, D2)."""

    ACKNOWLEDGED = "acknowledged"
    WINDOWS = "windows"
    LINUX = "linux"


@dataclass(frozen=True, slots=True)
class WindowsStack:
    """Retransmission of the Windows TCP stack (D2).

    Attributes:
        data_retransmissions: TcpMaxDataRetransmissions.
        connect_retransmissions: TcpMaxConnectRetransmissions.
        rto: Retransmission time-out of an established connection.
        initial_rtt: TcpInitialRtt: how long the first attempt to connect waits.
    """

    data_retransmissions: int = 5
    connect_retransmissions: int = 2
    rto: Duration = 200 * MILLISECOND
    initial_rtt: Duration = 3 * SECOND

    @property
    def patience(self) -> Duration:
        """About how long it goes on before it gives a silent peer up."""
        return doubled(self.rto, self.data_retransmissions + 1, WINDOWS_WAIT_MAX)


@dataclass(frozen=True, slots=True)
class LinuxStack:
    """Retransmission of the Linux TCP stack (D2).

    Attributes:
        retries2: net.ipv4.tcp_retries2.
        syn_retries: net.ipv4.tcp_syn_retries.
        linear_syns: net.ipv4.tcp_syn_linear_timeouts, 0 for kernels before 6.5.
        rto: The least retransmission time-out (net.ipv4.tcp_rto_min_us); the round trip comes on top.
        tick: What the kernel's clock counts in, 1 / CONFIG_HZ.
    """

    retries2: int = 15
    syn_retries: int = 6
    linear_syns: int = 4
    rto: Duration = LINUX_RTO
    tick: Duration = 4 * MILLISECOND

    @property
    def patience(self) -> Duration:
        """About how long it goes on before it gives a silent peer up, rather more than less.

        A loss probe, the expiries up to the first one beyond the bound, and timers up to an eighth late.
        """
        return (self.rto + doubled(self.rto, self.retries2 + 2, LINUX_RTO_MAX)) * 9 // 8

    @property
    def settings(self) -> dict[str, int]:
        """What a computer's kernel must be set to, by name below net.ipv4.

        The least time-out only where it is not the kernel's own: older kernels have no setting for it.
        """
        found = {
            "tcp_retries2": self.retries2,
            "tcp_syn_retries": self.syn_retries,
            "tcp_syn_linear_timeouts": self.linear_syns,
        }
        if self.rto != LINUX_RTO:
            found["tcp_rto_min_us"] = self.rto // MICROSECOND
        return found


WINDOWS_DEFAULTS = WindowsStack()
LINUX_DEFAULTS = LinuxStack()

WINDOWS_WAIT_MAX: Duration = 240 * SECOND
"""No wait between two retransmissions of Windows is longer (Microsoft 170359)."""
LINUX_DELAYED_ACK: Duration = 40 * MILLISECOND
"""How long a kernel that expects its program to answer holds an acknowledgement back, to send both in one."""
LINUX_RTO_MAX: Duration = 120 * SECOND
"""net.ipv4.tcp_rto_max_ms: no wait between two retransmissions is longer."""


def doubled(first: Duration, waits: int, longest: Duration | None = None) -> Duration:
    """The sum of so many waits, each twice the one before, none longer than `longest`."""
    total = 0
    for k in range(waits):
        wait = first << k
        if longest is not None and wait >= longest:
            return total + (waits - k) * longest
        total += wait
    return total
