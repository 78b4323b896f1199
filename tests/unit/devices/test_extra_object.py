"""Sub-meter, compact data, arbitrator, port protection and parameter monitor of the meters that have them."""

import pytest
from tests.unit.devices.conftest import INSTALLED, NOW, TITLE, Hand
from tests.unit.devices.plain_load import PlainLoad

from meterworks.devices import MODELS, ElectricityMeter, FleetState, MeterSpecification, MeterView
from meterworks.devices.mbus_client import KeyStatus, gas_reading_litres
from meterworks.protocols.dlms import (
    ActionResult,
    AttributeAddress,
    BitString,
    CosemDateTime,
    DataAccessResult,
    MethodAddress,
    ObisCode,
    SecurityEventKind,
    decode_all,
    encode_array,
    encode_bit_string,
    encode_double_long_unsigned,
    encode_enum,
    encode_integer,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
    wrap_key,
)

OK, OTHER, DENIED, UNMATCHED, UNDEFINED = (
    ActionResult.SUCCESS,
    ActionResult.OTHER_REASON,
    ActionResult.READ_WRITE_DENIED,
    ActionResult.TYPE_UNMATCHED,
    ActionResult.OBJECT_UNDEFINED,
)
MBUS, GAS, COMPACT, ARBITRATOR, PORT, MONITOR, SWITCH = (
    "0.1.24.1.0.255", "0.1.24.2.1.255", "0.0.66.0.0.255", "0.0.96.3.20.255", "0.0.44.2.0.255", "0.0.16.2.0.255",
    "0.0.96.3.10.255",
)  # fmt: skip
KEK = b"master key of 16"


class ExtraBench:
    def __init__(self):
        self.hand = Hand()
        self.model = MODELS["prepayment-1"]
        specification = MeterSpecification(system_title=TITLE, serial="MW1", guek=bytes(16), gak=bytes(16), kek=KEK)
        self.view = MeterView(
            0, specification, PlainLoad(INSTALLED), FleetState(None, [TITLE]), epoch_s=self.hand,
            object_lists=self.model.object_lists,
        )  # fmt: skip
        self.view.start_clock()
        self.meter = ElectricityMeter(self.model, self.view)

    def _class(self, name):
        return self.model.objects[ObisCode(name)].interface_class.class_id

    def read(self, name, attribute=2):
        encoded = self.meter.get(1, AttributeAddress(self._class(name), ObisCode(name), attribute), None)
        assert isinstance(encoded, bytes), encoded
        return decode_all(encoded)

    def write(self, name, attribute, value):
        return self.meter.set(1, AttributeAddress(self._class(name), ObisCode(name), attribute), value)

    def act(self, name, method, parameter=b"\x0f\x00"):
        return self.meter.action(1, MethodAddress(self._class(name), ObisCode(name), method), parameter)[0]


@pytest.fixture
def extra():
    return ExtraBench()


def test_everything_these_meters_have_can_be_read(extra):
    for name, bound in extra.model.objects.items():
        for number, attribute in enumerate(bound.attributes, 1):
            address = AttributeAddress(bound.interface_class.class_id, name, number)
            value = extra.meter.get(1, address, None)
            assert attribute.hidden or isinstance(value, bytes), (bound.obis_code, number, value)


# --- M-Bus client ----------------------------------------------------------------------------------------------------


def test_a_sub_meter_is_installed_read_and_taken_off(extra):
    assert [extra.read(MBUS, number) for number in (5, 6, 7, 9)] == [0, 0, 0, 0]
    assert extra.act(MBUS, 3) == OTHER
    assert extra.act(MBUS, 1, encode_unsigned(5)) == OK
    assert extra.act(MBUS, 1, encode_unsigned(6)) == DENIED
    assert [extra.read(MBUS, number) for number in (5, 7, 9)] == [5, 0x36EB, 3]
    assert extra.read(MBUS, 6) > 0
    assert extra.read(GAS) == 0
    assert extra.act(MBUS, 3) == OK
    first = extra.read(GAS)
    assert first == gas_reading_litres(TITLE, 1, int(NOW), INSTALLED) > 0
    assert CosemDateTime.from_bytes(extra.read(GAS, 5)).to_datetime().timestamp() == int(NOW)
    extra.hand.epoch_s += 86_400
    assert extra.read(GAS) == first
    assert extra.act(MBUS, 3) == OK
    assert extra.read(GAS) > first
    assert extra.read(MBUS, 10) == 2
    assert extra.act(MBUS, 2) == OK
    assert [extra.read(MBUS, 5), extra.read(GAS), extra.act(MBUS, 2)] == [0, 0, OTHER]


