"""Payment in the meter: what consumption costs, when nothing is left, and how credit comes back.

The load uses a steady 3 Wh a second, so that every amount and every instant can be said by hand: at 250 thousandths
per kWh a thousandth is used every 4 Wh, three of them every 4 seconds.
"""

import pytest
from tests.unit.devices.conftest import INSTALLED, NOW, TITLE, Hand
from tests.unit.devices.plain_load import SteadyLoad

from meterworks.devices import ElectricityMeter, FleetState, MeterSpecification, MeterView, Origin, SwitchOrder, operate
from meterworks.devices.prepayment import (
    ACCOUNT,
    CONSUMPTION_CHARGE,
    EMERGENCY_CREDIT,
    STANDING_CHARGE,
    TOKEN_CREDIT,
    TOKEN_GATEWAY,
    AccountMode,
    AccountStatus,
    CreditStatus,
    TokenStatus,
    make_token,
)
from meterworks.devices.prepayment_part import PREPAYMENT_PART, prepayment_model
from meterworks.protocols.dlms import (
    ActionResult,
    AttributeAddress,
    CosemDateTime,
    DataAccessResult,
    MethodAddress,
    ObisCode,
    decode_all,
    encode_array,
    encode_double_long,
    encode_double_long_unsigned,
    encode_enum,
    encode_integer,
    encode_long,
    encode_octet_string,
    encode_structure,
)

OK, OTHER, UNMATCHED = ActionResult.SUCCESS, ActionResult.OTHER_REASON, ActionResult.TYPE_UNMATCHED
GAK = bytes(range(16, 32))
SWITCH = bytes((0, 0, 96, 3, 10, 255))
CLASS_OF = {ACCOUNT: 111, TOKEN_CREDIT: 112, EMERGENCY_CREDIT: 112, CONSUMPTION_CHARGE: 113, STANDING_CHARGE: 113,
            TOKEN_GATEWAY: 115, SWITCH: 70}  # fmt: skip
START = int(NOW)
ZERO = b"\x0f\x00"


class AccountBench:
    """A prepayment meter without standing charge."""

    def __init__(self, state=None):
        self.hand = Hand(float(START))
        self.model = prepayment_model(1)
        specification = MeterSpecification(system_title=TITLE, serial="MW1", guek=bytes(16), gak=GAK)
        self.view = MeterView(
            0, specification, SteadyLoad(INSTALLED), state or FleetState(None, [TITLE]), epoch_s=self.hand,
            object_lists=self.model.object_lists,
        )  # fmt: skip
        self.view.start_clock()
        self.meter = ElectricityMeter(self.model, self.view)

    def read(self, name, attribute):
        encoded = self.meter.get(1, AttributeAddress(CLASS_OF[name], ObisCode(name), attribute), None)
        assert isinstance(encoded, bytes), encoded
        return decode_all(encoded)

    def write(self, name, attribute, value):
        return self.meter.set(1, AttributeAddress(CLASS_OF[name], ObisCode(name), attribute), value)

    def act(self, name, method, parameter=ZERO):
        return self.meter.action(1, MethodAddress(CLASS_OF[name], ObisCode(name), method), parameter)[0]

    def wait(self, seconds):
        self.hand.epoch_s += seconds

    @property
    def connected(self):
        return self.read(SWITCH, 2)

    @property
    def available(self):
        return self.read(ACCOUNT, 5)


def period(seconds):
    return encode_double_long_unsigned(seconds)


@pytest.fixture
def account():
    """An active account with 300 thousandths: 400 seconds of supply."""
    bench = AccountBench()
    assert bench.write(STANDING_CHARGE, 8, period(0)) == DataAccessResult.SUCCESS
    assert bench.act(ACCOUNT, 1) == OK
    assert bench.act(TOKEN_CREDIT, 1, encode_double_long(300)) == OK
    return bench


# --- using up --------------------------------------------------------------------------------------------------------


def test_consumption_uses_credit_at_the_price_of_the_charge(account):
    account.wait(40)
    assert (account.available, account.read(TOKEN_CREDIT, 2)) == (270, 270)
    assert account.read(CONSUMPTION_CHARGE, 2) == 30
    account.wait(40)
    assert account.read(CONSUMPTION_CHARGE, 2) == 60


def test_looking_often_costs_no_more_than_looking_once(account):
    for _ in range(133):
        account.wait(3)
        assert account.available <= 300
    assert account.available == 300 - 399 * 3 // 4


