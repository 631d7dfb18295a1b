"""What a person sees: results on stdout, everything else on stderr.

rich is imported when a console is first asked for; a plain line on stderr never needs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

    from mriuq_cli.errors import MriuqError

Progress = Callable[[float, str], None]
"""Called with the share done (0 to 1) and a word for what is going on."""

RED, YELLOW, PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[0m"


def is_lively(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal that can redraw lines."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def has_colour(stream: TextIO) -> bool:
    """Tell whether a stream may be coloured: a lively terminal and no ``NO_COLOR``."""
    return is_lively(stream) and not os.environ.get("NO_COLOR")


@cache
def stderr_console() -> Console:
    """Return the rich console for everything that is not a result."""
    from rich.console import Console

    return Console(file=sys.stderr, no_color=not has_colour(sys.stderr), highlight=False)


def note(text: str) -> None:
    """Say something on stderr."""
    print(text, file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Warn on stderr."""
    note(f"{_coloured('warning:', YELLOW)} {text}")


def print_error(error: MriuqError | str) -> None:
    """Say on stderr what went wrong, where, and what to do: one to three lines."""
    note(f"{_coloured('error:', RED)} {error}")


def _coloured(word: str, colour: str) -> str:
    return f"{colour}{word}{PLAIN}" if has_colour(sys.stderr) else word


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Align rows of words in columns two spaces apart, one line a row, however long.

    Unlike a rich table it neither wraps nor cuts, so that ``grep`` and ``cut`` work on it.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Show a bar on stderr while a block runs; where stderr cannot redraw lines, show nothing.

    Examples
    --------
    >>> with progress("predict") as step:
    ...     step(0.5, "network")
    """
    if not is_lively(sys.stderr):
        yield lambda done, word: None
        return
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    look = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[word]}"), TimeElapsedColumn())
    # Left to itself, rich would send what is printed on stdout to this console: results would end up on stderr.
    with Bars(*look, console=stderr_console(), transient=True, redirect_stdout=False) as bars:
        task = bars.add_task(what, total=1.0, word="")
        yield lambda done, word: bars.update(task, completed=done, word=word)
