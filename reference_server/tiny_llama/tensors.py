"""Tensors in bfloat16, row by row into a safetensors file: a model of any size is written in bounded memory.

Law: the bytes follow from the seed alone, on every machine: sums and products only, no logarithm of a library.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

# Values that are drawn once; each row takes a stretch of them that begins anywhere.
_POOL = 1 << 17
_FLUSH = 1 << 20
ITEM = 2

Span = tuple[int, int, float]


@dataclass(frozen=True)
class Tensor:
    """A named tensor of rows; `rows` yields each as little-endian bfloat16."""

    name: str
    shape: tuple[int, ...]
    rows: Iterable[bytes]

    @property
    def size(self) -> int:
        """Its length in the file, in bytes."""
        count = ITEM
        for one in self.shape:
            count *= one
        return count


def bfloat16(values: Sequence[float]) -> bytes:
    """The values rounded to bfloat16, ties to even, which is the upper half of a float32; little-endian."""
    whole = struct.unpack(f"<{len(values)}I", struct.pack(f"<{len(values)}f", *values))
    return struct.pack(f"<{len(values)}H", *((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 for bits in whole))


class Noise:
    """Random rows of a near-normal distribution, from one seed."""

    def __init__(self, seed: int, widest: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - weights, not secrets
        draw = self._random.random
        # The sum of four uniform values, brought to a deviation of 1.
        self._values = [(draw() + draw() + draw() + draw() - 2.0) * 1.7320508 for _ in range(_POOL + widest)]
        self._scaled: dict[float, bytes] = {}

    def values(self, count: int, scale: float) -> list[float]:
        """So many values of that deviation."""
        start = self._random.randrange(_POOL)
        return [value * scale for value in self._values[start : start + count]]

    def uniform(self, low: float, high: float) -> float:
        """One value between the two."""
        return low + (high - low) * self._random.random()

    def row(self, width: int, spans: Iterable[Span], fixed: Mapping[int, float] | None = None) -> bytes:
        """A row of `width` values: noise of a deviation in each span (start, length, deviation), else 0 or `fixed`."""
        row = bytearray(ITEM * width)
        for start, length, scale in spans:
            if scale:
                place = ITEM * self._random.randrange(_POOL)
                row[ITEM * start : ITEM * (start + length)] = self._pool(scale)[place : place + ITEM * length]
        for place, value in (fixed or {}).items():
            row[ITEM * place : ITEM * (place + 1)] = bfloat16((value,))
        return bytes(row)

    def _pool(self, scale: float) -> bytes:
        if scale not in self._scaled:
            self._scaled[scale] = bfloat16([value * scale for value in self._values])
        return self._scaled[scale]


def write(file: BinaryIO, tensors: Sequence[Tensor]) -> None:
    """Write a safetensors file of these tensors; `ValueError` when the rows of one are not of its shape."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in tensors:
        start, end = end, end + tensor.size
        header[tensor.name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    for tensor in tensors:
        written = 0
        for block in _blocks(tensor.rows):
            written += len(block)
            file.write(block)
        if written != tensor.size:
            raise ValueError(f"{tensor.name} has {written} bytes, not {tensor.size}")


def _blocks(rows: Iterable[bytes]) -> Iterator[bytes]:
    block = bytearray()
    for row in rows:
        block += row
        if len(block) >= _FLUSH:
            yield bytes(block)
            block.clear()
    yield bytes(block)
