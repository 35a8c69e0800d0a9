"""The checks that rows imply: they pass on a server that keeps its schema, and fail on one that forgets a row."""

from __future__ import annotations

import copy
import json
import threading
from typing import Any

import pytest

from conformance.check import Check, Mutant, unique
from conformance.rows.answers import chunk_checks, response_checks
from conformance.rows.complaints import OTHER_REFUSALS
from conformance.rows.hunt import SIMPLER_REQUESTS
from conformance.rows.owners import extra_rows, owned
from conformance.rows.requests import MOST_FAILURES, request_checks
from conformance.runner import Runner
from conformance.settings import Settings
from conformance.strategies.dialect import Document, SchemaFault, UnknownKeyword, Unsatisfiable
from conformance.wire.answer import Answer
from schemas.contracts import get
from schemas.emit import schema
from schemas.model import Route
from tests.conformance.battery import CHAT
from tests.conformance.fakes import FakeCourier, document
from tests.conformance.rows.fakes import StrictServer, forgetful, judge

CONTRACT = get("azure-llama")
ROUTES: tuple[Route, ...] = ("completions", "chat")
REQUESTS = {route: schema(CONTRACT, route, "request") for route in ROUTES}
ACCEPTED_OR_REFUSED = [(route, check) for route in ROUTES for check in request_checks(REQUESTS[route], route)]
ANSWERS = [
    (route, check)
    for route in ROUTES
    for check in (
        *response_checks(schema(CONTRACT, route, "response"), route),
        *chunk_checks(schema(CONTRACT, route, "chunk"), route),
    )
]
EVERY = ACCEPTED_OR_REFUSED + ANSWERS
OWN = request_checks(CHAT, "chat")


def by_id(check_id: str) -> Check:
    return next(check for _, check in EVERY if check.id == check_id)


def server_for(route: Route, given: dict[str, Any], mutant: Mutant | None = None) -> StrictServer:
    return StrictServer(forgetful(given, mutant) if mutant else given, route)


@pytest.mark.parametrize(("route", "check"), EVERY, ids=[check.id for _, check in EVERY])
def test_a_server_that_keeps_its_schema_passes(route: Route, check: Check) -> None:
    outcome = judge(check, server_for(route, REQUESTS[route]))
    assert outcome.status in {"pass", "skip"}, f"{outcome.message} {outcome.hint}"
    # Usage in a stream is optional, and this server has none.
    assert outcome.status == "pass" or "usage" in check.id


MUTANTS = [
    (route, check, mutant) for route, check in EVERY for mutant in check.mutants if "chunk.usage." not in check.id
]


@pytest.mark.parametrize(("route", "check", "mutant"), MUTANTS, ids=[mutant.id for _, _, mutant in MUTANTS])
def test_each_mutant_is_killed(route: Route, check: Check, mutant: Mutant) -> None:
    outcome = judge(check, server_for(route, REQUESTS[route], mutant), mutant=mutant, examples=1, shrink=False)
    assert outcome.status == "fail", f"{mutant.title} -> {outcome.status} {outcome.message} {outcome.hint}"
    assert outcome.exchanges
    assert outcome.message


def test_ids_are_distinct_and_say_what_they_are_about() -> None:
    checks = [check for _, check in EVERY]
    assert len({check.id for check in checks}) == len(checks)
    assert {
        "chat.request.temperature.accepted", "chat.request.temperature.refused-above", "chat.request.n.refused-below",
        "chat.request.messages.refused-missing", "chat.request.messages.role.refused-enum", "chat.request.random",
        "completions.request.prompt.refused-missing", "completions.request.stop.refused-items",
        "chat.request.rule.best_of_exceeds_n.refused", "chat.response.choices.message.role", "chat.response.object",
        "chat.response.usage.total_tokens", "chat.chunk.choices.delta", "completions.response.logprobs.tokens",
    } <= {check.id for check in checks}  # fmt: skip


