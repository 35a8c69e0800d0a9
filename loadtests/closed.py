"""A closed loop: users, each of whom sends when its last answer has ended, and thinks in between.

Law: a user's requests have numbers of their own, so that they are the same whoever else is slow; and all users together
send no more than the plan says.
"""

from __future__ import annotations

from collections.abc import Callable

from loadtests.plans import Plan


class ClosedLoop:
    """The users of a plan that worker `index` of `workers` has. Requests are shared out as the users are."""

    def __init__(self, plan: Plan, seed: int, index: int = 0, workers: int = 1) -> None:
        self._plan = plan
        self._seed = seed
        self._all = plan.profile.concurrency
        self.users = range(self._all)[index::workers]
        # User u of U sends the requests u, u + U, u + 2U, …: those below the plan's number are this worker's.
        self.requests = sum(len(range(user, plan.scheduled, self._all)) for user in self.users)
        self._begun = 0

    def live(
        self, user: int, send: Callable[[int], bool], wait: Callable[[float], bool], now: Callable[[], float]
    ) -> None:
        """One user's run: until the time is over, the requests are used up, or `send` or `wait` says that it is.

        `send` sends the request of that number, waits for its end and returns whether to go on; `wait` waits that many
        seconds and returns whether to stop; `now` is the seconds since the start.
        """
        number = user
        while now() < self._plan.seconds and self._begun < self.requests:
            self._begun += 1
            if not send(number):
                return
            number += self._all
            pause = self._plan.pause(self._seed, number)
            # Nobody waits beyond the end to then send nothing.
            if pause and (now() + pause >= self._plan.seconds or wait(pause)):
                return
