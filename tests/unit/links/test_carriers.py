"""Both clients over every framing and carrier: HDLC, UDP, TLS, gateways; what a tap hears; links that fall silent."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import CLIENT_TITLE, ECHO, ENERGY, LONG_VALUE, NOTE, ExampleDevice
from tests.unit.links.peer import end, handling

from meterworks.errors import OutcomeUnknown, UsageError
from meterworks.links import (
    BlockingDlmsClient,
    ConnectFailed,
    ConnectionLost,
    DlmsClient,
    MeterServerLimits,
    MeterTarget,
    NoAnswer,
    Tapped,
    Transport,
    start_datagram_meter_server,
    start_meter_server,
)
from meterworks.protocols.dlms import (
    Access,
    AccessAction,
    AccessGet,
    AccessSet,
    ClientSettings,
    CountUp,
    DataAccessResult,
    decode_all,
    encode_visible_string,
    encode_wrapper,
)
from meterworks.protocols.dlms.hdlc import HdlcFraming, HdlcSettings, LinkParameters
from meterworks.protocols.errors import ServiceRefused

WIDE = LinkParameters(information_transmit_max=1024, information_receive_max=1024, window_transmit=4, window_receive=4)
AARQ = bytes.fromhex("601da109060760857405080101be10040e01000000065f1f040000fc1fffff")


class Field:
    """The example meter behind every kind of server, and the addresses at which it is found."""

    def __init__(self) -> None:
        self.device = ExampleDevice()
        self.targets: dict[str, MeterTarget] = {}


@asynccontextmanager
async def served() -> AsyncIterator[Field]:
    field = Field()
    meter = field.device
    other = ExampleDevice()
    wide = HdlcFraming(HdlcSettings(physical=17, parameters=WIDE))
    tcp = await start_meter_server(
        lambda _host, _port: other,
        "127.0.0.1",
        0,
        device_only=None,
        behind=lambda network, address: meter if (network, address) == (1, b"MWK") else None,
    )
    hdlc = await start_meter_server(lambda _host, _port: meter, "127.0.0.1", 0, device_only=None, framing=wide)
    udp = await start_datagram_meter_server(lambda _host, _port: meter, "127.0.0.1", 0)
    texts = {
        "hdlc": f"hdlc+tcp://127.0.0.1:{hdlc.port}?physical=17",
        "hdlc, four octets": f"hdlc+tcp://127.0.0.1:{hdlc.port}?physical=17&address_size=4&information=1024&window=4",
        "udp": f"udp://127.0.0.1:{udp.port}",
        "gateway": f"tcp://127.0.0.1:{tcp.port}?network_id=1&meter=4d574b",
    }
    field.targets = {name: MeterTarget.from_text(text) for name, text in texts.items()}
    try:
        yield field
    finally:
        for server in (tcp, hdlc, udp):
            await server.close()


WAYS = ["hdlc", "hdlc, four octets", "udp", "gateway"]


@pytest.mark.parametrize("way", WAYS)
async def test_meter_is_read_written_and_invoked(way: str) -> None:
    async with served() as field:
        counter = CountUp(field.device.lowest_acceptable_counter(CLIENT_TITLE) + 1)
        client = await DlmsClient.open(field.targets[way], settings_for(2), counter=counter, timeout_s=5.0)
        async with client:
            assert (await client.associate()).server_title == field.device.system_title
            assert decode_all(await client.get(ENERGY)) == 1_234_567
            await client.set(NOTE, encode_visible_string("seen"))
            assert await client.action(ECHO, b"\x11\x07") == b"\x11\x07"
            assert len(await client.get(LONG_VALUE)) > 262_144
            assert await client.release()
        assert field.device.written[NOTE] == encode_visible_string("seen")
        assert field.device.events == []


@pytest.mark.parametrize("way", WAYS)
async def test_blocking_twin_does_the_same(way: str) -> None:
    def session(field: Field) -> None:
        counter = CountUp(field.device.lowest_acceptable_counter(CLIENT_TITLE) + 1)
        with BlockingDlmsClient.open(field.targets[way], settings_for(2), counter=counter, timeout_s=5.0) as client:
            client.associate()
            assert client.server_title == field.device.system_title
            assert decode_all(client.get(ENERGY)) == 1_234_567
            client.set(NOTE, encode_visible_string("seen"))
            assert client.action(ECHO, b"\x11\x07") == b"\x11\x07"
            assert len(client.get(LONG_VALUE)) > 262_144
            assert client.release()

    async with served() as field:
        await asyncio.to_thread(session, field)
        assert field.device.events == []


async def test_access_carries_all_in_one_request() -> None:
    items = (AccessGet(ENERGY), AccessSet(NOTE, encode_visible_string("here")), AccessAction(ECHO, b"\x11\x01"))
    settings = settings_for(3)

    def session(target: MeterTarget) -> list[object]:
        with BlockingDlmsClient.open(target, settings, counter=CountUp()) as blocking:
            blocking.associate()
            return list(blocking.access(Access(items)))

    async with served() as field:
        target = field.targets["hdlc"]
        async with await DlmsClient.open(target, settings, counter=CountUp()) as client:
            await client.associate()
            try:
                outcomes = await client.access(Access(items))
            except UsageError:
                pytest.skip("the example meter does not offer access")
            assert [outcome.result for outcome in outcomes] == [DataAccessResult.SUCCESS] * 3
            with pytest.raises(UsageError):
                await client.read([])
            with pytest.raises(UsageError):
                await client.write([])
            with pytest.raises(UsageError):
                await client.write_unconfirmed([])
        assert await asyncio.to_thread(session, target) == outcomes


async def test_refusal_over_hdlc_is_a_refusal() -> None:
    async with served() as field:
        async with await DlmsClient.open(field.targets["hdlc"], ClientSettings(), counter=CountUp()) as client:
            await client.associate()
            with pytest.raises(ServiceRefused):
                await client.get(NOTE)


# --- silence --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def leaky(port: int, lost: set[int]) -> AsyncIterator[int]:
    """Stand between client and meter and lose what the client sends, by its number from 0."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, numbers: set[int]) -> None:
        count = 0
        while data := await reader.read(65_536):
            if count not in numbers:
                writer.write(data)
            count += 1
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        meter_reader, meter_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            pump(meter_reader, writer, set()), pump(reader, meter_writer, lost), return_exceptions=True
        )
        await end(meter_writer)

    async with handling(relay) as relayed:
        yield relayed


