"""Fuzz targets above the data links: protection, proofs, general blocks, dissector, captures, the judges themselves.

Each raises only where we are wrong: an error that is not ours, a tampered APDU that was acted on, a service answered to
a client that never proved who it is, work or memory without bound.
"""

import socket
from datetime import UTC, datetime
from typing import Any, cast

from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import NOTE, ExampleDevice
from tests.integration.dlms.matrix import KEYS, MatrixDevice, client_sap
from tests.unit.assess.conformance.bench import CREDENTIALS, FakeSocket

from meterworks.assess.conformance import ClientJudge, JudgeDevice, Tester, judge_record, run_rows, selected_rows
from meterworks.assess.conformance.session import Counters
from meterworks.assess.conformance.wire import Trace, Wire, WrapperWire
from meterworks.errors import PeerError
from meterworks.protocols.capture import read_capture, read_chunks
from meterworks.protocols.dlms import (
    Associate,
    ClientConnection,
    CountUp,
    Mechanism,
    ServerConnection,
    Set,
    encode_octet_string,
    encode_wrapper,
)
from meterworks.protocols.dlms.dissect import dissect, render_text, tree_to_json

__all__ = ["UPPER_TARGETS"]

ANSWER_SIZE_MAX = 5 * 65_536
GENUINE = encode_octet_string(b"a genuine note of some length, protected")
GATED = (4, 1, 2)  # clients that must prove who they are
TEXT_SIZE_MAX = 4_000_000
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SUITE_ROWS = selected_rows(["ASSOC-01", "ASSOC-16", "SERV-01", "SERV-07", "SERV-39", "BLOCK-01", "BLOCK-23", "SEC-16"])


def _opened(device: ExampleDevice, client: ClientConnection) -> ServerConnection:
    """Give a server with which the client has opened its association."""
    server = ServerConnection(device, lambda size: b"S" * size)
    waiting = client.send(Associate())
    while waiting:
        client.receive(server.receive(waiting))
        waiting = client.data_to_send()
    return server


def _fuzz_tampered(octets: bytes) -> str:
    """Change a protected write by the octets: it must not be carried out unless nothing was changed."""
    device = ExampleDevice()
    client = ClientConnection(settings_for(1, dedicated_key=bytes(range(16))), CountUp(5), lambda size: b"C" * size)
    server = _opened(device, client)
    frame = client.send(Set(NOTE, GENUINE))
    changes = octets[: len(frame) - 8].ljust(len(frame) - 8, b"\0")
    apdu = bytes(a ^ b for a, b in zip(frame[8:], changes, strict=True))
    server.receive(frame[:8] + apdu)
    if any(changes):
        # What changes the form of the APDU alone (a bit that our security control does not have) is refused as well.
        assert not device.written, "a tampered APDU was acted on"
        return "refused"
    assert device.written == {NOTE: GENUINE}
    return "taken"


def _fuzz_unproved(octets: bytes) -> str:
    """Ask for an association that must be proved, then say anything but the proof."""
    client_sap_ = GATED[octets[0] % len(GATED)] if octets else GATED[0]
    device = ExampleDevice()
    client = ClientConnection(settings_for(client_sap_), CountUp(5), lambda size: b"C" * size)
    server = ServerConnection(device, lambda size: b"S" * size)
    assert server.receive(client.send(Associate()))[8] == 0x61
    given = b""
    for apdu in octets[1:].split(b"\xfe\xfe"):
        if apdu:
            given += server.receive(encode_wrapper(client_sap_, 1, apdu))
    assert not device.written
    assert not device.invoked
    assert not server.is_proved
    assert len(given) < ANSWER_SIZE_MAX
    return "refused" if server.closed else "taken"


