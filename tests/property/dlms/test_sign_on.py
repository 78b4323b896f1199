"""Mode E and gateways under any fragmentation and garbage: the same outcome, or an error of ours."""

import contextlib
from functools import reduce
from operator import xor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import ExampleDevice

from meterworks.errors import MeterworksError
from meterworks.protocols.dlms import Associate, ClientConnection, CountUp, GatewayPrefix, LineFormat, ServerConnection
from meterworks.protocols.dlms.mode_e import (
    SIGN_ON_LINE,
    DataSet,
    Identification,
    ModeEFraming,
    ModeEServerFraming,
    decode_readout,
)
from meterworks.protocols.errors import DecodeError

MODEST = settings(max_examples=80, deadline=None)

letters = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3)
words = st.text("ABCXYZabc0123456789.-", max_size=16)
identifications = st.builds(Identification, letters, st.sampled_from("0123456"), words, st.booleans())
addresses = st.text("0123456789.:*-CFP", min_size=1, max_size=16).filter(lambda text: "*" not in text)
numbers = st.text("0123456789.:-", max_size=12)
units = st.one_of(st.none(), st.sampled_from(["kWh", "kW", "V", "m3"]))
rows = st.lists(
    st.builds(DataSet, addresses, st.lists(st.tuples(numbers, units), min_size=1, max_size=3).map(tuple)), max_size=8
)
prefixes = st.builds(GatewayPrefix, st.integers(0, 255), st.binary(max_size=64))


@MODEST
@given(identifications)
def test_identification_goes_round(identification: Identification) -> None:
    assert Identification.from_text(identification.to_text()) == identification
    assert identification.baud in (300, 600, 1200, 2400, 4800, 9600, 19200)


@MODEST
@given(prefixes, st.sampled_from([0xE6, 0xE7]), st.binary(min_size=1, max_size=50))
def test_prefix_goes_round(prefix: GatewayPrefix, tag: int, apdu: bytes) -> None:
    assert GatewayPrefix.split(prefix.to_bytes(tag) + apdu) == (prefix, apdu)


def readout_of(data_sets: list[DataSet]) -> bytes:
    """Write a data block as a meter does."""
    lines = [
        each.address + "".join(f"({value})" if unit is None else f"({value}*{unit})" for value, unit in each.values)
        for each in data_sets
    ]
    body = "\r\n".join([*lines, "!\r\n"]).encode() + b"\x03"
    return b"\x02" + body + bytes((reduce(xor, body, 0),))


@MODEST
@given(rows, st.booleans())
def test_readout_is_read_with_parity_and_without(data_sets: list[DataSet], parity: bool) -> None:
    octets = readout_of(data_sets)
    if parity:
        octets = bytes(octet | octet.bit_count() % 2 << 7 for octet in octets)
    assert decode_readout(octets) == data_sets


@MODEST
@given(rows.filter(bool), st.data())
def test_altered_readout_is_refused(data_sets: list[DataSet], data: st.DataObject) -> None:
    octets = bytearray(readout_of(data_sets))
    octets[data.draw(st.integers(1, len(octets) - 1))] ^= data.draw(st.sampled_from([1, 2, 4, 8, 16, 32, 64]))
    with pytest.raises(DecodeError):
        decode_readout(bytes(octets))


@MODEST
@given(st.binary(max_size=100))
def test_any_octets_are_a_readout_or_refused(octets: bytes) -> None:
    try:
        assert isinstance(decode_readout(octets), list)
    except DecodeError as error:
        assert error.facts


@MODEST
@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([b"/?!\r\n", b"\x06252\r\n"])), max_size=8))
def test_meter_meets_any_talk_before_the_sign_on(talk: list[bytes]) -> None:
    framing = ModeEServerFraming(identification=Identification("MWK", "5", "X", has_mode_e=True))
    server = ServerConnection(ExampleDevice(), bytes, framing=framing)
    now = 0.0
    for octets in talk:
        now += 0.1
        server.receive(octets, now)
        server.advance(now)
        assert server.line in (SIGN_ON_LINE, LineFormat(9600))
    now += 1000.0  # silence brings it back to where it listens
    for _ in range(3):
        now += 1000.0
        server.advance(now)
    assert server.line == SIGN_ON_LINE
    assert server.receive(b"\r\n/?!\r\n", now).endswith(b"/MWK5\\2X\r\n")


@MODEST
@given(st.binary(max_size=60), st.lists(st.integers(1, 12), max_size=6))
def test_client_takes_the_identification_in_any_fragments(noise: bytes, cuts: list[int]) -> None:
    client = ClientConnection(settings_for(16), CountUp(1), bytes, framing=ModeEFraming())
    client.send(Associate())
    octets = noise.replace(b"/", b"").replace(b"\xaf", b"").replace(b"\x06", b"").replace(b"\x86", b"")
    octets = octets[:40] + b"\r\n/MWK5\\2EXAMPLE\r\n"
    with contextlib.suppress(MeterworksError):
        for cut in [*cuts, len(octets)]:
            client.receive(octets[:cut], 0.1)
            octets = octets[cut:]
    assert client.data_to_send(0.1) == b"\x06252\r\n"
