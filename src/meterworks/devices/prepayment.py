"""Payment in the meter: credits that consumption uses up, charges that say how fast, a switch that opens at the end.

One account with two credits (what tokens bring, and an emergency credit that must be paid back) and two charges (per
energy, by the price table; per time, a standing charge). Amounts are whole units of the currency's scale. What was used
follows from the registers, so that the instant of exhaustion is the same however late somebody looks: between two
settlements the balance only falls, and the instant is found by halving. In prepayment mode the meter then opens its
switch (a local disconnection); in credit mode it counts on below zero.

    token credit > 0 ──▶ used up ──▶ emergency credit, if somebody invoked it ──▶ used up ──▶ disconnected
                                                       a token first pays the emergency credit back

Source: COSEM interface classes, Account (111), Credit (112), Charge (113), Token gateway (115).
"""

import hashlib
import hmac
import struct
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Final

from meterworks.devices.disconnect_control import CONTROL_MODES, Origin, SwitchOrder, operate
from meterworks.devices.meter_key import keys_of
from meterworks.devices.view import MeterView
from meterworks.protocols.dlms import (
    PlainValue,
    decode_all,
    encode_array,
    encode_integer,
    encode_long,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
)

__all__ = [
    "ACCOUNT", "AMOUNT_LIMIT", "CONSUMPTION_CHARGE", "CURRENCY_SCALE", "EMERGENCY_CREDIT", "FACTORY_EMERGENCY",
    "FACTORY_PERIOD_S", "PREPAYMENT_WATCH", "STANDING_CHARGE", "TOKEN_CREDIT", "TOKEN_GATEWAY", "TOKEN_SIZE",
    "AccountMode", "AccountStatus", "CreditStatus", "Ledger", "TokenStatus", "change_token", "enter_token",
    "factory_price", "invoke_emergency", "is_price", "keep_ledger", "ledger_of", "make_token", "preset_emergency",
    "settle", "start_account", "stop_account", "with_mode",
]  # fmt: skip

ACCOUNT: Final = bytes((0, 0, 19, 0, 0, 255))
TOKEN_CREDIT: Final = bytes((0, 0, 19, 10, 0, 255))
EMERGENCY_CREDIT: Final = bytes((0, 0, 19, 11, 0, 255))
CONSUMPTION_CHARGE: Final = bytes((0, 0, 19, 20, 0, 255))
STANDING_CHARGE: Final = bytes((0, 0, 19, 21, 0, 255))
TOKEN_GATEWAY: Final = bytes((0, 0, 19, 40, 0, 255))
CURRENCY_SCALE: Final = -3  # amounts are thousandths of the currency
IMPORT_REGISTER: Final = bytes((1, 0, 1, 8, 0, 255))
PRICE_ATTRIBUTE: Final = 5  # unit_charge_active of a charge
PERIOD_ATTRIBUTE: Final = 8
PRESET_ATTRIBUTE: Final = 9  # preset_credit_amount of a credit
CLEARANCE_ATTRIBUTE: Final = 7  # clearance_threshold of the account
FACTORY_PRICE: Final = 250  # thousandths per kWh
FACTORY_STANDING: Final = 400  # thousandths per period
FACTORY_PERIOD_S: Final = 86_400
FACTORY_EMERGENCY: Final = 5000
SCALE_MAX: Final = 9
AMOUNT_LIMIT: Final = 2**31 - 1
TOKEN_SIZE: Final = 16  # amount, number, and eight octets of proof
PROOF_SIZE: Final = 8
_LEDGER_KEY: Final = (ACCOUNT, 0x100)


class AccountMode(IntEnum):
    """How the account is paid."""

    CREDIT = 1
    PREPAYMENT = 2


class AccountStatus(IntEnum):
    """Where the account is in its life."""

    NEW = 1
    ACTIVE = 2
    CLOSED = 3


class CreditStatus(IntEnum):
    """Attribute 8 of a credit."""

    ENABLED = 0
    SELECTABLE = 1
    INVOKED = 2
    IN_USE = 3
    EXHAUSTED = 4


