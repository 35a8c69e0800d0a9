"""Temperature, nucleus and presence penalty: what the distribution is bent to do, judged on log probabilities."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

from conformance.api import Api
from conformance.check import Inconclusive, Skip, Violation, check, expect
from conformance.checks.logprobs import given, wanted
from conformance.layouts import TokenLogprob, has_tokens, tokens_of
from conformance.wire.answer import Ask
from conformance.wire.exchange import Exchange

PROMPT = "Between the lighthouse and the pier"
VARIED = ("The wind", "Every sailor", "At night the harbour")
REPETITIVE = (
    "The sea, the sea, the sea,",
    "ship after ship after ship",
    "wave upon wave upon wave",
    "and the ship and the",
)
# How often a sound endpoint may be called wrong by the statistical check here.
FALSE_ALARM = 1e-6
# A greedy choice may tip the other way only where two tokens are about as likely; half precision is no finer than this.
TIE = 0.05
PENALTY = 2.0
# After these nearly any word may come.
OPENINGS = (
    "My favourite word is",
    "Random words:",
    "She opened the box and found",
    "The next line of the poem:",
    "Yesterday at the harbour we saw",
    "A name for a ship:",
    "Then somebody shouted:",
    "On the table there was",
)
MOST_TIES = 5
# What is left of a log probability at a temperature below 1, at least: 0.97 for 0.9 at a temperature of 0.6.
_OWN_DEFAULT = 0.2

_changing = itertools.count()


@dataclass(frozen=True)
class Answered:
    """An answer's text and its tokens (none where the endpoint gives no log probabilities)."""

    exchange: Exchange
    text: str
    tokens: list[TokenLogprob]

    @classmethod
    def of(cls, api: Api, exchange: Exchange, like: list[TokenLogprob]) -> Answered:
        """The answer in that exchange, with its tokens if an answer like it had some."""
        return cls(exchange, api.text(exchange), tokens_of(api.choices(exchange)[0], exchange) if like else [])


def sampled(ask: Ask, temperature: float) -> Ask:
    """The request at about that temperature, never twice the same, so that sampling gives another result each time."""
    return ask.with_body(temperature=temperature - next(_changing) % 1000 / 10_000)


def greedy_tokens(api: Api, prompt: str, max_tokens: int) -> tuple[Exchange, list[TokenLogprob]]:
    """A greedy answer with its tokens; `Inconclusive` when the endpoint gives no log probabilities."""
    exchange = api.ask(**api.prompt(prompt), temperature=0, max_tokens=max_tokens, **wanted(api, 5))
    if exchange.status != 200:
        raise Inconclusive(f"without log probabilities (status {exchange.status}) this cannot be judged")
    return exchange, given(api, exchange)


def answered(api: Api, **params: Any) -> Answered:
    """An answer to `PROMPT` of 12 tokens, with its tokens where the endpoint gives log probabilities."""
    asked = {**api.prompt(PROMPT), "max_tokens": 12, **params}
    exchange = api.ask(**asked, **wanted(api, 5)) if api.offers("logprobs") else None
    if exchange is not None and exchange.status == 200:
        choice = api.choices(exchange)[0]
        tokens = tokens_of(choice, exchange) if has_tokens(choice) else []
        return Answered(exchange, api.text(exchange), tokens)
    exchange = api.answer(**asked)
    return Answered(exchange, api.text(exchange), [])


def expect_same(answers: list[Answered], what: str) -> None:
    """`Violation` when two texts differ, `Inconclusive` when they part only where two tokens are about as likely."""
    first, ties = answers[0], 0
    for other in answers[1:]:
        if other.text != first.text:
            tie = _part_at_a_tie(first.tokens, other.tokens)
            message = f"{what}: {first.text!r} and {other.text!r}"
            expect(tie, message, first.exchange, other.exchange)
            ties += 1
    if ties:
        raise Inconclusive(f"{what}, but where they part two tokens are about as likely")


def _part_at_a_tie(one: list[TokenLogprob], other: list[TokenLogprob]) -> bool:
    for mine, theirs in zip(one, other, strict=False):
        if not (mine.legible and theirs.legible):
            # Different tokens may look the same here, so where the answers part is not known.
            return True
        if mine.text != theirs.text:
            return abs(mine.logprob - theirs.logprob) <= TIE
    return False


def greedy_answer(api: Api) -> Answered:
    """The greedy answer to `PROMPT`, asked once in a run."""
    return api.shared("greedy-answer", lambda view: answered(view, temperature=0))


@check("sampling.greedy", cites=[".request.temperature.greedy"], needs=[".answers"], tier="quick")
def temperature_zero_is_greedy(api: Api) -> None:
    """With temperature 0 the same request gets the same text."""
    again = [answered(api, temperature=0) for _ in api.few(range(2))]
    expect_same([greedy_answer(api), *again], "greedy answers differ")


