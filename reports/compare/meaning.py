"""What the answers of two runs say: models, reasons to finish, usage; side by side, and compared where that means much.

Law: numbers and texts of two models are never held to be equal or not; only where both sides name the same model are
prompt tokens and greedy answers to the same request compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from conformance.wire.exchange import Exchange
from reports.compare.evident import shares_differ
from reports.compare.model import Difference, Table
from reports.compare.traffic import Pair, Traffic, documents, kind_of, parsed, route_of
from reports.visible import one_line

_UNKNOWN = "n/a"
_PARTS = ("prompt_tokens", "completion_tokens")


def models_of(exchanges: Iterable[Exchange]) -> tuple[str, ...]:
    """The names of models that the answers give, the most frequent first; empty names left out."""
    found: Counter[str] = Counter()
    for exchange in exchanges:
        for document in documents(exchange, most=1):
            if isinstance(document.get("model"), str) and document["model"].strip():
                found[document["model"]] += 1
    return tuple(name for name, _ in found.most_common())


class Meaning:
    """What two runs' answers say. `same_model` only where both sides name one model, and it is the same."""

    def __init__(self, traffic: Traffic) -> None:
        self.models = tuple(models_of(side) for side in (traffic.baseline, traffic.candidate))
        self.same_model = len(self.models[0]) == 1 and self.models[0] == self.models[1]
        self._alike = traffic.alike()
        self._paired = [Pair(*both) for both in zip(*self._alike, strict=True)] if traffic.same else []

    @property
    def remark(self) -> str:
        """Whether the two sides are one model, and what follows."""
        if self.same_model:
            return f"both name the model {one_line(self.models[0][0], 80)}"
        named = [", ".join(one_line(name, 60) for name in side[:3]) or "none" for side in self.models]
        return (
            f"the models are not known to be the same (baseline: {named[0]}; candidate: {named[1]}), so token counts, "
            "texts and reasons to finish are not held against each other"
        )

    def table(self) -> Table:
        """Reasons to finish, usage, prompt tokens and greedy answers, side by side."""
        rows = [*self._finishes(), self._sums(), *self._pairs()]
        return Table(
            name="What the answers say",
            head=("of the answers compared", "baseline", "candidate"),
            rows=tuple(rows),
            remark=self.remark,
        )

    def differences(self) -> Iterator[Difference]:
        """Prompt tokens and reasons to finish that differ under one model's name."""
        if not self.same_model:
            return
        uneven, prompts = self._prompts
        if uneven:
            first, (before, after) = uneven[0]
            yield Difference(
                area="meaning",
                grade="warning",
                subject="prompt tokens",
                title=f"{len(uneven):,} of {prompts:,} equal requests count another number of prompt tokens.",
                baseline=f"{before:,} prompt tokens",
                candidate=f"{after:,} prompt tokens",
                note="under one model's name: another tokenizer or chat template",
                exchanges=(first.baseline.id, first.candidate.id),
            )
        counts = [_reasons(side) for side in self._alike]
        for name in sorted(counts[0].keys() | counts[1].keys()):
            shares = [(count[name], count.total()) for count in counts]
            if all(total for _, total in shares) and shares_differ(shares[0], shares[1]):
                yield Difference(
                    area="meaning",
                    grade="information",
                    subject=f"finish_reason {one_line(name, 40)}",
                    title="A reason to finish is more frequent on one side, under one model's name.",
                    baseline=_of(*shares[0]),
                    candidate=_of(*shares[1]),
                )

    def _finishes(self) -> list[tuple[str, str, str]]:
        counts = [_reasons(side) for side in self._alike]
        names = sorted(counts[0].keys() | counts[1].keys(), key=lambda name: (-counts[0][name] - counts[1][name], name))
        return [
            (f"finish_reason {one_line(name, 40)}", *(_of(count[name], count.total()) for count in counts))  # type: ignore[misc]
            for name in names[:8]
        ]

    def _sums(self) -> tuple[str, str, str]:
        cells = []
        for side in self._alike:
            usages = [one for one in map(_usages, side) if one.keys() >= {*_PARTS, "total_tokens"}]
            sound = sum(sum(one[part] for part in _PARTS) == one["total_tokens"] for one in usages)
            cells.append(_of(sound, len(usages)))
        return "usage adds up", cells[0], cells[1]

    def _pairs(self) -> list[tuple[str, str, str]]:
        if not self.same_model:
            return [(name, _UNKNOWN, _UNKNOWN) for name in ("prompt tokens alike", "greedy answers alike")]
        uneven, prompts = self._prompts
        texts = [
            (_text(pair.baseline), _text(pair.candidate))
            for pair in self._paired
            if _greedy(pair.baseline) and kind_of(pair.baseline) == "document"
        ]
        known = [one for one in texts if all(text is not None for text in one)]
        equal = sum(before == after for before, after in known)
        # One figure for both: there is no baseline and no candidate in being alike.
        return [
            ("prompt tokens alike", "-", _of(prompts - len(uneven), prompts)),
            ("greedy answers alike", "-", _of(equal, len(known))),
        ]

    @cached_property
    def _prompts(self) -> tuple[list[tuple[Pair, tuple[int, int]]], int]:
        """The pairs that count other prompt tokens, with both counts, and how many pairs count any."""
        routes = [pair for pair in self._paired if route_of(pair.baseline)]
        known = [(pair, both) for pair in routes if (both := _prompt(pair)) is not None]
        return [(pair, both) for pair, both in known if both[0] != both[1]], len(known)


def _choices(exchange: Exchange) -> Iterator[dict[str, Any]]:
    for document in documents(exchange):
        choices = document.get("choices")
        yield from (one for one in choices if isinstance(one, dict)) if isinstance(choices, list) else ()


def _reasons(exchanges: Iterable[Exchange]) -> Counter[str]:
    found: Counter[str] = Counter()
    for exchange in exchanges:
        for choice in _choices(exchange):
            reason = choice.get("finish_reason")
            if isinstance(reason, str):
                found[reason] += 1
    return found


def _usages(exchange: Exchange) -> dict[str, int]:
    """The whole numbers of the answer's usage, of a stream the last ones."""
    found: dict[str, int] = {}
    for document in documents(exchange):
        usage = document.get("usage")
        if isinstance(usage, dict):
            found |= {key: one for key, one in usage.items() if isinstance(one, int) and not isinstance(one, bool)}
    return found


def _prompt(pair: Pair) -> tuple[int, int] | None:
    """The prompt tokens that both sides count; None where one does not."""
    before, after = (_usages(one).get("prompt_tokens") for one in pair.sides)
    return None if before is None or after is None else (before, after)


def _greedy(exchange: Exchange) -> bool:
    body = parsed(exchange.sent.body)
    return isinstance(body, dict) and body.get("temperature") == 0 and not body.get("use_beam_search")


def _text(exchange: Exchange) -> tuple[str, ...] | None:
    texts = []
    for choice in _choices(exchange):
        message = choice.get("message")
        text = message.get("content") if isinstance(message, dict) else choice.get("text")
        if not isinstance(text, str):
            return None
        texts.append(text)
    return tuple(texts) or None


def _of(hits: int, total: int) -> str:
    return f"{hits:,} of {total:,}" if total else "none seen"
