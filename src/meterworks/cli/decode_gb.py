"""GB messages in `meterworks decode`: annotated, verified and decrypted where keys are given."""

import sys
from pathlib import Path
from typing import Final

from meterworks.cli.output import print_json
from meterworks.protocols.dlms.dissect import render_text, tree_to_json

__all__ = ["GB_BEGINS", "looks_gb", "show_gb"]

GB_BEGINS: Final = (b"\xdd", b"\xdf", b"\xe0")  # MACed, signed, in blocks


def looks_gb(octets: bytes) -> bool:
    """Whether octets look like a message of the GB system rather than any DLMS of these tags."""
    from meterworks.companions.gb.result import is_gb_message  # tables of the GB system: seldom needed here

    return is_gb_message(octets)


def show_gb(octets: bytes, keys: Path | None, *, as_json: bool, colour: bool) -> bool:
    """Print a message; whether all of it was understood and nothing is false. keys: a folder (see `KeyFolder`).

    As JSON: the tree as of other messages, and with it what a response or an alert says.
    """
    from meterworks.companions.gb import KeyFolder
    from meterworks.companions.gb.result import annotate, message_to_json

    folder = None if keys is None else KeyFolder(keys)
    node = annotate(octets, folder)
    if as_json:
        told = tree_to_json(node)
        result = message_to_json(octets, folder)
        print_json(told if result is None else told | {"result": result})
    else:
        sys.stdout.write(render_text(node, colour=colour))
    return not node.errors
