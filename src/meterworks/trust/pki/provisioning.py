"""From the maker to the operator: who may enrol, once, with which key, and when the maker's credentials end.

A device comes with the maker's certificates, which open enrolment and nothing else. At first contact the operator
certifies the device's keys; when the device has been seen to use them it is commissioned, and from then on nothing the
maker signed opens anything. Times are the machine's clock.  Source: SECURITY fact sheet SEC-018, SEC-122 and SEC-123.
"""

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from meterworks.trust.pki.authority import Authority, Enrolment
from meterworks.trust.pki.build import key_digest
from meterworks.trust.pki.errors import EnrolmentRefused, PkiUsageError
from meterworks.trust.pki.ledger import Ledger, revoke_within
from meterworks.trust.pki.name import CertificateSubject
from meterworks.trust.pki.profile import profile_of
from meterworks.trust.pki.role import PeerRole
from meterworks.trust.pki.shipment import ManufacturedDevice, Shipment

__all__ = [
    "ADMIT_SUBJECT",
    "COMMISSION_SUBJECT",
    "RETIRE_SUBJECT",
    "CommissionReport",
    "DeviceCredentials",
    "DeviceRecord",
    "DeviceState",
    "Provisioning",
    "make_device_credentials",
]

ADMIT_SUBJECT: Final = "pki.admit"
"""Where the pki process is given the seal of a shipment whose devices may enrol."""
COMMISSION_SUBJECT: Final = "pki.commission"
"""Where the pki process is told of devices that were seen to use the operator's certificates."""
RETIRE_SUBJECT: Final = "pki.retire"
"""Where the pki process is told of certificates of devices that were replaced by others."""
TOKEN_LIFETIME: Final = timedelta(days=1)
_TOKEN_SIZE: Final = 32  # octets of chance
_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}


class DeviceState(StrEnum):
    """Where a device stands between maker and operator."""

    MANUFACTURED = "manufactured"  # known by a sealed shipment; the maker's credentials open enrolment
    PERSONALISED = "personalised"  # has operator certificates, which were not seen in use yet
    COMMISSIONED = "commissioned"  # uses them; the maker's are refused
    SCRAPPED = "scrapped"  # nothing of it is accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCredentials:
    """A device's first certificates and its private keys, both in DER by profile. Its text shows no key."""

    identity: str
    certificates: Mapping[str, bytes]
    keys: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"DeviceCredentials({self.identity!r}, {', '.join(self.certificates)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecord:
    """The provisioning record: it binds serial number, keys and owner. keys: digests (hex) by profile."""

    identity: str
    serial: str
    owner: str
    maker: str
    model: str
    firmware: str
    keys: Mapping[str, str]
    state: DeviceState
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissionReport:
    """What commissioning replaced: each cell's profile, the number of the maker's certificate and of the operator's."""

    identity: str
    replaced: tuple[tuple[str, str, str], ...]

    @property
    def is_complete(self) -> bool:
        """Whether every credential of the maker was replaced."""
        return all(operator for _, _, operator in self.replaced)


def make_device_credentials(
    maker: Authority,
    devices: Sequence[str],
    *,
    profiles: Sequence[str] = ("dlms-1-tls",),
    role: PeerRole = PeerRole.DEVICE,
    now: datetime | None = None,
) -> list[DeviceCredentials]:
    """Make keys and the maker's certificates for devices (identities of 16 hex digits), in order.

    It stands for what happens in each device at the factory: a real one makes its keys itself and lets none out. Two
    commits a batch of 2,000, so a shipment of 10,000 takes seconds. Raises as `Authority.issue_many`.
    """
    keys = {
        profile: [ec.generate_private_key(_CURVES[profile_of(profile).curves[0]]) for _ in devices]
        for profile in profiles
    }
    certificates = {
        profile: maker.issue_many(
            profile,
            [
                Enrolment(CertificateSubject(identity=identity, role=role), key.public_key())
                for identity, key in zip(devices, keys[profile], strict=True)
            ],
            now=now,
        )
        for profile in profiles
    }
    return [
        DeviceCredentials(
            identity=identity,
            certificates={profile: certificates[profile][place].public_bytes(Encoding.DER) for profile in profiles},
            keys={
                profile: keys[profile][place].private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
                for profile in profiles
            },
        )
        for place, identity in enumerate(devices)
    ]


