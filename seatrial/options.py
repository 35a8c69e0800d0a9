"""What a run was asked for, and the same made exact: nothing is left to look up in files, environment or defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.catalogue import NoSuchCheck, checks_of, extra_rows, select, within
from conformance.check import Check
from conformance.endpoint import Target, TargetError
from conformance.recognise import Recognised
from conformance.runner import with_needs
from conformance.transport import trusted
from schemas.contracts import get
from schemas.model import Contract, ContractError, Requirement
from seatrial.config import TargetConfig, check_filter_prompts, find_target
from seatrial.errors import UserError
from seatrial.keys import find_key
from seatrial.own_schemas import read_schemas
from seatrial.prices import NO_PRICES, Prices
from seatrial.profiles import DEFAULT, PROFILES, Profile
from seatrial.recognising import AUTO, recognised

DEFAULT_CONTRACT = "azure-llama"
DEFAULT_TIMEOUT = 30.0
# Far above what a client needs, and below what an operating system gives.
MOST_JOBS = 256


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A run in the user's words; None where a target of `seatrial.toml` or a default may speak (`timeout`: seconds)."""

    target: str
    config: Path | None = None
    contract: str | None = None
    key_env: str | None = None
    key_file: Path | None = None
    no_key: bool = False
    ca_file: Path | None = None
    model: str | None = None
    rpm: int | None = None
    tpm: int | None = None
    timeout: float | None = None
    jobs: int = 4
    check_profile: str | None = None
    budget_requests: int | None = None
    budget_tokens: int | None = None
    seed: int = 0
    filter_prompt: tuple[str, ...] = ()
    examples: int | None = None
    repeat: int = 1
    same_seed: bool = False
    prices: Prices = NO_PRICES
    schema: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    shrink: bool = True

    def __post_init__(self) -> None:
        bounds: tuple[tuple[str, float | None, float, float], ...] = (
            ("--jobs", self.jobs, 1, MOST_JOBS),
            ("--budget-requests", self.budget_requests, 1, 10**9),
            ("--budget-tokens", self.budget_tokens, 1, 10**12),
            ("--seed", self.seed, 0, 2**63 - 1),
            ("--examples", self.examples, 0, 1_000),
            ("--repeat", self.repeat, 1, 100),
            ("--rpm", self.rpm, 0, 10**9),
            ("--tpm", self.tpm, 0, 10**12),
            ("--timeout", self.timeout, 0.1, 600),
        )
        for name, value, least, most in bounds:
            if value is not None and not least <= value <= most:
                raise UserError(f"{name} is a number from {least:g} to {most:,g}, not {value:g}")
        check_filter_prompts("--filter-prompt", self.filter_prompt)
        if self.model is not None and not self.model.strip():
            raise UserError("--model is empty; leave it out for an endpoint that serves one model")


