"""What other processes tell the pki process of devices: which came in a sealed shipment, which use our certificates.

A shipment is judged here again, whatever the process that passes it on made of it. Head-ends tell of devices as often
as they like; each device is commissioned once, and its maker's certificate revoked with that.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from cryptography import x509

from meterworks.registry import SealRule
from meterworks.runtime import Bus, get_logger
from meterworks.system.seal import admit_sealed
from meterworks.trust.audit import AuditEvent, AuditSink
from meterworks.trust.pki import (
    ADMIT_SUBJECT,
    COMMISSION_SUBJECT,
    RETIRE_SUBJECT,
    CommissionReport,
    PkiUsageError,
    Provisioning,
    SystemPki,
)

__all__ = ["ProvisioningDesk"]

log = get_logger("system.pki")
DEVICES_MAX = 1_000  # told of in one message


@dataclass(frozen=True, slots=True)
class RetiredCertificate:
    """A certificate that was replaced. serial: hexadecimal. reason: superseded or keyCompromise."""

    identity: str
    serial: str
    reason: str


class ProvisioningDesk:
    """Answers on the bus. turn: held by whoever uses the authorities' keys and ledger."""

    def __init__(
        self,
        pki: SystemPki,
        provisioning: Provisioning,
        audit: AuditSink,
        *,
        seals: Callable[[], SealRule],
        turn: asyncio.Lock,
    ) -> None:
        self._pki = pki
        self._provisioning = provisioning
        self._audit = audit
        self._seals = seals
        self._turn = turn

    @contextlib.asynccontextmanager
    async def answering(self, bus: Bus) -> AsyncIterator[None]:
        """Answer while inside."""
        subscriptions = [
            await bus.respond(subject, responder)
            for subject, responder in (
                (ADMIT_SUBJECT, self.admit),
                (COMMISSION_SUBJECT, self.commission),
                (RETIRE_SUBJECT, self.retire),
            )
        ]
        try:
            yield
        finally:
            for subscription in subscriptions:
                await subscription.unsubscribe()

    async def admit(self, seal: bytes) -> bytes:
        """Admit the devices of a sealed shipment to enrolment: its first line. Answers {"new": count}.

        Raises ShipmentRefused or CertificateRefused for a seal that does not hold, EnrolmentRefused for its devices.
        """
        async with self._turn:
            new = await asyncio.to_thread(admit_sealed, seal, self._seals(), self._provisioning)
        return orjson.dumps({"new": new})

    async def commission(self, question: bytes) -> bytes:
        """Commission devices that were seen to use our certificates: {"devices": [identity, ...]}.

        Answers {"commissioned": count}. What is revoked with it is on record before. Raises PkiUsageError.
        """
        seen = _identities(question)
        async with self._turn:
            waiting = await asyncio.to_thread(self._provisioning.waiting, seen)
            if not waiting:
                return orjson.dumps({"commissioned": 0})
            await self._audit.append(_superseding(waiting))
            reports = await asyncio.to_thread(self._commission, waiting)
        for report in reports:
            self._audit.post(_commissioned(report))
        log.info("devices commissioned", devices=len(reports))
        return orjson.dumps({"commissioned": len(reports)})

    async def retire(self, question: bytes) -> bytes:
        """Revoke certificates of devices that were replaced: {"certificates": [{"identity", "serial", "reason"}]}.

        Only those that have a successor in force: nobody is left without one by this. Answers {"revoked": count}; what
        is revoked is on record before. Raises PkiUsageError.
        """
        told = _retired(question)
        async with self._turn:
            found = await asyncio.to_thread(self._succeeded, told)
            if found:
                await self._audit.append(_retiring(found))
                await asyncio.to_thread(self._revoke, found)
        return orjson.dumps({"revoked": len(found)})

    def _succeeded(self, told: list[RetiredCertificate]) -> list[RetiredCertificate]:
        """Those that are in force, and not the newest of their identity and profile."""
        found = []
        for each in told:
            rows = self._pki.ledger.certificates(authority="devices", identity=each.identity)
            living = [row for row in rows if row.revoked_at is None]
            numbers = [f"{x509.load_der_x509_certificate(row.der).serial_number:x}" for row in living]
            if each.serial in numbers:
                place = numbers.index(each.serial)
                if any(row.profile == living[place].profile for row in living[place + 1 :]):
                    found.append(each)
        return found

    def _revoke(self, certificates: list[RetiredCertificate]) -> None:
        authority = self._pki.authority("devices")
        for each in certificates:
            authority.revoke(int(each.serial, 16), each.reason)

    def _commission(self, identities: list[str]) -> list[CommissionReport]:
        operator, maker = self._pki.authority("devices"), self._pki.authority("maker")
        return self._provisioning.commission_seen(operator, maker, identities, now=datetime.now(UTC))


def _retired(question: bytes) -> list[RetiredCertificate]:
    try:
        rows = orjson.loads(question)["certificates"]
        found = [RetiredCertificate(str(row["identity"]), str(row["serial"]), str(row["reason"])) for row in rows]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise PkiUsageError("name each replaced certificate by identity, serial and reason") from error
    if len(found) > DEVICES_MAX or any(each.reason not in ("superseded", "keyCompromise") for each in found):
        raise PkiUsageError(f"name at most {DEVICES_MAX} certificates, superseded or keyCompromise each")
    return found


def _retiring(certificates: list[RetiredCertificate]) -> AuditEvent:
    first, last = certificates[0], certificates[-1]
    return AuditEvent(
        act="certificate.revoked",
        actor="process:pki",
        object="authority:devices",
        cause="the devices were given others",
        facts={"certificates": len(certificates), "first": first.serial, "last": last.serial},
    )


def _identities(question: bytes) -> list[str]:
    try:
        found = orjson.loads(question)["devices"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise PkiUsageError('name the devices that were seen: {"devices": ["4d57530000000001"]}') from error
    if not isinstance(found, list) or len(found) > DEVICES_MAX or not all(isinstance(each, str) for each in found):
        raise PkiUsageError(f"name at most {DEVICES_MAX} devices by their identities")
    return found


def _superseding(devices: list[str]) -> AuditEvent:
    """One record for what a batch of commissionings revokes: each device has one of its own as well."""
    return AuditEvent(
        act="certificate.revoked",
        actor="process:pki",
        object="authority:maker",
        cause="superseded: the devices were seen to use the operator's certificates",
        facts={"devices": len(devices), "first": devices[0], "last": devices[-1]},
    )


def _commissioned(report: CommissionReport) -> AuditEvent:
    facts = {profile.replace("-", "_")[:40]: f"{before} to {after}"[:200] for profile, before, after in report.replaced}
    return AuditEvent(
        act="device.commissioned", actor="process:pki", object=f"device:{report.identity}", facts=dict(facts)
    )