def test_at_the_end_the_switch_opens_at_its_second(account):
    account.wait(399)
    assert account.connected
    account.wait(1)
    assert not account.connected
    assert account.view.gaps.begin_s.tolist() == [START + 400]
    assert account.read(SWITCH, 3) == 2
    assert [event.code for event in account.view.state.own_events(0)] == [64]


def test_it_is_the_same_however_late_somebody_looks(account):
    account.wait(30 * 86_400)
    assert not account.connected
    assert account.view.gaps.begin_s.tolist() == [START + 400]
    assert account.available == 0
    assert account.view.load.registers_at(START + 86_400).import_wh == 3 * (START + 400 - INSTALLED)


def test_in_credit_mode_the_meter_counts_on_below_zero(account):
    assert account.write(ACCOUNT, 2, encode_structure(encode_enum(1), encode_enum(2))) == DataAccessResult.SUCCESS
    account.wait(800)
    assert account.connected
    assert (account.available, account.read(ACCOUNT, 8)) == (-300, 300)


def test_a_meter_that_must_not_switch_counts_on(account):
    assert account.write(SWITCH, 4, encode_enum(0)) == DataAccessResult.SUCCESS
    account.wait(800)
    assert account.connected
    assert account.available == -300


def test_the_button_at_the_meter_helps_for_a_moment_only(account):
    account.wait(500)
    assert not account.connected
    assert operate(account.view, Origin.MANUAL, SwitchOrder.RECONNECT) == OK
    account.wait(2)
    assert not account.connected


def test_the_standing_charge_is_taken_once_a_period():
    bench = AccountBench()
    assert bench.write(STANDING_CHARGE, 8, period(1000)) == DataAccessResult.SUCCESS
    bench.write(CONSUMPTION_CHARGE, 5, price(0))
    bench.act(ACCOUNT, 1)
    bench.act(TOKEN_CREDIT, 1, encode_double_long(1000))
    shown = []
    for _ in range(5):
        bench.wait(500)
        shown.append(bench.available)
    assert shown == [1000, 600, 600, 200, 200]
    bench.wait(500)
    assert not bench.connected
    assert bench.view.gaps.begin_s.tolist() == [START + 3000]
    assert (bench.read(STANDING_CHARGE, 2), bench.read(STANDING_CHARGE, 11)) == (1200, 400)
    taken = CosemDateTime.from_bytes(bench.read(STANDING_CHARGE, 10)).to_datetime().timestamp()
    assert taken == START + 3000


# --- prices ----------------------------------------------------------------------------------------------------------


def price(per_unit, commodity_scale=3, price_scale=-3):
    return encode_structure(
        encode_structure(encode_integer(commodity_scale), encode_integer(price_scale)),
        encode_structure(b"\x12\x00\x03", encode_octet_string(bytes((1, 0, 1, 8, 0, 255))), encode_integer(2)),
        encode_array([encode_structure(encode_octet_string(b"\0"), encode_long(per_unit))]),
    )


def test_a_new_price_holds_from_its_activation_on(account):
    account.wait(40)
    table = encode_array([encode_structure(encode_octet_string(b"\0"), encode_long(500))])
    assert account.act(CONSUMPTION_CHARGE, 1, table) == OK
    account.wait(40)
    assert account.available == 240
    assert account.act(CONSUMPTION_CHARGE, 2) == OK
    account.wait(40)
    assert account.available == 180


@pytest.mark.parametrize(
    ("value", "left"),
    [(price(250), 270), (price(25, 3, -2), 270), (price(1, 0, 0), -119_700), (price(250, 6, 0), 270), (price(0), 300)],
)
def test_scales_of_price_and_commodity_count(account, value, left):
    account.write(SWITCH, 4, encode_enum(0))
    assert account.write(CONSUMPTION_CHARGE, 5, value) == DataAccessResult.SUCCESS
    account.wait(40)
    assert account.available == left


@pytest.mark.parametrize("value", [price(250, 10), price(250, 3, -10), price(-1), price(250)[:-8] + b"\x01\x00"])
def test_a_price_that_cannot_be_reckoned_with_is_refused(account, value):
    refused = account.write(CONSUMPTION_CHARGE, 5, value)
    assert refused in (DataAccessResult.OTHER_REASON, DataAccessResult.TYPE_UNMATCHED)
    account.wait(40)
    assert account.available == 270


