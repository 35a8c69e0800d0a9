"""`seatrial`: the group of commands, and the one place where an error becomes a line and an exit code.

Law: every expected problem is one line on stderr and never a traceback; what is not expected is one line too, and says
how to see the rest.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import click

from reports.visible import one_line
from seatrial.errors import CONFORMS, NO_JUDGEMENT, USAGE, NoJudgement, UserError
from seatrial.version import version

# A command's module is imported when it is used: `seatrial --help` needs neither an HTTP client nor a test engine.
COMMANDS: Mapping[str, str] = {
    "check": "Judge an endpoint by its API contract.",
    "load": "Send a load profile and judge it by the gate's objectives.",
    "trial": "Check and load in one run, with one verdict.",
    "serve": "Run the reference server: the embedded stand-in, or a real vLLM.",
    "tiny-llama": "Write a tiny Llama checkpoint, without a hub.",
    "replay": "Judge a recorded run again without a network.",
    "report": "Render a recorded run.",
    "compare": "Hold a recorded run against a baseline.",
    "explain": "Show what a requirement, a check or an erratum is about.",
    "list": "List checks, requirements, errata, load profiles or mutants.",
}


class _Commands(click.Group):
    """Commands by name, each imported when it is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's form
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's form
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"seatrial.cli.{cmd_name.replace('-', '_')}").command
        if not any(param.name == "debug" for param in command.params):
            command.params.append(_debug_option())
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _debug_option() -> click.Option:
    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001 - click's form
        if value and isinstance(ctx.find_root().obj, dict):
            ctx.find_root().obj["debug"] = True

    return click.Option(
        ["--debug"], is_flag=True, expose_value=False, callback=remember, help="Show a traceback for an internal error."
    )


def _tell_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001 - click's form
    if value:
        click.echo(f"seatrial {version()}")
        ctx.exit()


group = _Commands(
    name="seatrial",
    help="Does a Llama endpoint keep its API contract, and does it hold its load?\n\n"
    "Exit codes: 0 it conforms, 1 it does not, 2 wrong usage, 3 it could not be judged.",
    params=[
        _debug_option(),
        click.Option(
            ["--version"], is_flag=True, expose_value=False, is_eager=True, help="Show the version and exit.",
            callback=_tell_version,
        ),
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)  # fmt: skip


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code."""
    sys.exit(run(args))


def run(args: Sequence[str] | None = None) -> int:
    """Run a command line (the process's own by default) and return its exit code; errors are said on stderr."""
    state: dict[str, Any] = {"debug": False}
    given = None if args is None else list(args)
    try:
        result = group.main(args=given, prog_name="seatrial", standalone_mode=False, obj=state)
        sys.stdout.flush()
    except click.ClickException as error:
        return _wrong_usage(error)
    except UserError as error:
        return _said(str(error), USAGE)
    except SystemExit:
        # click's own answer to a closed pipe, with a code that means something else here.
        return _nobody_reads()
    except (KeyboardInterrupt, click.Abort):
        return _said("interrupted", NO_JUDGEMENT)
    except Exception as error:  # noqa: BLE001 - the last place that can say anything
        return _no_judgement(error, debug=state["debug"])
    return result if isinstance(result, int) else CONFORMS


def _wrong_usage(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return USAGE
    where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx is not None else ""
    return _said(error.format_message().rstrip(".") + (f"; {where} --help shows what there is" if where else ""), USAGE)


def _no_judgement(error: Exception, *, debug: bool) -> int:
    # By name, so that reporting an error does not import where it comes from.
    if isinstance(error, NoJudgement) or type(error).__qualname__ in {"CannotJudge", "LogError"}:
        return _said(str(error), NO_JUDGEMENT)
    if isinstance(error, BrokenPipeError):
        return _nobody_reads()
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _said("the disk is full; free some space and run again", NO_JUDGEMENT)
    if debug:
        traceback.print_exc()
    more = "" if debug else "; --debug shows where"
    return _said(f"a fault of Seatrial, not of the endpoint: {type(error).__name__}: {error}{more}", NO_JUDGEMENT)


def _said(message: str, code: int) -> int:
    with contextlib.suppress(OSError):
        click.echo("seatrial: " + one_line(message, 2_000), err=True)
    return code


def _nobody_reads() -> int:
    """The reader of our output has gone (`| head`): nobody saw the verdict, and Python is not to complain at exit."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return NO_JUDGEMENT
