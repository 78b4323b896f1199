"""`--trace` on commands: the session is in the file, and can be replayed out of it."""

from tests.integration.meter.conftest import command

from meterworks.protocols.capture import read_capture, read_chunks
from meterworks.system.meter.recording import load_recording
from meterworks.system.meter.replay import frame_kind


def test_a_session_is_traced_and_replayed(meter, served, tmp_path):
    path = tmp_path / "session.pcap"
    assert meter("read", "0.0.42.0.0.255", "--trace", path, client=16, cache=False).exit_code == 0
    recording = load_recording(path)
    kinds = [frame_kind(message.octets) for message in recording.messages]
    assert kinds[:2] == ["AARQ", "AARE"]
    assert kinds[-2:] == ["RLRQ", "RLRE"]
    again = tmp_path / "again.pcap"
    told = command("meter", "replay", path, f"127.0.0.1:{served.port}", "--timeout-s", 5, "--trace", again, "--json")
    assert told.exit_code == 0
    assert told.json["failed"] == told.json["alike"] == 0
    assert load_recording(again).messages == recording.messages


def test_a_trace_to_nowhere_is_told_before_anything_is_sent(meter, tmp_path):
    told = meter("read", "1.8.0", "--trace", tmp_path / "absent" / "session.pcap")
    assert told.exit_code == 2
    assert "cannot be written" in told.errors


def test_a_discovery_is_traced_connection_by_connection(served, tmp_path):
    path = tmp_path / "discovery.pcap"
    target = f"127.0.0.1:{served.port}"
    told = command("meter", "discover", target, "--clients", "16,1", "--trace", path, "--json")
    assert told.exit_code == 0
    chunks = list(read_chunks(read_capture(path.read_bytes()).packets))
    clients = {chunk.source for chunk in chunks if chunk.source.port != served.port}
    assert len(clients) >= 4
    assert all(chunk.octets[:2] == b"\x00\x01" for chunk in chunks)
