"""What locust's log says of a run that has ended, and the exit code of its process.

Law: a run that is not valid has no figures here either.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from loadtests.collect import Collector

# Exit codes, as everywhere in Seatrial.
HELD, FAILED, USAGE, COULD_NOT_JUDGE = 0, 1, 2, 3

log = logging.getLogger("seatrial.load")


def exit_code(figures: Collector, invalid: str) -> int:
    """A 429 is an answer to a rate that was too high, and no failure of a stream."""
    if invalid:
        return COULD_NOT_JUDGE
    return FAILED if figures.counts.total() > figures.counts["ok"] + figures.counts["429"] else HELD


def log_figures(figures: Collector, invalid: str, record: Mapping[str, Any] | None) -> None:
    """Log the figures of a run, or why it has none; goodput and capacity as its record has them."""
    # Whoever sees a figure believes it.
    for name, row in ({} if invalid else figures.summary()).items():
        log.info("%-13s %s ms", name, "  ".join(f"{key} {value:.1f}" for key, value in row.items() if key != "count"))
    log.info("outcomes: %s", ", ".join(f"{name} {count}" for name, count in sorted(figures.counts.items())) or "none")
    if invalid:
        log.warning("this load is not valid, so it has no figures: %s", invalid)
        return
    goodput, capacity = (record or {}).get("goodput"), (record or {}).get("capacity")
    if goodput and goodput["bounds"]:
        log.info("good: %d of %d requests (%s)", goodput["good_intended"], goodput["requests"], goodput["bounds"])
    if capacity:
        log.info(
            "capacity per second: at least %s, below %s%s", *_ends(capacity), capacity["why"] and f"; {capacity['why']}"
        )


def _ends(capacity: Mapping[str, Any]) -> list[str]:
    return [f"{end:g}" if end is not None else "what was not found" for end in (capacity["low"], capacity["high"])]
