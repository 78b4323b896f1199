"""Fuzz targets for what lies below an association: HDLC frames and links, the sign-on of mode E, gateways, pushes.

Links are given frames with right sums, made of the octets tried: random octets seldom pass those.
"""

import contextlib

from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import ENERGY, ExampleDevice

from meterworks.errors import MeterworksError
from meterworks.protocols.dlms import (
    WRAPPER,
    Associate,
    ClientConnection,
    CountUp,
    GatewayFraming,
    GatewayPrefix,
    Get,
    ServerConnection,
    encode_wrapper,
)
from meterworks.protocols.dlms.hdlc import HDLC, HdlcAddress, HdlcFrame, HdlcPushReader, HdlcReader, read_parameters
from meterworks.protocols.dlms.mode_e import Identification, ModeEFraming, ModeEServerFraming, decode_readout

__all__ = ["LINK_TARGETS"]

OUTPUT_SIZE_MAX = 5 * 65_536
KEPT_SIZE_MAX = 2100
CLIENT, SERVER = HdlcAddress(16), HdlcAddress(1)
SNRM, UA = 0x93, 0x73
METER = ModeEServerFraming(identification=Identification("MWK", "5", "X", has_mode_e=True))
AARQ = bytes.fromhex("e6e600601da109060760857405080101be10040e01000000065f1f040000fc1fffff")


def frames_of(octets: bytes, source: HdlcAddress, destination: HdlcAddress) -> list[bytes]:
    """Make frames of octets: control, a size and that many octets of information, again and again."""
    frames = []
    while len(octets) >= 2:
        size = octets[1] & 0x7F
        frame = HdlcFrame(destination, source, octets[0], octets[2 : 2 + size], segmented=octets[1] >= 0x80)
        frames.append(frame.to_bytes())
        octets = octets[2 + size :]
    return frames


def _fuzz_readers(octets: bytes) -> str:
    """Read octets as frames, pushes, parameters, prefixes and readouts."""
    taken = False
    for start in range(0, len(octets), 100):
        frames, pushes = HdlcReader(), HdlcPushReader(apdu_size_max=1000)
        frames.feed(octets[start:])
        while frames.next_frame() is not None:
            taken = True
        for frame in frames_of(octets[start:], SERVER, CLIENT):
            pushes.feed(frame)
            while pushes.next_push() is not None:
                taken = True
            assert pushes.size < 20_000
        assert frames.size < KEPT_SIZE_MAX
    read_parameters(octets)
    for read in (GatewayPrefix.split, decode_readout):
        try:
            read(octets)
            taken = True
        except MeterworksError:
            continue
    return "taken" if taken else "refused"


def _fuzz_server_link(octets: bytes) -> str:
    """Open a link with a meter and an association, and send it any frames."""
    server = ServerConnection(ExampleDevice(), lambda size: b"S" * size, framing=HDLC)
    for opening in (HdlcFrame(SERVER, CLIENT, SNRM), HdlcFrame(SERVER, CLIENT, 0x10, AARQ)):
        assert server.receive(opening.to_bytes())
    said = 0
    for number, frame in enumerate(frames_of(octets, CLIENT, SERVER)):
        said += len(server.receive(frame, number * 5.0))
        said += len(server.advance(number * 5.0 + 2.0))
    assert said < OUTPUT_SIZE_MAX * (1 + len(octets))
    return "refused" if server.closed else "taken"


def _fuzz_client_link(octets: bytes) -> str:
    """Have a client with an open link ask something, and answer with any frames."""
    client = ClientConnection(settings_for(16), CountUp(5), lambda size: b"C" * size, framing=HDLC)
    server = ServerConnection(ExampleDevice(), lambda size: b"S" * size, framing=HDLC)
    waiting = client.send(Associate())
    while waiting:
        client.receive(server.receive(waiting))
        waiting = client.data_to_send()
    client.send(Get(ENERGY))
    try:
        for number, frame in enumerate(frames_of(octets, SERVER, CLIENT)):
            client.receive(frame, number * 2.0)
            assert len(client.data_to_send(number * 2.0)) < OUTPUT_SIZE_MAX
            client.advance(number * 2.0 + 1.0)
    except MeterworksError:
        return "refused"
    return "taken"


def _fuzz_sign_on(octets: bytes) -> str:
    """Talk any octets to both ends of an optical port, and to a client of a meter behind a gateway."""
    server = ServerConnection(ExampleDevice(), bytes, framing=METER)
    client = ClientConnection(settings_for(16), CountUp(1), bytes, framing=ModeEFraming())
    behind = ClientConnection(settings_for(16), CountUp(1), bytes, framing=GatewayFraming(WRAPPER, 1, b"x"))
    for each in (client, behind):
        each.send(Associate())
    refusals = 0
    for number, part in enumerate(octets.split(b"\xfe\xfe")):
        now = number * 1.0
        server.receive(part, now)
        server.advance(now + 0.5)
        try:
            client.receive(part, now)
            client.data_to_send(now)
            client.advance(now + 0.5)
        except MeterworksError:
            refusals += 1
        with contextlib.suppress(MeterworksError):
            behind.receive(encode_wrapper(1, 16, part or b"\xe7"))
    return "refused" if refusals else "taken"


LINK_TARGETS = (_fuzz_readers, _fuzz_server_link, _fuzz_client_link, _fuzz_sign_on)
