"""Where a meter is and as whom it is asked, and the way to an open association with it.

The invocation counter of a ciphered association comes, in this order, from the caller, from a counter file, and from
the meter (its counter objects, read through the public client). Where the meter still finds it too low and says what it
would take, the association is tried once more with that.
"""

import contextlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from meterworks.errors import PeerError, SecurityError, UnreachableError, UsageError
from meterworks.links import BlockingDlmsClient, ClientTls, MeterTarget, Tap
from meterworks.protocols import AssociationRefused, EncodeError, ServiceRefused
from meterworks.protocols.dlms import (
    CLIENT_CONFORMANCE,
    PUBLIC_CLIENT,
    SHORT_NAME_CONFORMANCE,
    AssociationOpened,
    AttributeAddress,
    Ciphering,
    ClientSettings,
    Conformance,
    CountUp,
    Diagnostic,
    InvocationCounter,
    Mechanism,
    ObisCode,
    Protection,
    Tolerance,
    decode_all,
)
from meterworks.system.errors import ConfigurationError
from meterworks.system.meter.file import write_private
from meterworks.system.meter.key import KEY_SIZES, MeterKeys, aes_ecb_proof
from meterworks.system.meter.link import AskedMeter
from meterworks.system.meter.short_name import ShortNameMeter

__all__ = [
    "OWN_SYSTEM_TITLE",
    "TOLERANT",
    "MeterAccess",
    "OpenMeter",
    "StoredCounter",
    "meter_session",
    "obis_of",
    "open_meter",
    "with_title",
]

CURRENT_ASSOCIATION: Final = AttributeAddress(15, ObisCode("0.0.40.0.0.255"), 2)
INVOCATION_COUNTER: Final = AttributeAddress(1, ObisCode("0.0.43.1.0.255"), 2)
COUNTER_LEAP_MAX: Final = 1_000_000  # how far a refusal that nobody signed may move our counter
COUNTER_LAST: Final = 0xFFFF_FFFF
COUNTERS_RESERVED: Final = 64
TOLERANT: Final = (
    Tolerance.RELEASE | Tolerance.TAGGED_DATE_TIME | Tolerance.OLD_ALGORITHM_ID | Tolerance.FRESH_KEY_COUNTER
)

OWN_SYSTEM_TITLE: Final = b"MWC\x00\x00\x00\x00\x01"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterAccess:
    """Where a meter is and as whom it is asked.

    counter: our first invocation counter; counter_file keeps it between runs; with neither the meter is asked.
    mechanism, protection: None takes what the keys amount to. timeout_s: longest wait for one answer. tap: is shown all
    octets of all connections. tls: what is shown and asked for where the target is `tls://`.
    """

    target: MeterTarget
    client: int = PUBLIC_CLIENT
    server: int = 1
    system_title: bytes = OWN_SYSTEM_TITLE
    keys: MeterKeys = field(default_factory=MeterKeys)
    mechanism: Mechanism | None = None
    protection: Protection | None = None
    ciphering: Ciphering = Ciphering.SERVICE
    counter: int | None = None
    counter_file: Path | None = None
    dedicated: bool = False
    general_block_transfer: bool = False
    short_names: bool = False
    tolerance: Tolerance = Tolerance.RELEASE | Tolerance.TAGGED_DATE_TIME
    timeout_s: float = 10.0
    tap: Tap | None = None
    tls: ClientTls | None = None

    @property
    def effective_mechanism(self) -> Mechanism:
        """The mechanism asked for, or what the given secrets amount to."""
        if self.mechanism is not None:
            return self.mechanism
        keys = self.keys
        if self.client == PUBLIC_CLIENT:
            return Mechanism.NONE
        if keys.signer is not None and keys.guek is None:
            return Mechanism.ECDSA
        if keys.guek is not None and keys.gak is not None:
            return Mechanism.GMAC
        return Mechanism.LOW if keys.password is not None else Mechanism.NONE

    def settings(self) -> ClientSettings:
        """The client settings of this access. Raises ConfigurationError where a key is missing."""
        if self.timeout_s <= 0:
            raise ConfigurationError(f"a timeout of {self.timeout_s:g} s: give a number of seconds above 0")
        keys, mechanism = self.keys, self.effective_mechanism
        if self.client == PUBLIC_CLIENT and mechanism == Mechanism.NONE and not self.protection:
            keys = MeterKeys()  # keys that are given for the meter are not those of its public client
        conformance = SHORT_NAME_CONFORMANCE if self.short_names else CLIENT_CONFORMANCE
        if self.general_block_transfer:
            conformance |= Conformance.GENERAL_BLOCK_TRANSFER
        dedicated = secrets.token_bytes(KEY_SIZES[keys.suite]) if self.dedicated and keys.guek is not None else None
        try:
            return ClientSettings(
                client_sap=self.client, server_sap=self.server, mechanism=mechanism, suite=keys.suite,
                system_title=self.system_title, guek=keys.guek, gak=keys.gak, gbek=keys.gbek, kek=keys.kek,
                password=keys.password, secret=keys.secret, signer=keys.signer, key_agreement=keys.key_agreement,
                peer_signing_key=keys.meter_signing_key, peer_agreement_key=keys.meter_agreement_key,
                certificate=keys.certificate, dedicated_key=dedicated, protection=self.protection,
                ciphering=self.ciphering, conformance=conformance, tolerance=self.tolerance,
                short_names=self.short_names,
                manufacturer_proof=aes_ecb_proof if mechanism == Mechanism.MANUFACTURER else None,
            )  # fmt: skip
        except UsageError as error:
            raise ConfigurationError(f"{error}; give the meter's keys with --keys, see docs/dlms.md") from error


