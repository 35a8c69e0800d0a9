"""Load records of every shape, as a load process writes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tests.reports import samples

STEP, LEAST = 1.02, 0.01


def steps_of(values: Sequence[float]) -> list[list[int]]:
    """Milliseconds counted in steps, as a timeline has them."""
    places = [1 + math.floor(math.log(value / LEAST) / math.log(STEP)) for value in values]
    return [[place, places.count(place)] for place in sorted(set(places))]


def timeline(windows: Sequence[Sequence[float | None]], *, window: float = 1.0, memory: float = 80.0) -> dict[str, Any]:
    """A course of TTFTs in milliseconds by window; None is a request that failed."""
    rows = []
    for at, values in enumerate(windows):
        ok = [value for value in values if value is not None]
        rows.append(
            {
                "at": at,
                "requests": len(values),
                "ok": len(ok),
                "throttled": 0,
                "good": len(ok),
                "tokens": 16 * len(ok),
                "ttft": steps_of(ok),
                "e2e": steps_of([value + 100 for value in ok]),
                "memory_mb": memory + 0.1 * at,
            }
        )
    return {"window": window, "step": STEP, "least_ms": LEAST, "windows": rows}


def goodput(good: int = 390, requests: int = 407, **changes: Any) -> dict[str, Any]:
    """Goodput by a bound of 800 ms."""
    return {
        "bounds": {"ttft": 800.0},
        "requests": requests,
        "failed": 7,
        "good": good,
        "good_intended": good,
        "good_tokens": 16 * good,
        "missed": {"ttft": requests - 7 - good},
        **changes,
    }


def capacity(low: float | None = 12.0, high: float | None = 13.0, why: str = "", **changes: Any) -> dict[str, Any]:
    """A capacity with its curve, whose latency rises at 12 per second."""
    rates = (2.0, 4.0, 8.0, 12.0, 13.0, 16.0)
    curve = [
        {
            "rate": rate,
            "proves": rate >= 8,
            "judged": 300,
            "good": 300 if rate <= 12 else 200,
            "cut_short": rate == 16,
            "answers_per_s": min(rate, 12.5),
            "tokens_per_s": 16 * min(rate, 12.5),
            "latencies_ms": {
                "ttft_intended": {"p50": ttft, "p95": 2 * ttft, "p99": 3 * ttft},
                "tpot": {"p50": 5.0, "p95": 6.0, "p99": 7.0},
            },
        }
        for rate, ttft in zip(rates, (100, 100, 104, 150, 900, 2500), strict=True)
    ]
    return {
        "low": low, "high": high, "why": why, "confidence": 0.95, "trial_s": 30.0, "share": 0.95,
        "bounds": {"ttft": 1000.0}, "curve": curve, **changes,
    }  # fmt: skip


def record(profile: str = "streaming", **changes: Any) -> dict[str, Any]:
    """A load record of that profile with every part that it can have."""
    made = {**samples.load_record(), "profile": profile, "goodput": goodput()}
    made["plan"] = {**made["plan"], "name": profile}
    if profile == "capacity":
        made |= {"capacity": capacity(), "spent": {"requests": 2000, "tokens": 90_000, "seconds": 120.0}}
        made["plan"]["search"] = "capacity"
    elif profile == "burst":
        made["plan"]["steps"] = "4:10,20:5,4:15"
        usual, slow = [20.0, 21.0, 22.0, 23.0], [900.0, 1000.0, 1100.0]
        made["timeline"] = timeline([*[usual] * 10, *[slow] * 5, *[slow] * 4, *[usual] * 11])
    elif profile == "soak":
        made["timeline"] = timeline([[20.0 + 0.1 * (n % 3), 21.0, 22.0] for n in range(40)])
    elif profile == "mixed":
        histogram = made["histograms"]["e2e"]
        made["kinds"] = {name: {"requests": 200, "ok": 199, **histogram} for name in ("chat", "chat-whole")}
    return {**made, **changes}