@dataclass(frozen=True, kw_only=True)
class Options:
    """A run, exact. `rpm` and `tpm` are None for no limit; `timeout` is in seconds and for one request."""

    target: Target
    contract: Contract
    key: str | None = field(default=None, repr=False)
    model: str | None = None
    rpm: int | None = None
    tpm: int | None = None
    timeout: float = DEFAULT_TIMEOUT
    jobs: int = Asked.jobs
    profile: Profile = PROFILES[DEFAULT]
    budget_requests: int = PROFILES[DEFAULT].budget_requests
    budget_tokens: int = PROFILES[DEFAULT].budget_tokens
    seed: int = Asked.seed
    examples: int = PROFILES[DEFAULT].examples
    repeat: int = Asked.repeat
    same_seed: bool = Asked.same_seed
    prices: Prices = NO_PRICES
    schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    shrink: bool = True
    filter_prompts: tuple[str, ...] = ()
    # How the contract was found, where nobody named one.
    recognised: Recognised | None = None

    def to_record(self) -> dict[str, Any]:
        """What a log keeps of the settings: enough to run the checks again, and of the key whether there was one."""
        return {
            "key": self.key is not None,
            **({"recognised": self.recognised.line} if self.recognised else {}),
            "model": self.model,
            **({"filter_prompts": list(self.filter_prompts)} if self.filter_prompts else {}),
            "rpm": self.rpm,
            "tpm": self.tpm,
            "timeout": self.timeout,
            "jobs": self.jobs,
            "budget_requests": self.budget_requests,
            "budget_tokens": self.budget_tokens,
            "examples": self.examples,
            "check_profile": self.profile.name,
            "repeat": self.repeat,
            "same_seed": self.same_seed,
            "schemas": {route: dict(schema) for route, schema in self.schemas.items()},
            "only": list(self.only),
            "skip": list(self.skip),
            "shrink": self.shrink,
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The checks of a run in their order, those included that others need, and the rows of the user's own schemas.

    `left_out` counts the checks of the contract that the check profile does not plan.
    """

    checks: tuple[Check, ...]
    rows: tuple[Requirement, ...] = ()
    left_out: int = 0

    @property
    def ids(self) -> list[str]:
        """The ids of the planned checks."""
        return [check.id for check in self.checks]


def resolve(
    asked: Asked, *, environ: Mapping[str, str], folder: Path, warn: Callable[[str], None], sends: bool = True
) -> Options:
    """Make a run exact; `warn` gets a line for what is odd but allowed. Raises `UserError` for what cannot be run.

    With the contract `auto` it asks the endpoint, unless `sends` is false; then it may raise `CannotJudge`.
    """
    named = find_target(asked.target, config=asked.config, folder=folder)
    contract = contract_of(asked, named, sends=sends)
    profile = profile_of(asked, named)
    variable, file = (asked.key_env, asked.key_file)
    if variable is None and file is None and not asked.no_key:
        variable, file = named.key_env, named.key_file
    key = find_key(variable=variable, file=file, none=asked.no_key, environ=environ, warn=warn)
    ca_file = asked.ca_file or named.ca_file
    try:
        target = Target(named.url, key or "", str(ca_file) if ca_file else None)
        if ca_file is not None:
            trusted(str(ca_file))
    except OSError as error:
        raise UserError(f"the CA file {ca_file} cannot be used: {error.strerror or error}") from None
    except TargetError as error:
        raise UserError(f"{asked.target if named.name else 'the target'}: {error}") from None
    for note in (target.note, _exposed(target)):
        if note:
            warn(note)
    model, timeout = asked.model or named.model, float(asked.timeout or named.timeout or DEFAULT_TIMEOUT)
    found = None
    if contract is None:
        found = recognised(target, key=key, model=model, timeout=timeout)
        contract, model = get(found.contract), found.model or model
        warn(found.line)
    return Options(
        target=target,
        contract=contract,
        key=key,
        model=model,
        rpm=_limit(asked.rpm, named.rpm, contract.requests_per_minute),
        tpm=_limit(asked.tpm, named.tpm, contract.tokens_per_minute),
        timeout=timeout,
        jobs=asked.jobs,
        profile=profile,
        budget_requests=_first(asked.budget_requests, profile.budget_requests * asked.repeat),
        budget_tokens=_first(asked.budget_tokens, profile.budget_tokens * asked.repeat),
        seed=asked.seed,
        examples=_first(asked.examples, profile.examples),
        repeat=asked.repeat,
        same_seed=asked.same_seed,
        prices=asked.prices.over(named.prices),
        schemas=read_schemas(asked.schema, contract),
        only=asked.only,
        skip=asked.skip,
        shrink=asked.shrink,
        filter_prompts=asked.filter_prompt or named.filter_prompts,
        recognised=found,
    )


def contract_of(asked: Asked, named: TargetConfig, *, sends: bool = True) -> Contract | None:
    """The contract to judge by: the user's word, else the target's, else the default; None for one to find out."""
    name = asked.contract or named.contract or DEFAULT_CONTRACT
    if name == AUTO:
        if not sends:
            raise UserError("--contract auto asks the endpoint, and a dry run sends nothing; name a contract")
        return None
    try:
        return get(name)
    except ContractError as error:
        raise UserError(str(error)) from None


def profile_of(asked: Asked, named: TargetConfig) -> Profile:
    """The check profile: the user's word, else the target's, else the default."""
    name = asked.check_profile or named.check_profile or DEFAULT
    if name not in PROFILES:
        raise UserError(f"no check profile is named {name!r}; choose from {', '.join(PROFILES)}")
    return PROFILES[name]


def planned(options: Options) -> Plan:
    """The checks that these options mean; `UserError` for a pattern that matches none of the profile."""
    checks = checks_of(options.contract, options.schemas)
    offered = within(checks, options.profile.name)
    try:
        # Who names a check in full wants it, whatever the profile.
        wanted = [one for one in select(checks, options.only) if one in offered or one in options.only]
        unwanted = set(select(checks, options.skip)) if options.skip else set()
    except NoSuchCheck as error:
        raise UserError(str(error)) from None
    if not wanted:
        raise UserError(f"profile {options.profile.name} has no check that --only names; choose a larger --profile")
    chosen = tuple(one for one in with_needs(checks, wanted) if one.id not in unwanted)
    if not chosen:
        raise UserError("--skip leaves no check to run")
    return Plan(
        checks=chosen,
        rows=tuple(extra_rows(options.schemas)),
        left_out=len(checks) - len(offered),
    )


def _first(asked: int | None, usual: int) -> int:
    """What was asked for, or else what is usual."""
    return usual if asked is None else asked


def _limit(asked: int | None, named: int | None, contract: int) -> int | None:
    """The first that was said; 0 means no limit."""
    return next(value for value in (asked, named, contract) if value is not None) or None


def _exposed(target: Target) -> str:
    """A warning when the key would travel in clear beyond this machine."""
    host = target.url.split("//", 1)[1].split("/", 1)[0]
    loopback = host.split(":")[0] in {"localhost", "127.0.0.1"} or host.startswith("[::1]")
    if not target.key or target.encrypted or loopback:
        return ""
    return f"the key travels to {host} in clear: the URL begins with http://, not https://"
