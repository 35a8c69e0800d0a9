"""What every peer is asked, and what it may answer; the first wave counts, and nothing is taken from its summary.

Law: a peer is asked by its own command line and judged by what it wrote down itself, request by request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.load.servers import Setting
from reference_server.tiny_llama.checkpoint import write

MODEL = "calib"


@dataclass(frozen=True)
class Order:
    """What is wanted: `requests` requests to `url`, `streams` of them at a time, each of `setting.tokens` tokens.

    With a `rate` (requests per second) they are sent at random moments instead, as many at a time as that makes.
    """

    setting: Setting
    streams: int
    requests: int
    url: str = ""
    rate: float = 0.0


@dataclass(frozen=True)
class Reported:
    """What a peer says of the requests that it calls whole, in ms; `gaps` only where it tells each of them."""

    ttft: list[float]
    gaps: list[float]


@dataclass(frozen=True)
class Peer:
    """`command` is called with the order and an empty folder to write to; `read` reads that folder.

    `read` raises `OSError`, `ValueError`, `LookupError` or `TypeError` where that does not hold what it should. `rates`
    says that it takes an order with a rate.
    """

    program: str
    command: Callable[[Order, Path], list[str]]
    read: Callable[[Path], Reported]
    rates: bool = False


def tokenizer(place: Path) -> str:
    """A tokenizer for those that count tokens themselves: that of any Llama will do, and ours needs no network."""
    folder = place / "tokenizer"
    write(folder)
    return str(folder)


def gaps_ms(times: list[float]) -> list[float]:
    """What lies between `times` (s), in ms; those of one chunk have one time and no gap."""
    return [1000 * (later - earlier) for earlier, later in pairwise(times) if later > earlier]
