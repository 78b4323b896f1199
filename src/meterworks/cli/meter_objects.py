"""`meterworks meter objects`: what a meter has, as a tree."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.tree import Tree

from meterworks.cli.meter_option import Asked, asks_meter, progress_bar
from meterworks.cli.option import AsJson
from meterworks.cli.output import notice, print_json
from meterworks.protocols.dlms.cosem import ObjectListEntry, describe
from meterworks.system.meter.access import meter_session
from meterworks.system.meter.objects import book_of, object_document, object_tree, rights_text, save_dump

__all__ = ["objects"]

WIDTH_PIPED = 240  # a pipe has no edge to fold at


@asks_meter
def objects(
    asked: Asked,
    save: Annotated[Path | None, typer.Option(help="write them to this JSON file, which `meter learn` reads")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="read the object list anew")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a meter has, as a tree with names and rights."""
    with meter_session(asked.access) as meter, progress_bar() as bar:
        task = bar.add_task("reading the object list", total=None)
        book = book_of(
            meter.client, client=asked.access.client, cache=asked.cache, fresh=fresh,
            progress=lambda _block, size: bar.update(task, completed=size),
        )  # fmt: skip
    if save is not None:
        save_dump(book, save)
        notice(f"{len(book.entries)} objects written to {save}")
    elif as_json:
        print_json([object_document(entry) for entry in book.entries])
    else:
        _print_tree(str(asked.access.target), book.entries)


def _print_tree(target: str, entries: tuple[ObjectListEntry, ...]) -> None:
    tree = Tree(
        f"{target}: {len(entries)} objects. Rights: r read, w write, x invoke, ! protected only", highlight=False
    )
    for medium, purposes in object_tree(entries).items():
        trunk = tree.add(medium)
        for purpose, found in purposes.items():
            branch = trunk.add(f"{purpose} ({len(found)})")
            for entry in found:
                row = entry.interface_class
                branch.add(
                    f"{entry.obis_code.text:<18} {describe(entry.obis_code)}"
                    f"  · {row.name} {entry.class_id} v{entry.version}  · {rights_text(entry)}"
                )
    width = None if sys.stdout.isatty() else WIDTH_PIPED
    Console(highlight=False, markup=False, width=width).print(tree)
