"""Where the generation ends, and what it says about that."""

from __future__ import annotations

from typing import Any

from benchmarks.detection.editing import chat, drop, plain_choices, put_text, retext, swap, text_of
from benchmarks.detection.model import Area, Call
from conformance.wire.answer import Answer, Ask, frame, payload

stopping = Area("stopping")
FAULTS = stopping.found

stopping.ask("stop-ignored", "stop is ignored", "page: where the API stops generating", drop("stop"))
stopping.ask(
    "stop-list-ignored",
    "a list of stop strings is ignored",
    "page: string or a list of strings",
    lambda q: drop("stop")(q) if isinstance(q.body.get("stop"), list) else q,
)
stopping.ask(
    "stop-first-only",
    "only the first stop string counts",
    "page: a list of strings",
    lambda q: q.with_body(stop=q.body["stop"][:1]) if isinstance(q.body.get("stop"), list) else q,
)
stopping.ask(
    "stop-ignored-in-streams",
    "a stream does not stop at stop",
    "gpustack/llama-box#2 (streams differ); page: stop",
    lambda q: drop("stop")(q) if q.body.get("stream") is True else q,
)
stopping.ask(
    "max-tokens-ignored",
    "max_tokens is ignored",
    "peers/conformance.md",
    lambda q: q.with_body(max_tokens=200, ignore_eos=True) if q.body.get("max_tokens") else q,
)
stopping.ask(
    "max-tokens-ignored-in-streams",
    "a stream ignores max_tokens",
    "page: max_tokens",
    lambda q: (
        q.with_body(max_tokens=120, ignore_eos=True) if q.body.get("stream") is True and q.body.get("max_tokens") else q
    ),
)
stopping.ask(
    "max-tokens-plus-one",
    "one token more comes than max_tokens",
    "vllm-project/vllm#28172",
    swap("max_tokens", lambda m: m + 1),
)
stopping.ask(
    "max-tokens-minus-one",
    "one token less comes than max_tokens",
    "vllm-project/vllm#28172",
    swap("max_tokens", lambda m: max(1, m - 1)),
)
stopping.ask(
    "max-tokens-shared",
    "max_tokens is shared out among the choices",
    "page: n, how many completions",
    lambda q: (
        q.with_body(max_tokens=max(1, q.body["max_tokens"] // q.body["n"]))
        if (q.body.get("n") or 1) > 1 and q.body.get("max_tokens")
        else q
    ),
)
stopping.ask(
    "default-max-tokens-one",
    "without max_tokens one token comes",
    "page: max_tokens, default 16",
    lambda q: q.with_body(max_tokens=1) if q.body.get("max_tokens") is None else q,
)
stopping.ask(
    "default-max-tokens-unbounded",
    "without max_tokens the completions route runs on",
    "page: default 16",
    lambda q: q.with_body(max_tokens=400, ignore_eos=True) if q.body.get("max_tokens") is None and not chat(q) else q,
)
stopping.ask(
    "ignore-eos-ignored",
    "ignore_eos true stops at the end token all the same",
    "huggingface/text-generation-inference#1544",
    lambda q: q.with_body(ignore_eos=False) if q.body.get("ignore_eos") is True else q,
)
stopping.ask(
    "ignore-eos-always",
    "ignore_eos false is ignored, the answer runs to max_tokens",
    "tenstorrent/vllm#344",
    lambda q: q.with_body(ignore_eos=True) if q.body.get("ignore_eos") is not True else q,
)
stopping.ask("stop-token-ids-ignored", "stop_token_ids is ignored", "vllm-project/vllm#792", drop("stop_token_ids"))
stopping.ask(
    "skip-special-forced", "skip_special_tokens false is ignored", "vllm-project/vllm#792", drop("skip_special_tokens")
)
stopping.ask(
    "stop-stripped",
    "a stop string is trimmed before it is looked for",
    "vllm-project/vllm#3672 (alignment)",
    swap("stop", lambda s: (s.strip() or s) if isinstance(s, str) else [x.strip() or x for x in s]),
)
stopping.answer(
    "finish-stop-always",
    'finish_reason is "stop" although the limit was hit',
    "Blaizzy/mlx-vlm#1215",
    lambda a: a.edit_choices(lambda c: c.update(finish_reason=c["finish_reason"] and "stop")),
)
stopping.answer(
    "finish-length-always",
    'finish_reason is "length" although a stop string was hit',
    "waybarrios/vllm-mlx#628",
    lambda a: a.edit_choices(lambda c: c.update(finish_reason=c["finish_reason"] and "length")),
)


def _stops(ask: Ask) -> list[str]:
    stop = ask.body.get("stop")
    return [stop] if isinstance(stop, str) else list(stop or [])


async def _kept(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    stops = _stops(call.ask)
    return plain_choices(
        answer, lambda c: put_text(c, text_of(c) + stops[0]) if c["finish_reason"] == "stop" and stops else None
    )


stopping.around("stop-in-text", "the stop string is in the text", "page: the returned text won't contain it", _kept)


async def _leaks(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    stops = [stop for stop in _stops(call.ask) if len(stop) > 1]
    if answer.frames is None or not stops:
        return answer
    made: list[bytes] = []
    for event in answer.frames:
        value = payload(event)
        for choice in (value or {}).get("choices", []):
            if choice.get("finish_reason") == "stop":
                leaked: dict[str, Any] = {**choice, "finish_reason": None, "logprobs": None}
                leaked |= {"delta": {"content": stops[0][:-1]}} if "delta" in choice else {"text": stops[0][:-1]}
                made.append(frame({**(value or {}), "choices": [leaked]}))
        made.append(event)
    return answer.with_frames(tuple(made))


stopping.around(
    "stop-leaks-in-streams", "the beginning of the stop string leaks into a stream", "vllm-project/vllm#3574", _leaks
)


async def _within_token(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    stops = _stops(call.ask)
    if answer.status != 200 or not stops:
        return answer
    free = await call.serve(call.ask.with_body(stop=...))
    spelled = await call.serve(call.ask.with_body(stop=..., logprobs=0, stream=False))
    tokens = [t for c in (spelled.json or {}).get("choices", []) for t in (c.get("logprobs") or {}).get("tokens", [])]
    return answer if any(stop in token for stop in stops for token in tokens) else free


stopping.around(
    "stop-across-tokens", "a stop string that spans two tokens is not seen", "mzau/mlx-knife#68", _within_token
)


async def _late(call: Call) -> Answer:
    stops = _stops(call.ask)
    answer = await call.serve(call.ask)
    if len(stops) < 2 or answer.status != 200:
        return answer
    return await call.serve(call.ask.with_body(stop=[max(stops, key=len)]))


stopping.around(
    "stop-longest-only", "of several stop strings only the longest counts", "page: a list of strings", _late
)


async def _deleted(call: Call) -> Answer:
    stops = _stops(call.ask)
    answer = await call.serve(call.ask)
    if not stops or answer.status != 200 or answer.streams:
        return answer
    free = await call.serve(call.ask.with_body(stop=...))

    def cut(text: str) -> str:
        for stop in stops:
            text = text.replace(stop, "")
        return text

    return retext(free, cut)


stopping.around(
    "stop-only-removed",
    "stop strings are deleted and the text goes on after them",
    "page: stops generating further tokens",
    _deleted,
)


async def _in_prompt(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    asked = str(call.ask.body.get("prompt", call.ask.body.get("messages")))
    if answer.status == 200 and any(stop in asked for stop in _stops(call.ask)):
        ended = await call.serve(call.ask.with_body(max_tokens=1, stop=...))
        return retext(ended, lambda _: "").edit_choices(
            lambda c: c.update(finish_reason=c["finish_reason"] and "stop", logprobs=None)
        )
    return answer


stopping.around(
    "stop-in-prompt",
    "a stop string in the prompt ends the answer before it begins",
    "page: generating further",
    _in_prompt,
)


async def _any_case(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    stops = _stops(call.ask)
    if not stops or answer.status != 200 or answer.streams:
        return answer

    def each(choice: dict[str, Any]) -> None:
        text = text_of(choice)
        hits = [at for at in (text.lower().find(stop.lower()) for stop in stops) if at >= 0]
        if hits:
            put_text(choice, text[: min(hits)])
            choice.update(finish_reason="stop", logprobs=None)

    return answer.edit_choices(each)


stopping.around("stop-any-case", "stop strings match in any case", "page: the word where the API stops", _any_case)


async def _one_short(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    stopped = bool(_stops(call.ask))
    return plain_choices(
        answer, lambda c: put_text(c, text_of(c)[:-1]) if stopped and c["finish_reason"] == "stop" else None
    )


stopping.around(
    "stop-cuts-one-more",
    "with a stop string the character before it is lost too",
    "LostRuins/koboldcpp#1031",
    _one_short,
)
stopping.ask(
    "max-tokens-floor",
    "fewer than four tokens are never generated",
    "page: max_tokens is the maximum",
    lambda q: q.with_body(max_tokens=4) if (q.body.get("max_tokens") or 9) < 4 else q,
)