def test_amounts_never_leave_their_range(account):
    account.write(SWITCH, 4, encode_enum(0))
    assert account.write(CONSUMPTION_CHARGE, 5, price(32_767, 0, 9)) == DataAccessResult.SUCCESS
    account.wait(86_400)
    assert (account.available, account.read(CONSUMPTION_CHARGE, 2)) == (300 - (2**31 - 1), 2**31 - 1)
    assert account.write(EMERGENCY_CREDIT, 9, encode_double_long(-1)) == DataAccessResult.OTHER_REASON


@pytest.mark.parametrize(
    ("parameter", "result"),
    [
        (encode_array([]), OTHER),
        (encode_array([encode_structure(encode_octet_string(b""), encode_long(-1))]), UNMATCHED),
        (encode_array([encode_structure()]), UNMATCHED),
        (encode_integer(1), OTHER),
    ],
)
def test_a_price_that_is_none_is_refused(account, parameter, result):
    assert account.act(CONSUMPTION_CHARGE, 1, parameter) == result


# --- emergency credit ------------------------------------------------------------------------------------------------


def test_the_emergency_credit_serves_when_it_was_asked_for(account):
    assert account.write(EMERGENCY_CREDIT, 9, encode_double_long(600)) == DataAccessResult.SUCCESS
    account.wait(500)
    assert account.read(EMERGENCY_CREDIT, 8) == CreditStatus.SELECTABLE
    assert not account.connected
    assert account.act(EMERGENCY_CREDIT, 3) == OK
    assert account.read(EMERGENCY_CREDIT, 8) == CreditStatus.IN_USE
    assert operate(account.view, Origin.MANUAL, SwitchOrder.RECONNECT) == OK
    before = account.available
    account.wait(400)
    assert account.available == before - 300
    assert account.read(ACCOUNT, 3) == 2


def test_asked_for_in_time_the_supply_never_stops(account):
    assert account.act(EMERGENCY_CREDIT, 3) == OK
    assert account.read(EMERGENCY_CREDIT, 8) == CreditStatus.INVOKED
    account.wait(1000)
    assert account.connected
    assert account.read(EMERGENCY_CREDIT, 2) == 5000 - 450
    assert account.read(ACCOUNT, 6) == 450
    account.wait(8000)
    assert not account.connected
    assert account.view.gaps.begin_s.tolist() == [START + 5300 * 4 // 3 + 1]
    assert account.read(EMERGENCY_CREDIT, 8) == CreditStatus.EXHAUSTED
    assert account.act(EMERGENCY_CREDIT, 3) == OTHER


def test_a_payment_first_pays_the_emergency_credit_back(account):
    account.act(EMERGENCY_CREDIT, 3)
    account.wait(1000)
    assert account.act(TOKEN_CREDIT, 1, encode_double_long(400)) == OK
    assert (account.read(TOKEN_CREDIT, 2), account.read(EMERGENCY_CREDIT, 2)) == (0, 4950)
    assert account.act(TOKEN_CREDIT, 1, encode_double_long(100)) == OK
    assert (account.read(TOKEN_CREDIT, 2), account.read(EMERGENCY_CREDIT, 2)) == (50, 5000)
    assert account.read(ACCOUNT, 6) == 0


def test_in_a_mode_with_local_reconnection_a_payment_switches_on(account):
    assert account.write(SWITCH, 4, encode_enum(6)) == DataAccessResult.SUCCESS
    account.wait(500)
    assert not account.connected
    assert account.act(TOKEN_CREDIT, 1, encode_double_long(100)) == OK
    assert account.connected
    assert [event.code for event in account.view.state.own_events(0)] == [64, 69]


def test_status_bits_say_how_things_stand(account):
    def bits():
        value = account.read(ACCOUNT, 4)
        return [bool(value.octets[0] & 0x80 >> number) for number in range(8)]

    assert bits() == [True, True, True, True, False, False, False, False]
    account.act(TOKEN_CREDIT, 2, encode_double_long(50_000))
    assert bits() == [True, False, True, False, False, False, False, False]
    account.act(EMERGENCY_CREDIT, 3)
    assert bits() == [True, False, True, False, True, False, False, False]


# --- tokens ----------------------------------------------------------------------------------------------------------


def enter(account, token):
    result = account.act(TOKEN_GATEWAY, 1, encode_octet_string(token))
    return result, account.read(TOKEN_GATEWAY, 6)[0]


def test_a_token_brings_its_amount_once(account):
    token = make_token(GAK, 700, 1)
    assert enter(account, token) == (OK, TokenStatus.EXECUTED)
    assert account.available == 1000
    assert enter(account, token) == (OTHER, TokenStatus.VALIDATION_FAILED)
    assert enter(account, make_token(GAK, 5, 2)) == (OK, TokenStatus.EXECUTED)
    assert account.available == 1005
    assert account.read(TOKEN_GATEWAY, 2) == make_token(GAK, 5, 2)


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (b"", TokenStatus.FORMAT_FAILED),
        (bytes(17), TokenStatus.FORMAT_FAILED),
        (bytes(16), TokenStatus.AUTHENTICATION_FAILED),
        (make_token(bytes(16), 700, 1), TokenStatus.AUTHENTICATION_FAILED),
        (b"\0\0\xff\xff" + make_token(GAK, 700, 1)[4:], TokenStatus.AUTHENTICATION_FAILED),
        (make_token(GAK, 2**32 - 1, 1), TokenStatus.VALIDATION_FAILED),
        (make_token(GAK, 700, 0), TokenStatus.VALIDATION_FAILED),
    ],
)
def test_other_tokens_bring_nothing(account, token, status):
    assert enter(account, token) == (OTHER, status)
    assert account.available == 300


