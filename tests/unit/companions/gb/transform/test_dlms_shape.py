"""Shapes of whole values: matrices, charges, billing times, masks, backups, windows, protection."""

from dataclasses import replace

import pytest
from tests.unit.companions.gb.transform.dlms_body import DEVICE, SITUATION, USER, el, scope

from meterworks.catalogue.errors import CatalogueError
from meterworks.companions.errors import TransformError
from meterworks.companions.gb.situation import HubBackup
from meterworks.companions.gb.transform.dlms_path import ElementPath
from meterworks.companions.gb.transform.dlms_shape import CONDITIONS, SHAPES, protection, restriction, selection
from meterworks.companions.gb.transform.dlms_wire import Wire
from meterworks.protocols.dlms import decode_all

EXCEPTIONAL = Wire("exceptional", None)
WINDOW = el("ReadLogPeriod", el("StartDateTime", "2014-12-31T00:00:00Z"), el("EndDateTime", "2015-01-01T00:00:00Z"))
OLD_HUB = bytes.fromhex("00db123456789095")


def made(shape, path, where, argument="", wire=EXCEPTIONAL):
    return decode_all(SHAPES[shape](ElementPath.compile(path), argument, wire)(where))


def indexed(name, *texts, start=1):
    return tuple(el(name, text, index=str(at)) for at, text in enumerate(texts, start=start))


def test_prices_by_time_go_before_prices_by_block_and_the_rest_is_zero():
    blocks = el("BlockPrices", *indexed("BlockPrice", "2289", "3546"), index="2")
    rows = made("price_matrix", "Prices", scope(el("Prices", el("HybridTariff", blocks, *indexed("TOUPrice", "21")))))
    assert len(rows) == 80
    prices = {index[0]: price for index, price in rows}
    assert [index for index, price in prices.items() if price] == [0x01, 0xA2, 0xB2]
    assert (prices[0x01], prices[0xA2], prices[0xB2]) == (21, 2289, 3546)
    assert [row[0][0] for row in rows[46:50]] == [47, 48, 0xA1, 0xA2]
    assert rows[-1][0] == b"\xd8"


@pytest.mark.parametrize(
    ("tariff", "refused"),
    [
        (el("TOUTariff"), "with prices"),
        (el("TOUTariff", *indexed("TOUPrice", "1", start=49)), "each of 1..48"),
        (el("TOUTariff", *indexed("TOUPrice", "1"), *indexed("TOUPrice", "2")), "each of 1..48"),
        (el("TOUTariff", *indexed("TOUPrice", "40000")), "whole number"),
        (el("BlockTariff", el("BlockPrices", *indexed("BlockPrice", "1", start=5), index="1")), "each of 1..4"),
        (el("BlockTariff", el("BlockPrices", *indexed("BlockPrice", "1"), index="9")), "each of 1..8"),
    ],
)
def test_prices_that_have_no_place_are_refused(tariff, refused):
    with pytest.raises(TransformError, match=refused):
        made("price_matrix", "Prices", scope(el("Prices", tariff)))


def test_a_second_element_has_four_prices():
    rows = made("element_prices", "Price", scope(*indexed("Price", "10", "20"), *indexed("Price", "40", start=4)))
    assert rows == [(b"\x01", 10), (b"\x02", 20), (b"\x03", 0), (b"\x04", 40)]
    with pytest.raises(TransformError, match="at least one"):
        made("element_prices", "Price", scope())


def charges(rows):
    return [(credit[4], charge[4], str(bits)) for credit, charge, bits in rows]


def test_in_credit_mode_tariff_and_standing_charge_are_collected():
    assert charges(made("credit_charges", ".", scope())) == [(0, 0, "111"), (0, 4, "111")]
    twin = scope(situation=replace(SITUATION, has_second_element=True))
    assert charges(made("credit_charges", ".", twin)) == [(0, 0, "111"), (0, 4, "111"), (0, 5, "111")]


@pytest.mark.parametrize(
    ("disabled", "emergency", "debt_bits", "from_emergency"),
    [
        ("true", "false", "110", True), ("false", "false", "111", True), ("false", "true", "111", False),
        ("true", "true", "110", False),
    ],
)  # fmt: skip
def test_in_prepayment_mode_suspended_debts_are_not_collected(disabled, emergency, debt_bits, from_emergency):
    mode = el("Prepayment", el("SuspendDebtDisabled", disabled), el("SuspendDebtEmergency", emergency))
    rows = charges(made("prepayment_charges", "Prepayment", scope(mode)))
    assert (0, 1, debt_bits) in rows and (0, 2, debt_bits) in rows
    assert ((1, 1, debt_bits) in rows) is from_emergency
    assert {bits for _, charge, bits in rows if charge not in (1, 2)} == {"111"}


