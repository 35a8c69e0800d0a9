"""Whether tokens are drawn as often as the reported probabilities and the temperature say.

Law: a sound endpoint is called wrong with a chance below one in a million. Each token drawn is a bet against the
endpoint at fair odds: a sound one lets the stake grow a millionfold with at most that chance, however long the answer
is, and a model that is too sure of itself gives nothing to bet on, which is no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from conformance.api import Api
from conformance.check import Inconclusive, Skip, Violation, check, expect
from conformance.checks.logprobs import given, wanted
from conformance.checks.sampling import FALSE_ALARM, TIE
from conformance.layouts import TokenLogprob
from conformance.wire.answer import Ask
from conformance.wire.exchange import Exchange

PROMPTS = (
    "The wind",
    "A letter from the north said that",
    "On the third morning",
    "The engineer",
    "Every sailor",
    "At night the harbour",
    "He came",
    "A storm",
)
LISTED = 5
# Bets are laid only on tokens this likely beside the likeliest: rarer ones may be cut off by a default of the server's.
FLOOR = 0.1
# What a server might do in place of what it was asked for: be greedy, or sample at another temperature.
INSTEAD = (0.05, 0.3, 0.5, 1.0, 2.0, 5.0)
NEEDED = -math.log(FALSE_ALARM)
# How much of a bet must also be won where no penalty on repetition can be the cause.
SURE = math.log(20)
# The smallest chance that is reckoned with: log probabilities in half precision are no better than that.
LEAST = 1e-3
# Log probabilities this far apart show whether they were divided by the temperature.
TELLING_GAP = 0.5
NUCLEUS = 0.3
MARGIN = 0.05


@dataclass(frozen=True)
class Place:
    """What is known of one token's distribution: the tokens to bet on, others that are listed, and the rest.

    Decided by the listed values alone and never by what was drawn, so that a bet stays fair.
    """

    likely: Mapping[str, float]
    others: Sequence[float]
    rest: float
    # The log probability that no token beyond those listed is above.
    least: float

    def chances(self, temperature: float) -> dict[str, float]:
        """The chances of the likely tokens at that temperature, if it is one of them."""
        weights = {text: max(math.exp(value / temperature), 1e-300) for text, value in self.likely.items()}
        total = sum(weights.values())
        return {text: max(weight / total, 1e-12) for text, weight in weights.items()}

    def outside(self, temperature: float) -> float:
        """The chance of any other token: at temperatures up to 1 never more than this."""
        # Those that are not listed weigh most when as few as possible of them share their mass.
        unlisted = self.rest * math.exp(self.least * (1 / temperature - 1)) if temperature < 1 else self.rest
        weight = sum(math.exp(value / temperature) for value in self.others) + unlisted
        inside = sum(max(math.exp(value / temperature), 1e-300) for value in self.likely.values())
        return weight / (weight + inside)


def place_of(token: TokenLogprob) -> Place | None:
    """The place of a token; None where there is nothing to bet on, or the listed tokens cannot be told apart."""
    # The least likely one listed may be there only because it was drawn.
    ranked = sorted(token.top.items(), key=lambda pair: -pair[1])[: LISTED - 1]
    if len(ranked) < LISTED - 1 or any(not text or "\ufffd" in text for text, _ in ranked):
        return None
    floor = ranked[0][1] + math.log(FLOOR)
    likely = {text: value for text, value in ranked if value >= floor}
    rest = max(0.0, 1 - sum(math.exp(value) for _, value in ranked))
    return Place(likely, [value for _, value in ranked if value < floor], rest, ranked[-1][1])


@dataclass
class Stakes:
    """Bets that a server samples at another temperature, one for each in `INSTEAD`, as natural logarithms.

    `expected` is what a bet would have brought on average had the server really done so.
    """

    honest: float
    won: dict[float, float] = field(default_factory=lambda: dict.fromkeys(INSTEAD, 0.0))
    expected: dict[float, float] = field(default_factory=lambda: dict.fromkeys(INSTEAD, 0.0))

    def bet(self, place: Place, drawn: str) -> None:
        """Bet on the token that was drawn."""
        fair, most = place.chances(self.honest), max(place.outside(self.honest), LEAST)
        for instead in INSTEAD:
            odds, out = place.chances(instead), min(place.outside(instead), 1 - LEAST)
            gain = {text: math.log(odds[text] / fair[text]) for text in odds}
            # What lies outside is bounded only up to temperature 1, and a server may well cut it off: so a bet on too
            # much of it is fair, and one on too little would not be.
            if self.honest <= 1 and instead > self.honest and out > most:
                inside, beyond = math.log((1 - out) / (1 - most)), math.log(out / most)
            else:
                inside = beyond = 0.0
            self.won[instead] += inside + gain[drawn] if drawn in gain else beyond
            mean = sum(odds[text] * gain[text] for text in odds)
            self.expected[instead] += (1 - out) * (inside + mean) + out * beyond

    def bet_on_first(self, place: Place, drawn: str) -> None:
        """Bet only that the likeliest token was drawn too often; fair even if a penalty made it less likely."""
        first = max(place.likely, key=place.likely.__getitem__)
        if drawn not in place.likely or len(place.likely) < 2:
            return
        fair = place.chances(self.honest)[first]
        for instead in INSTEAD:
            if instead < self.honest:
                odds = min(place.chances(instead)[first], 1 - LEAST)
                won = math.log(odds / fair) if drawn == first else math.log((1 - odds) / (1 - fair))
                self.won[instead] += min(won, 0.0) if odds < fair else won

    @property
    def total(self) -> float:
        """The logarithm of the mean of all bets: as a bet of its own, it is as fair as each of them."""
        most = max(self.won.values())
        return most + math.log(sum(math.exp(value - most) for value in self.won.values()) / len(self.won))

    @property
    def best(self) -> float:
        """The temperature that what was drawn speaks for most."""
        return max(self.won, key=self.won.__getitem__)

    @property
    def powerful(self) -> bool:
        """Whether a server that did something else altogether would probably have been found out."""
        return max(self.expected.values()) >= NEEDED + math.log(len(INSTEAD))

    @property
    def settled(self) -> bool:
        """Whether more tokens would hardly change the verdict."""
        return self.total >= NEEDED or (max(self.expected.values()) >= 2 * NEEDED and self.total < NEEDED / 4)


def drawn(
    api: Api, number: int, temperature: float, max_tokens: int, top_p: float = 1
) -> tuple[Exchange, list[TokenLogprob]]:
    """An answer to one of `PROMPTS`, sampled, with its tokens; `Skip` without log probabilities."""
    exchange = api.ask(
        **api.prompt(PROMPTS[number]),
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        **wanted(api, LISTED),
    )
    if exchange.status != 200:
        raise Skip(f"without log probabilities at temperature {temperature:g} (status {exchange.status}) nothing shows")
    return exchange, given(api, exchange)


def at_one(api: Api, number: int) -> tuple[Exchange, list[TokenLogprob]]:
    """An answer at temperature 1, asked once in a run."""
    return api.shared(f"drawn-{number}", lambda view: drawn(view, number, 1, 64))


def reported(api: Api, number: int, first: list[TokenLogprob], temperature: float) -> str:
    """How log probabilities are given at that temperature: `raw`, `scaled` by it, or `otherwise`.

    The first token of the same prompt has the same probabilities, so it tells.
    """
    base = at_one(api, number)[1]
    if not base or not first:
        return "otherwise"
    return scale_of(base[0].top, first[0].top, temperature)


def scale_of(one: Mapping[str, float], other: Mapping[str, float], temperature: float) -> str:
    """How the log probabilities at that temperature differ from those of the same place at temperature 1."""
    # What is half a character looks like others that are, so its value is not known to be that of the same token.
    common = [text for text in one if text in other and text and "\ufffd" not in text]
    if len(common) < 2:
        return "otherwise"
    if all(abs(one[text] - other[text]) <= 0.1 + 0.01 * abs(one[text]) for text in common):
        return "raw"
    highest = max(common, key=one.__getitem__)
    gaps = [(one[text] - one[highest], (other[text] - other[highest]) * temperature) for text in common]
    # Tokens that are about as likely have about the same gap at every temperature.
    telling = max(abs(a) for a, _ in gaps) >= TELLING_GAP
    return "scaled" if telling and all(abs(a - b) <= 0.1 + 0.1 * abs(a) for a, b in gaps) else "otherwise"


def expect_temperature(api: Api, temperature: float, max_tokens: int) -> None:
    """`Violation` when what is drawn contradicts the temperature; `Inconclusive` when little can be told."""
    stakes: list[Stakes] = []
    evidence: list[Exchange] = []
    for number in range(len(PROMPTS)):
        exchange, tokens = at_one(api, number) if temperature == 1 else drawn(api, number, temperature, max_tokens)
        if not stakes:
            how = reported(api, number, tokens, temperature)
            # An answer may also have ended at once, or begun with a token that is not listed: then the next one tells.
            if how == "otherwise":
                continue
            stakes = [Stakes(1.0 if how == "scaled" else temperature) for _ in range(2)]
        _bet(stakes, tokens, PROMPTS[number])
        evidence.append(exchange)
        if stakes[0].settled:
            break
    if not stakes:
        raise Inconclusive("the log probabilities change with the temperature, and not as it would have them")
    every, sure = stakes
    if every.total >= NEEDED:
        if max(sure.won.values()) < SURE:
            raise Inconclusive("repeated tokens are drawn too seldom or too often, as with a penalty on repetition")
        raise Violation(
            f"at temperature {temperature:g} tokens are drawn as if at about {every.best:g}; by chance that happens "
            f"at most once in 1e{every.total / math.log(10):.0f} times",
            *evidence,
        )
    if not every.powerful:
        raise Inconclusive("the model is so sure of itself that a wrong temperature would hardly show")


def _bet(stakes: list[Stakes], tokens: list[TokenLogprob], prompt: str) -> None:
    """Bet on every token: with the first of the stakes on all, with the second where no penalty can be the cause."""
    every, sure = stakes
    said: set[str] = set()
    for token in tokens:
        place = place_of(token)
        if place is not None:
            every.bet(place, token.text)
            again = {text for text in token.top if text in said or text.strip() in prompt}
            if not again:
                sure.bet(place, token.text)
            elif max(place.likely, key=place.likely.__getitem__) in again:
                sure.bet_on_first(place, token.text)
        said.add(token.text)


@check("sampling.temperature-one", cites=[".request.temperature.broadens", ".request.logprobs"], needs=[".answers"])
def tokens_are_drawn_as_likely_as_they_are(api: Api) -> None:
    """At temperature 1 tokens are drawn as often as their probabilities say."""
    expect_temperature(api, 1, 64)


@tokens_are_drawn_as_likely_as_they_are.deaf_mutant
def knows_only_greed(ask: Ask) -> Ask:
    """Takes the likeliest token at every temperature."""
    return ask.with_body(temperature=0) if "temperature" in ask.body else ask


@tokens_are_drawn_as_likely_as_they_are.deaf_mutant
def caps_the_temperature(ask: Ask) -> Ask:
    """Lowers a temperature above 0.25 to that."""
    return _at_temperature(ask, lambda value: min(0.25, value))


@check("sampling.temperature-low", cites=[".request.temperature.broadens", ".request.logprobs"], needs=[".answers"])
def a_low_temperature_is_low(api: Api) -> None:
    """At temperature 0.2 tokens are drawn as seldom beside the likeliest as they then ought to be."""
    expect_temperature(api, 0.2, 48)


@a_low_temperature_is_low.deaf_mutant
def forgets_the_temperature(ask: Ask) -> Ask:
    """Samples at temperature 1 whatever it was given, but for 0."""
    return _at_temperature(ask, lambda _: 1)


@a_low_temperature_is_low.deaf_mutant
def turns_temperature_over(ask: Ask) -> Ask:
    """Multiplies by the temperature where it ought to divide."""
    return _at_temperature(ask, lambda value: min(2, 1 / value))


@check("sampling.temperature-high", cites=[".request.temperature.broadens", ".request.logprobs"], needs=[".answers"])
def a_high_temperature_is_high(api: Api) -> None:
    """At temperature 2 tokens beside the likeliest are drawn as often as they then ought to be."""
    expect_temperature(api, 2, 96)


@a_high_temperature_is_high.deaf_mutant
def is_greedy_beyond_one(ask: Ask) -> Ask:
    """Takes a temperature above 1 for one it does not know, and is greedy."""
    return _at_temperature(ask, lambda value: 0 if value > 1 else value)


@a_high_temperature_is_high.deaf_mutant
def reads_percent(ask: Ask) -> Ask:
    """Reads a temperature above 1 as a number out of ten."""
    return _at_temperature(ask, lambda value: value / 10 if value > 1 else value)


@check("sampling.nucleus", cites=[".request.top_p.nucleus", ".request.logprobs"], needs=[".answers"])
def nothing_outside_the_nucleus_is_drawn(api: Api) -> None:
    """With `top_p` 0.3 no token is drawn when likelier ones have more than that mass already."""
    log_chance = 0.0
    for number in range(3):
        exchange, tokens = drawn(api, number, 1, 64, NUCLEUS)
        if reported(api, number, tokens, 1) == "raw":
            log_chance += _expect_inside(exchange, tokens, PROMPTS[number])
        if log_chance < math.log(1e-3):
            return
    raise Inconclusive("the model is too sure of itself, or its log probabilities are given after `top_p`")


def _expect_inside(exchange: Exchange, tokens: list[TokenLogprob], prompt: str) -> float:
    """`Violation` for a token outside of the nucleus; how likely a server without one passes, as a logarithm."""
    log_chance, said = 0.0, set[str]()
    for position, token in enumerate(tokens):
        # A penalty on repetition would make a token less likely than it is listed.
        listed = [value for text, value in token.top.items() if text not in said and text.strip() not in prompt]
        ahead = sum(math.exp(value) for value in listed if value > token.logprob + TIE)
        message = (
            f"token {position} {token.text!r} was drawn although likelier ones have {ahead:.2f} of the probability"
        )
        expect(ahead < NUCLEUS + MARGIN, message, exchange)
        log_chance += math.log(max(1 - _outside(listed), 1e-9))
        said.add(token.text)
    return log_chance


def _outside(listed: list[float]) -> float:
    """How likely a server without `top_p` draws a token that is plainly outside of the nucleus."""
    inside = 0.0
    for value in sorted(listed, reverse=True):
        if inside >= NUCLEUS + MARGIN:
            return max(0.0, 1 - inside)
        inside += math.exp(value)
    return max(0.0, 1 - inside) if inside >= NUCLEUS + MARGIN else 0.0


@nothing_outside_the_nucleus_is_drawn.deaf_mutant
def heeds_only_a_tiny_top_p(ask: Ask) -> Ask:
    """Takes a `top_p` of 0.1 and more for 1."""
    top_p = ask.body.get("top_p")
    return ask.with_body(top_p=1) if isinstance(top_p, float) and top_p >= 0.1 else ask


@nothing_outside_the_nucleus_is_drawn.deaf_mutant
def cuts_off_top_p(ask: Ask) -> Ask:
    """Cuts the mass `top_p` off the tail in place of keeping it."""
    top_p = ask.body.get("top_p")
    return ask.with_body(top_p=1 - top_p) if isinstance(top_p, float) and 0 < top_p < 1 else ask


def _at_temperature(ask: Ask, change: Callable[[float], float]) -> Ask:
    value = ask.body.get("temperature")
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return ask
    return ask.with_body(temperature=change(value))
