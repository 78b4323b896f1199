"""One running system looked at from outside: who listens, who is let in, what the wire shows, what a revocation ends.

One start serves all tests here, so none of them takes anything away that another one needs.
"""

import asyncio
import contextlib
import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest
from tests.certificates import TestAuthority
from tests.running import RunningSystem, running_system
from typer.testing import CliRunner

from meterworks.cli.main import app
from meterworks.errors import UnreachableError
from meterworks.runtime import connect_bus
from meterworks.system.configuration import Layout, load_configuration
from meterworks.system.device_credential import PROFILE, DeviceBook
from meterworks.system.endpoint import endpoints
from meterworks.system.identity import certificate_of
from meterworks.system.neighbourhood import find_neighbourhood
from meterworks.system.occupied import Endpoint
from meterworks.system.privilege import IDENTITIES
from meterworks.trust.pki import LEDGER_FILE, DeviceState, Ledger, Provisioning
from meterworks.trust.tls import Interface

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("test_running")]
METER_HOST = "127.16.0.1"
GREETING = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
STRANGERS = {Interface.METER: "fleet", Interface.PUSH: "web", Interface.MARKET: "fleet", Interface.BUS: "meter"}
"""For each interface a certificate of this system that has no business there."""
RIGHT_ROLES = {
    Interface.METER: "headend",
    Interface.PUSH: "device",
    Interface.MARKET: "organisation",
    Interface.BUS: "web",
    Interface.EST: "web",
}
REVOKED_WITHIN_S = 20.0  # the stated time is tls.check_s, 5 s; this machine may be busy
ETH_P_ALL = 0x0003


@dataclass(frozen=True)
class Running:
    """The system, its layout, and certificates that are none of its own."""

    system: RunningSystem
    layout: Layout
    strangers: TestAuthority
    folder: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One system with two meters that push every minute."""
    folder = tmp_path_factory.mktemp("running")
    with running_system(folder / "var", "--meters", "2") as system:
        layout = Layout(load_configuration(file=system.data / "run" / "settings.toml").configuration)
        yield Running(system, layout, TestAuthority(folder / "strangers"), folder)


def listening(system: RunningSystem) -> list[tuple[str, int, str]]:
    """Address, port and process of every TCP socket that listens and every UDP socket, of the system's processes."""
    numbers = json.loads((system.data / "run" / "processes.json").read_text())
    assert system._process is not None
    names = {number: name for name, number in numbers.items()} | {system._process.pid: "supervisor"}
    try:
        found = psutil.net_connections(kind="inet")
    except psutil.AccessDenied:
        pytest.skip("this account may not see the sockets of hardened processes")
    return [
        (row.laddr.ip, row.laddr.port, names[row.pid])
        for row in found
        if row.pid in names and (row.status == psutil.CONN_LISTEN or row.type == socket.SOCK_DGRAM)
    ]


def test_a_scan_finds_the_documented_listeners_and_no_other(running: Running) -> None:
    found = listening(running.system)
    documented = {(row.port, row.process) for row in endpoints(running.layout)}
    assert {(port, process) for _, port, process in found} == documented
    beyond = {(host, port) for host, port, _ in found if not ip_address(host).is_loopback}
    assert beyond <= {("0.0.0.0", running.layout.meter_port)}  # bound to the loopback device


def test_a_second_system_says_what_is_in_use(running: Running) -> None:
    first = running.system
    same_folder = RunningSystem(first.data, first.offset + 50, "--meters", "1").start(healthy=False)
    same_ports = RunningSystem(running.folder / "two", first.offset, "--meters", "1").start(healthy=False)
    assert same_folder.finished() == 2
    assert same_ports.finished() == 2
    assert first.healthy()
    assert "in use by" in same_folder.output
    assert "--port-offset" in same_ports.output
    assert f"127.0.0.1:{8080 + first.offset}" in same_ports.output


