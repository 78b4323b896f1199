"""A fleet on real sockets, and our own client for it."""

from datetime import UTC, datetime

import pytest
from tests.unit.devices.plain_load import PlainLoad

from meterworks.devices import Fleet, FleetSettings, MeterSpecification
from meterworks.links import DlmsClient
from meterworks.protocols.dlms import AttributeAddress, ClientSettings, CountUp, Mechanism, ObisCode, decode_all
from meterworks.runtime import ManualClock

INSTALLED = int(datetime(2025, 6, 1, tzinfo=UTC).timestamp())
NOW = datetime(2026, 11, 21, 10, 7, 12, tzinfo=UTC).timestamp()
CLIENT_TITLE = b"MWHES001"
MANAGEMENT, READER, PUBLIC = 1, 2, 16


def specification(number, **options):
    return MeterSpecification(
        **{
            "system_title": b"MWR" + number.to_bytes(5, "big"),
            "serial": f"MW{number:010}",
            "guek": bytes([number % 256]) * 16,
            "gak": bytes([number % 256, 1]) * 8,
            "address": f"127.16.{number // 250}.{number % 250 + 1}:0",
        }
        | options
    )


def client_settings(meter, client_sap, **options):
    """How a client with the meter's true keys associates."""
    if client_sap == PUBLIC:
        return ClientSettings(client_sap=PUBLIC, **options)
    keys = {
        "mechanism": Mechanism.GMAC, "system_title": CLIENT_TITLE, "guek": meter.guek, "gak": meter.gak,
        "server_title": meter.system_title,
    }  # fmt: skip
    return ClientSettings(client_sap=client_sap, **(keys | options))


class Reader:
    """Our client on one meter of a fleet."""

    def __init__(self, fleet, index):
        self.fleet = fleet
        self.meter = fleet.meter(index).view.specification

    @property
    def host(self):
        return self.meter.address.rpartition(":")[0]

    async def connect(self, client_sap, *, counter=None, associate=True, **options):
        first = self.fleet.meter(0).view.state.highest_accepted_counter(self.index) + 1
        client = await DlmsClient.connect(
            self.host, self.fleet.ports[0], client_settings(self.meter, client_sap, **options),
            counter=counter or CountUp(first), timeout_s=5,
        )  # fmt: skip
        if associate:
            await client.associate()
        return client

    @property
    def index(self):
        return self.fleet.resolve(self.host, 0).view.index

    def values(self, obis_code, attribute=2):
        code = ObisCode(obis_code)
        class_id = self.fleet.meter(self.index).model.objects[code].interface_class.class_id
        return AttributeAddress(class_id, code, attribute)

    async def read(self, client, obis_code, attribute=2, selection=None):
        return decode_all(await client.get(self.values(obis_code, attribute), selection))


@pytest.fixture
def clock():
    return ManualClock(NOW)


@pytest.fixture
async def start_fleet(clock):
    """Give a function that starts a fleet, stopped when the test ends."""
    started = []

    async def start(count=1, *, settings=None, specifications=None, **load_options):
        specifications = specifications or [specification(number) for number in range(1, count + 1)]
        load = {"phases": 1} | load_options
        fleet = Fleet(
            [(one, PlainLoad(INSTALLED, **load)) for one in specifications], settings or FleetSettings(), clock
        )
        await fleet.start()
        started.append(fleet)
        return fleet

    yield start
    for fleet in started:
        await fleet.stop()
