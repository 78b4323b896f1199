"""Choices: which use case a service request becomes on which kind of device, and who originates its command.

One row a choice; rows of one request stand in the order of preference, newest first. Where a request says nothing that
would settle it (a meter with one phase or three, certified against an older issue of GBCS or a newer one), several rows
hold, and the first whose use case the device model knows is taken.
Source: GBCS use case tables and DUIS 5.4 request matrix; senders as measured on the reference messages (fact sheet
gb/GBCS.md sections 2, 3 and 14).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb.service_request import DeviceKind
from meterworks.catalogue.gb.table_file import Cells, load_table, words
from meterworks.catalogue.gb.use_case import RemoteParty

__all__ = ["Condition", "PayloadKind", "Sender", "UseCaseChoice", "load_use_case_choices"]

COLUMNS = ("variant", "devices", "condition", "code", "use_case", "payload", "sender")
PARTY_PREFIX = "by:"


class PayloadKind(StrEnum):
    """What the payload of a command is written in."""

    DLMS = "dlms"
    GBZ = "gbz"
    ASN1 = "asn1"


class Sender(StrEnum):
    """Whose name stands in a command's header."""

    USER = "user"  # the user; where the device does not know them, the broker for them
    USER_OR_BROKER = "user_or_broker"  # the user; where the device does not know them, the broker in its own name
    BROKER_FOR_USER = "broker_for_user"  # the broker, with the user as supplementary party
    BROKER = "broker"  # the broker in its own name
    CHANGE_OF_SUPPLIER = "change_of_supplier"  # the carrier's party for change of supplier


@dataclass(frozen=True, slots=True)
class Condition:
    """What a request must hold (or, negated, must not): an element at a path, with that text where one is given."""

    path: str
    text: str | None = None
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCaseChoice:
    """A service request variant on some kinds of devices, under conditions, becomes the use case of a message code.

    party: the role its user must have towards the device, None for any.
    """

    variant: str
    devices: frozenset[DeviceKind]
    conditions: tuple[Condition, ...]
    party: RemoteParty | None
    code: int
    use_case: str
    payload: PayloadKind
    sender: Sender


def load_use_case_choices(additions: Sequence[Path] = ()) -> Mapping[str, tuple[UseCaseChoice, ...]]:
    """The choices by service request variant, in the order of preference. additions: folders of makers, whose rows
    come last. Raises CatalogueError."""
    table = load_table("use_case_choices.csv", COLUMNS, _read, _key, additions)
    choices: dict[str, tuple[UseCaseChoice, ...]] = {}
    for row in table.values():
        choices[row.variant] = (*choices.get(row.variant, ()), row)
    return choices


def _key(row: UseCaseChoice) -> str:
    kinds = " ".join(sorted(row.devices))
    return f"{row.variant} on {kinds} as {row.code:04X} where {row.conditions} by {row.party}"


def _read(cells: Cells) -> UseCaseChoice:
    terms = words(cells["condition"])
    parties = [term.removeprefix(PARTY_PREFIX) for term in terms if term.startswith(PARTY_PREFIX)]
    if len(parties) > 1 or not cells["devices"] or not cells["use_case"]:
        raise CatalogueError("a choice has devices and a use case, and one party at most")
    return UseCaseChoice(
        variant=cells["variant"],
        devices=frozenset(map(DeviceKind, words(cells["devices"]))),
        conditions=tuple(_condition(term) for term in terms if not term.startswith(PARTY_PREFIX)),
        party=RemoteParty(parties[0]) if parties else None,
        code=int(cells["code"], 16),
        use_case=cells["use_case"],
        payload=PayloadKind(cells["payload"]),
        sender=Sender(cells["sender"]),
    )


def _condition(term: str) -> Condition:
    path, equals, text = term.removeprefix("!").partition("=")
    if not path:
        raise CatalogueError(f"condition {term!r} has no path")
    return Condition(path, text if equals else None, term.startswith("!"))