def test_the_key_of_a_sub_meter_is_in_use_once_both_ends_have_it(extra):
    key = b"sub-meter key 16"
    assert extra.act(MBUS, 7, encode_octet_string(key)) == OTHER
    extra.act(MBUS, 1, encode_unsigned(0))
    assert extra.read(MBUS, 5) == 1
    assert extra.act(MBUS, 8, encode_octet_string(wrap_key(KEK, key))) == OK
    assert extra.read(MBUS, 14) == KeyStatus.TRANSFERRED
    assert extra.act(MBUS, 7, encode_octet_string(key)) == OK
    assert extra.read(MBUS, 14) == KeyStatus.IN_USE
    assert extra.act(MBUS, 8, encode_octet_string(bytes(24))) == OTHER
    assert extra.act(MBUS, 7, encode_octet_string(b"short")) == UNMATCHED
    assert extra.act(MBUS, 7, encode_octet_string(b"")) == OK
    assert extra.read(MBUS, 14) == KeyStatus.NONE


@pytest.mark.parametrize("address", [251, 255])
def test_an_address_the_bus_has_not_is_refused(extra, address):
    assert extra.act(MBUS, 1, encode_unsigned(address)) == OTHER


def test_alarm_clock_and_data_reach_the_sub_meter(extra):
    extra.act(MBUS, 1, encode_unsigned(1))
    assert [extra.act(MBUS, number) for number in (4, 5)] == [OK, OK]
    assert extra.read(MBUS, 10) == 1


# --- compact data ----------------------------------------------------------------------------------------------------


def test_values_without_their_types_and_the_template_that_says_them(extra):
    buffer, template = extra.read(COMPACT, 2), extra.read(COMPACT, 5)
    clock = extra.read("0.0.1.0.0.255")
    registered = extra.read("1.0.1.8.0.255")
    assert buffer == b"\x01" + b"\x0c" + clock + registered.to_bytes(4, "big") + b"\x01"
    assert template == bytes((2, 4, 17, 9, 6, 22))
    compact = b"\x13" + template + bytes((len(buffer),)) + buffer
    assert decode_all(compact) == [(1, clock, registered, 1)]


def test_in_the_mode_upon_invoking_the_buffer_stands_until_asked(extra):
    assert extra.act(COMPACT, 2) == OTHER
    assert extra.write(COMPACT, 6, encode_enum(0)) == DataAccessResult.SUCCESS
    assert extra.read(COMPACT) == b""
    assert extra.act(COMPACT, 2) == OK
    before = extra.read(COMPACT)
    extra.hand.epoch_s += 3600
    assert extra.read(COMPACT) == before != b""
    assert extra.act(COMPACT, 1) == OK
    assert extra.read(COMPACT) == b""
    assert extra.write(COMPACT, 6, encode_enum(2)) == DataAccessResult.OTHER_REASON


def column(class_id, name, attribute, data_index=0):
    return encode_structure(
        encode_long_unsigned(class_id), encode_octet_string(ObisCode(name)), encode_integer(attribute),
        encode_long_unsigned(data_index), encode_structure(encode_enum(0), b"\0"),
    )  # fmt: skip


def test_columns_can_be_written_down_to_one_element(extra):
    rows = encode_array([column(3, "1.0.1.8.0.255", 3, 2), column(3, "1.0.1.8.0.255", 3)])
    assert extra.write(COMPACT, 3, rows) == DataAccessResult.SUCCESS
    assert (extra.read(COMPACT, 2), extra.read(COMPACT, 5)) == (b"\x1e\x00\x1e", bytes((2, 2, 22, 2, 2, 15, 22)))


@pytest.mark.parametrize(
    "row", [(3, "1.0.99.99.9.255", 2), (1, "1.0.1.8.0.255", 2), (62, COMPACT, 2), (62, COMPACT, 5)]
)
def test_columns_that_are_not_there_or_itself_are_refused(extra, row):
    assert extra.write(COMPACT, 3, encode_array([column(*row)])) == UNDEFINED


# --- arbitrator ------------------------------------------------------------------------------------------------------


def wish(actor, bits):
    return encode_structure(encode_unsigned(actor), encode_bit_string(BitString(2, bytes((bits,)))))


DISCONNECT, RECONNECT = 0x80, 0x40


def test_the_heaviest_wish_of_those_who_may_is_done(extra):
    weights = [(5, 1), (2, 3), (1, 4)]
    table = encode_array(encode_array(map(encode_long_unsigned, row)) for row in weights)
    assert extra.write(ARBITRATOR, 4, table) == DataAccessResult.SUCCESS
    assert extra.act(ARBITRATOR, 1, wish(0, DISCONNECT)) == OK
    assert (extra.read(SWITCH), extra.read(ARBITRATOR, 6)) == (False, 1)
    assert extra.act(ARBITRATOR, 1, wish(1, RECONNECT)) == OK  # 3 against 5
    assert (extra.read(SWITCH), extra.read(ARBITRATOR, 6)) == (False, 1)
    assert extra.act(ARBITRATOR, 1, wish(2, RECONNECT)) == OK  # 7 against 5
    assert (extra.read(SWITCH), extra.read(ARBITRATOR, 6)) == (True, 2)
    assert [bits.octets for bits in extra.read(ARBITRATOR, 5)] == [b"\x80", b"\x40", b"\x40"]


