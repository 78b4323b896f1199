"""When certificates are renewed, and what happens while nobody answers."""

import asyncio
import contextlib
from datetime import timedelta

from tests.unit.trust.pki import forge
from tests.unit.trust.pki.forge import NOW

from meterworks.errors import UnreachableError
from meterworks.runtime import ManualClock
from meterworks.trust.pki import CertificateSubject, PeerRole, Renewer, expiry_alarms, renewal_time, signing_end

DAY_S = 86_400.0


class Service:
    """Something with a certificate of 90 days; while `away`, nobody answers."""

    def __init__(self, clock):
        self.clock = clock
        self.away = False
        self.asked = 0
        self.made = [self.new()]

    def new(self):
        subject = CertificateSubject(identity="web", role=PeerRole.WEB)
        return forge.party("tls-service", subject, forge.world().sub, now=self.clock.now()).certificate

    def certificate(self):
        return self.made[-1]

    async def renew(self):
        self.asked += 1
        if self.away:
            raise UnreachableError("nobody there")
        self.made.append(self.new())


async def lived(days, *, away_from=None, back_at=None):
    clock = ManualClock(NOW)
    service, alarms = Service(clock), []

    async def alarm(found):
        alarms.append(found.days)

    task = asyncio.create_task(Renewer("web", service, clock, alarm=alarm).run())
    for day in range(days):
        service.away = away_from is not None and away_from <= day < (back_at or days)
        await clock.run_for(DAY_S, turns=3)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return service, alarms


async def test_a_certificate_is_renewed_at_two_thirds_again_and_again():
    service, alarms = await lived(400)
    assert 5 <= len(service.made) - 1 <= 7
    assert alarms == []
    for before, after in zip(service.made, service.made[1:], strict=False):
        assert after.not_valid_before_utc < before.not_valid_after_utc - timedelta(days=20)


async def test_who_does_not_answer_is_asked_again_and_alarms_grow_sharper():
    service, alarms = await lived(85, away_from=50)
    assert service.asked > 10
    assert alarms == [30, 7]
    assert len(service.made) == 1


async def test_renewal_succeeds_when_the_authority_is_back():
    service, alarms = await lived(80, away_from=50, back_at=70)
    assert len(service.made) == 2
    assert alarms == [30]


def test_a_key_that_signs_for_part_of_its_certificate_is_renewed_by_that():
    subject = CertificateSubject(identity="Sub")
    authority = forge.party("sm-sub-ca", subject, now=NOW).certificate
    assert signing_end(authority) < authority.not_valid_after_utc
    assert renewal_time(authority) < NOW + timedelta(days=500)


def test_an_ended_certificate_is_said_to_have_ended():
    certificate = forge.world().leaf.certificate
    found = expiry_alarms([("x", certificate)], certificate.not_valid_after_utc)
    assert [alarm.days for alarm in found] == [0]