def test_a_huge_answer_is_walked_once_and_not_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[int] = []
    first_faults = Document.first_faults

    def counted(self: Document, value: Any) -> Any:
        walked.append(len(value["choices"]))
        return first_faults(self, value)

    monkeypatch.setattr(Document, "first_faults", counted)
    checks = response_checks(schema(CONTRACT, "completions", "response"), "completions")
    answer = document()
    many = {**answer, "choices": [*answer["choices"] * 20_000, {"index": "last"}]}
    courier = FakeCourier(lambda _: (200, many))
    outcomes = Runner(checks, courier, CONTRACT, Settings(), jobs=2).run()
    assert [one.check for one in outcomes if one.status not in ("pass", "skip")] == []
    assert walked == [20_001] * 2
    assert len(courier.sent) == 2

    few = {**many, "choices": many["choices"][-100:]}
    outcomes = Runner(checks, FakeCourier(lambda _: (200, few)), CONTRACT, Settings(), jobs=2).run()
    assert {one.check for one in outcomes if one.status == "fail"} == {
        "completions.response.choices.index", "completions.response.choices.text",
        "completions.response.choices.finish_reason",
    }  # fmt: skip


def test_every_row_of_the_tables_is_cited() -> None:
    cited = {cite for _, check in EVERY for cite in check.cites}
    for operation in CONTRACT.operations:
        parts = (operation.request, operation.response, operation.chunk)
        rows_of_tables = [param for part in parts for param in part.params]
        assert [row.id for row in rows_of_tables if row.id not in cited] == []


def test_cites_and_titles() -> None:
    known = {row.id for row in CONTRACT.rows()}
    for _, check in EVERY:
        assert set(check.cites) <= known, check.id
        assert check.title.endswith("."), check.id
        assert check.needs == (f"{check.route}.answers",)
    assert by_id("chat.request.temperature.refused-above").title == "`temperature` above 2 is refused."
    assert by_id("chat.request.top_p.refused-below").title == "`top_p` below 0 is refused."
    assert by_id("chat.request.messages.role.refused-enum").title == (
        "`messages.role` other than `system`, `user` or `assistant` is refused."
    )
    assert by_id("completions.request.prompt.refused-missing").title == "A request without `prompt` is refused."


def test_what_may_cost_most_runs_last() -> None:
    last = {check.id: check.cost for _, check in ACCEPTED_OR_REFUSED if check.when == "last"}
    assert set(last) == {f"{route}.request.max_tokens.refused-below" for route in ("chat", "completions")}
    assert min(last.values()) > 0


def test_an_edge_that_is_refused_is_named() -> None:
    check = by_id("chat.request.temperature.accepted")
    low = {**REQUESTS["chat"], "properties": copy.deepcopy(REQUESTS["chat"]["properties"])}
    low["properties"]["temperature"]["maximum"] = 1
    outcome = judge(check, StrictServer(low))
    assert outcome.status == "fail"
    assert outcome.message == (
        "`temperature` 1.98 was answered with status 400; `temperature` 2 was answered with status 400"
    )
    assert outcome.count == len(outcome.exchanges) == 2


def test_no_more_requests_than_failures_are_worth() -> None:
    check = by_id("chat.request.stop.accepted")
    server = StrictServer({"not": {"required": ["stop"]}})
    outcome = judge(check, server)
    assert outcome.count == MOST_FAILURES == len(server.sent)


def test_random_values_find_what_the_edges_miss_and_are_made_simpler() -> None:
    check = by_id("completions.request.prompt.accepted")

    def dislikes_questions(answer: Answer) -> Answer:
        return answer.with_error(400) if "?" in str(answer.ask.body.get("prompt")) else answer

    # The route's own example is a question; the edges have none.
    server = StrictServer(REQUESTS["completions"], "completions")
    outcome = judge(check, server, mutant=Mutant("m", "Dislikes questions.", answer=dislikes_questions), examples=200)
    assert outcome.status == "fail"
    assert outcome.message.startswith('`prompt` "')
    prompt = server.sent[[f"x{n}" for n in range(1, len(server.sent) + 1)].index(outcome.exchanges[-1])]["prompt"]
    assert prompt in {"?", "a?", "Why is the sky blue?"} or len(prompt) <= 3


