"""What devices send unasked: values, alarms, profiles, and calls that become sessions."""

import asyncio
import json

import pytest
from tests.integration.headend.field import GAK, GUEK, STEP, cosem, interval_value, title_of, until

from meterworks.catalogue import PROFILES, ReadingFlag
from meterworks.headend import LAST_BUCKET, HeadendQueries
from meterworks.links import call_head_end
from meterworks.protocols.dlms import (
    ApduCipher,
    CaptureObject,
    CipherForm,
    CountUp,
    DataNotification,
    GrowingCounter,
    ObisCode,
    Protection,
    SecurityContext,
    SecuritySuite,
    encode_array,
    encode_date_time,
    encode_double_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
    encode_wrapper,
)

ONE = {"profiles": ("load_import",)}


class Sender:
    """Makes notifications as a device would, and sends them."""

    def __init__(self, device_id, *, title=None, guek=GUEK, gak=GAK, first=1000, suite=0):
        self.title = title or title_of(device_id)
        self.counter = CountUp(first)
        self.context = SecurityContext(
            own_title=self.title,
            peer_title=b"",
            cipher=ApduCipher(guek, gak, SecuritySuite(suite)),
            next_counter=self.counter.next,
            peer_counter=GrowingCounter(),
        )

    def frame(self, *elements, form=CipherForm.GENERAL_GLO, protection=Protection.BOTH):
        notification = DataNotification(long_invoke=1, date_time=b"", body=encode_structure(*elements))
        return encode_wrapper(1, 1, self.context.protect(notification.to_bytes(), form, protection))

    def values(self, at, import_w, import_wh):
        return self.frame(
            encode_octet_string(ObisCode("0.0.25.9.0.255")),
            encode_octet_string(b"name"),
            encode_date_time(cosem(at)),
            *(encode_double_long_unsigned(value) for value in (import_w, 0, import_wh, 0)),
        )

    def alarm(self, at, log, code):
        return self.frame(
            encode_octet_string(ObisCode("0.0.25.9.1.255")),
            encode_octet_string(b"name"),
            encode_date_time(cosem(at)),
            encode_unsigned(log),
            encode_unsigned(code),
        )

    def call(self, at):
        return self.frame(
            encode_octet_string(ObisCode("0.0.25.9.2.255")), encode_octet_string(b"name"), encode_date_time(cosem(at))
        )


