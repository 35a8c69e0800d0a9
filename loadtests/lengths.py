"""How long prompts and answers are, in tokens: one length for all, or drawn from a distribution.

Law: a distribution has a largest value, so that a plan's upper bound is one.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

LONGEST = 1_000_000
_FORMS = f"a number from 1 to {LONGEST:,}, uniform:LEAST-MOST or lognormal:MEDIAN:SIGMA[:MOST]"
# Without a largest value of its own a lognormal ends where three in a million of its values would lie beyond.
_SIGMAS = 4.5


@dataclass(frozen=True)
class Lengths:
    """A distribution of lengths from `least` to `most`, both allowed; `text` is how it was written."""

    text: str
    kind: str
    least: int
    most: int
    median: float = 0.0
    sigma: float = 0.0

    def draw(self, seed: int, number: int, what: str) -> int:
        """The length of the `number`-th `what`, the same for the same seed."""
        if self.least == self.most:
            return self.most
        draw = random.Random(f"{what}:{seed}:{number}")  # noqa: S311 - a length is no secret
        if self.kind == "uniform":
            return draw.randint(self.least, self.most)
        return max(self.least, min(self.most, round(draw.lognormvariate(math.log(self.median), self.sigma))))

    @property
    def mean(self) -> float:
        """The mean length."""
        if self.kind != "lognormal" or self.least == self.most:
            return (self.least + self.most) / 2
        # The mean of a lognormal that is cut at `most`: what lies beyond counts as `most`.
        mu, sigma = math.log(self.median), self.sigma
        edge = (math.log(self.most) - mu) / sigma
        inside = math.exp(mu + sigma * sigma / 2) * _normal(edge - sigma)
        return max(float(self.least), inside + self.most * (1 - _normal(edge)))

    def __str__(self) -> str:
        return self.text


def lengths(given: int | float | str, name: str = "a length") -> Lengths:
    """The distribution written as that; `ValueError` with the forms there are, and with `name`, for anything else."""
    text = f"{given:g}" if isinstance(given, float) else str(given).strip()
    try:
        return _bounded(text, *_parsed(text))
    except ValueError as error:
        reason = f" ({error.args[0]})" if error.args and str(error).startswith("the ") else ""
        raise ValueError(f"{name} is {_FORMS}, not {text!r}{reason}") from None


def _parsed(text: str) -> tuple[str, int, int, float, float]:
    kind, _, rest = text.partition(":")
    if not rest:
        return "fixed", int(text), int(text), 0.0, 0.0
    if kind == "uniform":
        first, last = rest.split("-")
        return kind, int(first), int(last), 0.0, 0.0
    if kind != "lognormal":
        raise ValueError(kind)
    parts = rest.split(":")
    if len(parts) not in (2, 3):
        raise ValueError(rest)
    median, sigma = float(parts[0]), float(parts[1])
    if not 1 <= median <= LONGEST or not 0 < sigma <= 3:
        raise ValueError("the sigma is from above 0 to 3, and the median at least 1")
    most = int(parts[2]) if len(parts) == 3 else min(LONGEST, math.ceil(median * math.exp(_SIGMAS * sigma)))
    return kind, 1, most, median, sigma


def _bounded(text: str, kind: str, least: int, most: int, median: float, sigma: float) -> Lengths:
    if not 1 <= least <= most <= LONGEST or (median and most < median):
        raise ValueError("the least is not above the most")
    return Lengths(text, kind, least, most, median, sigma)


def _normal(value: float) -> float:
    return (1 + math.erf(value / math.sqrt(2))) / 2
