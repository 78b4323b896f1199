"""Emulated meters behind a line that fails on command, and key jobs on them: no socket, no cipher, no database.

Meters of suites 1 and 2 have certified key pairs, and hold ours.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field, replace

from tests.integration.headend.field import device_record
from tests.security.device_keys.certified import OwnPairs, Registrar, certify_meter
from tests.unit.devices.plain_load import PlainLoad

from meterworks.devices import METER_MODELS, ElectricityMeter, FleetState, MeterSpecification, MeterView
from meterworks.devices.meter_key import keys_of, put_keys_in_force, suite_of
from meterworks.headend import HeadendSettings, KeyJob, KeyPurpose, key_service
from meterworks.headend.counters import CounterBlocks
from meterworks.headend.key_runner import KeyRunner
from meterworks.headend.key_service import KeyService
from meterworks.headend.slots import SessionSlots
from meterworks.links import ConnectionLost, WriteOutcomeUnknown
from meterworks.protocols.dlms import ActionResult, DataAccessResult, Diagnostic, SecuritySuite
from meterworks.protocols.errors import AssociationRefused, ServiceRefused
from meterworks.registry import STORE_KEY, KeyHand, KeyKind, KeyOrigin, KeySelection, NewKey
from meterworks.runtime import ManualClock

START = 1_772_323_200.0
HEAD_END = b"MWR\0\0\0\0\1"
STEPS = ("request", "answer", "death")
LOSSES = ("request", "answer")  # on the bench a meter that dies with its answer is one whose answer is lost


def first_key(number, kind, suite=0):
    return hashlib.sha256(f"{number}/{kind}".encode()).digest()[: 32 if suite == 2 else 16]


def title_of(number):
    return b"SEC" + number.to_bytes(5, "big")


def new_meter(number, *, kek=True, suite=0, logins=()):
    specification = MeterSpecification(
        system_title=title_of(number), serial=f"S{number}", guek=first_key(number, "guek", suite),
        gak=first_key(number, "gak", suite), kek=first_key(number, "kek", suite) if kek else None,
        suite=SecuritySuite(suite), logins=logins,
    )  # fmt: skip
    model = METER_MODELS[1]
    view = MeterView(
        0, specification, PlainLoad(int(START)), FleetState(None, [title_of(number)]),
        epoch_s=lambda: START, object_lists=model.object_lists,
    )  # fmt: skip
    view.start_clock()
    return ElectricityMeter(model, view)


@dataclass
class Line:
    """The way to the meters. faults: what happens at the next exchanges, None for nothing."""

    meters: dict
    faults: list = field(default_factory=list)
    heard: list = field(default_factory=list)
    """(device, what) in order."""

    async def dial(self, device, client_sap, counter):
        return Link(self, device, client_sap, counter)

    def fault(self):
        return self.faults.pop(0) if self.faults else None


class Link:
    """One association: the keys must be the meter's, and the counter must not have been used."""

    timeout_s = 1.0

    def __init__(self, line, device, client_sap, counter):
        self.line, self.device, self.sap, self.counter = line, device, client_sap, counter
        self.meter = line.meters[device.device_id]

    async def associate(self):
        fault = self.line.fault()
        self.line.heard.append((self.device.device_id, "associate"))
        counter = self.counter.next()
        if fault == "request":
            raise ConnectionLost("the request got lost")
        put_keys_in_force(self.meter.view)
        mine = keys_of(self.meter.view)
        if (self.device.guek, self.device.gak, self.device.suite) != (mine.guek, mine.gak, suite_of(self.meter.view)):
            raise AssociationRefused("refused", diagnostic=Diagnostic.AUTHENTICATION_FAILURE)
        wanted = self.meter.association(self.sap)
        if (wanted.mechanism, wanted.secret) != (self.device.mechanism, self.device.secret):
            raise AssociationRefused("refused", diagnostic=Diagnostic.AUTHENTICATION_FAILURE)
        if not self.meter.accept_invocation_counter(HEAD_END, counter):
            raise AssociationRefused("used", counter=self.meter.lowest_acceptable_counter(HEAD_END))
        if fault is not None:
            raise ConnectionLost("the answer got lost")

    async def get(self, address, selection=None):
        if self.line.fault() is not None:
            raise ConnectionLost("request or answer got lost")
        answer = self.meter.get(self.sap, address, selection)
        if isinstance(answer, DataAccessResult):
            raise ServiceRefused("refused", result=int(answer))
        return answer

    async def set(self, address, value):
        fault = self.line.fault()
        if fault == "request":
            raise WriteOutcomeUnknown("the request got lost")
        result = self.meter.set(self.sap, address, value)
        if fault is not None:
            raise WriteOutcomeUnknown("the answer got lost")
        if result is not DataAccessResult.SUCCESS:
            raise ServiceRefused("refused", result=int(result))

    async def action(self, address, parameter=None):
        fault = self.line.fault()
        self.line.heard.append((self.device.device_id, "action"))
        if fault == "request":
            raise WriteOutcomeUnknown("the request got lost")
        result, value = self.meter.action(self.sap, address, parameter)
        if fault is not None:
            raise WriteOutcomeUnknown("the answer got lost")
        if result is not ActionResult.SUCCESS:
            raise ServiceRefused("refused", result=int(result))
        return value

    async def release(self):
        return True

    async def close(self):
        return None


