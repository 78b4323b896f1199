"""Sessions per second and CPU per session: connect, associate (HLS 5), read 48 rows by range, release, close.

Ours (asynchronous and blocking), gurux-dlms and dlms-cosem as clients against our server, which runs in a process of
its own with many meters. Alone means one session after the other; many means as many at once as each client can: tasks
in one process for ours, processes for the others. One JSON line goes to standard output.

    python -m benchmarks.sessions [--seconds 4]
"""

import argparse
import asyncio
import contextlib
import functools
import json
import multiprocessing
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any, Final

import structlog
import uvloop
from dlms_cosem import cosem, enumerations
from dlms_cosem.client import DlmsClient as CosemClient
from dlms_cosem.cosem.capture_object import CaptureObject as CosemCaptureObject
from dlms_cosem.cosem.selective_access import RangeDescriptor
from dlms_cosem.io import BlockingTcpIO, TcpTransport
from dlms_cosem.security import HighLevelSecurityGmacAuthentication
from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSProfileGeneric
from gurux_dlms.secure import GXDLMSSecureClient

from meterworks.links import BlockingDlmsClient, DlmsClient, start_meter_server
from meterworks.protocols.dlms import (
    ActionResult,
    AssociationSettings,
    AttributeAddress,
    ClientSettings,
    CosemDateTime,
    CountUp,
    DataAccessResult,
    Mechanism,
    MethodAddress,
    ObisCode,
    Protection,
    RangeSelection,
    encode_array,
    encode_date_time,
    encode_double_long_unsigned,
    encode_null,
    encode_structure,
)

GUEK: Final = bytes(range(16))
GAK: Final = bytes(range(0xD0, 0xE0))
CLIENT_TITLE: Final = b"MWKbench"
PROFILE: Final = AttributeAddress(7, ObisCode("1.0.99.1.0.255"), 2)
CLOCK: Final = AttributeAddress(8, ObisCode("0.0.1.0.0.255"), 2)
FIRST: Final = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)
LAST: Final = FIRST + timedelta(hours=23, minutes=30)
METERS: Final = 1000
OWN_TASKS: Final = 64
CROWD: Final = 1000  # clients of one process at the same time
PEER_PROCESSES: Final = 8
COUNTERS_PER_RUN: Final = 10_000_000  # each run begins above all that went before


def meter_address(index: int) -> str:
    """Give the loopback address of a meter."""
    return f"127.16.{index // 250}.{index % 250 + 1}"


def profile() -> bytes:
    """Give 48 rows of time, status and energy; time and status stand in the first row only (null-data compression)."""
    rows = [encode_structure(encode_null(), encode_null(), encode_double_long_unsigned(1000 + i)) for i in range(47)]
    first = encode_structure(
        encode_date_time(CosemDateTime.from_datetime(FIRST)), b"\x11\x00", encode_double_long_unsigned(999)
    )
    return encode_array([first, *rows])


class BenchMeter:
    """The least device that answers the session; what devices compute is measured elsewhere."""

    def __init__(self, title: bytes) -> None:
        self.system_title = title
        self._settings = AssociationSettings(
            mechanism=Mechanism.GMAC, guek=GUEK, gak=GAK, required_protection=Protection.BOTH
        )
        self._profile = profile()
        self._counter = 0
        self._lowest: dict[bytes, int] = {}

    def association(self, client_sap: int) -> AssociationSettings | None:
        return self._settings

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> bytes | DataAccessResult:
        return self._profile

    def set(self, client_sap: int, address: AttributeAddress, value: bytes) -> DataAccessResult:
        return DataAccessResult.READ_WRITE_DENIED

    def action(
        self, client_sap: int, address: MethodAddress, parameter: bytes | None
    ) -> tuple[ActionResult, bytes | None]:
        return ActionResult.READ_WRITE_DENIED, None

    def next_invocation_counter(self) -> int:
        self._counter += 1
        return self._counter

    def lowest_acceptable_counter(self, client_title: bytes) -> int:
        return self._lowest.get(client_title, 0)

    def accept_invocation_counter(self, client_title: bytes, counter: int) -> bool:
        if counter < self._lowest.get(client_title, 0):
            return False
        self._lowest[client_title] = counter + 1
        return True

    def security_event(self, kind: str, client_sap: int) -> None:
        raise AssertionError(f"the benchmark broke a rule: {kind}")


def serve(pipe: Connection) -> None:
    """Run the server; tell its port, then its CPU seconds for each line asked, until the pipe closes."""

    async def run() -> None:
        meters = {meter_address(i): BenchMeter(i.to_bytes(8, "big")) for i in range(1, METERS + 1)}
        server = await start_meter_server(lambda host, _port: meters.get(host), "0.0.0.0", 0)
        pipe.send(server.port)
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def answer() -> None:
            try:
                pipe.recv()
                pipe.send(time.process_time())
            except (EOFError, OSError):
                loop.remove_reader(pipe.fileno())
                done.set_result(None)

        loop.add_reader(pipe.fileno(), answer)
        await done
        await server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


