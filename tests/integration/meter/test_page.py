"""docs/dlms.md is true: its commands run against the meter that it tells to serve, its Python runs, its tables hold."""

import contextlib
import io
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.meter.conftest import command

from meterworks.devices import build_image
from meterworks.protocols.dlms import SecurityEventKind
from meterworks.system.meter.value import TYPE_NAMES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "dlms.md").read_text(encoding="utf-8")
CONSOLE = [line[2:] for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
COMMANDS = [line for line in CONSOLE if " meter serve" not in line]
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
TRIED_PORT = "127.0.0.1:4100"


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """The meter of the page, served by the page's own command; gives its folder and its address."""
    folder = tmp_path_factory.mktemp("page")
    (serve,) = (line for line in CONSOLE if " meter serve" in line)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = shlex.split(serve.replace("4100", str(port)))
    assert words[0] == "meterworks"
    process = subprocess.Popen(
        [sys.executable, "-m", "meterworks.cli.main", *words[1:]], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    told = []
    for line in process.stderr:  # bounded: it ends with its last line, or with the process
        told.append(line)
        if "Ctrl-C" in line:
            break
    assert process.poll() is None, "".join(told)
    (folder / "firmware.bin").write_bytes(build_image("management", "FW-2", bytes(2000)))
    yield folder, f"127.0.0.1:{port}", "".join(told)
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 0
    process.stderr.close()


@pytest.fixture
def in_folder(tried, monkeypatch):
    monkeypatch.chdir(tried[0])
    monkeypatch.setattr("typer.get_app_dir", lambda _name: str(tried[0] / "home"))
    return tried


def test_every_command_of_the_page_runs(in_folder):
    folder, address, _ = in_folder
    outputs = {}
    for line in COMMANDS:
        words = shlex.split(line.replace(TRIED_PORT, address))
        assert words[0] == "meterworks"
        told = command(*words[1:])
        assert told.exit_code == 0, f"{line}: {told.errors}"
        outputs[line] = told.output
    assert (folder / "day.csv").stat().st_size > 0
    assert (folder / "all.parquet").stat().st_size > 10_000
    assert (folder / "session.pcap").stat().st_size > 500
    assert all(output for line, output in outputs.items() if "--json" in line or "decode" in line)


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_every_example_of_the_page_runs(in_folder, number):
    _, address, _ = in_folder
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(PYTHON[number].replace(TRIED_PORT, address), f"example {number}", "exec"), {})
    assert printed.getvalue().strip()


def test_what_serve_tells_is_enough_to_read_the_meter(tried):
    folder, _, told = tried
    facts = dict(re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in told.splitlines() if "  " in line)
    assert facts["encryption key"].lower() in (folder / "meter.json").read_text()
    assert "mechanism 5 gmac, suite 0" in facts["clients"]
    assert (folder / "meter.json").stat().st_mode & 0o777 == 0o600


def test_the_page_names_every_security_event_and_no_other():
    table = PAGE.partition("| recorded as |")[2]
    named = re.findall(r"\| `([a-z-]+)` \|$", table, re.MULTILINE)
    assert set(named) == {kind.value for kind in SecurityEventKind}


def test_the_page_names_every_type_of_value():
    types = PAGE.partition("with the types `")[2].partition("`")[0].split()
    assert [*types, "raw", "json"] == list(TYPE_NAMES)


def test_the_page_names_every_verb_of_the_meter():
    from meterworks.cli.meter import MeterCommands

    assert all(f"meterworks meter {verb}" in PAGE for verb in MeterCommands.table)


def test_an_interrupted_read_leaves_cleanly(tried, tmp_path):
    """Ctrl-C in the midst of a read ends the command at once, with one line at most and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        process = subprocess.Popen(
            [sys.executable, "-m", "meterworks.cli.main", "meter", "read", f"127.0.0.1:{silent.getsockname()[1]}",
             "clock", "--no-cache", "--timeout-s", "60"],
            cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore Ctrl-C
        )  # fmt: skip
        link, _ = silent.accept()
        with link:
            link.settimeout(20)
            assert link.recv(1000)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=40)  # the read itself would wait for a minute
    assert process.returncode != 0
    assert "Traceback" not in errors
