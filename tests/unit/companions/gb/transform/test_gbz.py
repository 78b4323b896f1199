"""Gas commands of bodies that the reference set does not show: tariffs by time, each option of a schema, bad bodies.

The octets are written out by hand from the ZigBee command layouts: little-endian, in the order of the fields.
"""

from datetime import UTC, datetime

import pytest

from meterworks.catalogue.gb import DeviceKind, PayloadKind, Sender, UseCaseChoice
from meterworks.companions.errors import TransformError
from meterworks.companions.gb import CommandVariant, Element, Request, RequestId, Situation
from meterworks.companions.gb.transform.gbz import GbzBuilder
from meterworks.protocols.gbcs import GbzMessage

BUILDER = GbzBuilder.load()
SITUATION = Situation(
    device=DeviceKind.GSME, broker=bytes(8), made_at=datetime(2015, 1, 1, tzinfo=UTC), customer_number="1234"
)
NOW = "804a371c"
HEAD = "00000000" + NOW  # provider, issuer event


def element(name, content="", **attributes):
    """An element of a text, of a list of elements, or of a mapping: names to texts, mappings, or lists of them."""
    if isinstance(content, str):
        return Element(name, content, attributes=attributes)
    children = []
    for key, value in content.items():
        several = value if isinstance(value, list) else [value]
        children += [one if isinstance(one, Element) else element(key, one) for one in several]
    return Element(name, children=tuple(children), attributes=attributes)


def indexed(name, *texts):
    return [Element(name, text, attributes={"index": str(place)}) for place, text in enumerate(texts, start=1)]


def components(code, name, content=""):
    """The components of a body's command: cluster, command, payload in hexadecimal digits, time."""
    use_case = UseCaseChoice(
        variant="", devices=frozenset(), conditions=(), party=None, code=code, use_case="GCS", payload=PayloadKind.GBZ,
        sender=Sender.USER,
    )  # fmt: skip
    request = Request(
        request_id=RequestId(bytes(8), bytes(8), 1), command_variant=CommandVariant.PREPARE, reference="", variant="",
        body=element(name, content),
    )  # fmt: skip
    message = GbzMessage.from_bytes(BUILDER.payload_of(use_case, request, SITUATION))
    return [(one.cluster, one.frame.command, one.frame.payload.hex(), one.time_s) for one in message.components]


def tariff(*, profile=None, prices=None, more=None):
    """A tariff of one day and week, with two thresholds and two special days."""
    any_date = {
        "GasYearWithWildcards": {"NonSpecifiedYear": ""},
        "GasMonthWithWildcards": {"SpecifiedMonth": "12"},
        "GasDayOfMonthWithWildcards": {"GasNonSpecifiedDayOfMonth": ""},
        "GasDayOfWeekWithWildcards": {"SpecifiedDayOfWeek": "7"},
    }
    return {
        **(more or {}),
        "GasTariffElements": {
            "SwitchingTable": {
                "DayProfiles": {"DayProfile": [{"DayName": "1", **(profile or {"TOUTariffAction": "3"})}]},
                "WeekProfiles": {
                    "WeekProfile": {"WeekName": "1", "ReferencedDayName": indexed("ReferencedDayName", *"1112111")}
                },
                "Seasons": {"Season": {"SeasonStartDate": any_date, "ReferencedWeekName": "1"}},
            },
            "SpecialDays": {"SpecialDay": [{"Date": any_date, "ReferencedDayName": day} for day in "12"]},
            "ThresholdMatrix": {"BlockThreshold": indexed("BlockThreshold", "1000", "281474976710655")},
        },
        "PriceElements": {
            "GasPriceElements": {
                "CurrencyUnits": "ECB", "StandingCharge": "4294967295",
                **(prices or {"TOUTariff": {"TOUPrice": indexed("TOUPrice", "1", "2")}}),
            }
        },
    }  # fmt: skip


def test_a_tariff_by_time_says_so_in_each_of_its_commands():
    start = "00000000"  # at once
    assert components(0x6B, "UpdateImportTariffPrimaryElement", tariff()) == [
        (0x0707, 0x00, HEAD + NOW + start + "00" "00" "00" "010101", None),
        (0x0707, 0x01, HEAD + NOW + "01" "01" "00" "01" "00" "0000" "03", None),
        (0x0707, 0x02, HEAD + NOW + "01" "01010102010101", None),
        (0x0707, 0x03, HEAD + NOW + "00" "01" "ff0cff07" "01", None),
        (0x0707, 0x04, HEAD + NOW + start + "00" "02" "00" "01" "ff0cff0701" "ff0cff0702", None),
        (0x0700, 0x04,
         HEAD + "01000000" + start + "00" "00" "02" "00" "00" "d203" "50" "ffffffff" "ff" "010000" "e80300", None),
        (0x0700, 0x06, HEAD + start + "01000000" "00" "01" "01" "02" "e80300000000" "ffffffffffff", None),
        (0x0700, 0x05, HEAD + start + "01000000" "00" "01" "01" "0101000000" "0202000000", None),
    ]  # fmt: skip


