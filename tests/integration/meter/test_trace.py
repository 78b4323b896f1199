"""`--trace` on commands: the session is in the file, and can be replayed out of it."""

from tests.integration.meter.conftest import command

from meterworks.system.meter_recording import load_recording
from meterworks.system.meter_replay import frame_kind


def test_a_session_is_traced_and_replayed(meter, served, tmp_path):
    path = tmp_path / "session.pcap"
    assert meter("read", "0.0.42.0.0.255", "--trace", path, client=16, cache=False).exit_code == 0
    recording = load_recording(path)
    kinds = [frame_kind(message.octets) for message in recording.messages]
    assert kinds[:2] == ["AARQ", "AARE"]
    assert kinds[-2:] == ["RLRQ", "RLRE"]
    told = command("meter", "replay", path, f"127.0.0.1:{served.port}", "--timeout-s", 5, "--json")
    assert told.exit_code == 0
    assert told.json["failed"] == told.json["alike"] == 0


def test_a_trace_to_nowhere_is_told_before_anything_is_sent(meter, tmp_path):
    told = meter("read", "1.8.0", "--trace", tmp_path / "absent" / "session.pcap")
    assert told.exit_code == 2
    assert "cannot be written" in told.errors
