"""Writes the emitted JSON Schemas, or says which committed one no longer equals its rows."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from schemas.emit import GENERATOR, emit_all

FOLDER = Path(__file__).parent / "json"


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Run `--write` or `--check` on that folder; 0 when all is well, 1 when a file differs from its rows."""
    parser = argparse.ArgumentParser(prog="python -m schemas", description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write every schema below schemas/json")
    mode.add_argument("--check", action="store_true", help="exit 1 and name the files that differ from the rows")
    if parser.parse_args(arguments).write:
        write(folder)
        return 0
    wrong = differences(folder)
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    return 1 if wrong else 0


def write(folder: Path) -> None:
    """Write every schema below that folder and remove the JSON files that no row emits any more."""
    texts = emit_all()
    for stale in _found(folder) - texts.keys():
        (folder / stale).unlink()
    for path, text in texts.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("utf-8"))


def differences(folder: Path) -> list[str]:
    """One line for each file that is missing, differs from its rows, or comes from no row."""
    texts = emit_all()
    found = _found(folder)
    lines = [f"{path}: no row emits it; remove it with `{GENERATOR}`" for path in sorted(found - texts.keys())]
    for path, text in texts.items():
        if path not in found:
            lines.append(f"{path}: missing; write it with `{GENERATOR}`")
        elif (folder / path).read_bytes() != text.encode("utf-8"):
            lines.append(f"{path}: differs from its rows; write it with `{GENERATOR}`")
    return lines


def _found(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*.json")}


if __name__ == "__main__":
    sys.exit(main())
