"""Fuzz target for the DLMS codec, client and server.

`run_one` takes any octets; the first chooses what they are for. It raises only where we are wrong, and tells whether
the octets were taken or refused.
"""

from tests.fuzz.link_layer import LINK_TARGETS
from tests.fuzz.security_layer import SECURITY_TARGETS
from tests.fuzz.service_layer import SERVICE_TARGETS
from tests.fuzz.upper_layer import UPPER_TARGETS
from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import ENERGY, INTERVAL_ENERGY, STATUS, ExampleDevice

from meterworks.errors import PeerError, SecurityError
from meterworks.protocols.dlms import (
    CLOCK_OBJECT,
    Associate,
    CaptureLayout,
    ClientConnection,
    CountUp,
    Get,
    ServerConnection,
    decode,
    decode_apdu,
    decode_profile,
    decode_selection,
    decode_typed,
    encode_wrapper,
)
from meterworks.protocols.errors import DecodeError

__all__ = ["TARGET_COUNT", "run_one"]

ANSWER_SIZE_MAX = 5 * 65_536
CLIENT_SAPS = (16, 3, 4, 1)
LAYOUT = CaptureLayout.compile((CLOCK_OBJECT, STATUS, INTERVAL_ENERGY), 1800, rows_max=1000)


def _fuzz_codec(octets: bytes) -> str:
    outcome = "refused"
    for read in (decode, decode_typed, decode_apdu, decode_selection):
        try:
            read(octets)  # type: ignore[operator]
            outcome = "taken"
        except DecodeError:
            continue
    return outcome


def _open(client_sap: int) -> tuple[ClientConnection, ServerConnection]:
    """Give a client in an open association and its server."""
    client = ClientConnection(settings_for(client_sap, max_pdu=200), CountUp(5), lambda size: b"C" * size)
    server = ServerConnection(ExampleDevice(), lambda size: b"S" * size)
    waiting = client.send(Associate())
    while waiting:
        client.receive(server.receive(waiting))
        waiting = client.data_to_send()
    return client, server


def _fuzz_server(octets: bytes) -> str:
    server = ServerConnection(ExampleDevice(), lambda size: b"S" * size)
    for start in range(0, len(octets), 50):
        assert len(server.receive(octets[start : start + 50])) < ANSWER_SIZE_MAX
    return "refused" if server.closed else "taken"


def _fuzz_open_server(octets: bytes) -> str:
    client_sap = CLIENT_SAPS[octets[0] % len(CLIENT_SAPS)] if octets else 16
    _, server = _open(client_sap)
    for apdu in octets[1:].split(b"\xfe\xfe"):
        if apdu:
            assert len(server.receive(encode_wrapper(client_sap, 1, apdu))) < ANSWER_SIZE_MAX
    return "refused" if server.closed else "taken"


def _fuzz_client(octets: bytes) -> str:
    client_sap = CLIENT_SAPS[octets[0] % len(CLIENT_SAPS)] if octets else 16
    client = ClientConnection(settings_for(client_sap), CountUp(5), lambda size: b"C" * size)
    client.send(Associate())
    return _feed(client, client_sap, octets[1:])


def _fuzz_open_client(octets: bytes) -> str:
    client_sap = CLIENT_SAPS[octets[0] % len(CLIENT_SAPS)] if octets else 16
    client, _ = _open(client_sap)
    client.send(Get(ENERGY))
    return _feed(client, client_sap, octets[1:])


def _feed(client: ClientConnection, client_sap: int, octets: bytes) -> str:
    try:
        for apdu in octets.split(b"\xfe\xfe"):
            if apdu:
                client.receive(encode_wrapper(1, client_sap, apdu))
                client.data_to_send()
        client.receive(octets)
    except (PeerError, SecurityError):
        return "refused"
    return "taken"


def _fuzz_profile(octets: bytes) -> str:
    try:
        decode_profile(octets, LAYOUT)
    except PeerError:
        return "refused"
    return "taken"


_TARGETS = (
    _fuzz_codec, _fuzz_server, _fuzz_open_server, _fuzz_client, _fuzz_open_client, _fuzz_profile,
    *LINK_TARGETS, *UPPER_TARGETS, *SECURITY_TARGETS, *SERVICE_TARGETS,
)  # fmt: skip
TARGET_COUNT = len(_TARGETS)


def run_one(octets: bytes) -> str:
    """Try octets on one of the targets; give `taken` or `refused`."""
    return _TARGETS[octets[0] % len(_TARGETS)](octets[1:]) if octets else "refused"
