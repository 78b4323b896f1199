"""GBZ payloads: components by hand, and what is refused."""

import pytest

from meterworks.protocols import DecodeError, EncodeError
from meterworks.protocols.gbcs import NEVER, Component, GbzAlert, GbzMessage, GbzOutcome, ZclFrame

READ = ZclFrame(control=0x00, sequence=0, command=0x00, payload=b"\x01\x03")
PUBLISH = ZclFrame(control=0x01, sequence=1, command=0x09)


def octets(text):
    return bytes.fromhex(text.replace(" ", ""))


@pytest.mark.parametrize(
    ("message", "encoded"),
    [
        (GbzMessage((Component(cluster=0x0709, frame=READ),)), "0109 01 01 0709 0005 00 00 00 0103"),
        (
            GbzMessage((Component(cluster=0x0702, frame=READ), Component(cluster=0x0705, frame=PUBLISH, time_s=NEVER))),
            "0109 02 00 0702 0005 00 00 00 0103 11 0705 0007 ffffffff 01 01 09",
        ),
        (
            GbzMessage(
                (Component(cluster=0x0702, frame=PUBLISH, sealed=b"\x31\xaa", encryption_header=b"\x00\x01"),)
            ),
            "0109 01 03 0702 0009 0001 01 01 09 0002 31aa",
        ),
        (GbzAlert(alert_code=0x8F30, time_s=0x301C374A), "0109 00 8f30 301c374a"),
        (GbzAlert(alert_code=0x8F30, time_s=0x301C374A, component_count=1), "0109 01 8f30 301c374a"),
        (GbzAlert(alert_code=0x81A0, time_s=1, content=b"\x00\x05"), "0109 00 81a0 00000001 0005"),
        (GbzAlert(alert_code=0x81A0, time_s=1, content=b"\x00\x05", component_count=1), "0109 01 81a0 00000001 0005"),
        (GbzAlert(alert_code=0x8F72, time_s=1, content=b"\x09\x02ab"), "0109 00 8f72 00000001 09026162"),
        (
            GbzAlert(alert_code=0x8F0A, time_s=1, components=(Component(cluster=0x0702, frame=READ),)),
            "0109 01 8f0a 00000001 01 0702 0005 00 00 00 0103",
        ),
        (
            GbzAlert(
                alert_code=0x8F66, time_s=2,
                outcome=GbzOutcome(message_code=0x6D, counter=1005, cluster=0x0705, frame_control=1, command=6),
            ),
            "0109 01 8f66 00000002 0e 006d 00000000000003ed 0705 01 06",
        ),
    ],
    ids=["one", "two-and-a-time", "sealed", "alert", "alert-of-one", "fault", "fault-of-one", "hash",
         "alert-with-content", "outcome"],
)  # fmt: skip
def test_a_payload_is_encoded_and_decoded(message, encoded):
    assert message.to_bytes() == octets(encoded)
    assert type(message).from_bytes(octets(encoded)) == message


def test_a_frame_says_who_speaks():
    assert not READ.is_cluster_command
    assert PUBLISH.is_cluster_command
    assert not PUBLISH.from_server
    assert ZclFrame(control=0x09, sequence=0, command=0).from_server


@pytest.mark.parametrize(
    ("kind", "encoded", "told"),
    [
        (GbzMessage, "", "begins with 0109"),
        (GbzMessage, "0104 01", "begins with 0109"),
        (GbzMessage, "0109", "expected"),
        (GbzMessage, "0109 00", "no components"),
        (GbzMessage, "0109 01 00 0709 0005 00 00 00 0103", "contrary of its place"),
        (GbzMessage, "0109 02 01 0709 0003 00 00 00 01 0709 0003 00 00 00", "contrary of its place"),
        (GbzMessage, "0109 01 01 0709 0005 00 00 00 01", "expected"),
        (GbzMessage, "0109 01 01 0709 0002 00 00", "3 at least"),
        (GbzMessage, "0109 01 01 0709 0003 00 00 00 ff", "behind the components"),
        (GbzMessage, "0109 01 05 0709 0003 00 00 00", "unknown"),
        (GbzMessage, "0109 01 11 0709 0003 00 00 00", "expected"),
        (GbzMessage, "0109 01 03 0702 0009 0001 01 01 09 0001 31aa", "behind an encrypted"),
        (GbzMessage, "0109 01 03 0702 0009 0001 01 01 09 0003 31aa", "expected"),
        (GbzAlert, "0109 00 8f30 301c37", "expected"),
        (GbzAlert, "0109 01 8f30 301c374a 01 0709 0003 00 00 00 ff", "behind the components"),
        (GbzAlert, "0109 01 8f66 301c374a 0d 006d 00000000000003ed 0705 01", "an outcome has"),
    ],
)
def test_what_is_no_payload_is_refused(kind, encoded, told):
    with pytest.raises(DecodeError, match=told):
        kind.from_bytes(octets(encoded))


@pytest.mark.parametrize(
    "message",
    [
        GbzMessage(()),
        GbzMessage((Component(cluster=1, frame=READ),) * 256),
        GbzMessage((Component(cluster=0x10000, frame=READ),)),
        GbzMessage((Component(cluster=1, frame=READ, time_s=NEVER + 1),)),
        GbzMessage((Component(cluster=1, frame=ZclFrame(control=256, sequence=0, command=0)),)),
        GbzMessage((Component(cluster=1, frame=READ, sealed=b"x", encryption_header=b"\x00\x00"),)),
        GbzMessage((Component(cluster=1, frame=PUBLISH, sealed=b"x"),)),
        GbzAlert(alert_code=1, time_s=-1),
        GbzAlert(
            alert_code=0x8F66, time_s=1, components=(Component(cluster=1, frame=READ),),
            outcome=GbzOutcome(message_code=1, counter=1, cluster=1, frame_control=1, command=1),
        ),
    ],
)  # fmt: skip
def test_what_has_no_form_is_not_encoded(message):
    with pytest.raises(EncodeError):
        message.to_bytes()
