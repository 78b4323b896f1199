"""The objects of an account kept in the meter (classes 111, 112, 113 and 115), and the model that has them."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from meterworks.devices import prepayment
from meterworks.devices.access import Audience
from meterworks.devices.arbitrator import arbitrator
from meterworks.devices.compact_data import compact_data
from meterworks.devices.mbus_client import mbus_channel
from meterworks.devices.meter_model import METER_MODELS
from meterworks.devices.model import Bindings, DeviceModel, Entry, Place, Source, deed, derived, entry, kept, setting
from meterworks.devices.parameter_monitor import parameter_monitor
from meterworks.devices.port_protection import port_protection
from meterworks.devices.prepayment import (
    ACCOUNT,
    CONSUMPTION_CHARGE,
    CURRENCY_SCALE,
    EMERGENCY_CREDIT,
    STANDING_CHARGE,
    TOKEN_CREDIT,
    TOKEN_GATEWAY,
    AccountStatus,
    CreditStatus,
    Ledger,
    TokenStatus,
    factory_price,
    keep_ledger,
    ledger_of,
    settle,
)
from meterworks.devices.view import MeterView
from meterworks.protocols.dlms import (
    ActionResult,
    BitString,
    CosemDateTime,
    DataAccessResult,
    ObisCode,
    PlainValue,
    decode_all,
    encode_array,
    encode_bit_string,
    encode_date_time,
    encode_double_long,
    encode_double_long_unsigned,
    encode_enum,
    encode_integer,
    encode_long,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
    encode_utf8_string,
)
from meterworks.protocols.dlms.cosem import CLASSES

__all__ = ["PREPAYMENT_PART", "prepayment_model"]

READERS: Final = Audience.READERS
LOW_CREDIT_ATTRIBUTE: Final = 16
WARNING: Final = 2000  # thousandths: low credit
CREDIT_TYPES: Final = {TOKEN_CREDIT: 0, EMERGENCY_CREDIT: 2}
CONSUMPTION_BASED: Final = 0
TIME_BASED: Final = 1
MONETARY: Final = 2
PRICES_MAX: Final = 1  # one price for all energy: the tariff's own registers say which rate it was used in
REMOTE_DELIVERY: Final = 0
SUCCESS: Final = ActionResult.SUCCESS

Reading = Callable[[MeterView, Ledger], bytes]


def _now(reading: Reading) -> Source:
    """Bind an attribute to what the ledger says after settling until now."""

    def get(view: MeterView, place: Place, client_sap: int) -> bytes:
        del place, client_sap
        return reading(view, settle(view, int(view.now_epoch_s())))

    return derived(get)


def _amount(name: str) -> Source:
    return _now(lambda view, ledger: encode_double_long(getattr(ledger, name)))


def _moment(name: str) -> Source:
    """Bind an attribute to an instant of the ledger; unspecified where it never was."""

    def reading(view: MeterView, ledger: Ledger) -> bytes:
        epoch_s = getattr(ledger, name)
        return encode_date_time(view.zone.local_time(epoch_s) if epoch_s else CosemDateTime())

    return _now(reading)


def _bits(*bits: bool) -> bytes:
    octet = sum(0x80 >> number for number, bit in enumerate(bits) if bit)
    return encode_bit_string(BitString(len(bits), bytes((octet,))))


# --- account ---------------------------------------------------------------------------------------------------------


def _credit_status(view: MeterView, ledger: Ledger) -> bytes:
    low = view.written((ACCOUNT, LOW_CREDIT_ATTRIBUTE))
    threshold = WARNING if low is None else int(decode_all(low))
    invoked = ledger.emergency_status == CreditStatus.INVOKED
    in_use = ledger.emergency_status == CreditStatus.IN_USE
    selectable = ledger.token <= threshold and ledger.emergency > 0 and not ledger.emergency_counts
    return _bits(
        ledger.available > 0, ledger.available <= threshold, ledger.emergency > 0, selectable, invoked, in_use,
        ledger.available <= 0, False,
    )  # fmt: skip


def _in_use(view: MeterView, ledger: Ledger) -> bytes:
    """Number of the credit in use in the list of credits, from 1; 0 where none has anything left."""
    del view
    if ledger.token > 0:
        return encode_unsigned(1)
    return encode_unsigned(2 if ledger.emergency_counts and ledger.emergency > 0 else 0)


def _borrowed(view: MeterView, ledger: Ledger) -> bytes:
    """What a token pays back before it counts: emergency credit used, and what was used beyond all credit."""
    used = prepayment.preset_emergency(view) - ledger.emergency
    return encode_double_long(min(max(0, used) + max(0, -ledger.token), prepayment.AMOUNT_LIMIT))


def _mode(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    ledger = ledger_of(view)
    return encode_structure(encode_enum(ledger.mode), encode_enum(ledger.status))


def _set_mode(view: MeterView, value: PlainValue) -> DataAccessResult:
    """Take the mode; the status changes by methods only."""
    match value:
        case (int(mode), int(status)):
            pass
        case _:
            return DataAccessResult.TYPE_UNMATCHED
    ledger = settle(view, int(view.now_epoch_s()))
    if mode not in tuple(prepayment.AccountMode) or status != ledger.status:
        return DataAccessResult.OTHER_REASON
    keep_ledger(view, prepayment.with_mode(ledger, mode))
    return DataAccessResult.SUCCESS


def _act(change: Callable[[MeterView], bool]) -> Source:
    def run(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
        del place, parameter
        return SUCCESS if change(view) else ActionResult.OTHER_REASON

    return deed(run)


def _reset(view: MeterView) -> bool:
    """Begin a closed account anew, with nothing in it."""
    if ledger_of(view).status != AccountStatus.CLOSED:
        return False
    keep_ledger(view, Ledger(emergency=prepayment.preset_emergency(view)))
    return True


def _names(*names: bytes) -> bytes:
    return encode_array(map(encode_octet_string, names))


_ALL_CREDITS: Final = (TOKEN_CREDIT, EMERGENCY_CREDIT)
_ALL_CHARGES: Final = (CONSUMPTION_CHARGE, STANDING_CHARGE)
_COLLECTED: Final = encode_bit_string(BitString(3, b"\xc0"))

_ACCOUNT: Final = entry(
    str(ObisCode(ACCOUNT)), CLASSES[111, 0], READERS,
    account_mode_and_status=setting("account_mode"),
    current_credit_in_use=_now(_in_use), current_credit_status=_now(_credit_status),
    available_credit=_amount("available"), amount_to_clear=_now(_borrowed),
    clearance_threshold=kept(encode_double_long(0)),
    aggregated_debt=_now(lambda view, ledger: encode_double_long(max(0, -ledger.token))),
    credit_reference_list=_names(*_ALL_CREDITS), charge_reference_list=_names(*_ALL_CHARGES),
    credit_charge_configuration=encode_array(
        encode_structure(encode_octet_string(credit), encode_octet_string(charge), _COLLECTED)
        for credit in _ALL_CREDITS
        for charge in _ALL_CHARGES
    ),
    token_gateway_configuration=encode_array(
        [encode_structure(encode_octet_string(TOKEN_CREDIT), encode_unsigned(100))]
    ),
    account_activation_time=_moment("activated_s"), account_closure_time=_moment("closed_s"),
    currency=encode_structure(encode_utf8_string("EUR"), encode_integer(CURRENCY_SCALE), encode_enum(MONETARY)),
    low_credit_threshold=kept(encode_double_long(WARNING)),
    next_credit_available_threshold=kept(encode_double_long(WARNING)), max_provision=kept(encode_long_unsigned(0xFFFF)),
    max_provision_period=kept(encode_double_long(0)), activate_account=_act(prepayment.start_account),
    close_account=_act(prepayment.stop_account), reset_account=_act(_reset),
)  # fmt: skip

# --- credits ---------------------------------------------------------------------------------------------------------


def _status_of(credit: bytes) -> Reading:
    def token(view: MeterView, ledger: Ledger) -> bytes:
        del view
        return encode_enum(CreditStatus.IN_USE if ledger.token > 0 else CreditStatus.EXHAUSTED)

    def emergency(view: MeterView, ledger: Ledger) -> bytes:
        del view
        selectable = (
            ledger.emergency_status == CreditStatus.ENABLED and 0 < ledger.emergency and ledger.token <= WARNING
        )
        return encode_enum(CreditStatus.SELECTABLE if selectable else ledger.emergency_status)

    return token if credit == TOKEN_CREDIT else emergency


def _update_amount(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    if place.obis_code != TOKEN_CREDIT or not isinstance(parameter, int):
        return ActionResult.OTHER_REASON
    prepayment.change_token(view, parameter)
    return SUCCESS


def _set_amount(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    ledger = settle(view, int(view.now_epoch_s()))
    return _update_amount(view, place, parameter - ledger.token if isinstance(parameter, int) else parameter)


def _invoke(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    del parameter
    invoked = place.obis_code == EMERGENCY_CREDIT and prepayment.invoke_emergency(view)
    return SUCCESS if invoked else ActionResult.OTHER_REASON


def _credit(name: bytes, amount: str, priority: int, configuration: int, preset: int) -> Entry:
    return entry(
        str(ObisCode(name)), CLASSES[112, 0], READERS, current_credit_amount=_amount(amount),
        credit_type=encode_enum(CREDIT_TYPES[name]), priority=kept(encode_unsigned(priority)),
        warning_threshold=kept(encode_double_long(WARNING)), limit=encode_double_long(0),
        credit_configuration=kept(encode_bit_string(BitString(5, bytes((configuration,))))),
        credit_status=_now(_status_of(name)), preset_credit_amount=kept(encode_double_long(preset), _judge_amount),
        credit_available_threshold=kept(encode_double_long(WARNING)),
        period=kept(encode_octet_string(CosemDateTime().to_bytes())), update_amount=deed(_update_amount),
        set_amount_to_value=deed(_set_amount), invoke_credit=deed(_invoke),
    )  # fmt: skip


# --- charges ---------------------------------------------------------------------------------------------------------


def _update_price(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Write the passive price table."""
    if not isinstance(parameter, list) or not 0 < len(parameter) <= PRICES_MAX:
        return ActionResult.OTHER_REASON
    rows = []
    for row in parameter:
        match row:
            case (bytes(index), int(price)) if price >= 0:
                rows.append(encode_structure(encode_octet_string(index), encode_long(price)))
            case _:
                return ActionResult.TYPE_UNMATCHED
    scaling, commodity, _ = decode_all(view.written((place.obis_code, 6)) or factory_price(place.obis_code))
    view.write(
        (place.obis_code, 6),
        encode_structure(
            encode_structure(*map(encode_integer, scaling)),
            encode_structure(
                encode_long_unsigned(commodity[0]), encode_octet_string(commodity[1]), encode_integer(commodity[2])
            ),
            encode_array(rows),
        ),
    )
    return SUCCESS


