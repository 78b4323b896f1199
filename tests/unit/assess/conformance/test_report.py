"""The three reports: what they say, and that nothing that came over the wire can become markup."""

import json
from datetime import UTC, datetime

import pytest
from defusedxml import ElementTree

from meterworks.assess.conformance import (
    Exchanged,
    Group,
    Outcome,
    Report,
    Result,
    Row,
    render_json,
    render_junit,
    render_page,
)

HOSTILE = "<script>alert(1)</script>"


def result(number: int, outcome: Outcome, reason: str = "", group: Group = Group.SERVICE) -> Result:
    row = Row(id=f"SERV-{number:02}", group=group, title=f"Title & {number}", clause="a <clause>", check=lambda _: None)
    evidence = (
        Exchanged(True, b"\xc0\x01\xc1"),
        Exchanged(False, b"\xc8\x05" + bytes(5), b"\xc4\x01\xc1\x00\x11\x05"),
        Exchanged(False, b"", None, HOSTILE),
    )
    return Result(row=row, outcome=outcome, reason=reason, duration_s=0.25, evidence=evidence)


@pytest.fixture
def report() -> Report:
    results = (
        result(1, Outcome.PASSED, "fine"),
        result(2, Outcome.FAILED, f"it said {HOSTILE}"),
        result(3, Outcome.INCONCLUSIVE, "no object"),
        result(4, Outcome.NOT_APPLICABLE, "needs keys", Group.SECURITY),
    )
    return Report(
        target="tcp://meter:4059", began=datetime(2026, 11, 21, 12, tzinfo=UTC), duration_s=1.5, results=results,
        facts=(("mechanism", HOSTILE),),
    )  # fmt: skip


def test_json_counts_and_keeps_the_evidence(report: Report) -> None:
    told = json.loads(json.dumps(render_json(report)))
    assert (told["passed"], told["failed"], told["inconclusive"], told["not_applicable"]) == (1, 1, 1, 1)
    assert told["began"] == "2026-11-21T12:00:00+00:00"
    row = told["results"][1]
    assert row["id"] == "SERV-02"
    assert row["outcome"] == "failed"
    assert row["evidence"][0] == {"direction": "sent", "octets": "c001c1"}
    assert row["evidence"][1]["plain"] == "c401c1001105"


def test_junit_has_a_suite_for_each_group(report: Report) -> None:
    top = ElementTree.fromstring(render_junit(report))
    suites = {suite.get("name"): suite for suite in top.findall("testsuite")}
    assert set(suites) == {"Services", "Security"}
    services = suites["Services"]
    assert [services.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["3", "1", "1", "0"]
    failure = services.find("testcase[2]/failure")
    assert failure is not None
    assert failure.get("message") == f"it said {HOSTILE}"
    output = services.findtext("testcase[2]/system-out")
    assert output is not None
    assert output.splitlines()[0] == "> c001c1"
    assert "(inside: c401c1001105)" in output
    assert suites["Security"].find("testcase/skipped") is not None
    assert services.find("testcase[1]/system-out") is None


def test_the_page_stands_alone_and_escapes_what_it_was_told(report: Report) -> None:
    page = render_page(report)
    assert "<script" not in page
    assert "src=" not in page
    assert "http" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("<details") == 4
    assert page.count("<details id='SERV-02' open>") == 1
    assert "c401c1001105" in page


def test_the_picture_shares_each_bar_out_by_outcome(report: Report) -> None:
    page = render_page(report)
    assert page.count("<rect") == 4 + 4  # three outcomes of services, one of security, and the legend
    assert "<title>1 failed</title>" in page


def test_the_page_annotates_the_apdu_inside(report: Report) -> None:
    seen: list[bytes] = []

    def annotate(apdu: bytes) -> str:
        seen.append(apdu)
        return f"GET <{len(apdu)}>"

    page = render_page(report, annotate=annotate)
    assert seen[:2] == [b"\xc0\x01\xc1", bytes.fromhex("c401c1001105")]
    assert "GET &lt;6&gt;" in page


def test_long_evidence_is_cut() -> None:
    row = Row(id="SERV-01", group=Group.SERVICE, title="T", clause="c", check=lambda _: None)
    evidence = tuple(Exchanged(True, bytes(3000)) for _ in range(50))
    long = Result(row=row, outcome=Outcome.FAILED, reason="r", duration_s=0, evidence=evidence)
    report = Report(target="t", began=datetime(2026, 1, 1, tzinfo=UTC), duration_s=0, results=(long,))
    page = render_page(report)
    assert "and 10 more" in page
    assert "(3000 octets)" in page
    assert len(page) < 120_000
