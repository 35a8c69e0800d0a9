"""Where random values come from: Hypothesis, without the constants of the modules that happen to be loaded.

Law: a seed names the same values in every process. Hypothesis by itself mixes in constants that it finds in the source
of loaded modules outside `site-packages`, so an editable install and a wheel would ask different things; it also keeps
what it found in a folder of the current directory, which is not ours to make.
"""

from __future__ import annotations

from typing import Any

from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

# The name by which `hypothesis.settings(backend=…)` finds the provider.
BACKEND = "seatrial"


class Unswayed(HypothesisProvider):
    """Draws from the ranges and alphabets of a strategy and from nothing else."""

    def _maybe_draw_constant(self, *_args: Any, **_kwargs: Any) -> None:
        return None


AVAILABLE_PROVIDERS[BACKEND] = f"{Unswayed.__module__}.{Unswayed.__qualname__}"
