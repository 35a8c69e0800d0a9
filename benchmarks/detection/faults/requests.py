"""Requests accepted that the tables refuse, and refused that the tables accept."""

from __future__ import annotations

from benchmarks.detection.editing import chat, drop, number, put, swap
from benchmarks.detection.model import Area

area = Area("requests")
FAULTS = area.found

area.accepts(
    "prompt-missing",
    "a request without prompt is answered, out of nothing",
    "page: prompt, must be specified",
    lambda b: "prompt" not in b and "messages" not in b,
    lambda ask: ask.with_body(**{} if chat(ask) else {"prompt": "So"}),
)
area.accepts(
    "prompt-number",
    "a number for a prompt is turned into text",
    "page: prompt is a string",
    lambda b: number(b.get("prompt")),
    swap("prompt", str),
)
area.accepts(
    "content-missing",
    "a message without content is accepted",
    "page: content is required for all messages",
    lambda b: any("content" not in m for m in b["messages"]),
    swap("messages", lambda ms: [{"content": " ", **m} for m in ms]),
)
area.accepts(
    "role-unknown",
    "any role is accepted, a misspelled one too",
    "page: one of system, user, assistant",
    lambda b: any(
        isinstance(m.get("role"), str) and m["role"] not in ("system", "user", "assistant") for m in b["messages"]
    ),
    swap("messages", lambda ms: [{**m, "role": "user"} for m in ms]),
)
area.accepts(
    "role-missing",
    "a message without role passes as the user's",
    "page: role",
    lambda b: any("role" not in m for m in b["messages"]),
    swap("messages", lambda ms: [{"role": "user", **m} for m in ms]),
)
area.accepts(
    "temperature-high",
    "temperature 2.5 is accepted and clamped",
    "page: between 0 and 2",
    lambda b: number(b.get("temperature")) and b["temperature"] > 2,
    put(temperature=2),
)
area.accepts(
    "temperature-negative",
    "a negative temperature counts as zero",
    "page: between 0 and 2",
    lambda b: number(b.get("temperature")) and b["temperature"] < 0,
    put(temperature=0),
)
area.accepts(
    "temperature-string",
    'temperature "0.5" is taken for the number',
    "reference/vllm-on-cpu: 200, coerced",
    lambda b: isinstance(b.get("temperature"), str),
    put(temperature=1),
)
area.accepts(
    "top-p-high",
    "top_p above 1 is accepted",
    "page: top_p, probability mass",
    lambda b: number(b.get("top_p")) and b["top_p"] > 1,
    put(top_p=1),
)
area.accepts(
    "top-p-negative",
    "a negative top_p is accepted",
    "page: top_p, probability mass",
    lambda b: number(b.get("top_p")) and b["top_p"] < 0,
    put(top_p=1),
)
area.accepts(
    "presence-penalty-high",
    "presence_penalty beyond 2 is accepted",
    "page: between -2.0 and 2.0",
    lambda b: number(b.get("presence_penalty")) and b["presence_penalty"] > 2,
    put(presence_penalty=2),
)
area.accepts(
    "presence-penalty-low",
    "presence_penalty below -2 is accepted",
    "page: between -2.0 and 2.0",
    lambda b: number(b.get("presence_penalty")) and b["presence_penalty"] < -2,
    put(presence_penalty=-2),
)
area.accepts(
    "max-tokens-negative",
    "max_tokens -1 is accepted and means as much as fits",
    "peers/conformance.md: llama-cpp-python",
    lambda b: number(b.get("max_tokens")) and b["max_tokens"] < 0,
    put(max_tokens=64),
)
area.accepts(
    "max-tokens-fraction",
    "max_tokens 2.5 is rounded",
    "page: max_tokens is an integer",
    lambda b: isinstance(b.get("max_tokens"), float) and not b["max_tokens"].is_integer(),
    put(max_tokens=2),
)
area.accepts(
    "max-tokens-string",
    'max_tokens "5" is taken for the number',
    "page: max_tokens is an integer",
    lambda b: isinstance(b.get("max_tokens"), str),
    put(max_tokens=5),
)
area.accepts(
    "context-overrun",
    "prompt plus max_tokens beyond the context is cut without a word",
    "page: can't exceed the context",
    lambda b: number(b.get("max_tokens")) and b["max_tokens"] > 1000,
    put(max_tokens=32),
)
area.accepts("n-zero", "n 0 is taken for 1", "page: n, how many completions", lambda b: b.get("n") == 0, put(n=1))
area.accepts(
    "n-string", 'n "2" is taken for 1', "page: n is an integer", lambda b: isinstance(b.get("n"), str), put(n=1)
)
area.accepts(
    "n-boolean", "n true is taken for 1", "page: n is an integer", lambda b: isinstance(b.get("n"), bool), put(n=1)
)
area.accepts(
    "ignore-eos-string",
    'ignore_eos "no" is accepted, and means yes',
    "eureka-ml-insights PR#52 (facts E)",
    lambda b: isinstance(b.get("ignore_eos"), str),
    put(ignore_eos=True),
)
area.accepts(
    "stop-number",
    "stop 5 is accepted and ignored",
    "page: stop, string or a list of strings",
    lambda b: number(b.get("stop")),
    drop("stop"),
)
area.accepts(
    "stop-list-of-numbers",
    "a list of numbers is accepted for stop",
    "page: a list of strings",
    lambda b: isinstance(b.get("stop"), list) and any(not isinstance(s, str) for s in b["stop"]),
    drop("stop"),
)
area.accepts(
    "best-of-below-n",
    "best_of smaller than n is accepted",
    "page: best_of must be greater than n",
    lambda b: number(b.get("best_of")) and b["best_of"] < b.get("n", 1),
    drop("best_of"),
)
area.accepts(
    "best-of-streamed",
    "best_of with stream is answered with a stream",
    "page: results can't be streamed",
    lambda b: b.get("stream") is True and number(b.get("best_of")) and b["best_of"] > 1,
    drop("best_of"),
)
area.accepts(
    "beam-without-best-of",
    "beam search without best_of falls back to sampling",
    "page: best_of must be greater than 1",
    lambda b: b.get("use_beam_search") is True and b.get("best_of", 1) in (None, 1),
    drop("use_beam_search"),
)
area.accepts(
    "beam-with-temperature",
    "beam search with temperature 1 is accepted",
    "page: temperature must be 0",
    lambda b: b.get("use_beam_search") is True and b.get("temperature", 1) != 0,
    drop("use_beam_search"),
)
area.accepts(
    "logprobs-negative",
    "logprobs -1 is accepted and ignored",
    "page: logprobs, a number of tokens",
    lambda b: number(b.get("logprobs")) and b["logprobs"] < 0,
    drop("logprobs"),
)
area.accepts(
    "logprobs-string",
    'logprobs "2" is accepted and ignored',
    "page: logprobs is an integer",
    lambda b: isinstance(b.get("logprobs"), str),
    drop("logprobs"),
)
area.accepts(
    "stop-token-ids-strings",
    "stop_token_ids takes words and ignores them",
    "page: list of IDs for tokens",
    lambda b: any(isinstance(i, str) for i in b["stop_token_ids"]),
    drop("stop_token_ids"),
)
area.accepts(
    "skip-special-string",
    'skip_special_tokens "yes" is accepted',
    "page: skip_special_tokens is a boolean",
    lambda b: isinstance(b.get("skip_special_tokens"), str),
    drop("skip_special_tokens"),
)

