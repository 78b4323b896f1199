"""Key agreement of the head-end against the published example of the ephemeral unified model.

The example tells one side's private key and the other's public one; which side they are of makes no difference to the
secret. It is of a ciphering key: no published example shows the AlgorithmID of wrapping.
"""

import json

import pytest

from meterworks.headend.key_agreement import AgreementSides, KeyOffer
from meterworks.protocols.dlms import (
    SecuritySuite,
    SoftwareSigner,
    decode_all,
    encode_array,
    encode_enum,
    encode_octet_string,
    encode_structure,
)

GUEK = 0


@pytest.fixture
def example(dlms_vectors):
    rows = json.loads((dlms_vectors / "security.json").read_text())
    found = rows if isinstance(rows, list) else next(each for each in rows.values() if isinstance(each, list))
    return next(row for row in found if row["id"] == "gb-ephemeral-unified")


def test_the_agreed_key_is_that_of_the_published_example(example):
    private, theirs = int(example["ephemeral_private_server"], 16), bytes.fromhex(example["ephemeral_public_client"])
    device = SoftwareSigner(SecuritySuite.SUITE_1, bytes(31) + b"\7")
    sides = AgreementSides(
        suite=SecuritySuite.SUITE_1, client_title=bytes.fromhex(example["party_u"]),
        device_title=bytes.fromhex(example["party_v"]), device_keys=[device.public_key],
    )  # fmt: skip
    offer = KeyOffer(sides, device, lambda size: (private - 1).to_bytes(size, "big"), key_id=GUEK)
    signed = theirs + device.sign(bytes((GUEK,)) + theirs)
    answer = encode_array([encode_structure(encode_enum(GUEK), encode_octet_string(signed))])
    assert offer.key_of(answer).hex() == example["derived_key"]["60857405080300"]
    ((key_id, sent),) = decode_all(offer.request())
    assert (key_id, len(sent)) == (GUEK, 128)
