"""Files: whole-or-absent writing and folders held by one process."""

import subprocess
import sys

import pytest

from meterworks.runtime import FolderInUseError, FolderLock, write_atomically


def test_a_file_is_replaced_whole_with_its_mode(tmp_path):
    path = tmp_path / "deep" / "key"
    write_atomically(path, b"old")
    write_atomically(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["key"]


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "file"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_second_holder_is_told_who_has_the_folder(tmp_path):
    with (
        FolderLock(tmp_path, purpose="message bus"),
        pytest.raises(FolderInUseError, match="message bus, process") as caught,
    ):
        FolderLock(tmp_path, purpose="another").acquire()
    assert caught.value.facts["folder"] == str(tmp_path)


def test_a_released_folder_is_free_again(tmp_path):
    lock = FolderLock(tmp_path, purpose="first")
    lock.acquire()
    lock.acquire()
    assert lock.held
    lock.release()
    lock.release()
    with FolderLock(tmp_path, purpose="second") as second:
        assert second.held


def test_a_killed_process_holds_nothing(tmp_path):
    script = "import os, sys; from pathlib import Path; from meterworks.runtime import FolderLock\n"
    script += "FolderLock(Path(sys.argv[1]), purpose='dead').acquire(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    with FolderLock(tmp_path, purpose="next") as lock:
        assert lock.held