async def test_link_repeats_what_was_lost_for_both_clients() -> None:
    settings = ClientSettings()

    def session(target: MeterTarget) -> object:
        with BlockingDlmsClient.open(target, settings, counter=CountUp(), timeout_s=5.0) as client:
            client.associate()
            return decode_all(client.get(ENERGY))

    async with served() as field:
        async with leaky(field.targets["hdlc"].port, {0, 2, 4}) as port:
            target = MeterTarget.from_text(f"hdlc+tcp://127.0.0.1:{port}?physical=17&timeout_s=0.05")
            async with await DlmsClient.open(target, settings, counter=CountUp(), timeout_s=5.0) as client:
                await client.associate()
                assert decode_all(await client.get(ENERGY)) == 1_234_567
            assert await asyncio.to_thread(session, target) == 1_234_567


@pytest.mark.parametrize("timeout_s", [0.05, 5.0])
async def test_silent_meter_is_no_answer_and_a_write_to_it_an_unknown_outcome(timeout_s: float) -> None:
    """Whether the client's patience ends first, or that of its link."""

    def session(target: MeterTarget) -> None:
        with BlockingDlmsClient.open(target, settings_for(3), counter=CountUp(), timeout_s=5.0) as client:
            client.associate()
            client.timeout_s = timeout_s
            with pytest.raises(OutcomeUnknown):
                client.set(NOTE, b"\x00")
            with pytest.raises(ConnectionLost):
                client.get(ENERGY)

    async with served() as field:
        async with leaky(field.targets["hdlc"].port, set(range(2, 100))) as port:
            target = MeterTarget.from_text(f"hdlc+tcp://127.0.0.1:{port}?physical=17&timeout_s=0.04&retries=2")
            async with await DlmsClient.open(target, ClientSettings(), counter=CountUp(), timeout_s=5.0) as client:
                await client.associate()
                client.timeout_s = timeout_s
                with pytest.raises(NoAnswer):
                    await client.get(ENERGY)
            await asyncio.to_thread(session, target)


async def test_nobody_at_the_address_is_told() -> None:
    closed = MeterTarget.from_text("udp://127.0.0.1:9")
    async with await DlmsClient.open(closed, ClientSettings(), counter=CountUp(), timeout_s=0.5) as client:
        with pytest.raises((NoAnswer, ConnectionLost)):
            await client.associate()
    with BlockingDlmsClient.open(closed, ClientSettings(), counter=CountUp(), timeout_s=0.2) as blocking:
        with pytest.raises((NoAnswer, ConnectionLost)):
            blocking.associate()
    missing = MeterTarget.from_text("serial:///dev/no-such-port")
    with pytest.raises(ConnectFailed, match="cannot open"):
        await DlmsClient.open(missing, ClientSettings(), counter=CountUp())
    with pytest.raises(ConnectFailed):
        BlockingDlmsClient.open(missing, ClientSettings(), counter=CountUp())


