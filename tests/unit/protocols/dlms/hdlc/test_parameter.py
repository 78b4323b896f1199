"""What both ends agree on."""

import pytest

from meterworks.protocols.dlms.hdlc import LinkParameters, read_parameters
from meterworks.protocols.errors import EncodeError

DEFAULT = LinkParameters()


def test_parameters_have_their_octets() -> None:
    assert DEFAULT.to_bytes().hex() == "818012050180060180070400000001080400000001"
    wide = LinkParameters(information_transmit_max=512, information_receive_max=62, window_transmit=7)
    assert wide.to_bytes().hex() == "81801305020200" + "06013e" + "070400000007080400000001"
    assert read_parameters(wide.to_bytes()) == wide


@pytest.mark.parametrize(
    ("information", "expected"),
    [
        ("", DEFAULT),
        ("8180", DEFAULT),
        ("81800305020200", LinkParameters(information_transmit_max=512)),
        ("050200c8060200c8", LinkParameters(information_transmit_max=200, information_receive_max=200)),  # no group
        ("818003070107", LinkParameters(window_transmit=7)),  # a window in one octet, and a wrong length of the group
        ("8180060502ffff080109", LinkParameters(information_transmit_max=2032, window_receive=7)),
        ("8180060501010601", LinkParameters(information_transmit_max=32)),  # cut short
        ("81800405000700", DEFAULT),
        ("8180049901aa", DEFAULT),
    ],
)
def test_what_is_missing_or_senseless_has_its_default(information: str, expected: LinkParameters) -> None:
    assert read_parameters(bytes.fromhex(information)) == expected


def test_each_side_takes_the_smaller() -> None:
    ours = LinkParameters(information_transmit_max=1000, information_receive_max=50, window_transmit=7)
    theirs = LinkParameters(information_transmit_max=200, information_receive_max=400, window_receive=3)
    assert ours.agreed_with(theirs) == LinkParameters(
        information_transmit_max=400, information_receive_max=50, window_transmit=3
    )


@pytest.mark.parametrize(
    "fact", [{"information_transmit_max": 31}, {"information_receive_max": 4000}, {"window_transmit": 8}]
)
def test_what_no_frame_can_hold_is_refused(fact: dict[str, int]) -> None:
    with pytest.raises(EncodeError):
        LinkParameters(**fact)
