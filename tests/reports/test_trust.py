from __future__ import annotations

from reports.model import Load
from reports.trust import load_notes


def notes(**fields: object) -> list[str]:
    return load_notes(Load(profile="streaming", **fields))  # type: ignore[arg-type]


def test_a_plain_load_has_nothing_to_add() -> None:
    assert notes() == []
    assert notes(tokens_per_chunk=1.02) == []


def test_many_tokens_a_chunk_are_said() -> None:
    (note,) = notes(tokens_per_chunk=8.0)
    assert "8.0 tokens a chunk" in note
    assert "TPOT" in note


def test_the_generators_own_error_is_said_or_that_nobody_looked() -> None:
    (skipped,) = notes(self_check={"skipped": True})
    assert "not checked" in skipped
    (checked,) = notes(self_check={"streams": 64, "ttft_p50_ms": 0.05, "ttft_p99_ms": 0.2, "itl_p99_ms": 0.1})
    assert "64 streams" in checked
    assert "0.05 ms at p50 and 0.2 ms at p99" in checked
    assert notes(self_check={"streams": 0, "fault": "it did not start"}) == []


def test_cpu_and_collections_are_said() -> None:
    (note,) = notes(client={"cpu": 1.25, "gc": {"longest_ms": 3.21}, "processes": 2})
    assert note == "The load generator used 125 % of a core in 2 processes; its longest garbage collection took 3.2 ms."
    assert notes(client={"cpu": "all", "gc": "much"}) == []


def test_failures_are_counted_with_examples_of_bounded_length() -> None:
    found = notes(counts={"5xx": 12}, examples={"5xx": ("status 503: \x1b[31mno\n" + "x" * 900, "b", "c", "d")})
    assert len(found) == 3
    assert found[0].startswith("5xx, 12 in all, for example: status 503: ")
    assert "\x1b" not in found[0]
    assert all(len(one) < 300 for one in found)
