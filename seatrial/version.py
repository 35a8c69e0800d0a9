"""Which version of Seatrial this is."""

from __future__ import annotations

from importlib import metadata

UNKNOWN = "0+unknown"


def version() -> str:
    """The installed version; `0+unknown` in a clone that was not installed."""
    try:
        return metadata.version("seatrial")
    except metadata.PackageNotFoundError:
        return UNKNOWN