@pytest.mark.parametrize(
    ("period", "dates"),
    [
        (el("Daily"), ["ffffffffff"]),
        (el("Weekly", "7"), ["ffffffff07"]),
        (el("Monthly", "28"), ["ffffff1cff"]),
        (el("Quarterly", el("DayOfMonth", "5"), el("BillingPeriodStartMonth", "11")),
         ["ffff0b05ff", "ffff0205ff", "ffff0505ff", "ffff0805ff"]),
        (el("SixMonthly", el("DayOfMonth", "1"), el("BillingPeriodStartMonth", "3")), ["ffff0301ff", "ffff0901ff"]),
        (el("Yearly", el("DayOfMonth", "1"), el("BillingPeriodStartMonth", "12")), ["ffff0c01ff"]),
    ],
)  # fmt: skip
def test_billing_has_as_many_dates_a_year_as_its_period(period, dates):
    rows = made("billing_times", "Calendar", scope(el("Calendar", el("BillingTime", "12:00:00Z"), period)))
    assert [(time.hex(), date.hex()) for time, date in rows] == [("0c000000", date) for date in dates]


@pytest.mark.parametrize("periods", [(), (el("Daily"), el("Monthly", "1")), (el("Hourly"),), (el("Monthly", "29"),)])
def test_a_billing_period_that_is_none_is_refused(periods):
    with pytest.raises(TransformError, match="expected"):
        made("billing_times", "Calendar", scope(el("Calendar", el("BillingTime", "12:00:00Z"), *periods)))


@pytest.mark.parametrize(("text", "times"), [("true", [(bytes(4), b"\xff" * 5)]), ("false", [])])
def test_a_daily_reset_is_at_midnight_or_never(text, times):
    assert made("daily_reset", "Reset", scope(el("Reset", text))) == times


def test_alerts_say_which_are_changed_and_which_of_them_are_on():
    settings = el(
        "Alerts", el("Common", el("x810D", "Enable"), el("x810E", "Disable")), el("Poly", el("x81B7", "Enable"))
    )
    bits = str(made("alerts", "Alerts", scope(settings), wire=Wire("bit-string", 512)))
    assert [place for place, bit in enumerate(bits) if bit == "1"] == [72, 241, 242, 328, 498]


@pytest.mark.parametrize("alert", [el("x810D", "Maybe"), el("Loud", "Enable")])
def test_an_alert_that_is_none_is_refused(alert):
    with pytest.raises(TransformError, match="expected"):
        made("alerts", "Alerts", scope(el("Alerts", el("Common", alert))), wire=Wire("bit-string", 512))


def test_a_channel_mask_begins_with_its_page_and_ends_with_its_first_channel():
    where = scope(el("Band", el("Channel28"), el("Channel34")))
    bits = str(made("channels", "Band", where, "29 27 8", Wire("bit-string", 32)))
    assert bits == "11101" + "0" * 19 + "10000010"
    with pytest.raises(TransformError, match="Channel27"):
        made("channels", "Band", scope(el("Band", el("Channel35"))), "29 27 8", Wire("bit-string", 32))


def test_channels_without_page_are_refused_when_rows_are_read():
    with pytest.raises(CatalogueError, match="page"):
        SHAPES["channels"](ElementPath.compile("Band"), "29", EXCEPTIONAL)


def test_a_hub_is_restored_from_what_the_carrier_kept():
    kept = HubBackup(bytes(8), ((DEVICE, b"h" * 16),))
    where = scope(el("Old", OLD_HUB.hex("-")), situation=replace(SITUATION, hub_backups={OLD_HUB: kept}))
    assert made("hub_backup", "Old", where) == (bytes(8), [(DEVICE, b"h" * 16)])
    with pytest.raises(TransformError, match="no backup of the hub"):
        made("hub_backup", "Old", scope(el("Old", OLD_HUB.hex("-"))))


def test_a_window_selects_entries_by_seconds_and_restricts_by_moments():
    path = ElementPath.compile("ReadLogPeriod")
    chosen = selection(path)(scope(WINDOW))
    assert chosen[0] == 1
    assert decode_all(chosen[1:])[1:] == (473_299_200, 473_385_600, [])
    kind, ends = decode_all(restriction(path)(scope(WINDOW)))
    assert kind == 1
    assert [end.hex() for end in ends] == ["07de0c1fff000000008000ff", "07df0101ff000000008000ff"]
    assert decode_all(restriction(None)(scope())) == (0, None)


def test_sensitive_data_are_protected_for_the_user():
    ((kind, (transaction, party, device, other, (key_kind, key))),) = decode_all(protection(scope()))
    assert (kind, key_kind, key) == (2, 2, (b"\x02", b""))
    assert (transaction.hex(), party, device, other) == ("0400000000000003e8", USER, DEVICE, b"")


@pytest.mark.parametrize(
    ("children", "argument", "present"),
    [((), "", False), ((el("Reset"),), "", True), ((el("Reset", "false"),), "true", False),
     ((el("Reset", "true"),), "true", True)],
)  # fmt: skip
def test_an_object_is_in_a_command_where_the_request_names_it(children, argument, present):
    assert CONDITIONS["present"](ElementPath.compile("Reset"), argument)(scope(*children)) is present
