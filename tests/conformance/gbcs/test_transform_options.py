"""Options of requests that no reference message shows: the independent check, which shares nothing with what builds,
reads each command and has to find in it what was asked."""

from dataclasses import replace

import pytest
from tests.conformance.gbcs.reference_pair import pairs, situation_of

from meterworks.companions.errors import RequestMismatchError
from meterworks.companions.gb import Element
from meterworks.companions.gb.correlate import correlate
from meterworks.companions.gb.transform import transform, with_evidence

TRADE = "PriceElements/ElectricityPriceElements/HybridTariff"
BROKER_SPEAKS = {"knows_originator": False, "broker_counter": 1300}


@pytest.fixture(scope="module")
def electricity(shared_folder):
    """A pair of each use case, with what the carrier knew."""
    folder = shared_folder / "vectors" / "gb"
    if not folder.is_dir():
        pytest.skip(f"no GB vectors at {folder}")
    return {
        pair.name.split("_")[0]: (pair, with_evidence(situation_of(pair, folder), pair.request, pair.message))
        for pair in pairs(folder)
        if pair.message.payload[0] == 0xD9
    }


def el(name, *inside, **attributes):
    if len(inside) == 1 and isinstance(inside[0], str):
        return Element(name, inside[0], attributes=attributes)
    return Element(name, children=inside, attributes=attributes)


def put(path, *others):
    """A change: other elements in the place of every element at a path, as often as there are such."""
    name, _, rest = path.partition("/")

    def change(element):
        children = []
        for child in element.children:
            if child.name != name:
                children.append(child)
            else:
                children.extend([put(rest, *others)(child)] if rest else others)
        return replace(element, children=tuple(children))

    return change


def only(count):
    """A change: the first children and no more."""
    return lambda element: replace(element, children=element.children[:count])


def boost(name):
    flags = [el(name, "true" if index in (2, 4) else "false", index=str(index)) for index in range(1, 6)]
    return lambda element: replace(element, children=tuple(flags))


def billing(period):
    return put("ElectricityBillingCalendar", el("ElectricityBillingCalendar", el("BillingTime", "01:02:03Z"), period))


def since(name, month):
    return el(name, el("DayOfMonth", "3"), el("BillingPeriodStartMonth", month))


def times_of_use():
    return el("TOUTariff", *(el("TOUPrice", str(7 * index), index=str(index)) for index in range(1, 49)))


def blocks():
    prices = [
        el("BlockPrices", *(el("BlockPrice", str(10 * time + block), index=str(block)) for block in range(1, 5)),
           index=str(time))
        for time in range(1, 9)
    ]  # fmt: skip
    return el("BlockTariff", *prices)


def mode(disabled, emergency):
    return put(
        "Prepayment",
        el("Prepayment", el("SuspendDebtDisabled", disabled), el("SuspendDebtEmergency", emergency),
           el("DisablementThreshold", "-7")),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("use_case", "change", "facts"),
    [
        ("ECS01a", put(TRADE, times_of_use()), {}),
        ("ECS01a", put(TRADE, blocks()), {}),
        ("ECS01a", put("ElecTariffElements/CurrencyUnits", el("CurrencyUnits", "ECB")), {}),
        ("ECS01a", put("ElecTariffElements/SpecialDays", el("SpecialDays")), {}),
        ("ECS01a", put("ExecutionDateTime"), {}),
        ("ECS02", only(9), {"has_second_element": False}),
        *[("ECS03", mode(a, b), {"has_second_element": twin})
          for a in ("true", "false") for b in ("true", "false") for twin in (True, False)],
        ("ECS04a", put("PrepaymentMode", el("CreditMode", el("AdjustMeterBalance", "-5"))), {}),
        ("ECS04b", put("CreditMode", el("PrepaymentMode", el("ResetMeterBalance"))), {}),
        ("ECS07", put("ElecDebtRecovery1/DebtRecoveryRatePeriod", el("DebtRecoveryRatePeriod", "HOURLY")), {}),
        ("ECS28a", put("LoadLimitSupplyState", el("LoadLimitSupplyState", "Unchanged")), {}),
        *[("ECS30a", billing(period), {}) for period in (
            el("Daily"), el("Weekly", "3"), el("Monthly", "28"), since("Quarterly", "11"), since("SixMonthly", "9"),
            since("Yearly", "12"),
        )],
        ("ECS46a", only(1), {}),
        ("ECS46c", put("SwitchTypeAndId"), {}),
        ("ECS46d", put("AuxiliaryControllerSchedule/DaysOfWeekApplicability"), {}),
        ("ECS46d", put("AuxiliaryControllerSchedule"), {}),
        ("ECS48", put("DailyTariffBlockCounterMatrixReset", el("DailyTariffBlockCounterMatrixReset", "false")), {}),
        ("ECS57", only(1), {}),
        ("ECS62Add", boost("AddToBoostButton"), {}),
        ("ECS62Remove", boost("RemoveFromBoostButton"), {}),
        ("ECS81", put("SupplyTamperState", el("SupplyTamperState", "Unchanged")), {}),
        ("ECS17b", only(9), BROKER_SPEAKS),
        ("ECS20c", only(9), BROKER_SPEAKS),
        ("ECS35a", only(9), BROKER_SPEAKS),
    ],
)  # fmt: skip
def test_the_check_finds_what_was_asked(use_case, change, facts, electricity):
    if use_case not in electricity:
        pytest.skip(f"no pair of {use_case} in this set")
    pair, situation = electricity[use_case]
    request = replace(pair.request, body=change(pair.request.body))
    known = replace(situation, **facts)
    message = transform(request, known)
    correlate(request, message.to_bytes(), known)
    assert message.message_code == pair.message.message_code
    if message.payload != transform(pair.request, known).payload:
        with pytest.raises(RequestMismatchError):
            correlate(pair.request, message.to_bytes(), known)
