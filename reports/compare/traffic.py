"""The requests that two runs have in common, each with both of its answers, and what kind of answer each is.

Law: two exchanges are a pair only if the same was asked, but for the name of the model, and for the key where one side
has none; what one run asked more often than the other stays unpaired.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from conformance.wire.exchange import Exchange
from conformance.wire.redact import PLACEHOLDER
from conformance.wire.timing import chunk_of
from reports.model import Run

# From this share of the smaller run on, the pairs speak for both runs.
_ENOUGH = 0.5
_ABOUT_KEYS = ".auth."
# Headers that say where a request goes or who sends it, and nothing of what is asked.
_OURS = frozenset({"host", "user-agent", "connection", "accept-encoding", "content-length"})


@dataclass(frozen=True)
class Pair:
    """One request with the answers of both endpoints."""

    baseline: Exchange
    candidate: Exchange

    @property
    def sides(self) -> tuple[Exchange, Exchange]:
        """The baseline's exchange and the candidate's."""
        return self.baseline, self.candidate


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What two runs sent: the pairs, and everything. `same` says whether the pairs speak for both runs."""

    pairs: tuple[Pair, ...]
    baseline: tuple[Exchange, ...]
    candidate: tuple[Exchange, ...]

    @property
    def same(self) -> bool:
        """Whether at least half of the smaller run's requests are in the other one too."""
        fewest = min(len(self.baseline), len(self.candidate))
        return bool(fewest) and len(self.pairs) >= _ENOUGH * fewest

    def alike(self) -> tuple[list[Exchange], list[Exchange]]:
        """The whole answers that may be held side by side, the baseline's and the candidate's.

        Of runs that asked the same, the answers to one request are of one kind; of others all there are.
        """
        if not self.same:
            return [one for one in self.baseline if whole(one)], [one for one in self.candidate if whole(one)]
        pairs = [
            one for one in self.pairs if all(map(whole, one.sides)) and place(one.baseline) == place(one.candidate)
        ]
        return [one.baseline for one in pairs], [one.candidate for one in pairs]


def traffic_of(baseline: Run, candidate: Run) -> Traffic:
    """Pair the requests of two runs: those of one check first, then any that are the same."""
    unlike = {name for name in ("model", "key") if baseline.settings.get(name) != candidate.settings.get(name)}
    sides = [[one for one in run.exchanges.values() if not one.superseded] for run in (baseline, candidate)]
    left, right = ([(one, _digest(one, unlike)) for one in side] for side in sides)
    pairs, left, right = _paired(left, right, scoped=True)
    # Beyond one check the key has to be the same too: it may be a check's very question, and a log hides what it was.
    left, right = (
        [(one, _digest(one, unlike - {"key"})) for one, _ in side if _ABOUT_KEYS not in one.scope]
        for side in (left, right)
    )
    more, _, _ = _paired(left, right, scoped=False)
    return Traffic(pairs=(*pairs, *more), baseline=tuple(sides[0]), candidate=tuple(sides[1]))


def route_of(exchange: Exchange) -> str:
    """The route that a request went to, by the end of its path; empty for any other."""
    path = exchange.sent.path.split("?", maxsplit=1)[0]
    return "chat" if path.endswith("/chat/completions") else "completions" if path.endswith("/completions") else ""


def whole(exchange: Exchange) -> bool:
    """Whether a complete answer came back that nobody cut short."""
    return exchange.status is not None and not exchange.failure and not exchange.left


def kind_of(exchange: Exchange) -> str:
    """What an answer is: `document`, `stream`, or `error` with its status; empty without one."""
    if exchange.status is None:
        return ""
    if exchange.status >= 400:
        return f"error {exchange.status}"
    return "stream" if exchange.media_type == "text/event-stream" else "document"


def place(exchange: Exchange) -> str:
    """Route and kind of an answer, as reports name it: `chat stream`."""
    return f"{route_of(exchange) or 'other'} {kind_of(exchange)}"


def ending(exchange: Exchange) -> str:
    """How an exchange ended: its status, or why there is no whole answer."""
    if exchange.failure:
        return f"no whole answer ({exchange.failure})"
    return str(exchange.status)


def documents(exchange: Exchange, most: int = 200) -> Iterator[dict[str, Any]]:
    """The JSON objects of an answer: the chunks of a stream, at most so many, or the document."""
    if exchange.media_type == "text/event-stream":
        chunks = (chunk_of(event.data) for event in exchange.events[:most])
        yield from (chunk for chunk in chunks if chunk is not None)
        return
    value = parsed(exchange.body)
    if isinstance(value, dict):
        yield value


def parsed(body: bytes) -> Any:
    """The body as JSON; None for anything else."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _digest(exchange: Exchange, unlike: set[str]) -> str:
    sent, body = exchange.sent, exchange.sent.body
    if "model" in unlike:
        value = parsed(body)
        if isinstance(value, dict):
            body = json.dumps({key: value[key] for key in value if key != "model"}).encode()
    told = sorted((name.lower(), value) for name, value in sent.headers if name.lower() not in _OURS)
    # An endpoint without a key is asked the same without it.
    head = [pair for pair in told if "key" not in unlike or pair != ("authorization", f"Bearer {PLACEHOLDER}")]
    return hashlib.sha256(
        f"{sent.method} {sent.path} {sent.leave_after} {head}\n".encode("utf-8", "backslashreplace") + body
    ).hexdigest()


_Keyed = list[tuple[Exchange, str]]


def _paired(left: _Keyed, right: _Keyed, *, scoped: bool) -> tuple[list[Pair], _Keyed, _Keyed]:
    """The pairs, and what is left on either side; the n-th of one request goes with the n-th of the other run."""
    waiting: dict[tuple[str, str], list[tuple[Exchange, str]]] = {}
    for one, digest in _in_order(right):
        waiting.setdefault((one.scope if scoped else "", digest), []).append((one, digest))
    for several in waiting.values():
        several.reverse()
    pairs, alone = [], []
    for one, digest in _in_order(left):
        others = waiting.get((one.scope if scoped else "", digest))
        if others:
            pairs.append(Pair(one, others.pop()[0]))
        else:
            alone.append((one, digest))
    return pairs, alone, [item for several in waiting.values() for item in reversed(several)]


def _in_order(side: Iterable[tuple[Exchange, str]]) -> _Keyed:
    return sorted(side, key=lambda item: (item[0].scope, item[0].ordinal, item[0].started))
