"""`meterworks up`: start a whole system with its emulated neighbourhood, and stop it with Ctrl-C."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from meterworks.cli.option import ConfigFile, DataFolder, Settings, resolved_configuration

__all__ = ["up"]


class Terminal:
    """The start on a terminal: lines stay, the step under way and the first fill move below them.

    On a pipe every line is printed once, and the fill at every tenth.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID = self._steps.add_task("starting", total=None)
        self._tenths_said = -1
        self._step = ""

    def __enter__(self) -> "Terminal":
        self._steps.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._steps.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def step(self, text: str) -> None:
        """What is being done now."""
        if text == self._step:
            return
        self._step = text
        self._steps.update(self._task, description=text)
        if not self._console.is_terminal:
            self.say(f"... {text}")

    def progress(self, status: Mapping[str, object]) -> None:
        """How far the first fill is, and then how many meters are on the line."""
        fill = status.get("fill")
        if not isinstance(fill, dict):
            return
        expected, settled = (
            int(fill.get("expected") or 0),
            int(fill.get("committed") or 0) + int(fill.get("absent") or 0),
        )
        share = settled / expected if expected else 0.0
        self._steps.update(
            self._task,
            description=f"{status.get('devices')} meters, half-hours in the warehouse",
            total=expected or None,
            completed=settled,
        )
        tenth = int(share * 10)
        if tenth != self._tenths_said and not self._console.is_terminal:
            self.say(f"{settled:,} of {expected:,} half-hours of {status.get('devices')} meters are in the warehouse")
        if tenth == 10 and self._tenths_said not in (-1, 10):
            self.say(f"All {settled:,} half-hours are in the warehouse. Ctrl-C stops the system.")
        self._tenths_said = tenth


def up(
    meters: Annotated[int | None, typer.Option(help="emulated meters [200]")] = None,
    replay: Annotated[Path | None, typer.Option(help="file of interval readings to replay, see docs/replay.md")] = None,
    unshifted: Annotated[
        bool, typer.Option("--unshifted", help="do not shift the replayed file: the system's clock starts at its end")
    ] = False,
    port_offset: Annotated[
        int | None, typer.Option(help="added to every port, for a second system beside the first")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="system seconds per machine second [1]")] = None,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Start the system: bus, meters, head-end, writer, API and portal. The first start makes a neighbourhood."""
    from meterworks.system.start import Announcer, bring_up  # all that a first start makes: not for `--help`

    resolved = resolved_configuration(
        data,
        config,
        settings,
        neighbourhood__meters=meters,
        neighbourhood__replay=replay.absolute() if replay else None,
        neighbourhood__replay_shift=False if unshifted else None,
        system__port_offset=port_offset,
        clock__rate=rate,
    )
    with Terminal(Console(highlight=False)) as terminal:
        asyncio.run(bring_up(resolved, Announcer(say=terminal.say, step=terminal.step, progress=terminal.progress)))
        terminal.say("stopped")
