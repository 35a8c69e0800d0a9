"""Asks how true this process's figures are, here and now: it reads streams whose send times another process knows.

Law: what is compared is the time stamped at arrival with the time just before sending, on one clock, chunk by chunk; so
lateness of that server is no error of ours, and an error of ours is never put down to the server.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gevent
import gevent.os

from loadtests.pool import Pool
from loadtests.streams import Reading, read_stream

# Beyond this (ms, at p95 of all chunks) figures would say more about this machine than about the endpoint. Not p99: a
# check is short, and one stall of the machine must not decide.
MOST_BIAS_MS = 10.0
LEAST_STREAMS, MOST_STREAMS = 8, 128
TTFT_S, ITL_S, TOKENS = 0.1, 0.02, 24

_SERVER = Path(__file__).with_name("calibrated.py")
_TO_START = 10.0
_DEADLINE = 10.0
_ATTEMPTS = 2
# A whole check's upper bound (s): its server's start and end, the connections and the streams, each time.
LONGEST_CHECK = _ATTEMPTS * (2 * _TO_START + 2 * _DEADLINE)
_MOST_TRUTH = 1 << 24


@dataclass(frozen=True, kw_only=True)
class Bias:
    """How late arrivals are stamped, in ms: of first chunks, of all chunks, and the error of the gaps between chunks.

    `fault` says why there is no such figure; empty when there is.
    """

    streams: int = 0
    ttft_p50_ms: float = 0.0
    ttft_p99_ms: float = 0.0
    arrival_p95_ms: float = 0.0
    itl_p99_ms: float = 0.0
    attempts: int = 1
    fault: str = ""

    def why_invalid(self) -> str:
        """Why no figure of a run can be believed; empty when it can."""
        if self.fault:
            return f"the load generator could not check itself: {self.fault} (--no-self-check goes without)"
        if self.arrival_p95_ms > MOST_BIAS_MS:
            return (
                f"the load generator read streams of known timing {self.arrival_p95_ms:.1f} ms late at p95, "
                f"where {MOST_BIAS_MS:.0f} may be: this machine is too busy"
            )
        return ""

    def to_record(self) -> dict[str, Any]:
        """The figures as the log's `self_check` object."""
        return {name: value for name, value in asdict(self).items() if value != ""}


class CalibratedServer:
    """The process that serves; made before it is needed, since it takes a moment to start."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        # Where there is no process to be had, `port` says so.
        with suppress(OSError):
            self._process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
                [sys.executable, "-I", "-S", str(_SERVER), str(TTFT_S), str(ITL_S), str(TOKENS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},
            )

    def port(self) -> int:
        """Where it listens; raises `OSError` or `ValueError` when it did not start."""
        with gevent.Timeout(_TO_START, TimeoutError("the calibrated server did not start")):
            return int(self._read(until=b"\n"))

    def truth(self) -> dict[str, list[int]]:
        """When it sent each chunk, in ns, by the path that was asked for; it serves no more."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        with gevent.Timeout(_TO_START, TimeoutError("the calibrated server told nothing")):
            told = json.loads(self._read())
        return {str(name): [int(at) for at in times] for name, times in told.items()}

    def close(self) -> None:
        """End the process; never raises."""
        if self._process is None:
            return
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process.wait()

    def _read(self, until: bytes = b"") -> bytes:
        """What it printed, to that mark or to its end; not through the pipe's file, which may be gevent's or not."""
        if self._process is None or self._process.stdout is None:
            raise ConnectionError("the calibrated server could not be started")
        descriptor = self._process.stdout.fileno()
        gevent.os.make_nonblocking(descriptor)
        data = b""
        while len(data) < _MOST_TRUTH and (more := gevent.os.nb_read(descriptor, 1 << 16)):
            data += more
            if until and until in data:
                break
        return data


def check_self(streams: int, server: CalibratedServer | None = None) -> Bias:
    """The bias of this process with that many streams at once; a bad first attempt is given a second. Never raises."""
    bias = Bias(fault="never tried")
    for attempt in range(1, _ATTEMPTS + 1):
        bias = _attempt(max(LEAST_STREAMS, min(streams, MOST_STREAMS)), attempt, server or CalibratedServer())
        server = None
        if not bias.why_invalid():
            break
    return bias


def _attempt(streams: int, attempt: int, server: CalibratedServer) -> Bias:
    pool = None
    try:
        port = server.port()
        # What the kernel tells of plain connections would hide here how late those with TLS are read.
        pool = Pool("127.0.0.1", port, stamped=False)
        pool.warm(streams)
        readings = _read_all(pool, streams)
        return bias_of(readings, server.truth(), attempt)
    except (OSError, ValueError, AttributeError) as error:
        return Bias(attempts=attempt, fault=str(error) or type(error).__name__)
    finally:
        if pool is not None:
            pool.close()
        server.close()


def _read_all(pool: Pool, streams: int) -> dict[str, Reading]:
    """All streams, their beginnings spread over one gap so that they do not speak with one voice."""
    jobs: dict[str, Any] = {}
    for number in range(streams):
        name = f"/{number}"
        request = f"POST {name} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode()
        jobs[name] = gevent.spawn_later(ITL_S * number / streams, read_stream, pool, request, deadline=_DEADLINE)
    gevent.joinall(list(jobs.values()))
    return {name: job.value for name, job in jobs.items()}


def bias_of(readings: Mapping[str, Reading], truth: Mapping[str, Sequence[int]], attempts: int = 1) -> Bias:
    """What the readings were wrong by, given when each chunk was sent (ns)."""
    first: list[float] = []
    arrivals: list[float] = []
    gaps: list[float] = []
    for name, reading in readings.items():
        sent = truth.get(name, ())
        if reading.outcome != "ok" or len(sent) != reading.chunks or not sent:
            detail = reading.detail or f"{reading.chunks} chunks of {len(sent)}"
            return Bias(attempts=attempts, fault=f"a stream of its own ended with {reading.outcome} ({detail})")
        late = [reading.first - sent[0]]
        for gap, (before, after) in zip(reading.gaps, itertools.pairwise(sent), strict=True):
            late.append(late[-1] + gap - (after - before))
            gaps.append(abs(gap - (after - before)) / 1e6)
        first.append(late[0] / 1e6)
        arrivals += [one / 1e6 for one in late]
    return Bias(
        streams=len(readings),
        ttft_p50_ms=_quantile(first, 0.5),
        ttft_p99_ms=_quantile(first, 0.99),
        arrival_p95_ms=_quantile(arrivals, 0.95),
        itl_p99_ms=_quantile(gaps, 0.99),
        attempts=attempts,
    )


def _quantile(values: list[float], share: float) -> float:
    """That quantile, to the microsecond; the largest of a few."""
    if not values:
        return 0.0
    return round(sorted(values)[min(len(values) - 1, int(share * len(values)))], 3)
