"""The conformance suite: numbered tests of a DLMS/COSEM server, a strict server that judges clients, their reports."""

from meterworks.assess.conformance.client_row import CLIENT_ROWS, judge_record
from meterworks.assess.conformance.credential import TESTER_TITLE, Credential, read_keys_file
from meterworks.assess.conformance.judge import ClientJudge, Conversation, Scenario
from meterworks.assess.conformance.judge_device import JudgeDevice
from meterworks.assess.conformance.judge_server import JudgeSettings, serve_judge
from meterworks.assess.conformance.page import Annotate, render_page
from meterworks.assess.conformance.report import render_json, render_junit
from meterworks.assess.conformance.row import Exchanged, Group, Need, Outcome, Result, Row
from meterworks.assess.conformance.run import SuiteSettings, names_of, run_suite
from meterworks.assess.conformance.suite import ROWS, Report, run_rows, selected_rows
from meterworks.assess.conformance.tester import Tester

__all__ = [
    "CLIENT_ROWS",
    "ROWS",
    "TESTER_TITLE",
    "Annotate",
    "ClientJudge",
    "Conversation",
    "Credential",
    "Exchanged",
    "Group",
    "JudgeDevice",
    "JudgeSettings",
    "Need",
    "Outcome",
    "Report",
    "Result",
    "Row",
    "Scenario",
    "SuiteSettings",
    "Tester",
    "judge_record",
    "names_of",
    "read_keys_file",
    "render_json",
    "render_junit",
    "render_page",
    "run_rows",
    "run_suite",
    "selected_rows",
    "serve_judge",
]