# --- clients --------------------------------------------------------------------------------------------------------


async def own_session(host: str, port: int, counter: CountUp) -> None:
    """Run one session with our client."""
    settings = ClientSettings(client_sap=2, mechanism=Mechanism.GMAC, system_title=CLIENT_TITLE, guek=GUEK, gak=GAK)
    client = await DlmsClient.connect(host, port, settings, counter=counter)
    try:
        await client.associate()
        data = await client.get(PROFILE, SELECTION)
        assert len(data) > 400
        await client.release()
    finally:
        await client.close()


SELECTION: Final = RangeSelection(from_=CosemDateTime.from_datetime(FIRST), to=CosemDateTime.from_datetime(LAST))


def run_own(port: int, seconds: float, tasks: int, run_number: int) -> int:
    """Run sessions with our client for a time; give how many."""
    counter = CountUp(COUNTERS_PER_RUN * run_number)
    meters = [meter_address(i) for i in range(1, METERS + 1)]

    async def worker(number: int, ends_s: float) -> int:
        done = 0
        mine = meters[number::tasks]  # a meter has one session at a time: counters must grow in order
        while time.perf_counter() < ends_s:
            await own_session(mine[done % len(mine)], port, counter)
            done += 1
        return done

    async def run() -> int:
        ends_s = time.perf_counter() + seconds
        return sum(await asyncio.gather(*(worker(number, ends_s) for number in range(tasks))))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def own_blocking_session(host: str, port: int, first_counter: int) -> int:
    """Run one session with our blocking client; give its next counter."""
    settings = ClientSettings(client_sap=2, mechanism=Mechanism.GMAC, system_title=CLIENT_TITLE, guek=GUEK, gak=GAK)
    counter = CountUp(first_counter)
    with BlockingDlmsClient.connect(host, port, settings, counter=counter) as client:
        client.associate()
        data = client.get(PROFILE, SELECTION)
        assert len(data) > 400
        client.release()
    return counter.next()


def cosem_session(host: str, port: int, first_counter: int) -> int:
    """Run one session with dlms-cosem; give its next counter."""
    client = CosemClient(
        transport=TcpTransport(client_logical_address=2, server_logical_address=1, io=BlockingTcpIO(host, port)),
        authentication=HighLevelSecurityGmacAuthentication(challenge_length=16),
        encryption_key=GUEK,
        authentication_key=GAK,
        client_system_title=CLIENT_TITLE,
        client_initial_invocation_counter=first_counter,
    )
    with contextlib.redirect_stdout(None), client.session():  # it prints while it ciphers
        data = client.get(_cosem_attribute(PROFILE), _cosem_range())
        assert len(data) > 400
    return client.client_invocation_counter


def _cosem_attribute(address: AttributeAddress) -> cosem.CosemAttribute:
    return cosem.CosemAttribute(
        interface=enumerations.CosemInterface(address.class_id),
        instance=cosem.Obis.from_bytes(bytes(address.obis_code)),
        attribute=address.attribute,
    )


def _cosem_range() -> RangeDescriptor:
    restricting = CosemCaptureObject(cosem_attribute=_cosem_attribute(CLOCK), data_index=0)
    return RangeDescriptor(restricting_object=restricting, from_value=FIRST, to_value=LAST)


def gurux_session(host: str, port: int, first_counter: int) -> int:
    """Run one session with gurux-dlms; give its next counter."""
    client = GXDLMSSecureClient(True, 2, 1, Authentication.HIGH_GMAC, "12345678", InterfaceType.WRAPPER)
    cipher = client.ciphering
    cipher.systemTitle, cipher.security = CLIENT_TITLE, Security.AUTHENTICATION_ENCRYPTION
    cipher.blockCipherKey, cipher.authenticationKey = bytearray(GUEK), bytearray(GAK)
    cipher.invocationCounter = first_counter
    with socket.create_connection((host, port), 10) as link:

        def exchange(frames: Any) -> GXReplyData:
            reply = GXReplyData()
            for frame in frames if isinstance(frames, list) else [frames]:
                link.sendall(bytes(frame))
                received = GXByteBuffer()
                while True:
                    received.set(link.recv(70_000))
                    if client.getData(received, reply, GXReplyData()):
                        break
            return reply

        client.parseAareResponse(exchange(client.aarqRequest()).data)
        client.parseApplicationAssociationResponse(exchange(client.getApplicationAssociationRequest()).data)
        item = GXDLMSProfileGeneric(str(PROFILE.obis_code))
        reply = exchange(client.readRowsByRange(item, FIRST, LAST))
        assert len(reply.value) == 48
        exchange(client.releaseRequest())
    return int(cipher.invocationCounter) + 2


