"""The doctor's findings: what is good, what is bad, and what to do."""

import socket

from meterworks.system.configuration import Layout, load_configuration
from meterworks.system.examination import examine


def layout(tmp_path, **given):
    given = {key.replace("__", "."): value for key, value in given.items()}
    return Layout(load_configuration(command_line={"system.data": tmp_path / "var", **given}).configuration)


def finding(findings, check):
    return next(row for row in findings if row.check == check)


def test_this_machine_is_fit_for_the_tests(tmp_path):
    findings = examine(layout(tmp_path, system__port_offset=23_000))
    assert {row.check for row in findings} >= {"Python", "disk", "data folder", "clock", "open files", "package duckdb"}
    assert [row for row in findings if row.state == "bad"] == []


def test_a_port_in_use_is_bad_and_says_what_to_do(tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        found = finding(examine(layout(tmp_path, web__port=listener.getsockname()[1])), "port of portal and API")
    assert found.state == "bad"
    assert "web.port" in found.advice


def test_a_data_folder_below_a_file_is_bad(tmp_path):
    (tmp_path / "file").write_text("")
    findings = examine(layout(tmp_path, system__data=tmp_path / "file" / "var", system__port_offset=23_100))
    assert finding(findings, "data folder").state == "bad"


def test_looking_changes_nothing(tmp_path):
    examine(layout(tmp_path, system__port_offset=23_200))
    assert list(tmp_path.iterdir()) == []
