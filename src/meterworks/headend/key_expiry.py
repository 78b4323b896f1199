"""Certificates before they end: successors are asked for at two thirds of their time, alarms come 90, 30, 7 days ahead.

Looked for once a day over all meters, and for our own at each look. Times are the machine's clock, as of all
certificates.  Source: SEC-127.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from cryptography import x509

from meterworks.errors import MeterworksError
from meterworks.headend.key_certificate import CERTIFICATE_KINDS
from meterworks.headend.key_identity import CERTIFIED_SUITES, OwnCredentials
from meterworks.headend.key_job import KeyPurpose, KeyTask
from meterworks.headend.key_ledger import KeyLedger
from meterworks.headend.key_retirement import CertificateRetirement
from meterworks.headend.key_run import KeyNews
from meterworks.protocols.dlms import SecuritySuite
from meterworks.registry import DeviceId, KeyHand, KeyKind, KeySelection
from meterworks.runtime import get_logger
from meterworks.trust.pki import ExpiryAlarm, expiry_alarms, renewal_time

__all__ = ["CertificateWatch", "Due", "certificates_due"]

log = get_logger("headend.key_expiry")
LOOK_S: Final = 86_400.0  # between two looks over all meters


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What a look found: devices by the kind of certificate whose successor is due, and alarms by device."""

    renewals: dict[KeyKind, list[DeviceId]]
    alarms: list[tuple[DeviceId, ExpiryAlarm]]


class _Campaigns(Protocol):
    """Begins campaigns: `key_service.KeyService` is one."""

    async def start(
        self,
        purpose: KeyPurpose,
        selection: KeySelection,
        *,
        kinds: tuple[KeyKind, ...] = ...,
        reason: str = ...,
        pace_per_minute: int = ...,
        task: KeyTask = ...,
    ) -> object:
        """Begin one."""

    def is_under_way(self, device_id: int, task: KeyTask) -> bool:
        """Whether a device has an open job of a task."""


def certificates_due(hands: Iterable[KeyHand], now: datetime) -> Due:
    """Look through the certificates in force of devices."""
    renewals: dict[KeyKind, list[DeviceId]] = {}
    alarms: list[tuple[DeviceId, ExpiryAlarm]] = []
    for hand in hands:
        for kind, each in hand.active().items():
            if not kind.is_certificate or each.certificate is None:
                continue
            certificate = x509.load_der_x509_certificate(each.certificate)
            if renewal_time(certificate) <= now:
                renewals.setdefault(kind, []).append(hand.device_id)
            alarms += [(hand.device_id, found) for found in expiry_alarms([(str(kind), certificate)], now)]
    return Due(renewals=renewals, alarms=alarms)


class CertificateWatch:
    """Begins campaigns for certificates whose successor is due, ours and the meters', and tells of those that end."""

    def __init__(
        self,
        ledger: KeyLedger,
        campaigns: _Campaigns,
        *,
        own: OwnCredentials | None,
        tell: Callable[[KeyNews], None],
        pace_per_minute: int,
        retirement: CertificateRetirement | None = None,
    ) -> None:
        """retirement: has replaced certificates revoked; None: they end by themselves."""
        self._ledger = ledger
        self._campaigns = campaigns
        self._own = own
        self._tell = tell
        self._pace_per_minute = pace_per_minute
        self._retirement = retirement
        self._looked_epoch_s = float("-inf")
        self._told: set[tuple[int, str, int]] = set()

    async def look(self, suites: dict[DeviceId, int], now_epoch_s: float, now: datetime | None = None) -> None:
        """See to our own certificates; once a day to those of all meters. suites: of the devices there are."""
        at = now or datetime.now(UTC)
        if self._own is not None:
            for suite in CERTIFIED_SUITES:
                devices = [device_id for device_id, each in suites.items() if each == suite]
                if devices:
                    await self._see_to_ours(self._own, suite, devices, at)
        if now_epoch_s - self._looked_epoch_s >= LOOK_S:
            self._looked_epoch_s = now_epoch_s
            await self._see_to_theirs(at)

    async def replaced(self, device_id: DeviceId) -> None:
        """A device has a new certificate: have the one before revoked; if nobody hears it, it is told again later."""
        if self._retirement is not None:
            await self._retirement.tell([await self._ledger.hand(device_id)])

    async def _see_to_ours(
        self, own: OwnCredentials, suite: SecuritySuite, devices: list[DeviceId], now: datetime
    ) -> None:
        try:
            is_new = await own.ready(suite, now=now)
        except MeterworksError as error:
            log.warning("own key not certified", suite=int(suite), cause=str(error))
            is_new = False
        for alarm in expiry_alarms(own.expiring(), now):
            self._alarm(0, alarm)
        if is_new:
            await self._begin(KeyTask.CLIENT, (), devices, "our certificate was renewed")

    async def _see_to_theirs(self, now: datetime) -> None:
        renewals: dict[KeyKind, list[DeviceId]] = {}
        async for hands in self._ledger.certified():
            due = await asyncio.to_thread(certificates_due, hands, now)
            if self._retirement is not None:
                await self._retirement.tell(hands)
            for kind, found in due.renewals.items():
                renewals.setdefault(kind, []).extend(found)
            for device_id, alarm in due.alarms:
                self._alarm(device_id, alarm)
        for kind in CERTIFICATE_KINDS:
            await self._begin(KeyTask.CERTIFICATE, (kind,), renewals.get(kind, []), "its certificate nears its end")

    async def _begin(self, task: KeyTask, kinds: tuple[KeyKind, ...], devices: list[DeviceId], reason: str) -> None:
        wanted = tuple(each for each in devices if not self._campaigns.is_under_way(each, task))
        if wanted:
            await self._campaigns.start(
                KeyPurpose.SCHEDULED,
                KeySelection(device_ids=wanted, kinds=tuple(KeyKind)),
                kinds=kinds,
                reason=reason,
                pace_per_minute=self._pace_per_minute,
                task=task,
            )

    def _alarm(self, device_id: int, alarm: ExpiryAlarm) -> None:
        """Tell once of each threshold that is passed. device_id 0: ours."""
        name = (device_id, alarm.name, alarm.days)
        if name in self._told:
            return
        self._told.add(name)
        detail = f"the {alarm.name} certificate ends on {alarm.ends_at:%Y-%m-%d} and has no successor"
        self._tell(KeyNews(device_id=device_id, kind="certificate-ending", detail=detail, failed=True))
