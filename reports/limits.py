"""A limit that was searched for, as the log tells it, and what every report says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

QUOTAS: Mapping[str, str] = {"requests": "requests a minute", "tokens": "tokens a minute"}
_KINDS: Mapping[str, str] = {
    "fixed": "fixed window by the clock",
    "fixed-from-first": "fixed window from its first request",
    "sliding": "sliding window",
    "sliding-weighted": "sliding window, weighted from two fixed ones",
    "bucket": "token bucket",
}


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One search: between which bounds the limit a minute lies (`high` None: no bound), and how that shows.

    `meters` are the limiters that were found, the one of a minute first; `told` has what was made of each header.
    `tariff` says how tokens are charged: `admission`, `settled` and `multiplied`, None where that did not show;
    `candidates` is the name by which several were asked for.
    """

    profile: str
    quota: str
    found: bool
    low: float
    high: float | None
    documented: float
    kind: str = ""
    rivals: tuple[str, ...] = ()
    meters: tuple[Mapping[str, Any], ...] = ()
    told: Mapping[str, str] = field(default_factory=dict)
    refused_count: bool | None = None
    failed_count: bool | None = None
    contradictions: int = 0
    checked: int = 0
    charge: str = ""
    tariff: Mapping[str, bool | None] | None = None
    candidates: str = "best_of"
    unseen: float = 0.0
    others: Mapping[str, float | None] | None = None
    open: str = ""
    ended: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    valid: bool = True
    reason: str = ""

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return sum(self.counts.values())

    @property
    def unit(self) -> str:
        """What the bounds are in."""
        return QUOTAS[self.quota]

    @property
    def settled(self) -> bool:
        """Whether there is a limit that is known within its bounds, and nothing speaks against it."""
        return self.valid and self.found and self.high is not None and not self.open


def limit_from(record: Mapping[str, Any]) -> Limit:
    """The limit in a log's record; `KeyError`, `TypeError` or `ValueError` for one that is damaged."""
    verdict = record["verdict"]
    quota = verdict["quota"]
    if quota not in QUOTAS:
        raise ValueError(f"its quota {quota!r} is not one of {', '.join(QUOTAS)}")
    high = verdict.get("high")
    headers = {
        "Retry-After": "retry_after",
        "x-ratelimit-limit": "told_limit",
        "x-ratelimit-remaining": "told_remaining",
    }
    return Limit(
        profile=str(record["profile"]),
        quota=quota,
        found=bool(verdict["found"]),
        low=float(verdict["low"]),
        high=None if high is None else float(high),
        documented=float(verdict["documented"]),
        kind=str(verdict.get("kind", "")),
        rivals=tuple(str(one) for one in verdict.get("rivals", ())),
        meters=tuple(dict(one) for one in verdict.get("meters", ())),
        told={name: str(verdict.get(key, {}).get("verdict", "absent")) for name, key in headers.items()},
        refused_count=_yes_or_no(verdict.get("refused_count")),
        failed_count=_yes_or_no(verdict.get("failed_count")),
        contradictions=int(verdict.get("contradictions", 0)),
        checked=int(verdict.get("checked", 0)),
        charge=str(verdict.get("charge", "")),
        tariff=_tariff(verdict.get("tariff")),
        candidates=_candidates(verdict.get("tariff")),
        unseen=float(verdict.get("unseen", 0.0)),
        others=_others(verdict.get("others")),
        open=str(verdict.get("open", "")),
        ended=str(verdict.get("ended", "")),
        counts={str(name): int(count) for name, count in record["counts"].items()},
        tokens={str(name): int(count) for name, count in record.get("tokens", {}).items()},
        seconds=float(record["seconds"]),
        valid=bool(record["valid"]),
        reason=str(record.get("reason", "")),
    )


def headline(limit: Limit) -> str:
    """The result in one line."""
    if not limit.valid:
        return f"not valid: {limit.reason}"
    if not limit.found:
        return f"no limit found up to {limit.low:,.0f} {limit.unit}"
    if limit.high is None:
        return f"a limit of {limit.low:,.0f} {limit.unit} or more"
    low, high = f"{limit.low:,.0f}", f"{limit.high:,.0f}"
    return f"{low} {limit.unit}" if low == high else f"{low} to {high} {limit.unit}"


def shared(limit: Limit) -> str:
    """What is said where others use the same quota; empty where that did not show."""
    if limit.others is None:
        return ""
    low, high = limit.others.get("low") or 0.0, limit.others.get("high")
    about = f"{low:,.0f} to {high:,.0f} a minute" if high else f"{low:,.0f} a minute or more" if low else ""
    return f"others use this quota{f', {about}' if about else ''}; what is found is what they leave over"


