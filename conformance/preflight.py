"""One valid request to each route before anything else, to see whether the endpoint can be judged at all.

What is found here is nobody's breach of contract: a wrong address, a wrong key, a server that is down.
"""

from __future__ import annotations

from conformance.api import Api, Unreachable
from conformance.check import Inconclusive, Violation
from conformance.courier import Courier
from conformance.settings import Settings
from conformance.shared import Shared
from conformance.wire.exchange import Exchange
from schemas.model import Contract, Route

HINTS = {
    "dns": "the host name is unknown; check the URL",
    "connect": "nothing takes connections there; check host and port, and that the endpoint is up",
    "tls": "the TLS handshake failed; check the certificate, or name its authority with --ca-file",
}


class CannotJudge(Exception):
    """The endpoint cannot be judged, and why; `hint` says what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message}; {hint}")
        self.message = message
        self.hint = hint


def preflight(courier: Courier, contract: Contract, settings: Settings) -> tuple[Route, ...]:
    """The routes that answer anything but 'not found'; `CannotJudge` when there is no point in going on."""
    served: list[Route] = []
    answers: list[Exchange] = []
    for operation in contract.operations:
        api = Api(courier, contract, settings, Shared(), scope=f"preflight:{operation.route}", route=operation.route)
        try:
            exchange = api.ask()
        except Unreachable as error:
            kind = str(error).split(":", maxsplit=1)[0]
            raise CannotJudge(str(error), HINTS.get(kind, "check the URL")) from None
        except Inconclusive as error:
            raise CannotJudge(str(error), "try again when the endpoint is less busy, or with larger budgets") from None
        except Violation as violation:
            # Something answers, if badly: that is for the checks to say.
            served.append(operation.route)
            answers.extend(violation.exchanges[-1:])
            continue
        answers.append(exchange)
        if exchange.status in (401, 403):
            raise no_access(exchange.status, settings.key)
        if exchange.status not in (404, 405):
            served.append(operation.route)
    if not served:
        raise CannotJudge(_nothing_there(answers, contract), "check the URL, and the contract with --contract")
    if all(answer.media_type == "text/html" for answer in answers):
        raise CannotJudge(
            f"a web page answers (status {answers[0].status}), no model endpoint", "give the endpoint's own URL"
        )
    return tuple(served)


def no_access(status: int | None, key: str | None) -> CannotJudge:
    """What a 401 or 403 to a valid request means for a run with that key."""
    if key is None:
        return CannotJudge(
            f"the endpoint wants a key (status {status}) and the run has none",
            "set SEATRIAL_API_KEY, or name another variable with --key-env or a file with --key-file",
        )
    return CannotJudge(f"the endpoint refused the key (status {status})", "check that the key belongs to this endpoint")


def _nothing_there(answers: list[Exchange], contract: Contract) -> str:
    paths = " and ".join(operation.path for operation in contract.operations)
    if answers and all(answer.media_type == "text/html" for answer in answers):
        return f"a web page answers on {paths} (status {answers[0].status}), no model endpoint"
    return f"the endpoint serves neither of {paths} (status {answers[-1].status})"
