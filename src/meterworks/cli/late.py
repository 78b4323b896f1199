"""Commands that are loaded when they are called: a slip of the pen or `--help` must not wait for every engine we have.

The table of a group tells name, module and help of each command; listing and spelling need no more. A test compares the
help told here with the command's own.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

__all__ = ["LateCommand", "LateGroup", "Row"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A command. module: where it lies; it gives `app` (a group) or a function of the command's name."""

    module: str
    help: str


class LateCommand(TyperCommand):
    """Stands for a command until it is called."""

    def __init__(self, name: str, row: Row) -> None:
        super().__init__(name, help=row.help)
        self._row = row

    def load(self) -> Any:
        """The command itself."""
        module = importlib.import_module(self._row.module)
        if hasattr(module, "app"):
            return get_group(module.app)
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name=self.name)(getattr(module, str(self.name)))
        return get_command(alone)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the loaded command: what is invoked in it is that command, not its stand-in."""
        return self.load().make_context(info_name, args, parent=parent, **extra)


class LateGroup(TyperGroup):
    """A group whose commands stand in `table`; those it was given in the usual way come behind them."""

    table: ClassVar[Mapping[str, Row]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        given = dict(self.commands)
        self.commands = {name: LateCommand(name, row) for name, row in self.table.items()} | given
