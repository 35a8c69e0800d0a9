"""Text of any script arrives whole: it is accepted, it is counted, and how it was written in JSON makes no difference.

Law: only counts of tokens and equality of answers are judged, since a model may say anything about such text.
"""

from __future__ import annotations

import json
from typing import Any

from conformance.api import Api
from conformance.check import Inconclusive, Violation, check, expect
from conformance.checks.basics import REFUSED, plain
from conformance.wire.answer import Answer, Ask
from conformance.wire.exchange import Exchange

START = "The harbour lay still."
# Each begins with a space, so that a server that counts words sees more of them too. A quick run sends two.
SCRIPTS = {
    "emoji with joiners": " \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f\u200d\U0001f308",
    "accents": " Fa\u00e7ade, na\u00efve, \u017elu\u0165ou\u010dk\u00fd.",
    "decomposed accents": " Fac\u0327ade, nai\u0308ve.",
    "Chinese and Japanese": " \u6e2f\u53e3\u5f88\u5b89\u9759 \u3002 \u6e2f\u306f\u9759\u304b",
    "right-to-left text": " \u0627\u0644\u0628\u062d\u0631 \u0647\u0627\u062f\u0626 \u05d4\u05d9\u05dd \u200f!",
    "characters beyond 16 bits": " \U0001d54f \U00020bb7 \U0001f6a2",
    "invisible characters": " \u00a0a\u200bb\u2028c\ufeffd\u00ade",
    "quotes and backslashes": ' "a" \\ \\n \\u0041 / {"b": 1} \'',
    "tabs and line ends": " a\tb\nc\r\nd\x0be\x7f",
}
WORDS = "the tide turns and "
LINE = 1_900
SURROGATES = (r"\ud83d", r"\udea2\ud83d", r"a\udfffb")


def prompt_tokens(api: Api, text: str, *, raw: bool = False) -> tuple[int, Exchange]:
    """The prompt tokens of a text; `Violation` when a prompt of it is not answered.

    `raw` sends the characters themselves in UTF-8; otherwise all that are not ASCII are escaped.
    """
    body = api.body(**api.prompt(text), max_tokens=1)
    exchange = api.send(json.dumps(body, ensure_ascii=False).encode() if raw else body)
    return api.usage(exchange)["prompt_tokens"], exchange


def start(api: Api) -> tuple[int, Exchange]:
    """The prompt tokens of `START`, asked once in a run."""
    return api.shared("text-start", lambda view: prompt_tokens(view, START))


# An endpoint that counts every prompt alike says nothing about any of them, which is for that check to say.
@check("text.scripts", cites=[".text.characters"], needs=[".answers", ".usage.prompt-grows"], tier="quick")
def every_script_reaches_the_model(api: Api) -> None:
    """Text of any script, emoji, invisible characters and line ends are accepted, and count as prompt tokens."""
    bare, first = start(api)
    for number, (name, text) in enumerate(api.few(list(SCRIPTS.items()), 2)):
        counted, exchange = prompt_tokens(api, START + text, raw=number % 2 == 0)
        message = f"a prompt counts {counted} tokens with {name} at its end, and {bare} without"
        expect(counted > bare, message, first, exchange)


@every_script_reaches_the_model.deaf_mutant
def strips_to_ascii(ask: Ask) -> Ask:
    """Drops every character that is not ASCII."""
    return reworded(ask, lambda text: text.encode("ascii", "ignore").decode().rstrip())


@every_script_reaches_the_model.deaf_mutant
def stops_at_the_first_line(ask: Ask) -> Ask:
    """Reads a prompt up to the first white space that is no space."""
    return reworded(ask, lambda text: text.split("\t")[0].removesuffix(" a"))


@every_script_reaches_the_model.mutant
def crashes_beyond_the_basic_plane(answer: Answer) -> Answer:
    """Answers a prompt with a character beyond 16 bits with an internal error, as a database column might."""
    beyond = any(ord(character) > 0xFFFF for character in json.dumps(answer.ask.body, ensure_ascii=False))
    return answer.with_error(500) if beyond else answer


