"""Key jobs on a real meter of each suite, each APDU on the wire cut in turn: the request, then the answer.

Behind a relay that counts what goes to the meter. One meter lives through all cuts, so each job begins with what the
one before left: counters, keys, certificates.
"""

import asyncio
import contextlib
from dataclasses import replace

import pytest
from tests.integration.headend.field import device_record
from tests.integration.headend.key_field import START, specification
from tests.security.device_keys.bench import Fleet as Known
from tests.security.device_keys.bench import MemoryLedger, Telegraph, nothing
from tests.security.device_keys.certified import OwnPairs, Registrar, certify_meter
from tests.unit.devices.plain_load import PlainLoad

from meterworks.devices import Fleet, FleetSettings, certificate_store, security_setup
from meterworks.devices.meter_key import keys_of
from meterworks.devices.view import LOG_TAMPER
from meterworks.headend import HeadendSettings, KeyPurpose, KeyTask
from meterworks.headend.counters import CounterBlocks
from meterworks.headend.dialer import LinkDialer
from meterworks.headend.key_runner import KeyRunner
from meterworks.headend.key_service import KeyService
from meterworks.headend.slots import SessionSlots
from meterworks.protocols.dlms import SecuritySuite, SoftwareSigner
from meterworks.registry import STORE_KEY, KeyHand, KeyKind, KeyOrigin, KeySelection, NewKey
from meterworks.runtime import ClockSettings, SystemClock

SYMMETRIC = (KeyKind.GUEK, KeyKind.GAK, KeyKind.KEK)
CUTS = ("request", "answer")
CONTACTS_MAX = 4