area.refuses(
    "null-stop-refused",
    "stop null gets a 400, so LangChain cannot stream",
    "facts F.1: explicit nulls; page: default null",
    lambda b: "stop" in b and b["stop"] is None,
)
area.refuses(
    "temperature-zero-refused",
    "temperature 0 gets a 400",
    "intel/llm-on-ray#139",
    lambda b: number(b.get("temperature")) and b["temperature"] == 0,
    "temperature must be strictly positive",
)
area.refuses(
    "temperature-two-refused",
    "temperature 2, the upper bound, gets a 400",
    "page: between 0 and 2",
    lambda b: number(b.get("temperature")) and b["temperature"] == 2,
)
area.refuses(
    "integer-float-refused",
    "temperature 1 written without a point gets a 400",
    "RFC 8259 6: one number type",
    lambda b: type(b.get("temperature")) is int,
)
area.refuses(
    "top-p-one-refused",
    "top_p 1, its own default, gets a 400",
    "page: top_p, default 1",
    lambda b: number(b.get("top_p")) and b["top_p"] == 1,
    "top_p must be less than 1",
)
area.refuses(
    "penalty-negative-refused",
    "a negative presence_penalty gets a 400",
    "page: between -2.0 and 2.0",
    lambda b: number(b.get("presence_penalty")) and b["presence_penalty"] < 0,
)
area.refuses(
    "logprobs-zero-refused",
    "logprobs 0 gets a 400",
    "sgl-project/sglang#2301",
    lambda b: type(b.get("logprobs")) is int and b["logprobs"] == 0,
)
area.refuses(
    "stop-string-refused",
    "stop as a plain string gets a 400, only a list is taken",
    "page: string or a list of strings",
    lambda b: isinstance(b.get("stop"), str),
)
area.refuses(
    "system-role-refused",
    "a system message gets a 400",
    "page: one of system, user, assistant",
    lambda b: any(m["role"] == "system" for m in b["messages"]),
    "System role not supported",
)
area.refuses(
    "assistant-role-refused",
    "a history with an assistant message gets a 400",
    "page: message or history of messages",
    lambda b: any(m["role"] == "assistant" for m in b["messages"]),
)
area.refuses(
    "max-tokens-one-refused",
    "max_tokens 1 gets a 400",
    "page: max_tokens, an integer",
    lambda b: b.get("max_tokens") == 1,
)
area.refuses(
    "max-tokens-required",
    "a request without max_tokens gets a 400",
    "page: max_tokens, default 16",
    lambda b: b.get("max_tokens") is None,
    "max_tokens is required",
)
area.refuses(
    "default-beam-refused",
    "use_beam_search false, its own default, gets a 400",
    "page: use_beam_search, default False",
    lambda b: b.get("use_beam_search") is False,
)
area.refuses(
    "unicode-refused",
    "a prompt outside ASCII gets a 400",
    "page: prompt is a string; RFC 8259 8.1",
    lambda b: not str(b.get("prompt", b.get("messages"))).isascii(),
    "the prompt must be ASCII",
)
