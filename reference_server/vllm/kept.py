"""A command that cannot outlive this process: our side of `keeper.py`.

Law: only the process group that was made here is ever signalled, and as long as its leader has not been collected, so
that its number belongs to nobody else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_KEEPER = Path(__file__).with_name("keeper.py")
# What the keeper needs beside the seconds that it gives its server.
_MARGIN = 10.0
_POLL = 0.02


class Kept:
    """A running command under its keeper; `secret` is what it reads from the file that `variable` names.

    Its output goes to `log`; a stop lets it end in order for so many seconds.
    """

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        log: Path,
        *,
        stop_timeout: float,
        variable: str = "",
        secret: bytes = b"",
    ) -> None:
        self._stop_timeout = stop_timeout
        passed: tuple[int, ...] = ()
        environ = dict(environ)
        if variable:
            reader, writer = os.pipe()
            passed = (reader,)
            environ[variable] = f"/dev/fd/{reader}"
        try:
            with log.open("ab") as output:
                self._process = subprocess.Popen(  # noqa: S603 - our own module, and the command that was asked for
                    # -I and -S: the keeper sees neither the user's folder and variables nor any package.
                    [sys.executable, "-I", "-S", str(_KEEPER), str(stop_timeout), *command],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environ,
                    pass_fds=passed,
                    # A Ctrl-C at the terminal is for us: we stop the server in order.
                    start_new_session=True,
                )
            if variable:
                # It fits into the pipe, so that nobody has to wait for a reader.
                with contextlib.suppress(BrokenPipeError):
                    os.write(writer, secret)
        finally:
            if variable:
                os.close(reader)
                os.close(writer)

    @property
    def pid(self) -> int:
        """The keeper's process, which is its group's number too."""
        return self._process.pid

    def status(self) -> int | None:
        """The exit status (negative: the signal that ended it); None while it runs."""
        if self._process.returncode is not None:
            return self._process.returncode
        # Looked at without being collected: the group's number stays ours.
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def stop(self) -> None:
        """End the command and everything that it started; returns when all of it is gone."""
        if self._process.returncode is not None:
            return
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        deadline = time.monotonic() + self._stop_timeout + _MARGIN
        while self.status() is None and time.monotonic() < deadline:
            time.sleep(_POLL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
