"""`seatrial tiny-llama`: write a small Llama checkpoint to serve where no model can be fetched."""

from __future__ import annotations

import errno
import shlex
from pathlib import Path

import click

from reference_server.tiny_llama.checkpoint import SIZES, write
from seatrial.errors import CONFORMS, UserError


@click.command(short_help="Write a tiny Llama checkpoint, without a hub.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--size",
    type=click.Choice(list(SIZES)),
    default="tiny",
    show_default=True,
    help="tiny has 2 MB; 1b has a thousand million parameters, mostly noise, and 2 GB.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What the weights are drawn from.")
@click.option("--force", is_flag=True, help="Write into a folder that has files, over those of the same names.")
def command(folder: Path, size: str, seed: int, force: bool) -> int:
    """Write a Llama that speaks in short sentences of its own into DIR, with a tokenizer and chat template of Llama 3.

    It never says half a character, ends its answers now and then, and heeds the whole of a prompt. The same seed gives
    the same bytes.
    """
    try:
        if not force and folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"{folder} is not empty; name another folder, or --force to write over a model in it")
        written = write(folder, SIZES[size], seed)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(f"cannot write to {folder}: {error.strerror or error}") from None
    click.echo(f"{folder}: {written / 1e6:,.1f} MB. Serve it:")
    click.echo(f"seatrial serve --engine vllm --model {shlex.quote(str(folder))}")
    return CONFORMS
