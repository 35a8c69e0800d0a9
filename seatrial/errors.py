"""What ends a command in one line: the user's mistake, or a reason why there is no judgement.

Law: neither is ever the endpoint's breach of contract, which is an outcome and no exception.
"""

from __future__ import annotations

CONFORMS, BREACH, USAGE, NO_JUDGEMENT = 0, 1, 2, 3


class UserError(Exception):
    """What was asked for makes no sense or is not there; the message says what to do. Exit code 2."""


class NoJudgement(Exception):
    """The endpoint could not be judged; the message says why and what to do. Exit code 3."""
