"""GB messages as annotated trees: fields with their octets, names, verdicts, and one error where something is wrong."""

from dataclasses import replace

import pytest
from tests.unit.companions.gb.result.messages import DEVICE, EXPORT, PARTY, READ_EXPORT, command, message, outcome
from tests.unit.companions.gb.result.test_message import sealed_response

from meterworks.companions.gb.result import annotate, is_gb_message, message_to_json
from meterworks.protocols.dlms.dissect import Node
from meterworks.protocols.dlms.security import SecuritySuite, SoftwareKeyAgreement, SoftwareSigner
from meterworks.protocols.gbcs import SharedSecrets, in_blocks, with_mac, with_signature

BROKER = bytes.fromhex("90b3d51f30000002")


class Keys:
    """A folder of keys with three parties: the device, a supplier and the access control broker."""

    def __init__(self):
        private = {DEVICE: bytes(31) + b"\x05", PARTY: bytes(31) + b"\x06", BROKER: bytes(31) + b"\x07"}
        suite = SecuritySuite.SUITE_1
        self.agreements = {each: SoftwareKeyAgreement(suite, number) for each, number in private.items()}
        self.signers = {each: SoftwareSigner(suite, number) for each, number in private.items()}
        self.units = {PARTY: 2, BROKER: 4}

    def public_key(self, identity, _usage):
        signer = self.signers.get(identity)
        return None if signer is None else signer.public_key

    def parties(self, unit):
        return tuple(identity for identity, own in self.units.items() if own == unit)

    def secret(self, one, other):
        if one not in self.agreements or other not in self.agreements:
            return None
        return SharedSecrets(self.agreements[one]).with_peer(self.agreements[other].public_key)


@pytest.fixture(scope="module")
def keys():
    return Keys()


def lines(node: Node) -> dict[str, str]:
    """The values of a tree by name."""
    return {each.name: each.value for each in node.walk()}


def test_every_field_of_the_frame_has_its_octets():
    made = message(READ_EXPORT, EXPORT)
    octets = made.to_bytes()
    tree = annotate(octets)
    assert not tree.errors
    told = lines(tree)
    assert told["general-signing"] == "response ECS17a: Read ESME Energy Registers (Export Energy)"
    assert (told["kind"], told["counter"]) == ("response (2)", "1000")
    for name, field in (("counter", (1000).to_bytes(8, "big")), ("originator", DEVICE), ("recipient", PARTY),
                        ("message-code", b"\x00\x26"), ("payload", made.payload), ("mac", made.mac)):  # fmt: skip
        node = tree.find(name)
        assert node is not None
        assert octets[node.offset : node.offset + node.size] == field, name
    assert told["get active_export_register.value (3/1-0:2.8.0.255/a2)"] == "10"
    assert told["quantity"] == "reactive_export_register.value = 20 varh"
    assert told["mac"].endswith("(not checked: no key of either end)")


@pytest.mark.parametrize(
    ("made", "begins"),
    [
        (message(READ_EXPORT, EXPORT), ["060000000a", "02020f00161e", "0600000014", "02020f001620"]),
        (message(0x006E, "0109 02 00 0705 0005 08 00 0b 02 00 01 0705 0005 08 01 0b 02 8b"), ["000705", "010705"]),
        (outcome("8f66", "2328 00005e2c0200 06"), ["128f66", "090c07ee", "0913"]),
        (command(READ_EXPORT, "d9200003e800 02 0100030100020800ff02 0100030100020800ff03 02 00 00"),
         ["0100030100020800ff02", "0100030100020800ff03"]),
        (command(0x006D, "0109 01 11 0705 000c 1c374a80 01 00 08 ffffffff 05"), ["110705"]),
        (message(0x0013, "3003020101"), ["3003"]),
    ],
)  # fmt: skip
def test_every_item_has_its_octet(made, begins):
    octets = made.to_bytes()
    payload = annotate(octets).find("payload")
    assert payload is not None
    items = [node for node in payload.children if node.name not in ("alert", "quantity")]
    for node, begin in zip(items, begins, strict=True):
        assert octets[node.offset :].startswith(bytes.fromhex(begin)), node.name


def test_a_mac_is_verified_with_either_ends_key_or_the_brokers(keys):
    made = message(READ_EXPORT, EXPORT)
    right = with_mac(made, keys.secret(DEVICE, PARTY))
    assert lines(annotate(right.to_bytes(), keys))["mac"].endswith("(verified)")
    brokers = with_mac(command(READ_EXPORT, "d9200003e800 01 0100030100020800ff02 01 00"), keys.secret(BROKER, DEVICE))
    told = lines(annotate(brokers.to_bytes(), keys))
    assert told["mac"].endswith("(verified)")
    assert told["originator"] == "90-B3-D5-1F-30-01-00-00 (remote party role 2)"
    wrong = annotate(made.to_bytes(), keys)
    assert "(false)" in lines(wrong)["mac"]
    assert len(wrong.errors) == 1