def test_a_tariff_by_blocks_counts_its_thresholds():
    made = components(
        0x6B,
        "UpdateImportTariffPrimaryElement",
        tariff(
            profile={"BlockTariff": ""},
            prices={"BlockTariff": {"BlockPrice": indexed("BlockPrice", "5", "6", "7"), "NumberOfThresholds": "2"}},
        ),
    )
    assert made[1][2].endswith("000000")  # no tier
    assert made[5][2][32:40] == "10000002"  # charging by blocks, no label, no tiers, two thresholds
    assert made[7][2][32:] == "000100000500000001060000000207000000"


@pytest.mark.parametrize(
    ("moment", "calendar", "information", "matrix"),
    [
        ("2030-01-15T09:00:00.00Z", "90888138", "90888138", "90888138"),
        ("3000-12-31T00:00:00.00Z", "feffffff", "ffffffff", "feffffff"),
    ],
)
def test_a_tariff_is_dated_or_cancelled(moment, calendar, information, matrix):
    made = components(0x6B, "UpdateImportTariffPrimaryElement", tariff(more={"ExecutionDateTime": moment}))
    assert [one[2][24:32] for one in (made[0], made[4])] == [calendar, calendar]
    assert made[5][2][24:32] == information
    assert [one[2][16:24] for one in made[6:]] == [matrix, matrix]
    prices = components(0xA3, "UpdatePricePrimaryElement", tariff(more={"ExecutionDateTime": moment}))
    assert [prices[0][2][24:32], prices[1][2][16:24]] == [information, matrix]


def test_prices_alone_take_the_number_of_thresholds_from_the_request():
    blocks = {"BlockPrice": indexed("BlockPrice", "5", "6"), "NumberOfThresholds": "1"}
    made = components(0xA3, "UpdatePricePrimaryElement", tariff(prices={"BlockTariff": blocks}))
    assert [one[:2] for one in made] == [(0x0700, 0x04), (0x0700, 0x05)]
    assert made[0][2][32:40] == "10000001"


PREPAYMENT = {
    "UpdatePrepayConfigGas": {
        "DebtRecoveryRateCap": "-5", "EmergencyCreditLimit": "1", "EmergencyCreditThreshold": "2",
        "LowCreditThreshold": "3",
        "GasNonDisablementCalendar": {
            "DayProfiles": {
                "GasNonDisablementDayProfile": [
                    {
                        "TimeStartAction": [{"StartTime": "07:30:00.00Z", "NonDisablementAction": "STOP"}],
                        "GasDayName": "5",
                    }
                ]
            },
            "WeekProfiles": {
                "WeekProfile": {"WeekName": "2", "ReferencedDayName": indexed("ReferencedDayName", *"5555555")}
            },
            "SeasonProfiles": {},
            "SpecialDays": {},
        },
        "MaxMeterBalance": "4", "MaxCreditThreshold": "6",
    }
}  # fmt: skip


