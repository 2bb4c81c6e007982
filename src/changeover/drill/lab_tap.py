"""TAP interfaces: a network card whose cable ends in an open file.

Numbers and layouts are those of linux/if_tun.h and net/if.h.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterable

from changeover.drill.lab_plan import LabError, Tap

DEVICE = "/dev/net/tun"

TUNSETIFF = 0x400454CA
TUNGETFEATURES = 0x800454CF
TUNSETIFINDEX = 0x400454DA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
"""No header before each frame; nor has it one for what hardware would do, so the kernel does all of that."""

NEEDED = (
    f"a kernel with CONFIG_TUN, and {DEVICE} that may be read and written "
    f"(modprobe tun; in a container --device {DEVICE})"
)

_REQUEST = struct.Struct("=16sH22x")  # struct ifreq: name, flags
_NUMBER = struct.Struct("=I")


def open_taps(taps: Iterable[Tap]) -> tuple[int, ...]:
    """Make TAPs in the network namespace of the calling THREAD; each is gone when its file is closed.

    Returns:
        Open files, not blocking, in order.

    Raises:
        LabError: The kernel has no TAPs, or not for this process; none is left.
    """
    files: list[int] = []
    try:
        for tap in taps:
            files.append(os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
            fcntl.ioctl(files[-1], TUNSETIFINDEX, _NUMBER.pack(tap.index))
            fcntl.ioctl(files[-1], TUNSETIFF, _REQUEST.pack(tap.interface.encode(), IFF_TAP | IFF_NO_PI))
    except OSError as error:
        for file in files:
            os.close(file)
        raise LabError(f"make the ports of the switch (it needs {NEEDED}): {error.strerror}") from error
    return tuple(files)


def why_no_taps() -> str | None:
    """Why this process can make no TAPs, in words; None when it can. None is made to find out."""
    try:
        file = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
        try:
            (features,) = _NUMBER.unpack(fcntl.ioctl(file, TUNGETFEATURES, bytes(_NUMBER.size)))
        finally:
            os.close(file)
    except OSError as error:
        return f"impairing needs {NEEDED}: {error.strerror}"
    wanted = IFF_TAP | IFF_NO_PI
    return None if features & wanted == wanted else f"impairing needs {NEEDED}: it has no TAPs"
