"""The tokens that a run may still spend: set aside before a request, settled by what the endpoint counted after it.

Law: what a request under way may cost is spoken for until it has ended, so that no two of them count on the same room.
"""

from __future__ import annotations

from loadtests.streams import Reading
from loadtests.workload import Asked


class Budget:
    """`room` tokens; `spent` of them are gone."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.spent = 0
        self._held = 0
        # Tokens that the endpoint counted for each that a prompt was meant to have; 0: not known yet.
        self._dearest = 0.0

    def hold(self, asked: Asked) -> int:
        """Set aside what one request more may cost and return it; 0 where that is more than there is left."""
        most = self._most(asked)
        if self.spent + self._held + most > self.room:
            return 0
        self._held += most
        return most

    def release(self, held: int) -> None:
        """Give back what `hold` took, for a request that is not sent."""
        self._held -= held

    def settle(self, reading: Reading, asked: Asked, held: int = 0) -> int:
        """Spend what a request has cost in place of what `hold` took for it; returns the cost."""
        cost = _cost(reading, asked)
        self._held -= held
        self.spent += cost
        self._dearest = max(self._dearest, (reading.prompt_tokens or 0) / asked.likely_prompt)
        return cost

    def _most(self, asked: Asked) -> int:
        """The most that one request more may cost, as far as the endpoint's own counts have shown."""
        # Words differ in their tokens, so a quarter more than the dearest prompt so far.
        prompt = int(1.25 * self._dearest * asked.likely_prompt) + 4 if self._dearest else asked.most_prompt
        return min(prompt, asked.most_prompt) + asked.max_tokens


def _cost(reading: Reading, asked: Asked) -> int:
    """The tokens that a request has cost: what the endpoint says, or else what it may have charged."""
    if reading.status != 200 and reading.outcome not in {"timeout", "abandoned"}:
        return 0
    prompt = reading.prompt_tokens
    completion = reading.completion_tokens
    # A whole answer without a count may have had any length.
    unknown = reading.chunks if asked.kind.stream else asked.max_tokens
    return (asked.most_prompt if prompt is None else prompt) + (unknown if completion is None else completion)
