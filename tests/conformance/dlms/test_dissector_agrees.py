"""The dissector and the decoder of client and server agree: on recorded APDUs, and on those with one octet altered.

The dissector has a cursor of its own, for it must say where everything stands; so what one refuses the other must not
understand. Each looks further in some places: the dissector into values and APDUs that the decoder only carries, the
decoder into nothing that the dissector does not.
"""

import random
from collections.abc import Iterator
from functools import cache

import pytest
from tests.conformance.dlms.test_translator import apdus_of, published, recorded
from tests.unit.protocols.dlms.dissect.test_service import ALL

from meterworks.protocols.dlms import decode_apdu
from meterworks.protocols.dlms.dissect import APDU_NAMES, dissect
from meterworks.protocols.errors import DecodeError

CARRIED = frozenset({"get-response", "gateway-request", "gateway-response", "AARQ", "AARE", "RLRQ", "RLRE"})


@cache
def apdus() -> tuple[bytes, ...]:
    """Published, recorded and our own APDUs, the shorter ones."""
    found = {bytes.fromhex(apdu) for apdu in ALL} | set(published())
    for path in recorded():
        found |= apdus_of(path)
    return tuple(sorted(found, key=lambda apdu: (len(apdu), apdu))[:500])


def is_decoded(apdu: bytes) -> bool:
    try:
        decode_apdu(apdu)
    except DecodeError:
        return False
    return True


def altered(seed: int) -> Iterator[bytes]:
    """Each APDU with one octet changed, put in, or all cut off behind it."""
    chance = random.Random(seed)
    for apdu in apdus():
        octets = bytearray(apdu)
        place = chance.randrange(len(octets))
        match chance.randrange(3):
            case 0:
                octets[place] = chance.randrange(256)
            case 1:
                octets.insert(place, chance.randrange(256))
            case _:
                del octets[place:]
        if octets and octets[0] in APDU_NAMES:
            yield bytes(octets)


def test_what_was_recorded_is_understood_by_both_or_by_neither() -> None:
    unlike = [
        apdu.hex()
        for apdu in apdus()
        if apdu[0] in APDU_NAMES and is_decoded(apdu) and dissect(b"\xe6\xe6\x00" + apdu).errors
    ]
    assert unlike == []


@pytest.mark.parametrize("seed", range(3))
def test_what_the_decoder_refuses_the_dissector_does_not_understand(seed: int) -> None:
    unlike = [
        apdu.hex() for apdu in altered(seed) if not is_decoded(apdu) and not dissect(b"\xe6\xe6\x00" + apdu).errors
    ]
    assert unlike == []


@pytest.mark.parametrize("seed", range(3))
def test_what_the_decoder_takes_the_dissector_understands(seed: int) -> None:
    unlike = []
    for apdu in altered(seed):
        if APDU_NAMES[apdu[0]] in CARRIED or not is_decoded(apdu):
            continue
        tree = dissect(b"\xe6\xe6\x00" + apdu)
        if tree.errors and tree.find("joined") is None:
            unlike.append(apdu.hex())
    assert unlike == []


def test_there_is_something_to_compare() -> None:
    assert len(apdus()) >= len(ALL)
    taken = [is_decoded(apdu) for apdu in altered(0)]
    assert 0 < sum(taken) < len(taken)