@dataclass(frozen=True, slots=True)
class OpenMeter:
    """An open association and what was agreed. client: whom to ask; link: what to close at the end."""

    link: BlockingDlmsClient
    client: AskedMeter
    agreed: AssociationOpened
    access: MeterAccess


class StoredCounter:
    """Our counter for one meter in a file, reserved ahead: a crash may skip numbers, it never repeats one.

    The file is a JSON object of counters by client title and server address. Raises ConfigurationError.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        self._next = self._load().get(key, 0)
        self._bound = self._next

    def _load(self) -> dict[str, int]:
        if not self._path.exists():
            return {}
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(name): int(value) for name, value in found.items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise ConfigurationError(f"counter file {self._path} cannot be used: {error}") from error

    def raise_to(self, lowest: int) -> None:
        """Never give less than this again."""
        self._next = max(self._next, lowest)

    def next(self) -> int:
        """Give a number never given before."""
        if self._next > COUNTER_LAST:
            raise ConfigurationError("the invocation counter is used up: the meter needs a new key")
        if self._next >= self._bound:
            self._bound = self._next + COUNTERS_RESERVED
            counters = self._load() | {self._key: self._bound}
            write_private(self._path, json.dumps(counters, indent=2).encode())
        given = self._next
        self._next = given + 1
        return given


def _counter_told(access: MeterAccess) -> int:
    """One above what the meter says it last accepted, asked through its public client; 0 where it does not tell."""
    public = replace(access, client=PUBLIC_CLIENT, mechanism=None, protection=None).settings()
    try:
        with _connected(access, public, CountUp()) as client:
            client.associate()
            told = [value for value in _counter_values(_asked(access, client)) if isinstance(value, int) and value >= 0]
            client.release()
    except (PeerError, AssociationRefused, ServiceRefused):
        return 0
    return max(told) + 1 if told else 0


def _counter_values(client: AskedMeter) -> Iterator[object]:
    """The counter objects that the public client sees: the usual one, else those of the object list."""
    with contextlib.suppress(ServiceRefused):
        yield decode_all(client.get(INVOCATION_COUNTER))
        return
    rows = decode_all(client.get(CURRENT_ASSOCIATION))
    for row in rows if isinstance(rows, list) else []:
        match row:
            case (1, int(), bytes(name), *_) if len(name) == 6 and name[:4] == b"\x00\x00\x2b\x01":
                with contextlib.suppress(ServiceRefused):
                    yield decode_all(client.get(AttributeAddress(1, ObisCode(name), 2)))


def _asked(access: MeterAccess, client: BlockingDlmsClient) -> AskedMeter:
    return ShortNameMeter(client) if access.short_names else client


def _connected(access: MeterAccess, settings: ClientSettings, counter: InvocationCounter) -> BlockingDlmsClient:
    return BlockingDlmsClient.open(
        access.target, settings, counter=counter, timeout_s=access.timeout_s, tap=access.tap, tls=access.tls
    )


def _first_counter(access: MeterAccess, settings: ClientSettings) -> InvocationCounter:
    """The counter to begin with: the caller's, the file's raised to what the meter says, or the meter's."""
    if access.counter is not None:
        return CountUp(access.counter)
    needs_counter = settings.is_ciphered or settings.mechanism == Mechanism.GMAC
    if access.counter_file is None:
        return CountUp(_counter_told(access) if needs_counter else 0)
    stored = StoredCounter(access.counter_file, f"{access.system_title.hex()} {access.target}/{access.server}")
    if needs_counter:
        stored.raise_to(_counter_told(access))
    return stored


