"""DLMS commands of the GB reference set: each of their requests becomes the message that is there, octet by octet.

What the carrier knew besides (who asks, the broker's counter, a second element, a hub's backup) is read off the
message; everything else has to come from the request.
"""

from collections import Counter
from dataclasses import replace
from itertools import zip_longest

import pytest
from tests.conformance.gbcs.reference_pair import pairs, situation_of
from tests.conformance.gbcs.reference_set import BROKER, key_store

from meterworks.companions.gb import Element
from meterworks.companions.gb.transform import choose, signer_of, transform, with_evidence
from meterworks.protocols.dlms import AccessRequest, decode_all
from meterworks.protocols.gbcs import check_mac, check_signature, with_mac, with_signature

ACCESS_REQUEST = 0xD9
# Requests that name other alerts than their messages: both were made, but not of each other.
OTHER_ALERTS = {"ECS25a_6.22_SUCCESS_COMMAND_GBCS.HEX", "ECS25b_6.22_SUCCESS_COMMAND_GBCS.HEX"}
# Use cases that no request tells from another one: phases of the meter, or the issue of GBCS it was certified against.
UNTOLD = {"CCS05/CCS04", "ECS08", "ECS23b", "ECS26d", "ECS26e", "ECS26i", "ECS26k", "ECS29f", "ECS30", "ECS35f"}


@pytest.fixture(scope="module")
def folder(shared_folder):
    found = shared_folder / "vectors" / "gb"
    if not found.is_dir():
        pytest.skip(f"no GB vectors at {found}")
    return found


@pytest.fixture(scope="module")
def electricity(folder):
    """The pairs whose message is an access request, with what the carrier knew."""
    found = [pair for pair in pairs(folder) if pair.message.payload[0] == ACCESS_REQUEST]
    return [(pair, known(pair, folder)) for pair in found]


def known(pair, folder):
    return with_evidence(situation_of(pair, folder), pair.request, pair.message)


def as_recorded(made, recorded):
    """What was made with the signature and the MAC of the recorded message: both are checked elsewhere."""
    if recorded.ends_behind_payload:
        return made
    whole = made.signed(recorded.signature)
    return whole if recorded.mac is None else whole.protected(recorded.mac)


def difference(made, there):
    """The first object on which two access requests differ."""
    both = zip_longest(*(shown(AccessRequest.from_bytes(each.payload)) for each in (made, there)))
    return next((f"\n  made  {a}\n  there {b}" for a, b in both if a != b), "\n  the frame differs")


def shown(request):
    return [
        f"{one.kind} {one.address} {(one.selection or b'').hex()} {decode_all(value)}"
        for one, value in zip(request.specifications, request.values, strict=True)
    ]


def test_every_request_becomes_its_message(electricity):
    equal: Counter[str] = Counter()
    differing = {}
    for pair, situation in electricity:
        made = as_recorded(transform(pair.request, situation), pair.message)
        if made.to_bytes() == pair.message.to_bytes():
            equal["pre-command" if pair.message.ends_behind_payload else "command"] += 1
        else:
            differing[pair.name] = difference(made, pair.message)
    assert set(differing) == OTHER_ALERTS & {pair.name for pair, _ in electricity}, "".join(
        f"\n{name}{first}" for name, first in differing.items()
    )
    assert equal["pre-command"] + equal["command"] == len(electricity) - len(differing)
    assert equal["pre-command"] > 0 and equal["command"] > 0


def test_alerts_that_a_message_names_come_out_where_it_has_them(electricity):
    """The two of other alerts, with the alerts of the message put into the request."""
    for pair, situation in electricity:
        if pair.name in OTHER_ALERTS:
            group = pair.request.body.children[0]
            body = Element(pair.request.body.name, children=(replace(group, children=alerts_of(pair.message)),))
            made = transform(replace(pair.request, body=body), situation)
            assert made.payload == pair.message.payload, pair.name


def alerts_of(message):
    bits = str(decode_all(AccessRequest.from_bytes(message.payload).values[0]))
    changed, enabled = bits[:256], bits[256:]
    names = (
        Element(f"x81{255 - place:02X}", "Enable" if enabled[place] == "1" else "Disable")
        for place, bit in enumerate(changed)
        if bit == "1"
    )
    return (Element("Some", children=tuple(names)),)


def test_only_what_no_request_tells_needs_the_codes_a_device_knows(electricity):
    untold = set()
    for pair, situation in electricity:
        choice = choose(pair.request, replace(situation, device_codes=None))
        if choice.code != pair.message.message_code:
            untold.add(choose(pair.request, situation).use_case)
    assert untold <= UNTOLD


def test_what_was_made_signs_and_authenticates_as_the_recorded_messages_do(electricity, folder):
    """One of each form: signed by the user, MACed only, spoken for by the broker. Recorded MACs fit what is made."""
    store, seen = key_store(folder), set()
    for pair, situation in electricity:
        signer = signer_of(pair.request, situation)
        form = (signer is None, situation.knows_originator)
        if pair.message.mac is None or form in seen or pair.name in OTHER_ALERTS:
            continue
        seen.add(form)
        made = transform(pair.request, situation)
        secret = store.secret(f"{BROKER}-ka", f"{pair.message.recipient.hex()}-ka")
        assert secret is not None
        if signer is not None:
            made = with_signature(made, store.signer(f"{signer.hex()}-ds"))
            check_signature(made, store.public[f"{signer.hex()}-ds"])
        else:
            assert with_mac(made, secret).to_bytes() == pair.message.to_bytes(), pair.name
        check_mac(with_mac(made, secret), secret)
    assert seen == {(False, True), (True, True), (True, False)}
