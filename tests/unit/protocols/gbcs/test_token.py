"""Tokens: limits, slips of the finger, counters on both sides of the window."""

import pytest

from meterworks.protocols import DecodeError, EncodeError, TagError
from meterworks.protocols.gbcs import COUNTER_STEP, VALUE_MAX, Token, ValueClass, check_digit, has_check_digit

SUPPLIER, METER = bytes(range(8)), bytes(range(8, 16))
SECRET = bytes(range(32))


def made(counter=5, value=1234, value_class=ValueClass.PENCE):
    return Token.make(
        SECRET, supplier=SUPPLIER, meter=METER, counter=counter * COUNTER_STEP, value=value, value_class=value_class
    )


@pytest.mark.parametrize("value_class", ValueClass)
@pytest.mark.parametrize("value", [0, 1, VALUE_MAX])
@pytest.mark.parametrize("counter", [0, 1, 1023, 1024, 2**32 - 1])
def test_a_token_is_typed_and_understood(counter, value, value_class):
    token = made(counter, value, value_class)
    assert len(token.digits) == 20
    typed = Token.from_digits(token.digits)
    assert typed == token
    typed.check(SECRET, supplier=SUPPLIER, meter=METER, counter=counter * COUNTER_STEP)
    assert typed.value_pence == value * (100 if value_class is ValueClass.POUNDS else 1)


def test_every_single_slip_and_every_swap_of_neighbours_is_noticed():
    digits = made().digits
    for place, digit in enumerate(digits):
        for other in "0123456789":
            assert has_check_digit(digits[:place] + other + digits[place + 1 :]) == (other == digit)
    for place in range(len(digits) - 1):
        if digits[place] != digits[place + 1]:
            swapped = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
            assert not has_check_digit(swapped)
            with pytest.raises(DecodeError, match="check digit"):
                Token.from_digits(swapped)


def with_digit(digits):
    return digits + check_digit(digits)


@pytest.mark.parametrize(
    ("digits", "told"),
    [
        ("", "20 digits"),
        ("1" * 19, "20 digits"),
        ("١" * 20, "20 digits"),
        ("7394333345718904331x", "20 digits"),
        (with_digit("0" * 19), "no top-up"),
        (with_digit("9" * 19), "no top-up"),
        (with_digit(str(7_394_156_990_786_306_048 + (2 << 45))), "value class 2"),
    ],
)
def test_what_is_no_token_is_refused(digits, told):
    with pytest.raises(DecodeError, match=told):
        Token.from_digits(digits)


@pytest.mark.parametrize(("counter", "value"), [(COUNTER_STEP + 1, 1), (-COUNTER_STEP, 1), (2**64, 1)])
def test_a_counter_of_other_commands_makes_no_token(counter, value):
    with pytest.raises(EncodeError, match="multiple"):
        Token.make(SECRET, supplier=SUPPLIER, meter=METER, counter=counter, value=value, value_class=ValueClass.PENCE)


@pytest.mark.parametrize("value", [-1, VALUE_MAX + 1])
def test_a_value_that_does_not_fit_makes_no_token(value):
    with pytest.raises(EncodeError, match="carries"):
        made(value=value)


def test_a_token_is_for_one_meter_counter_and_supplier():
    token = made()
    right = {"supplier": SUPPLIER, "meter": METER, "counter": 5 * COUNTER_STEP}
    for wrong in ({"supplier": METER}, {"meter": SUPPLIER}, {"counter": 6 * COUNTER_STEP}):
        with pytest.raises(TagError):
            token.check(SECRET, **{**right, **wrong})
    with pytest.raises(TagError):
        token.check(bytes(32), **right)


@pytest.mark.parametrize("highest", [0, 5, 511, 512, 1023, 1024, 5000, 2**31])
@pytest.mark.parametrize("step", [-511, -1, 0, 1, 511])
def test_a_counter_near_the_highest_is_found_again(highest, step):
    counter = highest + step
    if counter >= 0:
        assert made(counter).counter(highest * COUNTER_STEP) == counter * COUNTER_STEP
