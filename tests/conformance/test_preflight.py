"""What is found out before the checks: here the model that an endpoint wants where nobody named one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.models import Named, quoted
from conformance.preflight import CannotJudge, Ready, preflight
from conformance.settings import Settings
from conformance.wire.exchange import Sent
from schemas.contracts import get
from schemas.model import ROUTES
from tests.conformance.fakes import FakeCourier, document

REFUSALS: tuple[tuple[int, Any], ...] = (
    (400, {"error": {"message": "you must provide a model parameter"}}),
    (404, {"object": "error", "message": "The model `None` does not exist."}),
    (422, {"detail": [{"type": "missing", "loc": ["body", "model"], "msg": "Field required"}]}),
)
ABSENT = (404, {"detail": "Not Found"})


def listing(*ids: str, **more: Any) -> tuple[int, Any]:
    return 200, {"object": "list", "data": [{"id": name, **more} for name in ids]}


class Wanting:
    """An endpoint that refuses whatever names none of its models, and answers GETs from a table."""

    def __init__(self, refusal: tuple[int, Any] = REFUSALS[0], **about: tuple[int, Any]) -> None:
        self.refusal, self.about = refusal, {f"/{name.replace('_', '/')}": reply for name, reply in about.items()}
        self.models = ("mine", "a", "b")

    def __call__(self, sent: Sent) -> tuple[int, Any]:
        path = sent.path.split("?")[0]
        if sent.method == "GET":
            return self.about.get(path, ABSENT)
        known = json.loads(sent.body).get("model") in self.models
        return (200, document(route="chat" if "chat" in path else "completions")) if known else self.refusal


def ready(endpoint: Any, model: str | None = None, contract: str = "azure-llama") -> tuple[Ready, list[Sent]]:
    courier = FakeCourier(endpoint)
    return preflight(courier, get(contract), Settings(model=model)), courier.sent


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: str(one[0]))
def test_the_model_that_is_listed_goes_along(refusal: tuple[int, Any]) -> None:
    found, sent = ready(Wanting(refusal, v1_models=listing("mine")))
    assert found == Ready(ROUTES, Named("mine", "/v1/models"))
    assert [one.json["model"] for one in sent[-2:]] == ["mine", "mine"]
    assert len(sent) == 5


@pytest.mark.parametrize("contract", ["openai", "azure-inference"])
def test_so_it_does_under_the_other_contracts(contract: str) -> None:
    about = {"models": listing("a")} if contract == "azure-inference" else {"v1_models": listing("a")}
    found, sent = ready(Wanting(**about), contract=contract)
    assert found.model is not None
    assert found.model.name == "a"
    queries = {one.path.partition("?")[2] for one in sent}
    assert len(queries) == 1


def test_of_several_the_user_chooses() -> None:
    with pytest.raises(CannotJudge) as caught:
        ready(Wanting(v1_models=listing("a", "b")))
    assert str(caught.value) == "the endpoint wants a model and lists 2 ('a', 'b'); name one with --model"


def test_an_adapter_is_not_the_model() -> None:
    data = [{"id": "adapter", "parent": "mine"}, {"id": "mine", "parent": None}]
    found, _ = ready(Wanting(v1_models=(200, {"data": data})))
    assert found.model is not None
    assert found.model.name == "mine"


@pytest.mark.parametrize("name", ["model_id", "model_name"])
def test_info_names_it_where_no_list_is_there(name: str) -> None:
    found, _ = ready(Wanting(info=(200, {name: "mine"})))
    assert found.model == Named("mine", "/info")


@pytest.mark.parametrize("about", [{}, {"v1_models": (200, b"<html>")}, {"v1_models": listing(""), "info": (500, [])}])
def test_without_a_name_one_line_says_what_to_do(about: dict[str, Any]) -> None:
    with pytest.raises(CannotJudge) as caught:
        ready(Wanting(**about))
    assert str(caught.value) == (
        "the endpoint wants a model (status 400) and names none at /v1/models or /info; name it with --model"
    )


def test_a_model_of_the_users_is_not_replaced() -> None:
    found, sent = ready(Wanting(v1_models=listing("mine")), model="other")
    assert (found.model, len(sent)) == (None, 2)


def test_a_route_that_answers_shows_that_none_is_wanted() -> None:
    def chat_only(sent: Sent) -> tuple[int, Any]:
        refused = (404, {"error": {"message": "This is a chat model and not supported in v1/completions"}})
        return (200, document(route="chat")) if "chat" in sent.path else refused

    found, sent = ready(chat_only)
    assert (found, len(sent)) == (Ready(("chat",)), 2)


def test_what_is_refused_for_another_reason_is_for_the_checks() -> None:
    found, sent = ready(lambda _: (400, {"error": {"message": "temperature is not supported"}}))
    assert (found, len(sent)) == (Ready(ROUTES), 2)


def test_a_name_is_shown_without_its_escapes() -> None:
    assert quoted("\x1b[31m" + "x" * 99) == repr("\x1b[31m" + "x" * 35 + "…").replace("…", "\\u2026")
