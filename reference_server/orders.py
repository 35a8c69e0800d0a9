"""What a request asks of the stand-in: its prompt in tokens and its sampling, out of a body that was judged already.

Law: no body is a reason to fail. A value of an impossible type counts as not given, since a server that forgets a rule
must still answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reference_server.answer_length import NAMES
from reference_server.sampling import Sampling
from reference_server.tinylm import TinyLM
from reference_server.topics import reminded
from schemas.model import Route

MOST_CANDIDATES = 128

_ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Order:
    """One request, understood. `layout` is the layout of log probabilities that was asked for, None for none.

    `model` is the model as what was said before the last message has it.
    """

    prompt: list[int]
    model: TinyLM
    sampling: Sampling
    stream: bool
    layout: str | None
    usage_apart: bool


class OrderError(ValueError):
    """The request is well formed but more than the model can do; has the parameter and the requirement's id."""

    def __init__(self, param: str, requirement: str, message: str) -> None:
        super().__init__(message)
        self.param = param
        self.requirement = requirement


def read_order(
    lm: TinyLM,
    route: Route,
    body: Mapping[str, Any],
    *,
    seed: int,
    context_length: int,
    default_max_tokens: int | None,
    default_ignore_eos: bool,
) -> Order:
    """The order in that body; `OrderError` when prompt and answer do not fit the context, or are too many."""
    prompt = _chat_prompt(lm, body, context_length) if route == "chat" else _prompt(lm, body, context_length)
    room = context_length - len(prompt)
    asked_tokens = next((count for name in NAMES[route] if (count := _integer(body, name)) is not None), None)
    if asked_tokens is None:
        asked_tokens = max(1, room) if default_max_tokens is None else default_max_tokens
    max_tokens = max(1, asked_tokens)
    if max_tokens > room:
        raise OrderError(
            "max_tokens",
            f"{route}.request.max_tokens.context",
            f"the prompt has {len(prompt)} tokens and max_tokens is {max_tokens}, "
            f"but the model's context length is {context_length}",
        )
    n, best_of = (max(1, _integer(body, name) or 1) for name in ("n", "best_of"))
    if max(n, best_of) > MOST_CANDIDATES:
        name = "n" if n > best_of else "best_of"
        raise OrderError(name, f"{route}.request.{name}", f"{name} is above {MOST_CANDIDATES}, the most served at once")
    layout, logprobs = _logprobs(route, body)
    ignore_eos, skip = body.get("ignore_eos"), body.get("skip_special_tokens")
    options = body.get("stream_options")
    sampling = Sampling(
        max_tokens=max_tokens,
        temperature=max(0.0, _number(body, "temperature", 1.0)),
        top_p=min(1.0, max(0.0, _number(body, "top_p", 1.0))),
        presence_penalty=_number(body, "presence_penalty", 0.0),
        stop=_stops(body.get("stop")),
        stop_token_ids=frozenset(_integers(body.get("stop_token_ids"))),
        ignore_eos=ignore_eos if isinstance(ignore_eos, bool) else default_ignore_eos,
        skip_special_tokens=skip if isinstance(skip, bool) else True,
        logprobs=logprobs,
        n=n,
        best_of=max(n, best_of),
        beam=body.get("use_beam_search") is True,
        seed=seed + (_integer(body, "seed") or 0),
    )
    usage_apart = isinstance(options, Mapping) and options.get("include_usage") is True
    model = reminded(lm, _said_before(lm, body) if route == "chat" else frozenset())
    return Order(prompt, model, sampling, body.get("stream") is True, layout, usage_apart)


def _prompt(lm: TinyLM, body: Mapping[str, Any], limit: int) -> list[int]:
    prompt = body.get("prompt")
    if isinstance(prompt, list):
        prompt = "".join(part for part in prompt if isinstance(part, str))
    return [lm.begin, *_encoded(lm, prompt, "prompt", limit)]


def _chat_prompt(lm: TinyLM, body: Mapping[str, Any], limit: int) -> list[int]:
    """The chat template: a marker for each turn, and one for the assistant's turn that comes."""
    messages = body.get("messages")
    prompt = [lm.begin]
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, Mapping):
            continue
        role = message.get("role")
        prompt.append(lm.special(role if role in _ROLES else "user"))
        prompt.extend(_encoded(lm, message.get("content"), "messages", limit))
        if len(prompt) > limit:
            break
    prompt.append(lm.special("assistant"))
    return prompt


def _said_before(lm: TinyLM, body: Mapping[str, Any]) -> frozenset[int]:
    """The tokens of every message but the last."""
    messages = body.get("messages")
    earlier = messages[:-1] if isinstance(messages, list) else []
    texts = [message.get("content") for message in earlier if isinstance(message, Mapping)]
    return frozenset(token for text in texts if isinstance(text, str) for token in lm.encode(text))


def _encoded(lm: TinyLM, text: Any, param: str, limit: int) -> list[int]:
    if not isinstance(text, str):
        return []
    # No token has more characters than the longest piece, so a text far too long is not worth cutting up.
    if len(text) > limit * lm.longest:
        raise OrderError(param, "", f"{param} is longer than the model's context length of {limit} tokens")
    return lm.encode(text)


def _logprobs(route: Route, body: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """Layout and number of likeliest tokens: an integer asks for the page's lists, `true` in chat for OpenAI's."""
    asked = body.get("logprobs")
    if route == "chat" and isinstance(asked, bool):
        return ("content", max(0, _integer(body, "top_logprobs") or 0)) if asked else (None, None)
    count = _integer(body, "logprobs")
    return (None, None) if count is None else ("lists", max(0, count))


def _stops(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(stop for stop in value if isinstance(stop, str) and stop) if isinstance(value, list) else ()


def _integers(value: Any) -> list[int]:
    return [item for item in value if isinstance(item, int)] if isinstance(value, list) else []


def _integer(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    # JSON Schema calls 16.0 an integer too.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, int) else None


def _number(body: Mapping[str, Any], name: str, default: float) -> float:
    value = body.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default
