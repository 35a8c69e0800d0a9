"""What the layer inside vLLM's process is to do, as the one JSON document that crosses the border between processes.

Law: the document has the key in it, so it goes through a pipe or a file that only its user can read, and never through
a command line or a variable.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from reference_server.content_hook import place_of
from reference_server.limits import UNLIMITED, Limits, limits_of
from schemas.contracts import get, names

# Names the file, which may be a pipe under /dev/fd, that has the document.
VARIABLE = "SEATRIAL_LAYER"


@dataclass(frozen=True, kw_only=True)
class LayerSettings:
    """The arguments of the contract layer; `content_filter` is `module:attribute`, "words" or "none".

    `ValueError` for a contract, a limit or a filter that there cannot be, and for an empty key.
    """

    contract: str
    model: str
    key: str | None = field(default=None, repr=False)
    limits: Limits = UNLIMITED
    lenient: bool = False
    content_filter: str = "words"
    context_length: int | None = None

    def __post_init__(self) -> None:
        if self.contract not in names():
            raise ValueError(f"no contract is named {self.contract!r}; there are {', '.join(names())}")
        if self.key == "":
            raise ValueError("the key is empty; give one, or None to ask for none")
        place_of(self.content_filter)

    @classmethod
    def of_contract(cls, contract: str, model: str, **changed: Any) -> LayerSettings:
        """The settings that have the contract's own limits, except for what is `changed`."""
        return cls(contract=contract, model=model, **{"limits": limits_of(get(contract)), **changed})

    def to_json(self) -> bytes:
        """The document."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> LayerSettings:
        """The settings of that document; `ValueError` when it is not one."""
        given = json.loads(raw)
        known = {one.name for one in fields(cls)}
        if not isinstance(given, dict) or not {"contract", "model"} <= set(given) <= known:
            # Without a value of it: one of them is the key.
            raise ValueError(
                "the layer's settings are not a document with `contract`, `model` and what belongs to them"
            )
        return cls(**{**given, "limits": Limits(**given.get("limits", {}))})
