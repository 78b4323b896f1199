"""Wrapped keys against the published examples of RFC 3394, section 4."""

import pytest

from meterworks.errors import SecurityError
from meterworks.trust import KeyMaterialError, KeyUnwrapError, unwrap_key, wrap_key

KEK_128 = bytes(range(16))
KEK_256 = bytes(range(32))
DATA_128 = bytes.fromhex("00112233445566778899aabbccddeeff")
DATA_256 = DATA_128 + bytes(range(16))
EXAMPLES = [
    (KEK_128, DATA_128, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"),
    (KEK_256, DATA_128, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"),
    (KEK_256, DATA_256, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"),
]


@pytest.mark.parametrize(("wrapping_key", "key", "wrapped"), EXAMPLES, ids=["4.1", "4.3", "4.6"])
def test_the_examples_of_the_standard_come_out(wrapping_key, key, wrapped):
    assert wrap_key(wrapping_key, key).hex() == wrapped
    assert unwrap_key(wrapping_key, bytes.fromhex(wrapped)) == key


def test_another_wrapping_key_opens_nothing():
    with pytest.raises(KeyUnwrapError, match="wrapped under another key, or changed"):
        unwrap_key(bytes(16), wrap_key(KEK_128, DATA_128))


@pytest.mark.parametrize("position", range(24))
def test_a_changed_octet_is_noticed_wherever_it_is(position):
    wrapped = bytearray(wrap_key(KEK_128, DATA_128))
    wrapped[position] ^= 1
    with pytest.raises(SecurityError):
        unwrap_key(KEK_128, bytes(wrapped))


@pytest.mark.parametrize("size", [0, 1, 15, 17, 31, 33, 64])
def test_only_sizes_of_keys_are_wrapped(size):
    with pytest.raises(KeyMaterialError, match=f"this one has {size}"):
        wrap_key(KEK_128, bytes(size))
    with pytest.raises(KeyMaterialError, match=f"this one has {size}"):
        wrap_key(bytes(size), DATA_128)


@pytest.mark.parametrize("size", [0, 8, 16, 23, 25, 48])
def test_only_sizes_of_wrapped_keys_are_unwrapped(size):
    with pytest.raises(KeyMaterialError, match=f"this one has {size}"):
        unwrap_key(KEK_128, bytes(size))
