"""The run's model in the bodies of requests: where it belongs, and not where leaving it out is what is tested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from conformance.api import Api
from conformance.settings import Settings
from conformance.shared import Shared
from tests.conformance.fakes import CONTRACT, FakeCourier, document

OPTIONAL: dict[str, Any] = {"type": "object", "properties": {"model": {"type": "string"}}}
REQUIRED = {**OPTIONAL, "required": ["model"], "x-example": {"model": "of-the-example"}}


def sent(body: Mapping[str, Any], schema: dict[str, Any] | None = None, model: str | None = "mine") -> Any:
    courier = FakeCourier(lambda _: (200, document()))
    settings = Settings(model=model, request_schemas={"completions": schema} if schema else {})
    Api(courier, CONTRACT, settings, Shared(), scope="a", route="completions").send(dict(body))
    return courier.sent[0].json


@pytest.mark.parametrize(
    ("body", "schema", "model"),
    [
        ({"prompt": "x"}, None, "mine"),
        ({"prompt": "x", "model": "other"}, None, "other"),
        ({"prompt": "x"}, OPTIONAL, "mine"),
        ({"prompt": "x"}, REQUIRED, None),
        ({"prompt": "x", "model": "of-the-example"}, REQUIRED, "mine"),
        ({"prompt": "x", "model": "another"}, REQUIRED, "another"),
    ],
)
def test_a_body_names_the_model_of_the_run(body: dict[str, Any], schema: dict[str, Any] | None, model: str) -> None:
    assert sent(body, schema).get("model") == model


def test_without_a_model_bodies_stay_as_they_are() -> None:
    assert sent({"prompt": "x"}, None, None) == {"prompt": "x"}