def client(certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """A client that trusts everyone: what is tested is whom the server trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def is_refused(row: Endpoint, context: ssl.SSLContext) -> bool:
    """Whether the connection ends before the server has said anything of its own."""
    host = METER_HOST if row.interface is Interface.METER else row.host
    try:
        with (
            socket.create_connection((host, row.port), timeout=15) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            secured.sendall(GREETING)
            return secured.recv(1) == b""
    except TimeoutError:
        return False  # it waits for more: we were let in
    except (ssl.SSLError, ConnectionError):
        return True


def stranger_of(running: Running, name: str) -> ssl.SSLContext:
    """A certificate of the system's own, of a process or of a meter."""
    if name != "meter":
        files = running.layout.tls(name)
        return client(files.certificate, files.key)
    book = DeviceBook(running.layout.device_certificates, running.layout.tls("fleet"))
    certificate, key = running.folder / "meter.pem", running.folder / "meter.key"
    for path, content in zip((certificate, key), book.pair(0), strict=True):
        path.write_bytes(content)
    return client(certificate, key)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_every_listener_refuses_who_has_no_business_there(running: Running) -> None:
    tls = [row for row in endpoints(running.layout) if row.interface is not None]
    assert {row.purpose for row in endpoints(running.layout) if row not in tls} == {"portal and API"}
    for row in tls:
        assert row.interface is not None
        role = {Interface.METER: "headend", Interface.PUSH: "device", Interface.MARKET: "organisation"}
        forged = running.strangers.issue("forged", uri=f"urn:meterworks:{role}:{role}")
        assert is_refused(row, client(forged.certificate, forged.key)), f"{row.purpose}: another authority"
        if row.interface is not Interface.EST:  # a first enrolment shows a token, no certificate
            assert is_refused(row, client()), f"{row.purpose}: no certificate"
            assert is_refused(row, stranger_of(running, STRANGERS[row.interface])), f"{row.purpose}: wrong role"
        old = client()
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        assert is_refused(row, old), f"{row.purpose}: TLS 1.1"


def test_every_key_of_a_process_is_for_its_owner_only(running: Running) -> None:
    for name in IDENTITIES:
        key = running.layout.tls(name).key
        assert key is not None
        assert key.stat().st_mode & 0o777 == 0o600
        assert certificate_of(running.layout.tls(name)).not_valid_after_utc - datetime.now(UTC) < timedelta(days=7)


def command(*words: str) -> str:
    """Give a command as a person at the machine does; it must succeed."""
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    return done.output


def heard(ports: set[int], begun: threading.Event, is_over: Callable[[], bool]) -> bytes:
    """What crosses the loopback device from or to these ports, in octets, until it is over."""
    found = bytearray()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as tap:
        tap.bind(("lo", 0))
        begun.set()
        while not is_over():
            if select.select([tap], [], [], 0.2)[0]:
                frame = tap.recv(65_536)
                at = 14 + (frame[14] & 0x0F) * 4
                ends = {int.from_bytes(frame[at + side : at + side + 2], "big") for side in (0, 2)}
                if ends & ports:
                    found += frame[at:]
    return bytes(found)


async def test_a_command_reads_a_meter_and_nothing_of_it_crosses_the_wire_in_the_clear(running: Running) -> None:
    """SEC-033. Meanwhile the system asks and pushes as it always does, so the bus and the push port are heard too."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except PermissionError:
        pytest.skip("only root may listen on the loopback device")
    layout = running.layout
    rows = [row for row in endpoints(layout) if row.interface is not None]
    begun, done = threading.Event(), threading.Event()
    listening = asyncio.create_task(asyncio.to_thread(heard, {row.port for row in rows}, begun, done.is_set))
    assert await asyncio.to_thread(begun.wait, 30)
    target = f"tls://{METER_HOST}:{layout.meter_port}"
    try:
        await asyncio.to_thread(command, "meter", "read", target, "--data", str(layout.data), "--no-cache")
    finally:
        done.set()
        octets = await listening
    assert len(octets) > 1000
    neighbourhood = find_neighbourhood(layout)
    title = neighbourhood.specification(0).system_title
    association_request = bytes.fromhex("000100100001")  # the wrapper's header of the public client's first message
    for known in (title, title.hex().encode(), association_request, b"headend.status", b"committed", b"ARROW1"):
        assert known not in octets


def test_a_revoked_process_loses_its_live_connection_and_no_other_does(running: Running) -> None:
    """The identity of the emulated meters: nothing else in this module needs it on the bus."""
    asyncio.run(_revoke_and_watch(running))
    assert running.system.healthy()


async def _revoke_and_watch(running: Running) -> None:
    layout = running.layout
    bus = await connect_bus(layout.bus("fleet"))
    assert await bus.request("process.web", b"") == b"ready"
    certificate = str(layout.tls("fleet").certificate)
    await asyncio.to_thread(command, "pki", "revoke", certificate, "--data", str(layout.data))
    deadline = time.monotonic() + REVOKED_WITHIN_S
    with pytest.raises(UnreachableError):
        while True:
            assert time.monotonic() < deadline, "the revoked certificate still opens the bus"
            await bus.request("process.web", b"", timeout_s=2.0)
            await asyncio.sleep(0.1)
    await bus.close()
    supervisor = await connect_bus(layout.bus("supervisor"))
    assert await supervisor.request("process.web", b"") == b"ready"
    await supervisor.close()


def test_every_meter_came_from_its_maker_and_is_commissioned(running: Running) -> None:
    """SEC-122, SEC-123: shipped under a seal, enrolled at first contact, met by the head-end, the maker revoked."""
    with contextlib.closing(Ledger(running.layout.pki / LEDGER_FILE)) as ledger:
        provisioning = Provisioning(ledger)
        assert len(provisioning.devices()) == 2
        ends_s = time.monotonic() + 60.0
        while len(provisioning.devices(DeviceState.COMMISSIONED)) < 2 and time.monotonic() < ends_s:
            time.sleep(0.2)
        assert {record.state for record in provisioning.devices()} == {DeviceState.COMMISSIONED}
        makers = [row for row in ledger.certificates(authority="maker") if row.profile == PROFILE]
        assert len(makers) == 2
        assert all(row.revoked_at is not None for row in makers)
