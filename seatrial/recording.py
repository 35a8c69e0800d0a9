"""The log of a run: where it lies, its first record, and the redaction that everything in it goes through."""

from __future__ import annotations

import platform
import re
import uuid
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conformance.wire.redact import Redactor
from reports.log import FORMAT, LogError, LogWriter
from seatrial.errors import UserError
from seatrial.options import Options, Plan
from seatrial.version import version

FOLDER = "trials"
LATEST = "latest.jsonl"
_MOST_IN_A_SECOND = 50


def open_log(
    path: Path | None, options: Options, *, folder: Path, force: bool = False, secrets: tuple[str | None, ...] = ()
) -> LogWriter:
    """A new log at `path`, or at `trials/<time>-<host>.jsonl` in `folder` with `latest.jsonl` beside it.

    What lies there is only lost with `force`; `secrets` are hidden besides the run's own key. Raises `UserError` when
    a log cannot be made there.
    """
    redact = Redactor([key for key in (options.key, *secrets) if key]).record
    try:
        if path is not None:
            if force and path.is_file():
                path.unlink()
            return LogWriter(path, redact=redact)
        place = default_path(options.target.url, folder, datetime.now(UTC))
        place.parent.mkdir(exist_ok=True)
        _name_latest(place)
        return LogWriter(place, redact=redact)
    except LogError as error:
        hint = "" if force or path is None or not path.is_file() else " (or --force)"
        raise UserError(f"{error}{hint}") from None
    except OSError as error:
        raise UserError(f"cannot make the log: {error.strerror or error}; name a place for it with --log") from None


def _name_latest(log: Path) -> None:
    """Let `latest.jsonl` beside the log point at it: a convenience, and no error where links cannot be made."""
    link = log.with_name(f".{LATEST}.{uuid.uuid4().hex}")
    with suppress(OSError):
        link.symlink_to(log.name)
        link.replace(log.with_name(LATEST))


def default_path(url: str, folder: Path, now: datetime) -> Path:
    """Where the log of a run against that URL goes that begins now: a name that is not taken."""
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", urlsplit(url).netloc).strip("-") or "endpoint"
    stem = f"{now.strftime('%Y%m%dT%H%M%SZ')}-{host}"
    names = [stem, *(f"{stem}-{number}" for number in range(2, _MOST_IN_A_SECOND))]
    paths = [folder / FOLDER / f"{name}.jsonl" for name in names]
    return next((path for path in paths if not path.exists()), paths[-1])


def run_record(
    command: str, options: Options, plan: Plan, *, load: dict[str, Any] | None = None, only: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The first record of a run's log.

    `load` is the plan of its load, which names the profile; `only` are the checks that were selected otherwise than by
    the options.
    """
    settings = options.to_record()
    settings["only"] = list(only or options.only)
    settings["left_out"] = plan.left_out
    if load is not None:
        settings["load"] = load
    settings["python"] = platform.python_version()
    return {
        "type": "run",
        "format": FORMAT,
        "seatrial": version(),
        "id": uuid.uuid4().hex,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "target": options.target.url,
        "contract": options.contract.name,
        "seed": options.seed,
        "profile": load["name"] if load else "",
        "settings": settings,
        "planned": plan.ids,
        "rows": [_row(row) for row in plan.rows],
    }


def _row(row: Any) -> dict[str, Any]:
    names = ("id", "level", "quote", "line", "source", "untestable")
    return {name: value for name, value in asdict(row).items() if name in names}
