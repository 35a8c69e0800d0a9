"""`seatrial serve`: a server that keeps the contract on a port, the embedded stand-in or a real vLLM."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
from click.core import ParameterSource

from conformance.wire.curl import curl_line
from conformance.wire.exchange import Sent
from conformance.wire.redact import PLACEHOLDER
from reference_server.limits import Limits
from reference_server.variations import VARIATIONS
from reference_server.vllm.command import VllmOptions
from reference_server.vllm.device import WANTED
from reference_server.vllm.settings import LayerSettings
from schemas.contracts import get, names
from schemas.model import Contract
from seatrial import engine_standin, engine_vllm
from seatrial.cli import limiting
from seatrial.cli.options import note
from seatrial.engine_standin import StandinAsked
from seatrial.errors import CONFORMS, UserError
from seatrial.keys import VARIABLE, find_key

_REST = "seatrial.rest"
_FILE = click.Path(path_type=Path)
_OF_STANDIN = tuple(one.name for one in fields(StandinAsked))
_OF_VLLM = (
    "model", "served_name", "context_length", "tensor_parallel_size", "device", "executable", "log", "start_timeout",
    "plain",
)  # fmt: skip
_OF_LAYER = ("contract", *limiting.NAMES, "lenient", "content_filter")


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """The options that both engines have, as they are described below."""

    host: str
    port: int
    contract: str
    key_env: str | None
    lenient: bool
    announce: bool
    content_filter: str


class _WithRest(click.Command):
    """A command that keeps what stands after `--` for somebody else."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        ctx.meta[_REST] = tuple(args[end + 1 :])
        return super().parse_args(ctx, args[:end])