@temperature_zero_is_greedy.deaf_mutant
def samples_at_zero(ask: Ask) -> Ask:
    """Samples at temperature 1.5 when asked for 0."""
    return sampled(ask, 1.6) if ask.body.get("temperature") == 0 else ask


@check("sampling.greedy-is-likeliest", cites=[".request.temperature.greedy"], needs=[".answers"], tier="quick")
def greedy_takes_the_likeliest(api: Api) -> None:
    """With temperature 0 each token is the likeliest one."""
    greedy = greedy_answer(api)
    exchange, tokens = (greedy.exchange, greedy.tokens) if greedy.tokens else greedy_tokens(api, PROMPT, 12)
    for position, token in enumerate(tokens):
        likeliest = max(token.top.values(), default=token.logprob)
        below = likeliest - token.logprob
        message = f"greedy token {position} {token.text!r} is {below:.3f} below the likeliest"
        expect(below <= TIE, message, exchange)


@greedy_takes_the_likeliest.deaf_mutant
def samples_hot_at_zero(ask: Ask) -> Ask:
    """Samples at temperature 2 when asked for 0."""
    return sampled(ask, 2) if ask.body.get("temperature") == 0 else ask


def expect_sampled(api: Api, what: str, share: float = 1.0, **params: Any) -> None:
    """`Violation` when all texts equal the greedy ones; `share` is what is left of a log probability, at least."""
    log_chance, evidence = 0.0, []
    for prompt in VARIED:
        exchange, tokens = greedy_tokens(api, prompt, 8)
        asked = api.answer(**api.prompt(prompt), max_tokens=8, n=4, **params)
        if any(text != api.text(exchange) for text in api.texts(asked)):
            return
        log_chance += 4 * share * sum(token.logprob for token in tokens)
        evidence += [exchange, asked]
    chance = math.exp(min(0.0, log_chance))
    if chance > FALSE_ALARM:
        raise Inconclusive(f"the model is so sure of itself that equal texts have a chance of {chance:.1e}")
    raise Violation(f"12 texts {what} equal the greedy ones; by chance that is {chance:.0e}", *evidence)


@check("sampling.temperature", cites=[".request.temperature.broadens"], needs=[".answers"])
def temperature_broadens(api: Api) -> None:
    """A higher temperature gives texts other than the greedy one."""
    # At temperature 2 the greedy tokens are less likely than at 1, so the chance at 1 is the most it can be.
    expect_sampled(api, "at temperature 2", temperature=2)


@temperature_broadens.deaf_mutant
def is_always_greedy(ask: Ask) -> Ask:
    """Ignores the temperature and is greedy."""
    return ask.with_body(temperature=0) if "temperature" in ask.body else ask


@check("sampling.default", cites=[".request.temperature.broadens"], needs=[".answers"])
def without_a_temperature_it_samples(api: Api) -> None:
    """Without `temperature` an answer is sampled, not greedy: the default is 1."""
    # A default of the model's own, such as 0.6, makes greedy tokens likelier than they are at 1.
    expect_sampled(api, "without a temperature", _OWN_DEFAULT)


@without_a_temperature_it_samples.deaf_mutant
def is_greedy_by_default(ask: Ask) -> Ask:
    """Takes the likeliest token where no temperature is given."""
    return ask if "temperature" in ask.body or not ask.body else ask.with_body(temperature=0)


@check("sampling.top_p", cites=[".request.top_p.nucleus"], needs=[".answers"])
def a_tiny_nucleus_is_greedy(api: Api) -> None:
    """With `top_p` near 0 only the likeliest token is left, so the text is the greedy one."""
    greedy = answered(api, temperature=0)
    narrow = [answered(api, temperature=1 - number / 5, top_p=0.001) for number in range(3)]
    what = "with `top_p` 0.001 the text is not the greedy one"
    if not greedy.tokens and any(one.text != greedy.text for one in narrow):
        # Two tokens that are equally likely are both left, which in half precision happens; here nobody can see it.
        _expect_mostly_greedy(api, what)
    expect_same([greedy, *narrow], what)


def _expect_mostly_greedy(api: Api, what: str) -> None:
    """`Violation` when hardly any first token is the greedy one, `Inconclusive` else.

    With a tie in one token of fifty, `MOST_TIES` or more of eight come once in ten million times.
    """
    pairs = []
    for prompt in OPENINGS:
        asked = {**api.prompt(prompt), "max_tokens": 1}
        pairs.append((api.answer(**asked, temperature=0), api.answer(**asked, temperature=1, top_p=0.001)))
    other = [pair for pair in pairs if api.text(pair[0]) != api.text(pair[1])]
    if len(other) >= MOST_TIES:
        raise Violation(f"{what}, and {len(other)} of {len(pairs)} first tokens are others", *other[0])
    raise Inconclusive(f"{what}, but {len(pairs) - len(other)} of {len(pairs)} first tokens are: it may be a tie")


@a_tiny_nucleus_is_greedy.deaf_mutant
def ignores_top_p(ask: Ask) -> Ask:
    """Samples from the whole distribution whatever `top_p` says."""
    return ask.with_body(top_p=1) if "top_p" in ask.body else ask


