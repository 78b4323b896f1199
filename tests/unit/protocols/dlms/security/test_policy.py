"""Security policies as bits of protection."""

import pytest

from meterworks.protocols.dlms.security import is_weaker_policy, policy_of_protection, protection_of_policy
from meterworks.protocols.errors import DecodeError


@pytest.mark.parametrize(
    ("policy", "version", "request_bits", "response_bits"),
    [
        (0, 0, 0x00, 0x00), (1, 0, 0x10, 0x10), (2, 0, 0x20, 0x20), (3, 0, 0x30, 0x30),
        (0x00, 1, 0x00, 0x00), (0x04, 1, 0x10, 0x00), (0x08, 1, 0x20, 0x00), (0x10, 1, 0x100, 0x00),
        (0x20, 1, 0x00, 0x10), (0x40, 1, 0x00, 0x20), (0x80, 1, 0x00, 0x100), (0xFC, 1, 0x130, 0x130),
    ],
)  # fmt: skip
def test_policies_of_both_versions(policy: int, version: int, request_bits: int, response_bits: int) -> None:
    assert protection_of_policy(policy, version) == (request_bits, response_bits)
    assert policy_of_protection(request_bits, response_bits, version) == policy


@pytest.mark.parametrize(("policy", "version"), [(4, 0), (-1, 0), (1, 1), (2, 1), (0x100, 1), (-4, 1)])
def test_policies_that_a_version_does_not_have(policy: int, version: int) -> None:
    with pytest.raises(DecodeError):
        protection_of_policy(policy, version)


@pytest.mark.parametrize(("request_bits", "response_bits"), [(0x10, 0x30), (0x130, 0x130)])
def test_version_0_cannot_say_everything(request_bits: int, response_bits: int) -> None:
    with pytest.raises(DecodeError):
        policy_of_protection(request_bits, response_bits, 0)


@pytest.mark.parametrize(
    ("new", "old", "version", "weaker"),
    [
        (3, 0, 0, False),
        (0, 3, 0, True),
        (1, 2, 0, True),
        (0x2C, 0x0C, 1, False),
        (0x20, 0x0C, 1, True),
        (4, 4, 1, False),
    ],
)
def test_a_policy_is_never_weakened(new: int, old: int, version: int, weaker: bool) -> None:
    assert is_weaker_policy(new, old, version) is weaker