@pytest.mark.parametrize("status", sorted(OTHER_REFUSALS | {200, 204, 302, 500, 503}))
def test_only_a_refusal_of_the_content_counts(status: int) -> None:
    check = by_id("chat.request.n.refused-below")
    changed = Mutant("m", "Another status.", answer=lambda answer: answer.with_error(status))
    outcome = judge(check, StrictServer(REQUESTS["chat"]), mutant=changed)
    assert outcome.status == "fail"
    assert ("was accepted" if status < 300 else str(status)) in outcome.message
    assert "`n` 0" in outcome.message


@pytest.mark.parametrize("status", [400, 422])
def test_both_ways_to_refuse_count(status: int) -> None:
    changed = Mutant("m", "Another status.", answer=lambda answer: answer.with_error(status))
    assert judge(by_id("chat.request.n.refused-below"), StrictServer(REQUESTS["chat"]), mutant=changed).status == "pass"


def test_an_accepted_request_is_answered_with_json() -> None:
    page = Mutant("m", "A web page.", answer=lambda answer: Answer(answer.ask, 200, (), b"<html>"))
    outcome = judge(by_id("chat.request.n.accepted"), StrictServer(REQUESTS["chat"]), mutant=page)
    assert outcome.status == "fail"
    assert "not JSON" in outcome.message


def test_each_random_request_bounds_its_cost() -> None:
    server = StrictServer(REQUESTS["chat"])
    assert judge(by_id("chat.request.random"), server, examples=40).status == "pass"
    assert all(1 <= body["max_tokens"] <= 8 for body in server.sent)
    assert any(set(body) - {"messages", "max_tokens"} for body in server.sent)


def test_what_is_the_same_in_every_run_is_asked_before_what_is_drawn() -> None:
    check = by_id("chat.request.random")
    first, other = StrictServer(REQUESTS["chat"]), StrictServer(REQUESTS["chat"])
    for server, seed in ((first, 1), (other, 2)):
        judge(check, server, examples=3, seed=seed)
    assert first.sent[0] == other.sent[0]
    assert len(first.sent[0]) > 8


def test_a_random_failure_is_one_finding_that_says_how_often_it_was_seen() -> None:
    check = by_id("chat.request.random")
    refuses = Mutant("m", "Refuses.", answer=lambda a: a.with_error(400) if "top_p" in a.ask.body else a)
    server = StrictServer(REQUESTS["chat"])
    outcome = judge(check, server, mutant=refuses)
    assert outcome.message == "a valid request with `top_p` was answered with status 400"
    assert outcome.count == sum("top_p" in body for body in server.sent) > 1
    assert len(server.sent) <= 1 + SIMPLER_REQUESTS


def test_a_seed_names_the_same_requests() -> None:
    check = by_id("chat.request.random")
    first, again, other = (StrictServer(REQUESTS["chat"]) for _ in range(3))
    for server, seed in ((first, 1), (again, 1), (other, 2)):
        judge(check, server, examples=20, seed=seed)
    assert first.sent == again.sent
    assert first.sent != other.sent


