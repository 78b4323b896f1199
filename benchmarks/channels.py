"""Secure channels: handshakes a second, full and resumed, TLS and DTLS, and what TLS costs on the bulk reading path.

Handshakes are mutual, with P-256, both ends in one thread over memory buffers; the bare `ssl` module does the same with
contexts of its own between our rounds. Reading: emulated meters of the real fleet in a process of their own, every one
read in turn (association with HLS 5 and both protections, a range of the load profile, release), over plain TCP and
over TLS with resumed sessions, round about; processor time of both processes is counted, so that others on the machine
do not disturb. One JSON object goes to standard output.

    python -m benchmarks.channels [--seconds 2] [--meters 100] [--rounds 4]
"""

import argparse
import asyncio
import itertools
import json
import multiprocessing
import secrets
import ssl
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import structlog
import uvloop
from tests.tls_authority import SmallAuthority
from tests.unit.trust.tls.handshake import connect

from meterworks.devices import Fleet, FleetSettings, MeterSpecification
from meterworks.links import DlmsClient, MeterTarget, TlsDemand
from meterworks.protocols.dlms import (
    AttributeAddress,
    ClientSettings,
    CosemDateTime,
    CountUp,
    Mechanism,
    ObisCode,
    RangeSelection,
)
from meterworks.runtime import SystemClock
from meterworks.trust.dtls import DtlsConnection, DtlsContext, DtlsListener, DtlsState
from meterworks.trust.tls import Guard, Interface, TlsContext, TlsFiles, client_context, server_context
from meterworks.world import NeighbourhoodSettings, open_neighbourhood

PROFILE: Final = AttributeAddress(7, ObisCode("1.0.99.1.0.255"), 2)
TITLE: Final = "4d57520000000002"
CLIENT_TITLE: Final = b"MWKbench"
TASKS: Final = 16
PATIENCE_S: Final = 120.0  # of a machine on which others work too
COUNTERS_PER_ROUND: Final = 1_000_000
SPANS_DAYS: Final = (1, 365)  # a visit of each day, and the first fill


@dataclass(frozen=True)
class Reached:
    """A fleet that is served: its meters, port, and whether over TLS."""

    meters: list[tuple[str, bytes, bytes]]
    port: int
    is_secured: bool


class FleetCredentials:
    """Certificates of the meters of a fleet."""

    def __init__(self, own: SmallAuthority, folder: Path, titles: list[str]) -> None:
        self.trust: TlsFiles = own.files(folder, own.issue("fleet", "fleet"))
        made = [own.issue("device", title) for title in titles]
        self._pairs = [(each.certificate_pem, each.key_pem) for each in made]

    def pair(self, index: int) -> tuple[bytes, bytes]:
        """Give chain and key of a meter."""
        return self._pairs[index]

    def is_personalised(self, index: int) -> bool:
        """Each has its operator's certificate: commissioning is not what is measured."""
        return 0 <= index < len(self._pairs)

    async def personalise(self, index: int) -> None:
        """Nothing is left to do."""


# --- handshakes -----------------------------------------------------------------------------------------------------


def per_second(work: Callable[[], object], seconds: float) -> float:
    """Give how often something can be done in a second of processor time."""
    work()
    began, done = time.process_time(), 0
    while (spent := time.process_time() - began) < seconds:
        work()
        done += 1
    return done / spent


