"""Association objects: lists by rights and version, objects taken out and put back, users."""

from dataclasses import replace

import pytest
from tests.unit.devices.conftest import MANAGEMENT, PUBLIC, READER

from meterworks.devices.access import CLIENTS, Audience
from meterworks.devices.association_object import association_entry, association_name, is_removed
from meterworks.devices.client_login import ClientLogin
from meterworks.errors import UsageError
from meterworks.protocols.dlms import (
    ActionResult,
    DataAccessResult,
    Mechanism,
    ObisCode,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
    encode_visible_string,
)
from meterworks.protocols.dlms.cosem import ObjectListEntry, decode_object_list, encode_object_entry

OWN = "0.0.40.0.0.255"
READERS = "0.0.40.0.2.255"
VOLTAGE = ObisCode("1.0.32.7.0.255")
SUCCESS = ActionResult.SUCCESS


def listed(bench, code=OWN, client=MANAGEMENT):
    return {entry.obis_code: entry for entry in decode_object_list(bench.raw(code, 2, client=client))}


def element(entry):
    return encode_object_entry(entry, 3)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_finds_its_own_association_at_the_name_of_the_current_one(bench, client):
    index = CLIENTS[client].association_index
    for number in range(1, 12):
        if number != 7:
            assert (
                bench.raw(OWN, number, client=client) == bench.raw(f"0.0.40.0.{index}.255", number, client=client)
                or number == 1
            )
    assert bench.read(OWN, 3, client=client)[0] == client
    assert bench.read(OWN, 8, client=client) == 2


def test_another_clients_association_shows_what_that_client_sees(bench):
    assert set(listed(bench, READERS)) == set(listed(bench, client=READER)) < set(listed(bench))
    assert bench.read(READERS, 8) == 0
    assert bench.raw(READERS, 7) is DataAccessResult.READ_WRITE_DENIED


def test_an_object_taken_out_is_gone_for_that_client_and_comes_back(make_bench):
    bench = make_bench()
    voltage = listed(bench, READERS)[VOLTAGE]
    assert bench.act(READERS, 4, element(voltage)) is SUCCESS
    assert VOLTAGE not in listed(bench, client=READER)
    assert bench.raw(str(VOLTAGE), client=READER) is DataAccessResult.OBJECT_UNDEFINED
    assert bench.read(str(VOLTAGE)) > 0  # management has it still
    again = make_bench(state=bench.view.state)
    assert is_removed(again.view, READER, VOLTAGE)
    assert again.act(READERS, 3, element(voltage)) is SUCCESS
    assert again.read(str(VOLTAGE), client=READER) > 0
    assert listed(again, client=READER)[VOLTAGE] == voltage


@pytest.mark.parametrize(
    ("method", "change", "result"),
    [
        (3, {"obis_code": ObisCode("1.0.99.99.0.255")}, ActionResult.OBJECT_UNDEFINED),
        (4, {"version": 7}, ActionResult.OBJECT_UNDEFINED),
        (3, {"attributes": {1: 1, 2: 3, 3: 1}}, ActionResult.SCOPE_OF_ACCESS_VIOLATED),
        (3, {"methods": {1: 1}}, ActionResult.SCOPE_OF_ACCESS_VIOLATED),
        (4, {"class_id": 15, "version": 3, "obis_code": ObisCode(READERS)}, ActionResult.SCOPE_OF_ACCESS_VIOLATED),
    ],
)
def test_what_cannot_be_put_in_or_taken_out_is_refused(bench, method, change, result):
    voltage = listed(bench, READERS)[VOLTAGE]
    fields = {
        "class_id": voltage.class_id, "version": voltage.version, "obis_code": voltage.obis_code,
        "attributes": dict(voltage.attributes), "methods": dict(voltage.methods),
    }  # fmt: skip
    changed = {
        key: {number: type(voltage.attribute_rights(1))(rights) for number, rights in value.items()}
        if isinstance(value, dict)
        else value
        for key, value in change.items()
    }
    assert bench.act(READERS, method, element(ObjectListEntry(**(fields | changed)))) is result
    assert listed(bench, client=READER)[VOLTAGE] == voltage


def test_what_is_no_element_of_a_list_is_refused(bench):
    for method in (3, 4):
        assert bench.act(READERS, method, encode_unsigned(1)) is ActionResult.OBJECT_UNDEFINED
        assert bench.act(OWN, method, encode_unsigned(1), client=PUBLIC) is ActionResult.READ_WRITE_DENIED


def user(number, name):
    return encode_structure(encode_unsigned(number), encode_visible_string(name))


