"""Use cases of GBCS: one a message code, which every GB message carries.

Source: GBCS use case tables, as collected in the fact tables. Rows that were seen on messages only, and in no published
table, are not verified: they can be read, and nobody may cause them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb.service_request import DeviceKind
from meterworks.catalogue.gb.table_file import Cells, load_table, truth, words

__all__ = ["RemoteParty", "UseCase", "UseCaseKind", "load_use_cases"]

COLUMNS = (
    *("code", "use_case", "title", "kind", "future_dated", "replay_protection", "access", "parties", "targets"),
    "verified",
)


class UseCaseKind(StrEnum):
    """What protects the messages of a use case (GBCS message categories)."""

    CRITICAL_COMMAND = "critical-command"  # signed by the originator, MACed by the broker; the answer is signed
    COMMAND = "command"  # MACed by the broker; the answer is MACed
    CRITICAL_ALERT = "critical-alert"  # signed by the device
    ALERT = "alert"  # MACed by the device
    HOME_COMMAND = "home-command"  # between devices at the premises
    HOME = "home"  # ZigBee's own, at the premises
    UNKNOWN = ""


class RemoteParty(StrEnum):
    """Who may originate a command, as trust anchor cells name them."""

    SUPPLIER = "supplier"
    NETWORK_OPERATOR = "network_operator"
    BROKER = "broker"
    LOAD_CONTROLLER = "load_controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCase:
    """One message code and what belongs to it. None: no source says."""

    code: int
    use_case: str
    title: str
    kind: UseCaseKind
    future_dated: bool | None
    replay_protection: bool | None
    changes: bool | None
    parties: frozenset[RemoteParty]
    targets: frozenset[DeviceKind]
    verified: bool

    @property
    def is_critical(self) -> bool:
        """Whether its messages are signed."""
        return self.kind in (UseCaseKind.CRITICAL_COMMAND, UseCaseKind.CRITICAL_ALERT)


def load_use_cases(additions: Sequence[Path] = ()) -> Mapping[int, UseCase]:
    """The use cases by message code. additions: folders of makers. Raises CatalogueError."""
    table = load_table("use_cases.csv", COLUMNS, _read, lambda row: f"{row.code:04X}", additions)
    return {row.code: row for row in table.values()}


def _read(cells: Cells) -> UseCase:
    verified = truth(cells["verified"])
    if verified is None or not cells["title"]:
        raise CatalogueError("verified is yes or no, and a title is never empty")
    if cells["access"] not in ("read", "update", ""):
        raise CatalogueError(f"access {cells['access']!r} is neither read nor update")
    return UseCase(
        code=int(cells["code"], 16),
        use_case=cells["use_case"],
        title=cells["title"],
        kind=UseCaseKind(cells["kind"]),
        future_dated=truth(cells["future_dated"]),
        replay_protection=truth(cells["replay_protection"]),
        changes={"read": False, "update": True}.get(cells["access"]),
        parties=frozenset(map(RemoteParty, words(cells["parties"]))),
        targets=frozenset(map(DeviceKind, words(cells["targets"]))),
        verified=verified,
    )
