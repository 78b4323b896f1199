"""What a meter does with what was written into it, by our own client over real sockets; every model read by gurux."""

import asyncio
from datetime import datetime

import pytest
from gurux_dlms import GXReplyData
from gurux_dlms.objects import GXDLMSAssociationLogicalName, GXDLMSObject
from tests.integration.devices.conftest import MANAGEMENT, NOW, READER, Reader, specification
from tests.integration.dlms.example_device import GAK, GUEK
from tests.integration.dlms.peers import GuruxPeer

from meterworks.devices import MODELS, STYLES, ClientLogin, FleetSettings
from meterworks.errors import MeterworksError, RefusedError
from meterworks.protocols.dlms import (
    CLOCK_OBJECT,
    SHORT_NAME_CONFORMANCE,
    CaptureObject,
    CosemDate,
    CosemDateTime,
    CosemTime,
    DataAccessResult,
    EntrySelection,
    Mechanism,
    MethodAddress,
    ObisCode,
    RangeSelection,
    Variable,
    decode_all,
    encode_array,
    encode_double_long_unsigned,
    encode_enum,
    encode_integer,
    encode_long,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
    encode_visible_string,
)
from meterworks.protocols.dlms.cosem import decode_object_list, decode_short_name_list, encode_object_entry
from meterworks.protocols.errors import ServiceRefused

CALENDAR, TARIFF, SCRIPTS = "0.0.13.0.0.255", "0.0.96.14.0.255", "0.0.10.0.100.255"
PROFILE, SINGLE, SNAPSHOT = "1.0.99.4.0.255", "0.0.15.0.0.255", "0.0.98.10.0.255"
READERS = "0.0.40.0.2.255"


async def act(reader, client, code, method, parameter):
    address = reader.values(code)
    return await client.action(MethodAddress(address.class_id, address.obis_code, method), parameter)


async def write(reader, client, code, attribute, value):
    await client.set(reader.values(code, attribute), value)


def day_of(*switches):
    rows = [
        encode_structure(
            encode_octet_string(CosemTime(hour, 0, 0, 0).to_bytes()), encode_octet_string(ObisCode(SCRIPTS)),
            encode_long_unsigned(script),
        )
        for hour, script in switches
    ]  # fmt: skip
    return encode_array([encode_structure(encode_unsigned(1), encode_array(rows))])


async def test_a_tariff_calendar_written_over_the_wire_switches_and_survives_a_restart(start_fleet, clock, tmp_path):
    one = specification(1)
    settings = FleetSettings(state_path=tmp_path / "state.npy")
    fleet = await start_fleet(specifications=[one], settings=settings)
    reader = Reader(fleet, 0)
    async with await reader.connect(MANAGEMENT) as client:
        seasons, weeks = [await client.get(reader.values(CALENDAR, number)) for number in (3, 4)]
        for number, value in ((7, seasons), (8, weeks), (9, day_of((0, 1), (11, 2)))):
            await write(reader, client, CALENDAR, number, value)
        await act(reader, client, CALENDAR, 1, encode_integer(0))
        assert await reader.read(client, TARIFF) == 1
        clock.advance(3600)
        assert await reader.read(client, TARIFF) == 2
    await fleet.stop()
    again = await start_fleet(specifications=[one], settings=settings)
    reader = Reader(again, 0)
    async with await reader.connect(READER) as client:
        assert await reader.read(client, TARIFF) == 2
        with pytest.raises(ServiceRefused):
            await write(reader, client, CALENDAR, 9, day_of((0, 2)))


