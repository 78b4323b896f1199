"""What each process of a system may reach: its vault of keys, its stores, and its subjects on the message bus.

One table. The bus's server enforces the rights by subject; a process gets the passphrase of its own vault and of no
other one; and what it has no right to, `Ground` does not give it. All processes run under one account of the machine,
so between them the account's own rights are no wall: that takes an account for each, or a token that asks for a PIN.

Rights on the bus name what a process publishes and subscribes to. Reading a stream is asking the server for it, so it
is a right to publish that question. Answers come to an inbox below the process's own prefix, where nobody else listens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from meterworks.runtime import BusRight
from meterworks.trust.audit import APPEND_SUBJECT
from meterworks.trust.pki import ADMIT_SUBJECT, COMMISSION_SUBJECT, RETIRE_SUBJECT, PeerRole, peer_uri

__all__ = [
    "IDENTITIES",
    "PRIVILEGES",
    "Privilege",
    "Store",
    "bus_rights",
    "inbox_prefix",
    "uri_of",
]

STORES_READY: Final = "process.stores"  # answered by the supervisor once database, neighbourhood and keys are there
STATUS: Final = ("headend.status", "headend.missing", "readings.status", "headend.keys.status")
KEY_CAMPAIGNS: Final = ("headend.keys.start", "headend.keys.control")


class Store(StrEnum):
    """What is kept for longer than a process lives."""

    DATABASE = "database"  # of record
    DEVICE_KEYS = "device keys"  # opens the keys of devices that the database keeps wrapped
    WAREHOUSE = "warehouse"
    WORLD = "world"  # the emulated meters' own memory and keys
    PKI = "pki"  # what the authorities issued and revoked
    TRAIL = "trail"  # the record of acts


@dataclass(frozen=True, slots=True, kw_only=True)
class Privilege:
    """One identity. vault: whose keys it may use, None where it has none; other rights as in the module's text."""

    role: PeerRole
    vault: str | None = None
    stores: frozenset[Store] = frozenset()
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()

    def may_open(self, store: Store) -> bool:
        """Whether the identity reaches the store."""
        return store in self.stores


def _reads(*streams: str) -> tuple[str, ...]:
    """Questions to the server that read streams."""
    return tuple(f"$JS.API.{question}.{stream}" for stream in streams for question in ("DIRECT.GET", "STREAM.INFO"))


def _keeps(*streams: str) -> tuple[str, ...]:
    """Questions of the process that a stream belongs to: it makes, changes and trims it."""
    questions = ("CREATE", "UPDATE", "INFO", "PURGE")
    kept = tuple(f"$JS.API.STREAM.{question}.{stream}" for stream in streams for question in questions)
    return kept + tuple(f"$JS.API.DIRECT.GET.{stream}" for stream in streams)


def _acts_of(role: PeerRole) -> str:
    """Where a process reports its acts: a subject of its own, so that nobody reports in another's name."""
    return f"{APPEND_SUBJECT}.{role.value}"


def _row(
    role: PeerRole,
    *,
    stores: tuple[Store, ...] = (),
    vault: str | None = None,
    publish: tuple[str, ...] = (),
    subscribe: tuple[str, ...] = (),
) -> Privilege:
    """A process: beside its own rights it says that it is ready, asks whether others are, and reports its acts."""
    return Privilege(
        role=role,
        vault=vault,
        stores=frozenset(stores),
        publish=(*publish, "process.*", _acts_of(role)),
        subscribe=(*subscribe, f"process.{role.value}"),
    )


_ROWS: Final = (
    _row(
        PeerRole.HEADEND,
        vault="headend",
        stores=(Store.DATABASE, Store.DEVICE_KEYS),
        publish=(
            "readings.set.>",
            "$KV.last.>",
            COMMISSION_SUBJECT,
            RETIRE_SUBJECT,
            *_keeps("KV_last"),
            *_reads("READINGS", "COMMITTED"),
            "$JS.API.STREAM.CREATE.READINGS",  # it may be up before the writer, which they belong to
            "$JS.API.STREAM.CREATE.COMMITTED",
        ),
        subscribe=("headend.>", "registry.changed"),
    ),
    _row(
        PeerRole.WRITER,
        stores=(Store.DATABASE, Store.WAREHOUSE),
        publish=("readings.committed", "$KV.readings.>", *_keeps("READINGS", "COMMITTED", "KV_readings")),
        subscribe=("readings.status",),
    ),
    _row(PeerRole.FLEET, stores=(Store.WORLD,)),
    _row(
        PeerRole.WEB,
        vault="web",
        stores=(Store.DATABASE, Store.DEVICE_KEYS, Store.WAREHOUSE),
        publish=(
            *STATUS,
            *KEY_CAMPAIGNS,
            "headend.read",
            "headend.release",
            "registry.changed",
            ADMIT_SUBJECT,
            *_reads("KV_last"),
        ),
    ),
    _row(PeerRole.PKI, vault="pki", stores=(Store.PKI,), subscribe=("pki.>",)),
    _row(PeerRole.AUDIT, vault="audit", stores=(Store.DATABASE, Store.TRAIL), subscribe=("audit.>",)),
    Privilege(
        role=PeerRole.SUPERVISOR,
        vault="pki",  # to issue the first certificates, before any process runs
        stores=frozenset(Store),
        publish=("process.*", _acts_of(PeerRole.SUPERVISOR), *STATUS),
        subscribe=(STORES_READY,),
    ),
    Privilege(
        role=PeerRole.COMMAND,
        stores=frozenset(Store),  # a person at the machine
        publish=("process.*", _acts_of(PeerRole.COMMAND), *STATUS, *KEY_CAMPAIGNS, *_reads("COMMITTED")),
    ),
)

PRIVILEGES: Final[Mapping[str, Privilege]] = MappingProxyType({row.role.value: row for row in _ROWS})
"""Each identity that uses the bus, by the name of its process."""

IDENTITIES: Final = (*PRIVILEGES, PeerRole.NATS.value)
"""Who has a certificate of the system's own services authority."""


def uri_of(name: str) -> str:
    """The identity of a process as its certificate carries it."""
    return peer_uri(PeerRole(name), name)


def inbox_prefix(name: str) -> str:
    """Where answers to a process's questions come to."""
    return f"_INBOX_{name}"


def bus_rights() -> tuple[BusRight, ...]:
    """The table as the bus's server is told."""
    return tuple(
        BusRight(
            identity=uri_of(name),
            publish=row.publish,
            subscribe=(*row.subscribe, f"{inbox_prefix(name)}.>"),
            answers=bool(row.subscribe),
        )
        for name, row in PRIVILEGES.items()
    )
