from __future__ import annotations

import pytest

from loadtests.limits.charging import judged_tokens, price_of
from loadtests.limits.finding import finding
from loadtests.limits.observed import Asked
from loadtests.limits.prober import Prober
from loadtests.limits.steps import Bounds
from loadtests.limits.virtual import Answer, rehearse
from reference_server.meters import SECOND
from tests.loadtests.limits.worlds import NEAR, meter

LIMIT = 40_000


@pytest.mark.parametrize("kind", ["fixed", "bucket"])
@pytest.mark.parametrize("way", ["asked", "asked, settled by usage", "usage"])
def test_the_limit_of_tokens_and_how_they_are_charged(kind: str, way: str) -> None:
    counts = meter(kind, LIMIT)

    def admit(now: float, asked: Asked) -> Answer:
        at = round(now * SECOND)
        most, used = asked.prompt + asked.max_tokens, asked.prompt + 1
        charge = used if way == "usage" else most
        if wait := counts.wait(charge, at):
            return Answer(passed=False, retry_after=float(-(-wait // SECOND)))
        counts.add(charge, at)

        def settle(then: float) -> None:
            if way == "asked, settled by usage":
                counts.settle(at, used - most, round(then * SECOND))

        return Answer(passed=True, used=used, settle=settle)

    prober = Prober(
        Bounds(requests=2000, refused=200, seconds=400, rate=20, aim=100),
        judged_tokens,
        plain=Asked(prompt=400),
        finer=[Asked(prompt=100), Asked(prompt=25)],
        wide=Asked(kind="wide", prompt=16, max_tokens=400),
    )
    rehearse(prober, admit, NEAR, start=17.3)
    found = finding(prober, "tokens", price_of(prober.seen, prober.opinion))
    assert found.low <= LIMIT * 1.005
    assert found.high >= LIMIT * 0.995
    assert found.high <= found.low * 1.025
    assert found.opinion.best is not None
    named = found.opinion.best.price.split(" or ")
    assert way in named
    assert ("asked" in named) == (way == "asked")
