"""Small private files: whole or absent, for their owner."""

import pytest

from meterworks.system.meter.file import write_private


def test_a_file_is_made_with_its_folders_and_for_its_owner_only(tmp_path):
    path = tmp_path / "a" / "b.json"
    write_private(path, b"one")
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["b.json"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "b.json"
    write_private(path, b"one")

    def full(_descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="full"):
        write_private(path, b"two")
    assert path.read_bytes() == b"one"
    assert [each.name for each in tmp_path.iterdir()] == ["b.json"]
