"""Doors that stand open, and refusals at the door that tell too much."""

from __future__ import annotations

from typing import Any

from benchmarks.detection.editing import raw
from benchmarks.detection.model import KEY, Area, Call
from conformance.wire.answer import Answer, Ask

area = Area("auth")
FAULTS = area.found


def _lets_in(name: str, title: str, about: str, condition: Any) -> None:
    async def around(call: Call) -> Answer:
        answer = await call.serve(call.ask)
        if answer.status == 401 and condition(call.ask):
            return await call.serve(call.ask.with_header("authorization", f"Bearer {KEY}"))
        return answer

    area.around(name, title, about, around)


def _token(ask: Ask) -> str:
    scheme, _, token = ask.header("authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


_lets_in("none", "no key is needed", "router-for-me/CLIProxyAPI#2714", lambda q: not q.header("authorization"))
_lets_in("any", "any key is accepted", "HKUDS/nanobot#4078", _token)
_lets_in(
    "completions-open",
    "the completions route asks for no key",
    "reference/vllm-on-cpu.md: routes without a key",
    lambda q: q.route == "completions",
)
_lets_in("streams-open", "a stream asks for no key", "HKUDS/nanobot#4078", lambda q: q.body.get("stream") is True)
_lets_in(
    "empty-bearer",
    "an empty bearer token is accepted",
    "router-for-me/CLIProxyAPI#3628",
    lambda q: q.header("authorization").strip().lower() == "bearer",
)
_lets_in(
    "prefix",
    "the beginning of the key is accepted",
    "RFC 6750 3.1: invalid token",
    lambda q: bool(_token(q)) and KEY.startswith(_token(q)),
)
_lets_in(
    "longer",
    "the key with something after it is accepted",
    "RFC 6750 3.1: invalid token",
    lambda q: _token(q).startswith(KEY),
)
_lets_in(
    "any-case",
    "the key is accepted in any case",
    "RFC 6750 3.1: invalid token",
    lambda q: _token(q).lower() == KEY.lower(),
)
_lets_in(
    "same-length",
    "any key of the right length is accepted",
    "RFC 6750 3.1: invalid token",
    lambda q: len(_token(q)) == len(KEY),
)
_lets_in(
    "other-scheme",
    "the key is accepted under any scheme",
    "page: Authorization: Bearer <TOKEN>",
    lambda q: q.header("authorization").endswith(" " + KEY),
)
_lets_in("query", "the key is accepted in the query", "RFC 6750 5.3: not in page URLs", lambda q: KEY in q.path)
_lets_in(
    "api-key-any",
    "an api-key header of any value is accepted",
    "owndev/Open-WebUI-Functions#12 (facts E)",
    lambda q: bool(q.header("api-key")),
)
_lets_in(
    "basic",
    "Basic credentials of any value are accepted",
    "page: Authorization: Bearer <TOKEN>",
    lambda q: q.header("authorization").lower().startswith("basic "),
)


def _refused(change: Any) -> Any:
    return lambda a: change(a) if a.status == 401 else a


area.answer("500", "a wrong key gets a 500", "RFC 9110 15.5.2", _refused(lambda a: a.with_error(500, "auth failed")))
area.answer(
    "200", "a wrong key gets 200 and an error body", "coder/aibridge#56", _refused(lambda a: a.with_status(200))
)
area.answer(
    "html",
    "a wrong key gets an HTML page to log in",
    "RFC 9110 15.5.2; page: JSON",
    _refused(lambda a: raw(a, "<html><form action=/login></form></html>", "text/html")),
)
area.answer(
    "redirect",
    "a wrong key is sent to a login page",
    "RFC 9110 15.5.2",
    _refused(lambda a: a.with_status(302).with_header("location", "/login")),
)
area.answer(
    "challenge-missing",
    "401 has no WWW-Authenticate",
    "RFC 9110 15.5.2: must send WWW-Authenticate",
    _refused(lambda a: a.with_header("www-authenticate", None)),
)
area.answer(
    "key-told",
    "401 says which key it expected",
    "BerriAI/litellm#39757",
    _refused(lambda a: a.with_json({"error": {"code": "401", "message": f"invalid key, expected {KEY}"}})),
)
area.answer(
    "key-echoed",
    "401 repeats the key that was sent",
    "BerriAI/litellm#18902",
    _refused(lambda a: a.with_json({"error": {"code": "401", "message": f"bad: {a.ask.header('authorization')}"}})),
)
area.answer(
    "trace",
    "401 has a stack trace",
    "BerriAI/litellm#39757 (backend told)",
    _refused(
        lambda a: a.with_json(
            {
                "error": {
                    "code": "401",
                    "message": 'Traceback (most recent call last):\n  File "/app/auth.py", line 9, in check\nKeyError',
                }
            }
        )
    ),
)


async def _judged_first(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    if answer.status == 401 and call.ask.route:
        judged = await call.serve(call.ask.with_header("authorization", f"Bearer {KEY}"))
        return judged if judged.status == 400 else answer
    return answer


area.around(
    "judged-first",
    "without a key a bad body is judged before the key is",
    "BerriAI/litellm#40217 (tells too much)",
    _judged_first,
)


async def _wears_off(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    if answer.status == 401:
        call.state["refused"] = call.state.get("refused", 0) + 1
        if call.state["refused"] % 3 == 0:
            return await call.serve(call.ask.with_header("authorization", f"Bearer {KEY}"))
    return answer


area.around(
    "every-third", "every third request with a wrong key gets in", "BerriAI/litellm#39757 (cache of keys)", _wears_off
)
