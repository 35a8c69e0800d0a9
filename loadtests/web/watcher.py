"""What a run tells whoever watches it.

Law: nothing here may raise or wait; a watcher that does would hold up the load.
"""

from __future__ import annotations

from typing import Any, Protocol

from loadtests.collect import Sample
from loadtests.orders import Orders


class Watcher(Protocol):
    """Follows the runs of one process, or of those that it is the master of."""

    def began(self, orders: Orders) -> None:
        """A run was begun."""

    def refused(self, why: str) -> None:
        """A run that made no sense was not begun."""

    def sampled(self, one: Sample) -> None:
        """A request of this process ended."""

    def ended(self, record: dict[str, Any] | None, why_none: str = "") -> None:
        """The run is over, with its `load` record; None where there is none, and why."""


class Nobody:
    """Watches nothing: a run without a page."""

    def began(self, orders: Orders) -> None:
        """Do nothing."""

    def refused(self, why: str) -> None:
        """Do nothing."""

    def sampled(self, one: Sample) -> None:
        """Do nothing."""

    def ended(self, record: dict[str, Any] | None, why_none: str = "") -> None:
        """Do nothing."""
