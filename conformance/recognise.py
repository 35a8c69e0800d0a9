"""Which contract an endpoint speaks, decided by a few requests of one token each, and why.

Law: at most eight requests; what an endpoint says of itself is shown but never trusted further than as one sign.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.courier import Courier
from conformance.models import OTHER_TASK, Named, document, names_in, quoted, several, wants_model
from conformance.preflight import HINTS, CannotJudge, no_access
from conformance.wire.exchange import UNREACHABLE, Exchange, Sent

MOST_REQUESTS = 8
_QUERY = "?api-version=2024-05-01-preview"
_CHAT: Mapping[str, Any] = {"messages": [{"role": "user", "content": "Ahoy"}], "max_tokens": 1}
_TEXT: Mapping[str, Any] = {"prompt": "Ahoy", "max_tokens": 1}
_NOT_THERE = (404, 405)
_AZURE_HEADERS = ("x-ms-", "azureml-", "ms-azureml-", "apim-")
_BAD_VALUE = "seatrial-no-such-value"


# A sign of the vendor speaks for both of its contracts.
_SIGNS_OF: Mapping[str, tuple[str, ...]] = {
    "azure-llama": ("azure", "azure-llama"),
    "azure-inference": ("azure", "azure-inference"),
    "openai": ("openai",),
}


@dataclass(frozen=True)
class Recognised:
    """The contract that an endpoint most likely speaks; `why` ends the sentence 'contract: NAME, because …'.

    `certain` is false where another contract would fit as well; `named` is the model listed, where a request needs one;
    `exchanges` are the evidence.
    """

    contract: str
    why: str
    certain: bool = True
    named: Named | None = None
    exchanges: tuple[Exchange, ...] = ()

    @property
    def model(self) -> str | None:
        """The name of the model that goes along."""
        return self.named.name if self.named else None

    @property
    def line(self) -> str:
        """What the terminal and the log say of it."""
        doubt = "" if self.certain else " (a guess: --contract names another)"
        model = f"; it wants a model, so {self.named.goes_along}" if self.named else ""
        return f"contract: {self.contract}, because {self.why}{doubt}{model}"


def recognise(
    courier: Courier, *, key: str | None = None, model: str | None = None, timeout: float = 30.0
) -> Recognised:
    """The contract of the endpoint; `CannotJudge` when nothing there answers like one of ours."""
    return _Recogniser(courier, key, model, timeout).decide()


@dataclass
class _Recogniser:
    courier: Courier
    key: str | None
    model: str | None
    timeout: float
    exchanges: list[Exchange] = field(default_factory=list)
    taken: Named | None = None
    signs: list[tuple[str, int, str]] = field(default_factory=list)

    def decide(self) -> Recognised:
        listed = self._listed(self._send("GET", "/v1/models"))
        under = self._served("/v1", listed)
        bare = self._served("", listed)
        if not under and not bare:
            raise self._nothing()
        about = self._send("GET", f"/info{_QUERY}")
        self._azure_signs(about)
        if bare:
            refused = self._send("POST", bare + _QUERY, self._body(bare), {"extra-parameters": _BAD_VALUE})
            if refused.status in (400, 422):
                self._sign("azure-inference", 4, f"{bare} refuses a value that the header `extra-parameters` lacks")
            if not under:
                self._sign("azure-inference", 3, "only the routes without /v1 are served")
        if under:
            self._engine_signs(under, listed)
        return self._chosen(bool(under), bool(bare))

    def _served(self, prefix: str, listed: list[str]) -> str:
        """The path under that prefix which takes a plain request: chat's, else that of completions; empty for none."""
        weak = ""
        for path in (f"{prefix}/chat/completions", f"{prefix}/completions"):
            # Three more are still to come when both families answer.
            if not prefix and len(self.exchanges) > MOST_REQUESTS - 4:
                break
            answer = self._send("POST", path + ("" if prefix else _QUERY), self._body(path))
            if answer.status in (401, 403):
                raise no_access(answer.status, self.key)
            if self._wants_model(answer, listed):
                answer = self._send("POST", path + ("" if prefix else _QUERY), self._body(path))
            if answer.status == 200 and isinstance(document(answer).get("choices"), list | dict):
                return path
            refused = answer.status in (400, 422) and document(answer) and not OTHER_TASK.search(answer.body)
            weak = weak or (path if refused and prefix else "")
        return weak

    def _wants_model(self, answer: Exchange, listed: list[str]) -> bool:
        """Whether the answer says that a model is missing; the only one listed is then taken along from now on."""
        if self.model is not None or not listed or not wants_model(answer):
            return False
        if len(listed) > 1:
            raise CannotJudge(several(listed), "name one with --model")
        self.taken = Named(listed[0], "/v1/models")
        self.model = self.taken.name
        self._sign("openai", 3, f"{answer.sent.path.split('?')[0]} refuses a request without `model`")
        return True

    def _listed(self, answer: Exchange) -> list[str]:
        """The names that /v1/models lists; each call of it counts as a sign."""
        names = names_in(answer)
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            self._sign("openai", 1, f"GET /v1/models lists {quoted(names[0])}{more}")
        return names

    def _azure_signs(self, about: Exchange) -> None:
        named = sorted(
            {
                name.lower()
                for answer in self.exchanges
                for name, _ in answer.headers
                if name.lower().startswith(_AZURE_HEADERS)
            }
        )
        if named:
            self._sign("azure", 4, f"its answers have {quoted(named[0])}")
        if about.status == 200 and {"model_name", "model_type"} <= set(document(about)):
            self._sign("azure", 2, "GET /info names its model")

    def _engine_signs(self, path: str, listed: list[str]) -> None:
        """How the routes under /v1 take what the page and OpenAI's reference say differently."""
        chat = path.endswith("/chat/completions")
        told: Mapping[str, Any] = {"logprobs": 2} if chat else {"logprobs": 1}
        answer = self._send("POST", path, {**self._body(path), **told})
        if not chat:
            if b'"text_offsets"' in answer.body:
                self._sign("azure-llama", 3, "log probabilities have `text_offsets`, as the page spells it")
        elif answer.status == 200 and _has_arrays(answer):
            self._sign("azure-llama", 3, "chat takes a number for `logprobs` and answers with the page's lists")
        elif answer.status == 200:
            self._sign("azure-llama", 1, "chat takes a number for `logprobs`")
        elif answer.status in (400, 422):
            self._sign("openai", 3, "chat refuses a number for `logprobs`")
        if not listed:
            self._sign("azure-llama", 1, f"{path} answers a request without `model` and no models are listed")

    def _chosen(self, under: bool, bare: bool) -> Recognised:
        score: dict[str, int] = {}
        for contract, names in _SIGNS_OF.items():
            score[contract] = sum(weight for name, weight, _ in self.signs if name in names)
        # A contract whose routes are not there is none, whatever its signs.
        fits = [name for name in score if (bare if name == "azure-inference" else under)]
        # Where both families are served, the one under /v1 is that of the page and of everybody else.
        best, *rivals = sorted(fits, key=lambda name: (under and name == "azure-inference", -score[name]))
        rivals = [name for name in rivals if name != "azure-inference"]
        certain = score[best] > 1 and all(score[best] - score[rival] >= 2 for rival in rivals)
        reasons = [text for name, _, text in self.signs if name in _SIGNS_OF[best]]
        where = "the routes under /v1 answer" if best != "azure-inference" else "the routes without /v1 answer"
        also = "" if best == "azure-inference" or not bare else "; the routes without /v1 answer as well"
        if also and any(name == "azure-inference" for name, _, _ in self.signs):
            also += ", and speak azure-inference"
        why = " and ".join(reasons[:3] or [where]) + also
        return Recognised(best, why, certain, self.taken, tuple(self.exchanges))

    def _nothing(self) -> CannotJudge:
        statuses = ", ".join(f"{one.sent.path.split('?')[0]} {one.status or one.failure}" for one in self.exchanges)
        what = "a web page" if all(one.media_type == "text/html" for one in self.exchanges) else "no model endpoint"
        return CannotJudge(f"no contract fits: {what} answers there ({statuses})", "check the URL, or name --contract")

    def _sign(self, contract: str, weight: int, text: str) -> None:
        self.signs.append((contract, weight, text))

    def _body(self, path: str) -> dict[str, Any]:
        plain = _CHAT if path.endswith("/chat/completions") else _TEXT
        return {**plain, **({} if self.model is None else {"model": self.model})}

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Exchange:
        told = dict(headers or {})
        if body is not None:
            told["Content-Type"] = "application/json"
        if self.key is not None:
            told["Authorization"] = f"Bearer {self.key}"
        raw = b"" if body is None else json.dumps(body).encode()
        exchange = self.courier.deliver(
            Sent(method, path, tuple(told.items()), raw),
            scope="recognise",
            ordinal=len(self.exchanges),
            deadline=time.monotonic() + self.timeout,
            tokens=0 if body is None else len(raw) // 3 + 8,
        )
        self.exchanges.append(exchange)
        if exchange.failure in UNREACHABLE:
            hint = HINTS.get(exchange.failure, "check the URL")
            raise CannotJudge(f"{exchange.failure}: {exchange.detail}", hint)
        return exchange


def _has_arrays(answer: Exchange) -> bool:
    choices = document(answer).get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    logprobs = first.get("logprobs") if isinstance(first, dict) else None
    return isinstance(logprobs, dict) and "token_logprobs" in logprobs
