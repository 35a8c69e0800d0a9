"""What a load process is told: the settings of one run as JSON, without the key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from loadtests.limits.plans import LIMIT_PROFILES, limit_plan
from loadtests.plans import Plan, plan
from loadtests.profiles import PlanError, profile
from loadtests.target import Target, target
from schemas.contracts import get
from schemas.model import Contract, ContractError, Operation


@dataclass(frozen=True, kw_only=True)
class Orders:
    """One run, in so many `processes`, or the share that worker `index` of `workers` has in it.

    `overrides` change the profile, `parameters` are set in each request's body.

    The same `seed` sends the same prompts at the same times: to measure an endpoint that caches again, take another.
    """

    target: str
    contract: str = "azure-llama"
    profile: str = "streaming"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    ca_file: str | None = None
    self_check: bool = True
    proxy: str | None = field(default=None, repr=False)
    processes: int = 1
    index: int = 0
    workers: int = 1

    @classmethod
    def from_json(cls, value: Any) -> Orders:
        """The orders in a JSON object; `PlanError` for anything that is none."""
        kinds = {
            "overrides": Mapping,
            "parameters": Mapping,
            **dict.fromkeys(("seed", "processes", "index", "workers"), int),
            "ca_file": (str, type(None)),
            "self_check": bool,
            "proxy": (str, type(None)),
        }
        known = {row.name for row in fields(cls)}
        if not isinstance(value, Mapping) or "target" not in value:
            raise PlanError("the orders of a load run are a JSON object with a target")
        if unknown := sorted(set(value) - known):
            raise PlanError(f"orders have no {', '.join(unknown)}; they have {', '.join(sorted(known))}")
        for name, given in value.items():
            kind: Any = kinds.get(name, str)
            if not isinstance(given, kind):
                raise PlanError(f"{name} in the orders is {given!r}, which is of the wrong type")
        orders = cls(**value)
        if orders.processes < 1 or not 0 <= orders.index < orders.workers:
            raise PlanError(f"there is no worker {orders.index} of {orders.workers} in {orders.processes} processes")
        return orders

    def to_json(self) -> dict[str, Any]:
        """The orders as a JSON object; `from_json` is its inverse."""
        return asdict(self)

    def plan(self) -> Plan:
        """What the run does and may cost; `PlanError` for orders that make no sense."""
        limit = self.profile in LIMIT_PROFILES
        made = limit_plan(self.profile, self.overrides) if limit else plan(profile(self.profile), self.overrides)
        if limit and max(self.processes, self.workers) > 1:
            raise PlanError(f"{self.profile} decides by its answers what to send, so it runs in one process only")
        return made

    def operation(self) -> tuple[Contract, Operation]:
        """The contract and the route of it that is to be asked; `PlanError` when there is no such."""
        contract, operations = self.operations()
        return contract, operations[0]

    def operations(self) -> tuple[Contract, tuple[Operation, ...]]:
        """The contract and every route of it that is to be asked; `PlanError` when one of them does not exist."""
        routes = list(dict.fromkeys(kind.route for kind in self.plan().workload.kinds))
        try:
            contract = get(self.contract)
        except (ContractError, KeyError) as error:
            raise PlanError(str(error)) from None
        offered = {one.route: one for one in contract.operations}
        if lacking := [route for route in routes if route not in offered]:
            raise PlanError(f"contract {contract.name} has no route {lacking[0]!r}; it has {', '.join(offered)}")
        return contract, tuple(offered[route] for route in routes)


def targets(orders: Orders, key: str) -> Target:
    """What the orders ask: the first route, with the others of a mix in `others`. Raises as `target` does."""
    contract, operations = orders.operations()
    made = [
        target(
            orders.target,
            operation,
            key,
            query=contract.query,
            headers=contract.headers,
            parameters=orders.parameters,
            proxy=orders.proxy,
        )
        for operation in operations
    ]
    return replace(made[0], others=tuple(made[1:]))
