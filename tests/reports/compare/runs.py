"""Pairs of runs to compare: stories whose logs differ in one thing, written and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.wire.exchange import Exchange
from reports.compare.build import compare
from reports.compare.latency import SLOWER
from reports.compare.model import Comparison, Difference
from reports.gate import Gate
from reports.model import Run
from tests.reports import samples
from tests.reports.samples import TODAY, Story, exchange

ASKED = {"messages": [{"role": "user", "content": "How far?"}], "max_tokens": 8}


def run_of(story: Story, folder: Path, name: str, **head: Any) -> Run:
    """The run that the story's log tells, with an id of its own and what else its head has."""
    path = folder / f"{name}.jsonl"
    return replace(Run.read(story.write(path)), id=name, **head)


def compared(folder: Path, *stories: Story, gate: Gate | None = None, slower: float = SLOWER) -> Comparison:
    """The second story, the candidate, against the first one."""
    baseline, candidate = (run_of(one, folder, name) for one, name in zip(stories, ("a", "b"), strict=True))
    return compare(baseline, candidate, gate or Gate(), TODAY, slower=slower)


def of(comparison: Comparison, area: str) -> list[Difference]:
    """The differences of one area."""
    return [one for one in comparison.differences if one.area == area]


def only(comparison: Comparison, area: str) -> Difference:
    """The one difference of an area."""
    (found,) = of(comparison, area)
    return found


def document(text: str = "Far.", **changes: Any) -> dict[str, Any]:
    """An answer of the chat route; a change of None takes the field away."""
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    whole = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    return {key: value for key, value in {**whole, **changes}.items() if value is not None}


def answered(answers: Sequence[Any], *, statuses: Sequence[int] = (), ms: Sequence[float] = ()) -> list[Exchange]:
    """One exchange for each answer, each with a question of its own."""
    found = []
    for number, answer in enumerate(answers):
        status = statuses[number] if statuses else 200
        one = exchange(number, {**ASKED, "seed": number}, status=status, answer=answer, scope="chat.answers")
        took = int((ms[number] if ms else 42.0) * 1e6)
        found.append(replace(one, ordinal=number, end_ns=took, arrivals=((took, len(one.body)),)))
    return found


def streamed(count: int, *, ttft: float, gap: float) -> list[Exchange]:
    """Streams of three pieces of text, whose first comes after `ttft` ms and the others `gap` ms apart."""
    found = []
    for number in range(count):
        pieces = [
            f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': word}}]})}\n\n".encode()
            for word in ("It", " is", " far")
        ]
        body = b"".join(pieces)
        one = exchange(number, {**ASKED, "stream": True, "seed": number}, answer=body, scope="chat.stream.events")
        times = [ttft + gap * place + number * 0.01 for place in range(len(pieces))]
        sizes = [sum(map(len, pieces[: place + 1])) for place in range(len(pieces))]
        arrivals = tuple((int(time * 1e6), size) for time, size in zip(times, sizes, strict=True))
        found.append(replace(one, ordinal=number, arrivals=arrivals, end_ns=arrivals[-1][0]))
    return found


def story(exchanges: Sequence[Exchange] = (), **changes: Any) -> Story:
    """A run in which everything passes, with these exchanges."""
    made = samples.passing()
    made.exchanges = list(exchanges)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def headers(one: Exchange, more: Mapping[str, str]) -> Exchange:
    """The exchange with more headers on its answer."""
    return replace(one, headers=(*one.headers, *more.items()))
