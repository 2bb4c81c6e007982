"""One network namespace, held by an open file: it has no name, and it is gone when nobody holds it."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from changeover.drill.lab_netlink import Netlink
from changeover.drill.lab_plan import LabError

CLONE_NEWNET = 0x40000000
NO_SETTINGS: Mapping[str, int] = MappingProxyType({})

# Each is a setting and the values to try, the best first.
_SETTINGS = (
    ("net/ipv6/conf/all/disable_ipv6", ("1",)),  # router solicitations and the like would stir the tables
    ("net/ipv6/conf/default/disable_ipv6", ("1",)),
    ("net/ipv4/ip_forward", ("0",)),  # inherited from the machine, which may route for others
    # bbr answers losses in a way of its own; a namespace may only have what the machine allows everybody,
    # and that is reno at least, whose loss detection and time-outs are those of cubic.
    ("net/ipv4/tcp_congestion_control", ("cubic", "reno")),
    ("net/ipv4/tcp_no_metrics_save", ("1",)),  # a repetition must not know what the last one learned
)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace.

    Attributes:
        fd: Open file that keeps it alive.
        inode: Its number, as in /proc/PID/ns/net.
        netlink: A socket inside it.
        notes: Settings that this machine does not let it have, in words.
    """

    fd: int
    inode: int
    netlink: Netlink
    notes: tuple[str, ...]

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command that runs a program inside it; the launcher becomes the program.

        Raises:
            LabError: The launcher is missing.
        """
        nsenter = shutil.which("nsenter")
        if nsenter is None:
            raise LabError("the program nsenter is missing (Debian package util-linux)")
        return [nsenter, f"--net=/proc/{os.getpid()}/fd/{self.fd}", "--", *argv]

    def close(self) -> None:
        """Let go of it."""
        self.netlink.close()
        os.close(self.fd)


def make_namespace(kernel: Mapping[str, int] = NO_SETTINGS) -> Namespace:
    """Make a namespace; the calling THREAD is inside it afterwards and should end soon.

    Nobody's main thread should stand in a namespace even for a moment: whatever interrupts it there would
    leave it in the wrong network.

    Args:
        kernel: Settings of net.ipv4 that it must have, by name.

    Raises:
        OSError: This process may not make one, the kernel has none, or it refuses a setting.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    for name, value in kernel.items():
        (Path("/proc/sys/net/ipv4") / name).write_text(str(value))
    notes = tuple(note for path, values in _SETTINGS if (note := _set(path, values)))
    fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return Namespace(fd, os.fstat(fd).st_ino, Netlink(), notes)
    except BaseException:
        os.close(fd)
        raise


def _set(path: str, values: tuple[str, ...]) -> str | None:
    setting = Path("/proc/sys") / path
    if not setting.exists():
        return None  # a kernel without IPv6 makes no IPv6 noise
    refusal = ""
    for value in values:
        try:
            setting.write_text(value)
        except OSError as error:
            refusal = refusal or f"{path.replace('/', '.')} = {value}: {error.strerror}"
        else:
            return f"{refusal}, {value} instead" if refusal else None
    return refusal
