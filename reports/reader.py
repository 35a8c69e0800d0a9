"""Reads a log back into a `Run`, line by line, so that a log of many samples costs no memory.

Law: only the last line may be cut off; anything else that cannot be read is a `LogError` naming the line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from conformance.wire.exchange import Exchange
from reports.limits import Limit, limit_from
from reports.log import FORMAT, LogError
from reports.model import Capability, End, Histogram, Load, Outcome, Run, Sample
from reports.rounds import merged
from schemas.model import LEVELS, Requirement

# Far above what a bounded exchange can take; a file without line ends must not fill the memory.
MAX_LINE = 128 << 20
# What the writer puts first in a sample's line, so that unwanted samples are not even parsed.
_SAMPLE = b'{"type":"sample"'

T = TypeVar("T")
Record = Mapping[str, Any]


def read_run(path: Path, *, samples: bool) -> Run:
    """The run in the log at `path`; raises `LogError` with the file, the line and what is wrong with it."""
    try:
        with path.open("rb") as file:
            return _Reader(path, file, keep_samples=samples).run()
    except OSError as error:
        raise LogError(f"cannot read {path}: {error.strerror or error}; check the name") from None


class _Reader:
    def __init__(self, path: Path, file: BinaryIO, *, keep_samples: bool) -> None:
        self._path = path
        self._file = file
        self._keep_samples = keep_samples
        self._number = 0
        self._truncated = False
        self._capabilities: dict[str, Capability] = {}
        self._model: dict[str, str] = {}
        self._outcomes: list[Outcome] = []
        self._exchanges: dict[str, Exchange] = {}
        self._loads: list[Load] = []
        self._limits: list[Limit] = []
        self._samples: list[Sample] = []
        self._sample_count = 0
        self._end: End | None = None

    def run(self) -> Run:
        lines = self._lines()
        head = next(lines, None)
        if head is None:
            raise LogError(f"{self._path} {'has no whole line' if self._number else 'is empty'}: it is not a run's log")
        made = self._built(_head, head)
        for record in lines:
            self._take(record)
        return replace(
            made,
            # Where nobody named a model and the endpoint wanted one, the run's is the one that was found.
            settings={**made.settings, **self._model},
            capabilities=tuple(self._capabilities.values()),
            outcomes=merged(self._outcomes),
            exchanges=self._exchanges,
            loads=tuple(self._loads),
            limits=tuple(self._limits),
            samples=tuple(self._samples),
            sample_count=self._sample_count,
            end=self._end,
            truncated=self._truncated,
        )

    def _lines(self) -> Iterator[Record]:
        while line := self._file.readline(MAX_LINE):
            self._number += 1
            if not line.strip():
                continue
            if line.startswith(_SAMPLE) and not self._keep_samples and line.endswith(b"}\n") and self._number > 1:
                self._follow("sample")
                self._sample_count += 1
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                if self._number == 1 and line.endswith(b"\n"):
                    raise LogError(f"{self._path} is not a run's log: its first line is not JSON") from None
                if line.endswith(b"\n") or len(line) >= MAX_LINE:
                    raise self._damaged("it is not JSON") from None
                self._truncated = True
                return
            if not isinstance(record, dict):
                raise self._damaged("it is not a JSON object")
            yield record

    def _take(self, record: Record) -> None:
        kind = record.get("type")
        self._follow(kind)
        if kind == "exchange":
            exchange = self._built(_exchange, record)
            self._exchanges[exchange.id] = exchange
        elif kind == "outcome":
            self._outcomes.append(self._built(_outcome, record))
        elif kind == "capability":
            capability = self._built(_capability, record)
            self._capabilities[capability.name] = capability
        elif kind == "model":
            self._model = self._built(lambda note: {"model": _typed(note, "name", str)}, record)
        elif kind in ("load", "limit"):
            self._take_load(kind, record)
        elif kind == "sample":
            self._sample_count += 1
            if self._keep_samples:
                self._samples.append(self._built(_sample, record))
        elif kind == "end":
            self._end = self._built(_end, record)
        elif kind == "run":
            raise self._damaged("a second run begins; keep one run in a file")
        # Other kinds of record may be added without a new format: they are notes, and no verdict rests on them.

    def _take_load(self, kind: str, record: Record) -> None:
        if kind == "load":
            self._loads.append(self._built(_load, record))
        else:
            self._limits.append(self._built(limit_from, record))

    def _follow(self, kind: object) -> None:
        if self._end is not None:
            raise self._damaged(f"a record ({kind}) follows the run's end")

    def _built(self, build: Callable[[Record], T], record: Record) -> T:
        try:
            return build(record)
        except KeyError as error:
            raise self._damaged(f"the {record.get('type')} record has no {error}") from None
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise self._damaged(f"the {record.get('type')} record is not right: {error}") from None

    def _damaged(self, why: str) -> LogError:
        return LogError(f"{self._path}, line {self._number}: {why}; the log was changed after it was written")


def _head(record: Record) -> Run:
    if record.get("type") != "run":
        raise ValueError("the first record of a log is a `run`")
    number = _typed(record, "format", int)
    if number > FORMAT:
        raise ValueError(f"format {number} is newer than this version reads ({FORMAT}); install a newer Seatrial")
    return Run(
        id=_typed(record, "id", str),
        started=_typed(record, "started", str),
        command=_typed(record, "command", str),
        target=_typed(record, "target", str),
        contract=_typed(record, "contract", str),
        seatrial=_typed(record, "seatrial", str, ""),
        seed=_typed(record, "seed", int, 0),
        profile=_typed(record, "profile", str, ""),
        settings=_typed(record, "settings", dict, {}),
        planned=_texts(record, "planned"),
        rows=tuple(_requirement(row) for row in _typed(record, "rows", list, [])),
    )


def _requirement(row: Any) -> Requirement:
    level = _typed(row, "level", str)
    if level not in LEVELS:
        raise ValueError(f"a row's level {level!r} is not one of {', '.join(LEVELS)}")
    line = _typed(row, "line", int, 0)
    return Requirement(
        id=_typed(row, "id", str),
        level=level,
        quote=_typed(row, "quote", str),
        line=line,
        source=_typed(row, "source", str, "page" if line else "your schema"),
        untestable=_typed(row, "untestable", str, ""),
    )


def _exchange(record: Record) -> Exchange:
    exchange = Exchange.from_record(record)
    texts = (exchange.id, exchange.scope, exchange.sent.method, exchange.sent.path, exchange.failure, exchange.detail)
    pairs = (*exchange.sent.headers, *exchange.headers)
    if not all(isinstance(text, str) for text in (*texts, *(text for pair in pairs for text in pair))):
        raise TypeError("a text is none")
    if exchange.status is not None and not isinstance(exchange.status, int):
        raise TypeError("`status` is not a number")
    return exchange


def _capability(record: Record) -> Capability:
    return Capability(
        route=_typed(record, "route", str),
        parameter=_typed(record, "parameter", str),
        requirement=_typed(record, "requirement", str, ""),
        supported=_typed(record, "supported", bool),
        message=_typed(record, "message", str, ""),
        exchanges=_texts(record, "exchanges"),
    )


def _outcome(record: Record) -> Outcome:
    readings = _typed(record, "readings", dict, {})
    if not all(isinstance(name, str) for name in readings.values()):
        raise TypeError("`readings` has a value that is not text")
    return Outcome(
        check=_typed(record, "check", str),
        title=_typed(record, "title", str),
        area=_typed(record, "area", str),
        route=None if record.get("route") is None else _typed(record, "route", str),
        cites=_texts(record, "cites"),
        status=_typed(record, "status", str),
        message=_typed(record, "message", str, ""),
        hint=_typed(record, "hint", str, ""),
        exchanges=_texts(record, "exchanges"),
        count=_typed(record, "count", int, 0),
        readings=readings,
        seconds=_number(record, "seconds"),
        requests=_typed(record, "requests", int, 0),
        tokens=_typed(record, "tokens", int, 0),
        round=_typed(record, "round", int, 1),
    )


def _load(record: Record) -> Load:
    histograms = _typed(record, "histograms", dict, {})
    return Load(
        profile=_typed(record, "profile", str),
        plan=_typed(record, "plan", dict, {}),
        counts=_whole_numbers(record, "counts"),
        histograms={
            name: Histogram(unit=_typed(one, "unit", str), encoded=_typed(one, "encoded", str))
            for name, one in histograms.items()
        },
        tokens=_whole_numbers(record, "tokens"),
        seconds=_number(record, "seconds"),
        valid=_typed(record, "valid", bool),
        reason=_typed(record, "reason", str, ""),
        examples={
            str(name): tuple(str(one) for one in kept) for name, kept in _typed(record, "examples", dict, {}).items()
        },
        tokens_per_chunk=_tokens_per_chunk(_typed(record, "chunks", dict, {})),
        self_check=_typed(record, "self_check", dict, {}),
        client=_typed(record, "client", dict, {}),
        proxy=_typed(record, "proxy", str, ""),
    )


def _tokens_per_chunk(chunks: Record) -> float:
    count = _number(chunks, "count") if chunks else 0.0
    return _number(chunks, "tokens") / count if count else 0.0


def _sample(record: Record) -> Sample:
    def moment(name: str) -> float | None:
        return None if record.get(name) is None else _number(record, name)

    return Sample(
        outcome=_typed(record, "outcome", str),
        status=None if record.get("status") is None else _typed(record, "status", int),
        t_intended=moment("t_intended"),
        t_sent=moment("t_sent"),
        t_first=moment("t_first"),
        t_last=moment("t_last"),
        t_end=moment("t_end"),
        prompt_tokens=int(record.get("prompt_tokens") or 0),
        completion_tokens=int(record.get("completion_tokens") or 0),
        chunks=int(record.get("chunks") or 0),
    )


def _end(record: Record) -> End:
    return End(
        status=_typed(record, "status", str),
        reason=_typed(record, "reason", str, ""),
        seconds=_number(record, "seconds"),
        requests=_typed(record, "requests", int, 0),
        tokens=_typed(record, "tokens", int, 0),
    )


def _typed(record: Any, name: str, kind: type[T], default: T | None = None) -> T:
    value = record[name] if default is None else record.get(name, default)
    # A bool is an int in Python, but never where a count is meant.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"`{name}` is not {'an' if kind.__name__[0] in 'aeiou' else 'a'} {kind.__name__}")
    return value


def _number(record: Record, name: str) -> float:
    value = record.get(name, 0.0)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"`{name}` is not a number")
    return float(value)


def _texts(record: Record, name: str) -> tuple[str, ...]:
    values = _typed(record, name, list, [])
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"`{name}` has a value that is not text")
    return tuple(values)


def _whole_numbers(record: Record, name: str) -> dict[str, int]:
    values = _typed(record, name, dict, {})
    for value in values.values():
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise TypeError(f"`{name}` has a value that is no count")
    return values
