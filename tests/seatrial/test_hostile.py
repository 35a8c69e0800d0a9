"""A hostile endpoint gets a verdict in time: the command as a process, on a few behaviours of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.hostile.behaviours import BEHAVIOURS
from benchmarks.hostile.relay import every, relaying, streams
from benchmarks.hostile.trial import tried
from conformance.catalogue import checks_of
from conformance.endpoint import Bounds, Endpoint, Target
from conformance.runner import Runner
from conformance.settings import Settings
from schemas.contracts import get
from tests.conformance.hostile import serving
from tests.seatrial.servers import KEY, endpoint

SECONDS = 40.0
CONTRACT = get("azure-llama")
FEW = ("--only", "*.answers", "--only", "stream")
# Quick ones, and those whose answers are parsed and reported: each check looks at each of them.
READ = (
    "nasty strings",
    "nasty error",
    "nasty stream",
    "an event nested 900 deep",
    "an event nested 100000 deep",
    "a document nested 100000 deep",
    "numbers 1e999 (5)",
    "numbers 999999… (300)",
    "numbers 999999… (400)",
    "numbers 999999… (5000)",
    "raw lone surrogate",
    "shapes at random, 2%",
    "shapes at random, 5%",
    "shapes at random, 15%",
)


@pytest.fixture(scope="module")
def good() -> Iterator[str]:
    with endpoint() as url:
        yield url


@pytest.mark.parametrize("name", ["nasty strings", "redirect to another host", "no bytes"])
def test_from_the_first_request_on(good: str, tmp_path: Path, name: str) -> None:
    heard: list[bytes] = []
    with (
        serving(lambda peer: heard.append(peer.take())) as other,
        relaying(good, BEHAVIOURS[name], every) as server,
    ):
        server.elsewhere = other.url
        trial = tried(server.url, tmp_path, key=KEY, timeout=0.3, most_seconds=SECONDS, more=FEW)
    assert trial.faults == []
    assert heard == []


@pytest.mark.parametrize("name", ["endless stream", "nasty stream"])
def test_once_the_preflight_is_over(good: str, tmp_path: Path, name: str) -> None:
    with relaying(good, BEHAVIOURS[name], streams) as server:
        trial = tried(server.url, tmp_path, key=KEY, timeout=2.0, most_seconds=SECONDS, more=FEW)
    assert trial.faults == []
    assert (trial.code, trial.statuses["pass"] > 0, trial.statuses["fail"] > 0) == (1, True, True)


@pytest.mark.parametrize("name", READ)
def test_no_check_stumbles(good: str, name: str) -> None:
    """Only what an answer says is judged here, so there is one check for each way to look at one."""
    checks = [one for one in checks_of(CONTRACT).values() if ".request." not in one.id and one.when != "last"]
    seen = 0

    def late(_: bytes) -> bool:
        nonlocal seen
        seen += 1
        return seen > 2

    with relaying(good, BEHAVIOURS[name], late) as server, Endpoint(Target(server.url, KEY)) as live:
        outcomes = Runner(checks, live, CONTRACT, Settings(key=KEY, request_timeout=2.0)).run()
    assert [f"{one.check}: {one.message} {one.hint}" for one in outcomes if one.status == "error"] == []


def test_answers_that_are_long_together_end_the_run(good: str) -> None:
    checks = [one for one in checks_of(CONTRACT).values() if one.id.startswith("chat.request.n")]
    bounds = Bounds(run_bytes=100_000)
    long = BEHAVIOURS["100,000 choices"]
    with relaying(good, long, every) as server, Endpoint(Target(server.url, KEY), bounds=bounds) as live:
        outcomes = Runner(checks, live, CONTRACT, Settings(key=KEY), jobs=1).run()
        assert len(server.requests) == 1
    assert {one.status for one in outcomes} <= {"fail", "inconclusive"}
    assert "more than 100000 bytes" in outcomes[-1].message
