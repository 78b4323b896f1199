"""Traces: what is shown to the tap is in the file, with ends, times and directions."""

import pytest

from meterworks.links import Tapped, Transport
from meterworks.protocols.capture import read_capture, read_chunks
from meterworks.system import ConfigurationError
from meterworks.system.meter.trace import TraceFile

ENDS = (("127.0.0.1", 40_000), ("127.0.0.1", 4059))


def tapped(direction, octets, *, transport=Transport.TCP, ends=ENDS, time_s=1_700_000_000.5):
    return Tapped(direction, octets, transport, *ends, time_s)


def chunks_of(path):
    capture = read_capture(path.read_bytes())
    assert capture.fault == ""
    return [(str(chunk.source), chunk.octets, chunk.time_ns) for chunk in read_chunks(capture.packets)]


def test_what_went_over_the_link_is_in_the_file(tmp_path):
    path = tmp_path / "session.pcap"
    with TraceFile(path) as tap:
        tap(tapped("sent", b"ask"))
        tap(tapped("received", b"answer" * 1000))
        tap(tapped("sent", b"bye", time_s=1_700_000_001))
    chunks = chunks_of(path)
    ours = [octets for source, octets, _ in chunks if source == "127.0.0.1:40000"]
    theirs = b"".join(octets for source, octets, _ in chunks if source == "127.0.0.1:4059")
    assert ours == [b"ask", b"bye"]
    assert theirs == b"answer" * 1000
    assert chunks[0][2] == 1_700_000_000_500_000_000


def test_several_connections_stand_side_by_side(tmp_path):
    path = tmp_path / "session.pcap"
    other = (("127.0.0.1", 40_001), ENDS[1])
    with TraceFile(path) as tap:
        tap(tapped("sent", b"one"))
        tap(tapped("sent", b"two", ends=other))
        tap(tapped("sent", b"three"))
    assert {source for source, _, _ in chunks_of(path)} == {"127.0.0.1:40000", "127.0.0.1:40001"}


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.UDP, Transport.SERIAL])
@pytest.mark.parametrize("ends", [(("/dev/ttyUSB0", 0), ("", 0)), (("::1", 4), ("127.0.0.1", 5)), ENDS])
def test_any_link_can_be_traced(tmp_path, transport, ends):
    path = tmp_path / "session.pcap"
    with TraceFile(path) as tap:
        tap(tapped("sent", b"octets", transport=transport, ends=ends))
    assert [octets for _, octets, _ in chunks_of(path)] == [b"octets"]


def test_a_file_is_ended_once_and_told_where_it_cannot_be(tmp_path):
    trace = TraceFile(tmp_path / "session.pcap")
    trace.close()
    trace.close()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        TraceFile(tmp_path / "absent" / "session.pcap")
