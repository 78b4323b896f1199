"""What a result says of itself: parties, success, values by name."""

import pytest
from tests.unit.companions.gb.result.messages import DEVICE, EXPORT, PARTY, READ_EXPORT, UNKNOWN_PARTY, message

from meterworks.companions.gb.result import GasFrame, Item, PayloadFrame, PayloadKind, Result, Sealed, read_result
from meterworks.protocols.gbcs import OtherInformation

GAS = GasFrame(cluster=0x0702, control=0x18, sequence=0, command=1)


def result(*items: Item, kind: PayloadKind = PayloadKind.ACCESS_RESPONSE) -> Result:
    header = message(READ_EXPORT, "00")
    return Result(header=header, use_case="", title="", frame=PayloadFrame(kind=kind), items=items)


def test_the_device_speaks_to_the_party():
    found = read_result(message(READ_EXPORT, EXPORT).to_bytes())
    assert (found.device, found.party) == (DEVICE, PARTY)
    other = OtherInformation(message_code=READ_EXPORT, supplementary_party=UNKNOWN_PARTY)
    found = read_result(message(READ_EXPORT, EXPORT, other=other).to_bytes())
    assert (found.device, found.party) == (DEVICE, UNKNOWN_PARTY)


def test_one_failed_item_is_no_success():
    done, failed = Item(name="a", form="null"), Item(name="b", status="denied", code=3, form="null")
    assert result(done).is_done
    assert not result(done, failed).is_done


@pytest.mark.parametrize(
    ("item", "values"),
    [
        (Item(name="a", value=5, form="unsigned"), {"a": 5}),
        (Item(name="a", value={"x": 1}, form={"structure": [["x", "unsigned"]]}), {"a": {"x": 1}}),
        (Item(name="a", form="null"), {}),
        (Item(name="a", value=0, form="unsigned"), {"a": 0}),
        (Item(name="content", value={"status": 0, "version": "01"}), {"status": 0, "version": "01"}),
        (Item(name="content", value=[1, 2]), {"content": [1, 2]}),
        (Item(name="metering.rows", value=[{"name": "x", "value": 1}, {"name": "y"}], gas=GAS), {"metering.x": 1}),
        (Item(name="metering.snapshot", value={"snapshot": 1}, gas=GAS), {"metering.snapshot": {"snapshot": 1}}),
        (Item(name="a", value=[1], form={}, sealed=Sealed(octets=b"1")), {}),
        (Item(name="a", value=[1], form={}, sealed=Sealed(octets=b"1", is_open=True, value={"b": 2})), {"b": 2}),
        (Item(name="a", value=[1], form={}, sealed=Sealed(octets=b"1", is_open=True, value=[2])), {"a": [2]}),
    ],
)  # fmt: skip
def test_values_by_name(item, values):
    assert result(item).values == values
