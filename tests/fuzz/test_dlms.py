"""The fuzz target on random octets, and on recorded APDUs with random changes, for a moment."""

import random

import pytest
from tests.fuzz.dlms import TARGET_COUNT, run_one
from tests.integration.dlms.example_device import row

from meterworks.protocols.dlms import encode_array, encode_wrapper

SEEDS = range(8)
BARE_TARGETS = (0, 1, 5)  # codec, server and profile: no octet that chooses a client
ROUNDS = 400
OUTCOMES = ("taken", "refused")
APDUS = [
    bytes.fromhex(octets)
    for octets in (
        "601da109060760857405080101be10040e01000000065f1f040000fc1fffff",
        "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738be10040e01000000065f1f0400007e1f04b0",
        "6155a109060760857405080101a203020100a305a10302010e88020780890760857405080205aa12801053535353535353535353535353"
        "535354be10040e0800065f1f0400501e5d01f40007",
        "c001c100080000010000ff0200",
        "c001c100070100630100ff02010204020412000809060000010000ff0f02120000090c07e2020cff00000000800000090c07e3020cff"
        "0000000080000001 00",
        "c003c102000100002a0000ff020000080000010000ff0200",
        "c101c100080000010000ff0200090c07e50118ff0e303950ffc400",
        "c301c1000f0000280000ff0101091110000001f573ad61e25214d0c90f36c204",
        "c401c1000600000005",
        "c402c101000000010007010203040506070f",
        "c701c1000100091110000003e92747d6fc42c3fc9acea53936",
        "c81e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b",
        "d801060000ffff",
        "6203800100",
        "130202121106000105000206",
    )
]
ROWS = encode_array([row(number) for number in range(4)])
COMPACT_ROWS = b"\x13\x02\x03\x09\x11\x06\x24" + b"".join(
    bytes.fromhex("0c07ea0b1405001e00ff800000") + b"\x00" + bytes((0, 0, 1, number)) for number in range(2)
)
APDUS += [ROWS, COMPACT_ROWS]


def aimed(target: int, apdu: bytes, client: int = 0) -> bytes:
    """Put before an APDU the octets that choose target and client; the bare server is given frames."""
    framed = encode_wrapper(16, 1, apdu) if target == 1 and apdu else apdu
    return bytes((target,)) + (b"" if target in BARE_TARGETS else bytes((client,))) + framed


def changed_example(source: random.Random) -> bytes:
    """Give a recorded APDU with a few octets changed or cut off, behind the octets that choose what it is for."""
    apdu = bytearray(source.choice(APDUS))
    for _ in range(source.randrange(4)):
        apdu[source.randrange(len(apdu))] = source.randrange(256)
    del apdu[source.choice((len(apdu), source.randrange(len(apdu)))) :]
    return aimed(source.randrange(TARGET_COUNT), bytes(apdu), source.randrange(4))


@pytest.mark.parametrize("seed", SEEDS)
def test_target_holds_on_random_octets(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(ROUNDS):
        assert run_one(source.randbytes(source.randrange(200))) in OUTCOMES


@pytest.mark.parametrize("seed", SEEDS)
def test_target_holds_on_changed_apdus(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(ROUNDS):
        assert run_one(changed_example(source)) in OUTCOMES


@pytest.mark.parametrize("rows", [ROWS, COMPACT_ROWS], ids=["array", "compact-array"])
def test_the_examples_of_profiles_are_true_ones(rows: bytes) -> None:
    assert run_one(aimed(5, rows)) == "taken"
