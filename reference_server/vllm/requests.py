"""What a judged request asks of vLLM: the body that vLLM understands, and what has to become of its answer.

Law: vLLM gets no parameter that is not named here, and none with the value null; where its answer needs no change, the
order says so, and nobody reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reference_server.answer_length import NAMES, default_max_tokens
from schemas.model import Contract, Route

Json = dict[str, Any]

MOST_CANDIDATES = 128
# vLLM takes four stop strings; with more, all of them are looked for here.
MOST_STOPS = 4

# Below this temperature vLLM samples greedily, and then refuses to make several choices.
_GREEDY = 1e-5
_INTEGERS = ("max_tokens", "max_completion_tokens", "n", "best_of", "logprobs", "top_logprobs", "seed", "min_tokens")
# What passes as it came: rows of the contracts, and what clients of vLLM or OpenAI send beside them.
_SHARED = (
    "max_tokens",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "ignore_eos",
    "stop_token_ids",
    "skip_special_tokens",
    "seed",
    "top_k",
    "min_p",
    "min_tokens",
    "repetition_penalty",
    "logit_bias",
    "bad_words",
    "response_format",
    "structured_outputs",
)
_OWN: Mapping[Route, tuple[str, ...]] = {
    "completions": ("prompt",),
    "chat": (
        "messages",
        "max_completion_tokens",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning_effort",
        "chat_template_kwargs",
    ),
}
_PASSED: Mapping[Route, frozenset[str]] = {route: frozenset((*own, *_SHARED)) for route, own in _OWN.items()}
# What is not given has the value that changes nothing, and not the one in the model's own `generation_config.json`.
_NEUTRAL: Mapping[str, float] = {
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
# What vLLM's beam search looks at; it would refuse or ignore the rest.
_BEAM = ("prompt", "messages", "max_tokens", "max_completion_tokens", "ignore_eos", "skip_special_tokens")


class OrderError(ValueError):
    """The request is well formed, but more than vLLM can be asked for; has the parameter."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, kw_only=True)
class Order:
    """One request, understood: `inner` is the body for vLLM, the rest is what its answer is turned into.

    `copies` is how often vLLM's only choice is given, `keep` how many of its candidates are returned (None for all).
    `logprobs` is the number of likeliest tokens that was asked for, None for no log probabilities; `layout` is `lists`
    or `content`, and `offsets` the key of the offsets in the lists. `stops` are all stop strings; those in `scan` are
    looked for here, since vLLM does not. `shows_ends` says that vLLM leaves the token that ended an answer in its text.
    """

    route: Route
    inner: Json
    stream: bool
    usage_apart: bool = False
    copies: int = 1
    keep: int | None = None
    beam: bool = False
    logprobs: int | None = None
    layout: str = "lists"
    offsets: str = "text_offset"
    stops: tuple[str, ...] = ()
    scan: tuple[str, ...] = ()
    stop_token_ids: frozenset[int] = frozenset()
    presence_penalty: float = 0.0
    skips_specials: bool = True
    ignores_eos: bool = False
    shows_ends: bool = False

    @property
    def whole(self) -> bool:
        """Whether the best has to be found among finished candidates, so that there is nothing to stream."""
        return self.beam or self.keep is not None

    @property
    def verbatim(self) -> bool:
        """Whether each of vLLM's choices can be handed on as it is, as often as it is given."""
        return not self.whole and self.logprobs is None and not self.scan and not self.shows_ends


@dataclass(frozen=True)
class Dialect:
    """How a contract speaks where vLLM cannot know: defaults of `max_tokens` by route, and the key of the offsets."""

    model: str
    max_tokens: Mapping[Route, int | None]
    offsets: str

    @classmethod
    def of(cls, contract: Contract, model: str) -> Dialect:
        """The dialect of that contract, for a model served under that name.

        Where a row prints no number the whole context is meant, which is vLLM's own default for chat.
        """
        defaults = {one.route: default_max_tokens(one) for one in contract.operations}
        # A contract has the erratum where its source prints `text_offsets`; without it the key is the usual one.
        spelt = any(erratum.id == "erratum.text_offset" for erratum in contract.errata)
        return cls(model, defaults, "text_offsets" if spelt else "text_offset")