class MemoryLedger:
    """What the database would hold."""

    def __init__(self, clock):
        self.clock, self.hands, self.kept, self.all_jobs, self.suites = clock, {}, {}, {}, {}

    async def hand(self, device_id):
        return self.hands[device_id]

    def open(self, version):
        return version.wrapped

    def wrap(self, keys):
        return {kind: NewKey(wrapped=key) for kind, key in keys.items()}

    async def write(self, device_id, *, change=None, job=None, counter=None, suite=None):
        if suite is not None:
            self.suites[device_id] = suite
        if job is not None:
            self.all_jobs[job.campaign_id, job.device_id] = job
        if change is None:
            return None
        self.hands[device_id] = change(self.hands[device_id])
        return self.hands[device_id]

    async def selected(self, selection):
        return sorted(selection.device_ids or self.hands)

    async def declare_compromised(self, device_ids, kinds):
        for device_id in device_ids:
            self.hands[device_id] = self.hands[device_id].compromised(kinds)

    async def transport_devices(self):
        return [
            number
            for number, hand in self.hands.items()
            if any(each.origin is KeyOrigin.TRANSPORT for each in hand.active().values())
        ]

    async def begun_before(self, purpose):
        return {number for campaign, number in self.all_jobs if self.kept[campaign].purpose is purpose}

    async def add_campaign(self, campaign, device_ids):
        self.kept[campaign.id] = campaign
        jobs = [KeyJob(campaign_id=campaign.id, device_id=each, changed_at=campaign.created_at) for each in device_ids]
        self.all_jobs |= {(job.campaign_id, job.device_id): job for job in jobs}
        return jobs

    async def save_campaign(self, campaign, jobs=()):
        self.kept[campaign.id] = campaign

    def states(self):
        return [str(job.state) for job in self.all_jobs.values()]


class Telegraph:
    def __init__(self):
        self.told = []

    def tell(self, news):
        self.told.append(news.kind)

    async def started(self, campaign, devices):
        self.told.append("started")

    async def changed(self, campaign, changed_by):
        self.told.append("changed")


class Fleet:
    def __init__(self, devices):
        self.devices = devices

    def is_quarantined(self, device_id):
        return False

    def keys_changed(self, device):
        known = self.devices[device.device_id]
        self.devices[device.device_id] = replace(known, guek=device.guek, gak=device.gak, suite=device.suite)


async def nothing(*_):
    return None


