"""A stand-in on a real socket and a way to run checks against it: what the laws about detection share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from conformance.api import Api
from conformance.catalogue import checks_of, within
from conformance.check import Check, Mutant, Tier
from conformance.endpoint import Endpoint, Target
from conformance.runner import Runner, judged, seed_of
from conformance.settings import Settings
from conformance.shared import Shared
from reference_server.content_filter import TRIGGERS
from reference_server.serve import StandinApp, serving, standin_app
from reports.model import Outcome
from schemas.contracts import get
from schemas.model import Contract

KEY = "laws-of-the-house-key"


@dataclass
class Bench:
    """A server whose mutant and variation can be changed between requests, and an endpoint that talks to it."""

    contract: Contract
    app: StandinApp
    endpoint: Endpoint
    checks: dict[str, Check] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.checks = checks_of(self.contract)

    def settings(self, seed: int = 0) -> Settings:
        return Settings(seed=seed, key=KEY, shrink=False, filter_prompts=TRIGGERS)

    def judge(self, check: Check, mutant: Mutant | None = None, seed: int = 0) -> Outcome:
        """Run that check alone, whatever it needs, against a server with that mutant."""
        self.app.mutant = mutant
        settings = self.settings(seed_of(seed, check.id))
        api = Api(
            self.endpoint, self.contract, settings, Shared(), scope=check.id, route=check.route, seconds=check.deadline
        )
        try:
            outcome = judged(check, api)
        finally:
            self.app.mutant = None
        error = self.broken()
        assert error is None, f"{mutant and mutant.id} broke down by itself: {error!r}"
        return outcome

    def broken(self) -> Exception | None:
        """What a mutant itself raised since this was last asked."""
        error, self.app.faulty.error = self.app.faulty.error, None
        return error

    def run(self, seed: int = 0, jobs: int = 4, tier: Tier = "thorough", examples: int = 5) -> list[Outcome]:
        """Run the checks of that tier, by default all."""
        settings = replace(self.settings(seed), depth=tier, examples=examples)
        checks = list(within(self.checks, tier).values())
        return Runner(checks, self.endpoint, self.contract, settings, jobs=jobs).run()


@contextmanager
def bench(contract_name: str = "azure-llama", **options: object) -> Iterator[Bench]:
    """A bench with that contract; `options` go to the stand-in's factory."""
    contract = get(contract_name)
    app = standin_app(contract=contract, key=KEY, limits=None, **options)  # type: ignore[arg-type]
    with serving(app) as server, Endpoint(Target(server.url, KEY)) as endpoint:
        yield Bench(contract, app, endpoint)
