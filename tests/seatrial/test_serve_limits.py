"""The limits that `seatrial serve` can be given, the same for both engines."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from reference_server.limits import COUNTED, WINDOWS, Counted, Limiter, Limits, Refusal, Window
from schemas.contracts import get
from seatrial import engine_standin, engine_vllm
from tests.seatrial.conftest import Command

ENGINES = {"standin": (), "vllm": ("--engine", "vllm", "--model", "a/b")}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Limits]:
    """The limits of the servers that were asked for, none of which is started."""
    found: list[Limits] = []

    def standin(*_: Any, limits: Limits, **__: Any) -> None:
        found.append(limits)

    def vllm(_: Any, layer: Any, **__: Any) -> None:
        # As it crosses the border between the processes.
        found.append(type(layer).from_json(layer.to_json()).limits)

    monkeypatch.setattr(engine_standin, "serve", standin)
    monkeypatch.setattr(engine_vllm, "serve", vllm)
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_a_contract_s_own_limits_are_the_default(engine: str, seatrial: Command, served: list[Limits]) -> None:
    assert seatrial("serve", *ENGINES[engine]).code == 0
    rows = get("azure-llama")
    assert served == [Limits(requests_per_minute=rows.requests_per_minute, tokens_per_minute=rows.tokens_per_minute)]


@pytest.mark.parametrize(("engine", "window", "counted"), [*product(ENGINES, WINDOWS, COUNTED)])
def test_every_kind_has_its_settings(
    engine: str, window: Window, counted: Counted, seatrial: Command, served: list[Limits]
) -> None:
    words = ("--rpm", 10, "--tpm", 500, "--window-seconds", 5, "--burst-seconds", 2)
    result = seatrial("serve", *ENGINES[engine], "--limiter", window, "--count-refused", counted, *words)
    assert result.code == 0, result.err
    wanted = Limits(
        requests_per_minute=10,
        tokens_per_minute=500,
        window=window,
        window_seconds=5,
        burst_seconds=2,
        count_refused=counted,
    )
    assert served == [wanted]
    # And it is one that limits.
    limiter = Limiter(served[0], clock=lambda: 0.0)
    account = limiter.account("a")
    answers = [isinstance(limiter.admit(account), Refusal) for _ in range(5)]
    assert answers == [False] * 4 + [True]


@pytest.mark.parametrize("engine", ENGINES)
def test_zero_is_no_limit(engine: str, seatrial: Command, served: list[Limits]) -> None:
    assert seatrial("serve", *ENGINES[engine], "--rpm", 0, "--tpm", 0).code == 0
    assert (served[0].requests_per_minute, served[0].tokens_per_minute) == (None, None)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("given", "line"),
    [
        (("--burst-seconds", 60), "--burst-seconds is 60; a burst is shorter than the window of 60 seconds"),
        (("--window-seconds", 5, "--burst-seconds", 5), "shorter than the window of 5 seconds"),
        (("--burst-seconds", 0), "Invalid value for '--burst-seconds'"),
        (("--burst-seconds", "1.5"), "Invalid value for '--burst-seconds'"),
        (("--window-seconds", 0), "Invalid value for '--window-seconds'"),
        (("--window-seconds", 100_000), "Invalid value for '--window-seconds'"),
        (("--rpm", -1), "Invalid value for '--rpm'"),
        (("--limiter", "leaky"), "Invalid value for '--limiter'"),
        (("--count-refused", "some"), "Invalid value for '--count-refused'"),
    ],
)
def test_limits_that_make_no_sense_are_one_line(
    engine: str, given: tuple[object, ...], line: str, seatrial: Command, served: list[Limits]
) -> None:
    result = seatrial("serve", *ENGINES[engine], *given)
    assert result.code == 2
    assert line in result.line
    assert served == []
