"""How a request is charged to a quota of tokens: the ways there are, and which of them explains what was seen.

Law: where requests that were seen cost the same in two ways, neither is named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from loadtests.limits.observed import Asked, Observation, Price, Timeline
from loadtests.limits.opinion import Opinion, judged
from loadtests.limits.tariff import Tariff

# A prompt is reckoned otherwise than it is counted in the end.
_ROOM = 1.02


def tokens_asked(one: Observation, sizes: Mapping[Asked, float]) -> float:
    """The tokens that a request may use at most, its prompt as the endpoint counted such prompts."""
    asked = one.asked
    return sizes.get(asked, float(asked.prompt)) + asked.max_tokens * max(1, asked.candidates)


def prices(seen: Sequence[Observation]) -> dict[str, Price]:
    """The ways to charge, by name: at once by what is asked for, the same but settled by the usage, by the usage."""
    sizes: dict[Asked, float] = {}
    for one in seen:
        if one.used is not None:
            # One answer has at least one token, so what was used less one is the prompt at most.
            sizes[one.asked] = min(sizes.get(one.asked, one.used), one.used - 1)
    typical: dict[Asked, float] = {}
    for asked in {one.asked for one in seen}:
        known = [one.used for one in seen if one.asked == asked and one.used is not None]
        typical[asked] = sum(known) / len(known) if known else float(asked.prompt + asked.max_tokens)

    def used(one: Observation) -> float:
        return typical[one.asked] if one.used is None else float(one.used)

    return {
        "usage": lambda one: (used(one), used(one)),
        "asked": lambda one: (tokens_asked(one, sizes), tokens_asked(one, sizes)),
        "asked, settled by usage": lambda one: (tokens_asked(one, sizes), used(one)),
    }


def price_of(seen: Sequence[Observation], opinion: Opinion) -> Price:
    """The price that an opinion rests on."""
    ways = prices(seen)
    return ways.get(opinion.best.price if opinion.best is not None else "", ways["usage"])


def judged_tokens(seen: Sequence[Observation], *, beyond: float = 0.0) -> Opinion:
    """What observations mean for a quota of tokens.

    The limit rests on those requests that use what they ask for; with it known, the others tell how they are charged.
    """
    wide = min((one.sent for one in seen if one.asked.kind == "wide"), default=math.inf)
    before = [one for one in seen if one.sent < wide]
    opinion = judged(before, price=prices(before)["usage"], label="", beyond=beyond)
    if opinion.best is None or len(before) == len(seen):
        return opinion
    wrong = {name: _contradictions(opinion, seen, price) for name, price in prices(seen).items()}
    least = min(wrong.values())
    names = " or ".join(name for name, count in wrong.items() if count == least)
    return replace(opinion, best=replace(opinion.best, price=names))


def agreed(named: str, tariff: Tariff) -> tuple[str, Tariff]:
    """The ways that fit all requests and what single ones showed; what speaks against the former is not said."""
    ways = named.split(" or ")
    wrong = {
        "usage": tariff.admission is True or tariff.settled is False,
        "asked": tariff.settled is True or tariff.admission is False,
        "asked, settled by usage": tariff.settled is False or tariff.admission is False,
    }
    left = [way for way in ways if not wrong.get(way, False)]
    if named == "asked" and left and tariff.settled is None:
        # All requests say so.
        tariff = replace(tariff, settled=False)
    if not tariff.by or named in ("", "each"):
        return named, tariff
    if not left:
        return named, Tariff(candidates=tariff.candidates)
    return " or ".join(left), tariff


def _contradictions(opinion: Opinion, seen: Sequence[Observation], price: Price) -> int:
    """How many requests contradict that limiter if they are charged so."""
    best = opinion.best
    if best is None:
        return 0
    timeline = Timeline(seen, slack=opinion.slack, price=price, refused=best.refused_count, failed=best.failed_count)
    at = best.limiter.counted(timeline)
    wrong = 0
    for index, one in enumerate(timeline.seen):
        least, most = at(index)
        own = timeline.prices[index][0]
        wrong += bool(one.passed) and least + own > best.high * _ROOM
        wrong += one.passed is False and most + own <= best.low / _ROOM
    return wrong
