"""Response codes: what the carrier says of a request.

The codes are those of the DUIS schema. What most of them mean no public source says; a meaning that one page tells is
given in our words and not verified. A code of six digits begins with the service reference it belongs to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb.table_file import Cells, load_table, truth

__all__ = ["ResponseCode", "ResponseKind", "load_response_codes"]

COLUMNS = ("code", "kind", "reference", "meaning", "verified")


class ResponseKind(StrEnum):
    """How a request fared."""

    SUCCESS = "success"
    ACKNOWLEDGED = "acknowledged"  # taken; the result follows in a response of its own
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseCode:
    """One response code. reference: the service reference it belongs to, empty for all. meaning: empty if unknown."""

    code: str
    kind: ResponseKind
    reference: str
    meaning: str
    verified: bool


def load_response_codes(additions: Sequence[Path] = ()) -> Mapping[str, ResponseCode]:
    """The response codes by code. additions: folders of makers. Raises CatalogueError."""
    return load_table("response_codes.csv", COLUMNS, _read, lambda row: row.code, additions)


def _read(cells: Cells) -> ResponseCode:
    verified = truth(cells["verified"])
    if verified is None or not cells["code"]:
        raise CatalogueError("verified is yes or no, and a code is never empty")
    return ResponseCode(
        code=cells["code"],
        kind=ResponseKind(cells["kind"]),
        reference=cells["reference"],
        meaning=cells["meaning"],
        verified=verified,
    )
