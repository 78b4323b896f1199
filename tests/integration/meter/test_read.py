"""`meterworks meter read` against an emulated meter."""

import json

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
import pytest
from tests.integration.meter.conftest import NOW, command
from tests.unit.devices.plain_load import import_wh

from meterworks.errors import RefusedError, UnreachableError, UsageError

LOAD_PROFILE = "1.0.99.1.0.255"


def test_a_register_by_short_code_comes_with_its_unit(meter, served):
    told = meter("read", "1.8.0", "--json")
    assert told.exit_code == 0
    expected = served.fleet.meter(0).view.load.registers_at(int(NOW)).import_wh
    (value,) = told.json
    assert value["obis_code"] == "1-0:1.8.0.255"
    assert (value["class"], value["attribute"], value["attribute_name"]) == (3, 2, "value")
    assert (value["value"], value["unit"]) == (expected, "Wh")
    assert "import" in value["name"]


@pytest.mark.parametrize("text", ["1.0.1.8.0.255", "1-0:1.8.0*255", "1-0:1.8.0", "1.8.0/2", "1.8.0/value"])
def test_a_register_may_be_named_in_many_ways(meter, text):
    (value,) = meter("read", text, "--json").json
    assert (value["obis_code"], value["attribute"]) == ("1-0:1.8.0.255", 2)


def test_several_values_come_together_as_rows(meter):
    told = meter("read", "1.8.0", "clock", "0.0.42.0.0.255", "0.0.1.0.0.255/time_zone")
    assert told.exit_code == 0
    assert told.lines[0] == "object,name,attribute,value,unit"
    assert len(told.lines) == 5
    assert "2026-11-21T10:07:12Z" in told.lines[2]
    assert "MWR0000000000007" in told.lines[3]


def test_all_attributes_of_an_object_are_read_by_its_rights(meter):
    told = meter("read", "1.8.0", "--all", "--json")
    assert [value["attribute_name"] for value in told.json] == ["logical_name", "value", "scaler_unit"]
    assert told.json[2]["value"] == {"scaler": 0, "unit": 30}


def test_without_a_code_the_object_list_comes(meter):
    told = meter("read", "--json")
    codes = {(row["class"], row["obis_code"]) for row in told.json}
    assert {(8, "0-0:1.0.0.255"), (3, "1-0:1.8.0.255"), (7, "1-0:99.1.0.255")} <= codes
    assert set(told.json[0]) >= {"class", "version", "obis_code"}


def test_the_public_client_sees_less(meter):
    assert len(meter("read", "--json", client=16).json) < len(meter("read", "--json").json)


def test_one_attribute_is_printed_plain(meter):
    told = meter("read", "--attribute", "3/1.0.1.8.0.255/3")
    assert told.json == [0, 30]


def test_what_the_meter_refuses_is_told_in_its_place(meter):
    told = meter("read", "3/1.0.1.8.0.255/2", "3/1.0.99.99.99.255/2", "--json")
    assert told.exit_code == 0
    assert "error" not in told.json[0]
    assert "object undefined" in told.json[1]["error"]


def test_nothing_but_refusals_is_a_refusal(meter):
    told = meter("read", "3/1.0.99.99.99.255/2")
    assert told.exit_code == 3


def test_one_refused_attribute_is_an_error_of_exit_code_3(meter):
    told = meter("read", "--attribute", "3/1.0.99.99.99.255/2")
    assert isinstance(told.error, RefusedError)
    assert told.exit_code == 3
    assert "object undefined" in told.errors


# --- profiles -------------------------------------------------------------------------------------------------------