def test_who_may_not_has_no_weight(extra):
    permissions = encode_array(encode_bit_string(BitString(2, bytes((bits,)))) for bits in (0x40, 0xC0, 0xC0))
    assert extra.write(ARBITRATOR, 3, permissions) == DataAccessResult.SUCCESS
    assert extra.act(ARBITRATOR, 1, wish(0, DISCONNECT)) == OK
    assert (extra.read(SWITCH), extra.read(ARBITRATOR, 6)) == (True, 0)
    assert extra.act(ARBITRATOR, 2) == OK
    assert {bits.octets for bits in extra.read(ARBITRATOR, 5)} == {b"\0"}


@pytest.mark.parametrize(("parameter", "result"), [(wish(3, 0x80), OTHER), (encode_unsigned(1), UNMATCHED)])
def test_strangers_and_nonsense_are_refused(extra, parameter, result):
    assert extra.act(ARBITRATOR, 1, parameter) == result


# --- port protection -------------------------------------------------------------------------------------------------


def guess(extra, times):
    for _ in range(times):
        extra.meter.security_event(SecurityEventKind.AUTHENTICATION_FAILED.value, 1)


def test_out_of_the_factory_guessing_locks_nothing(extra):
    guess(extra, 20)
    assert extra.meter.association(1) is not None
    assert [extra.read(PORT, number) for number in (8, 9, 10)] == [0, 0, 0]


def test_whoever_guesses_waits_longer_and_longer(extra):
    assert extra.write(PORT, 2, encode_enum(1)) == DataAccessResult.SUCCESS
    guess(extra, 3)
    assert extra.meter.association(1) is not None
    waits = []
    for _ in range(8):
        guess(extra, 1)
        waited = 0
        while extra.meter.association(1) is None:
            extra.hand.epoch_s += 10
            waited += 10
        waits.append(waited)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert [extra.read(PORT, number) for number in (8, 9, 10)] == [0, 11, 11]


def test_a_client_that_proves_itself_ends_the_count_and_reset_opens(extra):
    extra.write(PORT, 2, encode_enum(1))
    guess(extra, 3)
    extra.meter.association_opened(1, None)
    assert [extra.read(PORT, number) for number in (9, 10)] == [0, 3]
    guess(extra, 4)
    assert (extra.meter.association(1), extra.read(PORT, 8)) == (None, 1)
    assert extra.act(PORT, 1) == OK
    assert extra.meter.association(1) is not None
    assert [extra.read(PORT, number) for number in (8, 9, 10)] == [0, 0, 7]


@pytest.mark.parametrize(("attribute", "value"), [(2, encode_enum(0)), (2, encode_enum(3)), (5, encode_unsigned(0))])
def test_settings_that_would_lock_us_out_for_good_are_refused(extra, attribute, value):
    assert extra.write(PORT, attribute, value) == DataAccessResult.OTHER_REASON


# --- parameter monitor -----------------------------------------------------------------------------------------------


def parameter(class_id, name, attribute):
    return encode_structure(
        encode_long_unsigned(class_id), encode_octet_string(ObisCode(name)), encode_integer(attribute)
    )


LIMIT = parameter(71, "0.0.17.0.0.255", 4)


def test_a_watched_setting_is_shown_when_it_changes(extra):
    assert extra.act(MONITOR, 1, LIMIT) == OK
    assert extra.act(MONITOR, 1, LIMIT) == OK
    assert extra.read(MONITOR, 4) == [(71, bytes((0, 0, 17, 0, 0, 255)), 4)]
    extra.write("0.0.17.0.0.255", 6, encode_double_long_unsigned(33))
    assert extra.read(MONITOR, 2)[0] == 0
    extra.write("0.0.17.0.0.255", 4, encode_double_long_unsigned(4500))
    assert extra.read(MONITOR, 2) == (71, bytes((0, 0, 17, 0, 0, 255)), 4, 4500)
    assert CosemDateTime.from_bytes(extra.read(MONITOR, 3)).to_datetime().timestamp() == pytest.approx(NOW, abs=1)
    assert extra.act(MONITOR, 2, LIMIT) == OK
    assert extra.act(MONITOR, 2, LIMIT) == UNDEFINED
    extra.write("0.0.17.0.0.255", 4, encode_double_long_unsigned(1))
    assert extra.read(MONITOR, 2)[3] == 4500


@pytest.mark.parametrize("wrong", [parameter(1, "0.0.17.0.0.255", 4), parameter(71, "0.0.17.0.9.255", 4), b"\x0f\x00"])
def test_only_settings_of_the_meter_are_watched(extra, wrong):
    assert extra.act(MONITOR, 1, wrong) == UNDEFINED


def test_nobody_writes_what_was_changed_by_hand(extra):
    assert extra.write(MONITOR, 4, encode_array([LIMIT])) == DataAccessResult.SUCCESS
    value = encode_structure(
        encode_long_unsigned(1), encode_octet_string(bytes(6)), encode_integer(2), encode_unsigned(7)
    )
    assert extra.write(MONITOR, 2, value) == DataAccessResult.READ_WRITE_DENIED
