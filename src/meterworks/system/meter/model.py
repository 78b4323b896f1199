"""A device model proposed from what a meter shows: live, from a dump of ours, or from another tool's dump."""

import gzip
from pathlib import Path
from typing import Final

from meterworks.devices import ModelProposal, propose_model
from meterworks.protocols import DecodeError
from meterworks.protocols.dlms.cosem import ObjectListEntry, read_association_dump
from meterworks.system.errors import ConfigurationError
from meterworks.system.meter.objects import load_dump

__all__ = ["entries_of_file", "learn", "proposal_document"]

DUMP_SIZE_MAX: Final = 64 * 2**20
GZIP: Final = b"\x1f\x8b"


def entries_of_file(path: Path) -> tuple[ObjectListEntry, ...]:
    """Read the objects of a dump: JSON of `meter objects --save`, or the XML of GXDLMSDirector (.gxc, .gxc.gz).

    Raises ConfigurationError.
    """
    try:
        with path.open("rb") as file:
            is_packed = file.read(2) == GZIP
        with gzip.open(path) if is_packed else path.open("rb") as file:
            octets = file.read(DUMP_SIZE_MAX + 1)
        if len(octets) > DUMP_SIZE_MAX:
            raise ConfigurationError(f"{path} unpacks to more than {DUMP_SIZE_MAX} octets", path=str(path))
        text = octets.decode("utf-8-sig")
        if not text.lstrip().startswith("<"):
            return load_dump(path).entries
        return read_association_dump(text)
    except (OSError, EOFError, ValueError, DecodeError) as error:
        raise ConfigurationError(f"{path} is no dump of objects: {error}", path=str(path)) from error


def learn(entries: tuple[ObjectListEntry, ...], name: str) -> ModelProposal:
    """Propose a model with these objects. Raises ModelError where there are none."""
    return propose_model(entries, name=name)


def proposal_document(proposal: ModelProposal) -> dict[str, object]:
    """A proposal for JSON."""
    return {
        "name": proposal.name,
        "phases": proposal.phases,
        "objects": len(proposal.rows),
        "sources": dict(proposal.sources),
        "rows": [str(row) for row in proposal.rows],
        "generic": [f"{entry.class_id} v{entry.version} {entry.obis_code.text}" for entry in proposal.generic],
        "left_out": [f"{entry.class_id} v{entry.version} {entry.obis_code.text}" for entry in proposal.left_out],
    }
