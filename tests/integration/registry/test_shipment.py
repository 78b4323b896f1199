"""Shipments into a real registry: every row has its own fate, and importing twice changes nothing."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meterworks.catalogue import Medium
from meterworks.registry import (
    SHIPMENT_COLUMNS,
    ConnectionKind,
    DeviceKeys,
    DeviceState,
    Installation,
    RowOutcome,
    ShipmentError,
    UsagePointId,
)
from meterworks.trust import wrap_key

TRANSPORT_KEY = bytes.fromhex("5f0e1d2c3b4a59687786958493a2b1c0")
DOCUMENT = Path(__file__).parents[3] / "docs" / "shipment.md"


def wrapped(key):
    return wrap_key(TRANSPORT_KEY, key).hex()


def row(number, **changes):
    return {
        "identity": f"4D5753{number:010X}",
        "serial": f"MW{number:08d}",
        "manufacturer": "Meterworks",
        "model": "MW-E3",
        "firmware": "1.2.3",
        "medium": "electricity",
        "phases": 3,
        "address": f"127.16.0.{number}:4059",
        "guek": wrapped(b"guek" + number.to_bytes(12)),
        "gak": wrapped(b"gak." + number.to_bytes(12)),
        **changes,
    }


async def imported(registry, *rows, transport_key=TRANSPORT_KEY):
    """Import rows as JSON; gives (outcome, message) of each in order."""
    data = json.dumps({"devices": rows}).encode()
    result = await registry.import_shipment(data, "json", transport_key=transport_key)
    assert [entry.line for entry in result.rows] == list(range(1, len(rows) + 1))
    return [(entry.outcome, entry.message) for entry in result.rows]


def outcomes(results):
    return [outcome for outcome, _ in results]


async def test_every_field_arrives(registry, street):
    _, (point, *_) = street
    data = json.dumps(
        {
            "devices": [
                row(
                    9,
                    scheme="eui64",
                    connection="device",
                    interval_s=900,
                    kek=wrapped(b"kek, " * 6 + b"ok"),
                    usage_point=point,
                    installed_at="2026-03-01T02:00:00+02:00",
                )
            ]
        }
    ).encode()
    (result,) = (await registry.import_shipment(data, "json", transport_key=TRANSPORT_KEY)).rows
    assert (result.outcome, result.identity) == (RowOutcome.ADDED, "4d57530000000009")
    device = await registry.device(result.device_id)
    assert device.serial == "MW00000009"
    assert (device.manufacturer, device.model, device.firmware) == ("Meterworks", "MW-E3", "1.2.3")
    assert (device.medium, device.phases, device.interval_s) == (Medium.ELECTRICITY, 3, 900)
    assert (device.scheme, device.connection) == ("eui64", ConnectionKind.DEVICE)
    assert device.address == "127.16.0.9:4059"
    assert device.state is DeviceState.INSTALLED
    assert await registry.keys(device.id) == DeviceKeys(
        guek=b"guek" + (9).to_bytes(12), gak=b"gak." + (9).to_bytes(12), kek=b"kek, " * 6 + b"ok"
    )
    assert await registry.installations(device_id=device.id) == (
        Installation(device_id=device.id, usage_point_id=point, starts_at=datetime(2026, 3, 1, tzinfo=UTC)),
    )


async def test_one_bad_row_never_stops_the_others(registry):
    results = await imported(registry, row(1), row(2, medium="steam"), 17, row(3, guek="00"), row(4))
    assert outcomes(results) == [
        RowOutcome.ADDED,
        RowOutcome.REFUSED,
        RowOutcome.REFUSED,
        RowOutcome.REFUSED,
        RowOutcome.ADDED,
    ]
    assert "give one of electricity" in results[1][1]
    assert "no object" in results[2][1]
    assert "48 or 80 hexadecimal digits" in results[3][1]
    assert (await registry.count_devices()).total == 2


async def test_importing_again_changes_nothing(registry):
    await imported(registry, row(1), row(2))
    results = await imported(registry, row(1), row(2), row(3))
    assert outcomes(results) == [RowOutcome.ALREADY_THERE, RowOutcome.ALREADY_THERE, RowOutcome.ADDED]
    assert (await registry.count_devices()).total == 3


async def test_the_same_device_twice_in_one_file_is_there_once(registry):
    results = await imported(registry, row(1), row(1), row(1, gak=wrapped(b"another key of x")))
    assert outcomes(results) == [RowOutcome.ADDED, RowOutcome.ALREADY_THERE, RowOutcome.REFUSED]
    assert (await registry.count_devices()).total == 1


@pytest.mark.parametrize("changes", [{"guek": wrapped(b"another key of x")}, {"kek": wrapped(b"another key of x")}])
async def test_other_keys_for_a_known_identity_are_refused(registry, changes):
    await imported(registry, row(1))
    ((outcome, message),) = await imported(registry, row(1, **changes))
    assert outcome is RowOutcome.REFUSED
    assert "other keys: check the identity; keys are changed by key transfer only" in message
    device = await registry.device_by_identity("4d57530000000001")
    assert (await registry.keys(device.id)).guek == b"guek" + (1).to_bytes(12)


async def test_a_wrong_transport_key_is_told_in_each_row(registry):
    results = await imported(registry, row(1), row(2), transport_key=bytes(16))
    assert outcomes(results) == [RowOutcome.REFUSED] * 2
    assert all("does not open under this transport key" in message for _, message in results)
    assert (await registry.count_devices()).total == 0


@pytest.mark.parametrize("size", [0, 15, 24, 33])
async def test_a_transport_key_of_a_wrong_size_is_refused_at_once(registry, size):
    with pytest.raises(ShipmentError, match=f"16 or 32 octets, this one has {size}"):
        await registry.import_shipment(b"{}", "json", transport_key=bytes(size))


async def test_a_file_that_is_none_is_refused_whole(registry):
    with pytest.raises(ShipmentError, match="not JSON"):
        await registry.import_shipment(b"<xml/>", "json", transport_key=TRANSPORT_KEY)


async def test_a_row_whose_place_is_taken_or_unknown_is_refused_whole(registry, street):
    (device, *_), (point, other, _) = street
    await registry.install(device, point, datetime(2026, 1, 1, tzinfo=UTC))
    results = await imported(
        registry,
        row(11, usage_point=point, installed_at="2026-03-01"),
        row(12, usage_point="MP9", installed_at="2026-03-01"),
        row(13, usage_point=other, installed_at="2026-03-01"),
        row(14, usage_point=other, installed_at="2026-04-01"),
    )
    assert outcomes(results) == [RowOutcome.REFUSED, RowOutcome.REFUSED, RowOutcome.ADDED, RowOutcome.REFUSED]
    assert "exchange it instead" in results[0][1]
    assert "there is no usage point 'MP9': add it first" in results[1][1]
    assert await registry.device_by_identity("4d5753000000000b") is None


async def test_a_row_that_was_refused_does_not_keep_its_identity(registry):
    results = await imported(
        registry, row(1, usage_point="MP9", installed_at="2026-03-01"), row(1, serial="second try")
    )
    assert outcomes(results) == [RowOutcome.REFUSED, RowOutcome.ADDED]


async def test_a_large_shipment_is_taken_in_pieces_and_told_in_order(registry):
    rows = [row(number, address=f"127.16.{number >> 8}.{number & 255}:4059") for number in range(1, 2_502)]
    rows[2_400] = rows[0]
    results = await imported(registry, *rows)
    assert outcomes(results).count(RowOutcome.ADDED) == 2_500
    assert results[2_400][0] is RowOutcome.ALREADY_THERE
    assert (await registry.count_devices()).total == 2_500


async def test_what_was_counted_is_told(registry):
    data = json.dumps({"devices": [row(1), row(1), row(2, serial="")]}).encode()
    result = await registry.import_shipment(data, "json", transport_key=TRANSPORT_KEY)
    assert [result.count(outcome) for outcome in RowOutcome] == [1, 1, 1]


@pytest.mark.parametrize(("format_", "added"), [("csv", 2), ("json", 1), ("xml", 1)])
async def test_the_examples_of_the_document_import(registry, new_point, format_, added):
    await registry.add_usage_points([new_point(1)])
    text = DOCUMENT.read_text(encoding="utf-8")
    (example,) = re.findall(rf"```{format_}\n(.*?)```", text, flags=re.DOTALL)
    assert TRANSPORT_KEY.hex() in text
    result = await registry.import_shipment(example.encode(), format_, transport_key=TRANSPORT_KEY)
    assert [(entry.outcome, entry.message) for entry in result.rows] == [(RowOutcome.ADDED, "added")] * added
    if format_ == "json":
        assert len(await registry.installations(usage_point_id=UsagePointId("MP0000000001"))) == 1


def test_the_document_names_every_column_and_outcome():
    text = DOCUMENT.read_text(encoding="utf-8")
    for name in (*SHIPMENT_COLUMNS, *RowOutcome):
        assert f"| `{name}` |" in text


async def test_a_key_that_two_devices_have_is_refused(registry):
    shared = wrapped(b"shared key of 16")
    results = await imported(registry, row(1, guek=shared), row(2, gak=shared), row(3))
    assert outcomes(results) == [RowOutcome.ADDED, RowOutcome.REFUSED, RowOutcome.ADDED]
    assert "each device needs keys of its own" in results[1][1]


async def test_a_shipment_can_be_imported_again_whatever_keys_the_device_has_by_now(registry):
    await imported(registry, row(1))
    device = await registry.device_by_identity(f"4d5753{1:010x}")
    for letter in (b"n", b"o"):  # the maker's keys are kept after the first rotation, and destroyed at the second
        await registry.set_keys(device.id, DeviceKeys(guek=letter * 16, gak=letter.upper() * 16))
        assert outcomes(await imported(registry, row(1))) == [RowOutcome.ALREADY_THERE]
    assert (await registry.keys(device.id)).guek == b"o" * 16