async def test_a_profile_set_up_over_the_wire_captures_and_is_read_by_range(start_fleet, clock):
    fleet = await start_fleet()
    reader = Reader(fleet, 0)
    energy = CaptureObject(3, ObisCode("1.0.1.29.0.255"), 2)
    async with await reader.connect(MANAGEMENT) as client:
        await write(reader, client, PROFILE, 3, encode_array([energy.to_bytes(), CLOCK_OBJECT.to_bytes()]))
        await write(reader, client, PROFILE, 5, encode_enum(2))
        await write(reader, client, PROFILE, 4, encode_double_long_unsigned(1800))
        clock.advance(4 * 1800)
        rows = await reader.read(client, PROFILE)
        assert len(rows) == await reader.read(client, PROFILE, 7) == 4
        stamps = [CosemDateTime.from_bytes(row[1]) for row in rows]
        assert stamps == sorted(stamps, key=lambda stamp: (stamp.hour, stamp.minute), reverse=True)
        selection = RangeSelection(from_=stamps[2], to=stamps[1], columns=(energy,))
        assert await reader.read(client, PROFILE, selection=selection) == [(row[0],) for row in rows[1:3]]
        newest = EntrySelection(from_entry=1, to_entry=1)
        assert await reader.read(client, PROFILE, selection=newest) == rows[:1]
        await act(reader, client, PROFILE, 1, encode_integer(0))
        assert await reader.read(client, PROFILE) == []


async def test_a_single_action_takes_its_snapshot_while_nobody_looks(start_fleet, clock):
    fleet = await start_fleet()
    reader = Reader(fleet, 0)
    midnight = encode_structure(
        encode_octet_string(CosemTime(0, 0, 0, 0).to_bytes()), encode_octet_string(CosemDate().to_bytes())
    )
    async with await reader.connect(MANAGEMENT) as client:
        await write(reader, client, SINGLE, 4, encode_array([midnight]))
        clock.advance(2 * 86_400)
        rows = await reader.read(client, SNAPSHOT)
    assert [CosemDateTime.from_bytes(row[0]).day for row in rows] == [22, 23]
    load = fleet.meter(0).view.load
    midnights = [int(datetime.fromisoformat(f"2026-11-{number}T00:00:00+00:00").timestamp()) for number in (22, 23)]
    assert [row[1] for row in rows] == [load.registers_at(at_s).import_wh for at_s in midnights]


async def test_local_time_follows_rules_written_over_the_wire(start_fleet):
    fleet = await start_fleet()
    reader = Reader(fleet, 0)
    async with await reader.connect(MANAGEMENT) as client:
        await write(reader, client, "0.0.1.0.0.255", 3, encode_long(-120))
        shown = CosemDateTime.from_bytes(await reader.read(client, "0.0.1.0.0.255"))
    assert (shown.hour, shown.deviation_min) == (12, -120)
    assert shown.to_datetime().timestamp() == pytest.approx(NOW, abs=0.02)


async def test_an_object_taken_out_of_an_association_is_gone_on_the_wire(start_fleet):
    fleet = await start_fleet()
    reader = Reader(fleet, 0)
    voltage = ObisCode("1.0.32.7.0.255")
    async with await reader.connect(MANAGEMENT) as client:
        entries = decode_object_list(await client.get(reader.values(READERS)))
        (element,) = [encode_object_entry(entry, 3) for entry in entries if entry.obis_code == voltage]
        await act(reader, client, READERS, 4, element)
    async with await reader.connect(READER) as client:
        with pytest.raises(ServiceRefused):
            await reader.read(client, str(voltage))
        listed = decode_object_list(await client.get(reader.values("0.0.40.0.0.255")))
        assert voltage not in {entry.obis_code for entry in listed}
    async with await reader.connect(MANAGEMENT) as client:
        await act(reader, client, READERS, 3, element)
    async with await reader.connect(READER) as client:
        assert await reader.read(client, str(voltage)) == 230_100


async def test_a_list_of_users_lets_only_them_in(start_fleet):
    fleet = await start_fleet()
    reader = Reader(fleet, 0)
    async with await reader.connect(MANAGEMENT) as client:
        await act(reader, client, READERS, 5, encode_structure(encode_unsigned(3), encode_visible_string("Ann")))
    with pytest.raises(RefusedError):
        await reader.connect(READER)
    async with await reader.connect(READER, user_id=3) as client:
        assert await reader.read(client, "0.0.40.0.0.255", 11) == (3, "Ann")


