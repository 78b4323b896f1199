"""The sharing against SLIP-39's published vectors, against counting, and in every k of n."""

import hashlib
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.trust import QuorumError
from meterworks.trust.shamir import _inverse, _product, join_shares, split_secret

# SLIP-39 test vectors 4, 17 and 23: member shares as their mnemonics carry them, iteration exponent, identifier.
BASIC_128 = {2: "08fb14b66e692e25dfe2edf53289ed62", 0: "06ab48fef4bedc8ce58baeef0a73f76e"}
BASIC_256 = {
    2: "81e5473f4b7f66094f888d2f98fe0ded6a692dc72c65dc498d6e28bee6ebdfcc",
    1: "19e366e9b2e34851e52132c31c2b2c957321bf5ce6c9c1410ea1ddf5fef92c27",
}
GROUP_2 = {
    4: "90f25bc998346d039203971999669e96",
    2: "fc119ebfe32da3d688dc1f26c22c7ffc",
    0: "9e6afad0e741c8c1c65b2785a942808a",
}
GROUP_3 = {0: "44e95c567b0b73d470f78e2cc4f206ee", 4: "a0c12ed2cc2adeb32ccebec07a3c1b3a"}
FALSE_DIGEST = {0: "c8b9d27853c7dee68be5457014f07057", 1: "61695b5315b3dfc1dce0ab914325af00"}  # vector 13


def octets(shares):
    return {place: bytes.fromhex(value) for place, value in shares.items()}


def opened(encrypted, identifier, exponent):
    """What SLIP-39 puts around the sharing: four rounds of a Feistel network, passphrase TREZOR."""
    half = len(encrypted) // 2
    left, right = encrypted[:half], encrypted[half:]
    salt = b"shamir" + identifier.to_bytes(2, "big")
    for step in (3, 2, 1, 0):
        stream = hashlib.pbkdf2_hmac("sha256", bytes([step]) + b"TREZOR", salt + right, (10_000 << exponent) // 4, half)
        left, right = right, bytes(one ^ other for one, other in zip(left, stream, strict=True))
    return right + left


@pytest.mark.parametrize(
    ("shares", "identifier", "exponent", "secret"),
    [
        pytest.param(BASIC_128, 25653, 2, "b43ceb7e57a0ea8766221624d01b0864", id="128 bits, 2 of 3"),
        pytest.param(
            BASIC_256,
            14279,
            2,
            "c938b319067687e990e05e0da0ecce1278f75ff58d9853f19dcaeed5de104aae",
            id="256 bits, 2 of 3",
        ),
    ],
)
def test_published_shares_give_the_published_secret(shares, identifier, exponent, secret):
    assert opened(join_shares(2, octets(shares)), identifier, exponent).hex() == secret


def test_published_groups_of_shares_give_the_published_secret():
    groups = {2: join_shares(3, octets(GROUP_2)), 3: join_shares(2, octets(GROUP_3))}
    assert opened(join_shares(2, groups), 9497, 0).hex() == "7c3397a292a5941682d7a4ae2d898d11"


def test_published_shares_with_a_false_digest_are_refused():
    with pytest.raises(QuorumError, match="one of them is false"):
        join_shares(2, octets(FALSE_DIGEST))


def plain_product(left, right):
    """Multiply as FIPS 197 section 4.2 says, by long division."""
    total = 0
    for bit in range(8):
        total ^= (left << bit) if right >> bit & 1 else 0
    for bit in range(15, 7, -1):
        total ^= (0x11B << (bit - 8)) if total >> bit & 1 else 0
    return total


def test_the_field_is_that_of_aes():
    assert _product(0x57, 0x83) == 0xC1  # the example of FIPS 197, section 4.2
    assert all(_product(a, b) == plain_product(a, b) for a in range(0, 256, 15) for b in range(256))
    assert all(_product(value, _inverse(value)) == 1 for value in range(1, 256))


@settings(max_examples=15, deadline=None)
@given(
    secret=st.binary(min_size=16, max_size=64),
    quorum=st.tuples(st.integers(2, 6), st.integers(0, 4)),
    seed=st.integers(),
)
def test_any_k_give_it_back_and_fewer_do_not(secret, quorum, seed):
    threshold, count = quorum[0], quorum[0] + quorum[1]
    chance = random.Random(seed)
    shares = dict(enumerate(split_secret(secret, threshold, count, chance.randbytes)))
    chosen = chance.sample(sorted(shares), threshold)
    assert join_shares(threshold, {place: shares[place] for place in chosen}) == secret
    assert join_shares(threshold, shares) == secret
    with pytest.raises(QuorumError, match="too few"):
        join_shares(threshold, {place: shares[place] for place in chosen[1:]})
    assert secret not in shares.values()


def test_every_choice_of_three_of_five_gives_the_secret():
    secret = bytes(range(32))
    shares = split_secret(secret, 3, 5, random.Random(1).randbytes)
    for chosen in itertools.combinations(range(5), 3):
        assert join_shares(3, {place: shares[place] for place in chosen}) == secret


def test_fewer_shares_fit_every_secret_alike():
    """One share of two: over all polynomials each value comes as often, whatever the secret's first octet is."""
    for first in (0x00, 0x42):
        secret = bytes([first]) * 16
        seen = {split_secret(secret, 2, 2, lambda count, pad=pad: bytes([pad]) * count)[0][4] for pad in range(256)}
        assert len(seen) == 256


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2), st.integers(0, 31), st.integers(1, 255))
def test_a_changed_share_is_noticed(place, index, change):
    shares = dict(enumerate(split_secret(bytes(range(32)), 3, 5, random.Random(2).randbytes)))
    changed = bytearray(shares[place])
    changed[index] ^= change
    with pytest.raises(QuorumError, match="one of them is false"):
        join_shares(3, {**shares, place: bytes(changed)})


@pytest.mark.parametrize(("threshold", "count"), [(1, 3), (0, 0), (4, 3), (2, 17), (2, 1)])
def test_what_is_no_quorum_is_refused(threshold, count):
    with pytest.raises(QuorumError, match="is no quorum"):
        split_secret(bytes(32), threshold, count, random.Random(1).randbytes)


@pytest.mark.parametrize("size", [0, 15, 65])
def test_a_secret_of_another_size_is_refused(size):
    with pytest.raises(QuorumError, match="has 16 to 64 octets"):
        split_secret(bytes(size), 2, 3, random.Random(1).randbytes)


@pytest.mark.parametrize(
    "shares",
    [
        {},
        {0: bytes(16)},
        {0: bytes(16), 1: bytes(17)},
        {0: bytes(4), 1: bytes(4)},
        {0: bytes(16), 16: bytes(16)},
    ],
)
def test_what_are_no_shares_is_refused(shares):
    with pytest.raises(QuorumError):
        join_shares(2, shares)
