"""What the command prints: data to standard output, the rest to standard error, errors as one clear line."""

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

import orjson
from rich.console import Console
from rich.table import Table

from meterworks.errors import MeterworksError

__all__ = ["fail", "notice", "print_json", "print_rows"]

_NOTICES = Console(stderr=True, highlight=False, soft_wrap=True)


def notice(text: str) -> None:
    """Say something to the person at the terminal; never part of the data."""
    _NOTICES.print(text, markup=False)


def print_json(value: object) -> None:
    """Print one JSON document to standard output."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE, default=str)
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


def print_rows(rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    """Print rows of equal keys: JSON, a table on a terminal, CSV when piped."""
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        notice("nothing found")
        return
    names = list(rows[0])
    if sys.stdout.isatty():
        table = Table(*names, box=None, header_style="bold")
        for row in rows:
            table.add_row(*("" if row[name] is None else str(row[name]) for name in names))
        Console().print(table)
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    sys.stdout.write(text.getvalue())


def fail(error: MeterworksError) -> NoReturn:
    """Say what is wrong in one line and leave with the error tree's exit code."""
    notice(f"meterworks: {error}")
    raise SystemExit(error.exit_code)
