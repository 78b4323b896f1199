"""The GB reference set: every message frames, verifies where keys are published, and comes out octet by octet."""

import json

import pytest
from tests.conformance.gbcs.reference_set import BROKER, KeyStore, key_store, messages

from meterworks.protocols import DecodeError, SignatureError, TagError
from meterworks.protocols.dlms import decode_apdu
from meterworks.protocols.dlms.security import SecuritySuite, SoftwareKeyAgreement
from meterworks.protocols.gbcs import (
    GbzAlert,
    GbzMessage,
    Message,
    MessageKind,
    SharedSecrets,
    Token,
    ValueClass,
    check_mac,
    check_signature,
    compute_mac,
    decrypt_attribute,
    encrypt_attribute,
    has_check_digit,
    message_key,
    with_mac,
    with_signature,
)
from meterworks.protocols.gbcs.asn1 import Asn1Payload
from meterworks.protocols.gbcs.protection import KeyPurpose


@pytest.fixture(scope="module")
def folder(shared_folder):
    found = shared_folder / "vectors" / "gb"
    if not found.is_dir():
        pytest.skip(f"no GB vectors at {found}")
    return found


@pytest.fixture(scope="module")
def recorded(folder):
    found = messages(folder)
    assert found
    return found


@pytest.fixture(scope="module")
def keys(folder) -> KeyStore:
    return key_store(folder)


def ends_of_mac(message: Message) -> list[tuple[str, str]]:
    """Whose keys may have made a MAC: the two parties, or the access control broker in the place of one."""
    originator, recipient = message.originator.hex(), message.recipient.hex()
    return [(f"{one}-ka", f"{other}-ka") for one, other in
            ((originator, recipient), (BROKER, recipient), (originator, BROKER)) if one != other]  # fmt: skip


def test_every_message_frames_and_comes_out_as_it_was(recorded):
    for one in recorded:
        message = Message.from_bytes(one.octets)
        assert message.to_bytes() == one.octets, one.name
        facts = one.facts
        assert message.originator.hex() == facts["originator"]
        assert message.recipient.hex() == facts["recipient"]
        assert (message.kind, message.counter) == (int(facts["cra"]), int(facts["originator_counter"]))
        assert message.message_code == int(facts["message_code"], 16)
        assert len(message.payload) == int(facts["payload_len"])
        assert len(message.other.to_bytes()) == int(facts["other_info_len"])


def test_every_payload_decodes_to_its_last_octet_and_comes_out_as_it_was(recorded):
    kinds = set()
    for one in recorded:
        message = Message.from_bytes(one.octets)
        if message.payload[:2] == b"\x01\x09":
            kind = GbzAlert if message.kind is MessageKind.ALERT else GbzMessage
            decoded = kind.from_bytes(message.payload)
        elif message.payload[0] in (0xD9, 0xDA, 0x0F):
            decoded = decode_apdu(message.payload)
        else:
            decoded = Asn1Payload.from_bytes(message.message_code, message.kind, message.payload)
            assert decoded.is_known, one.name
        kinds.add(type(decoded).__name__)
        assert decoded.to_bytes() == message.payload, one.name
    assert kinds == {"GbzAlert", "GbzMessage", "Asn1Payload", "AccessRequest", "AccessResponse", "DataNotification"}


def test_every_signature_is_its_signers(recorded, keys):
    signed = [message for one in recorded if (message := Message.from_bytes(one.octets)).signature]
    assert signed
    for message in signed:
        check_signature(message, keys.public[f"{message.originator.hex()}-ds"])
    with pytest.raises(SignatureError):
        check_signature(signed[0], keys.public[f"{signed[0].recipient.hex()}-ds"])


def test_every_mac_fits_where_a_key_is_published(recorded, keys):
    unknown = 0
    for one in recorded:
        message = Message.from_bytes(one.octets)
        if message.mac is None:
            continue
        secrets = [secret for ends in ends_of_mac(message) if (secret := keys.secret(*ends)) is not None]
        fits = [compute_mac(message, secret) == message.mac for secret in secrets]
        if one.facts["mac_check"] == "ok":
            assert any(fits), one.name
        else:
            assert not any(fits), one.name
            unknown += 1
    assert unknown <= 4  # between two devices, whose private keys are nowhere


def test_a_pre_command_becomes_its_command(recorded, keys):
    """Signed by the set's own signature and MACed by the broker, it is the command octet by octet."""
    by_name = {one.name: one for one in recorded}
    pairs = [
        (one, by_name[name])
        for one in recorded
        if (name := one.name.replace("_PRECOMMAND_", "_COMMAND_")) != one.name and name in by_name
    ]
    assert pairs
    for before, after in pairs:
        draft, command = Message.from_bytes(before.octets), Message.from_bytes(after.octets)
        secret = keys.secret(f"{BROKER}-ka", f"{draft.recipient.hex()}-ka")
        whole = draft.signed(command.signature)
        assert (with_mac(whole, secret).to_bytes() if command.mac else whole.to_bytes()) == after.octets, after.name
        fresh = with_signature(draft, keys.signer(f"{draft.originator.hex()}-ds"))
        check_signature(fresh, keys.public[f"{draft.originator.hex()}-ds"])


