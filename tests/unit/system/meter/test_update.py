"""A whole update: goes on behind broken connections, waits for a restart, tells the firmware before and after."""

import contextlib
from types import SimpleNamespace

import pytest
from tests.unit.system.meter.fake_meter import ENTRIES, FakeMeter, entry
from tests.unit.system.meter.image_meter import ImageMeter

from meterworks.errors import OutcomeUnknown, RefusedError, UnreachableError
from meterworks.links import MeterTarget
from meterworks.protocols.dlms import ObisCode, encode_octet_string
from meterworks.protocols.dlms.cosem import ObjectListEntry, encode_object_list
from meterworks.system.meter import update as meter_update
from meterworks.system.meter.access import MeterAccess
from meterworks.system.meter.image import ImagePlan, ImageStatus, image_transfer_object
from meterworks.system.meter.objects import ObjectBook
from meterworks.system.meter.update import RESTARTS_MAX, firmware_identifiers, update_document, update_meter

FIRMWARE, MBUS = "1.0.0.2.0.255", "0.1.24.1.0.255"
OFFERED = (*ENTRIES, entry(1, FIRMWARE), entry(18, "0.0.44.0.0.255"), entry(72, MBUS, attributes=(1, 8)))
ACCESS = MeterAccess(target=MeterTarget(host="127.0.0.1"))
PLAN = ImagePlan(image=bytes(range(40)), identifier=b"FW2")


class UpdatedMeter(FakeMeter):
    """A meter with firmware and image transfer. breaks: after how many blocks each connection breaks."""

    def __init__(self, breaks=(), *, away=0):
        super().__init__({(15, "0.0.40.0.0.255", 2): encode_object_list(OFFERED, 1)})
        self.transfer = ImageMeter(block_size=4)
        self.breaks = list(breaks)
        self.away = away
        self.connections = 0
        self.left = None

    def get(self, address, selection=None, *, progress=None):
        if address.class_id == 18:
            return self.transfer.get(address)
        if str(address.obis_code) == FIRMWARE:
            return encode_octet_string(b"2.0" if self.transfer.status is ImageStatus.ACTIVATED else b"1.0")
        return super().get(address, selection)

    def action(self, address, parameter=None):
        if address.method == 2 and self.left is not None:
            if not self.left:
                raise OutcomeUnknown("the connection broke")
            self.left -= 1
        if address.method == 4 and self.breaks == ["activation"]:
            self.breaks.clear()
            self.transfer.action(address, parameter)
            raise OutcomeUnknown("the connection broke")
        return self.transfer.action(address, parameter)

    @contextlib.contextmanager
    def session(self, access):
        self.connections += 1
        if self.transfer.status is ImageStatus.ACTIVATED and self.away:
            self.away -= 1
            raise UnreachableError("restarting")
        self.left = self.breaks.pop(0) if self.breaks and self.breaks != ["activation"] else None
        yield SimpleNamespace(client=self)


@pytest.fixture
def run(monkeypatch):
    def run_against(meter, plan=PLAN):
        monkeypatch.setattr(meter_update, "meter_session", meter.session)
        waits, told = [], []
        report = update_meter(ACCESS, plan, tell=told.append, sleep=waits.append)
        return report, waits, told

    return run_against


def test_firmware_is_told_before_and_after(run):
    meter = UpdatedMeter()
    report, waits, _ = run(meter)
    assert (report.before, report.after) == ({"1-0:0.2.0.255": "1.0"}, {"1-0:0.2.0.255": "2.0"})
    assert report.connections == 1
    assert waits == []
    assert update_document(report)["status"] == "activated"


def test_a_broken_connection_goes_on_where_it_broke(run):
    meter = UpdatedMeter(breaks=[3, 4])
    report, waits, told = run(meter)
    assert meter.transfer.image == PLAN.image
    assert meter.transfer.received == list(range(10))
    assert report.connections == 3
    assert report.image.kept == 7
    assert len(waits) == 2
    assert any("going on" in step.phase for step in told)


def test_connections_that_always_break_are_given_up(run):
    with pytest.raises(OutcomeUnknown, match="run it again"):
        run(UpdatedMeter(breaks=[1] * 10))


def test_a_meter_that_restarts_is_waited_for(run):
    report, waits, _ = run(UpdatedMeter(away=3))
    assert report.after == {"1-0:0.2.0.255": "2.0"}
    assert len(waits) == 3


def test_a_meter_that_stays_away_leaves_the_question_open(run):
    report, waits, _ = run(UpdatedMeter(away=10_000))
    assert report.after is None
    assert len(waits) == RESTARTS_MAX


def test_an_activation_without_an_answer_is_not_tried_twice(run):
    meter = UpdatedMeter(breaks=["activation"])
    with pytest.raises(OutcomeUnknown, match="restarting"):
        run(meter)
    assert meter.connections == 1


def test_a_meter_without_the_object_is_told_what_it_has(run):
    with pytest.raises(RefusedError, match=r"0-0:44\.0\.0\.255"):
        run(UpdatedMeter(), ImagePlan(image=b"x", identifier=b"y", instance=image_transfer_object(3)))


def test_a_meter_that_is_not_there_is_not_called_again(run):
    class Away(UpdatedMeter):
        @contextlib.contextmanager
        def session(self, access):
            self.connections += 1
            raise UnreachableError("nobody")
            yield

    meter = Away()
    with pytest.raises(UnreachableError):
        run(meter)
    assert meter.connections == 1


def test_the_device_on_a_channel_has_identifiers_of_its_own():
    meter = FakeMeter({(72, MBUS, 8): b"\x11\x42", (1, FIRMWARE, 2): encode_octet_string(b"1.0")})
    book = ObjectBook(identity="x", entries=OFFERED)
    assert firmware_identifiers(meter, book, 1) == {"0-1:24.1.0.255": "66"}
    assert firmware_identifiers(meter, book) == {"1-0:0.2.0.255": "1.0"}
    modem = ObjectListEntry(class_id=1, version=0, obis_code=ObisCode("0.0.2.0.1.255"))
    assert firmware_identifiers(meter, ObjectBook("x", (modem,))) == {}
