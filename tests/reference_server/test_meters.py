"""Each kind of meter against the plainest account of what it counts, in a time that only the test moves."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_server.limits import Refusal
from reference_server.meters import MINUTE, SECOND, Both, Bucket, FixedWindow, Meter, SlidingWindow

START = 600 * SECOND
KINDS: tuple[type[Bucket | FixedWindow | SlidingWindow], ...] = (Bucket, FixedWindow, SlidingWindow)
GRAIN = MINUTE // 600

# A busy machine is no reason to fail.
QUIET = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass
class Counted:
    """A request let in: when, what is counted for it now, and what was at first."""

    at: int
    amount: int
    asked: int


@dataclass
class Plain:
    """Every request that was let in, and the definition of one kind applied to all of them each time."""

    kind: type[Meter]
    capacity: int
    counted: list[Counted] = field(default_factory=list)

    def used(self, now: int) -> Fraction:
        if self.kind is FixedWindow:
            return Fraction(sum(one.amount for one in self.counted if one.at // MINUTE == now // MINUTE))
        if self.kind is SlidingWindow:
            return Fraction(sum(one.amount for one in self.counted if (one.at // GRAIN + 1) * GRAIN + MINUTE > now))
        lacking, at = Fraction(0), 0
        for one in self.counted:
            lacking = max(Fraction(0), lacking - Fraction((one.at - at) * self.capacity, MINUTE)) + one.amount
            at = one.at
        return max(Fraction(0), lacking - Fraction((now - at) * self.capacity, MINUTE))

    def passes(self, amount: int, now: int) -> bool:
        used = self.used(now)
        return used == 0 or used + amount <= self.capacity

    def remaining(self, now: int) -> int:
        return max(0, int((self.capacity - self.used(now)) // 1))


# Microseconds since the step before, tokens asked for, the share of them that is used, the steps until that is known.
STEPS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 3 * SECOND), st.integers(0, 2 * MINUTE), st.sampled_from((0, GRAIN, SECOND, MINUTE))),
        st.integers(1, 15),
        st.floats(0, 1),
        st.integers(0, 6),
    ),
    max_size=30,
)
Steps = Sequence[tuple[int, int, float, int]]


def walk(kind: type[Bucket | FixedWindow | SlidingWindow], capacity: int, steps: Steps) -> Plain:
    """Ask and settle as the steps say; the meter and the plain account agree about all of it."""
    meter, plain = kind(capacity), Plain(kind, capacity)
    due: list[tuple[int, Counted, int]] = []
    now = START
    for number, (later, amount, share, delay) in enumerate(steps):
        now += later
        for ready in [one for one in due if one[0] <= number]:
            due.remove(ready)
            _, counted, used = ready
            meter.settle(counted.at, used - counted.amount, now)
            counted.amount = used
        assert meter.remaining(now) == plain.remaining(now)
        wait = meter.wait(amount, now)
        assert (wait == 0) == plain.passes(amount, now)
        if wait:
            assert plain.passes(amount, now + wait)
            assert not plain.passes(amount, now + wait - 1)
            seconds = Refusal("tokens", wait).retry_after
            assert plain.passes(amount, now + seconds * SECOND)
            assert seconds == 1 or not plain.passes(amount, now + (seconds - 1) * SECOND)
            continue
        meter.add(amount, now)
        counted = Counted(now, amount, amount)
        plain.counted.append(counted)
        due.append((number + delay, counted, round(share * amount)))
    for _, counted, used in due:
        counted.amount = used
    return plain


@pytest.mark.parametrize("kind", KINDS)
@QUIET
@given(steps=STEPS, capacity=st.integers(1, 40))
def test_a_meter_is_the_plain_account_and_no_other(
    kind: type[Bucket | FixedWindow | SlidingWindow], steps: Steps, capacity: int
) -> None:
    plain = walk(kind, capacity, steps)
    used = [(one.at, one.amount) for one in plain.counted]
    # What one amount may add by being larger than all.
    largest = max((one.asked for one in plain.counted), default=0)
    most = capacity if largest <= capacity else capacity + largest
    for start, _ in used:
        for end, _ in used:
            if start <= end:
                total = sum(amount for at, amount in used if start <= at <= end)
                within = end - start < MINUTE
                if kind is SlidingWindow:
                    assert not within or total <= most
                elif kind is FixedWindow:
                    assert start // MINUTE != end // MINUTE or total <= most
                else:
                    assert total <= most + Fraction((end - start) * capacity, MINUTE)


@QUIET
@given(steps=STEPS, capacity=st.integers(1, 40), more=st.integers(1, 30))
def test_using_more_than_was_asked_for_never_gives_room(steps: Steps, capacity: int, more: int) -> None:
    for kind in KINDS:
        meter, plain = kind(capacity), Plain(kind, capacity)
        now = START
        for number, (later, amount, _, _) in enumerate(steps):
            now += later
            assert meter.remaining(now) <= plain.remaining(now)
            if not meter.wait(amount, now):
                meter.add(amount, now)
                used = amount + more if number % 2 else amount // 2
                later_still = now + later // 3
                meter.settle(now, used - amount, later_still)
                plain.counted.append(Counted(now, used, amount))
                now = later_still


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_larger_than_the_capacity_waits_until_it_is_alone_and_counts_in_full(
    kind: type[Bucket | FixedWindow | SlidingWindow],
) -> None:
    meter = kind(10)
    meter.add(1, START)
    wait = meter.wait(25, START)
    assert 0 < wait <= MINUTE + GRAIN
    now = START + wait
    assert meter.wait(25, now) == 0
    meter.add(25, now)
    assert meter.remaining(now) == 0
    # A bucket pays the whole debt back; the windows end.
    assert meter.wait(1, now) == (MINUTE * 16 // 10 if kind is Bucket else MINUTE + (now // GRAIN + 1) * GRAIN - now
                                  if kind is SlidingWindow else MINUTE)  # fmt: skip
    meter.settle(now, -25, now)
    assert meter.remaining(now) == 10


def test_a_bucket_that_was_full_since_gives_nothing_back() -> None:
    bucket = Bucket(60)
    bucket.add(30, START)
    later = START + 30 * SECOND
    bucket.add(60, later)
    # Full again after thirty seconds, so the unused tokens would have flowed over.
    bucket.settle(START, -30, later)
    assert bucket.remaining(later) == 0


def test_a_bucket_remembers_little_and_errs_on_the_safe_side() -> None:
    choose = random.Random(5)
    bucket, plain = Bucket(10_000), Plain(Bucket, 10_000)
    now, given_back = START, 0
    for _ in range(6):
        for _ in range(400):
            now += choose.randrange(20_000)
            amount = choose.randrange(1, 60)
            if not bucket.wait(amount, now):
                bucket.add(amount, now)
                plain.counted.append(Counted(now, amount, amount))
        assert len(bucket._lows) <= 128
        choose.shuffle(waiting := [one for one in plain.counted if one.amount == one.asked])
        for one in waiting[:300]:
            now += choose.randrange(20_000)
            used = one.amount // 3
            bucket.settle(one.at, used - one.amount, now)
            given_back += one.amount - used
            one.amount = used
        assert 0 <= plain.remaining(now) - bucket.remaining(now) <= 200


def test_a_sliding_window_keeps_a_bounded_memory() -> None:
    window = SlidingWindow(1_000_000)
    for tick in range(5_000):
        window.add(1, START + tick * SECOND // 25)
    assert len(window._slots) <= 602
    assert window._amounts.buffer_info()[1] == len(window._slots)


def test_a_fixed_window_starts_anew_at_the_minute() -> None:
    window = FixedWindow(2)
    window.add(2, 659 * SECOND)
    assert window.wait(1, 659 * SECOND) == SECOND
    assert window.wait(2, 660 * SECOND) == 0
    window.add(2, 660 * SECOND)
    # What belonged to the window before is not given back to this one.
    window.settle(659 * SECOND, -2, 660 * SECOND)
    assert window.remaining(660 * SECOND) == 0


def test_both_meters_must_let_an_amount_pass() -> None:
    both = Both(FixedWindow(30), FixedWindow(2, SECOND))
    let_in = []
    for tick in range(1_200):
        now = START + tick * SECOND // 10
        if both.wait(1, now) == 0:
            both.add(1, now)
            let_in.append(now)
    assert len(let_in) == 60
    assert all(third - first >= SECOND // 2 for (first, _), (_, third) in pairwise(pairwise(let_in)))
    both.settle(let_in[-1], -1, let_in[-1])
    assert both.remaining(let_in[-1]) == 1
