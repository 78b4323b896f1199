"""What a process or a command loads: engines and frameworks cost each a tenth of a second and megabytes.

Each test runs an interpreter of its own and asks it for the modules it holds.
"""

import json
import subprocess
import sys

import pytest

from meterworks.cli.process import MODULES
from meterworks.system.start import BEHIND

ENGINES = {"duckdb", "pyiceberg"}
WEB = {"fastapi", "uvicorn", "nicegui", "aiohttp"}
EMULATION = {"meterworks.devices", "meterworks.world"}
TOOLS = {"alembic", "scipy"}


def loaded_by(statements: str) -> set[str]:
    """Every module an interpreter holds after these statements."""
    run = subprocess.run(
        [sys.executable, "-c", f"{statements}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(run.stdout.splitlines()[-1]))


def process(name: str) -> str:
    """The statements that load what a process of this name works with."""
    return (
        f"import meterworks.cli.process\nfrom meterworks.system.serving import servant_of as of\nof({MODULES[name]!r})"
    )


@pytest.mark.parametrize(
    ("statements", "absent"),
    [
        pytest.param("import meterworks.runtime", ENGINES | WEB | {"pyarrow"}, id="runtime"),
        pytest.param("import meterworks.readings", ENGINES | WEB | TOOLS | EMULATION, id="readings"),
        pytest.param("import meterworks.headend", ENGINES | WEB | TOOLS | EMULATION, id="head-end"),
        pytest.param("import meterworks.market", ENGINES | WEB | TOOLS | EMULATION, id="market"),
        pytest.param(process("fleet"), ENGINES | WEB | TOOLS, id="process fleet"),
        pytest.param(process("headend"), ENGINES | WEB | TOOLS, id="process headend"),
        pytest.param(process("audit"), ENGINES | WEB | TOOLS, id="process audit"),
        pytest.param(process("pki"), ENGINES | TOOLS | {"fastapi", "nicegui", "aiohttp"}, id="process pki"),
        pytest.param(process("writer"), WEB | TOOLS, id="process writer"),
        pytest.param(process("web"), TOOLS, id="process web"),
        pytest.param("import meterworks.system.start", ENGINES | WEB, id="up"),
        pytest.param("import meterworks.cli.config", ENGINES | WEB | TOOLS | EMULATION | {"sqlalchemy"}, id="config"),
        pytest.param("import meterworks.cli.meter_read", ENGINES | WEB | TOOLS | EMULATION, id="meter"),
        pytest.param("import meterworks.cli.main", {"meterworks.system", "numpy", "rich.progress"}, id="help"),
    ],
)
def test_it_loads_nothing_it_does_not_work_with(statements, absent):
    assert loaded_by(statements) & absent == set()


def test_the_bus_leaves_the_web_library_to_whoever_wants_it():
    held = loaded_by("import meterworks.runtime\nimport aiohttp\nassert aiohttp.ClientSession")
    assert {"aiohttp", "nats"} <= held


def test_every_process_is_started_behind_processes_that_exist():
    assert set(BEHIND) == set(MODULES)
    assert {other for others in BEHIND.values() for other in others} <= {*MODULES, "stores"}