def _fuzz_general_blocks(octets: bytes) -> str:
    """Send general blocks of any make on an open association that has them, plain or ciphered."""
    suite = 0 if octets[:1] > b"\x7f" else None
    device = MatrixDevice(pdu_size=200, general_blocks=True)
    sap = client_sap(Mechanism.GMAC if suite == 0 else Mechanism.NONE, suite)
    guek, gak = KEYS[0]
    settings = (
        settings_for(sap)
        if suite is None
        else settings_for(sap, mechanism=Mechanism.GMAC, guek=guek, gak=gak, system_title=b"MWKheade")
    )
    client = ClientConnection(settings, CountUp(5), lambda size: b"C" * size)
    server = _opened(device, client)
    said = 0
    for part in octets[1:].split(b"\xfe\xfe"):
        control, rest = (part[:5].ljust(5, b"\0"), part[5:1005])
        size = bytes((len(rest),)) if len(rest) < 0x80 else b"\x82" + len(rest).to_bytes(2, "big")
        block = b"\xe0" + control[:1] + b"\0" + control[1:2] + b"\0" + control[2:3] + size + rest
        said += len(server.receive(encode_wrapper(sap, 1, block)))
    assert said < ANSWER_SIZE_MAX
    return "refused" if server.closed else "taken"


def _fuzz_dissector(octets: bytes) -> str:
    """Explain any octets: the tree never raises, and stays in proportion to what it explains."""
    tree = dissect(octets)
    text = render_text(tree)
    tree_to_json(tree)
    assert len(text) < TEXT_SIZE_MAX
    return "refused" if "!" in text else "taken"


def _fuzz_capture(octets: bytes) -> str:
    """Read any octets as a capture: pcap and pcapng, little-endian and big-endian, by their first octets."""
    heads = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\x0a\x0d\x0d\x0a")
    head = heads[octets[0] % len(heads)] if octets else heads[0]
    taken = 0
    for whole in (octets, head + octets[1:]):
        try:
            taken += len(list(read_chunks(read_capture(whole).packets)))
        except PeerError:
            continue
    return "taken" if taken else "refused"


def _fuzz_judge(octets: bytes) -> str:
    """Be a client of any octets: the judge keeps them, and still gives its judgement."""
    judge = ClientJudge(JudgeDevice(CREDENTIALS["reader"], lambda: NOW), random_bytes=lambda size: b"J" * size)
    size = 0
    for part in octets.split(b"\xfe\xfe"):
        connection = judge.connection()
        assert connection is not None
        size += len(connection.receive(encode_wrapper(2, 1, part) if part else octets))
        connection.lost()
        if len(judge.record.conversations) > 20:
            break
    report = judge_record(judge, began=NOW)
    assert len(report.results) >= 28
    assert size < ANSWER_SIZE_MAX
    return "taken" if size else "refused"


class _Hostile:
    """A server that answers with pieces of given octets, in frames."""

    has_more = False

    def __init__(self, octets: bytes) -> None:
        self.parts = octets.split(b"\xfe\xfe")
        self.closed = False

    def receive(self, _data: bytes) -> bytes:
        if not self.parts:
            self.closed = True
            return b""
        return encode_wrapper(1, 2, self.parts.pop(0))


def _fuzz_suite(octets: bytes) -> str:
    """Be a server of any octets: every test of the suite ends in an outcome."""

    def opener(trace: Trace, client: int, server: int) -> Wire:
        link = cast(socket.socket, FakeSocket(cast(Any, _Hostile(octets))))
        return WrapperWire(link, trace, client_sap=client, server_sap=server, timeout_s=1.0)

    who = "reader" if octets[:1] > b"\x7f" else "public"
    tester = Tester(opener, CREDENTIALS[who], None, counters=Counters(), timeout_s=1.0, quiet_s=0.01)
    report = run_rows(tester, SUITE_ROWS, target="hostile")
    assert len(report.results) == len(SUITE_ROWS)
    return "taken" if report.passed else "refused"


UPPER_TARGETS = (
    _fuzz_tampered, _fuzz_unproved, _fuzz_general_blocks, _fuzz_dissector, _fuzz_capture, _fuzz_judge, _fuzz_suite,
)  # fmt: skip