class TokenStatus(IntEnum):
    """What became of a token."""

    EXECUTED = 3
    FORMAT_FAILED = 4
    AUTHENTICATION_FAILED = 5
    VALIDATION_FAILED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What the meter remembers of its account. Times are epoch seconds, amounts thousandths, energies Wh."""

    mode: int = AccountMode.PREPAYMENT
    status: int = AccountStatus.NEW
    activated_s: int = 0
    closed_s: int = 0
    settled_s: int = 0
    settled_wh: int = 0
    remainder: int = 0  # of the last division of energy by price
    standing_s: int = 0  # until when the standing charge is collected
    token: int = 0
    emergency: int = FACTORY_EMERGENCY
    emergency_status: int = CreditStatus.ENABLED
    paid_energy: int = 0
    paid_standing: int = 0
    last_energy_s: int = 0
    last_energy: int = 0
    last_standing_s: int = 0
    last_standing: int = 0
    token_number: int = 0
    token_s: int = 0
    token_status: int = TokenStatus.EXECUTED

    @property
    def emergency_counts(self) -> bool:
        """Whether somebody asked for the emergency credit."""
        return self.emergency_status in (CreditStatus.INVOKED, CreditStatus.IN_USE)

    @property
    def available(self) -> int:
        """What can still be used: below zero where more was used than there was."""
        return min(self.token + (self.emergency if self.emergency_counts else 0), AMOUNT_LIMIT)


_FORM: Final = struct.Struct(f"<{len(fields(Ledger))}q")


def ledger_of(view: MeterView) -> Ledger:
    """Give what the meter remembers, as of the last settlement."""
    kept = view.written(_LEDGER_KEY)
    if kept is None:
        return Ledger(emergency=preset_emergency(view))
    return Ledger(**dict(zip((field.name for field in fields(Ledger)), _FORM.unpack(kept), strict=True)))


def keep_ledger(view: MeterView, ledger: Ledger) -> Ledger:
    """Remember a ledger; give it."""
    view.write(_LEDGER_KEY, _FORM.pack(*(getattr(ledger, field.name) for field in fields(Ledger))))
    return ledger


# --- prices ----------------------------------------------------------------------------------------------------------


def factory_price(charge: bytes) -> bytes:
    """Give unit_charge_active or unit_charge_passive of a charge as it leaves the factory."""
    price = FACTORY_PRICE if charge == CONSUMPTION_CHARGE else FACTORY_STANDING
    commodity_scale = 3 if charge == CONSUMPTION_CHARGE else 0  # per kWh; per period
    return encode_structure(
        encode_structure(encode_integer(commodity_scale), encode_integer(CURRENCY_SCALE)),
        encode_structure(
            encode_long_unsigned(3 if charge == CONSUMPTION_CHARGE else 0),
            encode_octet_string(IMPORT_REGISTER if charge == CONSUMPTION_CHARGE else bytes(6)),
            encode_integer(2 if charge == CONSUMPTION_CHARGE else 0),
        ),
        encode_array([encode_structure(encode_octet_string(b"\0"), encode_long(price))]),
    )


def is_price(value: PlainValue) -> bool:
    """Tell whether a value is a price that can be reckoned with: scales near ours, at most one price, none below 0."""
    match value:
        case ((int(commodity_scale), int(price_scale)), (int(_), bytes(_), int(_)), list(table)):
            pass
        case _:
            return False
    if abs(commodity_scale) > SCALE_MAX or abs(price_scale) > SCALE_MAX or len(table) > 1:
        return False
    return all(isinstance(row, tuple) and len(row) == 2 and isinstance(row[1], int) and row[1] >= 0 for row in table)


def _price(view: MeterView, charge: bytes) -> tuple[int, int]:
    """Give the price of one unit (Wh, or a period) as a fraction of the currency's thousandths."""
    value = decode_all(view.written((charge, PRICE_ATTRIBUTE)) or factory_price(charge))
    (commodity_scale, price_scale), _, table = value
    price = max(0, int(table[0][1])) if table else 0
    exponent = price_scale - CURRENCY_SCALE - commodity_scale
    return (price * 10**exponent, 1) if exponent >= 0 else (price, 10**-exponent)


def _period_s(view: MeterView) -> int:
    kept = view.written((STANDING_CHARGE, PERIOD_ATTRIBUTE))
    return FACTORY_PERIOD_S if kept is None else int(decode_all(kept))


def preset_emergency(view: MeterView) -> int:
    """Give how much emergency credit there is when none of it is used."""
    kept = view.written((EMERGENCY_CREDIT, PRESET_ATTRIBUTE))
    return FACTORY_EMERGENCY if kept is None else int(decode_all(kept))


