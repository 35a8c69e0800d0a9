"""Builds logs that look like those of real runs, so that every report can be tested on every kind of outcome."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from hdrh.histogram import HdrHistogram

from conformance.wire.exchange import Exchange, Sent
from reports.gate import Gate, Waiver
from reports.log import LogWriter
from reports.model import Capability, Outcome, Run
from schemas import contracts

TARGET = "http://127.0.0.1:8080"
TODAY = date(2026, 11, 22)
HEADERS = (("Content-Type", "application/json"), ("Authorization", "Bearer $SEATRIAL_API_KEY"))

# What a hostile or merely careless model may answer: each of these has broken a report somewhere.
HOSTILE = (
    "</script></pre><img src=x onerror=alert(1)> ]]> <!-- \x1b[31mred\x1b[0m\x1b]0;title\x07 \x00 nul \x9b2J "
    "\u202eevil\u2066 \u05e9\u05dc\u05d5\u05dd \u200b | cell | `tick` ```fence``` [x](javascript:alert(1)) **bold** "
    "{{ 7*7 }} {% raw %} &amp; \ud83d \ufffe \u2028 @someone #1 $x$\r\nSecond: line\n## heading"
)


def exchange(
    number: int,
    body: Any,
    *,
    status: int | None = 200,
    answer: Any = None,
    path: str = "/v1/chat/completions",
    failure: str = "",
    detail: str = "",
    scope: str = "chat",
) -> Exchange:
    """One request with its answer; `body` and `answer` are bytes as they are, anything else as JSON."""
    back = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    media = "text/event-stream" if back.startswith(b"data:") else "application/json"
    return Exchange(
        id=f"x{number:04d}",
        scope=scope,
        ordinal=0,
        sent=Sent("POST", path, HEADERS, body if isinstance(body, bytes) else json.dumps(body).encode()),
        started=1_795_000_000.0 + number,
        status=status,
        headers=(("content-type", media), ("x-request-id", f"r-{number}")) if status else (),
        body=back if status else b"",
        arrivals=((41_000_000, len(back)),) if status else (),
        head_ns=40_000_000,
        end_ns=42_000_000,
        failure=failure,
        detail=detail,
    )


def outcome(check: str, status: str = "pass", *cites: str, **rest: Any) -> Outcome:
    """One outcome; it cites the requirement of its own name unless told otherwise."""
    parts = check.split(".")
    route = parts[0] if parts[0] in {"chat", "completions"} else None
    values: dict[str, Any] = {
        "title": f"The fact that {check} states holds.",
        "seconds": 0.05,
        "requests": 1,
        "tokens": 40,
    }
    values.update(rest)
    return Outcome(
        check=check,
        area=parts[1] if route and len(parts) > 1 else parts[0],
        route=route,
        cites=cites or (check,),
        status=status,
        **values,
    )


def failing(check: str, evidence: str, title: str, message: str, *, count: int = 1) -> Outcome:
    """A failure with one exchange as its evidence."""
    return outcome(check, "fail", title=title, message=message, exchanges=(evidence,), count=count)


def encoded(values: Iterable[int]) -> str:
    """Those microseconds as a base64 HdrHistogram."""
    histogram = HdrHistogram(1, 600_000_000, 3)
    for value in values:
        histogram.record_value(value)
    return str(histogram.encode().decode("ascii"))


def load_record(
    *, ok: int = 400, other: Mapping[str, int] | None = None, scale: float = 1.0, valid: bool = True, reason: str = ""
) -> dict[str, Any]:
    """A load whose time to first token is 180 ms to some 600 ms, with a tail, times `scale`."""

    def spread(base: int, step: int, count: int) -> list[int]:
        # A curve with a tail, the same every time: (i * 37) % 101 visits each of 0 to 100 once in 101 steps.
        return [int((base + step * ((i * 37) % 101) ** 2 / 60) * scale) for i in range(count)]

    measures = {
        "ttft": spread(180_000, 1_900, ok),
        "ttft_intended": spread(180_600, 1_910, ok),
        "itl": spread(17_000, 260, ok * 15),
        "tpot": spread(18_500, 120, ok),
        "e2e": spread(470_000, 3_400, ok),
        "lateness": spread(300, 9, ok),
    }
    counts = {"ok": ok, **(other if other is not None else {"429": 6, "timeout": 1})}
    return {
        "type": "load",
        "profile": "streaming",
        "plan": {"rate": 5.0, "duration": 80.0, "requests": sum(counts.values())},
        "counts": counts,
        "histograms": {name: {"unit": "us", "encoded": encoded(values)} for name, values in measures.items() if values},
        "tokens": {"prompt": ok * 31, "completion": ok * 16},
        "seconds": 81.3,
        "valid": valid,
        "reason": reason,
    }


@dataclass
class Story:
    """The records of a run, changed at will and then written."""

    outcomes: list[Outcome] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    capabilities: list[Capability] = field(default_factory=list)
    loads: list[dict[str, Any]] = field(default_factory=list)
    samples: int = 0
    planned: Sequence[str] | None = None
    rows: Sequence[Mapping[str, Any]] = ()
    contract: str = "azure-llama"
    command: str = "check"
    settings: Mapping[str, Any] = field(default_factory=dict)
    end: str | None = "complete"
    end_reason: str = ""

    def head(self) -> dict[str, Any]:
        """The first record."""
        return {
            "type": "run",
            "format": 1,
            "seatrial": "0.1.0",
            "id": "20261122-2140-7f3a",
            "started": "2026-11-22T21:40:12+00:00",
            "command": self.command,
            "target": TARGET,
            "contract": self.contract,
            "seed": 7,
            "profile": "standard",
            "settings": dict(self.settings),
            "planned": list(self.planned if self.planned is not None else [one.check for one in self.outcomes]),
            "rows": [dict(row) for row in self.rows],
        }

    def write(self, path: Path) -> Path:
        """Write the log; the path is returned."""
        path.unlink(missing_ok=True)
        writer = LogWriter(path, redact=lambda record: record)
        writer.write(self.head())
        for one in self.exchanges:
            writer.write(one.to_record())
        for capability in self.capabilities:
            writer.write(capability.to_record())
        for outcome_ in self.outcomes:
            writer.write(outcome_.to_record())
        for number in range(self.samples):
            writer.write(sample_record(number))
        for load in self.loads:
            writer.write(load)
        if self.end is not None:
            writer.end(
                self.end,  # type: ignore[arg-type]
                self.end_reason,
                seconds=93.4,
                requests=len(self.exchanges),
                tokens=sum(one.tokens for one in self.outcomes),
            )
        writer.close()
        return path

    def run(self, folder: Path) -> Run:
        """The run that reading the written log gives."""
        return Run.read(self.write(folder / "run.jsonl"))


def sample_record(number: int) -> dict[str, Any]:
    """One request of a load."""
    return {
        "type": "sample",
        "t_intended": number * 0.2,
        "t_sent": number * 0.2 + 0.0004,
        "t_first": number * 0.2 + 0.21,
        "t_last": number * 0.2 + 0.5,
        "t_end": number * 0.2 + 0.5,
        "status": 200,
        "outcome": "ok",
        "prompt_tokens": 31,
        "completion_tokens": 16,
        "chunks": 17,
    }


def passing() -> Story:
    """A run in which every requirement that can be checked passes."""
    contract = contracts.CONTRACTS["azure-llama"]
    return Story(outcomes=[outcome(row.id) for row in contract.rows() if not row.untestable])


def changed(story: Story, *outcomes: Outcome) -> Story:
    """The story with these outcomes in place of those of the same checks, or added."""
    new = {one.check: one for one in outcomes}
    kept = [new.pop(one.check, one) for one in story.outcomes]
    story.outcomes = [*kept, *new.values()]
    return story


def refused(name: str, *exchanges: str, requirement: str | None = None) -> Capability:
    """An option, such as `chat.n`, that the endpoint does not support."""
    route, parameter = name.split(".")
    return Capability(
        route=route,
        parameter=parameter,
        requirement=f"{route}.request.{parameter}" if requirement is None else requirement,
        supported=False,
        message="its plainest use is refused with status 400 (tried 2 and 3)",
        exchanges=exchanges,
    )


def lacking() -> Story:
    """A run against an endpoint that refuses `n` on one route and knows it on the other."""
    story = passing()
    body = {"messages": [{"role": "user", "content": "How far?"}], "max_tokens": 2}
    answer = {"error": {"message": HOSTILE.replace("\ud83d", "")}}
    story.exchanges = [
        exchange(1, body, answer={"choices": []}),
        exchange(2, {**body, "n": 3}, status=400, answer=answer),
        exchange(3, {**body, "n": 2}, status=400, answer=answer),
    ]
    evidence = ("x0001", "x0002", "x0003")
    taken = Capability(route="completions", parameter="n", requirement="completions.request.n", supported=True)
    story.capabilities = [refused("chat.n", *evidence), taken]
    why = "`n` is not supported: its plainest use is refused with status 400 (tried 2 and 3)"
    names = ("chat.request.n", "chat.request.n.count")
    return changed(story, *(outcome(name, "unsupported", message=why, exchanges=evidence) for name in names))


def repeated() -> Story:
    """A run in which several checks fail for one requirement, and one for another."""
    story = passing()
    story.exchanges = [exchange(1, {"prompt": "x"}, answer={"text": "y"}, path="/v1/completions")]
    kinds = {"accepted": 1, "refused-above": 2, "refused-below": 3}
    story.outcomes += [
        outcome(
            f"chat.request.top_p.{kind}", "fail", "chat.request.top_p", message=f"it does not, {kind}",
            exchanges=("x0001",), count=count,
        )
        for kind, count in kinds.items()
    ]  # fmt: skip
    return changed(story, failing("chat.stream.done", "x0001", "A fact holds.", "it does not"))


def eventful() -> Story:
    """A run with every kind of outcome, evidence and a load: what the reports are made to show."""
    story = passing()
    hello = {"messages": [{"role": "user", "content": "What's the distance to the moon?"}], "max_tokens": 8}
    chunks = [
        {"id": "c1", "object": "chat.completion.chunk", "created": 1795000003, "model": "m", "choices": [choice]}
        for choice in (
            {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None},
            {"index": 0, "delta": {"content": "The Moon is"}, "finish_reason": None},
            {"index": 0, "delta": {}, "finish_reason": "length"},
        )
    ]
    stream = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode()
    text = {"id": "c2", "object": "chat.completion", "created": 1795000004, "model": "m"}
    said = {"role": "assistant", "content": "Far, stop!"}
    told = {
        **text,
        "choices": [{"index": 0, "message": said, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 19, "completion_tokens": 4, "total_tokens": 24},
    }
    story.exchanges = [
        exchange(1, {**hello, "stream": True}, answer=stream),
        exchange(2, {**hello, "temperature": 2.5}, answer=told),
        exchange(3, {**hello, "stop": ["stop"]}, answer=told),
        exchange(4, hello, answer=told),
        exchange(5, {**hello, "n": 0}, status=500, answer=b"Internal Server Error"),
        exchange(
            6,
            b'{"prompt": "\xff\x00"}',
            status=None,
            failure="reset",
            detail="connection reset by peer",
            path="/v1/completions",
        ),
        exchange(7, {**hello, "top_p": 0.1}, answer={"error": HOSTILE.replace("\ud83d", "")}),
    ]
    changed(
        story,
        failing(
            "chat.stream.done",
            "x0001",
            "The last event of a stream is `[DONE]`.",
            "the stream's last event is a chunk with finish_reason 'length'; no [DONE] followed",
        ),
        failing(
            "chat.request.temperature",
            "x0002",
            "A temperature above 2 is refused.",
            "temperature 2.5 was answered with status 200; a client error was expected",
            count=3,
        ),
        failing(
            "chat.request.stop.excluded",
            "x0003",
            "The returned text does not contain the stop sequence.",
            "the text 'Far, stop!' contains the stop sequence 'stop'",
            count=2,
        ),
        failing(
            "chat.response.usage.sum",
            "x0003",
            "total_tokens is the sum of the two others.",
            "prompt_tokens 19 + completion_tokens 4 is 23, total_tokens is 24",
        ),
        failing(
            "chat.error.status",
            "x0005",
            "A request that breaks the tables gets a 4xx.",
            "n = 0 was answered with status 500",
        ),
        failing(
            "completions.head.payload",
            "x0006",
            "A body that is not JSON is refused.",
            "no complete answer (reset): connection reset by peer",
        ),
        outcome("completions.request.use_beam_search.search", "skip", message="beam search is not offered"),
        outcome("completions.stream.done", "blocked", message="needs completions.stream.events, which did not pass"),
        outcome("chat.request.presence_penalty.effect", "inconclusive", message="throttled to the end: 5 times 429"),
        outcome("chat.response.id.unique", "error", message="KeyError: 'id'", hint="a fault of Seatrial: usage.py:44"),
        outcome("chat.response.object", readings={"erratum.chunk-object": "chunk", "erratum.response-model": "named"}),
        outcome("chat.request.top_p", readings={"erratum.top_p-zero": "accepted", "erratum.refusal-status": "422"}),
    )
    story.loads = [load_record()]
    story.samples = 12
    story.command = "trial"
    return story


def gate(**changes: Any) -> Gate:
    """A gate with objectives and a waiver that fits `eventful`."""
    values: dict[str, Any] = {
        "slo": {"ttft_p95_ms": 800.0, "itl_p99_ms": 20.0, "error_rate": 0.05, "throttled_rate": 0.015},
        "waivers": (
            Waiver(
                check="chat.response.usage.sum",
                reason="the gateway counts its own system prompt; the vendor corrects it in release 2.4",
                until=date(2027, 3, 31),
                line=12,
            ),
        ),
        "source": "gate.toml",
    }
    values.update(changes)
    return Gate(**values)
