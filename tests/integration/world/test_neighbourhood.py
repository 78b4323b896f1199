"""Neighbourhoods in their folder: made once, the same ever after, and enrolled in a real registry."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from meterworks.errors import UsageError
from meterworks.registry import Registry, RowOutcome
from meterworks.runtime import Base, Database, ManualClock
from meterworks.trust import KeyStore, unwrap_key
from meterworks.world import HouseholdKind, NeighbourhoodSettings, ReplayLoad, open_neighbourhood

NOW = 1_795_260_000  # 2026-11-21 11:20 UTC
TRANSPORT_KEY = bytes(range(16))
CSV = "label,A,B_kwh\n2013-01-01 22:30,5,1.5\n2013-01-01 23:00,6,\n2013-01-01 23:30,7,2.5\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "world"


@pytest.fixture
def replay(tmp_path: Path) -> Path:
    path = tmp_path / "file.csv"
    path.write_text(CSV)
    return path


def opened(folder: Path, now_epoch_s: float = NOW, **settings):
    return open_neighbourhood(folder, NeighbourhoodSettings(**settings), now_epoch_s=now_epoch_s)


def test_a_second_start_goes_on_with_the_same_meters(folder: Path):
    first, second = opened(folder, meters=30), opened(folder, NOW + 5 * 86_400)
    assert len(first) == len(second) == 30
    assert first.usage_points() == second.usage_points()
    for (mine, load), (other, again) in zip(first.meters(), second.meters(), strict=True):
        assert (mine.system_title, mine.guek, mine.gak) == (other.system_title, other.guek, other.gak)
        assert mine == other
        assert np.array_equal(load.intervals(NOW - 86_400, NOW).import_wh, again.intervals(NOW - 86_400, NOW).import_wh)


def test_a_seed_gives_the_same_homes_but_not_the_same_keys(tmp_path: Path):
    first, second = opened(tmp_path / "a", meters=5, seed=4), opened(tmp_path / "b", meters=5, seed=4)
    assert first.household(3) == second.household(3)
    assert first.specification(3).serial == second.specification(3).serial
    assert first.specification(3).guek != second.specification(3).guek


def test_two_hundred_meters_are_the_default_with_13_months_behind_them(folder: Path):
    neighbourhood = opened(folder)
    assert len(neighbourhood) == 200
    assert neighbourhood.clock_starts_epoch_s is None
    installed = neighbourhood.installed_at
    assert (installed, installed.hour) == (datetime(2025, 10, 19, 23, tzinfo=UTC), 23)  # midnight of London's summer
    for index in (0, 199):
        assert (
            len(neighbourhood.load(index).intervals(NOW - NOW % 1800 - 397 * 86_400, NOW - NOW % 1800).start_epoch_s)
            == 19_056
        )


def test_keys_are_kept_from_other_users(folder: Path):
    opened(folder, meters=3)
    for name in ("keys.npy", "neighbourhood.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert np.load(folder / "keys.npy").shape == (3, 2, 16)


def test_meters_are_told_apart(folder: Path):
    specifications = [specification for specification, _ in opened(folder, meters=300).meters()]
    for name in ("system_title", "serial", "address", "guek", "gak"):
        assert len({getattr(specification, name) for specification in specifications}) == 300
    assert all(specification.system_title.startswith(b"MWK") for specification in specifications)
    assert specifications[254].address == "127.16.1.1:4059"


def test_shares_of_kinds_are_as_set(folder: Path):
    neighbourhood = opened(
        folder, meters=600, seed=9, pv_share=0.3, car_share=0.2, heat_pump_share=0.1, three_phase_share=0.5
    )
    kinds = [household.kind for household in map(neighbourhood.household, range(600)) if household]
    assert abs(sum("pv" in kind for kind in kinds) / 600 - 0.3) < 0.06
    assert abs(sum("ev" in kind for kind in kinds) / 600 - 0.2) < 0.05
    assert abs(sum("heat-pump" in kind for kind in kinds) / 600 - 0.1) < 0.04
    assert abs(sum(neighbourhood.phases(index) == 3 for index in range(600)) / 600 - 0.5) < 0.07
    assert set(kinds) == set(HouseholdKind)


def test_meters_err_within_their_class(folder: Path):
    neighbourhood = opened(folder, meters=40, seed=2)
    errors = []
    for index in range(40):
        load = neighbourhood.emulated_load(index)
        true = load.truth(NOW - 30 * 86_400, NOW).import_mwh.sum() / 1000
        errors.append(load.intervals(NOW - 30 * 86_400, NOW).import_wh.sum() / true - 1)
    assert 0.0005 < np.std(errors) < 0.006
    assert np.abs(errors).max() < 0.0125


@pytest.mark.parametrize(
    ("first", "then", "says"),
    [
        ({"meters": 5}, {"meters": 6}, "meters = 5, not 6"),
        ({"meters": 5, "seed": 1}, {"seed": 2}, "seed = 1, not 2"),
        ({"meters": 5}, {"interval_s": 900}, "interval_s = 1800, not 900"),
        ({"meters": 5}, {"time_zone": "Europe/Paris"}, "time_zone = Europe/London"),
    ],
)
def test_another_neighbourhood_in_the_same_folder_is_refused(folder: Path, first: dict, then: dict, says: str):
    opened(folder, **first)
    with pytest.raises(UsageError, match=says):
        opened(folder, **then)


def test_a_replay_in_the_folder_of_emulated_homes_is_refused(folder: Path, replay: Path):
    opened(folder, meters=2)
    with pytest.raises(UsageError, match="emulated homes"):
        opened(folder, replay=replay)


def test_a_replayed_file_gives_its_households(folder: Path, replay: Path):
    neighbourhood = opened(folder, replay=replay)
    assert [neighbourhood.usage_point_id(index) for index in range(len(neighbourhood))] == ["A", "B_kwh"]
    assert neighbourhood.household(0) is None
    load = neighbourhood.load(1)
    assert isinstance(load, ReplayLoad)
    assert load.ends_epoch_s == NOW - NOW % 86_400
    block = load.intervals(0, 2**40)
    assert (block.import_wh.tolist(), block.present.tolist()) == ([1_500, 0, 2_500], [True, False, True])
    assert neighbourhood.installed_at == datetime(2026, 11, 20, 22, 30, tzinfo=UTC)


def test_a_replay_goes_on_without_naming_the_file_again_and_is_not_shifted_again(folder: Path, replay: Path):
    first = opened(folder, replay=replay)
    again = opened(folder, NOW + 3 * 86_400)
    assert again.load(0).starts_epoch_s == first.load(0).starts_epoch_s
    assert again.usage_points() == first.usage_points()


def test_another_file_in_its_place_is_refused(folder: Path, replay: Path):
    opened(folder, replay=replay)
    replay.write_text(CSV.replace("5", "6"))
    with pytest.raises(UsageError, match="another file"):
        opened(folder, replay=replay)


def test_an_unshifted_replay_sets_the_clock_to_the_files_end(folder: Path, replay: Path):
    neighbourhood = opened(folder, replay=replay, replay_shift=False)
    assert neighbourhood.clock_starts_epoch_s == 1_357_084_800
    assert neighbourhood.load(0).starts_epoch_s == 1_357_084_800 - 5_400


def test_part_of_the_households_may_be_replayed_and_no_more_than_there_are(folder: Path, replay: Path, tmp_path: Path):
    assert len(opened(folder, replay=replay, meters=1)) == 1
    with pytest.raises(UsageError, match="2 households"):
        opened(tmp_path / "other", replay=replay, meters=3)


@pytest.mark.parametrize(
    "settings", [{"meters": 0}, {"meters": 10**6}, {"pv_share": 1.5}, {"car_share": 0.7, "heat_pump_share": 0.7}]
)
def test_impossible_settings_are_refused(settings: dict):
    with pytest.raises(UsageError):
        NeighbourhoodSettings(**settings)


@pytest.mark.parametrize(
    "content", ["", "{}", '{"schema": "other", "version": 1}', '{"schema": "meterworks-neighbourhood", "version": 9}']
)
def test_a_spoilt_folder_is_refused(folder: Path, content: str):
    opened(folder, meters=2)
    (folder / "neighbourhood.json").write_text(content)
    with pytest.raises(UsageError, match="another data folder"):
        opened(folder)


@pytest.mark.parametrize("content", [b"", b"nothing", None])
def test_spoilt_keys_are_refused(folder: Path, content: bytes | None):
    opened(folder, meters=2)
    if content is None:
        np.save(folder / "keys.npy", np.zeros((1, 2, 16), np.uint8))
    else:
        (folder / "keys.npy").write_bytes(content)
    with pytest.raises(UsageError, match="keys"):
        opened(folder)


def test_a_start_interrupted_before_the_description_begins_anew(folder: Path):
    opened(folder, meters=2)
    (folder / "neighbourhood.json").unlink()
    assert len(opened(folder, meters=3)) == 3


def test_the_shipment_wraps_the_keys(folder: Path):
    neighbourhood = opened(folder, meters=3)
    document = json.loads(neighbourhood.shipment(TRANSPORT_KEY))
    for index, device in enumerate(document["devices"]):
        specification = neighbourhood.specification(index)
        assert unwrap_key(TRANSPORT_KEY, bytes.fromhex(device["guek"])) == specification.guek
        assert unwrap_key(TRANSPORT_KEY, bytes.fromhex(device["gak"])) == specification.gak
        assert device["identity"] == specification.system_title.hex()


async def test_the_registry_takes_usage_points_and_shipment(folder: Path, tmp_path: Path):
    neighbourhood = opened(folder, meters=40)
    database = Database(f"sqlite:///{tmp_path}/registry.sqlite3")
    try:
        await database.create_tables(
            *(table for name, table in Base.metadata.tables.items() if name.startswith("registry_"))
        )
        registry = Registry(database, KeyStore(bytes(range(32))), clock=ManualClock(datetime.fromtimestamp(NOW, UTC)))
        await registry.add_usage_points(neighbourhood.usage_points())
        result = await registry.import_shipment(
            neighbourhood.shipment(TRANSPORT_KEY), "json", transport_key=TRANSPORT_KEY
        )
        assert {row.outcome for row in result.rows} == {RowOutcome.ADDED}
        again = await registry.import_shipment(
            neighbourhood.shipment(TRANSPORT_KEY), "json", transport_key=TRANSPORT_KEY
        )
        assert {row.outcome for row in again.rows} == {RowOutcome.ALREADY_THERE}
    finally:
        await database.close()
