"""Devices in a real database: every field, state and key survives."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from meterworks.catalogue import Medium
from meterworks.registry import (
    AlreadyThereError,
    ConnectionKind,
    Device,
    DeviceChannel,
    DeviceId,
    DeviceKeys,
    DeviceState,
    IdentityScheme,
    InvalidValueError,
    Registry,
    UnknownRecordError,
    channel_rows,
    has_device_keys,
)
from meterworks.registry.tables import ChannelRow, DeviceKeyRow
from meterworks.trust import KeyStore, KeyUnwrapError

NOBODY = [0, -1, 4, 2**63, 10**30]


async def test_every_field_survives(registry, new_device):
    (number,) = await registry.add_devices(
        [
            new_device(
                7,
                scheme=IdentityScheme.EUI64,
                serial="S/7 ü",
                manufacturer="Maker",
                model="Model",
                firmware="2.1-rc",
                medium=Medium.HEAT,
                phases=0,
                address="[2001:db8::7]:4059",
                connection=ConnectionKind.DEVICE,
                interval_s=3600,
                state=DeviceState.QUARANTINED,
            )
        ]
    )
    assert await registry.device(number) == Device(
        id=number,
        scheme=IdentityScheme.EUI64,
        identity="4d57530000000007",
        serial="S/7 ü",
        manufacturer="Maker",
        model="Model",
        firmware="2.1-rc",
        medium=Medium.HEAT,
        phases=0,
        address="[2001:db8::7]:4059",
        connection=ConnectionKind.DEVICE,
        interval_s=3600,
        keys_ref="store",
        state=DeviceState.QUARANTINED,
        created_at=datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
    )


async def test_a_device_is_found_by_its_identity_however_written(registry, new_device):
    (number,) = await registry.add_devices([new_device(7)])
    for identity in ("4D57530000000007", b"MWS\0\0\0\0\7", "4d-57-53-00-00-00-00-07"):
        found = await registry.device_by_identity(identity)
        assert found is not None and found.id == number
    assert await registry.device_by_identity("4d57530000000008") is None


async def test_a_known_identity_stops_the_whole_list(registry, new_device):
    await registry.add_devices([new_device(2)])
    with pytest.raises(AlreadyThereError, match="4d57530000000002 is there already: nothing was added"):
        await registry.add_devices([new_device(1), new_device(2)])
    assert (await registry.count_devices()).total == 1


async def test_an_identity_standing_twice_in_the_list_is_refused(registry, new_device):
    with pytest.raises(AlreadyThereError, match="stands in the list 2 times"):
        await registry.add_devices([new_device(1), new_device(1)])


@pytest.mark.parametrize("number", NOBODY)
async def test_an_unknown_device_is_told_whatever_is_asked(registry, street, number):
    for question in (
        registry.device(DeviceId(number)),
        registry.keys(DeviceId(number)),
        registry.channels(DeviceId(number)),
        registry.set_state(DeviceId(number), DeviceState.RETIRED),
        registry.set_keys(DeviceId(number), DeviceKeys(guek=bytes(16))),
        registry.set_channels(DeviceId(number), []),
        registry.remove(DeviceId(number), datetime(2026, 1, 1, tzinfo=UTC)),
    ):
        with pytest.raises(UnknownRecordError, match="there is no device"):
            await question


async def test_changes_of_a_device_stay(registry, street):
    number = street[0][0]
    await registry.set_state(number, DeviceState.RETIRED)
    await registry.set_firmware(number, " 1.1.0 ")
    await registry.set_address(number, "", ConnectionKind.DEVICE)
    device = await registry.device(number)
    assert (device.state, device.firmware) == (DeviceState.RETIRED, "1.1.0")
    assert (device.address, device.connection) == ("", ConnectionKind.DEVICE)


async def test_a_wrong_change_changes_nothing(registry, street):
    number = street[0][0]
    before = await registry.device(number)
    with pytest.raises(InvalidValueError):
        await registry.set_firmware(number, "")
    with pytest.raises(InvalidValueError):
        await registry.set_address(number, "", ConnectionKind.HEAD_END)
    assert await registry.device(number) == before


async def test_keys_of_one_and_of_many_come_back(registry, new_device):
    all_three = DeviceKeys(guek=b"g" * 16, gak=b"a" * 16, kek=b"k" * 32)
    numbers = await registry.add_devices([new_device(1, keys=all_three), new_device(2, keys=DeviceKeys())])
    assert await registry.keys(numbers[0]) == all_three
    assert await registry.keys(numbers[1]) == DeviceKeys()
    unknown = [DeviceId(number) for number in NOBODY]
    assert await registry.keys([*numbers, *unknown]) == {numbers[0]: all_three, numbers[1]: DeviceKeys()}
    assert await registry.keys([]) == {}


async def test_a_key_transfer_replaces_the_keys_it_names(registry, new_device):
    (number,) = await registry.add_devices([new_device(1, keys=DeviceKeys(guek=b"g" * 16, gak=b"a" * 16))])
    await registry.set_keys(number, DeviceKeys(guek=b"n" * 16, kek=b"k" * 16))
    assert await registry.keys(number) == DeviceKeys(guek=b"n" * 16, gak=b"a" * 16, kek=b"k" * 16)


async def test_the_database_holds_no_key_in_clear(registry, database, new_device, tmp_path):
    keys = DeviceKeys(guek=b"clear key guek 1", gak=b"clear key gak 12")
    await registry.add_devices([new_device(1, keys=keys)])
    async with database.read() as connection:
        wrapped = (await connection.scalars(select(DeviceKeyRow.wrapped))).all()
    assert [len(octets) for octets in wrapped] == [24, 24]
    await database.close()
    assert b"clear key" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


async def test_another_master_key_opens_nothing_and_says_what_to_do(database, registry, new_device):
    (number,) = await registry.add_devices([new_device(1)])
    with pytest.raises(KeyUnwrapError, match=f"device {number} .* put the saved key file back"):
        await Registry(database, KeyStore(bytes(32))).keys([number])


async def test_a_device_has_the_channels_of_its_medium_and_interval(registry, new_device):
    electricity, water = await registry.add_devices(
        [new_device(1, interval_s=900), new_device(2, medium=Medium.WATER, phases=0)]
    )
    channels = await registry.channels(electricity)
    assert [channel.channel_id for channel in channels if channel.profile.startswith("load")] == [11, 21, 31, 41]
    assert channels[0] == DeviceChannel(channel_id=11, profile="load_import", depth_days=398)
    assert await registry.channels(water) == ()


async def test_a_device_that_differs_keeps_its_own_channels(registry, new_device):
    await registry.seed_channels()
    (number,) = await registry.add_devices([new_device(1)])
    usual = await registry.channels(number)
    own = (
        DeviceChannel(channel_id=12, profile="load_import", depth_days=90),
        DeviceChannel(channel_id=14, profile="daily", depth_days=60),
    )
    await registry.set_channels(number, own[::-1])
    assert await registry.channels(number) == own
    await registry.set_channels(number, [])
    assert await registry.channels(number) == usual


async def test_channels_are_seeded_twice_without_harm(registry, database):
    await registry.seed_channels()
    await registry.seed_channels()
    async with database.read() as connection:
        rows = (await connection.execute(select(ChannelRow.__table__).order_by(ChannelRow.id))).mappings().all()
    assert [dict(row) for row in rows] == sorted(channel_rows(), key=lambda row: int(str(row["id"])))


async def test_whether_keys_are_kept_is_known_before_any_master_key_is_opened(registry, database, new_device):
    assert not await has_device_keys(database)
    await registry.add_devices([new_device(1)])
    assert await has_device_keys(database)
