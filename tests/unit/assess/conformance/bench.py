"""The suite against a server in the same process, without sockets: silence is known at once and no test waits."""

import random
import socket
from collections.abc import Callable, Sequence
from typing import Any, cast

from tests.integration.dlms.example_device import GAK, GUEK, PASSWORD
from tests.unit.devices.conftest import INSTALLED, Hand
from tests.unit.devices.plain_load import PlainLoad

from meterworks.assess.conformance import Credential, Result, Tester, run_rows, selected_rows
from meterworks.assess.conformance.hdlc_wire import HdlcWire, LinkAddress
from meterworks.assess.conformance.session import Counters
from meterworks.assess.conformance.wire import Trace, Wire, WrapperWire
from meterworks.devices import ElectricityMeter, FleetState, MeterSpecification, MeterView, model_of
from meterworks.protocols.dlms import WRAPPER, LogicalDevice, ServerConnection, ServerFraming

__all__ = ["CREDENTIALS", "FakeSocket", "Served", "emulated_meter", "judge", "make_tester", "server_of"]

TITLE = b"MWKheade"
METER_TITLE = b"MWR\x00\x00\x00\x01\xa5"

CREDENTIALS = {
    "public": Credential(client_sap=16, title=TITLE),
    "low": Credential(client_sap=3, mechanism=1, password=PASSWORD, title=TITLE),
    "gmac-plain": Credential(client_sap=4, mechanism=5, guek=GUEK, gak=GAK, title=TITLE),
    "reader": Credential(client_sap=2, mechanism=5, protection=0x30, guek=GUEK, gak=GAK, title=TITLE),
    "management": Credential(client_sap=1, mechanism=5, protection=0x30, guek=GUEK, gak=GAK, title=TITLE),
}

Served = Callable[[], ServerConnection]
"""Makes what stands behind a new connection; tests put servers that break a rule here."""


class FakeSocket:
    """The socket that the tester's wire reads, with a server's core behind it."""

    def __init__(self, server: ServerConnection) -> None:
        self.server = server
        self.waiting = b""
        self.ended = False

    def settimeout(self, timeout_s: float) -> None:
        assert timeout_s > 0

    def sendall(self, octets: bytes) -> None:
        if self.ended:
            raise BrokenPipeError
        self.waiting += self.server.receive(octets)
        while getattr(self.server, "has_more", False):
            self.waiting += self.server.receive(b"")
        self.ended = self.server.closed

    def recv(self, size: int) -> bytes:
        if not self.waiting and not self.ended:
            raise TimeoutError
        octets, self.waiting = self.waiting[:size], self.waiting[size:]
        return octets

    def close(self) -> None:
        self.ended = True


def make_tester(served: Served, credential: Credential, *, over_hdlc: bool = False, writes: bool = False) -> Tester:
    """Give a tester whose connections go to new servers of `served`."""

    def opener(trace: Trace, client_sap: int, server_sap: int) -> Wire:
        link = cast(socket.socket, FakeSocket(served()))
        if over_hdlc:
            server = LinkAddress(logical=server_sap)
            return HdlcWire(link, trace, client_sap=client_sap, server=server, timeout_s=1.0)
        return WrapperWire(link, trace, client_sap=client_sap, server_sap=server_sap, timeout_s=1.0)

    return Tester(
        opener, credential, CREDENTIALS["public"], counters=Counters(), timeout_s=1.0, quiet_s=0.01, writes=writes,
        over_hdlc=over_hdlc,
    )  # fmt: skip


def judge(served: Served, credential: Credential, patterns: Sequence[str] = (), **options: bool) -> dict[str, Result]:
    """Run the suite, or the tests that the patterns name; give the results by id."""
    report = run_rows(make_tester(served, credential, **options), selected_rows(patterns), target="in process")
    return {result.row.id: result for result in report.results}


def server_of(device: LogicalDevice, framing: ServerFraming = WRAPPER) -> Served:
    """Give new connections of one device; its challenges differ, and are the same in each run."""
    source = random.Random(7)
    return lambda: ServerConnection(device, source.randbytes, framing=framing)


def emulated_meter(
    phases: int = 1, hand: Hand | None = None, style: str = "meterworks", **facts: Any
) -> ElectricityMeter:
    """Give a meter of the fleet with 17 months of history, and the keys of the credentials above.

    hand: its time. facts: more of its specification.
    """
    model = model_of(style, phases)
    specification = MeterSpecification(system_title=METER_TITLE, serial="MW0000000001", guek=GUEK, gak=GAK, **facts)
    view = MeterView(
        0,
        specification,
        PlainLoad(INSTALLED, phases=phases),
        FleetState(None, [METER_TITLE]),
        epoch_s=hand or Hand(),
        object_lists=model.object_lists,
        push=lambda _index, _instance: None,
    )
    return ElectricityMeter(model, view)
