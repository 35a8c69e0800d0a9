"""Limits the requests and tokens of each key in a minute.

Law: a request that is refused for a limit counts nothing, and passes that limit after `Retry-After` when nobody else
asks; a clock that jumps neither opens nor blocks a key for longer than a minute; memory is bounded by the number of
keys kept, and a key that has used up much is not forgotten for the sake of keys that used little.

One request whose estimate alone exceeds the minute's tokens waits until nothing else is counted, passes, and is counted
in full. The quota's own documentation says that requests are refused once the running count has reached the limit; a
request that is too large is not said to be refused for ever.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, get_args

from reference_server.meters import SECOND, Both, Bucket, FixedWindow, Meter, SlidingWindow

Window = Literal["bucket", "fixed", "sliding"]
WINDOWS: tuple[Window, ...] = get_args(Window)

KEYS = 4096
_CHANCES = 64  # keys looked at to find one that may be forgotten
_KINDS: dict[Window, type[Bucket | FixedWindow | SlidingWindow]] = {
    "bucket": Bucket,
    "fixed": FixedWindow,
    "sliding": SlidingWindow,
}
_MOST = 1 << 40  # tokens: what a meter counts of a number that no model can mean


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one key may ask for in a minute; None means as much as it likes.

    `burst_seconds` (1 to 59) limits requests also within spans of that length, to their share of the minute.
    """

    requests_per_minute: int | None = 1_000
    tokens_per_minute: int | None = 200_000
    window: Window = "bucket"
    burst_seconds: int | None = None

    def __post_init__(self) -> None:
        if self.window not in WINDOWS:
            raise ValueError(f"window {self.window!r} is not one of {', '.join(WINDOWS)}")
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; give a positive number, or None for no limit")
        if self.burst_seconds is not None and not 1 <= self.burst_seconds < 60:
            raise ValueError(f"burst_seconds is {self.burst_seconds}; give 1 to 59, or None")


DEFAULT = Limits()
UNLIMITED = Limits(requests_per_minute=None, tokens_per_minute=None)


@dataclass(frozen=True)
class Refusal:
    """Why a request may not pass now: which limit, and the microseconds to wait."""

    limit: Literal["requests", "tokens"]
    wait: int

    @property
    def retry_after(self) -> int:
        """Whole seconds, at least one, as the header wants them."""
        return max(1, -(-self.wait // SECOND))


@dataclass(slots=True)
class Account:
    """The meters of one key; None where there is no limit."""

    requests: Meter | None
    tokens: Meter | None


@dataclass(frozen=True, slots=True)
class Charge:
    """A request counted, and its tokens once they are known, to be settled by what it used; `at` in microseconds."""

    account: Account
    at: int
    tokens: int = 0


def meter_of(window: Window, capacity: int, burst_seconds: int | None = None) -> Meter:
    """A meter of that kind over a minute; with `burst_seconds`, spans of that length have their share, rounded up."""
    minute = _KINDS[window](capacity)
    if burst_seconds is None:
        return minute
    share = -(-capacity * burst_seconds // 60)
    return Both(minute, _KINDS[window](share, burst_seconds * SECOND))


class Limiter:
    """The accounts of all keys; `clock` gives seconds."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._read = 0
        self._shift = 0
        self._accounts: OrderedDict[bytes, Account] = OrderedDict()

    def account(self, key: str) -> Account:
        """The account of that key."""
        # A key may be as long as a header, and is nothing to keep in memory.
        name = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        found = self._accounts.get(name)
        if found is None:
            limits = self.limits
            requests, tokens = limits.requests_per_minute, limits.tokens_per_minute
            found = self._accounts[name] = Account(
                meter_of(limits.window, requests, limits.burst_seconds) if requests else None,
                meter_of(limits.window, tokens) if tokens else None,
            )
            if len(self._accounts) > KEYS:
                self._forget_one()
        else:
            self._accounts.move_to_end(name)
        return found

    def admit(self, account: Account) -> Charge | Refusal:
        """Count one request; the refusal when there are too many."""
        now = self._now()
        if account.requests:
            if wait := account.requests.wait(1, now):
                return Refusal("requests", wait)
            account.requests.add(1, now)
        return Charge(account, now)

    def charge(self, admitted: Charge, tokens: int) -> Charge | Refusal:
        """Count the tokens that an admitted request may cost; the refusal takes its admission back."""
        account, now = admitted.account, self._now()
        tokens = min(tokens, _MOST)
        if account.tokens:
            if wait := account.tokens.wait(tokens, now):
                if account.requests:
                    account.requests.settle(admitted.at, -1, now)
                return Refusal("tokens", wait)
            account.tokens.add(tokens, now)
        return Charge(account, now, tokens)

    def settle(self, charge: Charge, used: int) -> None:
        """Correct a charge by the tokens that the request really used."""
        change = min(used, _MOST) - charge.tokens
        if charge.account.tokens and change:
            charge.account.tokens.settle(charge.at, change, self._now())

    def headers(self, account: Account) -> dict[str, str]:
        """What is left, as `x-ratelimit-*` headers; empty where there is no limit."""
        now = self._now()
        told: dict[str, str] = {}
        for name, cap, meter in (
            ("requests", self.limits.requests_per_minute, account.requests),
            ("tokens", self.limits.tokens_per_minute, account.tokens),
        ):
            if meter:
                told[f"x-ratelimit-limit-{name}"] = str(cap)
                told[f"x-ratelimit-remaining-{name}"] = str(meter.remaining(now))
        return told

    def _now(self) -> int:
        """Microseconds that never go back: a clock that does is followed from where it was."""
        read = round(self._clock() * SECOND)
        if read < self._read:
            self._shift += self._read - read
        self._read = read
        return read + self._shift

    def _forget_one(self) -> None:
        """Forget the key used longest ago, but rather one that has used little."""
        now = self._now()
        least, name = -1.0, b""
        for _ in range(_CHANCES):
            oldest = next(iter(self._accounts))
            left = self._left(self._accounts[oldest], now)
            if left > least:
                least, name = left, oldest
            if left > 0.5:
                break
            self._accounts.move_to_end(oldest)
        del self._accounts[name]

    def _left(self, account: Account, now: int) -> float:
        """The share of its limits that an account has left, 0 to 1, by the limit of which less is left."""
        limits = self.limits
        pairs = ((account.requests, limits.requests_per_minute), (account.tokens, limits.tokens_per_minute))
        return min((meter.remaining(now) / cap for meter, cap in pairs if meter and cap), default=1.0)