@click.command(
    cls=_WithRest,
    short_help="Run the reference server: the embedded stand-in, or a real vLLM.",
    options_metavar="[OPTIONS] [-- VLLM OPTIONS]",
)
@click.option(
    "--engine",
    type=click.Choice(["standin", "vllm"]),
    default="standin",
    show_default=True,
    help="What generates: a tiny embedded model, or a real vLLM.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8_000, show_default=True, help="0 takes a free one.")
@click.option(
    "--contract", type=click.Choice(names()), default="azure-llama", show_default=True, help="Contract to keep."
)
@limiting.limit_options
@click.option("--key-env", metavar="NAME", help=f"Variable that has the key to ask for. [default: {VARIABLE}]")
@click.option("--lenient", is_flag=True, help="Accept what the contract leaves open.")
@click.option(
    "--ttft-ms", type=click.FloatRange(0, 600_000), default=0.0, help="Stand-in: milliseconds until the first token."
)
@click.option("--itl-ms", type=click.FloatRange(0, 600_000), default=0.0, help="Stand-in: milliseconds between tokens.")
@click.option("--seed", type=int, default=0, show_default=True, help="Stand-in: what answers are sampled from.")
@click.option("--mutant", metavar="ID", help="Stand-in: break one rule; `seatrial list --mutants` shows them.")
@click.option("--variation", type=click.Choice(list(VARIATIONS)), help="Stand-in: be different in a way that is right.")
@click.option("--model", metavar="MODEL", help="vLLM: folder of a checkpoint, or a model of a hub as ORG/NAME.")
@click.option(
    "--served-model-name", "served_name", metavar="NAME", help="vLLM: what clients call the model. [default: its name]"
)
@click.option("--context-length", type=click.IntRange(16), help="vLLM: most tokens of prompt and answer together.")
@click.option("--tensor-parallel-size", type=click.IntRange(1), help="vLLM: GPUs to spread the model over.")
@click.option("--device", type=click.Choice(WANTED), default="auto", show_default=True, help="vLLM: what to run on.")
@click.option(
    "--vllm-bin",
    "executable",
    type=_FILE,
    help="vLLM: its executable. [default: beside this Python, else on the PATH]",
)
@click.option("--vllm-log", "log", type=_FILE, help="vLLM: file for its output. [default: a new temporary file]")
@click.option(
    "--start-timeout",
    type=click.FloatRange(1, 86_400),
    default=600.0,
    show_default=True,
    help="vLLM: seconds that it may take to start.",
)
@click.option(
    "--content-filter",
    metavar="NAME",
    default="words",
    show_default=True,
    help="vLLM: module:attribute of a filter, words (two trigger words) or none.",
)
@click.option("--plain", is_flag=True, help="vLLM: without the contract in front of it, to compare.")
@click.option("--announce", is_flag=True, hidden=True, help="Print the URL only, and end with standard input.")
@click.pass_context
def command(ctx: click.Context, /, engine: str, **given: Any) -> int:
    """Serve a model that keeps the contract, until Ctrl-C: a tiny embedded one, or any that vLLM serves.

    The content filter acts on two words: a prompt with seatrial-filter-prompt is refused, and the first choice of an
    answer to one with seatrial-filter-output is filtered. What stands after -- goes to vLLM.
    """
    _refuse_what_does_not_belong(ctx, engine, given)
    standin = StandinAsked(**{name: given.pop(name) for name in _OF_STANDIN})
    vllm = {name: given.pop(name) for name in _OF_VLLM}
    # A plain vLLM keeps what it keeps of the contract that it was made for.
    rows = get("openai" if vllm["plain"] else given["contract"])
    limits = limiting.limits_from(given, rows)
    asked = _Asked(**given)
    key = find_key(variable=asked.key_env, file=None, none=False, environ=os.environ, warn=note)
    if engine == "vllm":
        if not vllm["model"]:
            raise UserError("--engine vllm needs --model: the folder of a checkpoint, or a model of a hub as ORG/NAME")
        _vllm(asked, VllmOptions(host=asked.host, port=asked.port, extra=ctx.meta[_REST], **vllm), rows, key, limits)
        return CONFORMS
    engine_standin.serve(
        standin,
        rows,
        key=key,
        limits=limits,
        lenient=asked.lenient,
        place=(asked.host, asked.port),
        on_started=lambda url: _started(asked, url, rows, has_key=key is not None),
    )
    return CONFORMS


def _vllm(asked: _Asked, options: VllmOptions, rows: Contract, key: str | None, limits: Limits) -> None:
    try:
        layer = LayerSettings(
            contract=rows.name,
            model=options.name,
            key=key,
            limits=limits,
            lenient=asked.lenient,
            content_filter=asked.content_filter,
            context_length=options.context_length,
        )
    except ValueError as error:
        raise UserError(str(error)) from None
    engine_vllm.serve(
        options,
        layer,
        on_started=lambda server: _started(
            asked,
            server.url,
            rows,
            has_key=key is not None,
            what=f"{'vLLM alone' if options.plain else f'{rows.name} on vLLM'} "
            f"({options.name}, {server.device.upper()})",
            remark=f"vLLM's log is {server.log}",
        ),
    )


def _refuse_what_does_not_belong(ctx: click.Context, engine: str, given: dict[str, Any]) -> None:
    """`UserError` for an option of the other engine, or of the layer when there is none."""
    said = {name for name in given if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    for names_, reason in (
        ((*_OF_VLLM, "content_filter") if engine == "standin" else (), "is for --engine vllm"),
        (_OF_STANDIN if engine == "vllm" else (), "is for the stand-in; vLLM has its own model and its own pace"),
        (_OF_LAYER if given["plain"] else (), "is the layer's, and --plain has none"),
    ):
        for name in names_:
            if name in said:
                option = next(one.opts[0] for one in ctx.command.params if one.name == name)
                raise UserError(f"{option} {reason}; leave it out")
    if engine == "standin" and ctx.meta[_REST]:
        raise UserError("what stands after -- goes to vLLM, and the stand-in has none; say --engine vllm")


def _started(
    asked: _Asked, url: str, rows: Contract, *, has_key: bool, what: str | None = None, remark: str | None = None
) -> None:
    """Tell a person, or the program that started us, where the server is."""
    if asked.announce:
        click.echo(url)
        sys.stdout.flush()
        threading.Thread(target=_end_with_stdin, daemon=True).start()
        return
    click.echo("\n".join(_greeting(url, rows, asked.key_env or VARIABLE, has_key=has_key, what=what or rows.name)))
    sys.stdout.flush()
    if remark:
        note(remark)
    if not has_key:
        note(f"{asked.key_env or VARIABLE} is not set: the server answers anybody who can reach it")


def _greeting(url: str, contract: Contract, variable: str, *, has_key: bool, what: str) -> Sequence[str]:
    operation = contract.operations[0]
    path = f"{operation.path}?{urlencode(contract.query)}" if contract.query else operation.path
    key = (("Authorization", f"Bearer {PLACEHOLDER}"),) if has_key else ()
    body = json.dumps({**operation.example, "max_tokens": 16}).encode()
    sent = Sent(operation.method, path, (*key, ("Content-Type", "application/json"), *contract.headers.items()), body)
    return f"{what} at {url}, until Ctrl-C. Try it:", curl_line(sent, url).replace(PLACEHOLDER, f"${variable}")


def _end_with_stdin() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