class Relay:
    """Between head-end and meter. at: the APDU to the meter at which it breaks once. seen: APDUs so far."""

    def __init__(self, host, port):
        self.target = host, port
        self.at, self.cut, self.seen, self.broken = None, "", 0, 0

    async def start(self):
        self.server = await asyncio.start_server(self.relay, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    def break_at(self, at, cut):
        self.at, self.cut, self.seen, self.broken = at, cut, 0, 0

    async def relay(self, reader, writer):
        to_meter, from_meter = None, None
        try:
            from_meter, to_meter = await asyncio.open_connection(*self.target)
            while chunk := await reader.read(65536):
                self.seen += 1
                breaks = self.at is not None and self.seen == self.at
                self.broken += breaks
                if breaks and self.cut == "request":
                    break
                to_meter.write(chunk)
                answer = await from_meter.read(65536)
                if breaks or not answer:
                    break
                writer.write(answer)
        finally:
            for each in (writer, to_meter):
                if each is not None:
                    each.close()
                    with contextlib.suppress(OSError):
                        await each.wait_closed()

    async def close(self):
        self.server.close()
        await self.server.wait_closed()


class Wire:
    """One meter on a socket behind a relay, and the service that changes its keys."""

    def __init__(self, folder, suite):
        self.folder, self.suite = folder, suite
        self.clock = SystemClock(ClockSettings(anchor_epoch_s=START, offset_s=0.0, rate=1.0))
        self.ledger, self.telegraph = MemoryLedger(self.clock), Telegraph()
        self.registrar = Registrar(self.clock.epoch_s())
        self.settings = HeadendSettings(key_age_days_max=0, answer_timeout_s=5.0, key_retry_s=0.0)
        self.own = OwnPairs(bytes.fromhex(self.settings.system_title), self.registrar)
        self.counters = CounterBlocks(nothing, block=64, reserved={})

    async def start(self):
        made = specification(0, suite=self.suite)
        self.meters = Fleet([(made, PlainLoad(int(START)))], FleetSettings(), self.clock)
        await self.meters.start()
        self.meter = self.meters.meter(0)
        self.relay = Relay(made.address.rpartition(":")[0], self.meters.ports[0])
        port = await self.relay.start()
        keys = {KeyKind.GUEK: made.guek, KeyKind.GAK: made.gak, KeyKind.KEK: made.kek}
        now = self.clock.now()
        fresh = {kind: NewKey(wrapped=key) for kind, key in keys.items()}
        hand = KeyHand(device_id=1).prepared(fresh, KeyOrigin.IMPORTED, STORE_KEY, now)
        if self.suite:
            held = {KeyKind.SIGNING: NewKey(certificate=certify_meter(self.meter, self.registrar, self.own))}
            hand, fresh = hand.prepared(held, KeyOrigin.CERTIFIED, "", now), {**fresh, **held}
        self.ledger.hands[1] = hand.put_in_force(fresh, now)
        record = device_record(1, "127.0.0.1", port, starts=int(START))
        self.fleet = Known(
            {1: replace(record, system_title=made.system_title, guek=made.guek, gak=made.gak, suite=self.suite)}
        )
        self.service = self.restarted()
        return self

    def restarted(self):
        runner = KeyRunner(
            self.ledger, self.counters, self.clock, tell=self.telegraph.tell, own=self.own, certifier=self.registrar
        )
        made = KeyService(
            self.ledger, runner, self.fleet, SessionSlots(self.settings, self.clock), LinkDialer(self.settings),
            clock=self.clock, settings=self.settings, telegraph=self.telegraph,
        )  # fmt: skip
        made.take_up(list(self.ledger.kept.values()), list(self.ledger.all_jobs.values()))
        return made

    async def job(self, at, cut, **more):
        """One job with one cut, the head-end killed by it; gives how many APDUs it took to the end."""
        campaign = await self.service.start(KeyPurpose.PERSONALISE, KeySelection(), **more)
        self.relay.break_at(at, cut)
        for _ in range(CONTACTS_MAX):
            with contextlib.suppress(Exception):
                await self.service.attend(self.fleet.devices[1], None)
            self.service = self.restarted()
            if str(self.ledger.all_jobs[campaign.id, 1].state) == "done":
                assert self.relay.broken == (at is not None)
                return self.relay.seen
        raise AssertionError(f"{cut} {at}: {self.ledger.all_jobs[campaign.id, 1]}")

    async def close(self):
        await self.relay.close()
        await self.meters.stop()


def assert_whole(wire):
    """One key of each kind at both ends, none pending, counters of each key as far as they were."""
    hand = wire.ledger.hands[1]
    wire.meter.association(1)
    mine = keys_of(wire.meter.view)
    active = hand.active()
    assert [active[kind].wrapped for kind in SYMMETRIC] == [mine.guek, mine.gak, mine.kek]
    assert not hand.pending()
    assert len([each for each in hand.versions if each.is_in_force]) == len(active)
    assert wire.fleet.devices[1].guek == mine.guek


@pytest.fixture(params=[0, 1, 2])
async def wire(tmp_path, request):
    made = await Wire(tmp_path, request.param).start()
    yield made
    await made.close()


async def test_each_apdu_of_a_rotation_may_be_cut(wire):
    whole = await wire.job(None, "")
    assert_whole(wire)
    assert whole == {0: 6, 1: 10, 2: 10}[wire.suite]
    assert LOG_TAMPER not in {event.log for event in wire.meter.view.state.own_events(0)}  # nobody attacked it
    for at in range(1, whole + 1):
        for cut in CUTS:
            before = {each.version: each.counter for each in wire.ledger.hands[1].versions if each.kind is KeyKind.GUEK}
            await wire.job(at, cut)
            assert_whole(wire)
            after = {each.version: each.counter for each in wire.ledger.hands[1].versions if each.kind is KeyKind.GUEK}
            assert all(after[version] >= counter for version, counter in before.items())
    origin = wire.ledger.hands[1].active()[KeyKind.KEK].origin
    assert origin is (KeyOrigin.AGREED if wire.suite else KeyOrigin.GENERATED)


@pytest.mark.parametrize("wire", [1], indirect=True)
async def test_each_apdu_of_a_certification_may_be_cut(wire):
    asked = {"task": KeyTask.CERTIFICATE, "kinds": (KeyKind.SIGNING,)}
    whole = await wire.job(None, "", **asked)
    for at in range(1, whole + 1):
        for cut in CUTS:
            await wire.job(at, cut, **asked)
            assert_whole(wire)
            rows = certificate_store.certificates(wire.meter.view)
            shown = [row.octets for row in rows if row.entity is certificate_store.CertificateEntity.SERVER]
            assert shown == [wire.ledger.hands[1].active()[KeyKind.SIGNING].certificate]
    await wire.job(None, "")  # and keys are agreed with the last of these pairs
    assert wire.ledger.hands[1].active()[KeyKind.KEK].origin is KeyOrigin.AGREED


@pytest.mark.parametrize("wire", [1, 2], indirect=True)
async def test_a_meter_that_signs_its_answers_with_another_key_is_told_of(wire, monkeypatch):
    first = wire.ledger.hands[1].active()[KeyKind.SIGNING]
    other = SoftwareSigner(SecuritySuite(wire.suite), bytes(47 if wire.suite == 2 else 31) + b"\7")
    monkeypatch.setattr(security_setup, "SoftwareSigner", lambda suite, scalar: other)
    await wire.service.start(KeyPurpose.PERSONALISE, KeySelection(), task=KeyTask.CERTIFICATE, kinds=(KeyKind.SIGNING,))
    await wire.service.attend(wire.fleet.devices[1], None)
    (job,) = wire.ledger.all_jobs.values()
    assert (str(job.state), "signed answer is not of the certified key" in job.reason) == ("failed", True), job.reason
    assert wire.ledger.hands[1].active()[KeyKind.SIGNING] == first
