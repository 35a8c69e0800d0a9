"""A few threads that send requests at the same moment, for checks on what happens when several are under way.

Law: whoever hands over work gets all of its results, in its order, and nothing of it is still running then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")

# Enough to meet in an engine's batch, few enough that no quota is shaken by it.
MOST = 8


class Lanes:
    """At most `MOST` threads, started when they are needed first and kept, since each has a connection of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    def run(self, work: Sequence[Callable[[], T]]) -> list[T]:
        """What each piece of work returns; raises what the first of them raised, once all have ended."""
        if len(work) > MOST:
            raise ValueError(f"{len(work)} requests at once are more than {MOST}")
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(MOST, thread_name_prefix="seatrial-lane")
            threads = self._threads
        under_way = [threads.submit(piece) for piece in work]
        wait(under_way)
        return [one.result() for one in under_way]
