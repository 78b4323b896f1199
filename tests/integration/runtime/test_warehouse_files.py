"""Data files and the catalogue: bytes on the disk before a pointer names them, pieces, bounds, queries."""

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meterworks.runtime import WarehouseSettings, WarehouseUnreachableError
from meterworks.runtime.warehouse import READINGS_SCHEMA, Warehouse
from meterworks.runtime.warehouse.engine import QueryEngine
from meterworks.runtime.warehouse.file import piece_file_of, write_pieces
from meterworks.runtime.warehouse.table import DurableFileIO, open_catalogue, open_table

DECEMBER = int(datetime(2025, 12, 31, 23, tzinfo=UTC).timestamp())


def rows(devices, count=4, *, version=1):
    total = len(devices) * count
    ts = np.tile(DECEMBER + 1800 * np.arange(count), len(devices)) * 1_000_000
    return pa.table(
        {
            "device": np.repeat(np.array(devices, dtype=np.int64), count),
            "channel": np.full(total, 12, dtype=np.int32),
            "ts": pa.array(ts).view(pa.timestamp("us")),
            "value": np.arange(total, dtype=np.int64),
            "quality": np.zeros(total, dtype=np.int32),
            "flags": np.zeros(total, dtype=np.int32),
            "version": np.full(total, version, dtype=np.int32),
            "source": np.ones(total, dtype=np.int32),
            "received_at": pa.array(ts + 5_000_000).view(pa.timestamp("us")),
        }
    )


@pytest.fixture
def settings(tmp_path):
    return WarehouseSettings(location=str(tmp_path / "files"), catalog_url=f"sqlite:///{tmp_path}/db/catalog.sqlite3")


class TestPieces:
    def write(self, folder, table, shards=2):
        return write_pieces(table, io=DurableFileIO(), location=str(folder), shards=shards, threads=2)

    def test_each_month_and_shard_gets_one_file_with_its_bounds(self, tmp_path):
        pieces = self.write(tmp_path, rows([4, 3, 5], version=7))
        told = {
            (piece.month, piece.shard): (piece.rows, piece.device_min, piece.device_max, piece.version_max)
            for piece in pieces
        }
        december = 55 * 12 + 11
        assert told == {
            (december, 0): (2, 4, 4, 7),
            (december, 1): (4, 3, 5, 7),
            (december + 1, 0): (2, 4, 4, 7),
            (december + 1, 1): (4, 3, 5, 7),
        }
        first = min(pieces, key=lambda piece: (piece.month, piece.shard))
        assert (first.ts_min_us, first.ts_max_us) == (DECEMBER * 1_000_000, (DECEMBER + 1800) * 1_000_000)
        assert first.received_max_us == (DECEMBER + 1805) * 1_000_000

    def test_the_manifest_entry_gives_back_what_was_written(self, tmp_path):
        for piece in self.write(tmp_path, rows([1])):
            assert piece_file_of(piece.data_file) == piece
            assert Path(piece.path).stat().st_size == piece.size_bytes

    def test_files_have_the_table_s_columns_and_no_nulls(self, tmp_path):
        (piece, *_) = self.write(tmp_path, rows([1]))
        schema = pq.read_schema(piece.path)
        assert schema.names == READINGS_SCHEMA.names
        assert [field.metadata[b"PARQUET:field_id"] for field in schema] == [
            field.metadata[b"PARQUET:field_id"] for field in READINGS_SCHEMA
        ]
        assert not any(field.nullable for field in schema)

    def test_more_pieces_than_sixteen_bits_hold_are_still_told_apart(self, tmp_path):
        devices = list(range(0, 4096, 1024))
        spread = rows(devices, count=1)
        ts = pa.array([(DECEMBER + 86_400 * 31 * step) * 1_000_000 for step in (0, 20, 5, 1)]).view(pa.timestamp("us"))
        pieces = self.write(tmp_path, spread.set_column(2, "ts", ts), shards=4096)
        assert sorted((piece.shard, piece.rows) for piece in pieces) == [(0, 1), (1024, 1), (2048, 1), (3072, 1)]


