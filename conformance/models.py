"""The name that a request has to give its model, where an endpoint wants one: asked of the endpoint itself.

Law: only a refusal that speaks of a model starts the search, and what an endpoint says of itself is shown as its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.wire.exchange import Exchange, NotJson

# Refused for want of a model: what a validator, a route and a lookup make of it.
_REFUSED = (400, 404, 422)
_ABOUT_MODEL = re.compile(rb"\bmodel\b", re.IGNORECASE)
# Another task than the model's is no want of a name.
OTHER_TASK = re.compile(rb"not available with|modality not supported", re.IGNORECASE)
# How many of the names that an endpoint lists are read, and how much of each is shown.
_MOST, _LONGEST = 1_000, 256
_SHOWN = 40
_NAMED = 3
# What servers of one model call its name in /info.
_NAMES = ("model_id", "model_name", "model")


@dataclass(frozen=True)
class Named:
    """The model that goes along with every request: its name, and where it was found."""

    name: str
    where: str

    @property
    def goes_along(self) -> str:
        """The end of a sentence on it: which it is and why."""
        return f"{quoted(self.name)} goes along, the only one that {self.where} names"

    @property
    def line(self) -> str:
        """What the terminal says of it."""
        return f"the endpoint wants a model, so {self.goes_along}"


def wants_model(answer: Exchange) -> bool:
    """Whether an answer to a request without a model of the endpoint's own refuses it for that."""
    refused = answer.status in _REFUSED and _ABOUT_MODEL.search(answer.body)
    return bool(refused) and not OTHER_TASK.search(answer.body)


def names_in(answer: Exchange) -> list[str]:
    """The names that a list of models has, in its order; without the adapters beside the models that they stand on."""
    data = document(answer).get("data") if answer.status == 200 else None
    if not isinstance(data, list):
        return []
    models = [one for one in data[:_MOST] if isinstance(one, dict)]
    # An adapter on top of a model is listed beside it, with a parent.
    bases = [one for one in models if one.get("parent") is None]
    return list(_usable(one.get("id") for one in bases or models))


def several(names: Sequence[str]) -> str:
    """What to say of an endpoint with more models than one: whoever pays is the one to choose."""
    shown = ", ".join(map(quoted, names[:_NAMED])) + (", …" if len(names) > _NAMED else "")
    return f"the endpoint wants a model and lists {len(names)} ({shown})"


def name_in(answer: Exchange) -> list[str]:
    """The name that a document about the only model gives."""
    about = document(answer) if answer.status == 200 else {}
    return list(_usable(about.get(name) for name in _NAMES))[:1]


def beside(path: str) -> Sequence[str]:
    """Where models may be listed, next to a route of that path first."""
    prefix = path.removesuffix("/completions").removesuffix("/chat")
    return tuple(dict.fromkeys((f"{prefix}/models", "/v1/models")))


def _usable(names: Iterable[object]) -> Iterable[str]:
    return (name for name in names if isinstance(name, str) and 0 < len(name) <= _LONGEST)


def document(answer: Exchange) -> dict[str, Any]:
    """The JSON object of an answer; empty where it is none."""
    try:
        value = answer.json
    except NotJson:
        return {}
    return value if isinstance(value, dict) else {}


def quoted(text: str) -> str:
    """An endpoint's own word, short and with nothing in it that a terminal would act on."""
    return ascii(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
