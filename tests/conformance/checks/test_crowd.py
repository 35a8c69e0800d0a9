"""The crowd: different prompts, and never two alike in one batch."""

from __future__ import annotations

from conformance.checks.crowd import ENDINGS, OPENINGS, PROMPTS
from conformance.lanes import MOST


def test_as_many_endings_as_go_at_once() -> None:
    assert len(ENDINGS) == MOST
    assert len(set(PROMPTS)) == len(OPENINGS) * len(ENDINGS)
