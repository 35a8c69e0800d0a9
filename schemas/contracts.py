"""The contracts by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from schemas import azure_llama, inference, openai
from schemas.model import Contract, ContractError

CONTRACTS: Mapping[str, Contract] = MappingProxyType(
    {module.CONTRACT.name: module.CONTRACT for module in (azure_llama, inference, openai)}
)


def get(name: str) -> Contract:
    """The contract of that name; `ContractError` with the allowed names when there is none."""
    try:
        return CONTRACTS[name]
    except KeyError:
        raise ContractError(f"no contract is named {name!r}; choose from {', '.join(names())}") from None


def names() -> tuple[str, ...]:
    """The names of all contracts, the default one first."""
    return tuple(CONTRACTS)
