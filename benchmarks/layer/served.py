"""Two servers of the same model, plain and layered: throughput and time to first token, streamed, by turns.

Each prompt is a new one, of the same length for both, and so is what they are to answer with. Times are those of
`loadtests.streams`: the clock is read when bytes arrive.
"""

from __future__ import annotations

import contextlib
import math
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

import gevent

from benchmarks.layer.pairs import by_turns, median_ratio, of_pairs
from loadtests.pool import Pool
from loadtests.streams import Reading, read_stream
from loadtests.target import Target, target
from schemas.contracts import get
from schemas.model import Route

_DEADLINE = 300.0  # seconds for one answer
MOST_PAUSE = 0.02  # seconds before a request
_TITLES = (
    "at once", "tokens/s, plain", "layered", "ratio", "TTFT p50, ms, plain", "layered", "difference, ms",
    "TTFT p99, ms, plain", "layered", "ITL p50, ms, plain", "layered", "ITL p99, ms, plain", "layered",
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """How much is asked: prompt and answer in tokens, rounds, and requests of each round per connection.

    Answers are from half of `max_tokens` to half as much again, and each request waits for up to `MOST_PAUSE` first:
    were they all alike, requests would come in bursts and in step with the engine, and a tenth of a millisecond more
    could cost all of them a whole step, or none. Another `seed` has other prompts: a server that has seen them
    answers out of its cache.
    """

    route: Route = "chat"
    prompt_tokens: int = 64
    max_tokens: int = 64
    rounds: int = 8
    waves: int = 2
    model: str | None = None
    seed: int = 1
    pass_on: tuple[tuple[str, object], ...] = (
        ("ignore_eos", True),
        ("temperature", 0.0),
        # The layer has vLLM tell the usage in any case, as load tools do: both servers are to say the same.
        ("stream_options", {"include_usage": True}),
    )


@dataclass(frozen=True)
class Turn:
    """What one server did in its turn: tokens in a second, ms to the first token of each answer and between chunks."""

    tokens_per_second: float
    ttft_ms: tuple[float, ...]
    itl_ms: tuple[float, ...] = ()


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: the way to it, its connections, and what it is asked."""

    pool: Pool
    goal: Target
    plan: Plan


@contextlib.contextmanager
def opened(urls: Sequence[str], key: str, plan: Plan) -> Iterator[tuple[Side, Side]]:
    """Both sides, the plain one first."""
    goals = [_goal(url, key, plan) for url in urls]
    # Both may be one server, which answers what it has seen out of its cache.
    plain, layered = (
        Side(Pool(goal.host, goal.port, tls=goal.tls), goal, replace(plan, seed=2 * plan.seed + which))
        for which, goal in enumerate(goals)
    )
    try:
        yield plain, layered
    finally:
        plain.pool.close()
        layered.pool.close()


def measured(urls: Sequence[str], key: str, plan: Plan, concurrency: Sequence[int]) -> Iterator[str]:
    """The lines of the report, as they become known; the first URL is the plain server."""
    numbers = count(1)
    yield f"| {' | '.join(_TITLES)} |"
    yield "|---" * len(_TITLES) + "|"
    with opened(urls, key, plan) as sides:
        for lines in concurrency:
            pairs: list[tuple[Turn, Turn]] = []
            # The first round warms up caches and connections, and is left out.
            for number, order in enumerate([(0, 1), *by_turns(plan.rounds)]):
                begin = next(numbers) * 100_000
                turns = {which: _turn(sides[which], lines, begin) for which in order}
                if number:
                    pairs.append((turns[0], turns[1]))
            yield _row(lines, pairs)


def _goal(url: str, key: str, plan: Plan) -> Target:
    (operation,) = (one for one in get("azure-llama").operations if one.route == plan.route)
    parameters = {**dict(plan.pass_on), **({"model": plan.model} if plan.model else {})}
    return target(url, operation, key, parameters=parameters)


def _turn(side: Side, lines: int, begin: int) -> Turn:
    """As many requests as planned over that many connections, each sent when the one before it was answered."""
    readings: list[Reading] = []
    counts: list[int] = []
    numbers = iter(range(begin, begin + lines * side.plan.waves))

    def ask() -> None:
        for number in numbers:
            pause(number)
            reading = answered(side, number)
            readings.append(reading)
            counts.append(_tokens(reading, _length(side.plan, number)))

    side.pool.warm(lines)
    gevent.joinall([gevent.spawn(ask) for _ in range(lines)], raise_error=True)
    seconds = (max(one.end for one in readings) - min(one.sent for one in readings)) / 1e9
    ttft = tuple((one.first - one.sent) / 1e6 for one in readings)
    return Turn(sum(counts) / seconds, ttft, tuple(gap / 1e6 for one in readings for gap in one.gaps))


def pause(number: int) -> None:
    """Wait before the `number`-th request, for up to `MOST_PAUSE`."""
    gevent.sleep(random.Random(f"pause:{number}").uniform(0, MOST_PAUSE))


def answered(side: Side, number: int) -> Reading:
    """The answer to the `number`-th request; `SystemExit` where it is none."""
    plan, length = side.plan, _length(side.plan, number)
    body = side.goal.body(seed=plan.seed, number=number, prompt_tokens=plan.prompt_tokens, max_tokens=length)
    reading = read_stream(side.pool, side.goal.request(body), deadline=_DEADLINE)
    if reading.outcome != "ok" or not reading.first:
        raise SystemExit(f"an answer was no good: {reading.outcome} {reading.detail}")
    return reading


def _length(plan: Plan, number: int) -> int:
    draw = random.Random(f"length:{number}")
    return draw.randint((plan.max_tokens + 1) // 2, plan.max_tokens + plan.max_tokens // 2)


def _tokens(one: Reading, asked: int) -> int:
    """The server's own count; else as many as were asked for when it went on to the end; else the chunks."""
    if one.completion_tokens is not None:
        return one.completion_tokens
    return asked if one.finish == "length" else one.chunks


def ttft_difference(pairs: Sequence[tuple[Turn, Turn]]) -> float:
    """The median TTFT of all layered answers less that of all plain ones, in ms."""
    plain, layered = ([time for pair in pairs for time in pair[which].ttft_ms] for which in (0, 1))
    return statistics.median(layered) - statistics.median(plain)


def _row(lines: int, pairs: Sequence[tuple[Turn, Turn]]) -> str:
    rates = [(plain.tokens_per_second, layered.tokens_per_second) for plain, layered in pairs]
    ttft = [sorted(time for pair in pairs for time in pair[which].ttft_ms) for which in (0, 1)]
    gaps = [sorted(time for pair in pairs for time in pair[which].itl_ms) for which in (0, 1)]
    cells = [
        str(lines),
        *(f"{statistics.median(pair[which] for pair in rates):,.1f}" for which in (0, 1)),
        of_pairs(rates, median_ratio).shown(".3f"),
        *(f"{statistics.median(times):,.2f}" for times in ttft),
        of_pairs(pairs, ttft_difference).shown("+.2f"),
        *(_quantile(times, 0.99) for times in ttft),
        *(_quantile(times, share) for share in (0.5, 0.99) for times in gaps),
    ]
    return f"| {' | '.join(cells)} |"


def _quantile(ordered: Sequence[float], share: float) -> str:
    """The least of the values that at least that share does not exceed; a dash where there are none."""
    return f"{ordered[max(0, math.ceil(share * len(ordered)) - 1)]:,.2f}" if ordered else "-"
