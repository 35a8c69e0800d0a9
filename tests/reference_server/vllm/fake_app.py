"""An ASGI app that answers as vLLM 0.32 does where that differs from the contract, over the stand-in's tiny model.

What it refuses, ignores and says was recorded from a real vLLM: types, ranges, error bodies, layouts, chunks.
"""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from reference_server import asgi
from reference_server.orders import read_order
from reference_server.sampling import Sampling, _draw, draw_seed
from reference_server.tinylm import TinyLM, tiny_lm
from schemas.model import Route

Json = dict[str, Any]

MODEL = "served-tiny"
CONTEXT = 2048
PATHS: dict[str, Route] = {"/v1/completions": "completions", "/v1/chat/completions": "chat"}
_BOOLEANS = ("ignore_eos", "skip_special_tokens", "use_beam_search", "include_stop_str_in_output", "stream")


class RefusedError(Exception):
    """What vLLM refuses, with the parameter that it names."""

    def __init__(self, message: str, param: str | None = None, kind: str = "BadRequestError", code: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.document = {"error": {"message": message, "type": kind, "param": param, "code": code}}


@dataclass
class Made:
    """One choice while it is made: its text as far as it may be shown, and its tokens."""

    shown: str = ""
    text: str = ""
    ids: list[int] = field(default_factory=list)
    tops: list[Json] = field(default_factory=list)
    reason: str | None = None
    stop_reason: Any = None


class FakeVllm:
    """The app. `asked` keeps the bodies that came and `raw` their bytes; `alive` is its engine."""

    def __init__(self, seed: int = 0) -> None:
        self._lm = tiny_lm()
        self._seed = seed
        self.asked: list[Json] = []
        self.raw: list[bytes] = []
        self.heads: list[Any] = []
        self.queries: list[bytes] = []
        self.alive = True

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        path = scope["path"]
        if path == "/health":
            status = 200 if self.alive else 503
            await _sent(send, status if scope["method"] == "GET" else 405, b"", "text/plain")
            return
        self.heads.append(list(scope["headers"]))
        self.queries.append(scope["query_string"])
        raw = await asgi.read_body(receive, 1 << 24)
        body = json.loads(raw)
        self.asked.append(body)
        self.raw.append(raw)
        if not self.alive:
            broken = RefusedError("EngineCore encountered an issue. See stack trace in /root/x.py", None, "E", 500)
            await _sent(send, 500, json.dumps(broken.document).encode())
            return
        try:
            if path == "/tokenize":
                begin = [self._lm.begin] if body.get("add_special_tokens", True) else []
                ids = [*begin, *self._lm.encode(body["prompt"])]
                document = {"count": len(ids), "max_model_len": CONTEXT, "tokens": ids, "token_strs": None}
                await _sent(send, 200, json.dumps(document).encode())
            else:
                await self._generate(PATHS[path], body, send)
        except RefusedError as error:
            await _sent(send, error.code, json.dumps(error.document).encode())

    async def _generate(self, route: Route, body: Json, send: asgi.Send) -> None:
        _judge(route, body)
        made = Generation(self._lm, route, body, self._seed)
        if not body.get("stream"):
            while not all(choice.reason for choice in made.choices):
                made.step()
            await _sent(send, 200, json.dumps(made.document(), ensure_ascii=False, separators=(",", ":")).encode())
            return
        head = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        for chunk in made.chunks():
            event = json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode()
            await send({"type": "http.response.body", "body": b"data: " + event + b"\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Generation:
    """The choices of one request, made token by token."""

    def __init__(self, lm: TinyLM, route: Route, body: Json, seed: int) -> None:
        # The stand-in reads the prompt and what shapes the distribution; the rest is vLLM's own.
        plain = {**body, "n": 1, "best_of": 1, "stop": None, "stream": False, "max_tokens": 1}
        order = read_order(
            lm, route, plain, seed=seed, context_length=1 << 30, default_max_tokens=16, default_ignore_eos=False
        )
        self.lm = order.model
        self.route = route
        self.body = body
        self.prompt = order.prompt
        self.sampling = order.sampling
        self.stops = [body["stop"]] if isinstance(body.get("stop"), str) else list(body.get("stop") or ())
        self.keeps = body.get("include_stop_str_in_output") is True
        self.ids = set(body.get("stop_token_ids") or ())
        self.most = body.get("max_tokens") or (16 if route == "completions" else CONTEXT - len(self.prompt))
        if len(self.prompt) + self.most > CONTEXT:
            named = f"max_tokens={self.most} cannot be greater than max_model_len={CONTEXT}. Please request fewer."
            raise RefusedError(f"{named} (parameter=max_tokens, value={self.most})", "max_tokens")
        if len(self.prompt) >= CONTEXT:
            message = f"This model's maximum context length is {CONTEXT} tokens. Please reduce the input prompt."
            raise RefusedError(f"{message} (parameter=input_text, value=1)", "input_text")
        self.count = _count(route, body)
        self.head = {
            "id": f"{'chatcmpl' if route == 'chat' else 'cmpl'}-{uuid.uuid4().hex[:16]}",
            "created": int(time.time()),
        }
        self.choices = [Made() for _ in range(body.get("n") or 1)]
        self._draws = [_draws(self.lm, self.prompt, self.sampling, index) for index in range(len(self.choices))]
        if body.get("use_beam_search"):
            self.choices = _beams(self, len(self.choices))

    def step(self) -> None:
        """One more token for each choice that goes on."""
        for choice, draws in zip(self.choices, self._draws, strict=True):
            if choice.reason is None:
                self._add(choice, *next(draws))

    def _add(self, choice: Made, token: int, logprobs: Mapping[int, float]) -> None:
        choice.ids.append(token)
        choice.tops.append(_top(self.lm, token, logprobs, self.count))
        ends = (token == self.lm.end and not self.sampling.ignore_eos) or token in self.ids
        if not (ends and not self.keeps) and not (self.lm.is_special(token) and self.sampling.skip_special_tokens):
            choice.text += self.lm.token_text(token)
        if ends:
            choice.reason = "stop"
            choice.stop_reason = None if token == self.lm.end else token
        found = [(choice.text.find(stop), stop) for stop in self.stops if stop in choice.text]
        if found:
            place, stop = min(found)
            choice.text = choice.text[: place + (len(stop) if self.keeps else 0)]
            choice.reason, choice.stop_reason = "stop", stop
        if choice.reason is None and len(choice.ids) >= self.most:
            choice.reason = "length"

    def usage(self) -> Json:
        made = sum(len(choice.ids) for choice in self.choices)
        return {"prompt_tokens": len(self.prompt), "total_tokens": len(self.prompt) + made, "completion_tokens": made}

    def document(self) -> Json:
        choices = []
        for index, choice in enumerate(self.choices):
            message: Json = {"role": "assistant", "content": choice.text, "refusal": None, "tool_calls": []}
            said: Json = {"message": message} if self.route == "chat" else {"text": choice.text}
            wants_ids = self.body.get("return_token_ids")
            logprobs = self._logprobs(choice, 0, len(choice.ids))
            beside = {"stop_reason": choice.stop_reason, "token_ids": choice.ids if wants_ids else None}
            choices.append({"index": index, **said, "logprobs": logprobs, "finish_reason": choice.reason, **beside})
        kind = "chat.completion" if self.route == "chat" else "text_completion"
        usage = {**self.usage(), "prompt_tokens_details": None}
        return {**self.head, "object": kind, "model": MODEL, "choices": choices, "usage": usage, "metrics": None}

    def chunks(self) -> Iterator[Json]:
        kind = "chat.completion.chunk" if self.route == "chat" else "text_completion"
        head = {**self.head, "object": kind, "model": MODEL}
        if self.route == "chat":
            for index in range(len(self.choices)):
                role = {"delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
                yield {**head, "choices": [{"index": index, **role}], "prompt_token_ids": None}
        held = 0 if self.keeps else max([len(stop) - 1 for stop in self.stops], default=0)
        while not all(choice.reason for choice in self.choices):
            going = [(index, choice) for index, choice in enumerate(self.choices) if choice.reason is None]
            before = [len(choice.ids) for _, choice in going]
            self.step()
            for (index, choice), start in zip(going, before, strict=True):
                upto = len(choice.text) if choice.reason else max(len(choice.shown), len(choice.text) - held)
                text, choice.shown = choice.text[len(choice.shown) : upto], choice.text[:upto]
                said: Json = {"delta": {"content": text}} if self.route == "chat" else {"text": text}
                logprobs = self._logprobs(choice, start, len(choice.ids))
                ends = {"finish_reason": choice.reason, "stop_reason": choice.stop_reason}
                yield {**head, "choices": [{"index": index, **said, "logprobs": logprobs, **ends}]}
        if (self.body.get("stream_options") or {}).get("include_usage"):
            yield {**head, "choices": [], "usage": self.usage(), "system_fingerprint": "vllm-fake"}

    def _logprobs(self, choice: Made, start: int, end: int) -> Json | None:
        if self.count is None:
            return None
        names = [self.lm.token_text(token) for token in choice.ids]
        rows = list(zip(names, choice.tops, strict=True))[start:end]
        if self.route == "completions":
            offsets = [sum(map(len, names[:place])) for place in range(start, end)]
            return {
                "text_offset": offsets,
                "token_logprobs": [top["chosen"] for _, top in rows],
                "tokens": [name for name, _ in rows],
                "top_logprobs": [dict(top["listed"][: self.count + 1]) for _, top in rows],
            }
        return {
            "content": [
                {**_item(name, top["chosen"]), "top_logprobs": [_item(*one) for one in top["listed"][: self.count]]}
                for name, top in rows
            ]
        }


def _item(token: str, logprob: float) -> Json:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _draws(lm: TinyLM, prompt: list[int], asked: Sampling, index: int) -> Iterator[tuple[int, Mapping[int, float]]]:
    seed = draw_seed(asked.seed, tuple(prompt), asked.temperature, asked.top_p, asked.presence_penalty, index)
    random, key, said = Random(seed), lm.key(prompt), set[int]()
    while True:
        token = _draw(lm, key, said, asked, random)
        yield token, dict(zip(lm.support, lm.ranked_by_key(key).logprobs, strict=True))
        said.add(token)
        key = lm.key((*key, token))


def _top(lm: TinyLM, token: int, logprobs: Mapping[int, float], count: int | None, first: int | None = None) -> Json:
    """The chosen token's value, and what is listed: the sampled one first, then the likeliest."""
    ranked = sorted(logprobs, key=lambda one: -logprobs[one])[: count or 0]
    listed = dict.fromkeys((token if first is None else first, *ranked))
    return {"chosen": logprobs[token], "listed": [(lm.token_text(one), logprobs[one]) for one in listed]}


def _beams(made: Generation, width: int) -> list[Made]:
    """vLLM's beam search: it knows no stops, and ends a beam before its end token unless that shall be kept."""
    lm, eos = made.lm, None if made.sampling.ignore_eos else made.lm.end
    live, done = [(0.0, Made())], list[tuple[float, Made]]()
    for _ in range(made.most):
        grown = []
        for score, beam in live:
            key = lm.key([*made.prompt, *beam.ids])
            logprobs = dict(zip(lm.support, lm.ranked_by_key(key).logprobs, strict=True))
            ranked = sorted(logprobs, key=lambda one: -logprobs[one])[: 2 * width]
            for token in ranked:
                top = _top(lm, token, logprobs, made.count, ranked[0])
                ids, tops, kept = [*beam.ids, token], [*beam.tops, top], token != eos or made.keeps
                one = Made(ids=ids if kept else beam.ids, tops=tops if kept else beam.tops)
                grown.append((score + logprobs[token], token, one))
        done += [(score, one) for score, token, one in grown if token == eos]
        for _, one in done:
            one.reason = "stop"
        going = sorted((row for row in grown if row[1] != eos), key=lambda row: -row[0])[:width]
        live = [(score, one) for score, _, one in going]
    done += live
    # Longer by the prompt, so that the length counts for less than it should.
    done.sort(key=lambda row: -row[0] / (len(made.prompt) + len(row[1].ids)))
    for _, one in done:
        one.reason = one.reason or "length"
        ended = one.ids[:-1] if one.ids and one.ids[-1] == eos else one.ids
        one.text = lm.decode(ended, skip_special=made.sampling.skip_special_tokens)
    return [one for _, one in done[:width]]


def _count(route: Route, body: Json) -> int | None:
    if route == "completions":
        count = body.get("logprobs")
        return None if count is None else int(count)
    return int(body.get("top_logprobs") or 0) if body.get("logprobs") else None


def _invalid(kind: str, name: str, message: str) -> RefusedError:
    listed = {"type": kind, "loc": f"body.{name}", "msg": message, "input": "None"}
    return RefusedError(f"1 validation error:\n  {listed}", f"body.{name}", "Bad Request")


def _judge(route: Route, body: Json) -> None:
    """What vLLM refuses by itself."""
    if body.get("model") not in (None, MODEL):
        raise RefusedError(f"The model `{body['model']}` does not exist.", None, "NotFoundError", 404)
    for name in _BOOLEANS:
        if name in body and not isinstance(body[name], bool):
            raise _invalid("bool_type", name, "Input should be a valid boolean")
    if not isinstance(body.get("user", ""), str):
        raise _invalid("string_type", "user", "Input should be a valid string")
    _judge_stops(body)
    _judge_logprobs(route, body)
    _judge_together(body)
    text = json.dumps(body.get("prompt") or body.get("messages"), ensure_ascii=False)
    if any("\ud800" <= one <= "\udfff" for one in text):
        # 0.32 refuses this with a 400; 0.25 fails.
        raise RefusedError("TextEncodeInput must be Union[TextInputSequence]", None, "InternalServerError", 500)
    if body.get("top_p", 1) == 0:
        raise RefusedError("top_p must be in (0, 1], got 0.0. (parameter=top_p, value=0.0)", "top_p")


def _judge_stops(body: Json) -> None:
    stop = body.get("stop") or []
    if isinstance(stop, list) and len(stop) > 4:
        raise _invalid("too_long", "stop", "List should have at most 4 items after validation, not 5")
    if stop == "" or "" in stop:
        raise RefusedError("stop cannot contain an empty string.")
    out = [one for one in body.get("stop_token_ids") or () if one >= tiny_lm().size]
    if out:
        message = f"token_id(s) {out} in stop_token_ids contain out-of-vocab token ids."
        raise RefusedError(f"{message} (parameter=stop_token_ids, value={out})", "stop_token_ids")


def _judge_together(body: Json) -> None:
    greedy = (1.0 if body.get("temperature") is None else body["temperature"]) < 1e-5
    if (body.get("n") or 1) > 1 and greedy and not body.get("use_beam_search"):
        raise RefusedError("n must be 1 when using greedy sampling, got 2.")
    if body.get("use_beam_search") and body.get("stream"):
        raise RefusedError("Streaming is not currently supported with beam search")
    if body.get("stream_options") and not body.get("stream"):
        raise RefusedError("Stream options can only be defined when `stream=True`.", "stream_options")


def _judge_logprobs(route: Route, body: Json) -> None:
    asked, top = body.get("logprobs"), body.get("top_logprobs")
    if route == "chat":
        if asked is not None and not isinstance(asked, bool):
            raise _invalid("bool_parsing", "logprobs", "Input should be a valid boolean, unable to interpret input")
        if top and not asked:
            raise RefusedError("when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs")
    elif asked is not None and (math.isnan(asked) or asked < -1):
        raise RefusedError("`logprobs` must be a positive value or -1.", "logprobs")


async def _sent(send: asgi.Send, status: int, body: bytes, kind: str = "application/json") -> None:
    head = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()), (b"vary", b"Origin")]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
