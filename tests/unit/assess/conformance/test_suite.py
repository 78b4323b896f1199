"""The suite as a whole: our own servers pass what applies to them, rows are well made, selection and outcomes work."""

import re
from typing import cast

import pytest
from tests.integration.dlms.example_device import PASSWORD, ExampleDevice
from tests.unit.assess.conformance.bench import CREDENTIALS, emulated_meter, judge, make_tester, server_of
from tests.unit.assess.conformance.broken import GeneralBlocks

from meterworks.assess.conformance import ROWS, Group, Outcome, Result, Row, run_rows, selected_rows
from meterworks.assess.conformance.row import CheckFailed, Inconclusive, NotApplicable
from meterworks.devices import STYLES
from meterworks.errors import UnreachableError, UsageError
from meterworks.protocols.dlms import LogicalDevice
from meterworks.protocols.dlms.hdlc import HDLC

PASSED_MIN = {"public": 100, "reader": 170, "management": 170}
SERVICES = ("LINK", "ASSOC", "SERV-02", "SERV-03", "SERV-1", "BLOCK", "SEC", "ROB")


def not_passed(results: dict[str, Result]) -> dict[str, str]:
    """What failed or could not be judged."""
    bad = (Outcome.FAILED, Outcome.INCONCLUSIVE)
    return {row.row.id: f"{row.outcome.value}: {row.reason}" for row in results.values() if row.outcome in bad}


@pytest.mark.parametrize("over_hdlc", [False, True], ids=["wrapper", "hdlc"])
@pytest.mark.parametrize("who", PASSED_MIN)
def test_our_meter_passes_all_that_applies(who: str, over_hdlc: bool) -> None:
    served = server_of(emulated_meter(), HDLC) if over_hdlc else server_of(emulated_meter())
    results = judge(served, CREDENTIALS[who], over_hdlc=over_hdlc)
    assert not_passed(results) == {}
    passed = sum(result.outcome is Outcome.PASSED for result in results.values())
    assert passed >= PASSED_MIN[who]


@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("style", STYLES)
def test_a_meter_of_each_style_passes_what_is_about_its_objects(style: str, phases: int) -> None:
    for who in ("public", "management"):
        results = judge(server_of(emulated_meter(phases, style=style)), CREDENTIALS[who], ["CLASS", "SERV", "BLOCK"])
        assert not_passed(results) == {}


def test_our_meter_passes_tests_that_write() -> None:
    results = judge(server_of(emulated_meter()), CREDENTIALS["management"], ["CLASS-11", "CLASS-25"], writes=True)
    assert {result.outcome for result in results.values()} == {Outcome.PASSED}


def test_nothing_is_written_without_leave() -> None:
    device = ExampleDevice()
    judge(server_of(device), CREDENTIALS["management"])
    assert device.written == {}
    assert device.invoked == []


@pytest.mark.parametrize("who", ["low", "gmac-plain", "reader"])
def test_a_server_of_any_device_passes_what_is_about_services(who: str) -> None:
    assert not_passed(judge(server_of(ExampleDevice()), CREDENTIALS[who], SERVICES)) == {}


def test_rows_are_numbered_once_and_name_their_clause() -> None:
    ids = [row.id for row in ROWS]
    assert len(ids) == len(set(ids)) >= 200
    for row in ROWS:
        assert re.fullmatch(r"(LINK|ASSOC|SERV|BLOCK|SEC|CLASS|ROB)-\d\d", row.id)
        assert row.clause.startswith("IEC 62056")
        assert row.title[0].isupper()
        assert not row.title.endswith(".")


@pytest.mark.parametrize(
    ("patterns", "first", "count"),
    [
        (["ASSOC-03"], "ASSOC-03", 1),
        (["assoc-03", "SEC-01"], "ASSOC-03", 2),
        (["ROB"], "ROB-01", 15),
        (["*-01"], "LINK-01", 7),
    ],
)
def test_rows_are_selected_by_id_group_and_pattern(patterns: list[str], first: str, count: int) -> None:
    rows = selected_rows(patterns)
    assert rows[0].id == first
    assert len(rows) == count


def test_a_pattern_that_names_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="no test is called NONSENSE"):
        selected_rows(["NONSENSE"])


def outcome_of(error: Exception | None) -> Result:
    def check(_tester: object) -> str | None:
        if error is not None:
            raise error
        return "a remark"

    row = Row(id="X-01", group=Group.SERVICE, title="t", clause="c", check=check)
    report = run_rows(make_tester(server_of(ExampleDevice()), CREDENTIALS["public"]), [row], target="t")
    return report.results[0]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, Outcome.PASSED),
        (CheckFailed("x"), Outcome.FAILED),
        (NotApplicable("x"), Outcome.NOT_APPLICABLE),
        (Inconclusive("x"), Outcome.INCONCLUSIVE),
        (UnreachableError("x"), Outcome.INCONCLUSIVE),
        (UsageError("x"), Outcome.FAILED),
        (IndexError("x"), Outcome.INCONCLUSIVE),
    ],
)
def test_what_a_check_raises_is_its_outcome(error: Exception | None, outcome: Outcome) -> None:
    assert outcome_of(error).outcome is outcome


def test_a_report_without_failures_passes_only_if_anything_passed() -> None:
    tester = make_tester(server_of(emulated_meter()), CREDENTIALS["public"])
    report = run_rows(tester, selected_rows(["SEC-01"]), target="t")
    assert report.count(Outcome.NOT_APPLICABLE) == 1
    assert not report.passed
    assert run_rows(tester, selected_rows(["ASSOC-01"]), target="t").passed


def test_the_survey_is_told_in_the_report() -> None:
    tester = make_tester(server_of(emulated_meter()), CREDENTIALS["reader"])
    facts = dict(run_rows(tester, selected_rows(["ASSOC-01"]), target="t").facts)
    assert facts["client address"] == "2"
    assert facts["public client"] == "known"
    assert facts["server's system title"] == "4d575200000001a5"
    assert int(facts["objects in the list"]) > 50


@pytest.mark.parametrize("who", ["public", "reader"])
def test_our_meter_passes_general_block_transfer(who: str) -> None:
    results = judge(server_of(cast(LogicalDevice, GeneralBlocks())), CREDENTIALS[who], ["BLOCK"])
    assert not_passed(results) == {}
    assert all(results[f"BLOCK-{number}"].outcome is Outcome.PASSED for number in range(23, 28))


def test_a_report_holds_no_password() -> None:
    results = judge(server_of(ExampleDevice()), CREDENTIALS["low"], ["ASSOC"])
    octets = b"".join(one.octets + (one.plain or b"") for result in results.values() for one in result.evidence)
    assert b"********" in octets
    assert PASSWORD not in octets
