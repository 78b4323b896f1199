"""Telemetry: JSON log lines, secrets kept out of them, metrics alone and over several processes."""

import json
import logging
import os
import subprocess
import sys

import pytest
import structlog

from meterworks.runtime import (
    METRICS_FOLDER_VARIABLE,
    SettingsError,
    configure_logging,
    counter,
    forget_process_metrics,
    gauge,
    get_logger,
    histogram,
    prepare_metrics_folder,
    render_metrics,
)
from meterworks.runtime.telemetry import REDACTED, redact_secrets


@pytest.fixture
def logs(tmp_path):
    """Configure logging of a process called `test` and give a function that reads its lines."""
    configure_logging("test", tmp_path, "info", console_level="error")
    yield lambda: [json.loads(line) for line in (tmp_path / "test.log").read_text().splitlines()]
    for handler in list(logging.getLogger().handlers):
        if getattr(handler, "meterworks", False):
            logging.getLogger().removeHandler(handler)
            handler.close()
    structlog.reset_defaults()


def test_a_line_is_json_with_sentence_fields_time_and_process(logs):
    get_logger("headend.session").info("association opened", device=17)
    (line,) = logs()
    assert (line["event"], line["device"], line["level"], line["process"]) == ("association opened", 17, "info", "test")
    assert line["logger"] == "headend.session"
    assert line["timestamp"].endswith("Z")
    assert line["pid"] == os.getpid()


def test_lines_below_the_level_are_not_written(logs):
    get_logger("x").debug("each message")
    get_logger("x").info("change of state")
    assert [line["event"] for line in logs()] == ["change of state"]


def test_the_standard_librarys_lines_take_the_same_way(logs):
    logging.getLogger("uvicorn.error").warning("worker %s left", 3)
    (line,) = logs()
    assert (line["event"], line["logger"]) == ("worker 3 left", "uvicorn.error")


def test_configuring_twice_writes_each_line_once(logs, tmp_path):
    configure_logging("test", tmp_path, "info", console_level="error")
    get_logger("x").info("once")
    assert len(logs()) == 1


def test_an_exception_is_written_as_text(logs):
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        get_logger("x").exception("sum failed")
    assert "ZeroDivisionError" in logs()[0]["exception"]


def test_values_json_does_not_know_are_written_as_text(logs, tmp_path):
    get_logger("x").info("odd", path=tmp_path, raw=b"\x01", numbers={1: 2})
    assert logs()[0]["path"] == str(tmp_path)


def test_only_important_lines_reach_standard_error(logs, capsys, tmp_path):
    configure_logging("test", tmp_path, "info", console_level="warning")
    get_logger("x").info("quiet")
    get_logger("x").warning("loud")
    captured = capsys.readouterr()
    assert "loud" in captured.err
    assert "quiet" not in captured.err
    assert captured.out == ""


def test_an_unknown_level_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="loud"):
        configure_logging("test", tmp_path, "loud")  # type: ignore[arg-type]


def test_before_configuration_warnings_go_to_standard_error(capsys):
    structlog.reset_defaults()
    get_logger("x").info("quiet")
    get_logger("x").warning("loud", password="hunter2")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "loud" in captured.err
    assert "quiet" not in captured.err
    assert "hunter2" not in captured.err
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "guek",
        "gak",
        "master_key",
        "transport-key",
        "password",
        "new_password",
        "token",
        "access_token",
        "PIN",
        "utrn",
        "Authorization",
    ],
)
def test_a_field_named_like_a_secret_is_redacted(name):
    assert redact_secrets(None, "info", {name: "s3cret"}) == {name: REDACTED}


@pytest.mark.parametrize(
    "name", ["event", "device", "keyboard", "monkey", "key_id", "token_count", "spin", "stokenizer"]
)
def test_other_fields_stay(name):
    assert redact_secrets(None, "info", {name: "value"}) == {name: "value"}


def test_secrets_inside_fields_are_redacted():
    event = {"device": {"id": 1, "keys": b"123", "parts": [{"gak": "1"}]}}
    assert redact_secrets(None, "info", event) == {"device": {"id": 1, "keys": REDACTED, "parts": [{"gak": REDACTED}]}}


def test_nesting_without_end_is_cut():
    nested: object = "deep"
    for _ in range(50):
        nested = {"a": nested}
    assert "deep" not in str(redact_secrets(None, "info", {"event": nested}))


def test_a_log_line_never_holds_a_secret(logs, tmp_path):
    get_logger("x").info("device added", guek=bytes(16), details={"password": "hunter2"})
    text = (tmp_path / "test.log").read_text()
    assert "hunter2" not in text
    assert text.count(REDACTED) == 2


def test_metrics_of_one_process_are_rendered():
    counter("test_events_total", "Events.", ["kind"]).labels("a").inc(3)
    gauge("test_level", "Level.").set(2.5)
    histogram("test_wait_s", "Wait.").observe(0.02)
    text = render_metrics().decode()
    assert 'meterworks_test_events_total{kind="a"} 3.0' in text
    assert "meterworks_test_level 2.5" in text
    assert 'meterworks_test_wait_s_bucket{le="0.025"} 1.0' in text


def test_a_metric_is_made_once_and_only_in_one_shape():
    assert counter("test_again_total", "Again.") is counter("test_again_total", "Again.")
    with pytest.raises(SettingsError):
        gauge("test_again_total", "Again.")
    with pytest.raises(SettingsError):
        counter("test_again_total", "Again.", ["kind"])


WORKER = """
from meterworks.runtime import counter, gauge
counter("worker_done_total", "Done.").inc(5)
gauge("worker_alive", "Alive.", across="livesum").set(1)
import os; print(os.getpid())
"""


def test_metrics_of_several_processes_are_summed(tmp_path, monkeypatch):
    (tmp_path / "counter_1.db").write_bytes(b"left by an earlier run")
    prepare_metrics_folder(tmp_path)
    monkeypatch.setenv(METRICS_FOLDER_VARIABLE, str(tmp_path))
    process_ids = [
        int(subprocess.run([sys.executable, "-c", WORKER], check=True, capture_output=True).stdout) for _ in range(2)
    ]
    text = render_metrics().decode()
    assert "meterworks_worker_done_total 10.0" in text
    assert "meterworks_worker_alive 2.0" in text
    forget_process_metrics(tmp_path, process_ids[0])
    text = render_metrics().decode()
    assert "meterworks_worker_done_total 10.0" in text
    assert "meterworks_worker_alive 1.0" in text