async def test_a_meter_by_short_names_is_read_and_written_by_them(start_fleet):
    fleet = await start_fleet(specifications=[specification(1, short_names=True)])
    reader = Reader(fleet, 0)
    async with await reader.connect(MANAGEMENT, short_names=True, conformance=SHORT_NAME_CONFORMANCE) as client:
        (encoded,) = await client.read([Variable(0xFA08)])
        names = {entry.obis_code: entry.short_name for entry in decode_short_name_list(encoded)}
        clock = names[ObisCode("0.0.1.0.0.255")]
        (shown, energy) = await client.read([Variable(clock + 8), Variable(names[ObisCode("1.0.1.8.0.255")] + 8)])
        assert CosemDateTime.from_bytes(decode_all(shown)).to_datetime().timestamp() == pytest.approx(NOW, abs=0.02)
        assert decode_all(energy) == fleet.meter(0).view.registers().import_wh
        shifted = await client.write([(Variable(clock + 0x60 + 8 * 5), encode_long(60))])
        assert shifted == [DataAccessResult.SUCCESS]
    assert fleet.meter(0).view.now_epoch_s() == pytest.approx(NOW + 60, abs=1)


@pytest.mark.parametrize("mechanism", [Mechanism.LOW, Mechanism.MD5, Mechanism.SHA1, Mechanism.SHA256])
async def test_a_changed_secret_is_the_only_one_that_opens_the_meter(start_fleet, mechanism):
    login = ClientLogin(client_sap=READER, mechanism=mechanism, secret=b"0123456789abcdef")
    fleet = await start_fleet(specifications=[specification(1, logins=(login,))])
    reader = Reader(fleet, 0)
    name = "password" if mechanism is Mechanism.LOW else "secret"
    async with await reader.connect(READER, mechanism=mechanism, **{name: b"0123456789abcdef"}) as client:
        assert await reader.read(client, "1.0.32.7.0.255") == 230_100
    async with await reader.connect(MANAGEMENT) as client:
        await act(reader, client, READERS, 2, encode_octet_string(b"another secret.."))
    async with await reader.connect(READER, mechanism=mechanism, **{name: b"another secret.."}) as client:
        assert await reader.read(client, "1.0.32.7.0.255") == 230_100
    with pytest.raises(MeterworksError):
        await reader.connect(READER, mechanism=mechanism, **{name: b"0123456789abcdef"})


# --- every model, by gurux-dlms --------------------------------------------------------------------------------------


def read_model(port):
    """Make gurux's own objects of the list, and read every attribute that the rights allow.

    Gurux keeps the bits of version 3 apart from the enumeration of the others; what it was not told is allowed.
    """
    with GuruxPeer(port, MANAGEMENT, first_counter=100) as peer:
        association = GXDLMSAssociationLogicalName("0.0.40.0.0.255")
        reply = GXReplyData()
        peer.exchange(peer.client.read(association, 2), reply)
        objects = peer.client.parseObjects(reply.data, False)
        count = 0
        for item in objects:
            if type(item) is GXDLMSObject:
                continue  # of a class that gurux does not have
            for attribute in range(1, item.getAttributeCount() + 1):
                if item.getAccess(attribute) and item.getAccess3(attribute) and (item.objectType, attribute) != (7, 2):
                    answer = GXReplyData()
                    peer.exchange(peer.client.read(item, attribute), answer)
                    count += 1
        return {ObisCode(item.logicalName) for item in objects}, count


@pytest.mark.parametrize("style", STYLES)
async def test_gurux_reads_the_object_list_and_all_objects_of_a_model(start_fleet, style):
    one = specification(1, address="127.0.0.1:0", guek=GUEK, gak=GAK, style=style)
    fleet = await start_fleet(specifications=[one])
    names, count = await asyncio.to_thread(read_model, fleet.ports[0])
    assert names == set(MODELS[f"{style}-1"].objects)
    assert count > 2 * len(names)
    assert fleet.meter(0).model is MODELS[f"{style}-1"]
