"""Every fault and every legal variation."""

from __future__ import annotations

from typing import Any

from benchmarks.detection import legal
from benchmarks.detection.faults import (
    access,
    errors,
    fields,
    generation,
    isolation,
    logprobs,
    pacing,
    requests,
    service,
    stopping,
    streaming,
    usage,
)
from benchmarks.detection.model import Deviation

_MODULES: Any = (
    requests,
    fields,
    usage,
    generation,
    stopping,
    logprobs,
    streaming,
    pacing,
    errors,
    access,
    isolation,
    service,
)
FAULTS: tuple[Deviation, ...] = tuple(fault for module in _MODULES for fault in module.FAULTS)
LEGAL: tuple[Deviation, ...] = tuple(legal.VARIATIONS)


def find(name: str) -> Deviation:
    """The fault or variation of that id; `KeyError` for none."""
    return {one.id: one for one in (*FAULTS, *LEGAL)}[name]
