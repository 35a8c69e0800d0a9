"""Limits the requests and tokens of each key in a window, which is a minute unless another length is chosen.

Law: a request that is refused for a limit passes that limit after `Retry-After` when nobody else asks, and counts
nothing unless that is chosen; a clock that jumps neither opens nor blocks a key for longer than a window; memory is
bounded by the number of keys kept, and a key that has used up much is not forgotten for the sake of keys that used
little.

One request whose estimate alone exceeds the window's tokens waits until nothing else is counted, passes, and is counted
in full. The quota's own documentation says that requests are refused once the running count has reached the limit; a
request that is too large is not said to be refused for ever.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, get_args

from reference_server.meters import SECOND, Both, Bucket, FixedWindow, Meter, SlidingWindow
from schemas.model import Contract

Window = Literal["bucket", "fixed", "sliding"]
WINDOWS: tuple[Window, ...] = get_args(Window)
# Which refused requests count as requests: none, those that broke the contract, or also those over a limit.
Counted = Literal["none", "invalid", "all"]
COUNTED: tuple[Counted, ...] = get_args(Counted)

KEYS = 4096
_CHANCES = 64  # keys looked at to find one that may be forgotten
_KINDS: dict[Window, type[Bucket | FixedWindow | SlidingWindow]] = {
    "bucket": Bucket,
    "fixed": FixedWindow,
    "sliding": SlidingWindow,
}
MOST_SECONDS = 86_400
_MOST = 1 << 40  # tokens: what a meter counts of a number that no model can mean


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one key may ask for in `window_seconds`; None means as much as it likes.

    `burst_seconds`, less than the window, limits requests also within spans of that length, to their share of the
    window. Of refused requests those count as requests that `count_refused` says.
    """

    requests_per_minute: int | None = 1_000
    tokens_per_minute: int | None = 200_000
    window: Window = "bucket"
    window_seconds: int = 60
    burst_seconds: int | None = None
    count_refused: Counted = "invalid"

    def __post_init__(self) -> None:
        if self.window not in WINDOWS:
            raise ValueError(f"window {self.window!r} is not one of {', '.join(WINDOWS)}")
        if self.count_refused not in COUNTED:
            raise ValueError(f"count_refused {self.count_refused!r} is not one of {', '.join(COUNTED)}")
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; give a positive number, or None for no limit")
        if not 1 <= self.window_seconds <= MOST_SECONDS:
            raise ValueError(f"window_seconds is {self.window_seconds}; give 1 to {MOST_SECONDS}")
        if self.burst_seconds is not None and not 1 <= self.burst_seconds < self.window_seconds:
            raise ValueError(
                f"burst_seconds is {self.burst_seconds}; a burst is at least 1 and less than the {self.window_seconds} "
                f"seconds of the window"
            )


DEFAULT = Limits()
UNLIMITED = Limits(requests_per_minute=None, tokens_per_minute=None)


def limits_of(contract: Contract, **changed: Any) -> Limits:
    """The limits that the contract states, except for what is changed."""
    stated = {"requests_per_minute": contract.requests_per_minute, "tokens_per_minute": contract.tokens_per_minute}
    return Limits(**{**stated, **changed})


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


def meter_of(limits: Limits, capacity: int, burst_seconds: int | None = None) -> Meter:
    """A meter of that kind over its window; with `burst_seconds`, spans of that length have their share, rounded up."""
    kind, seconds = _KINDS[limits.window], limits.window_seconds
    whole = kind(capacity, seconds * SECOND)
    if burst_seconds is None:
        return whole
    share = -(-capacity * burst_seconds // seconds)
    return Both(whole, kind(share, burst_seconds * SECOND))


class Limiter:
    """The accounts of all keys; `clock` gives seconds."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        # However much is asked in vain, nobody is kept out for longer: what is refused meanwhile counts no more.
        self._patience = 2 * limits.window_seconds * SECOND
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
                meter_of(limits, requests, limits.burst_seconds) if requests else None,
                meter_of(limits, tokens) if tokens else None,
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
            wait = account.requests.wait(1, now)
            if wait and self.limits.count_refused == "all" and wait < self._patience:
                account.requests.add(1, now)
                wait = account.requests.wait(1, now)
            if wait:
                return Refusal("requests", wait)
            account.requests.add(1, now)
        return Charge(account, now)

    def reject(self, admitted: Charge) -> None:
        """Note that an admitted request breaks the contract, and is not answered."""
        if self.limits.count_refused == "none":
            self._take_back(admitted)

    def charge(self, admitted: Charge, tokens: int) -> Charge | Refusal:
        """Count the tokens that an admitted request may cost; a refusal takes its admission back unless all count."""
        account, now = admitted.account, self._now()
        tokens = min(tokens, _MOST)
        if account.tokens:
            if wait := account.tokens.wait(tokens, now):
                if self.limits.count_refused != "all":
                    self._take_back(admitted)
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

    def _take_back(self, admitted: Charge) -> None:
        if admitted.account.requests:
            admitted.account.requests.settle(admitted.at, -1, self._now())

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
