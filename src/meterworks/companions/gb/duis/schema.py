"""The schema itself as a judge, where its files are at hand: they are not ours to carry.

A folder holds DUIS.xsd, MMC.xsd and xmldsig-core-schema.xsd. Nothing is fetched: what is not a file of that folder is
refused, and the document type that the W3C's file names is not loaded (the schema does not need it).
"""

from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Final, cast

from lxml import etree

from meterworks.companions.errors import RequestError, SchemaError
from meterworks.companions.gb.duis.markup import parse

__all__ = ["validate_schema"]

SCHEMA_FILE: Final = "DUIS.xsd"
SCHEMAS_MAX: Final = 4  # folders whose schema is kept compiled
_LOCK: Final = Lock()


def validate_schema(xml: bytes, folder: Path) -> None:
    """Raise RequestError, with the line, where a document is not valid by the schema in a folder.

    Raises SchemaError where the folder has no usable schema. The first use of a folder compiles it (20 ms).
    """
    schema = _schema(folder.resolve())
    root = parse(xml)
    with _LOCK:  # a compiled schema has one log for all threads
        if schema.validate(root.getroottree()):
            return
        entry = cast("Any", schema.error_log)[0]  # the type stubs do not know what a log holds
    path = str(entry.path or "")
    raise RequestError(f"line {entry.line}, {path}: {entry.message}", path=path, line=int(entry.line))


class _FolderOnly(etree.Resolver):
    """Lets a schema take in files of its own folder, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def resolve(self, system_url: str, public_id: str, context: Any = None) -> Any:
        """Give the file, or an empty document."""
        path = Path(system_url)
        octets = path.read_bytes() if path.parent == self._folder and path.is_file() else b""
        return self.resolve_string(octets, context, base_url=system_url)


@lru_cache(maxsize=SCHEMAS_MAX)
def _schema(folder: Path) -> etree.XMLSchema:
    path = folder / SCHEMA_FILE
    if not path.is_file():
        raise SchemaError(f"no {SCHEMA_FILE} in {folder}: name the folder of the DUIS schema", path=str(path))
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    parser.resolvers.add(_FolderOnly(folder))
    try:
        return etree.XMLSchema(etree.parse(str(path), parser))
    except (etree.XMLSchemaParseError, etree.XMLSyntaxError) as error:
        raise SchemaError(f"{path} is no usable schema: {error}", path=str(path)) from error
