"""Stops a run before the money is gone: requests and tokens are reserved before they are spent."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

from conformance.check import Inconclusive

# What an endpoint may generate when `max_tokens` is absent, for the budget's upper bound; the page's default is 16.
ASSUMED_MAX_TOKENS = 256


class BudgetSpent(Inconclusive):
    """The next request could cost more than is left of the budget."""


@dataclass(frozen=True)
class Spent:
    """What a run has used: requests sent, tokens settled, and tokens reserved by requests under way."""

    requests: int
    tokens: int
    reserved: int


class Budget:
    """A bound on requests and on tokens, shared by the workers of a run; None means no bound.

    Law: settled plus reserved tokens never pass the bound, unless an endpoint spends more than a request allowed it to.
    """

    def __init__(self, requests: int | None = None, tokens: int | None = None) -> None:
        for name, bound in (("requests", requests), ("tokens", tokens)):
            if bound is not None and bound < 0:
                raise ValueError(f"a budget of {bound} {name} makes no sense")
        self._max_requests = requests
        self._max_tokens = tokens
        self._lock = threading.Lock()
        self._requests = 0
        self._tokens = 0
        self._reserved = 0

    def reserve(self, tokens: int) -> None:
        """Set aside one request and an upper bound of its tokens; raises `BudgetSpent`, and then sets nothing aside."""
        with self._lock:
            if self._max_requests is not None and self._requests >= self._max_requests:
                raise BudgetSpent(f"the budget of {self._max_requests} requests is spent")
            if self._max_tokens is not None and self._tokens + self._reserved + tokens > self._max_tokens:
                left = max(0, self._max_tokens - self._tokens - self._reserved)
                raise BudgetSpent(
                    f"the budget of {self._max_tokens} tokens is spent: {left} left, and this request may cost {tokens}"
                )
            self._requests += 1
            self._reserved += tokens

    def settle(self, reserved: int, actual: int | None) -> None:
        """Replace a reservation by what the request cost; None, which is not known, counts as all of it."""
        with self._lock:
            self._reserved -= reserved
            self._tokens += reserved if actual is None else max(0, actual)

    def cancel(self, reserved: int) -> None:
        """Give back a reservation whose request was never sent."""
        with self._lock:
            self._requests -= 1
            self._reserved -= reserved

    @property
    def spent(self) -> Spent:
        """What has been used until now."""
        with self._lock:
            return Spent(self._requests, self._tokens, self._reserved)


def upper_bound(body: Any) -> int:
    """The most tokens that a request can cost: its bytes as prompt (a token has at least one) and all its candidates.

    A body that is not a JSON object is refused by any endpoint, so it costs nothing but its request; one that a lenient
    parser may read costs what it asks for.
    """
    return sum(bounds(body))


def bounds(body: Any) -> tuple[int, int]:
    """The most tokens that go in with a request, and the most that come out."""
    if isinstance(body, bytes):
        body = _leniently(body)
    if not isinstance(body, dict):
        return 0, 0
    prompt = body.get("prompt", body.get("messages", ""))
    candidates = max(_count(body.get("n"), 1), _count(body.get("best_of"), 1))
    most = _count(body.get("max_tokens", body.get("max_completion_tokens")), ASSUMED_MAX_TOKENS)
    # Three bytes a token is below what any tokenizer needs for the short English prompts that checks send.
    return len(json.dumps(prompt)) // 3 + 8, most * candidates


def _leniently(raw: bytes) -> Any:
    """The first JSON value of some bytes as the most lenient parser would read it; None when there is none."""
    try:
        return json.JSONDecoder().raw_decode(raw.decode("utf-8", "replace").lstrip("\ufeff"))[0]
    except RecursionError:
        return {}
    except ValueError:
        return None


def _count(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 10_000 else default
