"""What the contract layer costs: `python -m benchmarks.layer`, or `--direct` without sockets.

With two running servers of the same model: `--url PLAIN --url LAYERED`. The key of both is in SEATRIAL_API_KEY.
"""

from __future__ import annotations

import argparse
import os

from benchmarks.layer import alone, direct, served


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layer", description=__doc__)
    parser.add_argument("--url", action="append", default=[], help="plain server first, layered second")
    parser.add_argument("--direct", action="store_true", help="the layer's CPU time only, without sockets")
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
    if given.direct:
        lines = direct.measured(given.rounds, given.chunks)
    elif not given.url:
        lines = alone.measured(given.rounds, given.seconds, concurrency, given.chunks, pin=given.pin)
    elif len(given.url) == 2:
        plan = served.Plan(
            route=given.route, model=given.model, prompt_tokens=given.prompt_tokens, max_tokens=given.max_tokens,
            rounds=given.rounds, waves=given.waves,
        )  # fmt: skip
        lines = served.measured(given.url, os.environ.get("SEATRIAL_API_KEY", ""), plan, concurrency)
    else:
        parser.error("give --url twice, plain server first, or not at all")
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
