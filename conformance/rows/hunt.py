"""Asks with random values until one is answered wrongly, and then looks for a simpler one that is too.

Law: a value is asked once at most; looking for a simpler one costs a bounded number of requests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy

from conformance.check import Violation
from conformance.rows.simpler import fewest, simpler
from conformance.strategies.dialect import Json, canonical
from conformance.strategies.provider import BACKEND

# What a simpler request in the report may cost.
SIMPLER_REQUESTS = 20
# The same where no answer came, since each of these may cost the whole timeout of a request.
SIMPLER_UNANSWERED = 4


def hunt(
    strategy: SearchStrategy[Any],
    ask: Callable[[Json], None],
    *,
    examples: int,
    seed: int,
    shrink: bool = True,
    accepts: Callable[[Json], bool] = lambda _: True,
) -> None:
    """Ask with `examples` values of the strategy; raise the `Violation` of the simplest value found that has one.

    `ask` sends a value and raises `Violation` when the answer is wrong; anything else that it raises ends the hunt.
    `accepts` tells which values may be asked while a simpler one is looked for. Safe to call from several threads.
    """
    if examples < 1:
        return
    memory = _Memory(ask)

    # Hypothesis shrinks what it drew, choice by choice, and needs hundreds of requests for what `simpler` finds in a
    # few: it cannot know that a property can be left out.
    @seeded(seed)
    @settings(
        max_examples=examples,
        phases=[Phase.generate],
        database=None,
        backend=BACKEND,
        deadline=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def search(value: Json) -> None:
        violation = memory.recall(value)
        if violation is not None:
            memory.failing = value
            raise violation

    try:
        search()
    except Violation as violation:
        # Hypothesis adds its own advice, which is about its own files.
        violation.__notes__ = []
        raise (_simplest(memory, violation, accepts) if shrink else violation) from None
    except Unsatisfiable:
        # The strategy has no more to give; that is no fault of the endpoint.
        pass
    if memory.aborted is not None:
        raise memory.aborted


def _simplest(memory: _Memory, violation: Violation, accepts: Callable[[Json], bool]) -> Violation:
    """The violation of the simplest failing value that a few more requests find."""
    unanswered = any(exchange.failure for exchange in violation.exchanges)
    memory.left = SIMPLER_UNANSWERED if unanswered else SIMPLER_REQUESTS

    def fails(variant: Json) -> bool:
        return accepts(variant) and memory.recall(variant) is not None

    value: Json = fewest(memory.failing, fails) if isinstance(memory.failing, dict) else memory.failing
    following: Json = value
    while following is not ...:
        value = following
        following = next((variant for variant in simpler(value) if fails(variant)), ...)
    return memory.recall(value) or violation


class _Memory:
    """Remembers how each value was answered, so that a search in circles costs nothing.

    `left` is how many more requests may be sent (None for no limit); `aborted` is what ended the hunt, if anything did.
    """

    def __init__(self, ask: Callable[[Json], None]) -> None:
        self.failing: Json = None
        self.left: int | None = None
        self.aborted: Exception | None = None
        self._ask = ask
        self._known: dict[str, Violation | None] = {}

    def recall(self, value: Json) -> Violation | None:
        """What asking with the value raised, asking only if that is not known and still allowed."""
        key = canonical(value)
        if key not in self._known:
            self._known[key] = self._first(value)
        return self._known[key]

    def _first(self, value: Json) -> Violation | None:
        if self.aborted is not None or self.left == 0:
            return None
        if self.left is not None:
            self.left -= 1
        try:
            self._ask(value)
        except Violation as violation:
            return violation
        except Exception as error:  # noqa: BLE001 - raised again by `hunt`, out of reach of the search
            self.aborted = error
        return None