HOURS = ("--from", "2026-11-20T00:00:00", "--to", "2026-11-20T02:00:00")
FIRST = int(NOW // 86400 * 86400 - 86400) // 1800 - 1


def test_a_profile_by_its_code_is_a_table(meter):
    told = meter("read", "99.1.0", *HOURS)
    assert told.exit_code == 0
    assert told.lines[0].startswith("time,")
    assert [line.split(",")[0] for line in told.lines[1:]] == [
        "2026-11-20 00:00:00", "2026-11-20 00:30:00", "2026-11-20 01:00:00", "2026-11-20 01:30:00",
        "2026-11-20 02:00:00",
    ]  # fmt: skip
    assert [int(line.split(",")[2]) for line in told.lines[1:]] == [import_wh(FIRST + index) for index in range(5)]


def test_a_profile_in_json(meter):
    rows = meter("read", "--profile", LOAD_PROFILE, *HOURS, "--json").json
    assert len(rows) == 5
    assert rows[0]["time"] == "2026-11-20 00:00:00"


def test_the_last_rows_of_a_profile(meter):
    rows = meter("read", "99.1.0", "--last", 3, "--json").json
    assert [row["time"] for row in rows] == ["2026-11-21 09:00:00", "2026-11-21 09:30:00", "2026-11-21 10:00:00"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_profile_goes_to_a_file(meter, tmp_path, ending):
    path = tmp_path / f"profile.{ending}"
    told = meter("read", "--profile", LOAD_PROFILE, *HOURS, "--output", path)
    assert told.exit_code == 0
    assert "5 rows written" in told.errors
    table = pa_csv.read_csv(path) if ending == "csv" else pa_parquet.read_table(path)
    assert table.num_rows == 5
    assert table.column("1-0:1.29.0.255").to_pylist() == [import_wh(FIRST + index) for index in range(5)]
    if ending == "parquet":
        assert table.schema.field("time").type == pa.timestamp("ms")  # Parquet knows no seconds
        assert table.schema.metadata[b"1-0:1.29.0.255"] == b"Wh x 10^0"


def test_a_file_of_another_kind_is_refused(meter, tmp_path):
    told = meter("read", "--profile", LOAD_PROFILE, *HOURS, "--output", tmp_path / "profile.xls")
    assert told.exit_code == 2
    assert ".csv or .parquet" in told.errors


# --- the memory of object lists -------------------------------------------------------------------------------------


def test_the_object_list_is_read_once(meter, tmp_path, monkeypatch):
    meter("read", "1.8.0")
    (kept,) = (tmp_path / "cache").iterdir()
    assert '"meterworks-objects-1"' in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600

    def never(*_):
        raise AssertionError("the object list is read again")

    monkeypatch.setattr("meterworks.system.meter.objects.read_book", never)
    told = meter("read", "1.8.0", "--json")
    assert told.json[0]["unit"] == "Wh"
    with pytest.raises(AssertionError, match="again"):
        meter("read", "1.8.0", "--fresh")


def test_a_broken_memory_is_read_anew(meter, tmp_path):
    meter("read", "1.8.0")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text("{")
    assert meter("read", "1.8.0").exit_code == 0
    assert json.loads(kept.read_text())["format"] == "meterworks-objects-1"


def test_nothing_is_kept_where_told_so(meter, tmp_path):
    assert meter("read", "1.8.0", cache=False).exit_code == 0
    assert not (tmp_path / "cache").exists()


# --- what people get wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["1.99.99"], "no object"),
        (["nonsense object"], "neither"),
        (["import"], "write the code in full"),
        (["1.8.0/nothing"], "scaler_unit"),
        (["--attribute", "3/1.0.1.8.0.255"], "CLASS/OBIS/NUMBER"),
        (["3/1.0.1.8.0.255/x"], "CLASS/OBIS/NUMBER"),
        (["--profile", "1.0.99"], "OBIS code"),
        (["--profile", LOAD_PROFILE, "1.8.0"], "leave out"),
        (["99.1.0", "--from", "soon"], "2026-01-31"),
        (["99.1.0", "--from", "2026-02-01", "--to", "2026-01-01"], "lies after"),
        (["99.1.0", "--last", "0"], "from 1"),
        (["1.8.0", "--mechanism", "9"], "--mechanism 9"),
        (["1.8.0", "--protection", "some"], "one of"),
        (["1.8.0", "--system-title", "zz"], "hex"),
        (["1.8.0", "--system-title", "00"], "8 octets"),
        (["1.8.0", "--keys", "/nowhere/keys.json"], "keys file"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_what_to_do(meter, words, told):
    result = meter("read", *words)
    assert result.exit_code == 2
    assert isinstance(result.error, UsageError)
    assert told in result.errors
    assert len(result.errors.splitlines()) == 1


def test_nobody_there_is_exit_code_4(served):
    told = command("meter", "read", "127.0.0.1:1", "--timeout-s", 2)
    assert isinstance(told.error, UnreachableError)
    assert told.exit_code == 4


def test_a_wrong_key_is_told_without_the_key(served, tmp_path):
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps({"guek": "ab" * 16, "gak": "cd" * 16}))
    told = command("meter", "read", f"127.0.0.1:{served.port}", "--client", 2, "--keys", path, "1.8.0", "--no-cache")
    assert told.exit_code in (1, 3)
    assert "abab" not in told.errors + told.output


def test_a_missing_key_says_where_to_give_it(served):
    told = command("meter", "read", f"127.0.0.1:{served.port}", "--client", 2, "--mechanism", "gmac")
    assert told.exit_code == 2
    assert "--keys" in told.errors


def test_a_file_is_no_meter(tmp_path):
    (tmp_path / "meter.json").write_text("{}")
    told = command("meter", "read", tmp_path / "meter.json")
    assert told.exit_code == 2
    assert "is a file" in told.errors