def test_a_token_is_octets(account):
    assert account.act(TOKEN_GATEWAY, 1, encode_integer(1)) == UNMATCHED


# --- life of the account ---------------------------------------------------------------------------------------------


def test_before_activation_nothing_is_charged():
    bench = AccountBench()
    bench.act(TOKEN_CREDIT, 1, encode_double_long(300))
    bench.wait(86_400)
    assert bench.available == 300
    assert bench.connected
    assert bench.read(ACCOUNT, 2) == (AccountMode.PREPAYMENT, AccountStatus.NEW)


def test_an_account_is_activated_closed_and_begun_anew(account):
    assert account.act(ACCOUNT, 1) == OTHER
    assert account.act(ACCOUNT, 3) == OTHER
    assert account.act(ACCOUNT, 2) == OK
    account.wait(86_400)
    assert (account.available, account.connected) == (300, True)
    assert account.act(ACCOUNT, 2) == OTHER
    assert account.act(ACCOUNT, 3) == OK
    assert (account.read(ACCOUNT, 2)[1], account.available) == (AccountStatus.NEW, 0)


@pytest.mark.parametrize(("mode", "status"), [(0, 2), (3, 2), (1, 1), (1, 3)])
def test_a_mode_the_class_has_not_and_a_status_by_hand_are_refused(account, mode, status):
    value = encode_structure(encode_enum(mode), encode_enum(status))
    assert account.write(ACCOUNT, 2, value) == DataAccessResult.OTHER_REASON
    assert account.write(ACCOUNT, 2, encode_structure()) == DataAccessResult.TYPE_UNMATCHED


def test_everything_survives_a_restart(tmp_path):
    path = tmp_path / "fleet.state"
    bench = AccountBench(FleetState(path, [TITLE]))
    bench.write(STANDING_CHARGE, 8, period(0))
    bench.act(ACCOUNT, 1)
    bench.act(TOKEN_CREDIT, 1, encode_double_long(300))
    bench.view.state.close()
    again = AccountBench(FleetState(path, [TITLE]))
    again.wait(1000)
    assert not again.connected
    assert again.view.gaps.begin_s.tolist() == [START + 400]
    again.view.state.close()


def test_a_clock_set_back_charges_nothing_twice(account):
    account.wait(40)
    assert account.available == 270
    account.view.set_clock(account.view.now_epoch_s() - 3600)
    assert account.available == 270


def test_every_object_can_be_read_whole(account):
    for row in PREPAYMENT_PART:
        name = ObisCode(row.obis_code)
        for attribute in row.interface_class.attributes:
            value = account.meter.get(1, AttributeAddress(row.interface_class.class_id, name, attribute.number), None)
            assert isinstance(value, bytes), (row.obis_code, attribute.name)
            assert attribute.shape.takes(value), (row.obis_code, attribute.name, value.hex())


def test_the_default_meter_has_no_account(bench):
    assert not [name for name in bench.meter.model.objects if name[2] == 19]
