"""A peer's processes: bounded in time, and none is left when they are over.

Law: only what was started here is ended, by its group; what left the group stays in the session, and is found there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

_LOOK = 0.05
_LAST = 5.0


def ended(command: list[str], env: dict[str, str], place: Path, seconds: float) -> tuple[int | None, str]:
    """Run `command` in `place`: its status, None where `seconds` were not enough, and the end of what it printed."""
    said = place / "said.txt"
    with said.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=place,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        status = None
        try:
            status = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _end(process)
    return status, said.read_text(errors="replace").strip()[-300:]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End all of the session that `process` leads: asked first, and then no more."""
    process.poll()
    for pid in _session(process.pid):
        _tell(pid, signal.SIGTERM)
    for look in range(int(2 * _LAST / _LOOK)):
        process.poll()
        left = _session(process.pid)
        if not left:
            break
        if look * _LOOK >= _LAST:
            for pid in left:
                _tell(pid, signal.SIGKILL)
        time.sleep(_LOOK)
    process.wait(timeout=_LAST)


def _tell(pid: int, signum: signal.Signals) -> None:
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return


def _session(leader: int) -> list[int]:
    """The processes of a session that still run."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                # The name of the program is in brackets and may hold anything; what follows is in order.
                state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(session) == leader and state != "Z":
                found.append(int(folder.name))
    return found
