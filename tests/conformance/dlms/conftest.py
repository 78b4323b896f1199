"""Where the shared vectors lie."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("METERWORKS_SHARED", Path(__file__).parents[3].parent / "shared"))
VECTORS = SHARED / "vectors" / "dlms"


@pytest.fixture(scope="session")
def dlms_vectors() -> Path:
    """Folder of the DLMS vectors; the test is skipped where it is absent."""
    if not VECTORS.is_dir():
        pytest.skip(f"no vectors at {VECTORS}: set METERWORKS_SHARED")
    return VECTORS