class Bench:
    """Some meters, their keys at the head-end, and the service that changes them."""

    def __init__(self, count=1, *, origin=KeyOrigin.TRANSPORT, kek=True, reserved=None, block=64, suite=0, logins=()):
        """suite: of all meters; those of suites 1 and 2 begin with certificates. logins: of clients, as of meters."""
        self.clock = ManualClock(START)
        self.suite = suite
        self.line = Line(
            {number: new_meter(number, kek=kek, suite=suite, logins=logins) for number in range(1, count + 1)}
        )
        self.ledger, self.telegraph = MemoryLedger(self.clock), Telegraph()
        self.registrar = Registrar(START)
        self.own = OwnPairs(HEAD_END, self.registrar)
        devices = {}
        for number, meter in self.line.meters.items():
            kinds = [KeyKind.GUEK, KeyKind.GAK, *([KeyKind.KEK] if kek else [])]
            keys = {kind: NewKey(wrapped=first_key(number, str(kind), suite)) for kind in kinds}
            hand = KeyHand(device_id=number).prepared(keys, origin, STORE_KEY, self.clock.now())
            if suite:
                certificate = NewKey(certificate=certify_meter(meter, self.registrar, self.own))
                hand = hand.prepared({KeyKind.SIGNING: certificate}, KeyOrigin.CERTIFIED, "", self.clock.now())
                kinds.append(KeyKind.SIGNING)
            self.ledger.hands[number] = hand.put_in_force(kinds, self.clock.now())
            devices[number] = replace(
                device_record(number, "h", 1, starts=int(START)), system_title=title_of(number), suite=suite,
                guek=first_key(number, "guek", suite), gak=first_key(number, "gak", suite),
            )  # fmt: skip
        self.first = dict(devices)
        self.fleet = Fleet(devices)
        self.settings = HeadendSettings(key_age_days_max=0)
        self.counters = CounterBlocks(nothing, block=block, reserved=reserved or {})
        self.service = self.restarted()

    def restarted(self):
        runner = KeyRunner(
            self.ledger, self.counters, self.clock, tell=self.telegraph.tell, own=self.own, certifier=self.registrar
        )
        return KeyService(
            self.ledger, runner, self.fleet, SessionSlots(self.settings, self.clock), self.line,
            clock=self.clock, settings=self.settings, telegraph=self.telegraph,
        )  # fmt: skip

    def take_up(self):
        """What a new process reads from its database."""
        self.service.take_up(list(self.ledger.kept.values()), list(self.ledger.all_jobs.values()))

    async def start(self, purpose=KeyPurpose.EMERGENCY):
        return await self.service.start(purpose, KeySelection(), kinds=key_service.ROTATED_KINDS)

    async def contact(self, number=1):
        """What any visit of a device begins with; gives the error it ended with."""
        try:
            await self.service.attend(self.fleet.devices[number], None)
        except Exception as error:  # noqa: BLE001  # the test looks at it
            return error
        return None

    async def opens(self, number, device):
        """Whether keys open a meter."""
        try:
            await (await self.line.dial(replace(device, device_id=number), 1, Counting())).associate()
        except AssociationRefused as error:
            return error.facts.get("counter") is not None
        return True

    def in_force(self, number=1):
        hand = self.ledger.hands[number]
        symmetric = [each for each in hand.versions if each.is_in_force and not each.kind.is_certificate]
        return {str(each.kind): each.wrapped for each in symmetric}

    def at_meter(self, number=1):
        put_keys_in_force(self.line.meters[number].view)
        keys = keys_of(self.line.meters[number].view)
        return {"guek": keys.guek, "gak": keys.gak, "kek": keys.kek}


class Counting:
    at = 2**31

    def next(self):
        Counting.at += 1
        return Counting.at


def run(work):
    """Run a coroutine: these checks need no fixture."""
    return asyncio.run(work)


__all__ = ["LOSSES", "STEPS", "Bench", "first_key", "run"]
