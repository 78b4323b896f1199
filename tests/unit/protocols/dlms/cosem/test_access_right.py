"""Access rights: the enumerations of versions 0 to 2 and the bit field of version 3 meet in one representation."""

import pytest

from meterworks.protocols.dlms.cosem import (
    ACCESS,
    AUTHENTICATED_REQUEST,
    AUTHENTICATED_RESPONSE,
    ENCRYPTED_REQUEST,
    NO_RIGHTS,
    READ,
    READ_WRITE,
    SIGNED_RESPONSE,
    WRITE,
    AccessRights,
)
from meterworks.protocols.errors import DecodeError

ATTRIBUTE_MODES = [
    (0, NO_RIGHTS), (1, READ), (2, WRITE), (3, READ_WRITE), (4, READ | AUTHENTICATED_REQUEST),
    (5, WRITE | AUTHENTICATED_REQUEST), (6, READ_WRITE | AUTHENTICATED_REQUEST),
]  # fmt: skip


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("mode", "bits"), ATTRIBUTE_MODES)
def test_an_attribute_mode_of_the_enumeration_is_bits_and_comes_back(mode, bits, version):
    rights = AccessRights.from_attribute_mode(mode, version)
    assert rights == bits
    assert rights.attribute_mode(version) == mode


@pytest.mark.parametrize(("mode", "bits"), [(0, NO_RIGHTS), (1, ACCESS), (2, ACCESS | AUTHENTICATED_REQUEST)])
def test_a_method_mode_of_the_enumeration_is_bits_and_comes_back(mode, bits):
    rights = AccessRights.from_method_mode(mode, 1)
    assert rights == bits
    assert rights.method_mode(1) == mode


def test_version_0_cannot_say_authenticated():
    protected = AccessRights(READ_WRITE | AUTHENTICATED_REQUEST)
    assert protected.attribute_mode(0) == 3
    assert protected.method_mode(0) == 1


@pytest.mark.parametrize("bits", range(256))
def test_version_3_writes_the_bits_themselves(bits):
    rights = AccessRights.from_attribute_mode(bits, 3)
    assert rights.attribute_mode(3) == bits
    assert AccessRights.from_method_mode(bits, 3).method_mode(3) == bits
    assert (rights.readable, rights.writable) == (bool(bits & 1), bool(bits & 2))
    assert rights.request_protection | rights.response_protection << 3 == bits >> 2


@pytest.mark.parametrize(
    ("read", "mode", "version"),
    [
        (AccessRights.from_attribute_mode, 7, 2), (AccessRights.from_attribute_mode, -1, 0),
        (AccessRights.from_method_mode, 3, 2), (AccessRights.from_attribute_mode, 256, 3),
        (AccessRights.from_method_mode, -1, 3),
    ],
)  # fmt: skip
def test_a_mode_the_version_does_not_have_is_refused(read, mode, version):
    with pytest.raises(DecodeError):
        read(mode, version)


def test_rights_say_what_they_are():
    rights = AccessRights(READ | ENCRYPTED_REQUEST | SIGNED_RESPONSE)
    assert repr(rights) == "AccessRights(read|encrypted request|signed response)"
    assert rights.executable
    assert (rights.request_protection, rights.response_protection) == (2, 4)
    assert AccessRights(AUTHENTICATED_RESPONSE).response_protection == 1
    assert repr(NO_RIGHTS) == "AccessRights(0)"
