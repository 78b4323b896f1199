"""The targets above the data links hold for a moment, and notice what they are there to notice."""

import random

import pytest
from tests.fuzz.test_dlms import APDUS
from tests.fuzz.upper_layer import UPPER_TARGETS
from tests.integration.dlms.example_device import ExampleDevice

from meterworks.protocols.dlms import ServerConnection

ROUNDS = 40
IDS = [target.__name__.removeprefix("_fuzz_") for target in UPPER_TARGETS]
TAMPERED, UNPROVED = UPPER_TARGETS[:2]


@pytest.mark.parametrize("target", UPPER_TARGETS, ids=IDS)
@pytest.mark.parametrize("seed", range(3))
def test_target_holds(target, seed):
    source = random.Random(seed)
    for _ in range(ROUNDS):
        octets = bytearray(source.choice(APDUS))
        for _ in range(source.randrange(4)):
            octets[source.randrange(len(octets))] = source.randrange(256)
        assert target(bytes((source.randrange(256),)) + bytes(octets)) in ("taken", "refused")
        assert target(source.randbytes(source.randrange(120))) in ("taken", "refused")


def test_every_single_bit_of_a_protected_write_is_noticed():
    """The genuine write is carried out; with any one bit changed it is not."""
    assert TAMPERED(b"") == "taken"
    for bit in range(8 * 40):
        assert TAMPERED(bytes(bit // 8) + bytes((1 << bit % 8,))) == "refused"


def test_the_tampered_target_notices_a_server_without_tags(monkeypatch):
    """A server that writes whatever comes: the target must say so."""
    original = ServerConnection.receive

    def careless(self, data, now=0.0):
        answer = original(self, data, now)
        if self._device.events:
            self._device.written["anything"] = b""
        return answer

    monkeypatch.setattr(ServerConnection, "receive", careless)
    with pytest.raises(AssertionError, match="tampered"):
        TAMPERED(b"\x01" * 30)


def test_the_unproved_target_notices_a_server_that_lets_everybody_in(monkeypatch):
    def invoked_at_once(self, *_arguments, **_options):
        self.invoked.append(("anything", None))

    monkeypatch.setattr(ExampleDevice, "security_event", invoked_at_once)
    with pytest.raises(AssertionError):
        UNPROVED(b"\x00\xc0\x01\xc1\x00\x08\x00\x00\x01\x00\x00\xff\x02\x00")
