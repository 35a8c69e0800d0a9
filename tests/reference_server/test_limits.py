"""The limiter: keys apart, tokens settled, clocks that jump, a million keys."""

from __future__ import annotations

import gc
import sys
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_server import limits
from reference_server.limits import UNLIMITED, WINDOWS, Account, Charge, Counted, Limiter, Limits, Refusal, Window

# A busy machine is no reason to fail.
QUIET = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])


class Clock:
    def __init__(self, now: float = 600.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def few_keys(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(limits, "KEYS", 256)
    return limits.KEYS


def charged(limiter: Limiter, account: Account, tokens: int) -> Charge | Refusal:
    """One request as the layer makes it."""
    admitted = limiter.admit(account)
    return admitted if isinstance(admitted, Refusal) else limiter.charge(admitted, tokens)


def tokens_left(limiter: Limiter, account: Account) -> int:
    return int(limiter.headers(account)["x-ratelimit-remaining-tokens"])


@pytest.mark.parametrize("window", WINDOWS)
def test_keys_have_meters_of_their_own(window: Window) -> None:
    limiter = Limiter(Limits(requests_per_minute=1, tokens_per_minute=50, window=window), clock=Clock())
    assert isinstance(limiter.admit(limiter.account("a")), Charge)
    refusal = limiter.admit(limiter.account("a"))
    assert isinstance(refusal, Refusal)
    assert refusal.limit == "requests"
    assert 1 <= refusal.retry_after <= 61
    assert isinstance(limiter.admit(limiter.account("b")), Charge)


def test_tokens_are_charged_and_settled_in_any_order() -> None:
    clock = Clock()
    limiter = Limiter(Limits(requests_per_minute=None, tokens_per_minute=100), clock=clock)
    account = limiter.account("a")
    first, second = charged(limiter, account, 50), charged(limiter, account, 30)
    assert isinstance(first, Charge)
    assert isinstance(second, Charge)
    refused = charged(limiter, account, 30)
    assert isinstance(refused, Refusal)
    assert refused.limit == "tokens"
    assert refused.wait == 6_000_000
    assert refused.retry_after == 6
    assert limiter.headers(account) == {"x-ratelimit-limit-tokens": "100", "x-ratelimit-remaining-tokens": "20"}
    limiter.settle(second, 10)
    assert tokens_left(limiter, account) == 40
    limiter.settle(first, 60)
    assert tokens_left(limiter, account) == 30
    clock.now += 60
    assert tokens_left(limiter, account) == 100


@pytest.mark.parametrize("window", WINDOWS)
def test_a_refused_request_counts_nothing(window: Window) -> None:
    clock = Clock()
    limiter = Limiter(Limits(requests_per_minute=2, tokens_per_minute=100, window=window), clock=clock)
    account = limiter.account("a")
    assert isinstance(charged(limiter, account, 90), Charge)
    for _ in range(5):
        refused = charged(limiter, account, 20)
        assert isinstance(refused, Refusal)
        assert refused.limit == "tokens"
        wait = refused.retry_after
    assert limiter.headers(account)["x-ratelimit-remaining-requests"] == "1"
    # So it passes when it was told to come again, whatever the requests were.
    clock.now += wait
    assert isinstance(charged(limiter, account, 20), Charge)


@pytest.mark.parametrize("window", WINDOWS)
@QUIET
@given(
    jumps=st.lists(
        st.one_of(st.floats(0, 5), st.floats(-1e6, 1e6), st.sampled_from((-3600.0, 86_400.0, -0.001))), max_size=20
    )
)
def test_a_clock_that_jumps_neither_opens_nor_blocks(window: Window, jumps: list[float]) -> None:
    clock = Clock()
    limiter = Limiter(Limits(requests_per_minute=5, tokens_per_minute=100, window=window), clock=clock)
    account = limiter.account("a")
    forward, let_in = 0.0, 0
    for jump in jumps:
        clock.now += jump
        forward += max(0.0, jump)
        answer = charged(limiter, account, 20)
        let_in += isinstance(answer, Charge)
        # Back in time is no time at all: what passes is what could pass by the time that went forward.
        assert let_in <= 5 * (2 + forward / 60)
        if isinstance(answer, Refusal):
            assert answer.retry_after <= 61
    clock.now -= 1e7
    limiter.admit(account)
    clock.now += 60.1
    assert isinstance(charged(limiter, account, 20), Charge)


def test_no_limit_has_no_headers_and_never_refuses() -> None:
    limiter = Limiter(UNLIMITED, clock=Clock())
    account = limiter.account("a")
    assert limiter.headers(account) == {}
    assert all(isinstance(charged(limiter, account, 10**9), Charge) for _ in range(50))


def test_a_burst_has_its_share_of_the_minute() -> None:
    clock = Clock()
    limiter = Limiter(Limits(requests_per_minute=1_000, window="fixed", burst_seconds=1), clock=clock)
    account = limiter.account("a")
    assert [isinstance(limiter.admit(account), Charge) for _ in range(20)] == [True] * 17 + [False] * 3
    refused = limiter.admit(account)
    assert isinstance(refused, Refusal)
    assert refused.retry_after == 1
    clock.now += 1
    assert limiter.headers(account)["x-ratelimit-remaining-requests"] == "17"


def test_junk_keys_do_not_make_an_exhausted_key_forgotten(few_keys: int) -> None:
    clock = Clock()
    limiter = Limiter(Limits(requests_per_minute=20, tokens_per_minute=100), clock=clock)
    exhausted = [f"exhausted {number}" for number in range(40)]
    for key in exhausted:
        assert isinstance(charged(limiter, limiter.account(key), 100), Charge)
    for number in range(3 * few_keys):
        charged(limiter, limiter.account(f"junk {number}"), 1)
    assert len(limiter._accounts) == few_keys
    assert all(isinstance(charged(limiter, limiter.account(key), 100), Refusal) for key in exhausted)


def test_a_reply_of_a_forgotten_key_is_settled_with_nobody(few_keys: int) -> None:
    limiter = Limiter(Limits(requests_per_minute=None, tokens_per_minute=100), clock=Clock())
    charge = charged(limiter, limiter.account("slow"), 10)
    assert isinstance(charge, Charge)
    for number in range(2 * few_keys):
        limiter.account(str(number))
    before = list(limiter._accounts)
    limiter.settle(charge, 0)
    assert list(limiter._accounts) == before


@pytest.mark.parametrize("window", WINDOWS)
def test_memory_does_not_grow_with_the_keys(window: Window, few_keys: int) -> None:
    limiter = Limiter(Limits(window=window), clock=Clock())
    sizes = []
    for batch in range(3):
        for number in range(2 * few_keys):
            # As long as a header may be.
            charged(limiter, limiter.account(f"{batch} {number} " + "x" * 5_000), 10)
        gc.collect()
        sizes.append(sum(sys.getsizeof(name) for name in limiter._accounts) + sys.getsizeof(limiter._accounts))
    assert len(limiter._accounts) == few_keys
    assert all(later <= earlier * 1.1 for earlier, later in pairwise(sizes))
    assert sizes[0] < few_keys * 400


@pytest.mark.parametrize(
    "given",
    [
        {"window": "hourly"},
        {"requests_per_minute": 0},
        {"tokens_per_minute": -5},
        {"burst_seconds": 0},
        {"burst_seconds": 60},
        {"burst_seconds": 5, "window_seconds": 5},
        {"window_seconds": 0},
        {"window_seconds": 10**6},
        {"count_refused": "some"},
    ],
)
def test_senseless_limits_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        Limits(**given)  # type: ignore[arg-type]


SPANS = [(60, None), (5, None), (5, 1), (3600, None)]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("seconds", "burst"), SPANS)
def test_a_window_has_the_length_that_was_chosen(window: Window, seconds: int, burst: int | None) -> None:
    clock = Clock(0.0)
    given = Limits(
        requests_per_minute=10, tokens_per_minute=100, window=window, window_seconds=seconds, burst_seconds=burst
    )
    limiter = Limiter(given, clock=clock)
    account = limiter.account("a")
    assert [isinstance(limiter.admit(account), Charge) for _ in range(11)].count(True) == (10 if burst is None else 2)
    assert isinstance(charged(limiter, limiter.account("b"), 100), Charge)
    refused = charged(limiter, limiter.account("b"), 100)
    assert isinstance(refused, Refusal)
    assert refused.limit == "tokens"
    assert refused.retry_after <= seconds * 1.01 + 1
    clock.now += seconds * 1.01
    assert isinstance(charged(limiter, limiter.account("b"), 100), Charge)
    assert isinstance(limiter.admit(account), Charge)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_burst_is_a_share_of_any_window(window: Window) -> None:
    clock = Clock(0.0)
    given = Limits(requests_per_minute=12, tokens_per_minute=None, window=window, window_seconds=6, burst_seconds=2)
    limiter = Limiter(given, clock=clock)
    account = limiter.account("a")
    passed = []
    for tenth in range(60):
        clock.now = tenth / 10
        passed += [clock.now] * isinstance(limiter.admit(account), Charge)
    # Four at first, and more only once those have aged; the whole window has its bound too.
    assert passed[:4] == [0.0, 0.1, 0.2, 0.3]
    assert len([at for at in passed if at < 2]) == (7 if window == "bucket" else 4)
    assert len(passed) == {"bucket": 15, "fixed": 12, "sliding": 12}[window]


@pytest.mark.parametrize("window", WINDOWS)
def test_who_asks_in_vain_waits_longer_only_where_all_count(window: Window) -> None:
    def passes(count_refused: Counted) -> list[float]:
        clock = Clock(0.0)
        given = Limits(
            requests_per_minute=5, tokens_per_minute=None, window=window, window_seconds=5, count_refused=count_refused
        )
        limiter = Limiter(given, clock=clock)
        account = limiter.account("a")
        found = []
        for tenth in range(101):
            clock.now = tenth / 10
            found += [clock.now] * isinstance(limiter.admit(account), Charge)
        return found

    patient, hammered = passes("invalid"), passes("all")
    assert passes("none") == patient
    assert hammered[:5] == patient[:5]
    if window == "fixed":
        # A full window is full.
        assert hammered == patient
    else:
        assert len(hammered) < len(patient)


@pytest.mark.parametrize("window", WINDOWS)
def test_however_often_it_is_asked_in_vain_the_wait_is_told_and_has_a_bound(window: Window) -> None:
    clock = Clock(0.0)
    given = Limits(requests_per_minute=5, tokens_per_minute=None, window=window, window_seconds=5, count_refused="all")
    limiter = Limiter(given, clock=clock)
    account = limiter.account("a")
    for _ in range(1_000):
        refused = limiter.admit(account)
    assert isinstance(refused, Refusal)
    assert refused.retry_after <= 11
    clock.now += refused.retry_after
    assert isinstance(limiter.admit(account), Charge)


@pytest.mark.parametrize(("counted", "left"), [("none", 3), ("invalid", 2), ("all", 1)])
def test_refused_requests_count_as_is_chosen(counted: Counted, left: int) -> None:
    given = Limits(requests_per_minute=4, tokens_per_minute=10, window="sliding", count_refused=counted)
    limiter = Limiter(given, clock=Clock())
    account = limiter.account("a")
    broken = limiter.admit(account)
    assert isinstance(broken, Charge)
    limiter.reject(broken)
    assert isinstance(charged(limiter, account, 10), Charge)
    assert isinstance(charged(limiter, account, 10), Refusal)
    assert limiter.headers(account)["x-ratelimit-remaining-requests"] == str(left)