def _activate_price(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Let the passive price hold from now on; what was used until now costs what it cost."""
    del parameter
    settle(view, int(view.now_epoch_s()))
    view.write((place.obis_code, 5), view.written((place.obis_code, 6)) or factory_price(place.obis_code))
    return SUCCESS


def _collect(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    del place, parameter
    settle(view, int(view.now_epoch_s()))
    return SUCCESS


def _settled_first(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    del place, value
    settle(view, int(view.now_epoch_s()))
    return DataAccessResult.SUCCESS


def _judge_price(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    if not prepayment.is_price(value):
        return DataAccessResult.OTHER_REASON
    return _settled_first(view, place, value)


def _judge_amount(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    """Take an amount that is one: not below nothing."""
    return _settled_first(view, place, value) if value >= 0 else DataAccessResult.OTHER_REASON


def _charge(name: bytes, kind: int, part: str, period_s: int) -> Entry:
    price = factory_price(name)
    return entry(
        str(ObisCode(name)), CLASSES[113, 0], READERS, total_amount_paid=_amount(f"paid_{part}"),
        charge_type=encode_enum(kind), priority=kept(encode_unsigned(1 + kind)),
        unit_charge_active=kept(price, _judge_price), unit_charge_passive=kept(price, _judge_price),
        unit_charge_activation_time=kept(encode_octet_string(CosemDateTime().to_bytes())),
        period=kept(encode_double_long_unsigned(period_s), _settled_first),
        charge_configuration=kept(encode_bit_string(BitString(2, b"\x00"))),
        last_collection_time=_moment(f"last_{part}_s"), last_collection_amount=_amount(f"last_{part}"),
        total_amount_remaining=encode_double_long(0), proportion=encode_long_unsigned(0),
        update_unit_charge=deed(_update_price), activate_passive_unit_charge=deed(_activate_price),
        collect=deed(_collect),
    )  # fmt: skip


# --- token gateway ---------------------------------------------------------------------------------------------------


def _enter(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    if not isinstance(parameter, bytes):
        return ActionResult.TYPE_UNMATCHED
    view.write((place.obis_code, 2), encode_octet_string(parameter[: prepayment.TOKEN_SIZE * 4]))
    status = prepayment.enter_token(view, parameter)
    return SUCCESS if status is TokenStatus.EXECUTED else ActionResult.OTHER_REASON


_GATEWAY: Final = entry(
    str(ObisCode(TOKEN_GATEWAY)), CLASSES[115, 0], Audience.MANAGERS, token=kept(encode_octet_string(b"")),
    token_time=_moment("token_s"), token_description=encode_array([]),
    token_delivery_method=encode_enum(REMOTE_DELIVERY),
    token_status=_now(
        lambda view, ledger: encode_structure(
            encode_enum(ledger.token_status), encode_bit_string(BitString(0, b""))
        )
    ),
    enter=deed(_enter),
)  # fmt: skip

PREPAYMENT_PART: Final[tuple[Entry, ...]] = (
    _ACCOUNT,
    _credit(TOKEN_CREDIT, "token", 1, 0x08, 0),
    _credit(EMERGENCY_CREDIT, "emergency", 2, 0x60, prepayment.FACTORY_EMERGENCY),
    _charge(CONSUMPTION_CHARGE, CONSUMPTION_BASED, "energy", 0),
    _charge(STANDING_CHARGE, TIME_BASED, "standing", prepayment.FACTORY_PERIOD_S),
    _GATEWAY,
)

#: What else meters of this kind have that our usual ones have not: a sub-meter, compact data, guards.
_EXTRA_PART: Final[tuple[Entry, ...]] = (
    *mbus_channel(1),
    compact_data("0.0.66.0.0.255", 1, ((8, "0.0.1.0.0.255", 2), (3, "1.0.1.8.0.255", 2), (70, "0.0.96.3.10.255", 3))),
    arbitrator("0.0.96.3.20.255", (("0.0.10.0.106.255", 1), ("0.0.10.0.106.255", 2)), actors=3),
    port_protection("0.0.25.0.0.255"),
    parameter_monitor(),
)


@lru_cache(maxsize=4)
def prepayment_model(phases: int) -> DeviceModel:
    """Give our own meter with an account in it, for 1 or 3 phases."""
    own = METER_MODELS[phases]
    bindings = own.bindings
    return DeviceModel(
        name=f"prepayment {own.name}", phases=phases, entries=own.entries + PREPAYMENT_PART + _EXTRA_PART,
        bindings=Bindings(
            states={**bindings.states, "account_mode": _mode},
            settings={**bindings.settings, "account_mode": _set_mode}, histories=bindings.histories,
            commands=bindings.commands, watches=(*bindings.watches, prepayment.PREPAYMENT_WATCH),
        ),
    )  # fmt: skip
