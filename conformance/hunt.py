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
from conformance.strategies.dialect import Json, canonical

# What a simpler request in the report may cost.
SHRINKING_REQUESTS = 20


def hunt(
    strategy: SearchStrategy[Any],
    ask: Callable[[Json], None],
    *,
    examples: int,
    seed: int,
    shrink: bool = True,
) -> None:
    """Ask with `examples` values of the strategy; raise the `Violation` of the simplest value found that has one.

    `ask` sends a value and raises `Violation` when the answer is wrong; anything else that it raises ends the
    hunt and is raised as it is. Safe to call from several threads.
    """
    if examples < 1:
        return
    memory = _Memory(ask)
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)

    @seeded(seed)
    @settings(
        max_examples=examples,
        phases=phases,
        database=None,
        deadline=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def search(value: Json) -> None:
        memory.recall(value)

    try:
        search()
    except Violation as violation:
        # Hypothesis adds its own advice, which is about its own files.
        violation.__notes__ = []
        raise
    except Unsatisfiable:
        # The strategy has no more to give; that is no fault of the endpoint.
        return
    finally:
        memory.finish()


class _Memory:
    """Remembers how each value was answered, so that a search in circles costs nothing."""

    def __init__(self, ask: Callable[[Json], None]) -> None:
        self._ask = ask
        self._known: dict[str, Violation | None] = {}
        self._left = SHRINKING_REQUESTS
        self._failed = False
        self._aborted: BaseException | None = None

    def recall(self, value: Json) -> None:
        """Raise what asking with the value raised, asking only if that is not known and still allowed."""
        key = canonical(value)
        if key not in self._known:
            self._known[key] = self._first(value)
        violation = self._known[key]
        if violation is not None:
            raise violation

    def finish(self) -> None:
        """Raise what ended the hunt before its time, if anything did."""
        if self._aborted is not None:
            raise self._aborted

    def _first(self, value: Json) -> Violation | None:
        if self._aborted is not None or (self._failed and self._left <= 0):
            return None
        self._left -= self._failed
        try:
            self._ask(value)
        except Violation as violation:
            self._failed = True
            return violation
        except Exception as error:  # noqa: BLE001 - raised again by `finish`, out of reach of the search
            self._aborted = error
        return None