class Provisioning:
    """The register of devices on their way from maker to operator, in the ledger of a PKI."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def admit(self, shipment: Shipment, seal: bytes, *, now: datetime | None = None) -> int:
        """Register the devices of an opened shipment, all or none; `seal`: the octets it came in, kept as evidence.

        The same shipment again changes nothing. Gives how many are new. Raises EnrolmentRefused where a device is known
        with other keys or another owner, or a key belongs to another device (SEC-018).
        """
        at = (now or datetime.now(UTC)).timestamp()
        digest = hashlib.sha256(seal).digest()
        count = 0
        with self._ledger.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO seal (digest, octets) VALUES (?, ?)", (digest, seal))
            for device in shipment.devices:
                count += _admit(connection, shipment, device, digest, at)
        return count

    def device(self, identity: str) -> DeviceRecord:
        """The record of a device. Raises EnrolmentRefused for one that no shipment named."""
        found = self._ledger.rows(f"{_SELECT} WHERE identity = ?", identity)
        if not found:
            raise EnrolmentRefused(
                f"the device {identity} is in no shipment that was admitted: admit its maker's shipment first",
                identity=identity,
            )
        return _record(found[0])

    def seal(self, identity: str) -> bytes:
        """The seal a device came under, as its maker wrote it: with its certificates, whoever has the maker's root can
        check it. Raises EnrolmentRefused for a device that no shipment named, PkiUsageError where no seal was kept.
        """
        self.device(identity)
        question = "SELECT octets FROM seal JOIN device ON device.seal = seal.digest WHERE device.identity = ?"
        found = self._ledger.rows(question, identity)
        if not found:
            raise PkiUsageError(f"the seal of the device {identity} was admitted before seals were kept")
        octets = found[0][0]
        assert isinstance(octets, bytes)
        return octets

    def devices(self, state: DeviceState | None = None) -> list[DeviceRecord]:
        """All records, or those of one state, by identity."""
        found = self._ledger.rows(f"{_SELECT} WHERE ?1 IS NULL OR state = ?1 ORDER BY identity", state)
        return [_record(row) for row in found]

    def new_token(
        self,
        identity: str,
        *,
        key: ec.EllipticCurvePublicKey | None = None,
        lifetime: timedelta = TOKEN_LIFETIME,
        now: datetime | None = None,
    ) -> str:
        """Make a one-time enrolment token for an identity, and for one key only where it is given. It is shown once."""
        token = secrets.token_urlsafe(_TOKEN_SIZE)
        ends_at = ((now or datetime.now(UTC)) + lifetime).timestamp()
        with self._ledger.transaction() as connection:
            connection.execute(
                "INSERT INTO token (digest, identity, key_digest, ends_at) VALUES (?, ?, ?, ?)",
                (_token_digest(token), identity, key_digest(key) if key else None, ends_at),
            )
        return token

    def redeem(self, token: str, identity: str, key: ec.EllipticCurvePublicKey, *, now: datetime | None = None) -> None:
        """Use up a token for this identity and key. Raises EnrolmentRefused: unknown, used, ended, or another's.

        Whatever is wrong, the refusal's text to the peer is the same; its facts tell the log which.
        """
        at = (now or datetime.now(UTC)).timestamp()
        with self._ledger.transaction() as connection:
            found = connection.execute(
                "SELECT identity, key_digest, ends_at, used_at FROM token WHERE digest = ?", (_token_digest(token),)
            ).fetchone()
            cause = _fault_of_token(found, identity, key_digest(key), at)
            if cause:
                raise EnrolmentRefused(
                    "the enrolment token does not open this enrolment: ask for a new one",
                    cause=cause,
                    identity=identity,
                )
            connection.execute("UPDATE token SET used_at = ? WHERE digest = ?", (at, _token_digest(token)))

    def personalise(
        self,
        authority: Authority,
        profile: str,
        identity: str,
        key: ec.EllipticCurvePublicKey,
        *,
        role: PeerRole = PeerRole.DEVICE,
        now: datetime | None = None,
    ) -> x509.Certificate:
        """Certify a device's key for the operator at first contact; the caller has seen proof of possession.

        The same key again, as after a lost answer, gives the certificate it was given. Raises EnrolmentRefused: no
        shipment named the device, it is commissioned or scrapped, or has another key in this cell already.
        """
        self.admits_maker(identity)
        for row in self._ledger.certificates(authority=authority.name, identity=identity):
            if row.profile == profile and row.revoked_at is None:
                held = x509.load_der_x509_certificate(row.der)
                if held.public_key() == key:
                    return held
                raise EnrolmentRefused(
                    f"the device {identity} enrolled for {profile} already, with another key: revoke that certificate "
                    "first if the device lost its key",
                    identity=identity,
                )
        made = authority.issue(profile, CertificateSubject(identity=identity, role=role), key, now=now)
        self._move(identity, DeviceState.PERSONALISED, now)
        return made

    def admits_maker(self, identity: str) -> DeviceRecord:
        """The record of a device for which the maker's credentials still count. Raises EnrolmentRefused otherwise."""
        record = self.device(identity)
        if record.state in {DeviceState.COMMISSIONED, DeviceState.SCRAPPED}:
            raise EnrolmentRefused(
                f"the device {identity} is {record.state}: its maker's credentials open nothing", identity=identity
            )
        return record

    def admits_first_credential(self, identity: str, key: ec.EllipticCurvePublicKey) -> DeviceRecord:
        """As `admits_maker`, for who shows a maker's certificate: its key must be one the sealed manifest names.

        Another certificate of the maker, or of another maker, for the same identity opens nothing.
        """
        record = self.admits_maker(identity)
        if key_digest(key).hex() not in record.keys.values():
            raise EnrolmentRefused(
                f"the shipment of the device {identity} names another key than the one shown: ask {record.maker}",
                identity=identity,
            )
        return record

    def waiting(self, identities: Sequence[str]) -> list[str]:
        """Those of these devices that are personalised, and only wait to be seen."""
        state = DeviceState.PERSONALISED.value
        question = "SELECT 1 FROM device WHERE identity = ? AND state = ?"
        return [identity for identity in identities if self._ledger.rows(question, identity, state)]

    def commission_seen(
        self, operator: Authority, maker: Authority, identities: Sequence[str], *, now: datetime | None = None
    ) -> list[CommissionReport]:
        """Commission those of these devices that wait for it, in one transaction; all others are passed over.

        Whoever saw them use the operator's certificates may tell so as often as it likes. A device with a cell that has
        no successor yet is left as it is. Gives what was replaced.
        """
        found = [self._replacement(operator, maker, identity) for identity in self.waiting(identities)]
        reports = [report for report in found if report.is_complete]
        if reports:
            self._commission(maker, reports, now)
        return reports

    def commission(
        self, operator: Authority, maker: Authority, identity: str, *, now: datetime | None = None
    ) -> CommissionReport:
        """Confirm that the device was seen to use its operator certificates: the maker's are revoked and refused.

        Gives what was replaced by what. Raises EnrolmentRefused where a cell of the maker's has no successor.
        """
        self.admits_maker(identity)
        report = self._replacement(operator, maker, identity)
        if not report.is_complete:
            left = ", ".join(cell for cell, _, number in report.replaced if not number)
            raise EnrolmentRefused(
                f"the device {identity} still stands on its maker's credentials for {left}: enrol these first",
                identity=identity,
            )
        self._commission(maker, [report], now)
        return report

    def _replacement(self, operator: Authority, maker: Authority, identity: str) -> CommissionReport:
        before = _numbers(self._ledger, maker.name, identity)
        after = _numbers(self._ledger, operator.name, identity)
        cells = sorted({*self.device(identity).keys, *before})
        return CommissionReport(
            identity=identity,
            replaced=tuple(
                (cell, f"{before.get(cell, 0):x}", f"{after[cell]:x}" if cell in after else "") for cell in cells
            ),
        )

    def _commission(self, maker: Authority, reports: Sequence[CommissionReport], now: datetime | None) -> None:
        at = now or datetime.now(UTC)
        with self._ledger.transaction() as connection:
            for report in reports:
                for _, number, _ in report.replaced:
                    if int(number, 16):  # 0: of a maker whose certificates are not in this ledger
                        revoke_within(connection, maker.name, int(number, 16), x509.ReasonFlags.superseded.value, at)
                _moved(connection, report.identity, DeviceState.COMMISSIONED, at)

    def scrap(self, identity: str, authorities: Sequence[Authority], *, now: datetime | None = None) -> None:
        """Take a device out of service for good: all its certificates of these authorities are revoked."""
        for authority in authorities:
            for number in _numbers(self._ledger, authority.name, identity).values():
                authority.revoke(number, x509.ReasonFlags.cessation_of_operation.value, now=now)
        self._move(identity, DeviceState.SCRAPPED, now)

    def _move(self, identity: str, state: DeviceState, now: datetime | None) -> None:
        with self._ledger.transaction() as connection:
            _moved(connection, identity, state, now or datetime.now(UTC))