@pytest.mark.parametrize(
    ("when", "start", "calendar", "time_s"),
    [
        ({}, "00000000", "00000000", 0),
        ({"ExecutionDateTime": "2030-01-15T09:00:00Z"}, "90888138", "90888138", 0x38818890),
        ({"ExecutionDateTime": "3000-12-31T00:00:00Z"}, "ffffffff", "feffffff", 0xFFFFFFFF),
    ],
)
def test_a_prepayment_configuration_takes_effect_at_once_later_or_never(when, start, calendar, time_s):
    assert components(0x6F, "UpdatePrepayConfiguration", when | PREPAYMENT) == [
        (0x0705, 0x03, NOW + start + "01000000" "02000000", None),
        (0x0705, 0x0C, HEAD + start + "fbffffff", None),
        (0x0705, 0x09, "03000000", time_s),
        (0x0705, 0x0B, HEAD + start + "04000000" "06000000", None),
        (0x0707, 0x00, HEAD + NOW + calendar + "03" "00" "00" "000101", None),
        (0x0707, 0x01, HEAD + NOW + "05" "01" "00" "01" "03" "c20100", None),
        (0x0707, 0x02, HEAD + NOW + "02" "05050505050505", None),
        (0x0707, 0x03, HEAD + NOW + "00" "01", None),
        (0x0707, 0x04, HEAD + NOW + calendar + "03" "00" "00" "01", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "name", "content", "cluster", "command", "payload"),
    [
        (0x6C, "UpdatePaymentMode", {"Credit": ""}, 0x0705, 6, HEAD + "00000000" "940c" "ffffffff"),
        (0x6D, "UpdatePaymentMode",
         {"Prepayment": {"SuspendDebtDisabled": "true", "SuspendDebtEmergency": "true", "DisablementThreshold": "-1"}},
         0x0705, 6, HEAD + "00000000" "9704" "ffffffff"),
        (0x86, "UpdateMeterBalance", {"PrepaymentMode": {"AdjustMeterBalance": "-2"}}, 0x0705, 5,
         NOW + "00000000" "00" "feffffff"),
        (0x71, "DisplayMessage", {"SupplierMessage": "Hello  there "}, 0x0703, 0,
         NOW + "00" "00000000" "ffff" "0d" + b"Hello  there ".hex()),
        (0x72, "RestrictAccessForChangeOfTenancy", {"RestrictionDateTime": "2015-02-01T00:00:00Z"}, 0x0708, 0,
         HEAD + "00" "0029601c" "00020000"),
        (0x88, "UpdateSupplierName", {"SupplierName": "A", "SupplierTelephoneNumber": "0 1"}, 0x0708, 1,
         HEAD + "00" "00000000" "00000000" "00180000" "0141" "03302031"),
        (0x83, "RequestCustomerIdentificationNumber", "", 0x0708, 6, NOW + "00000000" "00000000" "0431323334"),
        (0x78, "ReadActiveImportProfileData",
         {"ReadLogPeriod": {"StartDateTime": "2014-12-31T00:00:00Z", "EndDateTime": "2014-12-31T01:00:00Z"}},
         0x0702, 8, "0000" "00f9351c" "00" "0300"),
    ],
)  # fmt: skip
def test_a_body_becomes_one_command(code, name, content, cluster, command, payload):
    assert components(code, name, content) == [(cluster, command, payload, None)]


@pytest.mark.parametrize(
    ("periodicity", "period"),
    [("Daily", "010000" "21"), ("Weekly", "010000" "22"), ("Quarterly", "030000" "23"), ("Yearly", "0c0000" "23")],
)  # fmt: skip
def test_a_billing_calendar_repeats(periodicity, period):
    calendar = {"GasBillingCalendar": {"BillingPeriodStart": "2015-01-01T00:00:00Z", "Periodicity": periodicity}}
    billing, block = components(0x7E, "UpdateDeviceConfigurationBillingCalendar", calendar)
    assert billing[2] == HEAD + NOW + period + "00"
    assert block[2] == HEAD + NOW + period[:6] + "02" + period[6:] + "00" "01"  # fmt: skip


def test_locked_supply_states_are_told_apart():
    body = {
        "UncontrolledGasFlowRateDecimal": "0.5", "SupplyDepletionState": "Locked", "SupplyTamperState": "Unchanged",
        "StabilisationPeriod": "255", "MeasurementPeriod": "65535",
    }  # fmt: skip
    threshold, states = components(0xFC, "UpdateDeviceConfigurationGasFlow", body)
    assert threshold[2] == HEAD + "8813" "01" "0100" "1027" "ff" "ffff"  # fmt: skip
    assert states[2] == NOW + "03" "00" "00" "03"  # fmt: skip


@pytest.mark.parametrize(
    ("code", "name", "content", "path", "expected"),
    [
        (0x6B, "UpdateImportTariffPrimaryElement", {"ElecTariffElements": {}}, "GasTariffElements", "once"),
        (0xA3, "UpdatePricePrimaryElement", tariff(prices={"HybridTariff": ""}), "GasPriceElements", "BlockTariff"),
        (0xAD, "ConfigureAlertBehaviour", {"GasSupplierAlerts": {"x810E": "Enable"}}, "AlertEventSettings", "once"),
        (0x86, "UpdateMeterBalance", {"PrepaymentMode": {"AdjustMeterBalance": "2147483648"}}, "Adjust", "2147483647"),
        (0x87, "SetDeviceConfigurationImportMPxN", {"ImportMPANs": ""}, "ImportMPRN", "once"),
        (0x9999, "Nothing", "", "", "no rows"),
    ],
)
def test_a_body_without_its_parts_is_refused(code, name, content, path, expected):
    with pytest.raises(TransformError, match=expected) as refused:
        components(code, name, content)
    assert path in str(refused.value.facts["path"])