@every_script_reaches_the_model.mutant
def refuses_emoji(answer: Answer) -> Answer:
    """Refuses a prompt that has a joiner in it."""
    return answer.with_error(400) if "\u200d" in json.dumps(answer.ask.body, ensure_ascii=False) else answer


@check("text.escapes", cites=[".text.escapes"], needs=[".answers"])
def escapes_are_the_characters(api: Api) -> None:
    """A character and its escape are the same: a prompt counts alike, whichever way it was written."""
    for name in ("accents", "emoji with joiners"):
        written, one = prompt_tokens(api, START + SCRIPTS[name], raw=True)
        escaped, other = prompt_tokens(api, START + SCRIPTS[name])
        message = f"a prompt with {name} counts {written} tokens in UTF-8 and {escaped} when they are escaped"
        expect(written == escaped, message, one, other)
    spelt = "".join(f"\\u{ord(character):04x}" for character in START)
    body = json.dumps(api.body(**api.prompt("PROMPT"), max_tokens=1)).replace("PROMPT", spelt)
    counted, exchange = api.usage(found := api.send(body.encode()))["prompt_tokens"], found
    bare, first = start(api)
    expect(counted == bare, f"with every letter escaped a prompt counts {counted} tokens, not {bare}", first, exchange)


@escapes_are_the_characters.deaf_mutant
def reads_latin_1(ask: Ask) -> Ask:
    """Decodes a body as ISO 8859-1."""
    return _heard(ask, ask.raw.decode("latin-1"))


@escapes_are_the_characters.deaf_mutant
def reads_escapes_one_by_one(ask: Ask) -> Ask:
    """Keeps the two halves of an escaped character beyond 16 bits apart, each as a replacement character."""
    text = ask.raw.decode("utf-8", "replace")
    return _heard(ask, text.replace("\\ud8", "\\ufffd\\ud8").replace("\\ud83d", "\\ufffd"))


@escapes_are_the_characters.deaf_mutant
def leaves_escapes_alone(ask: Ask) -> Ask:
    """Does not undo the escapes of letters."""
    return _heard(ask, ask.raw.decode("utf-8", "replace").replace("\\u00", "\\\\u00"))


@check(
    "text.nul",
    cites=[".text.characters"],
    needs=[".answers", ".usage.prompt-grows"],
    settles=["erratum.nul-character"],
)
def nul_ends_no_prompt(api: Api) -> None:
    """A prompt does not end at the character U+0000: it is read beyond, or refused."""
    exchange = api.ask(**api.prompt(f"{START}\x00 Then the wind rose and the boats came in."), max_tokens=1)
    expect(exchange.status in (200, *REFUSED), f"a prompt with U+0000 got status {exchange.status}", exchange)
    api.reading("erratum.nul-character", "accepted" if exchange.status == 200 else "refused", exchange)
    if exchange.status != 200:
        return
    counted, (bare, first) = api.usage(exchange)["prompt_tokens"], start(api)
    message = f"a prompt counts {bare} tokens, and {counted} with U+0000 and ten words behind it"
    # The character itself may be a token or two.
    expect(counted > bare + 3, message, first, exchange)


@nul_ends_no_prompt.deaf_mutant
def ends_at_nul(ask: Ask) -> Ask:
    """Takes a prompt for a string of C, which ends at the first U+0000."""
    return reworded(ask, lambda text: text.split("\x00")[0])


@nul_ends_no_prompt.mutant
def crashes_on_nul(answer: Answer) -> Answer:
    """Answers a prompt that has U+0000 in it with an internal error."""
    return answer.with_error(500) if b"\\u0000" in answer.ask.raw else answer


