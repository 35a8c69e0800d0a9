from __future__ import annotations

from collections.abc import Iterator

import pytest

from schemas import chat, completions, contracts, emit
from schemas.model import ROUTES, Object, Param, Requirement, Route

PAGE = contracts.get("azure-llama")
PARTS = ("request", "response", "chunk")

# The page's cells, typed off once more by hand: key, type, default.
SHARED = (
    ("stream", "boolean", "False"),
    ("max_tokens", "integer", "16"),
    ("top_p", "float", "1"),
    ("temperature", "float", "1"),
    ("n", "integer", "1"),
    ("stop", "array", "null"),
    ("best_of", "integer", "1"),
    ("logprobs", "integer", "null"),
    ("presence_penalty", "float", "null"),
    ("ignore_eos", "boolean", "True"),
    ("use_beam_search", "boolean", "False"),
    ("stop_token_ids", "array", "null"),
    ("skip_special_tokens", "boolean", "null"),
)
NONE = "No default. This value must be specified."
RESPONSE = (
    ("id", "string"),
    ("choices", "array"),
    ("created", "integer"),
    ("model", "string"),
    ("object", "string"),
    ("usage", "object"),
)


def tables(table: Object) -> Iterator[Object]:
    yield table
    for param in table.params:
        if param.fields is not None:
            yield from tables(param.fields)


def row(requirement_id: str) -> Requirement:
    return PAGE.row(requirement_id)


def param(route: Route, name: str) -> Param:
    return next(p for p in PAGE.operation(route).request.params if p.name == name)


@pytest.mark.parametrize("route", ROUTES)
def test_the_request_table_is_the_pages(route: Route) -> None:
    first = ("prompt", "string", NONE) if route == "completions" else ("messages", "string", NONE)
    printed = [(p.name, p.type, p.default) for p in PAGE.operation(route).request.params]
    assert printed == [first, *SHARED]


@pytest.mark.parametrize("route", ROUTES)
def test_only_the_prompt_must_be_given(route: Route) -> None:
    required = [p.name for p in PAGE.operation(route).request.params if p.required]
    assert required == ["prompt" if route == "completions" else "messages"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("part", PARTS[1:])
def test_the_response_table_is_the_pages(route: Route, part: str) -> None:
    table: Object = getattr(PAGE.operation(route), part)
    assert [(p.name, p.type) for p in table.params] == list(RESPONSE)


def test_the_nested_tables_are_the_pages() -> None:
    response = PAGE.operation("chat").response
    nested = {p.name: [f.name for f in p.fields.params] for p in response.params if p.fields}
    assert nested["choices"] == ["index", "message", "finish_reason", "logprobs"]
    assert nested["usage"] == ["prompt_tokens", "completion_tokens", "total_tokens"]
    assert [f.name for f in completions.choice().params] == ["index", "text", "finish_reason", "logprobs"]
    assert [f.name for f in chat.chunk_choice().params] == ["index", "delta", "finish_reason", "logprobs"]
    assert [f.name for f in chat.MESSAGE.params] == ["content", "role"]
    logprobs = next(f for f in chat.choice().params if f.name == "logprobs").fields
    assert logprobs is not None
    assert [f.name for f in logprobs.params] == ["text_offsets", "token_logprobs", "tokens", "top_logprobs"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("part", PARTS)
def test_lines_rise_within_each_table(route: Route, part: str) -> None:
    for table in tables(getattr(PAGE.operation(route), part)):
        lines = [p.line for p in table.params]
        if table.title == "The message of an answer":
            continue  # its words stand in the request's table, in the other order
        assert lines == sorted(set(lines)), table.title


def test_each_api_has_its_own_half_of_the_page() -> None:
    halves: dict[str, set[int]] = {"completions": set(), "chat": set()}
    for one in PAGE.rows():
        route = one.id.split(".")[0]
        if route in halves and one.source == "page" and not one.id.endswith("head.route"):
            halves[route].add(one.line)
    assert max(halves["completions"]) < min(halves["chat"])


@pytest.mark.parametrize("name", contracts.names())
def test_every_row_has_words_and_a_place(name: str) -> None:
    for one in contracts.get(name).rows():
        assert one.quote.strip()
        assert one.quote == one.quote.strip()
        assert (one.line > 0) == (one.source == "page"), one.id


@pytest.mark.parametrize("name", contracts.names())
def test_ids_are_unique_and_begin_with_their_route(name: str) -> None:
    ids = [one.id for one in contracts.get(name).rows()]
    assert len(ids) == len(set(ids))
    assert {one.split(".")[0] for one in ids} <= {
        "completions",
        "chat",
        "limits",
        "content_filter",
        "service",
    }


@pytest.mark.parametrize("route", ROUTES)
def test_a_promise_stands_in_its_rows_words(route: Route) -> None:
    for one in PAGE.prose:
        parts = one.id.split(".")
        if parts[:2] != [route, "request"] or parts[3] in ("default", "quota"):
            continue
        assert one.quote in row(".".join(parts[:3])).quote, one.id
        assert one.line == row(".".join(parts[:3])).line


@pytest.mark.parametrize("route", ROUTES)
def test_a_rule_stands_in_a_rows_words(route: Route) -> None:
    described = [p.quote for p in PAGE.operation(route).request.params]
    for rule in PAGE.operation(route).request.rules:
        assert any(rule.quote in quote for quote in described), rule.id


def test_the_two_tables_differ_in_two_wordings_only() -> None:
    differing = {}
    for name, _, _ in SHARED:
        text, other = param("completions", name), param("chat", name)
        assert (text.type, text.default, text.schema, text.unjudged) == (
            other.type,
            other.default,
            other.schema,
            other.unjudged,
        )
        assert other.line - text.line == param("chat", "stream").line - param("completions", "stream").line
        if text.quote != other.quote:
            differing[name] = (text.quote, other.quote)
    assert set(differing) == {"best_of", "logprobs"}
    before, after = differing["best_of"]
    assert after == before.replace("–", "—")  # noqa: RUF001
    before, after = differing["logprobs"]
    assert after == before.replace("always returns", "will always return")


def test_untestable_rows_say_why() -> None:
    argued = {one.id for one in PAGE.rows() if one.untestable}
    assert "limits.tokens" in argued
    assert not any(one.untestable for one in PAGE.rows() if isinstance(one, Param))
    assert all(len(one.untestable) > 60 for one in PAGE.rows() if one.untestable)


@pytest.mark.parametrize("name", contracts.names())
def test_the_example_is_a_small_valid_body(name: str) -> None:
    for operation in contracts.get(name).operations:
        schema = emit.schema(contracts.get(name), operation.route, "request")
        assert schema["x-example"] == operation.example
        assert set(schema["required"]) <= set(operation.example)
        assert operation.example["max_tokens"] <= 16
