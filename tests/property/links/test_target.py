"""Addresses of meters: any text is an address or refused as none, and settings come out as they went in."""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.links import BadTarget, MeterTarget, Transport
from meterworks.protocols.dlms import GatewayFraming
from meterworks.protocols.dlms.hdlc import HdlcFraming

MODEST = settings(max_examples=150, deadline=None)

names = st.sampled_from(
    ["client", "server", "network_id", "meter", "physical", "address_size", "information", "window", "timeout_s",
     "retries", "baud", "data_bits", "parity", "mode_e", "address", "other"]
)  # fmt: skip
values = st.one_of(st.integers(-5, 70_000).map(str), st.sampled_from(["", "0", "1", "E", "4d574b", "0.5", "nan"]))
schemes = st.sampled_from(["tcp", "udp", "hdlc+tcp", "serial", "http", ""])


@MODEST
@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        target = MeterTarget.from_text(text)
    except BadTarget as error:
        assert error.exit_code == 2
        return
    assert target.host or target.device


@MODEST
@given(schemes, st.lists(st.tuples(names, values), max_size=4))
def test_any_settings_make_a_target_or_are_refused(scheme: str, facts: list[tuple[str, str]]) -> None:
    query = "&".join(f"{name}={value}" for name, value in facts)
    target = None
    with contextlib.suppress(BadTarget):
        target = MeterTarget.from_text(f"{scheme}://host/dev/tty?{query}")
    if target is not None:
        assert 0 <= target.port <= 0xFFFF
        assert target.framing.client_link(1, 1, 1000).next_apdu() is None
        assert MeterTarget.from_text(str(target)) == target


@MODEST
@given(st.integers(0, 127), st.sampled_from([2, 4]), st.integers(32, 2030), st.integers(1, 7))
def test_settings_of_hdlc_come_out_as_they_went_in(physical: int, size: int, information: int, window: int) -> None:
    text = f"hdlc+tcp://meter?physical={physical}&address_size={size}&information={information}&window={window}"
    target = MeterTarget.from_text(text)
    assert isinstance(target.framing, HdlcFraming)
    found = target.framing.settings
    assert (found.physical, found.address_size) == (physical, size)
    assert found.parameters.information_transmit_max == found.parameters.information_receive_max == information
    assert found.parameters.window_transmit == found.parameters.window_receive == window


@MODEST
@given(st.integers(0, 255), st.binary(max_size=64), st.sampled_from(["tcp", "udp", "hdlc+tcp", "serial"]))
def test_meter_behind_a_gateway_comes_out_as_it_went_in(network: int, meter: bytes, scheme: str) -> None:
    target = MeterTarget.from_text(f"{scheme}://host/dev/ttyS0?network_id={network}&meter={meter.hex()}")
    assert isinstance(target.framing, GatewayFraming)
    assert (target.framing.network_id, target.framing.physical_address) == (network, meter)
    assert (target.transport is Transport.SERIAL) is (scheme == "serial")