@check("text.long-line", cites=[".text.characters"], needs=[".answers", ".usage.prompt-grows"])
def long_lines_are_read_whole(api: Api) -> None:
    """A line of 1,900 characters counts about twice as many prompt tokens as its first half."""
    line = (WORDS * (LINE // len(WORDS) + 1))[:LINE]
    counts, exchanges = [], []
    for length in (LINE // 2, LINE):
        exchange = api.ask(**api.prompt(line[:length]), max_tokens=1)
        if exchange.status in (*REFUSED, 413):
            raise Inconclusive(f"a prompt of {length} characters is too long here (status {exchange.status})")
        counts.append(api.usage(exchange)["prompt_tokens"])
        exchanges.append(exchange)
    message = f"{LINE // 2} characters count {counts[0]} tokens, {LINE} of them {counts[1]}"
    # What a template adds is in both counts.
    expect(counts[1] - counts[0] > 50, message, *exchanges)


@long_lines_are_read_whole.deaf_mutant
def cuts_long_lines(ask: Ask) -> Ask:
    """Cuts a prompt after 1,024 bytes without a word."""
    return reworded(ask, lambda text: text[:1024])


@long_lines_are_read_whole.mutant
def chokes_on_long_lines(answer: Answer) -> Answer:
    """Answers a body of more than 1,536 bytes with an internal error."""
    return answer.with_error(500) if len(answer.ask.raw) > 1536 else answer


@check("text.surrogates", cites=[".error.status"], needs=[".answers"])
def lone_surrogates_are_no_server_error(api: Api) -> None:
    """The escape of half a character is refused or replaced, and is no error of the server."""
    for half in SURROGATES:
        body = json.dumps(api.body(**api.prompt("HALF"), max_tokens=1)).replace("HALF", f"Calm {half} sea")
        exchange = api.send(body.encode())
        accepted = exchange.status == 200 or exchange.status in REFUSED
        expect(accepted, f"a prompt with {half} in it got status {exchange.status}", exchange)
        if exchange.status == 200:
            api.document(exchange)


@lone_surrogates_are_no_server_error.mutant
def cannot_encode_halves(answer: Answer) -> Answer:
    """Answers half a character with an internal error, from the place where the text is encoded as UTF-8."""
    return answer.with_error(500) if b"\\ud83d" in answer.ask.raw else answer


@lone_surrogates_are_no_server_error.mutant
def echoes_halves(answer: Answer) -> Answer:
    """Writes the half of a character into its answer as bytes that are no UTF-8."""
    if not answer.succeeded or b"\\udfff" not in answer.ask.raw:
        return answer
    return Answer(answer.ask, 200, answer.headers, answer.body.replace(b'"id": "', b'"id": "\xed\xbf\xbf'))


@check("text.utf8", cites=[".text.utf8"], needs=[".answers"], tier="quick")
def answers_are_utf8(api: Api) -> None:
    """An answer is JSON in UTF-8 without a byte order mark, whatever the script of its prompt."""
    chinese = api.ask(**api.prompt(SCRIPTS["Chinese and Japanese"].strip()))
    for exchange in (plain(api), chinese):
        expect(not exchange.body.startswith(b"\xef\xbb\xbf"), "the body begins with a byte order mark", exchange)
        try:
            exchange.body.decode()
        except UnicodeDecodeError as error:
            raise Violation(f"the body is not UTF-8 at byte {error.start}", exchange) from None
        api.texts(exchange)


@answers_are_utf8.mutant
def begins_with_a_mark(answer: Answer) -> Answer:
    """Writes a byte order mark before its answer."""
    return (
        answer if answer.streams else Answer(answer.ask, answer.status, answer.headers, b"\xef\xbb\xbf" + answer.body)
    )


@answers_are_utf8.mutant
def writes_utf_16(answer: Answer) -> Answer:
    """Writes its answers in UTF-16."""
    if answer.streams:
        return answer
    return Answer(answer.ask, answer.status, answer.headers, answer.body.decode().encode("utf-16-le"))


def _heard(ask: Ask, text: str) -> Ask:
    """The request whose body is that text, however it was sent; the same request when that is no JSON."""
    try:
        return ask.with_body(**json.loads(text))
    except (ValueError, TypeError):
        return ask


def reworded(ask: Ask, change: Any) -> Ask:
    """The request with its prompt, or each message's content, put through `change`."""
    prompt, messages = ask.body.get("prompt"), ask.body.get("messages")
    if isinstance(prompt, str):
        return ask.with_body(prompt=change(prompt))
    if not isinstance(messages, list):
        return ask
    heard = [
        one | {"content": change(one["content"])}
        if isinstance(one, dict) and isinstance(one.get("content"), str)
        else one
        for one in messages
    ]
    return ask.with_body(messages=heard)
