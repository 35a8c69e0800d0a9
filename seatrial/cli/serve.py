"""`seatrial serve`: the embedded reference server on a port, conformant or with one fault."""

from __future__ import annotations

import difflib
import json
import os
import signal
import sys
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import click

from conformance.catalogue import checks_of
from conformance.check import Mutant
from conformance.wire.curl import curl_line
from conformance.wire.exchange import Sent
from conformance.wire.redact import PLACEHOLDER
from reference_server.limits import WINDOWS, Limits, Window
from reference_server.serve import StandinApp, run, standin_app
from reference_server.standin import StandinOptions
from reference_server.variations import VARIATIONS
from schemas.contracts import get, names
from schemas.model import Contract
from seatrial.cli.options import note
from seatrial.errors import CONFORMS, UserError
from seatrial.keys import VARIABLE, find_key


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """The command's options, as they are described below."""

    host: str
    port: int
    contract: str
    ttft_ms: float
    itl_ms: float
    seed: int
    rpm: int | None
    tpm: int | None
    limiter: Window
    key_env: str | None
    mutant: str | None
    variation: str | None
    lenient: bool
    announce: bool


@click.command(short_help="Run the embedded reference server, or one that breaks a rule.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8_000, show_default=True, help="0 takes a free one.")
@click.option(
    "--contract", type=click.Choice(names()), default="azure-llama", show_default=True, help="Contract to keep."
)
@click.option("--ttft-ms", type=click.FloatRange(0, 600_000), default=0.0, help="Milliseconds until the first token.")
@click.option("--itl-ms", type=click.FloatRange(0, 600_000), default=0.0, help="Milliseconds between tokens.")
@click.option("--seed", type=int, default=0, show_default=True, help="What answers are sampled from.")
@click.option(
    "--rpm", type=click.IntRange(0), help="Requests per minute, 0 for no limit. [default: the contract's limit]"
)
@click.option(
    "--tpm", type=click.IntRange(0), help="Tokens per minute, 0 for no limit. [default: the contract's limit]"
)
@click.option(
    "--limiter",
    type=click.Choice(WINDOWS),
    default="bucket",
    show_default=True,
    help="How it limits.",
)
@click.option("--key-env", metavar="NAME", help=f"Variable that has the key to ask for. [default: {VARIABLE}]")
@click.option("--mutant", metavar="ID", help="Break one rule; `seatrial list --mutants` shows them.")
@click.option("--variation", type=click.Choice(list(VARIATIONS)), help="Be different in a way that is right.")
@click.option("--lenient", is_flag=True, help="Accept what the contract leaves open.")
@click.option("--announce", is_flag=True, hidden=True, help="Print the URL only, and end with standard input.")
def command(**given: Any) -> int:
    """Serve a tiny language model that keeps the contract, until Ctrl-C.

    Its content filter acts on two words: a prompt with seatrial-filter-prompt is refused, and the first choice of an
    answer to one with seatrial-filter-output is filtered.
    """
    asked = _Asked(**given)
    key = find_key(variable=asked.key_env, file=None, none=False, environ=os.environ, warn=note)
    rows = get(asked.contract)
    app = _app(asked, rows, key)

    def started(url: str) -> None:
        if asked.announce:
            click.echo(url)
            sys.stdout.flush()
            threading.Thread(target=_end_with_stdin, daemon=True).start()
        else:
            _greet(url, rows, asked.key_env or VARIABLE, has_key=key is not None)

    try:
        run(app, asked.host, asked.port, started)
    except OSError as error:
        raise UserError(f"{error.strerror or error}; choose another --port or --host") from None
    return CONFORMS


def _app(asked: _Asked, rows: Contract, key: str | None) -> StandinApp:
    return standin_app(
        rows,
        key=key,
        options=StandinOptions(seed=asked.seed, ttft_s=asked.ttft_ms / 1000, itl_s=asked.itl_ms / 1000),
        limits=Limits(
            requests_per_minute=_limit(asked.rpm, rows.requests_per_minute),
            tokens_per_minute=_limit(asked.tpm, rows.tokens_per_minute),
            window=asked.limiter,
        ),
        mutant=_mutant(rows, asked.mutant) if asked.mutant else None,
        variation=asked.variation,
        lenient=asked.lenient,
    )


def _greet(url: str, contract: Contract, variable: str, *, has_key: bool) -> None:
    operation = contract.operations[0]
    path = f"{operation.path}?{urlencode(contract.query)}" if contract.query else operation.path
    key = (("Authorization", f"Bearer {PLACEHOLDER}"),) if has_key else ()
    body = json.dumps({**operation.example, "max_tokens": 16}).encode()
    sent = Sent(operation.method, path, (*key, ("Content-Type", "application/json"), *contract.headers.items()), body)
    click.echo(f"{contract.name} at {url}, until Ctrl-C. Try it:")
    click.echo(curl_line(sent, url).replace(PLACEHOLDER, f"${variable}"))
    sys.stdout.flush()
    if not has_key:
        note(f"{variable} is not set: the server answers anybody who can reach it")


def _mutant(contract: Contract, mutant_id: str) -> Mutant:
    mutants = {mutant.id: mutant for check in checks_of(contract).values() for mutant in check.mutants}
    if mutant_id not in mutants:
        near = difflib.get_close_matches(mutant_id, mutants, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`seatrial list --mutants` shows them"
        raise UserError(f"no mutant is named {mutant_id!r}; {hint}")
    return mutants[mutant_id]


def _limit(asked: int | None, contract: int) -> int | None:
    return (contract if asked is None else asked) or None


def _end_with_stdin() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
