"""What counts as good enough: `gate.toml`, read strictly.

Law: a gate that cannot be understood as it stands is refused; nothing in it is skipped over, because a typing error
would let everything through.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from reports.limit_slo import LIMIT_OBJECTIVES
from reports.slo import OBJECTIVES, SHARES
from schemas.model import LEVELS, ROUTES

_TABLES = ("levels", "accept", "routes", "slo", "waiver")
_WAIVER_KEYS = ("check", "reason", "until")


class GateError(ValueError):
    """The gate cannot be used: one line with the file, the place, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """A failure that is accepted for an argued reason, until and including a date. `line` is where it stands."""

    check: str
    reason: str
    until: date
    line: int = 0

    def covers(self, check: str) -> bool:
        """Whether the waiver is about that check: by its exact id, or as a shell pattern."""
        return matches(self.check, check)

    def expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return today > self.until


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The policy that a verdict applies. `fail` and `warn` are levels; one in neither is only noted.

    `accept_skip` has patterns of checks whose being skipped may leave a MUST unjudged, `accept_unsupported` those of
    options that an endpoint may refuse altogether; `routes` have to be served; `slo` limits by objective.

    A pattern of `accept_unsupported` that matches nothing is not stale, as a waiver would be. A waiver excuses what one
    endpoint does wrong, for a time; the pattern says what this gate's clients can do without, and that stays true where
    an endpoint does have the option. One gate judges several endpoints, and each lacks something else.
    """

    fail: tuple[str, ...] = ("MUST",)
    warn: tuple[str, ...] = ("SHOULD",)
    accept_skip: tuple[str, ...] = ("*",)
    accept_unsupported: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    slo: Mapping[str, float] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    source: str = "defaults"

    def grade(self, level: str) -> str:
        """What a failure of that level is: `fail`, `warn` or `note`."""
        if level in self.fail:
            return "fail"
        return "warn" if level in self.warn else "note"

    def accepts_skip(self, check: str) -> bool:
        """Whether that check may be skipped without leaving the run unjudged."""
        return any(matches(pattern, check) for pattern in self.accept_skip)

    def accepts_unsupported(self, route: str, parameter: str) -> bool:
        """Whether an endpoint may lack that option: by the parameter's name, or with its route before it."""
        names = (parameter, f"{route}.{parameter}")
        return any(matches(pattern, name) for pattern in self.accept_unsupported for name in names)

    def waiver_for(self, check: str, today: date) -> Waiver | None:
        """The first waiver in force that covers a check; None without one."""
        return next((one for one in self.waivers if one.covers(check) and not one.expired(today)), None)

    @classmethod
    def read(cls, path: Path | None = None) -> Gate:
        """The gate in that file, or the defaults without one; raises `GateError` for anything it does not know."""
        if path is None:
            return cls()
        try:
            text = path.read_bytes().decode("utf-8")
            document = tomllib.loads(text)
        except OSError as error:
            raise GateError(f"cannot read {path}: {error.strerror or error}; check the name") from None
        except UnicodeDecodeError:
            raise GateError(f"{path} is not UTF-8 text; save it as UTF-8") from None
        except tomllib.TOMLDecodeError as error:
            raise GateError(f"{path} is not TOML: {error}; correct that line") from None
        return _Reader(path, text).gate(document)


def matches(pattern: str, check: str) -> bool:
    """Whether a check's id is that text or matches it as a shell pattern; ids may themselves have brackets."""
    return pattern == check or fnmatchcase(check, pattern)