def test_checks_run_in_threads_side_by_side() -> None:
    checks = [check for _, check in ACCEPTED_OR_REFUSED if check.route == "chat" and check.id.endswith("accepted")]
    statuses: dict[str, str] = {}

    def work(mine: list[Check]) -> None:
        for check in mine:
            statuses[check.id] = judge(check, StrictServer(REQUESTS["chat"]), examples=5).status

    threads = [threading.Thread(target=work, args=(checks[part::4],)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert statuses == dict.fromkeys((check.id for check in checks), "pass")


def test_logprobs_rows_are_skipped_where_logprobs_are_refused() -> None:
    server = StrictServer({"not": {"required": ["logprobs"]}})
    outcome = judge(by_id("chat.response.logprobs.tokens"), server)
    assert outcome.status == "skip"
    assert "not supported" in outcome.message


def test_a_row_whose_object_never_came_is_skipped() -> None:
    silent = Mutant(
        "m", "No log probabilities.", answer=lambda a: a.edit_choices(lambda choice: choice.update(logprobs=None))
    )
    outcome = judge(by_id("chat.response.logprobs.tokens"), StrictServer(REQUESTS["chat"]), mutant=silent)
    assert outcome.status == "skip"


def test_a_row_answers_for_its_own_faults_only() -> None:
    spoiled = Mutant("m", "An odd id.", answer=lambda answer: answer.edit(lambda document: document.update(id=7)))
    server = StrictServer(REQUESTS["chat"])
    outcome = judge(by_id("chat.response.id"), server, mutant=spoiled)
    assert outcome.status == "fail"
    assert outcome.message.startswith("/id: 7")
    assert judge(by_id("chat.response.created"), server, mutant=spoiled).status == "pass"


# A schema of the user's own.


def test_ones_own_schema_drives_the_same_checks() -> None:
    ids = {check.id for check in OWN}
    assert {
        "chat.request.model.refused-enum", "chat.request.messages.role.accepted", "chat.request.random",
        "chat.request.messages.role.refused-enum", "chat.request.tools.name.refused-pattern",
        "chat.request.refused-extra", "chat.request.rule.rule-1.refused", "chat.request.tool_choice.accepted",
        "chat.request.temperature.refused-above",
    } <= ids  # fmt: skip
    assert len(ids) == len(OWN)


@pytest.mark.parametrize("check", OWN, ids=[check.id for check in OWN])
def test_ones_own_schema_passes_on_a_server_that_keeps_it(check: Check) -> None:
    outcome = judge(check, StrictServer(CHAT), schemas={"chat": CHAT})
    assert outcome.status == "pass", f"{outcome.message} {outcome.hint}"


OWN_MUTANTS = [(check, mutant) for check in OWN for mutant in check.mutants]


@pytest.mark.parametrize(("check", "mutant"), OWN_MUTANTS, ids=[mutant.id for _, mutant in OWN_MUTANTS])
def test_ones_own_schema_notices_a_server_that_forgets_it(check: Check, mutant: Mutant) -> None:
    server = StrictServer(forgetful(owned(CHAT, "chat"), mutant))
    outcome = judge(check, server, mutant=mutant, examples=1, shrink=False)
    assert outcome.status == "fail", f"{mutant.title} -> {outcome.status} {outcome.message} {outcome.hint}"


def test_ones_own_rows_are_all_stated() -> None:
    stated = {row.id: row for row in extra_rows(CHAT, "chat", source="mine.json")}
    assert {cite for check in OWN for cite in check.cites} <= set(stated)
    assert stated["schema.chat.model"].quote == "Which model answers."
    assert json.loads(stated["schema.chat.stream"].quote) == {"type": "boolean"}
    assert stated["schema.chat.rule-1"].quote == "A choice needs tools."
    assert {row.source for row in stated.values()} == {"mine.json"}
    assert {row.source for row in extra_rows(CHAT, "chat")} == {"urn:my-chat"}


def test_a_schema_that_names_owners_states_no_rows_of_its_own() -> None:
    assert extra_rows(REQUESTS["chat"], "chat") == []
    assert owned(REQUESTS["chat"], "chat") == REQUESTS["chat"]


def test_owning_changes_nothing_that_a_schema_says() -> None:
    def bare(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: bare(each) for key, each in node.items() if key != "x-requirements"}
        return [bare(each) for each in node] if isinstance(node, list) else node

    assert bare(owned(CHAT, "chat")) == CHAT


@pytest.mark.parametrize(
    ("faulty", "error"),
    [
        ({"type": "object", "properties": {"a": {"type": "string", "format": "uri"}}}, UnknownKeyword),
        ({"type": "object", "properties": {"a": False}, "required": ["a"]}, Unsatisfiable),
        ({"type": "string"}, SchemaFault),
    ],
)
def test_a_schema_that_cannot_drive_checks_is_refused_before_any_request(
    faulty: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        request_checks(faulty, "chat")


def test_checks_are_built_once_for_each_schema() -> None:
    first, second = request_checks(CHAT, "chat"), request_checks(copy.deepcopy(CHAT), "chat")
    assert [one is two for one, two in zip(first, second, strict=True)] == [True] * len(first)
    assert first is not second


def test_a_catalogue_takes_them() -> None:
    answers = Check("chat.answers", "It answers.", ("chat.head.route",), lambda api: None, "answers", "chat")
    assert len(unique([answers, *OWN])) == len(OWN) + 1
