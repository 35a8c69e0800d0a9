"""The append-only log of a run: JSON lines, written once and never changed.

Law: what stands in a log went through `redact`, and there is no other way in. A log that cannot be written says so
once; what was recorded until then stays.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

FORMAT = 1

Record = dict[str, Any]
Redact = Callable[[Record], Record]
EndStatus = Literal["complete", "interrupted", "aborted"]

_HINTS = {
    errno.ENOSPC: "free some space and run again",
    errno.EDQUOT: "your quota is used up; free some space and run again",
    errno.EACCES: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
    errno.ENOENT: "the folder does not exist; make it first",
    errno.EISDIR: "name a file, not a folder",
}


class LogError(Exception):
    """A log cannot be written or read; one line that says why and what to do."""


class LogWriter:
    """Writes the records of one run, from any thread; each is on disk when `write` returns.

    `redact` is applied to every record. Leaving the context without `end` writes one that says `interrupted` after a
    KeyboardInterrupt and `aborted` otherwise. Raises `LogError` when the file cannot be made or has something in it.
    """

    def __init__(self, path: Path, *, redact: Redact) -> None:
        self.path = path
        self._redact = redact
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._requests = 0
        self._tokens = 0
        self._ended = False
        self._broken = False
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o666)
        except OSError as error:
            raise LogError(_because(f"cannot make the log {path}", error)) from None
        status = os.fstat(self._file)
        self._regular = stat.S_ISREG(status.st_mode)
        if self._regular and status.st_size:
            os.close(self._file)
            raise LogError(f"{path} has something in it already; a log is never overwritten, so name another file")

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        status: EndStatus = "interrupted" if isinstance(error, KeyboardInterrupt) else "aborted"
        if error is None:
            reason = "the run left without saying that it was complete"
        else:
            reason = "stopped from the keyboard" if status == "interrupted" else f"{type(error).__name__}: {error}"
        try:
            # A log that cannot take its last line must not hide the exception that ended the run.
            with contextlib.suppress(LogError) if error is not None else contextlib.nullcontext():
                self.end(status, reason)
        finally:
            self.close()

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one record; raises `LogError` the first time the file does not take one, then does nothing more."""
        with self._lock:
            if self._ended:
                raise ValueError("a record after `end`: the run was over")
            self._append(record)

    def end(
        self,
        status: EndStatus = "complete",
        reason: str = "",
        *,
        seconds: float | None = None,
        requests: int | None = None,
        tokens: int | None = None,
    ) -> None:
        """Write the last record, once; later calls do nothing. Figures not given are those that the log has seen."""
        with self._lock:
            if self._ended:
                return
            # The order matters: whatever happens to the line, nothing may follow it.
            self._ended = True
            self._append(
                {
                    "type": "end",
                    "status": status,
                    "reason": reason,
                    "seconds": time.monotonic() - self._started if seconds is None else seconds,
                    "requests": self._requests if requests is None else requests,
                    "tokens": self._tokens if tokens is None else tokens,
                }
            )

    def close(self) -> None:
        """Close the file; does nothing the second time."""
        with self._lock:
            self._ended = True
            if self._file >= 0:
                with contextlib.suppress(OSError):
                    os.close(self._file)
                self._file = -1

    def _append(self, record: Mapping[str, Any]) -> None:
        if self._broken:
            return
        # Redacted first and made one line afterwards: an escape that JSON adds could hide a secret from the redaction.
        line = json.dumps(self._redact(dict(record)), separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"
        try:
            whole = self._size()
            self._put(line, whole)
        except OSError as error:
            self._broken = True
            raise LogError(_because(f"cannot write to the log {self.path}", error)) from None
        self._count(record)

    def _put(self, line: bytes, whole: int) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError:
            if written and self._regular:
                # Half a line helps nobody; the log ends with its last whole record.
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, whole)
            raise

    def _size(self) -> int:
        return os.fstat(self._file).st_size if self._regular else 0

    def _count(self, record: Mapping[str, Any]) -> None:
        kind = record.get("type")
        if kind in {"exchange", "sample"}:
            self._requests += 1
        if kind == "outcome":
            self._tokens += int(record.get("tokens", 0))
        elif kind in {"load", "limit"}:
            self._tokens += sum(int(record.get("tokens", {}).get(name, 0)) for name in ("prompt", "completion"))


def _because(what: str, error: OSError) -> str:
    hint = _HINTS.get(error.errno or 0, "nothing more was recorded")
    return f"{what}: {error.strerror or error}; {hint}"
