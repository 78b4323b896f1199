"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder of third-party vectors and data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("METERWORKS_SHARED", REPOSITORY.parent / "shared")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no shared vectors and data at {folder}: set METERWORKS_SHARED to their folder")
    return folder


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """An empty data folder, as `./var` of a running system."""
    folder = tmp_path / "var"
    folder.mkdir()
    return folder
