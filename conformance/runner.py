"""Runs checks against a courier: order, needs, seeds, worker threads, and one outcome for each check.

Law: only a `Violation` is held against the endpoint. What a check raises otherwise is an outcome of its own kind.
"""

from __future__ import annotations

import hashlib
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from conformance.api import Api, Unreachable
from conformance.check import WHENS, Check, Inconclusive, Skip, Throttled, Unsupported, Violation
from conformance.courier import Courier
from conformance.health import lasting_trouble
from conformance.settings import Settings
from conformance.shared import Shared
from reports.model import Outcome
from schemas.model import Contract

# A single refused connection may be a hiccup; this many checks in a row mean that nobody is there any more.
UNREACHABLE_IN_A_ROW = 3
# So many checks in a row without one complete answer, or with nothing but 429, and a plain request is to show whether
# anybody still answers.
SILENT_IN_A_ROW = 6
# So many checks that time out when they run alone as well, and no other is run again: the endpoint is not only slow.
IN_VAIN = 3

# Characters of an outcome's message; a hundred thousand indices of choices make nothing clearer.
MOST_SAID = 2_000


class Runner:
    """Runs `checks` in worker threads; `wait(id)` gives one outcome, `run()` all of them.

    `on_outcome` is called once for each check, from the thread that ran it, one call at a time. Setting `stop` ends the
    run: a check under way becomes inconclusive, one not begun has no outcome. A check that timed out while others ran
    is run again alone, so that no endpoint is blamed for the queue that our own jobs made before it.
    """

    def __init__(
        self,
        checks: Sequence[Check],
        courier: Courier,
        contract: Contract,
        settings: Settings,
        *,
        jobs: int = 4,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
        stop: threading.Event | None = None,
    ) -> None:
        self.stop = stop or threading.Event()
        self.abort_reason = ""
        self.outcomes: dict[str, Outcome] = {}
        self._courier = courier
        self._contract = contract
        # Read when a check begins; what the endpoint supports is only known once it was asked.
        self.settings = settings
        self._jobs = max(1, jobs)
        self._on_outcome = on_outcome
        self._shared = Shared()
        self._planned = {check.id: check for check in checks}
        self._waiting = sorted(checks, key=lambda check: (WHENS.index(check.when), check.cost))
        self._running: dict[str, Check] = {}
        self._changed = threading.Condition()
        self._unreachable = self._silent = self._throttled = 0
        self._probes = self._in_vain = 0
        self._timed_out: dict[str, Outcome] = {}
        self._needed = {need for check in checks for need in check.needs}
        self._threads: list[threading.Thread] = []
        self._fault: BaseException | None = None

    def run(self) -> list[Outcome]:
        """Run everything and return the outcomes in the order of the plan."""
        self.start()
        self.join()
        return [self.outcomes[check_id] for check_id in self._planned if check_id in self.outcomes]

    def start(self) -> None:
        """Start the workers and return at once."""
        for number in range(self._jobs):
            thread = threading.Thread(target=self._work, name=f"seatrial-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def join(self) -> None:
        """Wait for the workers; raises what `on_outcome` raised, if it did."""
        for thread in self._threads:
            # A bare join() cannot be interrupted from the keyboard on every platform.
            while thread.is_alive():
                thread.join(timeout=0.2)
        if self._fault is not None:
            raise self._fault

    def halt(self, seconds: float) -> None:
        """End the run and wait at most so long for the workers; what they still do has no outcome."""
        self.stop.set()
        until = time.monotonic() + seconds
        for thread in self._threads:
            # An interrupt may come while they are being started, and one that was not cannot be joined.
            if thread.is_alive():
                thread.join(timeout=max(0.0, until - time.monotonic()))

    def wait(self, check_id: str) -> Outcome | None:
        """The outcome of one check, once there is one; None when the run ended before it."""
        with self._changed:
            while check_id not in self.outcomes and any(thread.is_alive() for thread in self._threads):
                self._changed.wait(timeout=0.2)
            return self.outcomes.get(check_id)

    def _work(self) -> None:
        while (check := self._next()) is not None:
            outcome = self._outcome(check)
            with self._changed:
                del self._running[check.id]
                if self.stop.is_set() and outcome.status in {"inconclusive", "error"}:
                    self._changed.notify_all()
                    continue
                self._watch(outcome)
                if not self._postponed(check, outcome):
                    self._conclude(outcome)
                self._changed.notify_all()
                suspicious = max(self._silent, self._throttled) >= SILENT_IN_A_ROW and not self.stop.is_set()
                if suspicious:
                    self._silent = self._throttled = 0
            if suspicious:
                self._probe()

    def _conclude(self, outcome: Outcome) -> None:
        self.outcomes[outcome.check] = outcome
        try:
            self._on_outcome(outcome)
        except BaseException as error:  # noqa: BLE001 - a full disk ends the run; join() raises it where it is seen
            self._fault = error
            self.stop.set()

    def _postponed(self, check: Check, outcome: Outcome) -> bool:
        """Whether a check that timed out beside others runs again, alone: after them, or at once if needed by them."""
        if check.id in self._timed_out:
            self._in_vain = self._in_vain + 1 if outcome.hint == SILENT_HINT else 0
            return False
        if outcome.hint != SILENT_HINT or self._jobs == 1 or check.when != "together":
            return False
        self._timed_out[check.id] = outcome
        last = next((at for at, one in enumerate(self._waiting) if one.when == "last"), len(self._waiting))
        place = 0 if check.id in self._needed else last
        self._waiting.insert(place, replace(check, when="last"))
        return True

    def _next(self) -> Check | None:
        """The next check that may start, once its needs are met and nobody is in its way; None when there is none."""
        with self._changed:
            while not self.stop.is_set():
                if not self._waiting:
                    return None
                for position, check in enumerate(self._waiting):
                    if check.when != "together" and (self._running or position):
                        break
                    if any(one.when != "together" for one in self._running.values()):
                        break
                    if all(need in self.outcomes or need not in self._planned for need in check.needs):
                        self._running[check.id] = self._waiting.pop(position)
                        return check
                self._changed.wait(timeout=0.2)
            return None

    def _outcome(self, check: Check) -> Outcome:
        blocked = self._blocked(check)
        if blocked is not None:
            return blocked
        if check.id in self._timed_out and self._in_vain >= IN_VAIN:
            return self._timed_out[check.id]
        settings = replace(self.settings, seed=seed_of(self.settings.seed, check.id))
        api = Api(
            self._courier, self._contract, settings,
            # What others could not get in time is not to be handed on.
            Shared() if check.id in self._timed_out else self._shared,
            scope=check.id, route=check.route, seconds=check.deadline,
        )  # fmt: skip
        started = time.monotonic()
        outcome = judged(check, api)
        return replace(outcome, seconds=time.monotonic() - started)

    def _blocked(self, check: Check) -> Outcome | None:
        for need in check.needs:
            outcome = self.outcomes.get(need)
            if outcome is None or outcome.status == "pass":
                continue
            if outcome.status in {"skip", "unsupported"}:
                return replace(_outcome_of(check, outcome.status, outcome.message), exchanges=outcome.exchanges)
            return _outcome_of(check, "blocked", f"needs {need}, which did not pass")
        return None

    def _watch(self, outcome: Outcome) -> None:
        if outcome.status == "blocked" or not (outcome.requests or outcome.hint):
            return
        self._unreachable = self._unreachable + 1 if outcome.hint == UNREACHABLE_HINT else 0
        self._silent = self._silent + 1 if outcome.hint == SILENT_HINT else 0
        self._throttled = self._throttled + 1 if outcome.hint == THROTTLED_HINT else 0
        if self._unreachable >= UNREACHABLE_IN_A_ROW:
            self._abort(f"the endpoint stopped taking connections ({outcome.message})")

    def _probe(self) -> None:
        """Send one plain request, and end the run when not even that gets an answer: the rest would only wait."""
        served = [
            operation.route
            for operation in self._contract.operations
            if (one := self.outcomes.get(f"{operation.route}.answers")) is not None and one.status == "pass"
        ]
        with self._changed:
            self._probes += 1
            scope = f"probe:{self._probes}"
        api = Api(
            self._courier, self._contract, self.settings, Shared(),
            scope=scope, route=served[0] if served else None,
        )  # fmt: skip
        try:
            api.ask()
        except Violation as violation:
            if silent(violation):
                self._abort(f"the endpoint stopped answering ({violation.message})")
        except Throttled as throttled:
            self._abort(f"the endpoint throttles everything ({throttled})")
        except (Inconclusive, Skip):
            return

    def _abort(self, reason: str) -> None:
        self.abort_reason = reason
        self.stop.set()


UNREACHABLE_HINT = "the endpoint took connections when the run began; is it still up?"
SILENT_HINT = "no answer was complete in time; an endpoint that is only slow wants a longer --timeout or fewer --jobs"
THROTTLED_HINT = "the endpoint is asked faster than it allows; lower --rpm or --tpm"


def silent(violation: Violation) -> bool:
    """Whether the violation is that the answer did not end in time."""
    return bool(violation.exchanges) and violation.exchanges[-1].failure in ("timeout", "too-long")


def judged(check: Check, api: Api) -> Outcome:
    """Run one check now, whatever it needs, and say how it ended."""
    try:
        _run(check, api)
    except Violation as violation:
        evidence = tuple(exchange.id for exchange in violation.exchanges)
        status, message, hint = "fail", violation.message, SILENT_HINT if silent(violation) else ""
    except Unsupported as lacking:
        evidence, status, message, hint = lacking.evidence, "unsupported", str(lacking), ""
    except Skip as skip:
        evidence, status, message, hint = (), "skip", str(skip), ""
    except Unreachable as error:
        evidence, status, message, hint = (), "inconclusive", str(error), UNREACHABLE_HINT
    except Throttled as error:
        evidence, status, message, hint = (), "inconclusive", str(error), THROTTLED_HINT
    except Inconclusive as error:
        evidence, status, message, hint = (), "inconclusive", str(error), ""
    except Exception as error:  # noqa: BLE001 - whatever else happens in a check is our fault, and is reported as ours
        evidence, status, message = (), "error", f"{type(error).__name__}: {error}"
        hint = "a fault of Seatrial, not of the endpoint: " + _place(error)
    else:
        evidence, status, message, hint = (), "pass", "", ""
    return replace(
        _outcome_of(check, status, message),
        hint=hint,
        exchanges=evidence,
        count=max(api.count, 1) if status == "fail" else 0,
        readings=dict(api.readings),
        requests=api.requests,
        tokens=api.tokens,
    )


def _run(check: Check, api: Api) -> None:
    """Run the check; after one of the last the endpoint is to answer as before, whatever the check itself found."""
    if check.when != "last":
        check.run(api)
        return
    try:
        check.run(api)
    except Violation as violation:
        trouble = lasting_trouble(api) if api.requests else None
        if trouble is None:
            raise
        message = f"{violation.message}; and afterwards the endpoint no longer answers as before: {trouble.message}"
        raise Violation(message, *violation.exchanges, *trouble.exchanges) from None
    # A check that only looks back has upset nobody.
    trouble = lasting_trouble(api) if api.requests else None
    if trouble is not None:
        message = f"after this check's requests the endpoint no longer answers as before: {trouble.message}"
        raise Violation(message, *trouble.exchanges)


def seed_of(seed: int, check_id: str) -> int:
    """The seed of one check: the same in every run with that seed, whatever else runs."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{check_id}".encode()).digest()[:8], "big")


def with_needs(checks: Mapping[str, Check], wanted: Sequence[str]) -> list[Check]:
    """Those checks and everything they need, in the catalogue's order."""
    chosen: set[str] = set()
    queue = list(wanted)
    while queue:
        check_id = queue.pop()
        if check_id not in chosen:
            chosen.add(check_id)
            queue.extend(need for need in checks[check_id].needs if need in checks)
    return [check for check_id, check in checks.items() if check_id in chosen]


def _outcome_of(check: Check, status: str, message: str) -> Outcome:
    return Outcome(
        check=check.id,
        title=check.title,
        area=check.area,
        route=check.route,
        cites=check.cites,
        status=status,
        message=message if len(message) <= MOST_SAID else f"{message[:MOST_SAID]} …",
    )


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else "unknown place"
