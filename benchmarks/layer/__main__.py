"""What the contract layer costs: `python -m benchmarks.layer`, or `--direct` without sockets.

`--engine` compares both on a server that keeps vLLM's time without a model. With two running servers of the same model:
`--url PLAIN --url LAYERED`. The key of both is in SEATRIAL_API_KEY.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence

from benchmarks.layer import alone, direct, served, twins
from benchmarks.layer.engine import KEY


def simulated(plan: served.Plan, concurrency: Sequence[int], *, pin: bool) -> Iterator[str]:
    """Bare and layered on a simulated engine."""
    bare, layered = (alone.serving(layered=which, pin=pin, app="engine") for which in (False, True))
    with bare as first, layered as second:
        yield from served.measured([f"http://127.0.0.1:{one.port}" for one in (first, second)], KEY, plan, concurrency)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layer", description=__doc__)
    parser.add_argument("--url", action="append", default=[], help="plain server first, layered second")
    parser.add_argument("--twins", action="store_true", help="with --url: two requests at a time, one each way")
    parser.add_argument("--direct", action="store_true", help="the layer's CPU time only, without sockets")
    parser.add_argument("--engine", action="store_true", help="on a server that keeps vLLM's time without a model")
    parser.add_argument("--concurrency", default="1,8,32")
    parser.add_argument("--rounds", type=int, default=10, help="pairs of turns per row")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn, without --url")
    parser.add_argument("--chunks", type=int, default=500, help="of a stream, without --url")
    parser.add_argument("--pin", action="store_true", help="without --url: servers on CPU 0, client on the others")
    parser.add_argument("--route", choices=("chat", "completions"), default="chat")
    parser.add_argument("--model", help="what to ask for; by default the servers' own choice")
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--waves", type=int, default=2, help="with --url: requests of a turn per connection")
    given = parser.parse_args()
    concurrency = [int(text) for text in given.concurrency.split(",")]
    plan = served.Plan(
        route=given.route, model=given.model, prompt_tokens=given.prompt_tokens, max_tokens=given.max_tokens,
        rounds=given.rounds, waves=given.waves,
    )  # fmt: skip
    if given.direct:
        lines = direct.measured(given.rounds, given.chunks)
    elif given.engine:
        lines = simulated(plan, concurrency, pin=given.pin)
    elif not given.url:
        lines = alone.measured(given.rounds, given.seconds, concurrency, given.chunks, pin=given.pin)
    elif len(given.url) == 2:
        compared = twins.measured if given.twins else served.measured
        lines = compared(given.url, os.environ.get("SEATRIAL_API_KEY", ""), plan, concurrency)
    else:
        parser.error("give --url twice, plain server first, or not at all")
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
