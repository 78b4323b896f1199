"""The control octet, against the values that captures of real meters have."""

import pytest

from meterworks.protocols.dlms.hdlc import control


@pytest.mark.parametrize(
    ("octet", "sent", "received", "poll"),
    [(0x10, 0, 0, True), (0x32, 1, 1, True), (0x96, 3, 4, True), (0xDA, 5, 6, True), (0x02, 1, 0, False)],
)
def test_information_has_both_numbers(octet: int, sent: int, received: int, poll: bool) -> None:
    assert control.is_information(octet)
    assert not control.is_supervisory(octet)
    assert (control.send_number(octet), control.receive_number(octet)) == (sent, received)
    assert control.information_control(sent, received, poll=poll) == octet


@pytest.mark.parametrize(
    ("octet", "kind", "received"), [(0x11, control.RR, 0), (0x91, control.RR, 4), (0xF5, control.RNR, 7)]
)
def test_supervisory_has_one_number(octet: int, kind: int, received: int) -> None:
    assert control.is_supervisory(octet)
    assert not control.is_information(octet)
    assert control.receive_number(octet) == received
    assert control.supervisory_control(kind, received) == octet


@pytest.mark.parametrize(
    ("octet", "kind"),
    [
        (0x93, control.SNRM),
        (0x73, control.UA),
        (0x53, control.DISC),
        (0x1F, control.DM),
        (0x97, control.FRMR),
        (0x13, control.UI),
        (0x03, control.UI),
    ],
)
def test_unnumbered_is_neither(octet: int, kind: int) -> None:
    assert octet & ~control.POLL == kind
    assert not control.is_information(octet)
    assert not control.is_supervisory(octet)