def _raised(counter: InvocationCounter, lowest: int) -> InvocationCounter | None:
    """The counter from what the meter would take on; None where that is too far, which only a hostile one would say."""
    mine = counter.next()
    if not mine <= lowest <= mine + COUNTER_LEAP_MAX:
        return None
    if isinstance(counter, StoredCounter):
        counter.raise_to(lowest)
        return counter
    return CountUp(lowest)


def open_meter(access: MeterAccess) -> OpenMeter:
    """Connect and open the association. Raises UnreachableError, SecurityError, RefusedError, PeerError, UsageError.

    The client given back is to be closed by the caller: `with open_meter(access).link`.
    """
    settings = access.settings()
    counter = _first_counter(access, settings)
    try:
        return _opened(access, settings, counter)
    except AssociationRefused as refused:
        lowest = refused.facts.get("counter")
        raised = _raised(counter, lowest) if isinstance(lowest, int) else None
        if raised is None:
            raise _explained(refused, access) from refused
    return _opened(access, settings, raised)


_NAMED: Final = frozenset(int(member) for member in Diagnostic)
_HINTS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "it may not know this client address, or not let it in",
        2: "it asks for the other application context: with keys and protection, or without",
        3: "it expects another system title of ours: --system-title",
        11: "it asks for another mechanism: --mechanism",
        12: "it asks for a mechanism: give its keys with --keys",
        13: "the password, the secret or a key is not the one it has",
        14: "it asks for a proof of who we are: --mechanism and --keys",
    }
)


def _explained(refused: AssociationRefused, access: MeterAccess) -> AssociationRefused:
    """The refusal in words: who was refused where, why, and what to do."""
    diagnostic = refused.facts.get("diagnostic")
    if not isinstance(diagnostic, int):
        return refused
    name = Diagnostic(diagnostic).name.lower().replace("_", " ") if diagnostic in _NAMED else f"number {diagnostic}"
    hint = _HINTS.get(diagnostic, "see what it offers")
    return AssociationRefused(
        f"{access.target} refused client {access.client} with mechanism {access.effective_mechanism:d}: {name};"
        f" {hint} (`meterworks meter discover` shows what it offers)",
        **refused.facts,
    )


def _opened(access: MeterAccess, settings: ClientSettings, counter: InvocationCounter) -> OpenMeter:
    client = _connected(access, settings, counter)
    try:
        agreed = client.associate()
    except BaseException:  # a Ctrl-C too leaves no connection behind
        client.close()
        raise
    return OpenMeter(client, _asked(access, client), agreed, access)


def with_title(access: MeterAccess, title: str | None) -> MeterAccess:
    """The access under another system title of ours, 16 hex digits. Raises ConfigurationError."""
    if title is None:
        return access
    try:
        octets = bytes.fromhex(title)
    except ValueError as error:
        raise ConfigurationError(f"system title {title}: hex digits expected") from error
    if len(octets) != len(OWN_SYSTEM_TITLE):
        raise ConfigurationError(f"a system title has 8 octets, not {len(octets)}")
    return replace(access, system_title=octets)


def obis_of(text: str) -> ObisCode:
    """A full OBIS code. Raises ConfigurationError."""
    try:
        return ObisCode(text)
    except EncodeError as error:
        raise ConfigurationError(str(error)) from error


@contextlib.contextmanager
def meter_session(access: MeterAccess) -> Iterator[OpenMeter]:
    """An open association for the length of a `with` block: released at its end, closed whatever happens.

    A release that the meter does not answer well is no failure: what was read is read.
    """
    meter = open_meter(access)
    with meter.link as client:
        yield meter
        with contextlib.suppress(UnreachableError, PeerError, SecurityError):
            client.release()
