"""Token counts that do not count."""

from __future__ import annotations

import json

from benchmarks.detection.editing import chunks, plain, text_of, usage
from benchmarks.detection.model import Area, Call
from conformance.wire.answer import Answer

area = Area("usage")
FAULTS = area.found


def _recount(answer: Answer, **counts: object) -> Answer:
    def change(u: dict[str, object]) -> None:
        u.update(counts)
        u["total_tokens"] = int(str(u["prompt_tokens"])) + int(str(u["completion_tokens"]))

    return usage(answer, change)


area.answer("missing", "answers have no usage", "page: usage", lambda a: plain(a, lambda d: d.pop("usage", None)))
area.answer("null", "usage is null", "microsoft/foundry-local#173", lambda a: plain(a, lambda d: d.update(usage=None)))
area.answer(
    "total-missing",
    "usage has no total_tokens",
    "PaddlePaddle/FastDeploy#3247",
    lambda a: usage(a, lambda u: u.pop("total_tokens")),
)
area.answer(
    "completion-missing",
    "usage has no completion_tokens",
    "router-for-me/CLIProxyAPI#4498",
    lambda a: usage(a, lambda u: u.pop("completion_tokens")),
)
area.answer(
    "total-wrong",
    "total_tokens is the completion alone",
    "page: total tokens",
    lambda a: usage(a, lambda u: u.update(total_tokens=u["completion_tokens"])),
)
area.answer(
    "completion-zero",
    "completion_tokens is 0",
    "router-for-me/CLIProxyAPI#5733",
    lambda a: _recount(a, completion_tokens=0),
)
area.answer(
    "prompt-zero", "prompt_tokens is 0", "page: number of tokens in the prompt", lambda a: _recount(a, prompt_tokens=0)
)
area.answer(
    "prompt-constant",
    "prompt_tokens is 10 whatever the prompt",
    "page: number of tokens in the prompt",
    lambda a: _recount(a, prompt_tokens=10),
)
area.answer(
    "strings",
    "token counts are strings",
    "page: integers",
    lambda a: usage(a, lambda u: u.update({k: str(v) for k, v in u.items()})),
)
area.answer(
    "fractions",
    "token counts are estimates with a fraction",
    "page: integers",
    lambda a: usage(a, lambda u: u.update({k: v * 1.25 for k, v in u.items()})),
)
area.answer(
    "negative",
    "token counts are -1",
    "page: number of tokens",
    lambda a: usage(a, lambda u: u.update(prompt_tokens=-1, completion_tokens=-1, total_tokens=-2)),
)
area.answer(
    "off-by-one",
    "completion_tokens counts one too many",
    "vllm-project/vllm#28172",
    lambda a: usage(
        a, lambda u: u.update(completion_tokens=u["completion_tokens"] + 1, total_tokens=u["total_tokens"] + 1)
    ),
)


def _first_choice(answer: Answer) -> Answer:
    n = answer.ask.body.get("n") or 1
    counted = (answer.json or {}).get("usage", {}) if not answer.streams else {}
    return _recount(answer, completion_tokens=counted["completion_tokens"] // n) if counted and n > 1 else answer


area.answer(
    "first-choice-only",
    "with n 3 only one choice is counted",
    "page: tokens generated in the completion",
    _first_choice,
)


def _times_n(answer: Answer) -> Answer:
    n = answer.ask.body.get("n") or 1

    def change(u: dict[str, int]) -> None:
        u["prompt_tokens"] *= n
        u["total_tokens"] = u["prompt_tokens"] + u["completion_tokens"]

    return usage(answer, change)


area.answer("prompt-times-n", "the prompt is counted n times", "page: number of tokens in the prompt", _times_n)


def _characters(answer: Answer) -> Answer:
    if answer.streams or answer.status != 200 or not isinstance(answer.json, dict) or "choices" not in answer.json:
        return answer
    return _recount(answer, completion_tokens=sum(len(text_of(c)) for c in answer.json["choices"]))


area.answer("characters", "completion_tokens counts characters", "page: number of tokens generated", _characters)
area.answer(
    "stream-missing-last",
    "the usage of a stream is short by the last token",
    "vllm-project/vllm#8625",
    lambda a: chunks(
        a,
        lambda d: (
            d["usage"].update(
                completion_tokens=d["usage"]["completion_tokens"] - 1, total_tokens=d["usage"]["total_tokens"] - 1
            )
            if d.get("usage")
            else None
        ),
    ),
)
area.answer(
    "stream-cumulative",
    "the usage of a stream adds up the counts of every chunk",
    "vllm-project/vllm-omni#2313",
    lambda a: chunks(
        a,
        lambda d: (
            d["usage"].update(
                completion_tokens=d["usage"]["completion_tokens"] ** 2,
                total_tokens=d["usage"]["prompt_tokens"] + d["usage"]["completion_tokens"] ** 2,
            )
            if d.get("usage")
            else None
        ),
    ),
)
area.answer(
    "stream-prompt-zero",
    "the usage of a stream has no prompt tokens",
    "waybarrios/vllm-mlx#14",
    lambda a: chunks(
        a,
        lambda d: (
            d["usage"].update(prompt_tokens=0, total_tokens=d["usage"]["completion_tokens"]) if d.get("usage") else None
        ),
    ),
)


async def _jitter(call: Call) -> Answer:
    seen = call.state["requests"] = call.state.get("requests", 0) + 1
    answer = await call.serve(call.ask)

    def change(u: dict[str, int]) -> None:
        u["prompt_tokens"] += seen % 3
        u["total_tokens"] += seen % 3

    return usage(answer, change)


area.around(
    "prompt-jitter", "the same prompt is counted differently each time", "page: number of tokens in the prompt", _jitter
)


async def _since_start(call: Call) -> Answer:
    answer = await call.serve(call.ask)

    def change(u: dict[str, int]) -> None:
        call.state["spent"] = call.state.get("spent", 0) + u["completion_tokens"]
        u.update(completion_tokens=call.state["spent"], total_tokens=u["prompt_tokens"] + call.state["spent"])

    return usage(answer, change)


area.around(
    "since-start", "completion_tokens is the sum since the server started", "vllm-project/vllm-omni#2313", _since_start
)


async def _without_system(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    told = call.ask.body.get("messages")
    if answer.status != 200 or not isinstance(told, list) or not any(m.get("role") == "system" for m in told):
        return answer
    kept = [m for m in told if m.get("role") != "system"]
    if not kept:
        return answer
    counted = await call.serve(
        call.ask.with_body(messages=kept, max_tokens=1, stream=False, n=1, best_of=..., use_beam_search=...)
    )
    tokens = json.loads(counted.body).get("usage", {}).get("prompt_tokens")
    return _recount(answer, prompt_tokens=tokens) if tokens else answer


area.around(
    "system-not-counted", "the system message is not counted", "page: number of tokens in the prompt", _without_system
)
