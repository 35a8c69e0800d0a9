"""Ctrl-C and SIGTERM: the first one ends a run in order, the second one at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from seatrial.errors import NO_JUDGEMENT

_WATCHED = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised where Ctrl-C would be, so that both end a run in the same way."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it the first SIGINT or SIGTERM raises in the main thread; a second one ends the process with status 3."""
    before = {number: signal.getsignal(number) for number in _WATCHED}

    def first(number: int, _: FrameType | None) -> NoReturn:
        for watched in _WATCHED:
            signal.signal(watched, second)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    for number in _WATCHED:
        signal.signal(number, first)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def second(_number: int, _: FrameType | None) -> NoReturn:
    """End the process at once: whoever asks twice does not want to wait."""
    # Nothing is flushed or joined here on purpose; the log's last lines are on disk, since it is not buffered.
    os._exit(NO_JUDGEMENT)
