"""How a request is charged to a quota of tokens: the ways there are, and which of them explains what was seen.

Law: where requests that were seen cost the same in two ways, neither is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from loadtests.limits.observed import Asked, Observation, Price
from loadtests.limits.opinion import Opinion, judged


def tokens_used(one: Observation) -> float:
    """The tokens that a request used by the endpoint's count, or may have used where it gave none."""
    return float(one.asked.prompt + one.asked.max_tokens if one.used is None else one.used)


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


def judged_tokens(seen: Sequence[Observation]) -> Opinion:
    """What observations mean for a quota of tokens: the way of charging that they contradict least."""
    ways = prices(seen)
    alike = all(abs(ways["asked"](one)[0] - ways["usage"](one)[0]) <= 0.02 * ways["asked"](one)[0] for one in seen)
    if alike:
        return judged(seen, price=ways["usage"], label="")
    opinions = [judged(seen, price=price, label=name) for name, price in ways.items()]
    known = [one for one in opinions if one.best is not None]
    if not known:
        return opinions[0]
    known.sort(key=lambda one: one.best.contradictions if one.best else 0)
    best = known[0]
    rival = next((one for one in known[1:] if one.best and best.best), None)
    if rival is not None and rival.best and best.best and rival.best.contradictions <= best.best.contradictions + 1:
        return replace(best, best=replace(best.best, price=""))
    return best