_SELECT: Final = "SELECT identity, serial, owner, maker, model, firmware, keys, state, changed_at FROM device"


def _admit(
    connection: sqlite3.Connection, shipment: Shipment, device: ManufacturedDevice, seal: bytes, at: float
) -> int:
    """Register one device; gives 1 where it is new."""
    keys = json.dumps(dict(device.keys), sort_keys=True)
    known = connection.execute("SELECT owner, keys FROM device WHERE identity = ?", (device.identity,)).fetchone()
    if known is not None:
        if known != (shipment.owner, keys):
            raise EnrolmentRefused(
                f"the device {device.identity} is known already, with other keys or another owner",
                identity=device.identity,
            )
        return 0
    for profile, digest in device.keys.items():
        binding = (bytes.fromhex(digest), device.identity, profile_of(profile).purpose.value)
        connection.execute(
            "INSERT INTO key (digest, identity, purpose) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", binding
        )
        bound = connection.execute("SELECT identity, purpose FROM key WHERE digest = ?", binding[:1]).fetchone()
        if bound != binding[1:]:
            raise EnrolmentRefused(
                f"the device {device.identity} comes with the key of {bound[0]}: every device has its own",
                identity=device.identity,
                holder=bound[0],
            )
    connection.execute(
        "INSERT INTO device (identity, serial, owner, maker, model, firmware, keys, seal, state, changed_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            device.identity,
            device.serial,
            shipment.owner,
            shipment.maker,
            device.model,
            device.firmware,
            keys,
            seal,
            DeviceState.MANUFACTURED.value,
            at,
        ),
    )
    return 1


