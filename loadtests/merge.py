"""One load record out of those of several processes or machines that shared a load.

Law: histograms and counts add up to exactly what one process would have counted, and a part that is missing or not
valid makes the whole not valid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from loadtests.collect import Collector, RecordError
from loadtests.gauges import merged_gauges

Record = Mapping[str, Any]


def merged(records: Sequence[Record], shares: int, lost: Sequence[str] = ()) -> dict[str, Any]:
    """The load record of a run in `shares` shares; `lost` says of each missing one what became of it.

    Raises `RecordError` for what is no load record or where there is none at all.
    """
    if not records:
        raise RecordError("; ".join(lost) or "nobody reported")
    figures = Collector()
    for record in records:
        figures.merge(record)
    try:
        first = records[0]
        warmups: Counter[str] = Counter()
        for record in records:
            warmups.update(record["warmup"]["counts"])
        reason = _reason(records, shares, lost)
        return {
            "type": "load",
            "profile": first["profile"],
            "plan": first["plan"],
            **figures.to_record(),
            **merged_gauges(records),
            "seconds": max(record["seconds"] for record in records),
            "valid": not reason,
            "reason": reason,
            "rate": {
                name: round(sum(record["rate"][name] for record in records), 4) for name in ("planned", "achieved")
            },
            "unsent": sum(record["unsent"] for record in records),
            "warmup": {"counts": dict(warmups), "tokens": sum(record["warmup"]["tokens"] for record in records)},
            "client": _client([record["client"] for record in records]),
            "proxy": first["proxy"],
            "self_check": merged_self_checks([record["self_check"] for record in records]),
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"no record of a load: {error!r}") from None


def _reason(records: Sequence[Record], shares: int, lost: Sequence[str]) -> str:
    if lost:
        return "; ".join(lost)
    if len(records) != shares:
        return f"{shares - len(records)} of {shares} shares of the load were not reported"
    return next((record["reason"] or "a part is not valid" for record in records if not record["valid"]), "")


def _client(clients: Sequence[Record]) -> dict[str, Any]:
    """CPU of all together, in cores, and their memory; pauses of all, and the longest."""
    pauses = [client["gc"] for client in clients]
    return {
        "cpu": round(sum(client["cpu"] for client in clients), 4),
        "peak_rss_mb": round(sum(client["peak_rss_mb"] for client in clients), 1),
        "gc": {
            "pauses": sum(one["pauses"] for one in pauses),
            "total_ms": round(sum(one["total_ms"] for one in pauses), 3),
            "longest_ms": max(one["longest_ms"] for one in pauses),
        },
        "processes": len(clients),
    }


def merged_self_checks(checks: Sequence[Record]) -> dict[str, Any]:
    """The worst of several processes' self-checks, with the streams of all: they were read at about the same time."""
    if any(check.get("skipped") for check in checks):
        return {"skipped": True}
    worst = max(checks, key=lambda check: (bool(check.get("fault")), check["arrival_p95_ms"]))
    return {**worst, "streams": sum(check["streams"] for check in checks)}
