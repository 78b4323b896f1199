"""The conformance suite: numbered tests of a DLMS/COSEM server, a strict server that judges clients, their reports."""

from meterworks.assess.conformance.credential import TESTER_TITLE, Credential, read_keys_file
from meterworks.assess.conformance.page import Annotate, render_page
from meterworks.assess.conformance.report import render_json, render_junit
from meterworks.assess.conformance.row import Exchanged, Group, Need, Outcome, Result, Row
from meterworks.assess.conformance.run import SuiteSettings, names_of, run_suite
from meterworks.assess.conformance.suite import ROWS, Report, run_rows, selected_rows
from meterworks.assess.conformance.tester import Tester

__all__ = [
    "ROWS",
    "TESTER_TITLE",
    "Annotate",
    "Credential",
    "Exchanged",
    "Group",
    "Need",
    "Outcome",
    "Report",
    "Result",
    "Row",
    "SuiteSettings",
    "Tester",
    "names_of",
    "read_keys_file",
    "render_json",
    "render_junit",
    "render_page",
    "run_rows",
    "run_suite",
    "selected_rows",
]
