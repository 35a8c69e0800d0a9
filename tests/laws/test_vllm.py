"""The layer makes of an app that answers as vLLM does one that keeps every contract."""

from __future__ import annotations

import pytest

from conformance.endpoint import Endpoint, Target
from reference_server.content_filter import Filtered
from reference_server.layer import ContractLayer
from reference_server.serve import StandinApp, serving
from reference_server.vllm.adapter import VllmAdapter
from schemas.contracts import get, names
from tests.laws.bench import KEY, Bench
from tests.laws.test_mutants import LOOK_BACK
from tests.reference_server.vllm.fake_app import MODEL, FakeVllm


@pytest.mark.parametrize("name", names())
def test_vllm_behind_the_layer_keeps_the_contract(name: str) -> None:
    contract = get(name)
    adapter = VllmAdapter(FakeVllm(), contract=contract, model=MODEL)
    layer = ContractLayer(Filtered(adapter), contract=contract, key=KEY, limits=None, model=MODEL)
    app = StandinApp(layer, None, None)
    with serving(app) as server, Endpoint(Target(server.url, KEY)) as endpoint:
        outcomes = Bench(contract, app, endpoint).run()
    alarms = {o.check: f"{o.status}: {o.message} {o.hint}" for o in outcomes if o.status not in ("pass", "skip")}
    assert alarms == {}
    if name == "azure-llama":
        assert {o.check for o in outcomes if o.status == "skip"} == set(LOOK_BACK)