def run_blocking(
    session: Callable[[str, int, int], int], port: int, seconds: float, meters: list[str], run_number: int
) -> int:
    """Run sessions with a blocking client for a time; give how many."""
    ends_s = time.perf_counter() + seconds
    counter = COUNTERS_PER_RUN * run_number
    done = 0
    while time.perf_counter() < ends_s:
        counter = session(meters[done % len(meters)], port, counter)
        done += 1
    return done


def _blocking_process(
    session: Callable[[str, int, int], int],
    port: int,
    seconds: float,
    meters: list[str],
    run_number: int,
    results: Any,
    start: Any,
) -> None:
    quiet()
    start.wait(60)
    started_s = time.process_time()
    results.put((run_blocking(session, port, seconds, meters, run_number), time.process_time() - started_s))


def run_many(
    session: Callable[[str, int, int], int], port: int, seconds: float, processes: int, run_number: int
) -> tuple[int, float]:
    """Run sessions in several processes; give how many, and their CPU seconds."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    start = context.Barrier(processes)
    meters = [meter_address(i) for i in range(1, METERS + 1)]
    workers = [
        context.Process(
            target=_blocking_process, args=(session, port, seconds, meters[n::processes], run_number, results, start)
        )
        for n in range(processes)
    ]
    for worker in workers:
        worker.start()
    rows = [results.get(timeout=seconds + 60) for _ in workers]
    for worker in workers:
        worker.join()
    return sum(row[0] for row in rows), sum(row[1] for row in rows)


def quiet() -> None:
    """Keep dlms-cosem from logging each message."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


class Server:
    """The server's process, and its CPU time."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other,), daemon=True)
        self._process.start()
        other.close()
        self.port: int = self._pipe.recv()

    def cpu_s(self) -> float:
        self._pipe.send(None)
        return float(self._pipe.recv())

    def close(self) -> None:
        self._pipe.close()
        self._process.join(10)


def measure(server: Server, run: Callable[[], tuple[int, float] | int]) -> dict[str, float]:
    """Run and give sessions/s and CPU microseconds of each side."""
    server_s, own_s, started_s = server.cpu_s(), time.process_time(), time.perf_counter()
    outcome = run()
    elapsed_s = time.perf_counter() - started_s
    count, client_s = outcome if isinstance(outcome, tuple) else (outcome, time.process_time() - own_s)
    return {
        "sessions_per_s": round(count / elapsed_s, 1),
        "client_cpu_us": round(client_s / count * 1e6, 1),
        "server_cpu_us": round((server.cpu_s() - server_s) / count * 1e6, 1),
    }


def measure_all(seconds: float) -> dict[str, Any]:
    """Measure ours and the peers in one run."""
    quiet()
    results: dict[str, Any] = {}
    server = Server()
    meters = [meter_address(i) for i in range(1, METERS + 1)]
    try:
        run_own(server.port, 0.3, 1, 1)  # warm
        results["ours_alone"] = measure(server, lambda: run_own(server.port, seconds, 1, 2))
        results["ours_many"] = measure(server, lambda: run_own(server.port, seconds, OWN_TASKS, 3))
        results["ours_1000_at_once"] = measure(server, lambda: run_own(server.port, seconds, CROWD, 4))
        blocking = (("ours_blocking", own_blocking_session), ("dlms_cosem", cosem_session), ("gurux", gurux_session))
        for number, (name, session) in enumerate(blocking, 5):
            results[f"{name}_alone"] = measure(
                server, functools.partial(run_blocking, session, server.port, seconds, meters, number)
            )
        count_cpu = run_many(cosem_session, server.port, seconds, PEER_PROCESSES, 8)
        results["dlms_cosem_many"] = {
            "sessions_per_s": round(count_cpu[0] / seconds, 1),
            "client_cpu_us": round(count_cpu[1] / count_cpu[0] * 1e6, 1),
        }
    finally:
        server.close()
    results["ratio_alone"] = round(
        results["ours_alone"]["sessions_per_s"] / results["dlms_cosem_alone"]["sessions_per_s"], 2
    )
    results["ratio_blocking_alone"] = round(
        results["ours_blocking_alone"]["sessions_per_s"] / results["dlms_cosem_alone"]["sessions_per_s"], 2
    )
    results["ratio_many"] = round(
        results["ours_many"]["sessions_per_s"] / results["dlms_cosem_many"]["sessions_per_s"], 2
    )
    return {"benchmark": "sessions", "profile_octets": len(profile()), **results}


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each measurement")
    print(json.dumps(measure_all(parser.parse_args().seconds)))


if __name__ == "__main__":
    main()