def test_users_are_listed_replaced_and_let_in(make_bench):
    bench = make_bench()
    assert bench.read(READERS, 10) == []
    assert bench.meter.association(READER).users == frozenset()
    for row in (user(3, "Ann"), user(4, "Bob"), user(3, "Anna")):
        assert bench.act(READERS, 5, row) is SUCCESS
    assert bench.read(READERS, 10) == [(4, "Bob"), (3, "Anna")]
    again = make_bench(state=bench.view.state)
    assert again.meter.association(READER).users == {3, 4}
    assert again.meter.association(MANAGEMENT).users == frozenset()
    again.meter.association_opened(READER, 3)
    assert again.read(OWN, 11, client=READER) == (3, "Anna")
    assert again.act(READERS, 6, user(3, "Anna")) is SUCCESS
    assert again.act(READERS, 6, user(3, "Anna")) is ActionResult.OTHER_REASON
    assert again.act(READERS, 5, encode_unsigned(1)) is ActionResult.TYPE_UNMATCHED
    again.meter.association_opened(READER, None)
    assert again.read(OWN, 11, client=READER) == (0, "")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_each_version_has_its_attributes(version):
    row = association_entry(OWN, Audience.EVERYONE, version=version)
    assert row.interface_class.version == version
    assert ("user_list" in row.bindings) == (version > 1)
    assert association_name(99) == association_name(PUBLIC)


# --- SAP assignment --------------------------------------------------------------------------------------------------

SAPS = "0.0.41.0.0.255"


def sap(number, name):
    return encode_structure(encode_long_unsigned(number), encode_octet_string(name))


def test_further_addresses_of_the_logical_device_are_listed_and_taken_off(make_bench):
    bench = make_bench()
    name = bench.read("0.0.42.0.0.255")
    assert bench.read(SAPS) == [(1, name)]
    assert bench.act(SAPS, 1, sap(17, name)) is SUCCESS
    again = make_bench(state=bench.view.state)
    assert again.read(SAPS) == [(1, name), (17, name)]
    assert again.act(SAPS, 1, sap(17, b"")) is SUCCESS
    assert again.read(SAPS) == [(1, name)]


@pytest.mark.parametrize(
    ("parameter", "result"),
    [
        (sap(17, b"another device"), ActionResult.OBJECT_UNDEFINED),
        (sap(1, b""), ActionResult.TYPE_UNMATCHED),
        (sap(0xFFFF, b""), ActionResult.TYPE_UNMATCHED),
        (encode_unsigned(1), ActionResult.TYPE_UNMATCHED),
    ],
)
def test_an_address_that_cannot_be_connected_is_refused(bench, parameter, result):
    assert bench.act(SAPS, 1, parameter) is result


def test_a_meter_lists_only_so_many_addresses(bench):
    name = bench.read("0.0.42.0.0.255")
    results = [bench.act(SAPS, 1, sap(number, name)) for number in range(16, 40)]
    assert results.count(SUCCESS) == len(bench.read(SAPS)) - 1 == 16


# --- secrets ---------------------------------------------------------------------------------------------------------


def with_logins(make_bench, *logins, state=None):
    bench = make_bench(state=state)
    bench.view.specification = replace(bench.view.specification, logins=logins)
    return bench


@pytest.mark.parametrize("mechanism", [Mechanism.LOW, Mechanism.MD5, Mechanism.SHA1, Mechanism.SHA256])
def test_a_client_may_prove_itself_by_a_secret_and_change_it(make_bench, mechanism):
    login = ClientLogin(client_sap=READER, mechanism=mechanism, secret=b"old secret", ciphered=False)
    bench = with_logins(make_bench, login)
    settings = bench.meter.association(READER)
    assert (settings.mechanism, settings.password or settings.secret) == (mechanism, b"old secret")
    assert not settings.is_ciphered
    assert bench.read(READERS, 6)[-1] == mechanism
    assert bench.read(READERS, 4)[-1] == 1
    assert bench.act(READERS, 2, encode_octet_string(b"new secret")) is SUCCESS
    again = with_logins(make_bench, login, state=bench.view.state)
    settings = again.meter.association(READER)
    assert settings.password or settings.secret == b"new secret"
    assert again.meter.association(MANAGEMENT).mechanism is Mechanism.GMAC


def test_a_secret_nobody_uses_cannot_be_changed_nor_an_impossible_one_taken(make_bench):
    assert make_bench().act(READERS, 2, encode_octet_string(b"new")) is ActionResult.READ_WRITE_DENIED
    bench = with_logins(make_bench, ClientLogin(client_sap=READER, mechanism=Mechanism.MD5, secret=b"x"))
    assert bench.meter.association(READER).is_ciphered
    for parameter in (encode_octet_string(b""), encode_octet_string(bytes(65)), encode_unsigned(1)):
        assert bench.act(READERS, 2, parameter) is ActionResult.TYPE_UNMATCHED


@pytest.mark.parametrize(
    ("mechanism", "secret"), [(Mechanism.GMAC, b"x"), (Mechanism.MD5, b""), (Mechanism.LOW, bytes(65))]
)
def test_a_login_without_its_secret_or_with_one_too_many_is_refused(mechanism, secret):
    with pytest.raises(UsageError):
        ClientLogin(client_sap=READER, mechanism=mechanism, secret=secret)
    assert "hidden" not in repr(ClientLogin(client_sap=READER, mechanism=Mechanism.LOW, secret=b"hidden"))