# --- datagrams ------------------------------------------------------------------------------------------------------


class Prober(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.heard.put_nowait(data)


async def test_datagrams_that_are_no_frames_are_passed_over() -> None:
    server = await start_datagram_meter_server(
        lambda _host, _port: ExampleDevice(), "127.0.0.1", 0, limits=MeterServerLimits(connections_max=2)
    )
    loop = asyncio.get_running_loop()
    address = (server.host, server.port)
    probers = [await loop.create_datagram_endpoint(Prober, remote_addr=address) for _ in range(3)]
    frame = encode_wrapper(16, 1, AARQ)
    for transport, prober in probers:
        for noise in (b"", b"x", frame[:-1], frame + b"\x00", b"\x00\x02" + frame[2:], bytes(8)):
            transport.sendto(noise)
        transport.sendto(frame)
        async with asyncio.timeout(5):
            assert (await prober.heard.get())[8] == 0x61
        assert prober.heard.empty()
    assert (server.connections, server.dropped) == (2, 1)  # the first stranger gave way to the third
    for transport, _ in probers:
        transport.close()
    with pytest.raises(ConnectFailed):
        await start_datagram_meter_server(lambda _host, _port: None, "127.0.0.1", server.port)
    await server.close()


async def test_silent_peers_are_forgotten() -> None:
    server = await start_datagram_meter_server(
        lambda _host, _port: ExampleDevice(), "127.0.0.1", 0, limits=MeterServerLimits(idle_s_max=0.05)
    )
    target = MeterTarget(transport=Transport.UDP, host=server.host, port=server.port)
    async with await DlmsClient.open(target, ClientSettings(), counter=CountUp()) as client:
        await client.associate()
        assert (server.connections, server.refused) == (1, 0)
        async with asyncio.timeout(5):
            while server.connections:  # noqa: ASYNC110 - what is watched has no event of its own
                await asyncio.sleep(0.01)
    await server.close()


# --- TLS and tap ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate of our own making, and a client's that trusts only that."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "meter")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain = folder / "meter.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return server, ssl.create_default_context(cafile=str(chain))


@pytest.mark.parametrize("scheme", ["tcp", "hdlc+tcp"])
async def test_both_clients_speak_inside_tls(contexts: tuple[ssl.SSLContext, ssl.SSLContext], scheme: str) -> None:
    server_tls, client_tls = contexts
    device = ExampleDevice()
    server = await start_meter_server(
        lambda _host, _port: device,
        "127.0.0.1",
        0,
        device_only=None,
        tls=server_tls,
        framing="hdlc" if scheme == "hdlc+tcp" else "wrapper",
    )
    target = MeterTarget.from_text(f"{scheme}://127.0.0.1:{server.port}")
    settings = ClientSettings()

    def session() -> object:
        with BlockingDlmsClient.open(target, settings, counter=CountUp(), tls=client_tls) as blocking:
            blocking.associate()
            return decode_all(blocking.get(ENERGY))

    async with await DlmsClient.open(target, settings, counter=CountUp(), tls=client_tls) as client:
        await client.associate()
        assert decode_all(await client.get(ENERGY)) == 1_234_567
    assert await asyncio.to_thread(session) == 1_234_567
    stranger = ssl.create_default_context()
    with pytest.raises(ConnectFailed, match="certificate"):
        await DlmsClient.open(target, settings, counter=CountUp(), tls=stranger)
    with pytest.raises(ConnectFailed):
        await asyncio.to_thread(lambda: BlockingDlmsClient.open(target, settings, counter=CountUp(), tls=stranger))
    await server.close()


@pytest.mark.parametrize("way", ["hdlc", "udp"])
async def test_tap_hears_all_octets_of_both_clients(way: str) -> None:
    heard: list[Tapped] = []

    def session(target: MeterTarget) -> int:
        with BlockingDlmsClient.open(target, ClientSettings(), counter=CountUp(), tap=heard.append) as blocking:
            blocking.associate()
        return blocking.traffic.sent + blocking.traffic.received

    async with served() as field:
        target = field.targets[way]
        async with await DlmsClient.open(target, ClientSettings(), counter=CountUp(), tap=heard.append) as client:
            await client.associate()
        assert sum(len(each.octets) for each in heard) == client.traffic.sent + client.traffic.received
        assert [each.direction for each in heard[:2]] == ["sent", "received"]
        first = heard[0]
        assert first.transport is target.transport
        assert first.remote == ("127.0.0.1", target.port)
        assert first.local[0] == "127.0.0.1"
        assert first.time_s > 1_700_000_000
        heard.clear()
        assert await asyncio.to_thread(session, target) == sum(len(each.octets) for each in heard)
