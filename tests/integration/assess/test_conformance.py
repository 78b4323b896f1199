"""The conformance suite and the judge over real sockets, from Python and from the command line."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree
from tests.integration.dlms.example_device import GAK, GUEK
from tests.unit.assess.conformance.bench import CREDENTIALS, emulated_meter
from typer.testing import CliRunner
from typer.testing import Result as Ran

from meterworks.assess.conformance import (
    Conversation,
    JudgeSettings,
    Outcome,
    Report,
    Scenario,
    SuiteSettings,
    run_suite,
    serve_judge,
)
from meterworks.cli.main import app
from meterworks.errors import MeterworksError, UnreachableError, UsageError
from meterworks.links import DlmsClient, MeterServer, start_meter_server
from meterworks.protocols.dlms import AttributeAddress, ClientSettings, CountUp, Mechanism, ObisCode, Protection

CLOCK = AttributeAddress(8, ObisCode("0.0.1.0.0.255"), 2)
QUICK = (
    "LINK-01",
    "LINK-02",
    "LINK-2",
    "LINK-3",
    "ASSOC",
    "SERV-01",
    "SERV-32",
    "BLOCK-01",
    "SEC",
    "CLASS-08",
    "ROB-12",
)


@pytest.fixture
async def meter() -> AsyncIterator[MeterServer]:
    device = emulated_meter()
    running = await start_meter_server(lambda _host, _port: device, "127.0.0.1", 0, device_only=None)
    yield running
    await running.close()


@pytest.fixture
async def hdlc_meter() -> AsyncIterator[MeterServer]:
    device = emulated_meter()
    running = await start_meter_server(lambda _host, _port: device, "127.0.0.1", 0, device_only=None, framing="hdlc")
    yield running
    await running.close()


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    title = CREDENTIALS["reader"].title
    path.write_text(json.dumps({"guek": GUEK.hex(), "gak": GAK.hex(), "system_title": title.hex()}))
    return path


def unpassed(report: Report) -> dict[str, str]:
    bad = (Outcome.FAILED, Outcome.INCONCLUSIVE)
    return {result.row.id: result.reason for result in report.results if result.outcome in bad}


def settings(target: str, **changes: Any) -> SuiteSettings:
    facts: dict[str, Any] = {
        "target": target, "credential": CREDENTIALS["reader"], "select": QUICK, "quiet_s": 0.02, "timeout_s": 5.0,
    }  # fmt: skip
    return SuiteSettings(**(facts | changes))


async def test_a_meter_over_tcp_passes(meter: MeterServer) -> None:
    told: list[str] = []
    report = await asyncio.to_thread(
        run_suite,
        settings(f"tcp://127.0.0.1:{meter.port}"),
        progress=lambda result: told.append(result.row.id),
    )
    assert unpassed(report) == {}
    assert report.count(Outcome.PASSED) > 80
    assert told == [result.row.id for result in report.results]


async def test_a_meter_over_hdlc_passes(hdlc_meter: MeterServer) -> None:
    report = await asyncio.to_thread(run_suite, settings(f"hdlc+tcp://127.0.0.1:{hdlc_meter.port}"))
    assert unpassed(report) == {}
    assert {r.row.id for r in report.results if r.outcome is Outcome.PASSED} >= {"LINK-21", "LINK-28", "SEC-14"}


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(UnreachableError):
        run_suite(settings("tcp://127.0.0.1:1"))


def test_a_target_that_the_suite_cannot_reach_is_refused() -> None:
    with pytest.raises(UsageError, match="the suite runs over TCP"):
        run_suite(settings("udp://127.0.0.1:4059"))


def command(*words: object) -> Ran:
    return CliRunner().invoke(app, ["conformance", *map(str, words)])


async def test_the_command_writes_three_reports(meter: MeterServer, keys_file: Path, tmp_path: Path) -> None:
    page, junit = tmp_path / "report.html", tmp_path / "report.xml"
    ran = await asyncio.to_thread(
        command, "run", f"tcp://127.0.0.1:{meter.port}", "--client", 2, "--keys", keys_file, "--select",
        "ASSOC-01,SEC-14", "--select", "CLASS-01", "--html", page, "--junit", junit, "--json",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert (told["passed"], told["failed"]) == (3, 0)
    assert [row["id"] for row in told["results"]] == ["ASSOC-01", "SEC-14", "CLASS-01"]
    assert ElementTree.fromstring(junit.read_text()).find("testsuite") is not None
    assert "application-context-name" in page.read_text().lower().replace(" ", "-")  # the dissector's tree


@pytest.fixture
def wrong_keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps({"guek": "00" * 16, "gak": "00" * 16}))
    return path


async def test_the_command_fails_where_a_test_fails(meter: MeterServer, wrong_keys_file: Path) -> None:
    """A wrong key: not a single association opens."""
    ran = await asyncio.to_thread(
        command, "run", f"127.0.0.1:{meter.port}", "--client", 2, "--keys", wrong_keys_file, "--select", "ASSOC-01"
    )
    assert ran.exit_code == 1
    assert "ASSOC-01   failed" in ran.stdout


def test_the_command_lists_its_tests() -> None:
    ran = command("run", "--list", "--select", "SEC", "--json")
    rows = json.loads(ran.stdout)
    assert len(rows) == 43
    assert rows[0]["id"] == "SEC-01"


async def visit(port: int, counter: CountUp) -> None:
    """Our client as a program would use it: open, read, leave; whatever goes wrong ends the visit."""
    credential = CREDENTIALS["reader"]
    client = await DlmsClient.connect(
        "127.0.0.1",
        port,
        ClientSettings(
            client_sap=2, mechanism=Mechanism.GMAC, guek=GUEK, gak=GAK, system_title=credential.title,
            protection=Protection.BOTH,
        ),
        counter=counter,
        timeout_s=2.0,
    )  # fmt: skip
    async with client:
        await client.associate()
        await client.get(CLOCK)
        await client.get(CLOCK)
        await client.release()


async def test_our_client_is_judged_over_sockets() -> None:
    ports: asyncio.Queue[int] = asyncio.Queue()
    ended: list[Conversation] = []
    task = asyncio.create_task(
        serve_judge(
            JudgeSettings(credential=CREDENTIALS["reader"], port=0), listening=ports.put_nowait, progress=ended.append
        )
    )
    port, counter = await ports.get(), CountUp(1)
    failures = 0
    for _ in Scenario:
        try:
            await visit(port, counter)
        except MeterworksError:  # each scenario but the honest one and the notification is made to be an error
            failures += 1
    report = await asyncio.wait_for(task, 10)
    assert unpassed(report) == {}
    assert report.count(Outcome.PASSED) >= 18
    assert failures >= 7
    assert [one.scenario for one in ended] == list(Scenario)


async def test_the_judge_stops_when_told() -> None:
    stop = asyncio.Event()
    settings = JudgeSettings(credential=CREDENTIALS["public"], port=0)
    report = await asyncio.wait_for(serve_judge(settings, listening=lambda _port: stop.set(), stop=stop), 10)
    assert report.count(Outcome.FAILED) == 0
