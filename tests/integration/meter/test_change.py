"""`meterworks meter write` and `act` against an emulated meter."""

import pytest

from meterworks.errors import RefusedError

THRESHOLD = "limiter/threshold_normal"
SWITCH = "0-0:96.3.10.255"


def test_a_write_is_shown_carried_out_and_read_back(meter):
    before = meter("read", "17.0.0/4", "--json", client=1).json[0]["typed"]
    told = meter("write", "17.0.0/4", "uint32:12345", "--yes", "--json", client=1)
    assert told.exit_code == 0
    assert told.json["before"] == before
    assert told.json["after"] == told.json["written"] == {"uint32": 12345}
    assert told.json["as_written"] is True
    assert "→ uint32 12345" in told.errors
    assert meter("read", "17.0.0/4", "--json", client=1).json[0]["value"] == 12345


def test_a_bare_number_takes_the_present_type(meter):
    told = meter("write", THRESHOLD, "23456", "--yes", client=1)
    assert told.exit_code == 0
    assert "the meter now says uint32 23456" in told.errors


def test_a_dry_run_changes_nothing(meter):
    before = meter("read", "17.0.0/4", "--json", client=1).json
    told = meter("write", "17.0.0/4", "uint32:999", "--dry-run", "--json", client=1)
    assert told.exit_code == 0
    assert told.json["done"] is False
    assert told.json["written"] == {"uint32": 999}
    assert "nothing was written" in told.errors
    assert meter("read", "17.0.0/4", "--json", client=1).json == before


def test_nothing_is_written_without_consent(meter):
    before = meter("read", "17.0.0/4", "--json", client=1).json
    told = meter("write", "17.0.0/4", "uint32:999", client=1)
    assert told.exit_code == 2
    assert "--yes" in told.errors
    assert meter("read", "17.0.0/4", "--json", client=1).json == before


def test_doubts_are_told_before(meter):
    told = meter("write", "17.0.0/4", "uint8:9", "--dry-run", "--json", client=2)
    assert told.json["doubts"] == [
        "the object list says that this client may not write it",
        "the value is of another type than the present one",
    ]


def test_a_write_that_the_meter_refuses_is_exit_code_3(meter):
    told = meter("write", "1.8.0", "uint32:9", "--yes", client=2)
    assert isinstance(told.error, RefusedError)
    assert told.exit_code == 3


@pytest.mark.parametrize(("value", "told"), [("uint8:999", "no value of this type"), ("blob:1", "uint16")])
def test_a_value_that_is_none_is_refused_before_anything_is_sent(meter, value, told):
    result = meter("write", "17.0.0/4", value, "--yes", client=1)
    assert result.exit_code == 2
    assert told in result.errors


def test_a_method_by_name_is_shown_and_invoked(meter):
    off = meter("act", f"{SWITCH}/remote_disconnect", "--yes", "--json", client=1)
    assert off.exit_code == 0
    assert off.json["method_name"] == "remote_disconnect"
    assert off.json["parameter"] == {"int8": 0}
    assert "disconnect control" in off.errors
    assert meter("read", f"{SWITCH}/2", "--json", client=1).json[0]["value"] is False
    on = meter("act", f"70/{SWITCH}/2", "int8:0", "--yes", client=1)
    assert on.exit_code == 0
    assert on.errors.endswith("done\n")
    assert meter("read", f"{SWITCH}/2", "--json", client=1).json[0]["value"] is True


def test_a_method_is_not_invoked_in_a_dry_run_nor_without_consent(meter):
    assert meter("act", f"{SWITCH}/1", "--dry-run", client=1).exit_code == 0
    assert meter("act", f"{SWITCH}/1", client=1).exit_code == 2
    assert meter("read", f"{SWITCH}/2", "--json", client=1).json[0]["value"] is True


@pytest.mark.parametrize(
    ("words", "told"),
    [([SWITCH], "/reset"), ([f"{SWITCH}/explode"], "remote_disconnect"), (["1.99.99/1"], "no object")],
)
def test_a_method_that_is_none_is_told(meter, words, told):
    result = meter("act", *words, "--yes", client=1)
    assert result.exit_code == 2
    assert told in result.errors


def test_a_method_that_the_client_may_not_invoke_is_doubted_and_refused(meter):
    told = meter("act", f"{SWITCH}/1", "--yes", client=2)
    assert "may not invoke" in told.errors
    assert told.exit_code == 3
