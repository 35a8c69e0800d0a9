"""How far a load's figures can be trusted and what failed in it, in sentences that every format prints below them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.model import Load
from reports.visible import one_line

# From here on a chunk has several tokens; below, the difference is an end-of-text token that has no text.
_SEVERAL = 1.5
_MOST_DETAIL = 200


def load_notes(load: Load) -> list[str]:
    """One sentence each: proxy, tokens per chunk, what the generator found out about itself, examples of failures."""
    return [
        *_proxy(load.proxy),
        *_chunks(load),
        *_self_check(load.self_check),
        *_client(load.client),
        *_examples(load),
    ]


def _proxy(name: str) -> list[str]:
    return [f"Requests went through the proxy at {one_line(name, 80)}: its time is in every latency."] if name else []


def _chunks(load: Load) -> list[str]:
    if load.tokens_per_chunk < _SEVERAL:
        return []
    return [
        (
            f"The endpoint sends {load.tokens_per_chunk:.1f} tokens a chunk: ITL is the gap between chunks, "
            "TPOT the time for one token."
        )
    ]


def _self_check(check: Mapping[str, Any]) -> list[str]:
    if check.get("skipped"):
        return ["The load generator was not checked against streams of known timing."]
    if not _whole(check.get("streams")) or check.get("fault"):
        # Why there is no figure is the reason for which the run is not valid.
        return []
    return [
        (
            f"The load generator's own error, with {check['streams']} streams of known timing before the run: "
            f"TTFT {_ms(check, 'ttft_p50_ms')} ms at p50 and {_ms(check, 'ttft_p99_ms')} ms at p99, "
            f"ITL {_ms(check, 'itl_p99_ms')} ms at p99."
        )
    ]


def _client(client: Mapping[str, Any]) -> list[str]:
    pauses = client.get("gc")
    if not isinstance(pauses, Mapping):
        return []
    cpu = _number(client.get("cpu"))
    cores = f" in {client['processes']} processes" if _whole(client.get("processes")) else ""
    return [
        (
            f"The load generator used {100 * cpu:.0f} % of a core{cores}; its longest garbage collection took "
            f"{_ms(pauses, 'longest_ms')} ms."
        )
    ]


def _examples(load: Load) -> list[str]:
    return [
        f"{one_line(name, 40)}, {load.counts.get(name, 0):,} in all, for example: {one_line(detail, _MOST_DETAIL)}"
        for name, kept in load.examples.items()
        for detail in kept[:3]
    ]


def _ms(values: Mapping[str, Any], name: str) -> str:
    return f"{_number(values.get(name)):.2g}"


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
