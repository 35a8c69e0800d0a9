"""Watches the load generator itself while it measures: how late it wakes up, what its garbage collector costs, its CPU.

Law: what could have falsified a figure stands beside it, and beyond a bound there is no figure.
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent

# Beyond these a run says nothing about the endpoint.
MOST_LAG_MS = 25.0
MOST_PAUSE_MS = 100.0
MOST_CPU = 0.97

_PERIOD = 0.02
# CPU time of shorter runs says little: it has a resolution, and a start costs something.
_LEAST_SECONDS = 0.5


class Watch:
    """From `start` to `end`; `lagged` gets each lateness of the loop in seconds."""

    def __init__(
        self,
        lagged: Callable[[float], None],
        clock: Callable[[], int] = time.perf_counter_ns,
        cpu_clock: Callable[[], int] = time.process_time_ns,
    ) -> None:
        self._lagged = lagged
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._greenlet: Any = None
        self._begun = self._cpu_begun = self._pause_begun = 0
        self.seconds = self.cpu = 0.0
        self.pauses = 0
        self.longest_pause_ms = self.paused_ms = 0.0

    def start(self) -> None:
        """Begin to watch; takes everything that exists now out of the collector's sight."""
        # A collection of the oldest generation takes longer than a token.
        gc.collect()
        gc.freeze()
        gc.callbacks.append(self.collecting)
        self._begun, self._cpu_begun = self._clock(), self._cpu_clock()
        self._greenlet = gevent.spawn(self._look)

    def end(self) -> None:
        """Stop watching; does nothing when it never began."""
        if self._greenlet is None:
            return
        self._greenlet.kill()
        self._greenlet = None
        gc.callbacks.remove(self.collecting)
        gc.unfreeze()
        self.seconds = (self._clock() - self._begun) / 1e9
        self.cpu = (self._cpu_clock() - self._cpu_begun) / 1e9 / self.seconds if self.seconds else 0.0

    def collecting(self, phase: str, _: Any) -> None:
        """What the garbage collector calls before and after its work."""
        if phase == "start":
            self._pause_begun = self._clock()
        elif self._pause_begun:
            pause = (self._clock() - self._pause_begun) / 1e6
            self.pauses += 1
            self.paused_ms += pause
            self.longest_pause_ms = max(self.longest_pause_ms, pause)

    def why_invalid(self) -> str:
        """What makes the figures worthless; empty when nothing does. The loop's lag is judged where it is kept."""
        if self.longest_pause_ms > MOST_PAUSE_MS:
            return f"a garbage collection stopped the load generator for {self.longest_pause_ms:.0f} ms"
        if self.seconds >= _LEAST_SECONDS and self.cpu > MOST_CPU:
            return f"the load generator was at its limit: it used {100 * self.cpu:.0f} % of one core"
        return ""

    def to_record(self) -> dict[str, Any]:
        """What was seen, as the log's `client` object: shares of one core, ms, counts."""
        return {
            "cpu": round(self.cpu, 4),
            "peak_rss_mb": peak_rss_mb(),
            "gc": {
                "pauses": self.pauses,
                "total_ms": round(self.paused_ms, 3),
                "longest_ms": round(self.longest_pause_ms, 3),
            },
        }

    def _look(self) -> None:
        """Measure how late this process wakes up."""
        while True:
            before = self._clock()
            gevent.sleep(_PERIOD)
            self._lagged((self._clock() - before) / 1e9 - _PERIOD)


def peak_rss_mb() -> float:
    """The most memory that this process has had, in MB."""
    with suppress(OSError, ValueError, IndexError):
        # Not getrusage: what it says of a process includes what its parent had when it was made.
        told = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return round(int(told.partition("VmHWM:")[2].split()[0]) / 1024, 1)
    return round(
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1024), 1
    )
