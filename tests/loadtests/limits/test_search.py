from __future__ import annotations

from collections.abc import Callable

import pytest

from loadtests.limits.observed import Asked
from loadtests.limits.virtual import Answer, Network
from tests.loadtests.limits.worlds import Served, meter, search, whole_seconds

FAMILIES = {"fixed": "fixed window", "sliding": "sliding window", "bucket": "token bucket"}


@pytest.mark.parametrize("start", [17.3, 55.0])
@pytest.mark.parametrize("limit", [120])
@pytest.mark.parametrize("kind", FAMILIES)
def test_the_limit_and_its_kind_are_found(kind: str, limit: int, start: float) -> None:
    prober, found, seconds = search(Served(meter(kind, limit), retry=whole_seconds), start=start)
    assert found.opinion.family == FAMILIES[kind]
    assert found.low <= limit * 1.001
    assert found.high >= limit * 0.999
    assert found.high <= found.low * 1.025
    assert seconds <= 2.4 * 60
    assert sum(one.passed is False for one in prober.seen) <= 1.3 * limit
    assert found.retry_after.verdict == "true"


@pytest.mark.parametrize(("kind", "part", "share"), [("fixed", 1, 5), ("fixed", 10, 47), ("sliding", 10, 47)])
def test_a_minute_behind_a_short_window_is_found_and_both_are_named(kind: str, part: int, share: int) -> None:
    prober, found, seconds = search(Served(meter(kind, 280, part=part)), aim=1000)
    assert found.opinion.family == FAMILIES[kind]
    assert found.low <= 280 <= found.high <= 1.02 * found.low
    named = [(one["window"], one["holds"]) for one in found.to_record()["meters"]]
    assert (float(part), [share, share]) in named
    assert seconds <= 3 * 60
    assert prober.ledger.refused <= 1.3 * 280


def test_of_a_large_bucket_behind_a_small_one_is_said_from_where_it_would_not_have_shown() -> None:
    _, found, _ = search(Served(meter("bucket", 300, part=1)), aim=1000)
    assert found.opinion.family == "token bucket"
    assert found.low <= 300 <= found.high <= 1.02 * found.low
    assert 0 < found.unseen < 300


def test_a_short_window_alone_has_nothing_behind_it() -> None:
    prober, found, _ = search(Served(meter("fixed", 20, span=2)), aim=2000)
    assert prober.behind is None
    assert found.opinion.spans == (2.0,)
    assert found.high == 600
    assert found.low >= 0.98 * 600


def test_no_limit_is_never_a_limit() -> None:
    prober, found, seconds = search(lambda *_: Answer(passed=True), aim=1000)
    assert not found.found
    assert found.to_record()["high"] is None
    assert found.passed_in_minute >= 2000
    assert seconds < 60
    assert prober.ended == "nothing was refused"


def test_the_bounds_hold_whatever_comes_back() -> None:
    prober, found, _ = search(lambda *_: Answer(passed=False), refused=20)
    assert len(prober.seen) <= 25
    assert found.opinion.family == ""


@pytest.mark.parametrize("counts", [True, False])
def test_whether_failed_requests_count_shows(counts: bool) -> None:
    _, found, _ = search(Served(meter("fixed", 100), failed_count=counts))
    assert found.opinion.failed_count is counts
    assert found.low == found.high == 100


@pytest.mark.parametrize(
    ("retry", "verdict"),
    [(whole_seconds, "true"), (lambda _: 1.0, "too short"), (lambda _: 300.0, "too long"), (lambda _: None, "absent")],
)
def test_retry_after_is_put_to_the_test(retry: Callable[[float], float | None], verdict: str) -> None:
    _, found, _ = search(Served(meter("fixed", 100), retry=retry))
    assert found.retry_after.verdict == verdict
    assert found.low == found.high == 100


def test_others_on_the_same_quota_leave_the_limit_open() -> None:
    counts = meter("fixed", 200)
    other = [0.0]

    def admit(now: float, asked: Asked) -> Answer:
        while other[0] < now:
            if counts.wait(1, round(other[0] * 1e6)) == 0:
                counts.add(1, round(other[0] * 1e6))
            other[0] += 0.9
        return Served(counts)(now, asked)

    _, found, _ = search(admit)
    assert found.low <= 200
    assert found.high >= 130


def test_delays_do_not_bend_the_limit() -> None:
    network = Network(way=0.08, jitter=0.12, answer=0.5, seed=3)
    _, found, _ = search(Served(meter("bucket", 600)), network=network)
    assert found.opinion.best is not None
    assert found.low <= 600 <= found.high


@pytest.mark.parametrize("limit", [10, 25, 50])
@pytest.mark.parametrize("kind", FAMILIES)
def test_no_more_is_refused_than_1_3_windows_worth_however_small_the_quota(kind: str, limit: int) -> None:
    served = Served(meter(kind, limit, span=5), retry=whole_seconds)
    prober, found, _ = search(served, longest=5, start=101.9, aim=600)
    assert prober.ledger.refused <= 1.3 * limit
    assert found.opinion.family == FAMILIES[kind]
    assert found.low <= 12 * limit * 1.001
    assert found.high >= 12 * limit * 0.999


def test_what_is_refused_without_end_ends_soon() -> None:
    left = [6]

    def admit(now: float, asked: Asked) -> Answer:
        left[0] -= 1
        return Answer(passed=left[0] >= 0 or left[0] % 40 == 0)

    prober, _, _ = search(admit, refused=1000)
    assert prober.ledger.refused <= 12
