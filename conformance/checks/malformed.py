"""Bodies that are odd on the way to being JSON: truncated, too deep, too large, in bytes that are no text.

Law: where the standards leave it open, an answer and a refusal are both right and a reading is recorded; an error of
the server's own is never right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from conformance.api import Api
from conformance.check import Declaration, check, expect
from conformance.checks.basics import NOT_JSON, NOT_OBJECTS
from conformance.checks.upsets import Upset, upset
from conformance.wire.answer import Answer, Ask
from conformance.wire.exchange import Exchange

# More levels than any request needs, and a body that any server takes: 100 kB.
DEEP = 50_000
# No counter holds it, yet it is an integer by every grammar; a stop at nearly any character keeps an answer short.
HUGE = 10**400
_ENDS_SOON = [" ", "e", "a", "\n"]
UNKNOWN = "seatrial_unknown"


@dataclass(frozen=True)
class Odd:
    """One oddity: what to send, how to recognise it, and which reading its answer stands for.

    `may` tells that an answer is as right as a refusal; `reads` names the reading of a 200 where there are several.
    """

    name: str
    what: str
    make: Callable[[Api], tuple[object, ...]]
    seen: Callable[[Ask], bool]
    may: bool = True
    headers: Mapping[str, str | None] = field(default_factory=dict)
    erratum: str = ""
    reads: Callable[[Api, Exchange], str] = lambda _api, _exchange: "accepted"

    def tried(self, api: Api) -> Upset:
        """What the endpoint made of it, asked once in a run."""
        return upset(api, self.name, self.make(api), self.headers)


def _text(api: Api, **params: object) -> str:
    return json.dumps(api.body(**params))


def _greedy(api: Api) -> dict[str, object]:
    return {"temperature": 0} if api.offers("temperature") else {}


def _with(api: Api, tail: str, **params: object) -> bytes:
    """A valid body with more text before its last brace."""
    return f"{_text(api, **params)[:-1]}, {tail}}}".encode()


def _truncated(api: Api) -> tuple[object, ...]:
    whole = _text(api).encode()
    # Without its last brace, and in the middle of a string: what is left of a request whose connection was cut.
    return whole[:-1], whole[: whole.index(b'"') + 3]


def _nested(api: Api) -> tuple[object, ...]:
    brackets = "[" * DEEP + "]" * DEEP
    return brackets.encode(), _with(api, f'"{UNKNOWN}": {brackets}')


def _prompted(api: Api, raw: bytes) -> tuple[object, ...]:
    """A valid body with these bytes in the prompt."""
    return (json.dumps(api.body(**api.prompt("Ahoy MARK"))).encode().replace(b"MARK", raw),)


def _which(api: Api, exchange: Exchange) -> str:
    return "first" if api.usage(exchange)["completion_tokens"] > 1 else "last"


TRUNCATED = Odd(
    "truncated", "truncated JSON", _truncated, lambda ask: _cut(ask.raw), may=False
)  # fmt: skip
HUGE_NUMBERS = Odd(
    "huge-number",
    "a number that nothing holds",
    lambda api: (
        _with(api, '"temperature": 1e999'),
        _text(api, max_tokens=HUGE, stop=_ENDS_SOON).encode(),
    ),
    lambda ask: b"1e999" in ask.raw or str(HUGE).encode() in ask.raw,
    may=False,
)
DUPLICATE = Odd(
    "duplicate-keys",
    "a repeated key",
    lambda api: (b'{"max_tokens": 6, ' + _text(api, max_tokens=1, **_greedy(api)).encode()[1:],),
    lambda ask: ask.raw.count(b'"max_tokens"') == 2,
    erratum="duplicate-keys",
    reads=_which,
)
CONSTANTS = Odd(
    "constants",
    "NaN or Infinity for a number",
    lambda api: (_with(api, '"temperature": NaN'), _with(api, '"top_p": Infinity')),
    lambda ask: b": NaN" in ask.raw or b": Infinity" in ask.raw,
    erratum="json-constants",
)
BYTE_ORDER_MARK = Odd(
    "byte-order-mark",
    "a byte order mark before the body",
    lambda api: (b"\xef\xbb\xbf" + _text(api).encode(),),
    lambda ask: ask.raw.startswith(b"\xef\xbb\xbf"),
    erratum="byte-order-mark",
)
INVALID_UTF8 = Odd(
    "utf-8",
    "a prompt that is not UTF-8",
    # Half of a character, a byte that never occurs, and an overlong slash, which careless decoders take.
    lambda api: _prompted(api, b"\xe2\x82 \xff \xc0\xaf"),
    lambda ask: b"\xff" in ask.raw,
    erratum="invalid-utf8",
)
SURROGATE = Odd(
    "surrogate",
    "half of a surrogate pair in a prompt",
    lambda api: _prompted(api, rb"\ud83d alone"),
    lambda ask: rb"\ud83d alone" in ask.raw,
    erratum="lone-surrogate",
)
TRAILING = Odd(
    "trailing-data",
    "a second value behind the body",
    lambda api: (_text(api).encode() + b' {"max_tokens": 1}', _text(api).encode() + b" ahoy"),
    lambda ask: ask.raw.endswith((b'} {"max_tokens": 1}', b"} ahoy")),
    erratum="trailing-data",
)
NESTED = Odd(
    "nested",
    f"a value of {DEEP:,} levels",
    _nested,
    lambda ask: b"[" * 99 in ask.raw,
    erratum="deep-nesting",
)
UNLABELLED = Odd(
    "content-type-absent",
    "JSON without a content type",
    lambda api: (_text(api).encode(),),
    lambda ask: not ask.header("content-type"),
    headers={"Content-Type": None},
    erratum="content-type-absent",
)
# White space between values is free in JSON; servers before a model bound a body at this size or beyond.
OVERSIZE = Odd(
    "oversize",
    "a body of more than a megabyte",
    lambda api: (_text(api).encode()[:-1] + b" " * (1 << 20) + b"}",),
    lambda ask: len(ask.raw) > 1 << 20,
)
# These two are judged in `basics`; here they are looked at for what they leave behind.
MALFORMED = Odd("malformed", "a body that is not JSON", lambda _: NOT_JSON, lambda ask: ask.raw in NOT_JSON, may=False)
NOT_AN_OBJECT = Odd("not-an-object", "JSON that is no object", lambda _: NOT_OBJECTS, lambda _: False, may=False)
ODDITIES = (
    MALFORMED, NOT_AN_OBJECT, TRUNCATED, HUGE_NUMBERS, DUPLICATE, CONSTANTS, BYTE_ORDER_MARK, INVALID_UTF8, SURROGATE,
    TRAILING, NESTED, UNLABELLED, OVERSIZE,
)  # fmt: skip


def oddities(api: Api) -> Sequence[Odd]:
    """What the checks of all refusals look at: in a quick run only what is no JSON object in one way or another."""
    return api.few(ODDITIES, 2)


def _cut(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except RecursionError:
        return False
    except ValueError:
        return raw.startswith(b"{") and raw not in NOT_JSON
    return False


def judged(name: str, title: str, odd: Odd, *cites: str) -> Declaration:
    """A check that an oddity is refused, or is answered where that is as right, and never crashes the server."""

    def run(api: Api) -> None:
        for exchange in odd.tried(api).answered:
            status = exchange.status or 0
            if odd.may and status == 200:
                api.document(exchange)
                api.reading(f"erratum.{odd.erratum}", odd.reads(api, exchange), exchange)
                continue
            wanted = "an answer nor a refusal" if odd.may else "400 nor another refusal"
            expect(400 <= status < 500, f"{odd.what} got status {status}, neither {wanted}", exchange)
            if odd.may and status != 429:
                api.reading(f"erratum.{odd.erratum}", "refused", exchange)

    def crashes(answer: Answer) -> Answer:
        return answer.with_error(500) if odd.seen(answer.ask) else answer

    def takes_it(answer: Answer) -> Answer:
        return answer.with_success() if odd.seen(answer.ask) else answer

    def says_nothing(answer: Answer) -> Answer:
        return Answer(answer.ask, 200, answer.headers) if odd.seen(answer.ask) else answer

    run.__doc__ = title
    crashes.__doc__ = f"Answers {odd.what} with an internal error."
    takes_it.__doc__ = f"Answers {odd.what} with a completion."
    says_nothing.__doc__ = f"Answers {odd.what} with 200 and no word."
    declaration = check(
        name,
        cites=cites,
        needs=[".answers"],
        settles=[f"erratum.{odd.erratum}"] if odd.erratum else [],
        when="alone",
        deadline=120,
    )(run)
    declaration.mutant(crashes)
    declaration.mutant(says_nothing if odd.may else takes_it)
    return declaration


truncated_json = judged("json.truncated", "Truncated JSON is refused.", TRUNCATED, ".head.payload")
huge_numbers = judged("json.huge-number", "A number that nothing holds is refused.", HUGE_NUMBERS, ".error.status")
duplicate_keys = judged(
    "json.duplicate-keys", "A repeated key is refused, or one of its values counts.", DUPLICATE, ".error.status"
)
constants = judged("json.constants", "NaN and Infinity are refused or read.", CONSTANTS, ".error.status")
byte_order_mark = judged(
    "json.byte-order-mark", "A byte order mark is refused or skipped.", BYTE_ORDER_MARK, ".error.status"
)
invalid_utf8 = judged("json.utf-8", "Bytes that are no UTF-8 are refused or replaced.", INVALID_UTF8, ".error.status")
lone_surrogate = judged(
    "json.surrogate", "Half of a surrogate pair is refused or replaced.", SURROGATE, ".error.status"
)
trailing_data = judged("json.trailing-data", "A second value is refused or not looked at.", TRAILING, ".error.status")
deep_nesting = judged("json.nested", "A value of many levels is refused or not looked at.", NESTED, ".error.status")
oversize = judged("json.oversize", "A body of more than a megabyte is refused or read.", OVERSIZE, ".error.status")
no_content_type = judged(
    "content-type.absent", "JSON without a content type is answered or refused.", UNLABELLED, ".error.status"
)


@check("error.survives", cites=[".error.survives"], needs=[".answers"], when="alone", deadline=300, tier="quick")
def the_endpoint_survives(api: Api) -> None:
    """After a broken request the next plain one is answered as before."""
    troubles = [(odd.what, after) for odd in oddities(api) if (after := odd.tried(api).after) is not None]
    api.count = len(troubles)
    told = "; ".join(f"after {what}: {after.message}" for what, after in troubles)
    evidence = [exchange for _, after in troubles for exchange in after.exchanges]
    expect(not troubles, f"the endpoint no longer answers as before: {told}", *evidence)


# What a server remembers of its last request; a mutant sees one request at a time.
_BEFORE: list[bytes] = []


def _after(answer: Answer, pattern: bytes) -> Answer:
    """An internal error for the request that follows one whose body matches."""
    poisoned = any(re.search(pattern, raw) for raw in _BEFORE)
    _BEFORE[:] = [answer.ask.raw]
    return answer.with_error(503, "worker is gone") if poisoned and answer.succeeded else answer


@the_endpoint_survives.mutant
def loses_a_worker(answer: Answer) -> Answer:
    """Fails the request that comes after a deeply nested one."""
    return _after(answer, rb"\[{99}")


@the_endpoint_survives.mutant
def keeps_half_a_request(answer: Answer) -> Answer:
    """Fails the request that comes after one that was not JSON."""
    return _after(answer, rb"^The sea|^\{'|temperature\": $")
