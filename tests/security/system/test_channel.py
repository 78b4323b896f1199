"""The system's own channels: who is let in, and who is asked (SEC-017, SEC-031, SEC-033, SEC-126)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
import uvicorn
from cryptography.hazmat.primitives.serialization import Encoding
from tests.certificates import pin_of
from uvicorn.server import ServerState

from meterworks.system.configuration import Layout, load_configuration
from meterworks.system.identity import BusAdmission, is_due
from meterworks.system.privilege import PRIVILEGES
from meterworks.system.serving import listener
from meterworks.system.serving.listener import PEER_EXTENSION, peer_protocol
from meterworks.trust.tls import Guard, Interface, PeerRefused

HOUR = timedelta(hours=1)


@dataclass
class ShownCertificate:
    """A finished handshake in which the other side showed a certificate."""

    der: bytes

    def getpeercert(self, *, binary_form: bool) -> bytes:
        assert binary_form
        return self.der


@dataclass
class FakeTransport:
    """A connection with a certificate at its other end."""

    shown: ShownCertificate
    aborted: bool = False
    written: list[bytes] = field(default_factory=list)

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"ssl_object": self.shown, "sslcontext": True}.get(name, default)

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def write(self, data: bytes) -> None:
        self.written.append(data)


async def called(issued, name: str) -> tuple[FakeTransport, list[object]]:
    """Call the market's listener as a process of this name; gives the connection and the peers requests came with."""
    peers: list[object] = []

    async def application(scope, _receive, _send) -> None:
        peers.append(scope["extensions"][PEER_EXTENSION])

    config = uvicorn.Config(
        application, http=peer_protocol(Guard(Interface.MARKET, is_server=True)), lifespan="off", log_config=None
    )
    config.load()
    protocol = cast("type", config.http_protocol_class)(config=config, server_state=ServerState(), app_state={})
    transport = FakeTransport(ShownCertificate(issued[1][name].public_bytes(Encoding.DER)))
    protocol.connection_made(transport)
    protocol.data_received(b"GET /api/v1/devices HTTP/1.1\r\nHost: x\r\n\r\n")
    for task in tuple(protocol.tasks):
        await task
    return transport, peers


@pytest.mark.requirement("SEC-017")
async def test_the_market_hears_nothing_of_a_peer_in_another_role(issued):
    transport, peers = await called(issued, "fleet")
    assert (transport.aborted, peers, transport.written) == (True, [], [])


@pytest.mark.requirement("SEC-017")
async def test_the_market_listener_serves_the_api_only():
    started: list[int] = []

    async def application(_scope, _receive, _send) -> None:
        started.append(200)

    async def send(message) -> None:
        if message["type"] == "http.response.start":
            started.append(message["status"])

    for path in ("/api/v1/devices", "/login", "/api", "/assets/x", "/console"):
        await listener.below("/api/v1", application)({"type": "http", "path": path}, None, send)
    assert started == [200, 404, 404, 404, 404]


@pytest.mark.requirement("SEC-017")
def test_a_process_refuses_a_bus_that_shows_another_role(layout: Layout, issued):
    check = layout.bus("web").check_server
    assert check is not None
    check(ShownCertificate(issued[1]["nats"].public_bytes(Encoding.DER)))  # type: ignore[arg-type]  # stands for one
    with pytest.raises(PeerRefused):
        check(ShownCertificate(issued[1]["headend"].public_bytes(Encoding.DER)))  # type: ignore[arg-type]


@pytest.mark.requirement("SEC-033")
def test_the_bus_is_joined_over_tls_by_every_process(layout: Layout):
    for name in PRIVILEGES:
        settings = layout.bus(name)
        assert settings.tls is not None
        assert settings.tls_first
        assert settings.url.startswith("tls://")


@pytest.mark.requirement("SEC-033")
def test_an_outside_database_is_joined_over_tls_with_its_name_checked(layout: Layout):
    given = {"system.data": layout.data, "database.url": "postgresql://mw@db/mw", "database.tls": True}
    settings = Layout(load_configuration(command_line=given).configuration).database("web")
    assert settings.tls is not None
    assert settings.tls.check_hostname


@pytest.mark.requirement("SEC-126")
def test_the_bus_admits_no_certificate_that_is_revoked(layout: Layout, issued):
    authority, made = issued
    pins = {name: pin_of(made[name]) for name in PRIVILEGES}
    assert set(BusAdmission(layout).current().pins) == set(pins.values())
    assert layout.tls("web").crl is not None
    layout.tls("web").crl.write_bytes(authority.crl(made["web"].serial_number))
    assert set(BusAdmission(layout).current().pins) == set(pins.values()) - {pins["web"]}


@pytest.mark.requirement("SEC-031")
def test_the_bus_is_told_of_a_change_once(layout: Layout, issued):
    admission = BusAdmission(layout)
    assert admission.news() is not None
    assert admission.news() is None
    layout.tls("web").crl.write_bytes(issued[0].crl(1, 2, 3))
    assert admission.news() is not None


@pytest.mark.requirement("SEC-031")
def test_a_certificate_is_short_lived_and_replaced_before_its_last_third(issued):
    certificate = issued[1]["web"]
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    third = (end - start) / 3
    moments = (start - HOUR, start, start + 1.9 * third, start + 2.1 * third, end + HOUR)
    assert [is_due(certificate, moment) for moment in moments] == [True, False, False, True, True]
    assert load_configuration().configuration.tls.lifetime_h <= 24 * 7
    assert datetime.now(UTC) < end
