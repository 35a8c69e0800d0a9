"""A mutant changes what the server hears, says or enforces, and only while it is set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest

from conformance.wire.answer import Answer, Ask
from reference_server.serve import StandinApp

PATH = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}


@dataclass(frozen=True)
class Fault:
    ask: Callable[[Ask], Ask] | None = None
    answer: Callable[[Answer], Answer] | None = None
    forgets: frozenset[tuple[str, str]] = frozenset()


@pytest.fixture(autouse=True)
def _sound(app: StandinApp) -> Iterator[None]:
    yield
    app.mutant = None


def test_no_mutant_changes_nothing(app: StandinApp, client: httpx.Client) -> None:
    app.mutant = None
    plain = client.post(PATH, json=BODY)
    app.mutant = Fault(answer=lambda answer: answer)
    carried = client.post(PATH, json=BODY)
    assert plain.json()["choices"] == carried.json()["choices"]
    assert dict(plain.headers).keys() == dict(carried.headers).keys()


def test_an_unchanged_stream_passes_byte_for_byte(app: StandinApp, client: httpx.Client) -> None:
    seen: list[Answer] = []

    def keep(answer: Answer) -> Answer:
        seen.append(answer)
        return answer

    app.mutant = Fault(answer=keep)
    response = client.post(PATH, json={**BODY, "stream": True})
    (answer,) = seen
    assert answer.frames is not None
    assert b"".join(answer.frames) == response.content
    assert answer.frames[-1] == b"data: [DONE]\n\n"
    assert all(frame.startswith(b"data: ") for frame in answer.frames)
    assert answer.ask.route == "chat"
    assert answer.ask.body["stream"] is True


def test_a_deaf_server_mishears(app: StandinApp, client: httpx.Client) -> None:
    seen: list[Ask] = []

    def keep(answer: Answer) -> Answer:
        seen.append(answer.ask)
        return answer

    app.mutant = Fault(ask=lambda ask: ask.with_body(max_tokens=1, ignore_eos=True), answer=keep)
    assert client.post(PATH, json=BODY).json()["usage"]["completion_tokens"] == 1
    assert seen[0].body["max_tokens"] == 4


def test_a_mutant_hears_method_path_and_headers(app: StandinApp, client: httpx.Client) -> None:
    seen: list[Ask] = []

    def keep(ask: Ask) -> Ask:
        seen.append(ask)
        return ask

    app.mutant = Fault(ask=keep)
    client.post(PATH, json=BODY, params={"api-version": "x"})
    assert seen[0].method == "POST"
    assert seen[0].path == f"{PATH}?api-version=x"
    assert seen[0].header("Content-Type") == "application/json"
    assert json.loads(seen[0].raw) == BODY


def test_a_server_lets_everybody_in(app: StandinApp, client: httpx.Client) -> None:
    app.mutant = Fault(ask=lambda ask: ask.with_header("authorization", "Bearer key-of-the-tests"))
    assert client.post(PATH, json=BODY, headers={"authorization": "Bearer no"}).status_code == 200


def test_an_answer_is_changed_on_its_way_out(app: StandinApp, client: httpx.Client) -> None:
    app.mutant = Fault(answer=lambda answer: answer.edit(lambda document: document.pop("usage", None)))
    response = client.post(PATH, json=BODY)
    assert "usage" not in response.json()
    assert int(response.headers["content-length"]) == len(response.content)
    assert b"usage" not in client.post(PATH, json={**BODY, "stream": True}).content


def test_a_stream_loses_its_last_event(app: StandinApp, client: httpx.Client) -> None:
    app.mutant = Fault(answer=lambda answer: answer.without_last_event())
    content = client.post(PATH, json={**BODY, "stream": True}).content
    assert b"[DONE]" not in content
    assert content.endswith(b"\n\n")


def test_an_answer_becomes_an_error(app: StandinApp, client: httpx.Client) -> None:
    app.mutant = Fault(answer=lambda answer: answer.with_error(503, "no"))
    response = client.post(PATH, json={**BODY, "stream": True})
    assert response.status_code == 503
    assert response.json()["error"]["message"] == "no"


def test_a_forgotten_row_is_not_enforced(app: StandinApp, client: httpx.Client) -> None:
    broken = {**BODY, "temperature": 9}
    assert client.post(PATH, json=broken).status_code == 400
    app.mutant = Fault(forgets=frozenset({("chat.request.temperature", "maximum")}))
    assert client.post(PATH, json=broken).status_code == 200
    assert client.post(PATH, json={**broken, "n": 0}).status_code == 400
    app.mutant = None
    assert client.post(PATH, json=broken).status_code == 400


def test_forgotten_rules_still_get_an_answer(app: StandinApp, client: httpx.Client) -> None:
    app.mutant = Fault(
        forgets=frozenset({("chat.rule.best_of_not_streamed", "then"), ("chat.rule.beam_best_of", "then")})
    )
    streamed = client.post(PATH, json={**BODY, "stream": True, "best_of": 3})
    assert streamed.status_code == 200
    assert streamed.content.endswith(b"data: [DONE]\n\n")
    beam = {**BODY, "use_beam_search": True, "temperature": 0}
    assert client.post(PATH, json=beam).json()["choices"][0]["message"]["content"]


def test_what_a_mutant_raises_is_kept_as_our_fault(app: StandinApp, client: httpx.Client) -> None:
    def breaks(answer: Answer) -> Answer:
        raise LookupError("mutant")

    app.mutant = Fault(answer=breaks)
    assert client.post(PATH, json=BODY).status_code == 500
    assert isinstance(app.faulty.error, LookupError)