def read_order(route: Route, body: Mapping[str, Any], dialect: Dialect) -> Order:
    """The order in a judged body; `OrderError` when it asks for too many candidates."""
    asked = {name: value for name, value in body.items() if value is not None}
    n, best_of = (max(1, _integer(asked.get(name)) or 1) for name in ("n", "best_of"))
    if max(n, best_of) > MOST_CANDIDATES:
        name = "n" if n > best_of else "best_of"
        raise OrderError(name, f"{name} is above {MOST_CANDIDATES}, the most served at once")
    beam = asked.get("use_beam_search") is True
    greedy = not beam and _number(asked.get("temperature"), 1.0) < _GREEDY
    layout, logprobs = _logprobs(route, asked)
    keep = n if best_of > n and not greedy else None
    stops = _stops(asked.get("stop"))
    ids = _ids(asked.get("stop_token_ids"))
    # vLLM drops a stop token from the text unless it is told to keep it, and then it keeps stop strings too.
    keeps_ends = bool(ids) and not beam
    scan = stops if keeps_ends or len(stops) > MOST_STOPS or beam else ()
    skips = asked.get("skip_special_tokens", True) is not False
    order = Order(
        route=route,
        inner={},
        stream=asked.get("stream") is True,
        usage_apart=_usage_apart(asked.get("stream_options")),
        copies=n if greedy else 1,
        keep=n if beam else keep,
        beam=beam,
        logprobs=logprobs,
        layout=layout,
        offsets=dialect.offsets,
        stops=stops,
        scan=scan,
        stop_token_ids=ids,
        presence_penalty=_number(asked.get("presence_penalty"), 0.0),
        skips_specials=skips,
        ignores_eos=asked.get("ignore_eos") is True,
        # With special tokens skipped there is nothing to take away again.
        shows_ends=keeps_ends and not skips,
    )
    order.inner.update(_inner(order, asked, dialect))
    order.inner.update(_candidates(order, n, best_of))
    if keeps_ends:
        order.inner["include_stop_str_in_output"] = True
    return order


def _inner(order: Order, asked: Mapping[str, Any], dialect: Dialect) -> Json:
    """The parameters that vLLM shares with the contract."""
    names = _BEAM if order.beam else _PASSED[order.route]
    inner: Json = {} if order.beam else dict(_NEUTRAL)
    inner.update((name, _plain(name, value)) for name, value in asked.items() if name in names)
    inner["model"] = dialect.model
    default = dialect.max_tokens.get(order.route)
    if default is not None and inner.keys().isdisjoint(NAMES[order.route]):
        inner["max_tokens"] = default
    if order.stops and not order.beam:
        inner["stop"] = list(order.stops[:MOST_STOPS])
    if order.stream and not order.whole:
        # What was used is asked for in any case, since quotas are settled by it.
        inner.update(stream=True, stream_options={"include_usage": True})
    return inner


def _candidates(order: Order, n: int, best_of: int) -> Json:
    """How many choices vLLM makes, and what it tells of their tokens."""
    wanted: Json = {}
    if order.beam:
        # Token by token, as they are compared by it; the end token is one of them.
        wanted.update(use_beam_search=True, temperature=0, n=max(n, best_of))
        wanted.update(return_token_ids=True, include_stop_str_in_output=True)
    elif order.copies == 1:
        wanted["n"] = max(n, best_of) if order.keep is not None else n
    count = order.logprobs
    if order.whole and count is None:
        count = 0
    if count is None:
        return wanted
    if order.route == "completions":
        # Beside so many likeliest tokens vLLM lists the chosen one; a beam's is not the one that it takes for chosen.
        return {**wanted, "logprobs": count + 1 if order.beam else count}
    # On chat vLLM counts the chosen token as one of the likeliest, so that the last of these would be lost.
    return {**wanted, "logprobs": True, "top_logprobs": count + 1 if order.logprobs is not None else 0}


def _logprobs(route: Route, asked: Mapping[str, Any]) -> tuple[str, int | None]:
    """Layout and number of likeliest tokens: an integer asks for the page's lists, `true` in chat for OpenAI's."""
    value = asked.get("logprobs")
    if route == "chat" and isinstance(value, bool):
        return "content", max(0, _integer(asked.get("top_logprobs")) or 0) if value else None
    count = _integer(value)
    return "lists", None if count is None else max(0, count)


def _stops(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(one for one in listed if isinstance(one, str) and one)


def _ids(value: Any) -> frozenset[int]:
    listed = value if isinstance(value, list) else []
    return frozenset(one for one in listed if isinstance(one, int) and not isinstance(one, bool))


def _usage_apart(options: Any) -> bool:
    return isinstance(options, Mapping) and options.get("include_usage") is True


def _plain(name: str, value: Any) -> Any:
    """The value as vLLM wants it: JSON Schema calls 16.0 an integer too."""
    return int(value) if name in _INTEGERS and isinstance(value, float) and value.is_integer() else value


def _integer(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any, default: float) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default
