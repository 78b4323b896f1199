"""gurux-dlms and dlms-cosem, both from PyPI, against our server: they read what our client reads.

Measured peculiarities of the two, which the server meets:
- dlms-cosem makes its proof (mechanism 5) with the very counter of the APDU around it and takes the next only then;
  gurux-dlms takes one for the proof, the next for the APDU.
- dlms-cosem always writes general-glo; gurux-dlms writes general-glo when it was negotiated, glo otherwise, and glo or
  ded for the proof.
- gurux-dlms cannot read an octet-string that spans blocks ("Invalid count"). Arrays work, so it is given the profile
  in blocks.
- gurux-dlms releases with a plain RLRQ without a body, dlms-cosem with a protected one.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from gurux_dlms.enums import Conformance as GuruxConformance
from gurux_dlms.enums import DataType
from tests.integration.dlms.example_device import (
    CAPTURE_OBJECTS,
    CLIENT_TITLE,
    CLOCK,
    ENERGY,
    FIRST_ROW,
    LONG_VALUE,
    NAME,
    NOTE,
    NOW,
    PROFILE,
    ExampleDevice,
)
from tests.integration.dlms.peers import GuruxPeer, cosem_attribute, make_cosem_client, range_of

from meterworks.links import DlmsClient, MeterServer
from meterworks.protocols.dlms import (
    ClientSettings,
    CosemDateTime,
    CountUp,
    RangeSelection,
    decode_all,
    encode_octet_string,
)

CLIENTS = [pytest.param(16, id="public"), pytest.param(2, id="reader"), pytest.param(1, id="management")]


async def own_values(server: MeterServer, settings: ClientSettings, counter: int) -> dict[str, Any]:
    """Read with our client what the others read."""
    client = await DlmsClient.connect("127.0.0.1", server.port, settings, counter=CountUp(counter), timeout_s=5.0)
    async with client:
        await client.associate()
        values = {
            "clock": decode_all(await client.get(CLOCK)),
            "energy": decode_all(await client.get(ENERGY)),
            "long": decode_all(await client.get(LONG_VALUE)),
        }
        if settings.client_sap != 16:
            first, last = FIRST_ROW + timedelta(hours=2), FIRST_ROW + timedelta(hours=6)
            selection = RangeSelection(from_=CosemDateTime.from_datetime(first), to=CosemDateTime.from_datetime(last))
            values["rows"] = [row[2] for row in decode_all(await client.get(PROFILE, selection))]
        await client.release()
    return values


@pytest.mark.parametrize("client_sap", CLIENTS)
@pytest.mark.parametrize(
    "variant",
    [
        pytest.param({}, id="glo"),
        pytest.param({"dedicated_key": bytes(range(16))}, id="ded"),
        pytest.param({"general": True}, id="general"),
        pytest.param({"maxReceivePDUSize": 200}, id="small-pdu"),
    ],
)
async def test_gurux_reads_what_we_read(
    server: MeterServer,
    device: ExampleDevice,
    settings: Callable[..., ClientSettings],
    client_sap: int,
    variant: dict[str, Any],
) -> None:
    options = dict(variant)
    general = options.pop("general", False)

    def session() -> dict[str, Any]:
        peer = GuruxPeer(server.port, client_sap, first_counter=100, **options)
        if general:
            peer.client.proposedConformance |= GuruxConformance.GENERAL_PROTECTION
        else:
            peer.client.proposedConformance &= ~GuruxConformance.GENERAL_PROTECTION
        with peer:
            values = {
                "clock": peer.read(CLOCK),
                "energy": peer.read(ENERGY),
            }
            if client_sap != 16:
                item = peer.profile(CAPTURE_OBJECTS)
                first, last = FIRST_ROW + timedelta(hours=2), FIRST_ROW + timedelta(hours=6)
                values["rows"] = [
                    row[2] for row in peer.profile_rows(item, peer.client.readRowsByRange(item, first, last))
                ]
                values["entries"] = peer.profile_rows(item, peer.client.readRowsByEntry(item, 1, 48))
                values["listed"] = peer.read_list([NAME, ENERGY])
                peer.write(NOTE, "seen", DataType.STRING)
            peer.release()
        return values

    theirs = await asyncio.to_thread(session)
    counter_after = device.accepted.get(CLIENT_TITLE, 0)
    ours = await own_values(server, settings(client_sap), 10_000)
    assert theirs["clock"].value.timestamp() == NOW.timestamp()
    assert ours["clock"] == CosemDateTime.from_datetime(NOW).to_bytes()
    assert theirs["energy"] == ours["energy"] == 1_234_567
    if client_sap == 16:
        return
    assert theirs["rows"] == ours["rows"] == [104 + index for index in range(9)]
    assert len(theirs["entries"]) == 48
    assert theirs["listed"][1] == 1_234_567
    assert decode_all(device.written[NOTE]) == "seen"
    assert counter_after > 100
    assert device.events == []


@pytest.mark.parametrize("client_sap", CLIENTS)
@pytest.mark.parametrize("max_pdu", [65535, 300])
async def test_dlms_cosem_reads_what_we_read(
    server: MeterServer,
    device: ExampleDevice,
    settings: Callable[..., ClientSettings],
    client_sap: int,
    max_pdu: int,
) -> None:
    def session() -> dict[str, Any]:
        peer = make_cosem_client(server.port, client_sap, first_counter=100, max_pdu_size=max_pdu)
        with peer.session() as client:
            values = {
                "clock": client.get(cosem_attribute(CLOCK)),
                "energy": client.get(cosem_attribute(ENERGY)),
                "long": client.get(cosem_attribute(LONG_VALUE)),
            }
            if client_sap != 16:
                first, last = FIRST_ROW + timedelta(hours=2), FIRST_ROW + timedelta(hours=6)
                rows = client.get(cosem_attribute(PROFILE), range_of(CLOCK, first, last))
                values["rows"] = [row[2] for row in decode_all(bytes(rows))]
                values["counter"] = client.client_invocation_counter
        return values

    theirs = await asyncio.to_thread(session)
    counter_after = device.accepted.get(CLIENT_TITLE, 0)
    ours = await own_values(server, settings(client_sap), 10_000)
    assert decode_all(theirs["clock"]) == ours["clock"] == CosemDateTime.from_datetime(NOW).to_bytes()
    assert decode_all(theirs["energy"]) == ours["energy"] == 1_234_567
    assert theirs["long"] == encode_octet_string(ours["long"])
    assert device.events == []
    if client_sap != 16:
        assert theirs["rows"] == ours["rows"] == [104 + index for index in range(9)]
        assert counter_after >= theirs["counter"]


async def test_low_level_clients_associate(server: MeterServer, device: ExampleDevice) -> None:
    def sessions() -> list[Any]:
        with GuruxPeer(server.port, 3) as peer:
            gurux = peer.read(ENERGY)
            peer.release()
        with make_cosem_client(server.port, 3).session() as client:
            return [gurux, decode_all(client.get(cosem_attribute(ENERGY)))]

    assert await asyncio.to_thread(sessions) == [1_234_567, 1_234_567]
    assert device.events == []
