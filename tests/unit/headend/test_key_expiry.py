"""Certificates of meters and ours that near their end: successors are asked for once, alarms come once each."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.security.device_keys.bench import START
from tests.security.device_keys.certified import Registrar

from meterworks.errors import UnreachableError
from meterworks.headend import KeyTask
from meterworks.headend.key_expiry import CertificateWatch, certificates_due
from meterworks.protocols.dlms import SecuritySuite
from meterworks.registry import KeyHand, KeyKind, KeyOrigin, NewKey

NOW = datetime.fromtimestamp(START, UTC)
DAY = 86_400.0


def hand(number, days, kind=KeyKind.SIGNING):
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    made = Registrar(START).issue(f"{number:016x}", key, "signature", days=days)
    fresh = {kind: NewKey(certificate=made.public_bytes(Encoding.DER))}
    return KeyHand(device_id=number).prepared(fresh, KeyOrigin.CERTIFIED, "", NOW).put_in_force(fresh, NOW)


class Ledger:
    def __init__(self, *hands):
        self.hands = hands

    async def certified(self):
        yield list(self.hands)


class Campaigns:
    def __init__(self):
        self.begun, self.under_way = [], set()

    async def start(self, purpose, selection, **more):
        self.begun.append((more["task"], more["kinds"], selection.device_ids))
        self.under_way |= {(each, more["task"]) for each in selection.device_ids}

    def is_under_way(self, device_id, task):
        return (device_id, task) in self.under_way


class Own:
    """Our certificates, renewed when a test says so."""

    def __init__(self):
        self.fresh, self.away, self.asked = False, False, []

    async def ready(self, suite, *, now):
        self.asked.append(int(suite))
        if self.away:
            raise UnreachableError("nobody there")
        return self.fresh

    def expiring(self):
        return []


def watch(*hands, own=None):
    told, campaigns = [], Campaigns()
    made = CertificateWatch(Ledger(*hands), campaigns, own=own, tell=told.append, pace_per_minute=60)
    return made, campaigns, told


def test_only_what_is_past_two_thirds_of_its_time_is_due():
    due = certificates_due([hand(1, 90), hand(2, 90, KeyKind.TLS), hand(3, 3650)], NOW + timedelta(days=61))
    assert due.renewals == {KeyKind.SIGNING: [1], KeyKind.TLS: [2]}
    assert [(number, each.days) for number, each in due.alarms] == []  # not yet by the share that may be late
    late = certificates_due([hand(1, 90)], NOW + timedelta(days=84))
    assert [(number, each.name, each.days) for number, each in late.alarms] == [(1, "signing", 7)]


async def test_a_successor_is_asked_for_once_and_alarms_come_once_each():
    made, campaigns, told = watch(hand(1, 100), hand(2, 3650))
    for day in (0, 70, 71, 92, 95, 101, 102):
        await made.look({1: 1, 2: 1}, START + day * DAY, NOW + timedelta(days=day))
    assert campaigns.begun == [(KeyTask.CERTIFICATE, (KeyKind.SIGNING,), (1,))]
    assert [news.kind for news in told] == ["certificate-ending"] * 3  # 30 and 7 days before, and after
    assert len({news.detail for news in told}) == 1
    assert all(news.failed and news.device_id == 1 for news in told)


async def test_meters_are_looked_at_once_a_day_and_we_at_each_look():
    own = Own()
    made, campaigns, _ = watch(hand(1, 1), own=own)
    for hours in (0, 1, 2, 25):
        campaigns.under_way.clear()
        await made.look({1: 2}, START + hours * 3600, NOW + timedelta(days=3))
    assert len(campaigns.begun) == 2
    assert own.asked == [2, 2, 2, 2]


async def test_a_new_certificate_of_ours_goes_to_the_meters_of_its_suite():
    own = Own()
    made, campaigns, _ = watch(own=own)
    own.fresh = True
    await made.look({1: 1, 2: 2, 3: 0, 4: 1}, START, NOW)
    assert campaigns.begun == [(KeyTask.CLIENT, (), (1, 4)), (KeyTask.CLIENT, (), (2,))]
    assert own.asked == [int(SecuritySuite.SUITE_1), int(SecuritySuite.SUITE_2)]


async def test_an_authority_that_is_away_ends_no_look():
    own = Own()
    own.away = True
    made, campaigns, _ = watch(hand(1, 1), own=own)
    await made.look({1: 1}, START, NOW + timedelta(days=3))
    assert [task for task, _, _ in campaigns.begun] == [KeyTask.CERTIFICATE]