def _fault_of_token(found: tuple[object, ...] | None, identity: str, key: bytes, at: float) -> str:
    if found is None:
        return "unknown"
    holder, bound, ends_at, used_at = found
    assert isinstance(ends_at, float)
    if used_at is not None:
        return "used"
    if at > ends_at:
        return "ended"
    if holder != identity:
        return "of another identity"
    return "of another key" if bound not in (None, key) else ""


def _moved(connection: sqlite3.Connection, identity: str, state: DeviceState, at: datetime) -> None:
    found = connection.execute(
        "UPDATE device SET state = ?, changed_at = ? WHERE identity = ? AND state != 'scrapped'",
        (state.value, at.timestamp(), identity),
    )
    if found.rowcount == 0:
        raise PkiUsageError(f"there is no device {identity} to become {state}", identity=identity)


def _token_digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _numbers(ledger: Ledger, authority: str, identity: str) -> dict[str, int]:
    """The numbers of a device's certificates that are not revoked, by profile."""
    return {
        row.profile: x509.load_der_x509_certificate(row.der).serial_number
        for row in ledger.certificates(authority=authority, identity=identity)
        if row.revoked_at is None
    }


def _record(row: tuple[object, ...]) -> DeviceRecord:
    identity, serial, owner, maker, model, firmware, keys, state, changed_at = row
    assert isinstance(changed_at, float)
    return DeviceRecord(
        identity=str(identity),
        serial=str(serial),
        owner=str(owner),
        maker=str(maker),
        model=str(model),
        firmware=str(firmware),
        keys=json.loads(str(keys)),
        state=DeviceState(str(state)),
        changed_at=datetime.fromtimestamp(changed_at, UTC),
    )
