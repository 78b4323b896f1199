"""Access to a meter: what keys amount to, counters that are never used twice."""

import json

import pytest

from meterworks.errors import UsageError
from meterworks.links import MeterTarget
from meterworks.protocols import AssociationRefused
from meterworks.protocols.dlms import Conformance, CountUp, Mechanism, Protection
from meterworks.system import ConfigurationError
from meterworks.system.meter.access import (
    COUNTER_LEAP_MAX,
    COUNTERS_RESERVED,
    MeterAccess,
    StoredCounter,
    _explained,
    _raised,
    obis_of,
    with_title,
)
from meterworks.system.meter.key import MeterKeys

TARGET = MeterTarget(host="127.0.0.1")
SYMMETRIC = MeterKeys(guek=bytes(16), gak=bytes(16))


def access(**fields):
    return MeterAccess(**({"target": TARGET, "client": 2} | fields))


@pytest.mark.parametrize(
    ("fields", "mechanism"),
    [
        ({}, Mechanism.NONE),
        ({"keys": SYMMETRIC}, Mechanism.GMAC),
        ({"keys": SYMMETRIC, "client": 16}, Mechanism.NONE),
        ({"keys": MeterKeys(password=b"1")}, Mechanism.LOW),
        ({"keys": MeterKeys(guek=bytes(16), gak=bytes(16), password=b"1")}, Mechanism.GMAC),
        ({"keys": MeterKeys(secret=b"1"), "mechanism": Mechanism.MD5}, Mechanism.MD5),
        ({"keys": MeterKeys(secret=b"1"), "mechanism": Mechanism.MANUFACTURER}, Mechanism.MANUFACTURER),
    ],
)
def test_the_mechanism_is_what_the_keys_amount_to(fields, mechanism):
    asked = access(**fields)
    assert asked.effective_mechanism == mechanism
    assert asked.settings().mechanism == mechanism


def test_keys_mean_protection_but_not_for_the_public_client():
    assert access(keys=SYMMETRIC).settings().protection == Protection.BOTH
    assert access(keys=SYMMETRIC, client=16).settings().protection == Protection.NONE
    assert access(keys=SYMMETRIC, protection=Protection.AUTHENTICATED).settings().protection == Protection.AUTHENTICATED


def test_a_dedicated_key_is_fresh_each_time():
    keys = {access(keys=SYMMETRIC, dedicated=True).settings().dedicated_key for _ in range(3)}
    assert len(keys) == 3
    assert access(keys=SYMMETRIC).settings().dedicated_key is None


def test_general_block_transfer_is_proposed_where_asked_for():
    assert access(general_block_transfer=True).settings().conformance & Conformance.GENERAL_BLOCK_TRANSFER
    assert access(mechanism=Mechanism.NONE).settings().manufacturer_proof is None


@pytest.mark.parametrize("mechanism", [Mechanism.LOW, Mechanism.MD5, Mechanism.GMAC, Mechanism.ECDSA])
def test_a_missing_key_is_told_with_the_option(mechanism):
    with pytest.raises(ConfigurationError, match="--keys"):
        access(mechanism=mechanism).settings()


def test_a_stored_counter_is_reserved_ahead_and_never_repeats(tmp_path):
    path = tmp_path / "counters.json"
    first = StoredCounter(path, "meter")
    given = [first.next() for _ in range(3)]
    assert json.loads(path.read_text()) == {"meter": COUNTERS_RESERVED}
    after_a_crash = StoredCounter(path, "meter")
    assert after_a_crash.next() == COUNTERS_RESERVED
    assert given == [0, 1, 2]
    assert StoredCounter(path, "other").next() == 0
    assert set(json.loads(path.read_text())) == {"meter", "other"}


def test_a_stored_counter_can_be_raised_and_not_lowered(tmp_path):
    counter = StoredCounter(tmp_path / "counters.json", "meter")
    counter.raise_to(500)
    assert counter.next() == 500
    counter.raise_to(3)
    assert counter.next() == 501


def test_a_counter_at_its_end_is_not_wrapped(tmp_path):
    counter = StoredCounter(tmp_path / "counters.json", "meter")
    counter.raise_to(0xFFFF_FFFF)
    assert counter.next() == 0xFFFF_FFFF
    with pytest.raises(ConfigurationError, match="new key"):
        counter.next()


@pytest.mark.parametrize("content", ["", "[]", '{"meter": "x"}', "\x00"])
def test_a_counter_file_that_is_none_is_not_begun_anew(tmp_path, content):
    path = tmp_path / "counters.json"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="counter file"):
        StoredCounter(path, "meter")
    assert path.read_text() == content


@pytest.mark.parametrize(("lowest", "taken"), [(5, False), (100, True), (10 + COUNTER_LEAP_MAX, True), (2**31, False)])
def test_a_meters_word_moves_the_counter_ahead_within_reason(lowest, taken):
    raised = _raised(CountUp(10), lowest)
    assert (raised is not None) is taken
    if raised is not None:
        assert raised.next() == lowest


def test_titles_and_codes_are_checked():
    assert with_title(access(), "4d57430000000002").system_title == b"MWC\0\0\0\0\2"
    assert with_title(access(), None) == access()
    for text in ("zz", "00"):
        with pytest.raises(ConfigurationError, match="title"):
            with_title(access(), text)
    assert obis_of("1.0.1.8.0.255").text == "1-0:1.8.0.255"
    with pytest.raises(UsageError, match="OBIS"):
        obis_of("1.8")


@pytest.mark.parametrize(
    ("diagnostic", "told"),
    [
        (11, "another mechanism: --mechanism"),
        (12, "--keys"),
        (13, "authentication failure"),
        (1, "client address"),
        (99, "99"),
    ],
)
def test_a_refusal_is_told_with_who_where_why_and_what_to_do(diagnostic, told):
    explained = _explained(AssociationRefused("no", result=1, diagnostic=diagnostic), access(keys=SYMMETRIC))
    text = str(explained)
    assert told in text
    assert "tcp://127.0.0.1:4059 refused client 2 with mechanism 5" in text
    assert "meter discover" in text
    assert explained.facts["diagnostic"] == diagnostic


def test_a_refusal_without_a_diagnostic_is_left_as_it_is():
    refused = AssociationRefused("exception 5", service=5)
    assert _explained(refused, access()) is refused
