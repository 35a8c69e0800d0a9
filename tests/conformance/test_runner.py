"""Order, needs, outcomes: whose fault a check's end is, and that it is said once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from conformance.api import Api, Unreachable
from conformance.check import Check, Inconclusive, Skip, Throttled, Violation, When
from conformance.runner import IN_VAIN, MOST_SAID, SILENT_IN_A_ROW, Runner, seed_of, with_needs
from conformance.settings import Settings
from conformance.wire.exchange import Exchange, Sent
from reports.model import Outcome
from tests.conformance.fakes import CONTRACT, FakeCourier, document


def make(name: str, run: Callable[[Api], None] = lambda _: None, *needs: str, when: When = "together") -> Check:
    return Check(id=name, title="t", cites=("r",), run=run, area="a", route="completions", needs=needs, when=when)


def raising(error: Exception) -> Callable[[Api], None]:
    def run(_: Api) -> None:
        raise error

    return run


def runner(*checks: Check, **kwargs: Any) -> Runner:
    return Runner(checks, FakeCourier(lambda _: (200, document())), CONTRACT, Settings(seed=1), **kwargs)


def statuses(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.check: outcome.status for outcome in outcomes}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Violation("wrong"), "fail"),
        (Skip("not offered"), "skip"),
        (Inconclusive("throttled"), "inconclusive"),
        (Unreachable("connect: refused"), "inconclusive"),
        (ZeroDivisionError("ours"), "error"),
        (AssertionError("ours too"), "error"),
    ],
)
def test_only_a_violation_is_the_endpoints_fault(error: Exception, status: str) -> None:
    (outcome,) = runner(make("a", raising(error))).run()
    assert outcome.status == status
    assert str(error) in outcome.message


def test_an_error_of_ours_says_so_and_where() -> None:
    (outcome,) = runner(make("a", raising(ZeroDivisionError("x")))).run()
    assert "Seatrial" in outcome.hint
    assert "test_runner.py" in outcome.hint


def test_a_failed_need_blocks_and_a_skipped_one_skips() -> None:
    checks = (
        make("bad", raising(Violation("x"))),
        make("absent", raising(Skip("not served"))),
        make("b", lambda _: None, "bad"),
        make("c", lambda _: None, "b"),
        make("d", lambda _: None, "absent"),
    )
    outcomes = runner(*checks).run()
    assert statuses(outcomes) == {"bad": "fail", "absent": "skip", "b": "blocked", "c": "blocked", "d": "skip"}
    assert outcomes[-1].message == "not served"


def test_dangerous_checks_run_alone_and_last() -> None:
    running: list[str] = []
    together: list[list[str]] = []
    lock = threading.Lock()

    def body(name: str) -> Callable[[Api], None]:
        def run(_: Api) -> None:
            with lock:
                running.append(name)
                together.append(sorted(running))
            threading.Event().wait(0.01)
            with lock:
                running.remove(name)

        return run

    risky = [make(f"z{i}", body(f"z{i}"), when="last") for i in range(2)]
    calm = [make(f"a{i}", body(f"a{i}")) for i in range(6)]
    runner(*risky, *calm, jobs=4).run()
    assert [group for group in together if any(name.startswith("z") for name in group)] == [["z0"], ["z1"]]
    assert together[-2:] == [["z0"], ["z1"]]


def test_each_outcome_is_reported_once() -> None:
    seen: list[str] = []
    runner(*(make(f"c{i}") for i in range(20)), jobs=4, on_outcome=lambda o: seen.append(o.check)).run()
    assert sorted(seen) == sorted(f"c{i}" for i in range(20))


def test_a_fault_of_the_log_ends_the_run_and_is_raised() -> None:
    def full(_: Outcome) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        runner(*(make(f"c{i}") for i in range(5)), jobs=1, on_outcome=full).run()


def test_stop_leaves_the_rest_undone() -> None:
    stop = threading.Event()

    def last(_: Api) -> None:
        stop.set()
        raise Inconclusive("interrupted")

    outcomes = runner(make("a"), make("b", last), make("c"), jobs=1, stop=stop).run()
    assert statuses(outcomes) == {"a": "pass"}


def test_an_endpoint_that_went_away_ends_the_run() -> None:
    one = runner(*(make(f"c{i}", raising(Unreachable("connect: refused"))) for i in range(9)), jobs=1)
    assert len(one.run()) == 3
    assert "stopped taking connections" in one.abort_reason


def timing_out(api: Api) -> None:
    api.send(b"hang")


def quiet(*checks: Check, plain: bool, **kwargs: Any) -> Runner:
    """A runner against an endpoint that lets some bodies hang, or all of them."""

    def reply(sent: Sent) -> tuple[int, Any]:
        return (0, "timeout") if sent.body == b"hang" or not plain else (200, document())

    return Runner(checks, FakeCourier(reply), CONTRACT, Settings(), **kwargs)


def test_an_endpoint_that_stopped_answering_ends_the_run() -> None:
    one = quiet(*(make(f"c{i}", timing_out) for i in range(20)), plain=False, jobs=1)
    assert len(one.run()) == SILENT_IN_A_ROW
    assert "stopped answering" in one.abort_reason


@pytest.mark.parametrize("jobs", [1, 4])
def test_some_requests_that_hang_do_not_end_the_run(jobs: int) -> None:
    one = quiet(*(make(f"c{i}", timing_out) for i in range(20)), plain=True, jobs=jobs)
    assert statuses(one.run()) == {f"c{i}": "fail" for i in range(20)}
    assert one.abort_reason == ""


def test_a_message_is_not_as_long_as_the_endpoint_likes() -> None:
    outcome = runner(make("c", raising(Violation("indices " + "0, " * 100_000)))).run()[0]
    assert outcome.message.startswith("indices 0, 0")
    assert len(outcome.message) == MOST_SAID + 2


def test_an_endpoint_that_throttles_everything_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def deliver(*_: object, **__: object) -> Exchange:
        raise Throttled("429 to each")

    one = runner(*(make(f"c{i}", raising(Throttled("429 to each"))) for i in range(20)), jobs=1)
    monkeypatch.setattr(FakeCourier, "deliver", deliver)
    assert len(one.run()) == SILENT_IN_A_ROW
    assert "throttles everything (429 to each)" in one.abort_reason


def test_an_endpoint_that_throttles_streams_only_is_judged_to_the_end() -> None:
    one = runner(*(make(f"c{i}", raising(Throttled("429 to each"))) for i in range(20)), jobs=1)
    assert set(statuses(one.run()).values()) == {"inconclusive"}
    assert len(one.outcomes) == 20
    assert one.abort_reason == ""


def test_a_check_that_timed_out_in_the_crowd_is_run_again_alone() -> None:
    running: set[str] = set()

    def crowded(api: Api) -> None:
        running.add(api.scope)
        threading.Event().wait(0.01)
        alone = len(running) == 1
        running.discard(api.scope)
        api.send(b"{}" if alone else b"hang")

    shared = quiet(*(make(f"c{i}", crowded) for i in range(4)), make("z", when="last"), plain=True, jobs=4)
    assert set(statuses(shared.run()).values()) == {"pass"}


def test_a_check_that_others_need_is_run_again_before_them() -> None:
    ended: list[str] = []
    hung: set[str] = set()

    def hangs_once(api: Api) -> None:
        first = api.scope not in hung
        hung.add(api.scope)
        api.send(b"hang" if first else b"{}")
        ended.append(api.scope)

    needing = make("needing", lambda api: ended.append(api.scope), "needed")
    shared = quiet(make("needed", hangs_once), make("other", hangs_once), needing, plain=True, jobs=4)
    assert set(statuses(shared.run()).values()) == {"pass"}
    assert ended == ["needed", "needing", "other"]


def test_a_check_that_hangs_alone_is_not_run_for_ever() -> None:
    one = quiet(*(make(f"c{i}", timing_out) for i in range(12)), plain=True, jobs=4)
    one.run()
    hung = [sent for sent in one._courier.sent if sent.body == b"hang"]  # type: ignore[attr-defined]
    assert len(hung) == 12 + IN_VAIN


def test_what_a_check_spent_is_in_its_outcome() -> None:
    def twice(api: Api) -> None:
        api.ask()
        api.ask()

    (outcome,) = runner(make("a", twice)).run()
    assert outcome.requests == 2
    assert outcome.tokens > 2


def test_seeds_depend_on_run_and_check_only() -> None:
    assert seed_of(1, "a") == seed_of(1, "a")
    assert len({seed_of(1, "a"), seed_of(2, "a"), seed_of(1, "b")}) == 3


def test_wanted_checks_bring_what_they_need() -> None:
    checks = {c.id: c for c in (make("a"), make("b", lambda _: None, "a"), make("c", lambda _: None, "b"), make("d"))}
    assert [c.id for c in with_needs(checks, ["c"])] == ["a", "b", "c"]


def test_one_outcome_can_be_waited_for() -> None:
    one = runner(make("a"), make("b", raising(Violation("x"))))
    one.start()
    waited = one.wait("b")
    assert waited is not None
    assert waited.status == "fail"
    one.join()
