"""A prompt reaches the model as it was written: not cut, not escaped, not stripped of what somebody cannot read.

Law: what a model says is never judged. A prompt and its damaged form are told apart by their token counts and by how
likely the next tokens are; where a model finds both exactly alike, it was given the same text twice.
"""

from __future__ import annotations

from collections.abc import Callable

from conformance.api import Api
from conformance.check import Inconclusive, Skip, Violation, check
from conformance.checks.history import moved
from conformance.checks.logprobs import wanted
from conformance.checks.text import reworded
from conformance.layouts import TokenLogprob, tokens_of
from conformance.wire.answer import Ask
from conformance.wire.exchange import Exchange

Damage = Callable[[str], str]
TOKENS = 2

# What is damaged stands at the end, where a model heeds it most.
EMOJI = "The ship \U0001f6a2\U0001f30a"
ACCENTS = "The fa\u00e7ade na\u00efve \u017elu\u0165ou\u010dk\u00fd"
HEBREW = "The sea is \u05d4\u05d9\u05dd \u0627\u0644\u0628\u062d\u0631"
LINES = "The sea is calm.\nA ship"
SPACES = "The sea   and    the ship"


def first_line(text: str) -> str:
    """The text up to its first line end."""
    return text.split("\n", maxsplit=1)[0]


def question_marks(text: str) -> str:
    """A question mark for every character beyond ASCII."""
    return text.encode("ascii", "replace").decode()


def dropped(text: str) -> str:
    """The text without its characters beyond ASCII."""
    return text.encode("ascii", "ignore").decode()


def plane(text: str) -> str:
    """The text without its characters beyond 16 bits."""
    return "".join(one for one in text if ord(one) < 0x10000)


def escaped(text: str) -> str:
    """Four hexadecimal digits for every character beyond ASCII, as in JSON."""
    return "".join(one if ord(one) < 0x80 else f"\\u{ord(one):04x}" for one in text)


def backslashed(text: str) -> str:
    """Python's escapes for every character beyond ASCII."""
    return text.encode("ascii", "backslashreplace").decode()


def single_spaced(text: str) -> str:
    """One space for several."""
    return " ".join(part for part in text.split(" ") if part)


# Each is what a damaged prompt still is when it is damaged again: only then do both forms end up as the same text.
CASES: tuple[tuple[str, tuple[tuple[str, Damage], ...]], ...] = (
    (EMOJI, (("without its emoji", plane), ("with question marks for them", question_marks))),
    (
        ACCENTS,
        (
            ("with question marks for accented letters", question_marks),
            ("with escapes for accented letters", escaped),
            ("with Python's escapes for them", backslashed),
            ("without them", dropped),
        ),
    ),
    (HEBREW, (("without its Hebrew and Arabic", dropped),)),
    (LINES, (("up to its first line end", first_line),)),
    (SPACES, (("with one space for several", single_spaced),)),
)
Found = tuple[Exchange, int, list[TokenLogprob]]


def found(api: Api, text: str) -> Found:
    """The answer to a prompt, with its count of tokens and the first tokens of what is said to it."""
    exchange = api.ask(**api.prompt(text), max_tokens=TOKENS, temperature=0, **wanted(api, 5))
    if exchange.status != 200:
        raise Skip(f"without log probabilities (status {exchange.status}) this cannot be judged")
    try:
        tokens = tokens_of(api.choices(exchange)[0], exchange)
    except Violation as broken:
        raise Inconclusive(f"the log probabilities cannot be read: {broken.message}") from None
    if not any(token.top for token in tokens):
        raise Inconclusive("the answer lists no likely tokens, so two prompts cannot be told apart")
    return exchange, api.usage(exchange)["prompt_tokens"], tokens


def alike(one: Found, other: Found) -> bool:
    """Whether nothing tells two prompts apart."""
    return one[1] == other[1] and not moved(one[2], other[2])


@check("text.verbatim", cites=[".text.characters", ".request.logprobs"], needs=[".answers"])
def a_prompt_arrives_as_it_was_written(api: Api) -> None:
    """A prompt is not the same to the model as one whose emoji, accents, spaces or line ends were lost."""
    # Whoever finds everything alike shows nothing by it.
    if alike(found(api, "The sea is calm"), found(api, "The sea is wild")):
        raise Inconclusive("the log probabilities and counts are the same for different prompts")
    told: list[str] = []
    evidence: list[Exchange] = []
    for text, damages in CASES:
        whole = found(api, text)
        for what, damage in damages:
            damaged = found(api, damage(text))
            if alike(whole, damaged):
                told.append(f"{text!r} {what}")
                evidence = [whole[0], damaged[0]]
    api.count = len(told)
    if told:
        message = f"the model finds a prompt exactly as likely to go on as its damaged form: {'; '.join(told)}"
        raise Violation(message, *evidence)


@a_prompt_arrives_as_it_was_written.deaf_mutant
def asks_what_it_cannot_read(ask: Ask) -> Ask:
    """Puts a question mark in the place of what is not ASCII."""
    return reworded(ask, question_marks)


@a_prompt_arrives_as_it_was_written.deaf_mutant
def loses_emoji(ask: Ask) -> Ask:
    """Drops characters beyond 16 bits."""
    return reworded(ask, plane)


@a_prompt_arrives_as_it_was_written.deaf_mutant
def reads_the_first_line(ask: Ask) -> Ask:
    """Takes a line end for the end of the prompt."""
    return reworded(ask, first_line)


@a_prompt_arrives_as_it_was_written.deaf_mutant
def keeps_escapes(ask: Ask) -> Ask:
    """Leaves the escapes of JSON in the text."""
    return reworded(ask, escaped)


@a_prompt_arrives_as_it_was_written.deaf_mutant
def tidies_spaces(ask: Ask) -> Ask:
    """Makes one space of several."""
    return reworded(ask, single_spaced)