def bare(own: SmallAuthority, folder: Path, role: str, *, is_server: bool) -> ssl.SSLContext:
    """Give a context of the bare module, with the suites and the group that ours agree on."""
    files = own.files(folder / role, own.issue(role, "bare"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    assert files.certificate is not None
    context.load_cert_chain(files.certificate, files.key)
    context.load_verify_locations(files.anchors)
    context.set_ecdh_curve("prime256v1")
    return context


def dtls_handshake(server: DtlsContext, client: DtlsContext, ports: "itertools.count[int]") -> None:
    """Carry one handshake of DTLS, cookie and all, to its end."""
    listener = DtlsListener(server, lambda _peer, _address: None, secrets.token_bytes, now=0.0)
    address = ("192.0.2.1", next(ports))
    connection = DtlsConnection(client.current(), is_server=False)
    while connection.state is DtlsState.SHAKING:
        for datagram in connection.datagrams():
            listener.receive(datagram, address, 0.0)
        for datagram, _ in listener.datagrams():
            connection.receive(datagram)
    assert connection.state is DtlsState.OPEN


def measure_handshakes(seconds: float) -> dict[str, float]:
    """Give handshakes per second of processor time, both ends together."""
    with tempfile.TemporaryDirectory() as name:
        own, folder = SmallAuthority(), Path(name)
        meter, headend = own.memory(own.issue("device", TITLE)), own.memory(own.issue("headend", "headend"))
        server, client = server_context(meter, Interface.METER), client_context(headend, Interface.METER)
        plain = bare(own, folder, "device", is_server=True), bare(own, folder, "headend", is_server=False)
        ports = itertools.count(1024)
        dtls = DtlsContext(meter, is_server=True), DtlsContext(headend, is_server=False)

        def full() -> None:
            client.forget_sessions()
            connect(client, server)

        found = {
            "full_per_s": per_second(full, seconds),
            "bare_full_per_s": per_second(lambda: connect(plain[1], plain[0]), seconds),
            "resumed_per_s": per_second(lambda: connect(client, server), seconds),
            "dtls_per_s": per_second(lambda: dtls_handshake(*dtls, ports), seconds),
        }
        assert connect(client, server)[0].wrapped.session_reused
        older = client_context(headend, Interface.METER)
        older.current.maximum_version = ssl.TLSVersion.TLSv1_2
        found["resumed_by_tls12_per_s"] = per_second(lambda: connect(older, server), seconds)
    return found | {
        "full_to_bare": found["full_per_s"] / found["bare_full_per_s"],
        "resumed_to_full": found["resumed_per_s"] / found["full_per_s"],
    }


# --- reading --------------------------------------------------------------------------------------------------------


def serve(pipe: Connection, own_folder: str, count: int) -> None:
    """Serve the same meters plainly and over TLS; then tell processor time for each line asked."""

    async def run() -> None:
        folder = Path(own_folder)
        own = SmallAuthority()
        headend = own.issue("headend", "headend")
        own.files(folder / "headend", headend)
        async with AsyncExitStack() as stack:
            for is_secured in (False, True):
                home = folder / ("tls" if is_secured else "tcp")
                home.mkdir()
                settings = NeighbourhoodSettings(meters=count, seed=1, port=0)
                meters = open_neighbourhood(home, settings, now_epoch_s=time.time()).meters()
                titles = [specification.system_title.hex() for specification, _ in meters]
                credentials = FleetCredentials(own, home / "pki", titles) if is_secured else None
                fleet = Fleet(meters, FleetSettings(credentials=credentials), SystemClock())
                await fleet.start()
                stack.push_async_callback(fleet.stop)
                facts = [_facts(specification) for specification, _ in meters]
                pipe.send(Reached(facts, fleet.ports[0], is_secured))
            done = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().add_reader(pipe.fileno(), _tell, pipe, done)
            await done

    uvloop.run(run())


def _facts(specification: MeterSpecification) -> tuple[str, bytes, bytes]:
    return specification.address.rpartition(":")[0], specification.guek, specification.gak


def _tell(pipe: Connection, done: "asyncio.Future[None]") -> None:
    try:
        pipe.recv()
        pipe.send(time.process_time())
    except (EOFError, OSError):
        asyncio.get_running_loop().remove_reader(pipe.fileno())
        if not done.done():
            done.set_result(None)


async def read_all(reached: Reached, context: TlsContext, guard: Guard, first_counter: int, days: int) -> int:
    """Read a range of every meter, some at once; give how many sessions were resumed."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    first, last = (CosemDateTime.from_datetime(at) for at in (now - timedelta(days=days), now))
    selection = RangeSelection(from_=first, to=last)
    tls = TlsDemand(context=context, guard=guard) if reached.is_secured else None
    waiting = iter(reached.meters)
    resumed = 0

    async def work() -> None:
        nonlocal resumed
        for host, guek, gak in waiting:
            settings = ClientSettings(
                client_sap=2, mechanism=Mechanism.GMAC, system_title=CLIENT_TITLE, guek=guek, gak=gak
            )
            target = MeterTarget(host=host, port=reached.port)
            async with await DlmsClient.open(
                target, settings, counter=CountUp(first_counter), timeout_s=PATIENCE_S, tls=tls
            ) as client:
                await client.associate()
                assert len(await client.get(PROFILE, selection)) > 400 * days
                await client.release()
                transport = client._protocol.transport
                secured = None if transport is None else transport.get_extra_info("ssl_object")
                resumed += isinstance(secured, ssl.SSLObject) and bool(secured.session_reused)

    await asyncio.gather(*(work() for _ in range(TASKS)))
    return resumed


def measure_reading(meters: int, rounds: int) -> dict[str, float]:
    """Give processor time per session in either way, and what TLS adds."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        pipe, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, folder, meters))
        process.start()
        theirs.close()
        plain, secured = pipe.recv(), pipe.recv()
        home = Path(folder) / "headend"
        files = TlsFiles(home / "certificate.pem", home / "key.pem", home / "anchors.pem", home / "crl.pem")
        context = client_context(files, Interface.METER)
        guard = Guard(Interface.METER, is_server=False)

        def spent() -> float:
            pipe.send("time")
            return time.process_time() + float(pipe.recv())

        counters = itertools.count(1)

        def round_of(reached: Reached, days: int) -> tuple[float, int]:
            before = spent()
            first = next(counters) * COUNTERS_PER_ROUND
            resumed = uvloop.run(read_all(reached, context, guard, first, days))
            return (spent() - before) / meters, resumed

        try:
            for days in SPANS_DAYS:
                times: dict[bool, list[float]] = {False: [], True: []}
                for number in range(rounds + 1):
                    for reached in (plain, secured):
                        session_s, resumed = round_of(reached, days)
                        if number:  # the first round makes contexts, sessions and histories
                            times[reached.is_secured].append(session_s)
                            assert not reached.is_secured or resumed == meters, "a session was not resumed"
                tcp, tls = min(times[False]), min(times[True])
                found[f"tcp_{days}_days_ms"], found[f"tls_{days}_days_ms"] = tcp * 1000, tls * 1000
                found[f"tls_cost_{days}_days_percent"] = (tls / tcp - 1) * 100
        finally:
            pipe.close()
            process.join(20)
    return found


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--meters", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    result = {
        "handshakes": measure_handshakes(options.seconds),
        "reading": measure_reading(options.meters, options.rounds),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