@dataclass(frozen=True, slots=True)
class _Cost:
    """What was used since the last settlement."""

    energy_wh: int
    energy: int
    remainder: int
    periods: int
    standing: int

    @property
    def total(self) -> int:
        return self.energy + self.standing


def _cost(view: MeterView, ledger: Ledger, at_s: int) -> _Cost:
    numerator, denominator = _price(view, CONSUMPTION_CHARGE)
    registered_wh = view.load.registers_at(at_s).import_wh
    # A register that fell (the clock was set back) has used nothing.
    used = max(0, registered_wh - ledger.settled_wh) * numerator + ledger.remainder
    period_s = _period_s(view)
    periods = max(0, at_s - ledger.standing_s) // period_s if period_s else 0
    standing_numerator, standing_denominator = _price(view, STANDING_CHARGE)
    standing = periods * standing_numerator // standing_denominator
    return _Cost(
        registered_wh, min(used // denominator, AMOUNT_LIMIT), used % denominator, periods, min(standing, AMOUNT_LIMIT)
    )


def settle(view: MeterView, at_s: int) -> Ledger:
    """Take what was used until an instant from the credits, in their order; give the ledger after it."""
    ledger = ledger_of(view)
    if ledger.status != AccountStatus.ACTIVE:
        return ledger
    cost = _cost(view, ledger, at_s)
    after = replace(
        ledger, settled_s=at_s, settled_wh=max(ledger.settled_wh, cost.energy_wh), remainder=cost.remainder,
        standing_s=ledger.standing_s + cost.periods * _period_s(view),
        paid_energy=min(ledger.paid_energy + cost.energy, AMOUNT_LIMIT),
        paid_standing=min(ledger.paid_standing + cost.standing, AMOUNT_LIMIT),
    )  # fmt: skip
    if cost.energy:
        after = replace(after, last_energy_s=at_s, last_energy=cost.energy)
    if cost.standing:
        after = replace(after, last_standing_s=at_s, last_standing=cost.standing)
    return keep_ledger(view, _used(after, cost.total))


def _used(ledger: Ledger, amount: int) -> Ledger:
    """Take an amount: from the token credit, then from the emergency credit if it was asked for."""
    from_token = min(amount, max(ledger.token, 0))
    rest = amount - from_token
    from_emergency = min(rest, max(ledger.emergency, 0)) if ledger.emergency_counts else 0
    status = ledger.emergency_status
    if from_emergency:
        status = CreditStatus.IN_USE if ledger.emergency > from_emergency else CreditStatus.EXHAUSTED
    return replace(
        ledger,
        token=max(ledger.token - from_token - (rest - from_emergency), -AMOUNT_LIMIT),
        emergency=ledger.emergency - from_emergency,
        emergency_status=status,
    )


# --- what clients do -------------------------------------------------------------------------------------------------


def start_account(view: MeterView) -> bool:
    """Begin to charge from now on; False for an account that is not new."""
    ledger, now_s = ledger_of(view), int(view.now_epoch_s())
    if ledger.status != AccountStatus.NEW:
        return False
    keep_ledger(
        view,
        replace(
            ledger, status=AccountStatus.ACTIVE, activated_s=now_s, settled_s=now_s, standing_s=now_s,
            settled_wh=view.load.registers_at(now_s).import_wh,
        ),
    )  # fmt: skip
    return True


def stop_account(view: MeterView) -> bool:
    """End charging; False for an account that is not active."""
    now_s = int(view.now_epoch_s())
    ledger = settle(view, now_s)
    if ledger.status != AccountStatus.ACTIVE:
        return False
    keep_ledger(view, replace(ledger, status=AccountStatus.CLOSED, closed_s=now_s))
    return True


def change_token(view: MeterView, amount: int) -> None:
    """Add to (or take from) the token credit; what was borrowed from the emergency credit is paid back first."""
    ledger = settle(view, int(view.now_epoch_s()))
    borrowed = max(0, preset_emergency(view) - ledger.emergency)
    back = min(borrowed, max(0, amount + min(ledger.token, 0)))
    token = max(-AMOUNT_LIMIT, min(ledger.token + amount - back, AMOUNT_LIMIT))
    paid = replace(ledger, token=token, emergency=ledger.emergency + back)
    if paid.token > 0 and back == borrowed:
        paid = replace(paid, emergency_status=CreditStatus.ENABLED)
    keep_ledger(view, paid)
    _reconnect(view, paid)


def with_mode(ledger: Ledger, mode: int) -> Ledger:
    """Give a ledger in another mode."""
    return replace(ledger, mode=mode)


def invoke_emergency(view: MeterView) -> bool:
    """Ask for the emergency credit; False where there is none left."""
    ledger = settle(view, int(view.now_epoch_s()))
    if ledger.emergency <= 0:
        return False
    status = CreditStatus.INVOKED if ledger.token > 0 else CreditStatus.IN_USE
    kept = keep_ledger(view, replace(ledger, emergency_status=status))
    _reconnect(view, kept)
    return True


def _reconnect(view: MeterView, ledger: Ledger) -> None:
    """Close the switch by itself where the control mode lets the meter; else somebody presses its button."""
    clearance = view.written((ACCOUNT, CLEARANCE_ATTRIBUTE))
    if ledger.available > (0 if clearance is None else int(decode_all(clearance))):
        operate(view, Origin.LOCAL, SwitchOrder.RECONNECT)


# --- tokens ----------------------------------------------------------------------------------------------------------


def make_token(key: bytes, amount: int, number: int) -> bytes:
    """Make a token: an amount (thousandths), a number that grows with each, and a proof under the meter's GAK.

    It stands for the tokens of IEC 62055-41, whose keys come from a vending system that nobody emulates here.
    """
    content = amount.to_bytes(4, "big") + number.to_bytes(4, "big")
    return content + hmac.digest(key, b"meterworks token" + content, hashlib.sha256)[:PROOF_SIZE]


def enter_token(view: MeterView, token: bytes) -> TokenStatus:
    """Take a token: its amount once, and only from whoever knows the key."""
    status, amount, number = _judge_token(view, token)
    if status is TokenStatus.EXECUTED:
        change_token(view, amount)
    ledger = ledger_of(view)
    keep_ledger(
        view,
        replace(
            ledger, token_s=int(view.now_epoch_s()), token_status=status,
            token_number=number if status is TokenStatus.EXECUTED else ledger.token_number,
        ),
    )  # fmt: skip
    return status


def _judge_token(view: MeterView, token: bytes) -> tuple[TokenStatus, int, int]:
    if len(token) != TOKEN_SIZE:
        return TokenStatus.FORMAT_FAILED, 0, 0
    amount, number = int.from_bytes(token[:4], "big"), int.from_bytes(token[4:8], "big")
    if not hmac.compare_digest(token, make_token(keys_of(view).gak, amount, number)):
        return TokenStatus.AUTHENTICATION_FAILED, 0, 0
    if number <= ledger_of(view).token_number or amount > AMOUNT_LIMIT:
        return TokenStatus.VALIDATION_FAILED, 0, 0
    return TokenStatus.EXECUTED, amount, number


# --- by itself -------------------------------------------------------------------------------------------------------


class _PrepaymentWatch:
    """Opens the switch when all credit is used up."""

    def is_active(self, view: MeterView) -> bool:
        """Tell whether the account is active and prepaid, and the meter may open its switch at all."""
        if view.written(_LEDGER_KEY) is None or not CONTROL_MODES[int(view.state.rows["control_mode"][view.index])]:
            return False
        ledger = ledger_of(view)
        return ledger.status == AccountStatus.ACTIVE and ledger.mode == AccountMode.PREPAYMENT

    def due(self, view: MeterView, after_s: int, until_s: int) -> int | None:
        """Give the first second at which nothing is left; None while the supply is off anyway."""
        if view.gaps.contains(until_s):
            return None
        ledger = ledger_of(view)

        def exhausted(at_s: int) -> bool:
            return _cost(view, ledger, at_s).total >= ledger.available

        if after_s >= until_s or not exhausted(until_s):
            return None
        low, high = after_s, until_s  # not yet, or before anybody looked; already
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if exhausted(middle) else (middle, high)
        return high

    def act(self, view: MeterView, at_s: int) -> None:
        """Settle and disconnect."""
        settle(view, at_s)
        operate(view, Origin.LOCAL, SwitchOrder.DISCONNECT, at_s=at_s)


PREPAYMENT_WATCH: Final = _PrepaymentWatch()
