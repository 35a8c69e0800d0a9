"""No false alarms: the conformant stand-in passes every check, under every seed and in every legal variation."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from conformance.capabilities import probe, unsupported
from conformance.catalogue import checks_of
from conformance.endpoint import Endpoint, Target
from conformance.runner import Runner
from conformance.settings import Settings
from reference_server import asgi
from reference_server.content_filter import TRIGGERS
from reference_server.serve import serving, standin_app
from reference_server.standin import StandinOptions
from reference_server.variations import VARIATIONS
from reports.model import Outcome
from schemas.contracts import get, names
from schemas.model import ROUTES
from tests.laws.bench import KEY, bench
from tests.laws.test_mutants import LOOK_BACK

SEEDS = range(20)
OTHER_TASK = b'{"error":{"code":"Bad Request","message":"task_type text-generation is not available with this API."}}'


def not_passed(outcomes: list[Outcome]) -> dict[str, str]:
    return {o.check: f"{o.status}: {o.message} {o.hint}" for o in outcomes if o.status not in {"pass", "skip"}}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_standin_passes_under_every_seed(seed: int) -> None:
    with bench(seed=seed) as server:
        outcomes = server.run(seed)
    assert not_passed(outcomes) == {}
    # A skip is no alarm, but a check that is skipped on the stand-in sees nothing there. The exceptions look
    # at 429s, and a server without limits gives none; tests/conformance/test_limits.py holds them to one with limits.
    skipped = Counter(outcome.check for outcome in outcomes if outcome.status == "skip")
    assert set(skipped) == set(LOOK_BACK)


@pytest.mark.parametrize("contract", names())
def test_the_standin_keeps_every_contract(contract: str) -> None:
    with bench(contract) as server:
        assert not_passed(server.run()) == {}


@pytest.mark.parametrize("name", sorted(VARIATIONS))
def test_a_legal_variation_passes_and_is_warned_of_nothing_but_what_it_says(name: str) -> None:
    with bench(variation=name) as server:
        outcomes = server.run()
        levels = {server.contract.row(server.checks[check].cites[0]).level for check in VARIATIONS[name].warned}
    failed = {outcome.check for outcome in outcomes if outcome.status == "fail"}
    assert failed == VARIATIONS[name].warned
    assert levels <= {"SHOULD"}
    assert not_passed([outcome for outcome in outcomes if outcome.check not in failed]) == {}


class OneRoute:
    """A server that serves chat and says of completions, in one of the known ways, that they are not for its model."""

    def __init__(self, app: asgi.App, status: int, body: bytes) -> None:
        self.app, self.status, self.body = app, status, body

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/v1/completions":
            await self.app(scope, receive, send)
            return
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [(b"content-length", b"%d" % len(self.body))],
            }
        )
        await send({"type": "http.response.body", "body": self.body})


@pytest.mark.parametrize(("status", "body"), [(404, b""), (405, b"{}"), (400, OTHER_TASK)])
def test_an_endpoint_may_serve_one_route_only(status: int, body: bytes) -> None:
    contract = get("azure-llama")
    app = OneRoute(standin_app(contract=contract, key=KEY, limits=None), status, body)
    with serving(app) as server, Endpoint(Target(server.url, KEY)) as endpoint:
        checks = list(checks_of(contract).values())
        outcomes = Runner(checks, endpoint, contract, Settings(key=KEY, filter_prompts=TRIGGERS), jobs=4).run()
    assert not_passed(outcomes) == {}
    by_route = {(o.route, o.status) for o in outcomes if o.route is not None}
    assert by_route == {("chat", "pass"), ("completions", "skip")}


@pytest.mark.parametrize(
    "options",
    [
        ("chat.n", "chat.logprobs", "completions.best_of", "completions.stream"),
        ("completions.n", "completions.logprobs", "chat.temperature", "chat.stop"),
    ],
)
def test_an_endpoint_may_lack_options(options: tuple[str, ...]) -> None:
    with bench(options=StandinOptions(unsupported=frozenset(options))) as server:
        capabilities = probe(server.endpoint, server.contract, server.settings(), ROUTES)
        lacking = unsupported(capabilities)
        settings = replace(server.settings(), unsupported=lacking)
        outcomes = Runner(list(server.checks.values()), server.endpoint, server.contract, settings, jobs=4).run()
    # Beam search cannot be asked for without its companions, so it is lacking with them.
    found = {one.name for one in capabilities if not one.supported}
    assert {name for name in found if "use_beam_search" not in name} == set(options)
    assert {name: why for name, why in not_passed(outcomes).items() if not why.startswith("unsupported:")} == {}
    assert {o.check for o in outcomes if o.status == "skip"} == set(LOOK_BACK)
