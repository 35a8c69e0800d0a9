"""Waits until a moment with the precision of the kernel's timers, where the event loop's own are a millisecond coarse.

Law: it never rings early, and whoever is told to stop is told at once.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from typing import Any

import gevent
import gevent.event

_MONOTONIC = 1
_NONBLOCK, _CLOEXEC = os.O_NONBLOCK, getattr(os, "O_CLOEXEC", 0)


class _Setting(ctypes.Structure):
    """`struct itimerspec` of a 64-bit Linux: interval and value, each in seconds and nanoseconds."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Alarm:
    """Sleeps for one greenlet; `stop` ends each of its waits. Without timerfd (not Linux) the loop's timers serve."""

    def __init__(self, stop: gevent.event.Event) -> None:
        self._stop = stop
        self._rung = gevent.event.Event()
        self._library, self._descriptor = _timer()
        self._watcher: Any = None
        if self._descriptor is not None:
            self._watcher = gevent.get_hub().loop.io(self._descriptor, 1)
            self._watcher.start(self._ring)
            stop.rawlink(self._stopped)

    def wait(self, seconds: float) -> bool:
        """Sleep that long, and let others run in any case; whether to stop."""
        if self._descriptor is None:
            return bool(self._stop.wait(max(0.0, seconds)))
        if seconds <= 0 or self._stop.is_set():
            gevent.sleep(0)
            return bool(self._stop.is_set())
        self._rung.clear()
        whole = int(seconds)
        setting = _Setting(0, 0, whole, max(1, int((seconds - whole) * 1e9)))
        if self._library.timerfd_settime(self._descriptor, 0, ctypes.byref(setting), None):
            return bool(self._stop.wait(seconds))
        self._rung.wait()
        return bool(self._stop.is_set())

    def close(self) -> None:
        """Give the timer back; never raises."""
        if self._descriptor is not None:
            self._watcher.stop()
            self._watcher.close()
            self._stop.unlink(self._stopped)
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None

    def _ring(self) -> None:
        with suppress(OSError):
            os.read(self._descriptor or 0, 8)
        self._rung.set()

    def _stopped(self, _: Any) -> None:
        self._rung.set()


def _timer() -> tuple[Any, int | None]:
    """The C library and the descriptor of a timer of its; None where there is no such thing."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        descriptor = library.timerfd_create(_MONOTONIC, _NONBLOCK | _CLOEXEC)
    except (OSError, AttributeError, TypeError):
        return None, None
    return library, descriptor if descriptor >= 0 else None
