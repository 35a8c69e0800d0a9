"""The adapter over an app that answers as vLLM does: each difference, from outside."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from reference_server import asgi
from tests.reference_server.vllm.asking import CALM, CHAT, COMPLETIONS, SEA, adapter, ask, asked
from tests.reference_server.vllm.fake_app import MODEL

BOTH = pytest.mark.parametrize(("path", "plain"), [(COMPLETIONS, SEA), (CHAT, CALM)], ids=["completions", "chat"])
GREEDY = {"temperature": 0, "ignore_eos": True}


def whole(path: str, body: dict[str, Any], **params: Any) -> Any:
    answered = asked(path, {**body, **params})[1]
    assert answered.status == 200, answered.bodies
    return answered.document


def said(document: Any) -> list[str]:
    return [one["message"]["content"] if "message" in one else one["text"] for one in document["choices"]]


@BOTH
def test_a_plain_document_is_handed_on_as_it_came(path: str, plain: dict[str, Any]) -> None:
    fake, adapted = adapter()
    answered = ask(adapted, path, {**plain, **GREEDY})
    ours = ask(fake, path, fake.asked[-1])
    assert [name for name, _ in answered.messages[0]["headers"]] == [b"content-type", b"content-length"]
    assert answered.bodies[0][-200:] == ours.bodies[0][-200:]
    assert answered.document["choices"] == ours.document["choices"]


@BOTH
def test_nothing_of_the_clients_head_reaches_vllm(path: str, plain: dict[str, Any]) -> None:
    fake, adapted = adapter()
    ask(adapted, path, plain, headers=[(b"authorization", b"Bearer k"), (b"x-request-id", b"same")])
    assert fake.queries[-1] == b""
    assert [name for name, _ in fake.heads[-1]] == [b"content-type", b"content-length"]
    assert fake.heads[-1][1][1] == str(len(fake.raw[-1])).encode()


@BOTH
def test_several_greedy_choices_are_one_choice_several_times(path: str, plain: dict[str, Any]) -> None:
    one, three = whole(path, plain, **GREEDY), whole(path, plain, n=3, **GREEDY)
    assert said(three) == said(one) * 3
    assert [choice["index"] for choice in three["choices"]] == [0, 1, 2]
    tokens = one["usage"]["completion_tokens"] * 3
    prompt = one["usage"]["prompt_tokens"]
    assert [three["usage"][name] for name in ("completion_tokens", "total_tokens")] == [tokens, prompt + tokens]


@BOTH
@pytest.mark.parametrize("logprobs", [{}, {"logprobs": 1}])
def test_greedy_choices_are_streamed_as_often(path: str, plain: dict[str, Any], logprobs: dict[str, int]) -> None:
    document = whole(path, plain, n=3, **GREEDY, **logprobs)
    answered = asked(path, {**plain, "n": 3, "stream": True, **GREEDY, **logprobs})[1]
    assert [answered.text(index) for index in range(3)] == said(document)
    assert answered.chunks[-1]["usage"]["completion_tokens"] == document["usage"]["completion_tokens"]
    assert [answered.streamed(index)[-1]["finish_reason"] for index in range(3)] == ["length"] * 3


@BOTH
@pytest.mark.parametrize("extra", [{}, {"logprobs": 2}])
def test_the_best_are_the_likeliest_of_all_candidates(path: str, plain: dict[str, Any], extra: dict[str, Any]) -> None:
    body = {**plain, "temperature": 1.0, "ignore_eos": True}
    every = whole(path, body, n=5, logprobs=0)["choices"]
    means = {said({"choices": [one]})[0]: sum(one["logprobs"]["token_logprobs"]) / 8 for one in every}
    ranked = sorted(means, key=lambda text: -means[text])
    best = whole(path, body, n=2, best_of=5, **extra)
    assert said(best) == ranked[:2]
    assert [choice["index"] for choice in best["choices"]] == [0, 1]
    assert best["usage"]["completion_tokens"] == 16
    assert all((choice["logprobs"] is None) == (not extra) for choice in best["choices"])


@BOTH
def test_a_best_that_is_streamed_is_told_when_it_is_known(path: str, plain: dict[str, Any]) -> None:
    body = {**plain, "temperature": 1.0, "n": 2, "best_of": 4}
    document = whole(path, body, logprobs=1)
    answered = asked(path, {**body, "stream": True, "logprobs": 1})[1]
    assert answered.media.startswith("text/event-stream")
    assert [answered.text(index) for index in range(2)] == said(document)
    assert answered.chunks[-1]["usage"] == document["usage"]
    assert [one["finish_reason"] for one in answered.streamed(1)][-1] is not None
    apart = asked(path, {**body, "stream": True, "stream_options": {"include_usage": True}})[1]
    assert (apart.chunks[-1]["choices"], apart.chunks[-2].get("usage")) == ([], None)


@BOTH
def test_log_probabilities_have_the_pages_layout(path: str, plain: dict[str, Any]) -> None:
    document = whole(path, plain, logprobs=2, temperature=1.5, ignore_eos=True)
    logprobs, text = document["choices"][0]["logprobs"], said(document)[0]
    assert set(logprobs) == {"text_offsets", "token_logprobs", "tokens", "top_logprobs"}
    assert "".join(logprobs["tokens"]) == text
    assert logprobs["text_offsets"] == [sum(map(len, logprobs["tokens"][:place])) for place in range(8)]
    for token, value, top in zip(*(logprobs[n] for n in ("tokens", "token_logprobs", "top_logprobs")), strict=True):
        assert top[token] == value <= 0
        assert 2 <= len(top) <= 3


@BOTH
def test_streamed_log_probabilities_are_those_of_the_document(path: str, plain: dict[str, Any]) -> None:
    body = {**plain, "logprobs": 2, **GREEDY}
    document = whole(path, body)["choices"][0]["logprobs"]
    parts = [one["logprobs"] for one in asked(path, {**body, "stream": True})[1].streamed() if one["logprobs"]]
    assert {name: [item for part in parts for item in part[name]] for name in document} == document


def test_openais_layout_stays_under_its_contract() -> None:
    body = {**CALM, "logprobs": True, "top_logprobs": 2, "temperature": 1.5, "ignore_eos": True}
    content = asked(CHAT, body, "openai")[1].document["choices"][0]["logprobs"]["content"]
    for item in content:
        values = [one["logprob"] for one in item["top_logprobs"]]
        assert len(values) == 2
        assert values == sorted(values, reverse=True)
        assert item["token"] in {one["token"] for one in item["top_logprobs"]} or item["logprob"] <= values[-1]
        assert item["bytes"] == list(item["token"].encode())


def test_the_offsets_of_openai_are_spelt_its_way() -> None:
    chunks = asked(COMPLETIONS, {**SEA, "logprobs": 1, "stream": True}, "openai")[1].streamed()
    assert all("text_offset" in one["logprobs"] for one in chunks if one["logprobs"])


@BOTH
def test_the_token_that_ended_an_answer_is_not_listed(path: str, plain: dict[str, Any]) -> None:
    body = {**plain, "max_tokens": 400, "temperature": 0.7, "logprobs": 0}
    document = whole(path, body)
    choice = document["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert "".join(choice["logprobs"]["tokens"]) == said(document)[0]
    kept = whole(path, body, skip_special_tokens=False)
    assert "".join(kept["choices"][0]["logprobs"]["tokens"]) == said(kept)[0] == said(document)[0]


@BOTH
def test_what_belongs_to_a_stop_string_is_not_listed(path: str, plain: dict[str, Any]) -> None:
    text = said(whole(path, plain, **GREEDY))[0]
    stop = text[6:10]
    body = {**plain, **GREEDY, "stop": stop, "logprobs": 1}
    document = whole(path, body)
    assert said(document)[0] == text[: text.index(stop)]
    offsets = document["choices"][0]["logprobs"]["text_offsets"]
    assert offsets[-1] < len(said(document)[0])
    streamed = asked(path, {**body, "stream": True})[1]
    listed = [place for one in streamed.streamed() if one["logprobs"] for place in one["logprobs"]["text_offsets"]]
    assert (listed, streamed.text()) == (offsets, said(document)[0])


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_six_stop_strings_stop_as_well_as_four(path: str, plain: dict[str, Any], stream: bool) -> None:
    text = said(whole(path, plain, **GREEDY))[0]
    stop = ["~1", "~2", "~3", "~4", "~5", text[6:9]]
    answered = asked(path, {**plain, **GREEDY, "stop": stop, "stream": stream})[1]
    assert answered.text() == text[: text.index(text[6:9])]
    last = answered.streamed()[-1] if stream else answered.document["choices"][0]
    assert last["finish_reason"] == "stop"


def ids_of(text: str) -> list[int]:
    body = {"prompt": text, "add_special_tokens": False, "model": "any", "content": text}
    tokens: list[int] = asked("/tokenize", body)[1].document["tokens"]
    return tokens


@BOTH
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("extra", [{}, {"stop": "~never"}, {"logprobs": 1}, {"skip_special_tokens": False}])
def test_a_stop_token_is_in_the_answer(path: str, plain: dict[str, Any], stream: bool, extra: dict[str, Any]) -> None:
    text = said(whole(path, plain, **GREEDY))[0]
    third = ids_of(text)[2]
    answered = asked(path, {**plain, **GREEDY, "stop_token_ids": [third], "stream": stream, **extra})[1]
    assert ids_of(answered.text()) == ids_of(text)[: ids_of(text).index(third) + 1]


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_string_beside_a_stop_token_is_cut_out(path: str, plain: dict[str, Any], stream: bool) -> None:
    text = said(whole(path, plain, **GREEDY))[0]
    stop = text[5:9]
    answered = asked(path, {**plain, **GREEDY, "stop": stop, "stop_token_ids": [0], "stream": stream})[1]
    assert answered.text() == text[: text.index(stop)]


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_a_special_token_that_ends_an_answer_is_never_shown(path: str, plain: dict[str, Any], stream: bool) -> None:
    body = {**plain, "max_tokens": 400, "temperature": 0.7}
    text = said(whole(path, body))[0]
    shown = asked(path, {**body, "stop_token_ids": [0], "skip_special_tokens": False, "stream": stream})[1]
    assert shown.text() == text


@BOTH
def test_a_beam_search_gives_the_best_beams(path: str, plain: dict[str, Any]) -> None:
    body = {**plain, "temperature": 0, "use_beam_search": True, "best_of": 4, "ignore_eos": True}
    two = whole(path, body, n=2, logprobs=1)
    means = [sum(one["logprobs"]["token_logprobs"]) for one in two["choices"]]
    greedy = sum(whole(path, plain, logprobs=0, **GREEDY)["choices"][0]["logprobs"]["token_logprobs"])
    assert means[0] >= max(means[1], greedy)
    assert said(two)[0] != said(two)[1]
    assert two["usage"]["completion_tokens"] == 16
    for choice in two["choices"]:
        rows = zip(choice["logprobs"]["tokens"], choice["logprobs"]["top_logprobs"], strict=True)
        assert all(token in top and len(top) <= 2 for token, top in rows)
        assert not {"token_ids", "stop_reason"} & set(choice)
    assert whole(path, body)["choices"][0]["logprobs"] is None


@BOTH
def test_a_beam_ends_at_its_stop_string(path: str, plain: dict[str, Any]) -> None:
    body = {**plain, "temperature": 0, "use_beam_search": True, "best_of": 3, "n": 3, "ignore_eos": True}
    stop = said(whole(path, body))[0][5:8]
    document = whole(path, body, stop=stop, logprobs=0)
    assert all(stop not in text for text in said(document))
    cut = [one for one in document["choices"] if one["finish_reason"] == "stop"]
    assert cut
    assert all(sum(map(len, one["logprobs"]["tokens"])) >= len(said({"choices": [one]})[0]) for one in cut)
    assert document["usage"]["completion_tokens"] < 24


@BOTH
def test_a_beam_search_is_streamed_when_it_is_done(path: str, plain: dict[str, Any]) -> None:
    body = {**plain, "temperature": 0, "use_beam_search": True, "best_of": 2}
    streamed = asked(path, {**body, "stream": True}, "openai")[1]
    assert streamed.text() == said(whole(path, body))[0]


def test_the_tokenizer_answers_in_the_standins_form() -> None:
    sent, answered = asked("/tokenize", {"prompt": "Ahoy", "content": "x", "add_special_tokens": False})
    assert sent == {"prompt": "Ahoy", "add_special_tokens": False, "model": MODEL}
    assert set(answered.document) == {"count", "max_model_len", "tokens"}
    refused = asked("/tokenize", {"content": "Ahoy"})[1]
    assert (refused.status, refused.document["error"]["param"]) == (400, "prompt")


@pytest.mark.parametrize("path", ["/metrics", "/invocations", "/v1/embeddings", "/v1/models"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_else_vllm_serves_stays_closed(path: str, method: str) -> None:
    fake, adapted = adapter()
    assert ask(adapted, path, {}, method).status == 404
    assert not fake.asked


@pytest.mark.parametrize(("alive", "status"), [(True, 200), (False, 503)])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_health_is_the_engines(alive: bool, status: int, method: str) -> None:
    fake, adapted = adapter()
    fake.alive = alive
    assert ask(adapted, "/health", b"", method).status == status


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    assert ask(adapter()[1], COMPLETIONS, body).status == 400


@BOTH
@pytest.mark.parametrize("params", [{}, {"stream": True}, {"n": 2, "temperature": 0}, {"best_of": 2}])
def test_a_dead_engine_is_a_json_500_without_insides(path: str, plain: dict[str, Any], params: dict[str, Any]) -> None:
    fake, adapted = adapter()
    fake.alive = False
    answered = ask(adapted, path, {**plain, **params})
    assert (answered.status, answered.media) == (500, "application/json")
    assert answered.document["error"]["message"] == "the model server failed"


@BOTH
@pytest.mark.parametrize("params", [{}, {"stream": True}, {"best_of": 2}])
def test_a_request_beyond_the_context_names_its_parameter(
    path: str, plain: dict[str, Any], params: dict[str, Any]
) -> None:
    answered = asked(path, {**plain, **params, "max_tokens": 10**400})[1]
    error = answered.document["error"]
    assert (answered.status, error["param"], error["code"]) == (400, "max_tokens", "Bad Request")
    assert "context length of 2048 tokens" in error["message"]


def test_a_prompt_beyond_the_context_is_named_as_the_text_it_is() -> None:
    for path, body, param in (
        (COMPLETIONS, {"prompt": "a b " * 4000}, "prompt"),
        (CHAT, {"messages": [{"role": "user", "content": "a b " * 4000}]}, "messages"),
    ):
        error = asked(path, {**body, "max_tokens": 1})[1].document["error"]
        assert error["param"] in (param, "max_tokens")


@BOTH
@pytest.mark.parametrize("params", [{"stream": True}, {}, {"best_of": 3}, {"stream": True, "logprobs": 1}])
def test_a_client_that_goes_is_gone_for_vllm_too(path: str, plain: dict[str, Any], params: dict[str, Any]) -> None:
    seen: list[str] = []

    async def waits(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await receive()
        seen.append((await receive())["type"])

    messages = iter([{"type": "http.request", "body": json.dumps({**plain, **params}).encode(), "more_body": False}])

    async def receive() -> asgi.Message:
        return next(messages, {"type": "http.disconnect"})

    sent: list[asgi.Message] = []

    async def send(message: asgi.Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
    asyncio.run(_served(adapter(waits)[1], scope, receive, send))
    assert (seen, sent) == (["http.disconnect"], [])


async def _served(app: asgi.App, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    await app(scope, receive, send)


def test_a_client_that_goes_before_its_request_is_whole_is_forgotten() -> None:
    fake, adapted = adapter()

    async def receive() -> asgi.Message:
        return {"type": "http.disconnect"}

    async def send(message: asgi.Message) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "method": "POST", "path": CHAT, "query_string": b"", "headers": []}
    asyncio.run(_served(adapted, scope, receive, send))
    assert not fake.asked


@BOTH
@pytest.mark.parametrize("half", [0xD83D, 0xDC00], ids=hex)
def test_half_of_a_surrogate_pair_is_refused_before_vllm_fails_over_it(
    path: str, plain: dict[str, Any], half: int
) -> None:
    fake, adapted = adapter()
    answered = ask(adapted, path, {**plain, "stop": f"a{chr(half)}"})
    assert (answered.status, answered.document["error"]["param"]) == (400, "stop")
    assert not fake.asked
    whole(path, plain, stop="a\U0001f6a2")


def test_too_many_candidates_are_refused_before_vllm_sees_them() -> None:
    sent, answered = asked(COMPLETIONS, {**SEA, "n": 200})
    assert (sent, answered.status, answered.document["error"]["param"]) == (None, 400, "n")
