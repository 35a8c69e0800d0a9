"""One valid request to each route before anything else, to see whether the endpoint can be judged at all.

What is found here is nobody's breach of contract: a wrong address, a wrong key, a model that has to be named, a server
that is down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from conformance import models
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


@dataclass(frozen=True)
class Ready:
    """An endpoint that can be judged: the routes that answer, and the model that it wants where nobody named one."""

    served: tuple[Route, ...]
    model: models.Named | None = None


@dataclass
class _Tried:
    """What the routes made of a plain request: those that answer anything but 'not found', and all answers."""

    served: list[Route]
    answers: list[Exchange]

    @property
    def wants_model(self) -> bool:
        """Whether a model has to be named: one route may say so for another reason, if the other answers."""
        answered = any(answer.status == 200 for answer in self.answers)
        return not answered and any(map(models.wants_model, self.answers))


def preflight(courier: Courier, contract: Contract, settings: Settings) -> Ready:
    """The routes that answer, and with which model; `CannotJudge` when there is no point in going on."""
    tried, model = _tried(courier, contract, settings, "preflight"), None
    if settings.model is None and tried.wants_model:
        model = _model(courier, contract, settings, tried)
        tried = _tried(courier, contract, replace(settings, model=model.name), "preflight-model")
    if not tried.served:
        raise CannotJudge(_nothing_there(tried.answers, contract), "check the URL, and the contract with --contract")
    if all(answer.media_type == "text/html" for answer in tried.answers):
        raise CannotJudge(
            f"a web page answers (status {tried.answers[0].status}), no model endpoint", "give the endpoint's own URL"
        )
    return Ready(tuple(tried.served), model)


def _model(courier: Courier, contract: Contract, settings: Settings, tried: _Tried) -> models.Named:
    """The model that the endpoint names of itself; `CannotJudge` when it names none."""
    asked: list[str] = []
    for where, names in _named(Api(courier, contract, settings, Shared(), scope="preflight-models")):
        asked.append(where)
        if len(names) > 1:
            raise CannotJudge(models.several(names), "name one with --model")
        if names:
            return models.Named(names[0], where)
    wanting = next(answer for answer in tried.answers if models.wants_model(answer))
    raise CannotJudge(
        f"the endpoint wants a model (status {wanting.status}) and names none at {' or '.join(asked)}",
        "name it with --model",
    )


def _named(api: Api) -> Iterator[tuple[str, list[str]]]:
    """What each place says of the models, one after the other."""
    for path in models.beside(api.operation.path):
        yield path, models.names_in(_got(api, path))
    yield "/info", models.name_in(_got(api, "/info"))


def _got(api: Api, path: str) -> Exchange:
    """The answer to a GET with the contract's query, whatever it is worth."""
    query = api.path.partition("?")[1:]
    try:
        return api.send(b"", method="GET", path=path + "".join(query))
    except Violation as broken:
        return broken.exchanges[-1]
    except Inconclusive as error:
        raise CannotJudge(f"the endpoint wants a model, and was asked for its name: {error}", "use --model") from None


def _tried(courier: Courier, contract: Contract, settings: Settings, scope: str) -> _Tried:
    served: list[Route] = []
    answers: list[Exchange] = []
    for operation in contract.operations:
        api = Api(courier, contract, settings, Shared(), scope=f"{scope}:{operation.route}", route=operation.route)
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
    return _Tried(served, answers)


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
