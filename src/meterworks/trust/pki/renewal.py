"""Renewal without a gap: when a certificate's successor is due, who asks for it, and who is told if nobody does.

Certificates are judged by the machine's clock; the renewer takes a clock so that a test can live through years.
Source: SECURITY fact sheet SEC-127.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from cryptography import x509

from meterworks.errors import MeterworksError
from meterworks.runtime import Clock, get_logger

__all__ = [
    "ALARM_DAYS",
    "ExpiryAlarm",
    "Renewer",
    "expiry_alarms",
    "renewal_time",
    "signing_end",
]

log = get_logger("trust.renewal")
RENEWAL_SHARE: Final = 2 / 3  # of the lifetime, after which the successor is due
JITTER_SHARE: Final = 0.05  # of the lifetime, by which the asking is spread, so that a fleet does not ask at once
RETRY_S_MIN: Final = 60.0
RETRY_S_MAX: Final = 6 * 3600.0
ALARM_DAYS: Final = (90, 30, 7)
_CHANCES: Final = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryAlarm:
    """A certificate nears its end and has no successor. days: the threshold that was passed; 0 after its end."""

    name: str
    days: int
    ends_at: datetime


def signing_end(certificate: x509.Certificate) -> datetime:
    """Until when its private key signs: the end of privateKeyUsagePeriod, or of the certificate."""
    try:
        period = certificate.extensions.get_extension_for_class(x509.PrivateKeyUsagePeriod).value
    except x509.ExtensionNotFound:
        return certificate.not_valid_after_utc
    return period.not_after.replace(tzinfo=UTC) if period.not_after else certificate.not_valid_after_utc


def renewal_time(certificate: x509.Certificate, *, chance: float = 0.0) -> datetime:
    """When to ask for the successor: at two thirds of the time its key is used; `chance` (0 to 1) adds up to 5 %."""
    starts_at = certificate.not_valid_before_utc
    lifetime = signing_end(certificate) - starts_at
    return starts_at + lifetime * (RENEWAL_SHARE + JITTER_SHARE * chance)


def expiry_alarms(certificates: Iterable[tuple[str, x509.Certificate]], now: datetime) -> list[ExpiryAlarm]:
    """The alarm of each certificate that ends within 90, 30 or 7 days, or has ended: the sharpest one that applies.

    A certificate that lives less than a threshold's time, or is not yet due for renewal, raises no alarm by it.
    """
    alarms: list[ExpiryAlarm] = []
    for name, certificate in certificates:
        ends_at = certificate.not_valid_after_utc
        if now < renewal_time(certificate, chance=1.0):
            continue
        passed = [days for days in ALARM_DAYS if now >= ends_at - timedelta(days=days)]
        if passed:
            alarms.append(ExpiryAlarm(name=name, days=0 if now >= ends_at else min(passed), ends_at=ends_at))
    return alarms


class Renewable(Protocol):
    """What is renewed: its certificate now, and how to get the successor."""

    def certificate(self) -> x509.Certificate:
        """The one in use."""

    async def renew(self) -> None:
        """Get the successor and use it. Raises MeterworksError; the old one stays in use."""


class Renewer:
    """Asks for the successor at two thirds of the lifetime with jitter, and again until it is there."""

    def __init__(
        self,
        name: str,
        subject: Renewable,
        clock: Clock,
        *,
        alarm: Callable[[ExpiryAlarm], Awaitable[None]] | None = None,
    ) -> None:
        self._name = name
        self._subject = subject
        self._clock = clock
        self._alarm = alarm
        self._alarmed: tuple[int, int] | None = None

    async def run(self) -> None:
        """Renew for as long as the task lives. Errors of the tree are logged and tried again; any other ends it."""
        while True:  # bounded by the task's life: each turn sleeps at least RETRY_S_MIN or until renewal is due
            chance = secrets.randbelow(_CHANCES) / _CHANCES
            due_at = renewal_time(self._subject.certificate(), chance=chance)
            await self._clock.sleep((due_at - self._clock.now()).total_seconds())
            await self._renew()

    async def _renew(self) -> None:
        wait_s = RETRY_S_MIN
        before = self._subject.certificate()
        while True:  # bounded by the task's life, each turn a longer wait
            try:
                await self._subject.renew()
            except MeterworksError as error:
                log.warning("certificate not renewed", name=self._name, cause=str(error), again_in_s=wait_s)
                await self._raise_alarm(before)
                await self._clock.sleep(wait_s)
                wait_s = min(2 * wait_s, RETRY_S_MAX)
            else:
                log.info("certificate renewed", name=self._name)
                return

    async def _raise_alarm(self, certificate: x509.Certificate) -> None:
        for found in expiry_alarms([(self._name, certificate)], self._clock.now()):
            if self._alarm is not None and self._alarmed != (certificate.serial_number, found.days):
                self._alarmed = (certificate.serial_number, found.days)
                await self._alarm(found)