@check("sampling.presence", cites=[".request.presence_penalty.effect"], needs=[".answers"])
def presence_penalty_moves_the_choice(api: Api) -> None:
    """A presence penalty of 2 turns a greedy answer away from a repeated token with a likely alternative."""
    found_any = False
    for prompt in REPETITIVE:
        plain, tokens = repetitive(api, prompt)
        turn = _first_turn(tokens)
        if turn is None:
            continue
        found_any = True
        penalised = api.answer(
            **api.prompt(prompt), temperature=0, max_tokens=24, presence_penalty=PENALTY, **wanted(api, 5)
        )
        bent = [token.text for token in tokens_of(api.choices(penalised)[0], penalised)]
        kept = [token.text for token in tokens[: turn + 1]]
        message = f"token {turn} {kept[-1]!r} repeats in spite of the penalty and a likely alternative"
        expect(bent[: turn + 1] != kept, message, plain, penalised)
    if not found_any:
        raise Skip("no greedy answer repeats a token that the penalty would have to turn away")


@presence_penalty_moves_the_choice.deaf_mutant
def ignores_the_penalty(ask: Ask) -> Ask:
    """Ignores `presence_penalty`."""
    return ask.with_body(presence_penalty=...)


def repetitive(api: Api, prompt: str) -> tuple[Exchange, list[TokenLogprob]]:
    """The greedy answer to one of `REPETITIVE` without a penalty, asked once in a run."""
    return api.shared(f"repetitive-{REPETITIVE.index(prompt)}", lambda view: greedy_tokens(view, prompt, 24))


@check("sampling.presence-negative", cites=[".request.presence_penalty.effect"], needs=[".answers"])
def a_negative_penalty_repeats(api: Api) -> None:
    """A presence penalty of -2 turns a greedy answer towards a token that it has had already."""
    for prompt in REPETITIVE:
        plain, tokens = repetitive(api, prompt)
        turn = _first_return(tokens)
        if turn is None:
            continue
        rewarded = api.answer(
            **api.prompt(prompt), temperature=0, max_tokens=24, presence_penalty=-PENALTY, **wanted(api, 5)
        )
        bent = [token.text for token in tokens_of(api.choices(rewarded)[0], rewarded)]
        kept = [token.text for token in tokens[: turn + 1]]
        message = f"token {turn} {kept[-1]!r} comes as without the penalty, although another had come before"
        expect(bent[: turn + 1] != kept, message, plain, rewarded)
        return
    raise Skip("no greedy answer comes near a token that it has had already")


@a_negative_penalty_repeats.deaf_mutant
def knows_no_negative_penalty(ask: Ask) -> Ask:
    """Takes a negative penalty for 0."""
    penalty = ask.body.get("presence_penalty")
    return ask.with_body(presence_penalty=0) if isinstance(penalty, int | float) and penalty < 0 else ask


@check("sampling.seed", cites=[".request.seed"], needs=[".answers"])
def a_seed_repeats_an_answer(api: Api) -> None:
    """With one seed the same request gets the same text, also at temperature 1."""
    answers = [api.answer(**api.prompt(PROMPT), temperature=1, seed=11, max_tokens=12) for _ in range(3)]
    # The reference's own way to say that the system has changed meanwhile.
    systems = {exchange.json.get("system_fingerprint") for exchange in answers}
    texts = [api.text(exchange) for exchange in answers]
    if len(set(texts)) > 1 and len(systems) > 1:
        raise Inconclusive("the system fingerprint changed between the answers")
    expect(len(set(texts)) == 1, f"with the seed 11 the texts are {', '.join(map(repr, texts))}", *answers)


@a_seed_repeats_an_answer.deaf_mutant
def ignores_the_seed(ask: Ask) -> Ask:
    """Ignores the seed."""
    return sampled(ask.with_body(seed=...), 0.99) if "seed" in ask.body else ask


def _first_return(tokens: list[TokenLogprob]) -> int | None:
    """The first position whose token is new while one that came before is less than the penalty behind."""
    seen: set[str] = set()
    for position, token in enumerate(tokens):
        if not token.legible:
            return None
        again = [value for text, value in token.top.items() if text in seen]
        if token.text not in seen and again and token.logprob - max(again) < PENALTY - 0.5:
            return position
        seen.add(token.text)
    return None


def _first_turn(tokens: list[TokenLogprob]) -> int | None:
    """The first position whose token was generated before while one that was not is less than the penalty behind."""
    seen: set[str] = set()
    for position, token in enumerate(tokens):
        if not token.legible:
            # It may be any of several tokens, so what counts as repeated is not known from here on.
            return None
        if token.text in seen:
            fresh = [value for text, value in token.top.items() if text not in seen and text and "\ufffd" not in text]
            # Well inside the penalty, so that neither rounding nor a tie decides.
            if fresh and token.logprob - max(fresh) < PENALTY - 0.5:
                return position
        seen.add(token.text)
    return None
