"""`seatrial serve --engine vllm`: a real vLLM under the contract, from its start to the end of its last process."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import click

from reference_server.vllm.command import VllmOptions
from reference_server.vllm.errors import SetupError, StartError
from reference_server.vllm.process import VllmServer, serving_vllm
from reference_server.vllm.settings import LayerSettings
from reference_server.vllm.story import advice, ending, tail
from reports.visible import one_line
from seatrial.errors import NoJudgement, UserError
from seatrial.signals import interruptible
from seatrial.starting import started_on

_POLL = 0.2


def serve(
    options: VllmOptions,
    layer: LayerSettings,
    *,
    environ: Mapping[str, str] = os.environ,
    on_started: Callable[[VllmServer], None],
) -> None:
    """Serve until SIGINT or SIGTERM.

    `UserError` for what cannot be started, `NoJudgement` when vLLM fails to start (its log's end is shown) or ends.
    """
    serving = False
    with interruptible():
        try:
            with ExitStack() as stack:
                server = _started(options, layer, environ, stack)
                serving = True
                on_started(server)
                stack.callback(click.echo, "seatrial: stopping vLLM", err=True)
                while (status := server.status()) is None:
                    time.sleep(_POLL)
                why = advice(tail(server.log))
                told = f"({ending(status)}){f': {why}' if why else ''}"
                raise NoJudgement(f"vLLM has ended by itself {told}; its log is {server.log}")
        except KeyboardInterrupt:
            if not serving:
                raise


def _started(options: VllmOptions, layer: LayerSettings, environ: Mapping[str, str], stack: ExitStack) -> VllmServer:
    try:
        with started_on(sys.stderr, "vLLM") as tell:
            return stack.enter_context(serving_vllm(options, layer, environ=environ, tell=tell))
    except SetupError as error:
        raise UserError(str(error)) from None
    except StartError as error:
        for line in error.last:
            click.echo(f"  {one_line(line, 300)}", err=True)
        raise NoJudgement(f"{error}; the whole log is {error.log}") from None
