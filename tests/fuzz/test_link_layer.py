"""The fuzz targets below the association on random octets, and on recorded frames with random changes, for a moment."""

import random
from collections.abc import Callable

import pytest
from tests.fuzz.link_layer import LINK_TARGETS

SEEDS = range(4)
ROUNDS = 60
TALK = [
    bytes.fromhex(octets)
    for octets in (
        "930050007300",
        "1026e6e600601da109060760857405080101be10040e01000000065f1f040000fc1fffff",
        "3210e6e600c001c100030100010800ff0200",
        "5100 3100 7100 9100",
        "528ae6e700c401c1000600 0000",
        "5209e6e700c401c1000600",
        "7302818073030000",
        "0313e6e7000f000000010011ff",
        "1f00",
        "9703320004",
        "7ea0070321930f017e",
    )
] + [b"/?!\r\n", b"/MWK5\\2X\r\n", b"\x06252\r\n", b"\x021.8.0(1*kWh)\r\n!\r\n\x03\x1b", b"\xe6\x01\x01x\xc4"]


def changed(source: random.Random) -> bytes:
    """Give some of the talk one after the other, with a few octets changed."""
    octets = bytearray(b"".join(source.choice(TALK) for _ in range(source.randrange(1, 6))))
    for _ in range(source.randrange(4)):
        octets[source.randrange(len(octets))] = source.randrange(256)
    return bytes(octets)


@pytest.mark.parametrize("target", LINK_TARGETS)
@pytest.mark.parametrize("seed", SEEDS)
def test_target_holds_on_changed_talk_and_on_noise(target: Callable[[bytes], str], seed: int) -> None:
    source = random.Random(seed)
    outcomes = {target(changed(source)) for _ in range(ROUNDS)}
    outcomes |= {target(source.randbytes(source.randrange(300))) for _ in range(ROUNDS)}
    assert outcomes <= {"taken", "refused"}
    assert "taken" in outcomes