def encrypted_strings(payload: bytes) -> list[bytes]:
    """Octet-strings that begin as encrypted attributes do, by their length in BER or in two octets (GBZ)."""
    found = []
    start = 0
    while (at := payload.find(b"\x31\x00\x00\x00\x00", start)) >= 0:
        start = at + 1
        sizes = {payload[at - 1], int.from_bytes(payload[max(at - 2, 0) : at], "big")}
        found += [payload[at : at + size] for size in sizes if 17 <= size <= len(payload) - at]
    return found


def test_every_encrypted_attribute_opens_for_its_reader(recorded, keys):
    opened_messages = 0
    for one in recorded:
        count = int(one.facts["encrypted_blobs"] or 0)
        if not count:
            continue
        message = Message.from_bytes(one.octets)
        reader = message.other.supplementary_party or message.recipient
        counter = message.other.supplementary_originator_counter
        ends = {"originator": message.originator, "recipient": reader}
        ends["counter"] = message.counter if counter is None else counter
        secret = keys.secret(f"{message.originator.hex()}-ka", f"{reader.hex()}-ka")
        opened = []
        for sealed in encrypted_strings(message.payload):
            try:
                plain = decrypt_attribute(sealed, secret, **ends)
            except TagError:
                continue
            assert encrypt_attribute(plain, secret, **ends) == sealed
            opened.append(plain)
        assert len(opened) == count, one.name
        assert all(plain.hex() in one.facts["decrypted_hex"].lower() for plain in opened)
        opened_messages += 1
    assert opened_messages


def test_no_altered_octet_of_a_protected_message_verifies(recorded, keys):
    """Each octet of a signed and MACed command altered in turn: nothing that still decodes verifies as a whole."""
    one = min(
        (one for one in recorded if "_COMMAND_" in one.name and one.facts["signature_len"] == "64"
         and one.facts["outer"] == "DD"), key=lambda one: len(one.octets),
    )  # fmt: skip
    good = Message.from_bytes(one.octets)
    secret = keys.secret(f"{BROKER}-ka", f"{good.recipient.hex()}-ka")
    check_mac(good, secret)
    for place in range(len(one.octets)):
        altered = bytearray(one.octets)
        altered[place] ^= 0x01
        try:
            message = Message.from_bytes(bytes(altered))
        except DecodeError:
            continue
        with pytest.raises(TagError):
            check_mac(message, secret)


def test_the_published_samples_of_section_18_4(folder):
    found = json.loads((folder / "gbcs_18_4_vectors.json").read_text())
    parties = {name: found[name] for name in ("supplier_A", "acb", "device_A")}
    agreement = {
        "acb": SoftwareKeyAgreement(SecuritySuite.SUITE_1, bytes.fromhex(parties["acb"]["ka_private"])),
        "supplier_A": SoftwareKeyAgreement(SecuritySuite.SUITE_1, bytes.fromhex(parties["supplier_A"]["ka_private"])),
    }
    device = bytes.fromhex(parties["device_A"]["ka_public_xy"])
    for vector in found["vectors"]:
        octets = bytes.fromhex(vector["message"])
        message = Message.from_bytes(octets)
        holder = next(name for name in agreement if name.lower().startswith(vector["mac_key_holder"].lower()[:3]))
        secret = SharedSecrets(agreement[holder]).with_peer(device)
        assert secret.hex() == vector["Z"]
        ends = {"originator": message.originator, "counter": message.counter, "recipient": message.recipient}
        assert message_key(secret, KeyPurpose(message.kind), **ends).hex() == vector["aes_key"]
        assert compute_mac(message, secret).hex() == vector["mac"] == message.mac.hex()
        if vector["signed_bytes"]:
            assert message.signed_octets.hex() == vector["signed_bytes"]
            check_signature(message, bytes.fromhex(parties["supplier_A"]["ds_public_xy"]))
            assert message.kind is MessageKind.COMMAND


def test_the_published_tokens(folder, keys):
    found = json.loads((folder / "utrn_vectors.json").read_text())
    assert all(has_check_digit(digits) for digits in found["check_digit_only"])
    for vector in found["vectors"]:
        supplier, meter = bytes.fromhex(vector["originator"]), bytes.fromhex(vector["target"])
        secret = keys.secret(f"{vector['originator']}-pp-ka", f"{vector['target']}-ka")
        counter = int(vector["originator_counter"], 16)
        value_class = ValueClass[vector["value_class"].upper()]
        made = Token.make(
            secret, supplier=supplier, meter=meter, counter=counter, value=vector["value"], value_class=value_class
        )
        assert made.digits == vector["utrn"]
        assert Token.from_digits(vector["utrn"]) == made
        made.check(secret, supplier=supplier, meter=meter, counter=counter)
    example = found["counter_recovery_example"]
    token = Token(counter_bits=example["truncated_counter"], value_class=ValueClass.PENCE, value=1, mac=bytes(4))
    recovered = token.counter(example["highest_cached_utrn_counter"] * 2**32)
    assert recovered == int(example["recovered_originator_counter"])