async def send(field, *frames):
    """Send frames over one connection; gives whether the head-end closed it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", field.head_end.push_port)
    try:
        for frame in frames:
            writer.write(frame)
        await writer.drain()
        try:
            async with asyncio.timeout(0.5):
                return await reader.read(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True
    finally:
        writer.close()


async def filled(field):
    await until(lambda: field.missing("load_import") == 0, what="the history")
    await field.settle()


async def incidents(field):
    await field.flushed()
    return [(each.kind, each.device_id) for each in await HeadendQueries(field.database).incidents()]


async def test_pushed_values_are_shown_and_registers_kept(meters_field):
    meters_field.add_meter(1)
    await meters_field.start()
    await until(lambda: meters_field.missing("load_import", "load_export") == 0, what="the history")
    await meters_field.settle()
    at = int(meters_field.clock.epoch_s()) + 100
    assert not await send(meters_field, Sender(1).values(at, 1234, 56789))
    await until(lambda: meters_field.writer.values.get((1, 16, at)) == 56789, what="the register")
    assert meters_field.writer.sources["PUSH"] == 1
    for _ in range(100):
        values = json.loads(await meters_field.bus.get(LAST_BUCKET, "1") or b"{}")
        if values.get("160") == [at, 1234]:
            break
        await meters_field.clock.sleep(0.02)
    assert values["160"] == [at, 1234]


@pytest.mark.parametrize("suite", [1, 2])
async def test_a_meter_of_a_higher_suite_pushes_in_it_and_in_no_other(meters_field, suite):
    keys = {"guek": GUEK * 2, "gak": GAK * 2} if suite == 2 else {"guek": GUEK, "gak": GAK}
    meters_field.add_meter(1, record={**ONE, "suite": suite, **keys})
    await meters_field.start()
    at = int(meters_field.clock.epoch_s()) + 100
    assert await send(meters_field, Sender(1, suite=0).values(at, 1, 2))  # refused: the connection is closed
    assert not await send(meters_field, Sender(1, suite=suite, **keys).values(at, 1234, 56789))
    await until(lambda: meters_field.memory(1).push_counter == 1000, what="the push")


async def test_a_pushed_alarm_is_an_event(meters_field):
    meters_field.add_meter(1, record=ONE)
    await meters_field.start()
    at = int(meters_field.clock.epoch_s())
    await send(meters_field, Sender(1).alarm(at, 1, 40))
    await meters_field.flushed()
    events = (await HeadendQueries(meters_field.database).events([1])).events
    assert [(each.event.log, int(each.event.at.timestamp()), each.event.code) for each in events] == [
        ("tamper", at, 40)
    ]


async def test_a_late_push_of_a_profile_goes_to_its_own_days_and_cancels_the_pull(still_field):
    meter = still_field.add_meter(1, record=ONE)
    newest = int(still_field.clock.epoch_s()) // STEP * STEP - STEP
    gap = (newest - 9 * STEP, newest - 5 * STEP)
    head_end = await still_field.start(clock_adjust=False)
    await filled(still_field)
    table = head_end.table
    table.load([])
    ledger = table.ledger((1, "load_import"))
    table._change((1, "load_import"), missing=(gap,))
    objects = encode_array(
        [
            CaptureObject(40, ObisCode("0.0.25.9.7.255"), 2).to_bytes(),
            CaptureObject(7, ObisCode("1.0.99.1.0.255"), 2).to_bytes(),
        ]
    )
    buffer = meter._load(PROFILES["load_import"], gap[0] + 1, gap[1])
    before = len(still_field.writer.sets)
    await send(still_field, Sender(1).frame(objects, buffer))
    await until(lambda: len(still_field.writer.sets) > before, what="the pushed set")
    await until(lambda: ledger.missing == () and not ledger.sent, what="the range to be crossed off")
    assert still_field.writer.sets[-1] == (1, "load_import", *gap, 4)
    assert all(still_field.writer.values[(1, 12, at)] == interval_value(1, 12, at) for at in range(*gap, STEP))


async def test_a_replayed_push_is_refused_and_recorded(meters_field):
    meters_field.add_meter(1, record=ONE)
    await meters_field.start()
    await filled(meters_field)
    frame = Sender(1).alarm(int(meters_field.clock.epoch_s()), 1, 40)
    assert not await send(meters_field, frame)
    assert await send(meters_field, frame)
    assert await incidents(meters_field) == [("push-replayed-notification", 1)]


async def test_a_replay_is_refused_after_a_restart_too(meters_field):
    meters_field.add_meter(1, record=ONE)
    await meters_field.start()
    frame = Sender(1).alarm(int(meters_field.clock.epoch_s()), 1, 40)
    assert not await send(meters_field, frame)
    await meters_field.kill()
    await meters_field.start()
    assert await send(meters_field, frame)
    assert ("push-replayed-notification", 1) in await incidents(meters_field)


@pytest.mark.parametrize(
    ("sender", "kind"),
    [
        (Sender(77), "push-unknown-sender"),
        (Sender(1, guek=bytes(16)), "push-bad-tag"),
        (Sender(1, gak=bytes(16)), "push-bad-tag"),
    ],
)
async def test_who_cannot_prove_who_they_are_is_refused(meters_field, sender, kind):
    meters_field.add_meter(1, record=ONE)
    await meters_field.start()
    assert await send(meters_field, sender.alarm(int(meters_field.clock.epoch_s()), 1, 40))
    assert [each[0] for each in await incidents(meters_field)] == [kind]
    assert (await HeadendQueries(meters_field.database).events([1])).events == []


async def test_weaker_protection_is_refused(meters_field):
    meters_field.add_meter(1, record=ONE)
    await meters_field.start()
    body = (encode_octet_string(ObisCode("0.0.25.9.2.255")), encode_octet_string(b"n"), encode_date_time(cosem(1e9)))
    plain = DataNotification(long_invoke=1, date_time=b"", body=encode_structure(*body)).to_bytes()
    for frame in (
        encode_wrapper(1, 1, plain),
        Sender(1).frame(*body, protection=Protection.AUTHENTICATED),
        Sender(1).frame(*body, protection=Protection.ENCRYPTED),
    ):
        assert await send(meters_field, frame)
    assert len(await incidents(meters_field)) == 3


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x01\x00\x01\x00\x01\xff\xff" + b"\xdb" * 100,
        b"\x00\x01\x00\x01\x00\x01\x00\x00",
        b"\x00\x01\x00\x01\x00\x01\x00\x05\xdb\x08abc",
        bytes(range(256)) * 300,
    ],
)
async def test_garbage_at_the_push_port_is_dropped(meters_field, octets):
    meters_field.add_meter(1, record=ONE)
    await meters_field.start()
    assert await send(meters_field, octets)
    at = int(meters_field.clock.epoch_s())
    assert not await send(meters_field, Sender(1).alarm(at, 1, 40))


async def test_a_flood_of_strangers_is_counted_but_does_not_fill_the_book(meters_field):
    await meters_field.start()
    frame = Sender(77).alarm(int(meters_field.clock.epoch_s()), 1, 40)
    for _ in range(30):
        await asyncio.gather(*(send(meters_field, frame) for _ in range(30)))
    await meters_field.flushed()
    kept = await HeadendQueries(meters_field.database).incidents(limit=1000)
    assert 0 < len(kept) <= 2 * 600


async def test_a_device_that_calls_is_read_over_its_own_connection(meters_field):
    meter = meters_field.add_meter(1, record={**ONE, "calls_us": True})
    await meters_field.start()
    sender = Sender(1)
    call = await call_head_end(
        meter, "127.0.0.1", meters_field.head_end.push_port, opening=sender.call(meters_field.clock.epoch_s())
    )
    try:
        await filled(meters_field)
        assert len(meters_field.writer.channel(1, 12)) > 100
    finally:
        call.close()


async def test_an_on_demand_read_uses_the_call_a_device_holds(meters_field):
    meter = meters_field.add_meter(1, record={**ONE, "calls_us": True})
    head_end = await meters_field.start()
    sender = Sender(1)
    calls = []

    async def call():
        opening = sender.call(meters_field.clock.epoch_s())
        calls.append(await call_head_end(meter, "127.0.0.1", head_end.push_port, opening=opening))

    await call()
    await filled(meters_field)
    await call()
    await until(lambda: 1 in head_end._calls._held, what="the call to be held")
    answer = await meters_field.bus.request("headend.read", b'{"device": 1, "what": "clock"}', timeout_s=5.0)
    assert b"drift_s" in answer
    for each in calls:
        each.close()


async def test_an_on_demand_read_waits_for_a_device_to_call(meters_field):
    meter = meters_field.add_meter(1, record={**ONE, "calls_us": True})
    head_end = await meters_field.start()
    asked = asyncio.ensure_future(
        meters_field.bus.request("headend.read", b'{"device": 1, "what": "registers"}', timeout_s=10.0)
    )
    await asyncio.sleep(0)
    opening = Sender(1).call(meters_field.clock.epoch_s())
    await until(lambda: head_end._calls._waiting, what="the request to wait")
    call = await call_head_end(meter, "127.0.0.1", head_end.push_port, opening=opening)
    assert json.loads(await asked)["values"]
    call.close()


@pytest.mark.parametrize(("offset_s", "kind"), [(20.0, "shift"), (-95.0, "set")])
async def test_the_clock_of_a_device_that_calls_is_corrected_over_its_call(still_field, offset_s, kind):
    meter = still_field.add_meter(1, record={**ONE, "calls_us": True}, offset_s=offset_s)
    await still_field.start()
    opening = Sender(1).call(still_field.clock.epoch_s())
    call = await call_head_end(meter, "127.0.0.1", still_field.head_end.push_port, opening=opening)
    try:
        await until(lambda: meter.clock_sets, what="a correction")
        await filled(still_field)
        assert [each[0] for each in meter.clock_sets] == [kind]
        assert abs(meter.offset_s) < 1
    finally:
        call.close()


@pytest.mark.parametrize(("offset_s", "suspect"), [(0.0, False), (-89.0, False), (-95.0, True), (600.0, True)])
async def test_a_pushed_profile_of_a_clock_far_off_is_suspect(still_field, offset_s, suspect):
    meter = still_field.add_meter(1, record=ONE)
    await still_field.start(clock_adjust=False)
    await filled(still_field)
    newest = int(still_field.clock.epoch_s()) // STEP * STEP - STEP
    gap = (newest - 3 * STEP, newest - STEP)
    still_field.memory(1).last_good_clock_epoch_s = float(gap[0] + STEP)
    names = ((40, "0.0.25.9.7.255"), (8, "0.0.1.0.0.255"), (7, "1.0.99.1.0.255"))
    objects = encode_array(CaptureObject(class_id, ObisCode(name), 2).to_bytes() for class_id, name in names)
    buffer = meter._load(PROFILES["load_import"], gap[0] + 1, gap[1])
    before = len(still_field.writer.sets)
    moment = encode_date_time(cosem(still_field.clock.epoch_s() + offset_s))
    await send(still_field, Sender(1).frame(objects, moment, buffer))
    await until(lambda: len(still_field.writer.sets) > before, what="the pushed set")
    flags = [still_field.writer.flags[(1, 12, at)] & ReadingFlag.CLOCK_SUSPECT for at in range(*gap, STEP)]
    assert [bool(flag) for flag in flags] == [False, suspect]  # the first is from before the last good contact
