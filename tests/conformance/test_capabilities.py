"""Probing: an option that is refused in every form is unsupported, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from conformance.api import Api
from conformance.capabilities import MOST_REQUESTS, probe, unsupported
from conformance.catalogue import checks_of
from conformance.check import Check, Inconclusive, Skip, Unsupported
from conformance.runner import Runner, judged
from conformance.settings import Settings
from conformance.shared import Shared
from conformance.strategies.bodies import without
from conformance.strategies.dialect import document_of
from conformance.wire.exchange import Exchange, Sent
from reports.model import Capability, Outcome
from schemas import emit
from schemas.contracts import get, names
from schemas.model import ROUTES, Route
from tests.conformance.fakes import CONTRACT, FakeCourier, document

Refuses = Callable[[Mapping[str, Any]], int]


def courier_that(refuses: Refuses) -> FakeCourier:
    """An endpoint that answers with the status that `refuses` gives, with 200 where that is 0."""

    def reply(sent: Sent) -> tuple[int, Any]:
        status = refuses(json.loads(sent.body))
        if status < 0:
            return 0, "timeout"
        return (status, {"error": {"message": "no"}}) if status else (200, document())

    return FakeCourier(reply)


def refusing(name: str, status: int = 400) -> Refuses:
    return lambda body: status if name in body else 0


def found(refuses: Refuses, *routes: Route, settings: Settings | None = None) -> dict[str, Capability]:
    capabilities = probe(courier_that(refuses), CONTRACT, settings or Settings(), routes or ("chat",))
    return {one.name: one for one in capabilities}


def lacking(refuses: Refuses) -> list[str]:
    return [name for name, one in found(refuses).items() if not one.supported]


@pytest.mark.parametrize("contract", names())
def test_an_endpoint_that_takes_everything_is_asked_a_few_times(contract: str) -> None:
    courier = courier_that(lambda _: 0)
    capabilities = probe(courier, get(contract), Settings(), ROUTES)
    assert all(one.supported and one.exchanges for one in capabilities)
    assert len(courier.sent) <= 6
    optional = {
        f"{route}.{name}"
        for route in ROUTES
        for name in emit.schema(get(contract), route, "request")["properties"]
        if name not in {"prompt", "messages", "max_tokens", "model"}
    }
    assert {one.name for one in capabilities} >= optional - {"chat.max_completion_tokens"}
    rows = {row.id for row in get(contract).rows()}
    assert {one.requirement for one in capabilities} <= rows


def test_every_probe_is_a_valid_and_a_cheap_request() -> None:
    courier = courier_that(lambda body: 400 if len(body) > 2 else 0)
    probe(courier, CONTRACT, Settings(), ROUTES)
    for sent in courier.sent:
        route: Route = "chat" if "chat" in sent.path else "completions"
        body = json.loads(sent.body)
        assert not document_of(emit.schema(CONTRACT, route, "request")).faults(body)
        assert body["max_tokens"] <= 2
    assert len(courier.sent) <= 2 * MOST_REQUESTS


@pytest.mark.parametrize("status", [400, 404, 405, 409, 415, 422, 501])
def test_an_option_refused_in_every_form_is_unsupported(status: int) -> None:
    courier = courier_that(refusing("n", status))
    capabilities = probe(courier, CONTRACT, Settings(), ["chat"])
    (one,) = [one for one in capabilities if not one.supported]
    assert (one.name, one.requirement) == ("chat.n", "chat.request.n")
    assert one.message == (
        f"its plainest use is refused with status {status} (tried 2 and 3), and the same request without it is accepted"
    )
    bodies = {f"x{number}": json.loads(sent.body) for number, sent in enumerate(courier.sent, 1)}
    shown = [bodies[name].get("n") for name in one.exchanges]
    assert shown == [None, 3, 2]


@pytest.mark.parametrize("status", [200, 401, 403, 408, 413, 429, 500, 502, 503, -1])
def test_any_other_answer_is_for_the_checks_to_judge(status: int) -> None:
    assert lacking(refusing("n", status)) == []


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("temperature", (2,)), ("top_p", (1,)), ("n", (3, 4)), ("logprobs", (0, 10)), ("presence_penalty", (-2, 2)),
        ("stop", (["\n\n"],)), ("stop_token_ids", ([255],)), ("stream", (False,)), ("ignore_eos", (True,)),
    ],
)  # fmt: skip
def test_a_refused_boundary_is_no_refused_option(name: str, values: tuple[Any, ...]) -> None:
    assert lacking(lambda body: 400 if name in body and body[name] in values else 0) == []


def test_options_refused_only_together_are_supported() -> None:
    assert lacking(lambda body: 400 if "temperature" in body and "top_p" in body else 0) == []


def test_what_only_goes_along_is_not_what_is_refused() -> None:
    # Several candidates are asked for with a temperature, which this endpoint does not have.
    assert lacking(refusing("temperature")) == ["chat.temperature", "chat.use_beam_search"]


def test_an_option_whose_documented_companion_is_refused_cannot_be_asked_for() -> None:
    assert lacking(refusing("best_of")) == ["chat.best_of", "chat.use_beam_search"]


def test_an_integer_that_only_passes_for_a_boolean_is_unsupported() -> None:
    # vLLM's chat wants a boolean, and takes 0 and 1 for one.
    assert lacking(lambda body: 400 if body.get("logprobs") not in (None, True, 0, 1) else 0) == ["chat.logprobs"]


def test_one_refusal_of_a_switch_may_be_a_hiccup() -> None:
    refusals = iter([400, 400])

    def once(body: Mapping[str, Any]) -> int:
        # Together with others, then alone; and then no more.
        return next(refusals, 0) if body.get("skip_special_tokens") else 0

    assert lacking(once) == []


def test_an_endpoint_that_refuses_everything_lacks_no_option() -> None:
    courier = courier_that(lambda _: 400)
    assert probe(courier, CONTRACT, Settings(), ["chat"]) == ()
    assert len(courier.sent) == 2


def test_an_endpoint_that_does_not_answer_is_left_to_the_checks_soon() -> None:
    courier = courier_that(lambda body: -1 if len(body) > 2 else 0)
    assert probe(courier, CONTRACT, Settings(), ["chat"]) == ()
    assert len(courier.sent) <= 4


def test_a_spent_budget_ends_the_probing_and_nothing_else() -> None:
    class Broke(FakeCourier):
        def deliver(self, sent: Sent, **rest: Any) -> Exchange:
            raise Inconclusive("the budget of 1 requests is spent")

    assert probe(Broke(lambda _: (200, {})), CONTRACT, Settings(), ROUTES) == ()


def test_the_options_of_a_schema_of_ones_own_are_asked_for() -> None:
    schema = {
        "type": "object",
        "required": ["messages", "thinking"],
        "properties": {
            "messages": {"type": "array", "minItems": 1},
            "thinking": {"enum": ["long", "short"]},
            "effort": {"enum": ["low", "middle", "high"], "default": "middle"},
            "width": {"type": "integer", "minimum": 1, "maximum": 9},
        },
        "examples": [{"messages": [{"role": "user", "content": "x"}], "thinking": "short"}],
        "additionalProperties": False,
    }
    told = found(refusing("effort"), settings=Settings(request_schemas={"chat": schema}))
    assert {name: one.supported for name, one in told.items()} == {"chat.effort": False, "chat.width": True}
    assert told["chat.effort"].requirement == "schema.chat.effort"
    assert 'tried "low" and "high"' in told["chat.effort"].message


# What a check sees of it


def api_without(*options: str, reply: Refuses = lambda _: 0) -> tuple[Api, FakeCourier]:
    named = [Capability(route=r, parameter=p, requirement="", supported=False, message="no", exchanges=("x1", "x2"))
             for r, p in (option.split(".") for option in options)]  # fmt: skip
    courier = courier_that(reply)
    settings = Settings(unsupported=unsupported(named), shrink=False)
    return Api(courier, CONTRACT, settings, Shared(), scope="a.check", route="chat"), courier


def test_an_unsupported_option_is_not_offered_and_not_drawn() -> None:
    api, _ = api_without("chat.n", "completions.top_p")
    assert not api.offers("n")
    assert not api.offers("n", "top_p")
    assert api.offers("top_p")
    assert not api.on("completions").offers("top_p")
    schema = document_of(api.schema("request"))
    assert schema.accepts(schema.root, api.body(top_p=0.5))
    assert not schema.accepts(schema.root, api.body(n=2))


def test_a_rule_that_requires_an_unsupported_option_leaves_nothing_to_draw() -> None:
    schema = without(emit.schema(CONTRACT, "chat", "request"), ["best_of"])
    beam = {"messages": [{"role": "user", "content": "x"}], "use_beam_search": True, "temperature": 0}
    judge = document_of(schema)
    assert not judge.accepts(schema, {**beam, "best_of": 2})
    assert not judge.accepts(schema, beam)
    assert judge.accepts(schema, {**beam, "use_beam_search": False})


def test_asking_for_it_raises_with_the_evidence_and_sends_nothing() -> None:
    api, courier = api_without("chat.n", "chat.stream")
    asks: tuple[Callable[[], object], ...] = (
        lambda: api.ask(n=2), lambda: api.answer(n=2), lambda: api.send(api.body(n=2)), api.stream,
    )  # fmt: skip
    for ask in asks:
        with pytest.raises(Unsupported, match="is not supported: no") as caught:
            ask()
        assert caught.value.evidence == ("x1", "x2")
    assert courier.sent == []


def test_a_value_that_is_refused_by_right_may_still_be_sent() -> None:
    api, courier = api_without("chat.n")
    api.send(api.body(n=-1))
    api.send(b'{"n": 2}')
    # Left out, it is not asked for.
    api.ask(n=...)
    assert len(courier.sent) == 3


def test_a_parameter_that_the_contract_does_not_have_is_a_skip_and_not_unsupported() -> None:
    api, _ = api_without("chat.n")
    with pytest.raises(Skip) as caught:
        api.ask(fortune=1)
    assert not isinstance(caught.value, Unsupported)


def check(name: str, *needs: str) -> Check:
    return Check(
        id=name, title="t", cites=("r",), run=lambda api: api.insist(["n"]), area="a", route="chat", needs=needs
    )


def test_a_check_that_rests_on_it_ends_as_unsupported_with_the_evidence_and_so_does_what_needs_it() -> None:
    api, courier = api_without("chat.n")
    outcomes = Runner([check("a"), check("b", "a")], courier, CONTRACT, api.settings, jobs=1).run()
    assert [(one.status, one.exchanges) for one in outcomes] == [("unsupported", ("x1", "x2"))] * 2


def row_outcomes(*names: str, lacks: tuple[str, ...], reply: Refuses) -> dict[str, Outcome]:
    checks = checks_of(CONTRACT)
    found = {}
    for name in names:
        api, courier = api_without(*lacks, reply=reply)
        found[name] = judged(checks[name], api)
        assert all("n" not in json.loads(sent.body) for sent in courier.sent), name
    return found


def test_the_row_checks_of_an_unsupported_option_end_so_and_those_of_others_do_without_it() -> None:
    outcomes = row_outcomes(
        "chat.request.n.accepted", "chat.request.n.refused-below", "chat.request.rule.best_of_exceeds_n.refused",
        "chat.request.temperature.accepted", "chat.request.random", lacks=("chat.n",), reply=refusing("n"),
    )  # fmt: skip
    assert {name: one.status for name, one in outcomes.items()} == {
        "chat.request.n.accepted": "unsupported",
        "chat.request.n.refused-below": "unsupported",
        "chat.request.rule.best_of_exceeds_n.refused": "unsupported",
        "chat.request.temperature.accepted": "pass",
        # The fake answers as the other route does.
        "chat.request.random": "fail",
    }
    assert "breaks its schema" in outcomes["chat.request.random"].message


def test_the_rows_of_an_answer_that_only_come_with_it_end_so_too() -> None:
    api, courier = api_without("chat.logprobs", "chat.stream")
    checks = checks_of(CONTRACT)
    for name in ("chat.response.logprobs.tokens", "chat.chunk.id"):
        assert judged(checks[name], api).status == "unsupported"
    assert courier.sent == []


def test_nothing_is_taken_away_where_everything_is_supported() -> None:
    schema = emit.schema(CONTRACT, "chat", "request")
    assert without(schema, {}) is schema
    settings = replace(Settings(), unsupported=unsupported(found(lambda _: 0).values()))
    assert settings.unsupported == {}
