"""Where the endpoint's key comes from: an environment variable or a file, never the command line."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from conformance.wire.redact import SHORTEST_KEY
from seatrial.errors import UserError

VARIABLE = "SEATRIAL_API_KEY"
_LONGEST_FILE = 64 << 10


def find_key(
    *,
    variable: str | None,
    file: Path | None,
    none: bool,
    environ: Mapping[str, str],
    warn: Callable[[str], None],
) -> str | None:
    """The key out of what was named, else out of `SEATRIAL_API_KEY`; None for an endpoint without one.

    `warn` gets a line for a file that others can read. Raises `UserError` when what was named has no key.
    """
    if sum((variable is not None, file is not None, none)) > 1:
        raise UserError("--key-env, --key-file and --no-key exclude each other; give one of them")
    if none:
        return None
    if file is not None:
        return _usable(_from_file(file, warn), f"the key file {file}")
    if variable is not None:
        if variable not in environ:
            raise UserError(f"the environment has no variable {variable}; set it, or name another with --key-env")
        return _usable(environ[variable], f"the variable {variable}")
    # In a CI system a secret that is not there is an empty variable: what an endpoint says to that is judged later.
    key = environ.get(VARIABLE, "")
    return _usable(key, f"the variable {VARIABLE}") if key.strip() else None


def _from_file(file: Path, warn: Callable[[str], None]) -> str:
    try:
        with file.open("rb") as opened:
            raw = opened.read(_LONGEST_FILE + 1)
            mode = file.stat().st_mode
    except OSError as error:
        raise UserError(f"cannot read the key file {file}: {error.strerror or error}; check the name") from None
    if stat.S_ISREG(mode) and mode & stat.S_IROTH:
        warn(f"everybody on this machine can read the key file {file}; chmod 600 {file}")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UserError(f"the key file {file} is not text; it has the key and nothing else") from None


def _usable(text: str, place: str) -> str:
    """The key without the blanks around it; `UserError` for one that no header can carry or no log can hide."""
    key = text.strip()
    if not key:
        raise UserError(f"{place} is empty; put the key in it, or say --no-key for an endpoint without one")
    if len(key.split()) > 1:
        raise UserError(f"{place} has more than one word or line in it; it is to have the key and nothing else")
    if not key.isascii() or not key.isprintable():
        raise UserError(f"{place} has a character that no HTTP header can carry; copy the key again")
    if len(key) < SHORTEST_KEY:
        raise UserError(f"{place} has fewer than {SHORTEST_KEY} characters; a key so short cannot be kept out of a log")
    return key
