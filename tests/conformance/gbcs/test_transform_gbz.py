"""Gas commands of the GB reference set: each of their requests becomes the payload that is there, octet by octet."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

import pytest
from tests.conformance.gbcs.reference_pair import pairs, rewritten, situation_of

from meterworks.companions.gb.transform import transform
from meterworks.protocols.gbcs import GbzMessage

PROFILE = b"\x01\x09"
RENEWED_MAX = 4  # requests that were written anew with other dates than their messages have


@pytest.fixture(scope="module")
def folder(shared_folder):
    found = shared_folder / "vectors" / "gb"
    if not found.is_dir():
        pytest.skip(f"no GB vectors at {found}")
    return found


def shown(payload):
    """A payload as lines, for people who look for the first difference."""
    return [
        f"{place}: {one.cluster:04X} {one.frame.control:02X} {one.frame.command:02X} at {one.time_s} "
        f"{one.frame.payload.hex()}"
        for place, one in enumerate(GbzMessage.from_bytes(payload).components)
    ]


def difference(made, there):
    """The first component that differs, both ways."""
    return next((f"\n  made  {a}\n  there {b}" for a, b in zip_longest(made, there) if a != b), "")


def dates_of(message):
    """The dates that a message of a window, or of a change of tenancy, holds: by the leaves of its request."""
    first = GbzMessage.from_bytes(message.payload).components[0]
    payload, kind = first.frame.payload, (first.cluster, first.frame.command)
    if kind == (0x0708, 0x00):
        return {"RestrictionDateTime": [moment(payload[9:13])]}
    if kind == (0x0702, 0x08):
        days = timedelta(days=int.from_bytes(payload[7:9], "little") - 1)
        return {"StartDateTime": [moment(payload[2:6])], "EndDateTime": [moment(payload[2:6], days)]}
    return {"StartDateTime": [moment(payload[:4])], "EndDateTime": [moment(payload[4:8])]}


def moment(octets, later=timedelta()):
    return (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=int.from_bytes(octets, "little")) + later).isoformat()


def test_every_request_becomes_its_command(folder):
    gas = [pair for pair in pairs(folder) if pair.message.payload.startswith(PROFILE)]
    assert gas
    renewed, differing = [], {}
    for pair in gas:
        situation = situation_of(pair, folder)
        made = transform(pair.request, situation).payload
        if made != pair.message.payload:
            renewed.append(pair.name)
            made = transform(rewritten(pair, dates_of(pair.message)).request, situation).payload
        if made != pair.message.payload:
            differing[pair.name] = (shown(made), shown(pair.message.payload))
    first = "".join(f"\n{name}{difference(*two)}" for name, two in differing.items())
    assert not differing, f"{len(differing)} of {len(gas)} differ:{first}"
    assert len(renewed) <= RENEWED_MAX, renewed


def test_the_frames_round_the_payloads_fit_too(folder):
    """Header, other information and length of what the user or the broker protects."""
    for pair in pairs(folder):
        message = pair.message
        if message.payload.startswith(PROFILE):
            situation = situation_of(pair, folder)
            party = pair.request.request_id.originator, "agree"
            held = {**situation.certificates, party: message.other.certificate}  # made anew after the message
            made = transform(pair.request, replace(situation, certificates=held))
            assert (made.originator, made.recipient, made.counter) == (
                message.originator, message.recipient, message.counter,
            ), pair.name  # fmt: skip
            assert made.other == message.other, pair.name
