"""What the reports for a terminal are made of: titles, named blocks, tables; plain text unless colour is asked for.

Law: nothing here reads the environment, so that a report does not depend on where it is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.visible import one_line

WIDTH = 100


def made(*, colour: bool, width: int) -> tuple[Console, StringIO]:
    """A console of that width, and where its text goes."""
    out = StringIO()
    console = Console(
        file=out,
        force_terminal=colour,
        color_system="standard" if colour else None,
        width=width,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
        # The environment is for the command line to read.
        _environ={},
    )
    return console, out


def text_of(out: StringIO) -> str:
    """What was printed, without the blanks at the ends of lines."""
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def put(text: str, stream: TextIO) -> None:
    """Write text on a stream whatever its encoding is."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def title(console: Console, text: str) -> None:
    """The title of a part, after an empty line."""
    console.print()
    console.print(Text(text, style="bold underline"))


def item(console: Console, text: str) -> None:
    """One line of a list."""
    console.print(Text(f"- {one_line(text)}"), soft_wrap=True)


def field(console: Console, name: str, text: str, *, width: int = 7) -> None:
    """A named block, indented; never wrapped, so that it can be copied."""
    label = f"  {name:<{width}}"
    for number, line in enumerate(text.splitlines() or [""]):
        console.print(Text.assemble((label if number == 0 else " " * len(label), "dim"), line), soft_wrap=True)


def table(console: Console, head: Sequence[str], rows: Sequence[Sequence[str]], words: tuple[int, ...] = ()) -> None:
    """A table without borders: the first column and those in `words` to the left, figures to the right."""
    made_of = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for position, name in enumerate(head):
        made_of.add_column(name, justify="left" if position == 0 or position in words else "right", no_wrap=True)
    for row in rows:
        made_of.add_row(*(Text(one_line(cell)) for cell in row))
    console.print(made_of)