def limit_rows(limit: Limit) -> list[tuple[str, str]]:
    """What was found, as pairs of a name and its text, in the order of a report."""
    rows = [("limit", headline(limit))]
    if not limit.valid:
        return [*rows, ("sent", _sent(limit))]
    if limit.found:
        rivals = " or ".join(_KINDS.get(one, one) for one in limit.rivals)
        rows.append(("kind", limit.kind or f"not decided; {rivals} would fit as well"))
        rows += [("limiter", _meter(one)) for one in limit.meters]
    if limit.unseen:
        rows.append(("behind it", f"a larger bucket of {limit.unseen:,.0f} or more a minute would not have shown yet"))
    if limit.others is not None:
        rows.append(("others", shared(limit)))
    rows.append(("documented", _compared(limit)))
    if limit.found:
        rows += [
            ("refused requests", _counted(limit.refused_count)),
            ("failed requests", _counted(limit.failed_count)),
        ]
        rows += [(name, verdict) for name, verdict in limit.told.items()]
    if limit.quota == "tokens" and limit.charge not in ("", "each"):
        rows.append(("charged by", limit.charge))
    if limit.quota == "tokens" and limit.found:
        rows += charged(limit)
    if limit.found:
        rows.append(("contradicted by", f"{limit.contradictions:,} of the {limit.checked:,} requests that decide"))
    if limit.open:
        rows.append(("open", limit.open))
    return [*rows, ("ended", limit.ended), ("sent", _sent(limit))]


def charged(limit: Limit) -> list[tuple[str, str]]:
    """When a request is charged for what, and whether candidates multiply that; each of them a line."""
    tariff = limit.tariff or {}
    unknown = "undecided: it did not show"
    admission, settled, multiplied = (tariff.get(name) for name in ("admission", "settled", "multiplied"))
    before = {True: "max_tokens counts, before it is used", False: "max_tokens does not count", None: unknown}
    after = {True: "corrected to what was used", False: "never: what was asked for stays counted", None: unknown}
    many = {True: "multiplies what max_tokens counts", False: "does not multiply the charge", None: unknown}
    if admission is False:
        after[True] = "what was used is charged when the answer ends"
        many[None] = "max_tokens does not count, so there is nothing to multiply"
    elif admission is None:
        after[True] = "only what was used stays counted"
    elif multiplied is None and not limit.candidates:
        many[None] = "undecided: requests with best_of or n were refused"
    return [
        ("charged when asked", before[admission]),
        ("charge settled", after[settled]),
        (limit.candidates or "best_of", many[multiplied]),
    ]


def _tariff(value: Any) -> Mapping[str, bool | None] | None:
    """How tokens are charged, as the log has it."""
    if value is None:
        return None
    return {name: _yes_or_no(value.get(name)) for name in ("admission", "settled", "multiplied")}


def _candidates(value: Any) -> str:
    """By which name candidates were asked for; empty where each was refused."""
    return "best_of" if value is None else str(value.get("candidates", "best_of"))


def _meter(meter: Mapping[str, Any]) -> str:
    kind = _KINDS.get(str(meter.get("kind")), str(meter.get("kind")))
    holds = meter.get("holds") or [None]
    size = "?" if holds[0] is None else f"{holds[0]:,.0f}"
    if "rate" in meter:
        return f"{kind}: {meter['rate']:,.3g} a second, and {size} at once"
    begins = f", begun {meter['begins']}" if "begins" in meter else ""
    return f"{kind}: {size} in {meter.get('window', '?'):g} s{begins}"


def _compared(limit: Limit) -> str:
    said = f"{limit.documented:,.0f} {limit.unit}"
    if limit.found and limit.high is not None and limit.high < limit.documented * 0.98:
        return f"{said}: less is let pass"
    if limit.low > limit.documented * 1.02:
        return f"{said}: more is let pass"
    return f"{said}: within what was found" if limit.found else f"{said}: not reached"


def _counted(counts: bool | None) -> str:
    return {True: "count as well", False: "do not count", None: "makes no difference, or did not show"}[counts]


def _sent(limit: Limit) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in limit.counts.items() if count)
    tokens = sum(limit.tokens.values())
    return f"{limit.requests:,} requests in {limit.seconds:,.0f} s ({counts or 'none'}); {tokens:,} tokens"


def _others(value: Any) -> Mapping[str, float | None] | None:
    """What others use, as the log has it."""
    if value is None:
        return None
    return {name: None if value.get(name) is None else float(value[name]) for name in ("low", "high")}


def _yes_or_no(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
