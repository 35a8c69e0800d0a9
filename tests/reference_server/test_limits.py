"""The limiter's arithmetic, with a clock that only the test moves."""

from __future__ import annotations

import pytest

from reference_server.limits import (
    WINDOWS,
    Bucket,
    Charge,
    FixedWindow,
    Limiter,
    Limits,
    Meter,
    Refusal,
    SlidingWindow,
    Window,
)

METERS = [Bucket, FixedWindow, SlidingWindow]


class Clock:
    def __init__(self, now: float = 600.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("make", METERS)
def test_a_meter_admits_its_capacity_and_no_more(make: type[Meter]) -> None:
    meter = make(10)  # type: ignore[call-arg]
    assert [meter.take(1, 600.0) for _ in range(10)] == [0.0] * 10
    assert meter.remaining(600.0) == 0
    wait = meter.take(1, 600.0)
    assert wait > 0
    assert meter.take(1, 600.0 + wait * 0.9) > 0
    assert meter.take(1, 600.0 + wait + 1e-3) == 0.0


@pytest.mark.parametrize("make", METERS)
def test_a_request_larger_than_the_capacity_waits_until_it_is_alone(make: type[Meter]) -> None:
    meter = make(10)  # type: ignore[call-arg]
    assert meter.take(1, 600.0) == 0.0
    wait = meter.take(25, 600.0)
    assert 0 < wait <= 61
    assert meter.take(25, 600.0 + wait + 1e-3) == 0.0
    assert meter.remaining(600.0 + wait + 1e-3) == 0


@pytest.mark.parametrize("make", METERS)
def test_settling_gives_back_and_takes_more(make: type[Meter]) -> None:
    meter = make(100)  # type: ignore[call-arg]
    assert meter.take(60, 600.0) == 0.0
    meter.settle(600.0, -50, 600.0)
    assert meter.remaining(600.0) == 90
    meter.settle(600.0, 20, 600.0)
    assert meter.remaining(600.0) == 70


def test_a_bucket_refills_evenly() -> None:
    bucket = Bucket(60)
    bucket.take(60, 0.0)
    assert bucket.remaining(30.0) == 30
    assert bucket.remaining(600.0) == 60
    assert bucket.take(61, 600.0) == 0.0
    assert bucket.take(1, 600.0) == pytest.approx(2.0)


def test_a_fixed_window_starts_anew_at_the_minute() -> None:
    window = FixedWindow(2)
    assert window.take(2, 659.0) == 0.0
    assert window.take(1, 659.0) == pytest.approx(1.0)
    assert window.take(2, 660.0) == 0.0
    # What belonged to the window before is not given back to this one.
    window.settle(659.0, -2, 660.0)
    assert window.remaining(660.0) == 0


def test_a_sliding_window_never_lets_two_capacities_through_in_a_minute() -> None:
    window = SlidingWindow(10)
    admitted: list[float] = []
    for tick in range(2_000):
        now = 600.0 + tick / 10
        if window.take(1, now) == 0.0:
            admitted.append(now)
    for start in admitted:
        assert sum(start <= at < start + 60 for at in admitted) <= 10
    assert len(admitted) >= 30


def test_a_sliding_window_keeps_a_bounded_memory() -> None:
    window = SlidingWindow(1_000_000)
    for tick in range(5_000):
        window.take(1, 600.0 + tick / 25)
    assert len(window._slots) <= 602


@pytest.mark.parametrize("window", WINDOWS)
def test_keys_have_meters_of_their_own(window: Window) -> None:
    limiter = Limiter(Limits(requests_per_minute=1, tokens_per_minute=50, window=window), clock=Clock())
    assert limiter.admit("a") is None
    refusal = limiter.admit("a")
    assert refusal is not None
    assert refusal.limit == "requests"
    assert 1 <= refusal.retry_after <= 61
    assert limiter.admit("b") is None


def test_tokens_are_charged_and_settled() -> None:
    clock = Clock()
    limiter = Limiter(Limits(requests_per_minute=None, tokens_per_minute=100), clock=clock)
    charge = limiter.charge("a", 80)
    assert isinstance(charge, Charge)
    refused = limiter.charge("a", 30)
    assert isinstance(refused, Refusal)
    assert refused.limit == "tokens"
    assert refused.wait == pytest.approx(6.0)
    assert limiter.headers("a") == {"x-ratelimit-limit-tokens": "100", "x-ratelimit-remaining-tokens": "20"}
    limiter.settle(charge, 10)
    assert limiter.headers("a")["x-ratelimit-remaining-tokens"] == "90"
    clock.now += 60
    assert limiter.headers("a")["x-ratelimit-remaining-tokens"] == "100"


def test_no_limit_has_no_headers_and_never_refuses() -> None:
    limiter = Limiter(Limits(requests_per_minute=None, tokens_per_minute=None), clock=Clock())
    assert limiter.headers("a") == {}
    assert all(limiter.admit("a") is None for _ in range(50))
    assert isinstance(limiter.charge("a", 10**9), Charge)


def test_only_so_many_keys_are_kept() -> None:
    limiter = Limiter(Limits(), clock=Clock())
    for number in range(3_000):
        limiter.admit(str(number))
    assert len(limiter._meters) == 1024


@pytest.mark.parametrize("given", [{"window": "hourly"}, {"requests_per_minute": 0}, {"tokens_per_minute": -5}])
def test_senseless_limits_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        Limits(**given)  # type: ignore[arg-type]