def test_a_signature_is_verified(keys):
    made = replace(outcome("8f66", "2328 00005e2c0200 06"), signature=b"")
    signed = with_signature(made, keys.signers[DEVICE])
    assert lines(annotate(signed.to_bytes(), keys))["signature"].endswith("(verified)")
    false = annotate(replace(signed, signature=bytes(64)).to_bytes(), keys)
    assert [node.name for node in false.errors] == ["signature"]
    assert "not checked" in lines(annotate(signed.to_bytes()))["signature"]


def test_what_is_encrypted_is_said_to_be():
    told = lines(annotate(sealed_response().to_bytes()))
    assert told["encrypted"] == "43 octets (sealed: no key of its reader)"


def test_an_alert_is_named():
    told = lines(annotate(outcome("8f66", "2328 00005e2c0200 06").to_bytes()))
    assert told["alert"].startswith("8F66 Future-date HAN Interface Command Successfully Actioned, at 2030-01-15")
    assert "currency_unit.activation_time" in told["outcome"]


@pytest.mark.parametrize(
    ("made", "name", "value"),
    [
        (command(READ_EXPORT, "d9200003e800 01 0100030100020800ff02 01 00"), "get active_export_register.value", "-"),
        (command(0x006D, "0109 01 11 0705 000c 1c374a80 01 00 08 ffffffff 05"),
         "prepayment.get_top_up_log", "2 parts"),
        (command(0x0012, "3006 0401aa 020101"), "content", "image_hash aa, originator_counter 1"),
        (command(0x9999, "3003 020105"), "content", "2 parts"),
    ],
)  # fmt: skip
def test_commands_are_told_by_item(made, name, value):
    tree = annotate(made.to_bytes())
    assert not tree.errors
    assert lines(tree)[name] == value


def test_a_pre_command_is_called_so():
    made = command(READ_EXPORT, "d9200003e800 01 0100030100020800ff02 01 00")
    told = lines(annotate(replace(made, mac=None, ends_behind_payload=True).to_bytes()))
    assert told["general-signing"].startswith("pre-command ECS17a")
    assert "signature" not in told


def test_a_message_in_blocks_is_joined():
    octets = message(READ_EXPORT, EXPORT).to_bytes()
    tree = annotate(in_blocks(octets, block_size=30))
    assert lines(tree)["joined"] == f"{len(octets)} octets of several blocks"
    assert not tree.errors


@pytest.mark.parametrize("size", [0, 1, 8, 20, 40, 90])
def test_a_cut_message_gives_one_error_with_its_octet(size):
    tree = annotate(message(READ_EXPORT, EXPORT).to_bytes()[:size])
    assert len(tree.errors) == 1


def test_a_malformed_payload_gives_one_error_with_its_octet():
    tree = annotate(message(READ_EXPORT, "da200003e80000 01 06000000 01 0100", mac=None).to_bytes())
    (error,) = tree.errors
    assert error.name == "payload"
    assert "of the message" in error.error
    assert message_to_json(message(READ_EXPORT, "da").to_bytes()) is None


def test_only_messages_of_gb_look_like_such():
    octets = message(READ_EXPORT, EXPORT).to_bytes()
    assert is_gb_message(octets)
    assert is_gb_message(octets[:60])
    assert is_gb_message(message(READ_EXPORT, EXPORT, mac=None).to_bytes())
    assert is_gb_message(in_blocks(octets, block_size=50))
    assert not is_gb_message(bytes.fromhex("c001c100080000010000ff0200"))
    assert not is_gb_message(b"")
    assert not is_gb_message(b"\xe0\x00")
    assert not is_gb_message(bytes.fromhex("df" + "0908" + "00" * 40))


def test_json_is_told_of_answers_only():
    assert message_to_json(command(READ_EXPORT, "0500").to_bytes()) is None
    told = message_to_json(message(READ_EXPORT, EXPORT).to_bytes())
    assert told is not None
    assert told["use_case"] == "ECS17a"


def test_long_lists_are_cut():
    rows = "1c35f900 00000001" * 300
    octets = bytes.fromhex(f"da200003e80000 01 1302020606 820960 {rows} 01 0100")
    tree = annotate(message(0x9999, octets).to_bytes())
    assert lines(tree)["..."] == "100 more"
