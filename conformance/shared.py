"""What the checks of one run share, so that it is asked once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from conformance.check import Skip, Violation
from conformance.lanes import Lanes

T = TypeVar("T")


class Shared:
    """Answers that several checks look at, asked once, and the lanes that they share; safe for threads."""

    def __init__(self) -> None:
        self.lanes = Lanes()
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._values: dict[str, Any] = {}

    def get(self, name: str, make: Callable[[], T]) -> T:
        """The value of that name, made by the first who asks; a failure to make it is shared as well."""
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._values:
                try:
                    self._values[name] = make()
                except (Violation, Skip) as outcome:
                    self._values[name] = outcome
            value = self._values[name]
        if isinstance(value, Violation | Skip):
            raise value
        result: T = value
        return result
