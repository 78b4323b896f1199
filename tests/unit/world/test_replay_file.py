"""Files of interval readings: what is accepted, how labels and units are read, and what is refused with which words."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meterworks.errors import UsageError
from meterworks.world import ReplayOptions, read_replay_file
from meterworks.world.replay_file import MISSING

NEW_YEAR_2013 = 1_356_998_400


@pytest.fixture
def write(tmp_path: Path):
    """Write a CSV file from lines and give its path."""

    def write_lines(*lines: str, name: str = "file.csv") -> Path:
        path = tmp_path / name
        text = ("\n".join(lines) + "\n").encode()
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return path

    return write_lines


def read(path: Path, **options: str):
    return read_replay_file(path, ReplayOptions(**options))


def values(path: Path, **options: str) -> dict[str, list[int]]:
    return {home.name: home.import_wh.tolist() for home in read(path, **options).homes}


def test_one_column_per_household_in_watt_hours(write):
    path = write("label_utc,A,B", "2013-01-01 00:00,1,10", "2013-01-01 00:30,2,", "2013-01-01 01:00,3,30")
    file = read(path)
    assert (file.interval_s, file.first_epoch_s, file.slots) == (1800, NEW_YEAR_2013, 3)
    assert values(path) == {"A": [1, 2, 3], "B": [10, MISSING, 30]}
    assert file.end_epoch_s == NEW_YEAR_2013 + 5400


@pytest.mark.parametrize("name", ["file.csv.gz", "FILE.CSV"])
def test_packed_files_and_capital_endings_are_read(write, name: str):
    assert values(write("t,A", "2013-01-01 00:00,1", "2013-01-01 00:15,2", name=name)) == {"A": [1, 2]}


@pytest.mark.parametrize(
    ("labels", "interval_s"),
    [
        (["2013-01-01 00:00", "2013-01-01 00:15"], 900),
        (["2013-01-01 00:00:00", "2013-01-01 00:30:00"], 1800),
        (["2013-01-01T00:00:00Z", "2013-01-01T01:00:00Z"], 3600),
        (["2013-01-01T01:00:00+01:00", "2013-01-01T01:30:00+01:00"], 1800),
    ],
)
def test_labels_of_many_writings_give_interval_and_start(write, labels: list[str], interval_s: int):
    file = read(write("time,A", *(f"{label},{row}" for row, label in enumerate(labels))))
    assert (file.interval_s, file.first_epoch_s) == (interval_s, NEW_YEAR_2013)


def test_labels_may_name_the_end(write):
    path = write("label,A", "2013-01-01 00:30,1", "2013-01-01 01:00,2")
    assert read(path, label="end").first_epoch_s == NEW_YEAR_2013
    assert read(path, label="start").first_epoch_s == NEW_YEAR_2013 + 1800


def test_the_column_with_a_telling_name_is_the_time_and_other_times_are_no_households(write):
    path = write(
        "other,end_utc,A,start_local,start_utc",
        "2000-01-01,2013-01-01 00:30,5,2013-01-01 01:00,2013-01-01 00:00",
        "2000-01-02,2013-01-01 01:00,6,2013-01-01 01:30,2013-01-01 00:30",
    )
    assert read(path).first_epoch_s == NEW_YEAR_2013
    assert values(path) == {"A": [5, 6]}


@pytest.mark.parametrize(
    ("column", "options", "value"),
    [
        ("a_kwh", {}, 1_250),
        ("kwh", {}, 1_250),
        ("A_KWH", {}, 1_250),
        ("a", {"unit": "kwh"}, 1_250),
        ("a_wh", {"unit": "kwh"}, 1),
        ("a", {"unit": "wh"}, 1),
    ],
)
def test_units_are_read_from_name_or_option(write, column: str, options: dict[str, str], value: int):
    path = write(f"label,{column}", "2013-01-01 00:00,1.25", "2013-01-01 00:30,0")
    assert read(path, **options).homes[0].import_wh[0] == value


def test_small_fractions_of_no_unit_are_not_guessed(write):
    path = write("label,a", "2013-01-01 00:00,1.25", "2013-01-01 00:30,0")
    with pytest.raises(UsageError, match="kWh or Wh"):
        read(path)


def test_whole_numbers_written_as_fractions_are_whole(write):
    assert values(write("label,a", "2013-01-01 00:00,125.0", "2013-01-01 00:30,", "2013-01-01 01:00,7.0")) == {
        "a": [125, MISSING, 7]
    }


def test_kilowatt_hours_of_three_places_become_their_watt_hours(write):
    rng = np.random.default_rng(1)
    wh = rng.integers(0, 5_000, 3_000)
    lines = [f"{np.datetime64('2013-01-01T00:00') + 30 * row},{value / 1000}" for row, value in enumerate(wh)]
    assert values(write("label,a_kwh", *lines))["a_kwh"] == wh.tolist()


def test_finer_fractions_become_the_nearest_watt_hour(write):
    path = write("label,a_wh", "2013-01-01 00:00,250.4", "2013-01-01 00:30,250.6", "2013-01-01 01:00,0.3")
    assert values(path) == {"a_wh": [250, 251, 0]}


def test_one_home_of_small_fractions_is_believed_among_others_that_are_no_kilowatt_hours(write):
    path = write("label,a,b,c", "2013-01-01 00:00,1.25,800.5,", "2013-01-01 00:30,0,900.25,300.5")
    assert values(path) == {"a": [1, 0], "b": [800, 900], "c": [MISSING, 300]}


def test_pairs_of_load_and_pv_are_netted(write):
    path = write(
        "start,F1_load,F1_pv,F2_load",
        "2013-01-01 00:00,100,30,7",
        "2013-01-01 01:00,100,130,8",
        "2013-01-01 02:00,,5,9",
    )
    homes = {home.name: home for home in read(path).homes}
    assert set(homes) == {"F1", "F2_load"}
    assert homes["F1"].import_wh.tolist() == [70, 0, MISSING]
    assert homes["F1"].export_wh is not None
    assert homes["F1"].export_wh.tolist() == [0, 30, 0]
    assert homes["F2_load"].export_wh is None


def test_negative_energy_is_exported(write):
    home = read(write("label,a", "2013-01-01 00:00,-5", "2013-01-01 00:30,6")).homes[0]
    assert home.export_wh is not None
    assert (home.import_wh.tolist(), home.export_wh.tolist()) == ([0, 6], [5, 0])


def test_rows_in_any_order_and_equal_doubles_are_sorted_out(write):
    path = write("label,a", "2013-01-01 01:00,3", "2013-01-01 00:00,1", "2013-01-01 00:30,2", "2013-01-01 00:00,1")
    assert values(path) == {"a": [1, 2, 3]}


def test_missing_rows_are_missing_readings(write):
    lines = [f"2013-01-01 {hour:02}:00,{hour}" for hour in (0, 1, 2, 5)]
    assert values(write("label,a", *lines)) == {"a": [0, 1, 2, MISSING, MISSING, 5]}


def test_local_labels_are_folded_where_the_clock_goes_back(write):
    # Amsterdam, 27 October 2013: 02:00 to 02:45 come twice.
    local = ["01:45", "02:00", "02:15", "02:30", "02:45", "02:00", "02:15", "02:30", "02:45", "03:00"]
    file = read(
        write("label_local,a", *(f"2013-10-27 {time},{row}" for row, time in enumerate(local))), zone="Europe/Amsterdam"
    )
    assert file.first_epoch_s == 1_382_831_100  # 2013-10-26 23:45 UTC
    assert file.homes[0].import_wh.tolist() == list(range(10))


def test_local_labels_leap_where_the_clock_goes_forward(write):
    local = ["01:30", "03:00", "03:30"]
    file = read(
        write("label_local,a", *(f"2013-03-31 {time},{row}" for row, time in enumerate(local))), zone="Europe/Amsterdam"
    )
    assert file.homes[0].import_wh.tolist() == [0, 1, 2]


def test_parquet_files_are_read_with_their_types(tmp_path: Path):
    table = pa.table(
        {
            "H1": pa.array([1, None, 3], pa.int32()),
            "H2": pa.array([1.0, float("nan"), 3.0]),
            "H3": pa.array([None, None, None]),
            "label_utc": pa.array([1_356_998_400_000_000 + 1_800_000_000 * row for row in range(3)]).cast(
                pa.timestamp("us", "UTC")
            ),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert values(tmp_path / "a.parquet") == {
        "H1": [1, MISSING, 3], "H2": [1, MISSING, 3], "H3": [MISSING, MISSING, MISSING],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["a,b", "1,2"], "no column holds times"),
        (["label,a", "2013-01-01 00:00,1"], "one label alone"),
        (["label,a"], "no rows|no column"),
        (["label,a", "2013-01-01 00:00,1", "2013-01-01 00:10,1"], "600 s apart"),
        (["label,a", "2013-01-01 00:00,1", "2013-01-01 00:30,1", "2013-01-01 00:45,1", "2013-01-01 01:15,1"], "grid"),
        (["label,a", "2013-01-01 00:10,1", "2013-01-01 00:40,1"], "does not lie on a grid"),
        (["label,a", "2013-01-01 00:00,1", "2013-01-01 00:30,1", "2013-01-01 00:30,2"], "stands twice"),
        (["label,a", "2013-01-01 00:00,1", ",1"], "have no time|cannot be read"),
        (["label,a", "first,1", "second,1"], r"column label cannot be read: .*'(first|second)'.*; write them as"),
        (["label;a", "2013-01-01 00:00;1"], "parted by commas"),
        (["label,A,A", "2013-01-01 00:00,1,2"], "2 columns are named 'A'"),
        (["label,A, A", "2013-01-01 00:00,1,2", "2013-01-01 00:30,1,2"], "'A' cannot name a household, 2 columns"),
        (["label,,b", "2013-01-01 00:00,5,2", "2013-01-01 00:30,5,2"], "'' cannot name a household"),
        (["label,a", "2013-01-01 00:00,1", "2013-01-01 00:30,9223372036854775807"], "column a holds more than"),
        (["label,a", "2013-01-01 00:00,1", "2013-01-01 00:30,-9223372036854775808"], "column a holds more than"),
        (["label,a_kwh", "2013-01-01 00:00,1", "2013-01-01 00:30,9000000000000000"], "column a_kwh holds more than"),
        (["label,a", "2013-01-01 00:00,1", "2013-01-01 00:30,-2147483648"], "column a holds more than"),
        (["s,X_load,X_pv", "2013-01-01 00:00,2e9,-2e9", "2013-01-01 01:00,1,1"], "X_load less X_pv is more than"),
        (["label,name", "2013-01-01 00:00,x", "2013-01-01 00:30,y"], "column name holds"),
        (["label,voltage_v", "2013-01-01 00:00,1", "2013-01-01 00:30,1"], "does not look like energy"),
        (["label,heat_kwh_register", "2013-01-01 00:00,1", "2013-01-01 00:30,1"], "does not look like energy"),
        (["label,a", "2013-01-01 00:00,3000000000", "2013-01-01 00:30,1"], "more than"),
        (["label,a", "2013-01-01 00:00,inf", "2013-01-01 00:30,1"], "infinite"),
        (["label", "2013-01-01 00:00", "2013-01-01 00:30"], "no column but the times"),
        (["label,X_load,X_pv,X", "2013-01-01 00:00,1,1,1", "2013-01-01 00:30,1,1,1"], "cannot name a household"),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_its_reason(write, lines: list[str], says: str):
    with pytest.raises(UsageError, match=says):
        read(write(*lines))


ODD_NAMES = [
    "home_a", "flat_kw", "block_v", "mains_hz", "site_var", "12", "current_account", "power station", "a.b/c d", "..",
    "Zürich-Oerlikon №7", "北京", "x" * 60, "o'Brien; DROP", "50%", "a&b=c#d?e", "C:\\homes", "+49",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_names(write, name: str):
    assert values(write(f"label,{name}", "2013-01-01 00:00,50", "2013-01-01 00:30,51")) == {name: [50, 51]}


@pytest.mark.parametrize(
    "name",
    [
        "voltage_v",
        "voltage",
        "current_a",
        "power_kw",
        "frequency_hz",
        "import_kvarh",
        "soil_degC",
        "gas_m3",
        "humidity",
    ],
)
def test_other_quantities_are_not_taken_for_homes(write, name: str):
    with pytest.raises(UsageError, match=f"column {name} does not look like energy.*rename it to {name}_wh"):
        read(write(f"label,{name}", "2013-01-01 00:00,50", "2013-01-01 00:30,51"))


@pytest.mark.parametrize("index", ["", "Unnamed: 0", "__index_level_0__"])
def test_the_numbers_of_rows_are_no_household(write, index: str):
    assert values(write(f"{index},label,a", "0,2013-01-01 00:00,1", "1,2013-01-01 00:30,2")) == {"a": [1, 2]}


def test_a_nameless_index_may_be_the_time(write):
    assert values(write(",a", "2013-01-01 00:00:00,1", "2013-01-01 00:30:00,2")) == {"a": [1, 2]}


def test_a_file_of_spreadsheets_with_a_mark_of_its_coding_is_read(write):
    assert values(write("\ufefflabel,a", "2013-01-01 00:00,1", "2013-01-01 00:30,2")) == {"a": [1, 2]}


def test_times_in_an_index_of_pandas_are_found_by_kind(tmp_path: Path):
    times = pa.array([1_356_998_400 + 3600 * row for row in range(3)], pa.timestamp("s")).cast(pa.timestamp("ns"))
    pq.write_table(pa.table({"A": [1, 2, 3], "__index_level_0__": times}), tmp_path / "a.parquet")
    assert values(tmp_path / "a.parquet") == {"A": [1, 2, 3]}


def test_times_as_repeated_text_are_read(tmp_path: Path):
    labels = pa.array(["2013-01-01 00:00:00+01:00", "2013-01-01 01:00:00+01:00"]).dictionary_encode()
    pq.write_table(pa.table({"when": labels, "A": pa.array([1, 2], pa.uint64())}), tmp_path / "a.parquet")
    file = read(tmp_path / "a.parquet")
    assert (file.first_epoch_s, file.homes[0].import_wh.tolist()) == (NEW_YEAR_2013 - 3600, [1, 2])


@pytest.mark.parametrize(
    "kind",
    [pa.uint8(), pa.int16(), pa.uint32(), pa.uint64(), pa.float32(), pa.float64(), pa.decimal128(18, 3)],
    ids=str,
)
def test_all_kinds_of_numbers_are_read(tmp_path: Path, kind: pa.DataType):
    labels = pa.array([1_356_998_400, 1_357_000_200, 1_357_002_000], pa.timestamp("s", "Europe/Amsterdam"))
    numbers = pa.array([0, None, 200], pa.int32()).cast(kind, safe=False)
    pq.write_table(pa.table({"t": labels, "A": numbers}), tmp_path / "a.parquet")
    assert values(tmp_path / "a.parquet") == {"A": [0, MISSING, 200]}


def test_numbers_too_large_for_any_meter_are_refused_whatever_their_kind(tmp_path: Path):
    labels = pa.array([1_356_998_400, 1_357_000_200], pa.timestamp("s"))
    for number in (pa.array([1, 2**64 - 1], pa.uint64()), pa.array([1.0, 1e300])):
        pq.write_table(pa.table({"t": labels, "A": number}), tmp_path / "a.parquet")
        with pytest.raises(UsageError, match="column A holds more than"):
            read(tmp_path / "a.parquet")


def test_a_home_that_starts_late_or_changes_its_writing_is_read_whole(write):
    rows = 60_000  # several blocks of the CSV reader
    label = [str(np.datetime64("2013-01-01T00:00") + 30 * row) for row in range(rows)]
    late = ["" if row < rows - 2 else "7" for row in range(rows)]
    mixed = ["1" if row < rows - 2 else "2.0" for row in range(rows)]
    found = values(write("label,late,mixed", *(",".join(cells) for cells in zip(label, late, mixed, strict=True))))
    assert found["late"] == [MISSING] * (rows - 2) + [7, 7]
    assert found["mixed"] == [1] * (rows - 2) + [2, 2]


def test_a_word_among_numbers_is_refused_with_its_column(write):
    rows = 60_000
    label = [str(np.datetime64("2013-01-01T00:00") + 30 * row) for row in range(rows)]
    path = write("label,a,b", *(f"{time},1,{'n.d.' if row == rows - 1 else 5}" for row, time in enumerate(label)))
    with pytest.raises(UsageError, match=r"column b holds .*'n\.d\.'.*leave the column out"):
        read(path)


def test_equal_doubles_with_empty_cells_count_once_and_many_are_quick(tmp_path: Path):
    times = np.repeat(np.arange(NEW_YEAR_2013, NEW_YEAR_2013 + 1800 * 3000, 1800), 2).astype("datetime64[s]")
    numbers = np.repeat(np.arange(3000.0), 2)
    numbers[:4] = np.nan
    columns = {f"H{number}": pa.array(numbers) for number in range(50)}
    pq.write_table(pa.table({"t": times, **columns}), tmp_path / "a.parquet")
    file = read(tmp_path / "a.parquet")
    assert file.slots == 3000
    assert file.homes[7].import_wh.tolist() == [MISSING, MISSING, *range(2, 3000)]


def test_a_reading_on_one_row_and_none_on_its_double_is_refused(write):
    path = write("label,a", "2013-01-01 00:00,1", "2013-01-01 00:30,2", "2013-01-01 00:30,")
    with pytest.raises(UsageError, match="stands twice"):
        read(path)


def test_a_label_far_from_all_others_is_refused_before_memory_is_taken(tmp_path: Path):
    times = np.array([-9_000_000_000, -8_999_998_200, 9_000_000_000]).astype("datetime64[s]")
    columns = {f"H{number}": pa.array([1, 2, 3]) for number in range(100)}
    pq.write_table(pa.table({"t": times, **columns}), tmp_path / "a.parquet")
    with pytest.raises(UsageError, match="look for a label far from all others"):
        read(tmp_path / "a.parquet")


def test_long_files_and_long_gaps_are_read(tmp_path: Path):
    times = np.concatenate((np.arange(48), 3 * 365 * 48 + np.arange(24))) * 1800 + NEW_YEAR_2013
    pq.write_table(pa.table({"t": times.astype("datetime64[s]"), "A": np.arange(72)}), tmp_path / "a.parquet")
    file = read(tmp_path / "a.parquet")
    assert file.slots == 3 * 365 * 48 + 24
    assert (file.homes[0].import_wh != MISSING).nonzero()[0].tolist() == [
        *range(48),
        *range(file.slots - 24, file.slots),
    ]


@pytest.mark.parametrize("name", ["file.txt", "file.xlsx", "file"])
def test_other_kinds_of_files_are_refused(write, name: str):
    with pytest.raises(UsageError, match=r"\.parquet, \.csv or \.csv\.gz"):
        read(write("label,a", name=name))


@pytest.mark.parametrize("content", ["label,Zürich\n2013-01-01,1\n", "label,a\n2013-01-01,Zürich\n"])
def test_a_file_in_another_coding_is_refused(tmp_path: Path, content: str):
    (tmp_path / "latin.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError, match=r"UTF-8|holds binary, not energy"):
        read(tmp_path / "latin.csv")


def test_absent_and_broken_files_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="no file"):
        read(tmp_path / "absent.csv")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "broken.parquet")


@pytest.mark.parametrize(("zone", "says"), [("Europe/Nowhere", "no time zone"), ("Europe/Amsterdam", "does not exist")])
def test_zones_that_do_not_fit_the_labels_are_refused(write, zone: str, says: str):
    path = write("label,a", "2013-03-31 01:00,1", "2013-03-31 02:00,1", "2013-03-31 03:00,1")
    with pytest.raises(UsageError, match=says):
        read(path, zone=zone)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        (1_795_260_000, 1_795_219_200),  # the last midnight
        (1_795_219_200, 1_795_219_200),
        (1_795_219_199, 1_795_132_800),
    ],
)
def test_a_shifted_file_ends_at_the_last_midnight(write, now: int, end: int):
    file = read(write("label,a", "2013-01-01 23:00,1", "2013-01-01 23:30,1"))
    assert file.end_epoch_s + file.shift_to(now) == end


def test_a_file_that_ends_at_noon_still_ends_at_noon_after_the_shift(write):
    file = read(write("label,a", "2013-01-01 11:00,1", "2013-01-01 11:30,1"))
    end = file.end_epoch_s + file.shift_to(1_795_260_000)
    assert end % 86_400 == 12 * 3600
    assert 0 <= 1_795_219_200 - end < 86_400