class _Reader:
    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def gate(self, document: Mapping[str, Any]) -> Gate:
        self._known(document, _TABLES, "")
        levels = self._table(document, "levels", ("fail", "warn"))
        fail = self._levels(levels, "fail", ("MUST",))
        warn = self._levels(levels, "warn", tuple(level for level in ("SHOULD",) if level not in fail))
        if both := set(fail) & set(warn):
            raise self._error("levels", "warn", f"{', '.join(sorted(both))} is in `fail` too; leave it in one of them")
        accept = self._table(document, "accept", ("skip", "unsupported"))
        return Gate(
            fail=fail,
            warn=warn,
            accept_skip=self._skips(accept),
            accept_unsupported=self._patterns(accept, "accept", "unsupported", '["best_of", "chat.logprobs"]'),
            routes=self._routes(self._table(document, "routes", ("require",))),
            slo=self._slo(self._table(document, "slo", (*OBJECTIVES, *LIMIT_OBJECTIVES))),
            waivers=self._waivers(document.get("waiver", [])),
            source=str(self._path),
        )

    def _levels(self, table: Mapping[str, Any], key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = table.get(key, default)
        if not isinstance(value, list | tuple) or any(level not in LEVELS for level in value):
            raise self._error("levels", key, f'write a list of {", ".join(LEVELS)}, like {key} = ["MUST"]')
        return tuple(value)

    def _skips(self, table: Mapping[str, Any]) -> tuple[str, ...]:
        value = table.get("skip", True)
        if isinstance(value, bool):
            return ("*",) if value else ()
        if not isinstance(value, list) or not all(isinstance(pattern, str) and pattern for pattern in value):
            raise self._error(
                "accept", "skip", 'write true, false, or a list of patterns, like skip = ["completions.*"]'
            )
        return tuple(value)

    def _patterns(self, table: Mapping[str, Any], name: str, key: str, example: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(pattern, str) and pattern for pattern in value):
            raise self._error(name, key, f"write a list of patterns, like {key} = {example}")
        return tuple(value)

    def _routes(self, table: Mapping[str, Any]) -> tuple[str, ...]:
        value = table.get("require", [])
        if not isinstance(value, list) or any(route not in ROUTES for route in value):
            raise self._error("routes", "require", f'write a list of {", ".join(ROUTES)}, like require = ["chat"]')
        return tuple(dict.fromkeys(value))

    def _slo(self, table: Mapping[str, Any]) -> dict[str, float]:
        examples = {name: one.example for name, one in OBJECTIVES.items()}
        examples |= {name: one.example for name, one in LIMIT_OBJECTIVES.items()}
        for key, value in table.items():
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < float("inf"):
                raise self._error("slo", key, f"write a number, like {key} = {examples[key]:g}")
            if key in SHARES and value > 1:
                raise self._error("slo", key, f"it is a share from 0 to 1, like {key} = {OBJECTIVES[key].example:g}")
        return {key: float(value) for key, value in table.items()}

    def _waivers(self, tables: Any) -> tuple[Waiver, ...]:
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self._error("waiver", "", "write each waiver under [[waiver]], with two brackets on each side")
        places = [number for number, line in enumerate(self._lines, 1) if re.match(r"\s*\[\[\s*waiver\s*\]\]", line)]
        places += [0] * (len(tables) - len(places))
        return tuple(self._waiver(table, line) for table, line in zip(tables, places, strict=False))

    def _waiver(self, table: Mapping[str, Any], line: int) -> Waiver:
        where = f"{self._path}, line {line}, [[waiver]]" if line else f"{self._path}, [[waiver]]"
        for key in table:
            if key not in _WAIVER_KEYS:
                raise GateError(f"{where}: unknown key `{key}`; a waiver has {', '.join(_WAIVER_KEYS)}")
        for key in ("check", "reason"):
            value = table.get(key)
            if not isinstance(value, str) or not value.strip():
                raise GateError(f"{where}: no `{key}`; write {key} = {_WAIVER_EXAMPLES[key]}")
        until = table.get("until")
        if not isinstance(until, date) or isinstance(until, datetime):
            raise GateError(f"{where}: no `until` that is a date; write until = 2030-01-31, without quotes")
        return Waiver(check=table["check"], reason=" ".join(table["reason"].split()), until=until, line=line)

    def _table(self, document: Mapping[str, Any], name: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
        table = document.get(name, {})
        if not isinstance(table, dict):
            raise self._error("", name, f"write it as a table: [{name}] on a line of its own")
        self._known(table, keys, name)
        return table

    def _known(self, table: Mapping[str, Any], keys: tuple[str, ...], name: str) -> None:
        for key in table:
            if key not in keys:
                where = f"[{name}] has" if name else "a gate has"
                raise self._error(name, key, f"unknown key; {where} {', '.join(keys)}")

    def _error(self, table: str, key: str, what: str) -> GateError:
        line = self._line(table, key)
        place = ".".join(part for part in (table, key) if part)
        return GateError(f"{self._path}{f', line {line}' if line else ''}, {place}: {what}")

    def _line(self, table: str, key: str) -> int:
        """The line of that key in that table, 0 when it cannot be told; the parser itself keeps no lines."""
        inside = not table
        for number, line in enumerate(self._lines, 1):
            if header := re.match(r"\s*\[+\s*\"?([\w-]+)", line):
                inside = header[1] == table
                if header[1] == (table or key) and (not table or not key):
                    return number
            elif inside and re.match(rf"\s*\"?{re.escape(key)}\"?\s*[=.]", line):
                return number
        return 0


_WAIVER_EXAMPLES = {"check": '"chat.stream.done" (a check\'s id or a pattern)', "reason": '"why it is accepted"'}
