"""What a virtual machine's host does to a measurement: processor time that it takes away, and sleep that it makes long.

A processor that the host runs something else on stands still for some milliseconds, and so does each stream on it, with
any client. One that halts is given back to the host, which takes its time to give it out again, unless the kernel polls
for a while first. Only Linux tells either; elsewhere both are 0.
"""

from __future__ import annotations

import os
from pathlib import Path

_STEAL = 8  # the column of /proc/stat, its name counted
_POLL = Path("/sys/module/haltpoll/parameters/guest_halt_poll_ns")


def stolen(stat: Path = Path("/proc/stat")) -> float:
    """Seconds that the host has taken from this machine's processors since it was started, all of them together."""
    try:
        columns = stat.read_text(encoding="ascii").partition("\n")[0].split()
        return int(columns[_STEAL]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def polling_ms(place: Path = _POLL) -> float:
    """How long an idle processor polls before it halts, in ms."""
    try:
        return int(place.read_text(encoding="ascii")) / 1e6
    except (OSError, ValueError):
        return 0.0
