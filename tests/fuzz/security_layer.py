"""Fuzz targets for protection: general APDUs, and both ends of secured associations fed with anything.

A secured server may refuse; it may not act. A secured client may break; it may not believe.
"""

from functools import lru_cache

from tests.integration.dlms.example_device import ENERGY
from tests.unit.protocols.dlms.security.bench import Bench, make_bench

from meterworks.errors import PeerError, SecurityError
from meterworks.protocols.dlms import (
    Associate,
    Ciphering,
    ClientState,
    ExceptionReceived,
    Get,
    KeyChoice,
    Mechanism,
    NotificationReceived,
    SecuritySuite,
)
from meterworks.protocols.dlms.hls_reply import decode_hls_answer, decode_hls_reply
from meterworks.protocols.dlms.security import GeneralCiphering, GeneralSigning

__all__ = ["SECURITY_TARGETS"]

SEPARATOR = b"\xfe\xfe"
FORMS = (
    (SecuritySuite.SUITE_0, Mechanism.GMAC, Ciphering.GENERAL),
    (SecuritySuite.SUITE_1, Mechanism.SHA256, Ciphering.GENERAL_CIPHERING),
    (SecuritySuite.SUITE_1, Mechanism.GMAC, Ciphering.SIGNED),
)


def _bench(octets: bytes) -> Bench:
    suite, mechanism, ciphering = FORMS[octets[0] % len(FORMS)] if octets else FORMS[0]
    return make_bench(suite, mechanism, client={"ciphering": ciphering, "key_choice": KeyChoice.WRAPPED})


@lru_cache
def _genuine(number: int) -> bytes:
    """Give a protected request, to be cut and mixed."""
    bench = _bench(bytes((number,)))
    bench.run(Associate())
    return bench.client.send(Get(ENERGY))


def _fuzz_general(octets: bytes) -> str:
    outcome = "refused"
    for read in (GeneralCiphering.from_bytes, GeneralSigning.from_bytes):
        try:
            message = read(octets)
        except PeerError:
            continue
        assert read(message.to_bytes()) == message
        outcome = "taken"
    return outcome


def _fuzz_hls(octets: bytes) -> str:
    outcome = "refused"
    for read in (decode_hls_reply, decode_hls_answer):
        for short_names in (False, True):
            try:
                if octets and read(octets, short_names=short_names) is not None:
                    outcome = "taken"
            except PeerError:
                continue
    return outcome


def _fuzz_secured_server(octets: bytes) -> str:
    bench = _bench(octets)
    bench.run(Associate())
    for apdu in octets[1:].split(SEPARATOR):
        if apdu[:1] == b"\xff":  # the genuine request with some octets changed
            genuine = bytearray(_genuine(octets[0] % len(FORMS)))
            for place, mask in zip(apdu[1::2], apdu[2::2], strict=False):
                genuine[place % len(genuine)] ^= mask
            apdu = bytes(genuine)
        if apdu:
            bench.server.receive(apdu)
    assert bench.device.written == {}
    assert bench.device.invoked == []
    return "refused" if bench.device.events else "taken"


def _fuzz_secured_client(octets: bytes) -> str:
    bench = _bench(octets)
    bench.run(Associate())
    bench.client.send(Get(ENERGY))
    try:
        for apdu in octets[1:].split(SEPARATOR):
            for event in bench.client.receive(apdu) if apdu else []:
                assert isinstance(event, ExceptionReceived | NotificationReceived)
                assert not isinstance(event, NotificationReceived) or not event.protected
    except (PeerError, SecurityError):
        assert bench.client.state is ClientState.BROKEN
        return "refused"
    return "taken"


SECURITY_TARGETS = (_fuzz_general, _fuzz_hls, _fuzz_secured_server, _fuzz_secured_client)