class TestDurability:
    def test_a_file_is_synced_before_it_is_closed_and_so_is_its_folder(self, tmp_path, monkeypatch):
        synced = []
        real = os.fsync
        monkeypatch.setattr(
            os, "fsync", lambda descriptor: (synced.append(os.fstat(descriptor).st_ino), real(descriptor))
        )
        path = tmp_path / "deep" / "er" / "file.bin"
        with DurableFileIO().new_output(str(path)).create() as stream:
            stream.write(b"reading")
        assert {path.stat().st_ino, path.parent.stat().st_ino} <= set(synced)
        assert path.read_bytes() == b"reading"

    def test_an_existing_file_is_not_overwritten_unless_asked(self, tmp_path):
        path = tmp_path / "file.bin"
        path.write_bytes(b"old")
        output = DurableFileIO().new_output(str(path))
        with pytest.raises(FileExistsError):
            output.create()
        with output.create(overwrite=True) as stream:
            stream.write(b"new")
        assert path.read_bytes() == b"new"

    def test_a_commit_syncs_data_manifests_and_metadata(self, settings, monkeypatch):
        warehouse = Warehouse(settings)
        synced = set()
        real = os.fsync

        def note(descriptor):
            synced.add(Path(f"/proc/self/fd/{descriptor}").readlink().suffix)
            real(descriptor)

        monkeypatch.setattr(os, "fsync", note)
        warehouse.append(rows([1]), position=1)
        assert {".parquet", ".avro", ".json"} <= synced
        warehouse.close()

    def test_a_full_disk_commits_nothing_and_may_be_tried_again(self, settings, monkeypatch):
        warehouse = Warehouse(settings)

        def full(*_arguments, **_keywords):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(pq, "write_table", full)
            with pytest.raises(WarehouseUnreachableError, match="No space left"):
                warehouse.append(rows([1]), position=1)
        assert warehouse.position() == 0
        warehouse.append(rows([1]), position=1)
        assert warehouse.statistics().rows == 4
        warehouse.close()


class TestCatalogue:
    def test_a_second_opening_finds_the_table_of_the_first(self, settings):
        first, second = open_catalogue(settings), open_catalogue(settings)
        table, shards = open_table(first, settings)
        again, same = open_table(second, settings)
        assert (again.metadata.table_uuid, same) == (table.metadata.table_uuid, shards)
        first.engine.dispose()
        second.engine.dispose()

    def test_the_catalogue_is_durable_and_lets_readers_in_beside_the_writer(self, settings):
        catalogue = open_catalogue(settings)
        with catalogue.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        catalogue.engine.dispose()

    def test_commits_are_never_retried_by_the_library(self, settings):
        catalogue = open_catalogue(settings)
        table, _ = open_table(catalogue, settings)
        assert table.properties["commit.retry.num-retries"] == "0"
        assert table.properties["write.metadata.delete-after-commit.enabled"] == "true"
        assert [field.name for field in table.spec().fields] == ["month", "shard_part"]
        catalogue.engine.dispose()

    def test_old_metadata_files_do_not_pile_up(self, settings, tmp_path):
        warehouse = Warehouse(settings)
        for position in range(1, 16):
            warehouse.append(rows([1], count=1), position=position)
        assert len(list((tmp_path / "files").rglob("*.metadata.json"))) <= 12
        warehouse.close()


class TestEngine:
    @pytest.fixture
    def engine(self):
        made = QueryEngine(threads=1, memory_mb=256, file_io=DurableFileIO(), local=True)
        yield made
        made.close()

    def test_without_files_the_columns_are_still_there(self, engine):
        got = engine.query("SELECT * FROM readings", {}, [], {})
        assert got.column_names == READINGS_SCHEMA.names
        assert got.num_rows == 0

    def test_folders_named_like_columns_add_none(self, engine, tmp_path):
        folder = tmp_path / "month=2026-01" / "shard=7"
        folder.mkdir(parents=True)
        table = rows([1]).append_column("shard", pa.array([0] * 4, pa.int32())).cast(READINGS_SCHEMA)
        pq.write_table(table, folder / "file.parquet")
        got = engine.query("SELECT * FROM readings", {}, [str(folder / "file.parquet")], {})
        assert got.column_names == READINGS_SCHEMA.names
        assert set(got["shard"].to_pylist()) == {0}

    def test_a_relation_of_one_query_is_gone_in_the_next(self, engine):
        relation = pa.table({"x": [1, 2]})
        assert engine.query("SELECT sum(x) AS x FROM given", {}, [], {"given": relation})["x"].to_pylist() == [3]
        with pytest.raises(Exception, match="given"):
            engine.query("SELECT sum(x) AS x FROM given", {}, [], {})

    def test_nothing_is_loaded_from_the_network(self, engine):
        got = engine.query(
            "SELECT name, value FROM duckdb_settings() WHERE name IN"
            " ('autoinstall_known_extensions', 'autoload_known_extensions') ORDER BY name",
            {}, [], {},
        )  # fmt: skip
        assert got["value"].to_pylist() == ["false", "false"]

    def test_times_are_read_as_utc_wherever_the_machine_stands(self, engine):
        got = engine.query("SELECT epoch(make_timestamp($us)) AS s", {"us": DECEMBER * 1_000_000}, [], {})
        assert got["s"].to_pylist() == [DECEMBER]
