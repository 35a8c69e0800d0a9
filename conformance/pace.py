"""Stays under an endpoint's rate limits, and lets all workers wait together when it says so.

Law: in no span of 60 seconds are more requests, or more tokens, let through than the limits say. A burst within the
limits is let through at once.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

WINDOW = 60.0
_SHORTEST_SLEEP = 0.001  # a clock that rounds must not turn waiting into spinning


class Pacer:
    """Lets requests through, at most so many per minute and so many tokens per minute; None means no limit.

    `clock` is in seconds and monotonic; `sleep` takes seconds. Without a `sleep` of its own, waiting ends early when
    the `stop` that is given to `wait` is set. A request that may cost more than a minute's tokens waits for an empty
    minute and then goes: no waiting would make it smaller.
    """

    def __init__(
        self,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        for name, limit in (("requests", requests_per_minute), ("tokens", tokens_per_minute)):
            if limit is not None and limit < 1:
                raise ValueError(f"a limit of {limit} {name} per minute lets nothing through")
        self._requests = requests_per_minute
        self._tokens = tokens_per_minute
        self._clock = clock
        self._sleep = sleep
        self._turn = threading.Lock()  # held while waiting, so that a large request is not overtaken for ever
        self._lock = threading.Lock()  # held while looking
        self._recent: deque[tuple[float, int]] = deque()
        self._recent_tokens = 0
        self._paused = -float("inf")

    def wait(self, tokens: int, *, stop: threading.Event | None = None) -> bool:
        """Return when a request of at most so many tokens may be sent; False when `stop` was set before that."""
        with self._turn:
            while not (stop is not None and stop.is_set()):
                now = self._clock()
                with self._lock:
                    ready = self._ready(now, tokens)
                    if ready <= now:
                        if self._requests is not None or self._tokens is not None:
                            self._recent.append((now, tokens))
                            self._recent_tokens += tokens
                        return True
                self._pause(max(ready - now, _SHORTEST_SLEEP), stop)
        return False

    def pause_until(self, at: float) -> None:
        """Let nothing through before that time of the clock; a longer pause that was asked for earlier stays."""
        with self._lock:
            self._paused = max(self._paused, at)

    def pause(self, seconds: float) -> None:
        """Let nothing through for so many seconds from now."""
        self.pause_until(self._clock() + seconds)

    def _ready(self, now: float, tokens: int) -> float:
        """The earliest time at which the request may pass, as far as is known now."""
        while self._recent and self._recent[0][0] <= now - WINDOW:
            self._recent_tokens -= self._recent.popleft()[1]
        ready = max(now, self._paused)
        if self._requests is not None and len(self._recent) >= self._requests:
            ready = max(ready, self._recent[-self._requests][0] + WINDOW)
        if self._tokens is not None:
            over = self._recent_tokens + tokens - self._tokens
            for at, cost in self._recent:
                if over <= 0:
                    break
                over -= cost
                ready = max(ready, at + WINDOW)
        return ready

    def _pause(self, seconds: float, stop: threading.Event | None) -> None:
        if self._sleep is not None:
            self._sleep(seconds)
        elif stop is not None:
            stop.wait(seconds)
        else:
            time.sleep(seconds)
