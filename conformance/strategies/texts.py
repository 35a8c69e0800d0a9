"""Strings to send: short, varied, free of NUL and of lone surrogates."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache, partial

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument, Unsatisfiable

from conformance.strategies.dialect import Json
from conformance.strategies.provider import BACKEND

OPENINGS = (
    "", "a", "0", "The sea", "Why is the sky blue?", "hello", "x = 1", "Count: 1, 2, 3", "[]", "{}", "null", "true",
    "-1", "\n", "\t", " ", '"', "\\", "'", "/", "é", "ñandú", "Größe", "Ωμέγα", "Привет", "שלום", "مرحبا", "हिन्दी",
    "漢字", "こんにちは", "한국어", "😀", "👩\u200d👩\u200d👧\u200d👦", "🇳🇱", "e\u0301", "\u200b", "\ufeff",
    "\u2028", "ﬁ", "İ", "ß", "\U0001d518", "a\u0300\u0301\u0302",
)  # fmt: skip
ENDINGS = (
    "", "a", " ", "\n", "\r\n", "\t", ".", "?", "!", " is", " is calm today", " and", "\nSecond line", "\\n",
    '"quoted"', "<b>", "</s>", "%s", "{name}", "é", "語", "🙂", "\u00a0", "1", "0.5", "e9", "#", "--", "data: ",
    "[DONE]", "\\u0000",
)  # fmt: skip
LETTERS = st.characters(exclude_categories=["Cs", "Cc", "Cn"])
# What a boundary tries besides the shortest and the longest string.
NOTABLE = (
    "a",
    " ",
    "two\nlines",
    'a "quoted" \\ word',
    "naïve café",
    "日本語のテキスト",
    "👩‍👩‍👧‍👦 🙂",
    "e\u0301\u200b\ufeff",
    "[DONE]",
)


def texts(shortest: int, longest: int) -> st.SearchStrategy[str]:
    """Strings of that many characters, both ends included."""

    def fit(parts: tuple[str, str]) -> str:
        text = (parts[0] + parts[1])[:longest]
        return text if len(text) >= shortest else (text + "a" * shortest)[: max(shortest, len(text))]

    return st.tuples(st.sampled_from(OPENINGS), st.sampled_from(ENDINGS)).map(fit)


@lru_cache(maxsize=256)
def matching(patterns: tuple[str, ...], shortest: int, longest: int, limit: int | None) -> st.SearchStrategy[str]:
    """Strings in which every pattern is found (not necessarily from end to end, as JSON Schema has it).

    They have at most `longest` characters where the patterns can, and at most `limit` (None for no limit) where not.
    """
    pattern = max(patterns, key=len)
    # Plain letters first; a pattern may want others, or more of them.
    for most in (longest, limit):
        for alphabet in (LETTERS, None):
            # What it matches from end to end, and the same within other text.
            found = [_matches(pattern, whole, alphabet, patterns, shortest, most) for whole in (True, False)]
            usable = [strategy for strategy in found if strategy is not None and samples(strategy, 1)]
            if usable:
                return st.one_of(usable)
    return st.nothing()


def _matches(
    pattern: str,
    whole: bool,
    alphabet: st.SearchStrategy[str] | None,
    patterns: tuple[str, ...],
    shortest: int,
    most: int | None,
) -> st.SearchStrategy[str] | None:
    try:
        found = st.from_regex(pattern, fullmatch=whole, alphabet=alphabet)
        found.validate()
    except InvalidArgument:
        return None
    return found.filter(partial(_fits, patterns, shortest, most))


def _fits(patterns: tuple[str, ...], shortest: int, longest: int | None, text: str) -> bool:
    if len(text) < shortest or (longest is not None and len(text) > longest) or "\0" in text:
        return False
    # Only some dialects of regular expressions let `$` match before a last line break.
    if text.endswith("\n"):
        return False
    # A lone surrogate is no text that JSON in UTF-8 can carry.
    if any("\ud800" <= character <= "\udfff" for character in text):
        return False
    return all(re.search(pattern, text) for pattern in patterns)


def notable(shortest: int, longest: int) -> list[str]:
    """The shortest string, the longest one, and strings that servers have stumbled over, as far as they fit."""
    ends = ["" if shortest == 0 else "a" * shortest, ("The sea is calm. " * (longest // 17 + 1))[:longest]]
    return list(dict.fromkeys([*ends, *(text for text in NOTABLE if shortest <= len(text) <= longest)]))


class _Enough(Exception):
    """Ends a search; Hypothesis takes it for a failure, and stops."""


def samples(strategy: st.SearchStrategy[Json], count: int, *, among: int = 50) -> list[Json]:
    """The first `count` different values that a strategy gives within `among` tries, always the same ones."""
    found: dict[str, Json] = {}

    @seed(0)
    @settings(
        max_examples=among,
        database=None,
        backend=BACKEND,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Json) -> None:
        if len(found) < count:
            found.setdefault(repr(value), value)
        if len(found) >= count:
            raise _Enough

    with suppress(_Enough, Unsatisfiable):
        collect()
    return list(found.values())
