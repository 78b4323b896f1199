"""The GB reference set, the way back: every response and alert becomes a result and the very octets again."""

import json

import pytest
from tests.conformance.gbcs.reference_set import messages

from meterworks.companions.gb import KeyFolder
from meterworks.companions.gb.result import (
    InstructionState,
    PayloadKind,
    annotate,
    follow_instructions,
    message_to_json,
    read_result,
    result_from_json,
    result_of,
    result_to_json,
    write_result,
)
from meterworks.companions.gb.result.form import write_value
from meterworks.protocols.gbcs import Message, MessageKind

NAMED_SHARE_MIN = 0.97  # of the items of electricity, by the use case alone; the others are optional ones


@pytest.fixture(scope="module")
def folder(shared_folder):
    found = shared_folder / "vectors" / "gb"
    if not found.is_dir():
        pytest.skip(f"no GB vectors at {found}")
    return found


@pytest.fixture(scope="module")
def recorded(folder):
    found = [(one, Message.from_bytes(one.octets)) for one in messages(folder)]
    assert found
    return found


@pytest.fixture(scope="module")
def answers(recorded):
    return [(one, message) for one, message in recorded if message.kind is not MessageKind.COMMAND]


@pytest.fixture(scope="module")
def commands(recorded):
    """Commands by what their responses repeat."""
    return {
        (message.message_code, message.counter, message.recipient): message
        for _, message in recorded
        if message.kind is MessageKind.COMMAND
    }


@pytest.fixture(scope="module")
def keys(folder):
    return KeyFolder(folder / "keystore")


def test_every_answer_comes_back_octet_by_octet(answers, keys):
    """Sealed and opened; as a result and as JSON; what was opened is encrypted anew."""
    for one, _ in answers:
        for secret in (None, keys.secret):
            result = read_result(one.octets, secret=secret)
            assert write_result(result, secret=secret) == one.octets, one.name
            told = json.loads(json.dumps(result_to_json(result)))
            again = result_from_json(told)
            assert again == result, one.name
            assert write_result(again) == one.octets, one.name


def test_no_answer_is_told_as_octets(answers, keys):
    """Every value is plain: none had to be kept as it is, and every form of ASN.1 is in the table."""
    for one, message in answers:
        result = result_of(message, secret=keys.secret)
        assert result.frame.kind is not PayloadKind.ELEMENTS, one.name
        for item in result.items:
            assert item.form != "octets", one.name
            value = item.sealed.value if item.sealed else item.value
            assert not (isinstance(value, dict) and set(value) == {"octets"}), one.name


def test_what_is_opened_is_what_the_set_says(answers, keys):
    opened = 0
    for one, message in answers:
        plains = one.facts["decrypted_hex"].lower().split()
        sealed = [item.sealed for item in result_of(message, secret=keys.secret).items if item.sealed]
        assert len(sealed) == int(one.facts["encrypted_blobs"] or 0), one.name
        assert all(each.is_open for each in sealed), one.name
        electricity = [write_value(each.form, each.value).hex() for each in sealed if each.form is not None]
        assert all(plain in plains for plain in electricity), one.name
        opened += len(sealed)
    assert opened


def test_items_have_their_names_from_the_use_case_or_from_the_command(answers, commands):
    """By the use case alone nearly all; with the command all, and never another name."""
    told = unknown = 0
    for one, message in answers:
        alone = result_of(message)
        if alone.frame.kind is not PayloadKind.ACCESS_RESPONSE:
            continue
        told += len(alone.items)
        unknown += sum(item.name.startswith("item_") for item in alone.items)
        command = commands.get((message.message_code, message.counter, message.originator))
        if command is None:
            continue
        asked = [item.name for item in result_of(message, command=command).items]
        assert not any(name.startswith(("item_", "class_")) for name in asked), one.name
        for item, name in zip(alone.items, asked, strict=True):
            assert item.name == name or item.name.startswith("item_"), one.name
    assert unknown <= told * (1 - NAMED_SHARE_MIN)


def test_every_alert_has_its_code_and_time(answers):
    for one, message in answers:
        alert = result_of(message).alert
        assert (alert is not None) == (message.kind is MessageKind.ALERT), one.name
        if alert is not None and "_ALERT" in one.name:
            codes = [part for part in one.name.split("_") if len(part) == 4 and part[0] == "8"]
            assert f"{alert.code:04X}" in codes, one.name
            assert alert.time.endswith("Z"), one.name


def test_instructions_dated_ahead_are_followed_to_their_alerts(recorded, answers):
    """Each alert on an outcome settles one instruction of the command it names, and no other's."""
    alerts = [result_of(message) for _, message in answers if message.kind is MessageKind.ALERT]
    outcomes = [alert for alert in alerts if any(item.form == "outcome" for item in alert.items)]
    settled = 0
    counts = {}
    seen = set()
    for one, message in recorded:
        reference = (message.message_code, message.counter, message.recipient)
        if message.kind is not MessageKind.COMMAND or message.ends_behind_payload or reference in seen:
            continue
        seen.add(reference)
        found = follow_instructions(message, outcomes)
        settled += sum(each.state is not InstructionState.PENDING for each in found)
        counts[message.message_code] = max(counts.get(message.message_code, 0), len(found))
        assert all(each.time for each in found if each.state is not InstructionState.PENDING), one.name
    assert counts[0x0019] == 6  # a tariff of electricity
    assert max(counts.get(0x001F, 0), counts.get(0x00DE, 0)) == 9  # a prepayment configuration
    known = {(f"{code:04X}", counter) for code, counter, _ in seen}
    reported = [item.value for alert in outcomes for item in alert.items if item.form == "outcome"]
    assert settled == sum((value["message_code"], value["counter"]) in known for value in reported) > 0


def test_every_message_is_annotated_without_an_error(recorded, keys):
    """Frames, payloads and, where keys are there, MACs and signatures."""
    for one, message in recorded:
        tree = annotate(one.octets, keys)
        assert not tree.errors, one.name
        signature = tree.find("signature")
        if message.signature:
            assert signature is not None
            assert signature.value.endswith("(verified)"), one.name
        if message.mac and one.facts["mac_check"] == "ok":
            mac = tree.find("mac")
            assert mac is not None
            assert mac.value.endswith("(verified)"), one.name
        assert (message_to_json(one.octets) is None) == (message.kind is MessageKind.COMMAND)
