"""A whole system as its user starts it: `meterworks up` in a process of its own, spoken to over HTTP.

Ports are moved by an offset that no other test of this machine holds at the time (a locked file per offset).
"""

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest

OFFSETS = range(1000, 20_000, 100)
START_LIMIT_S = 90.0
STOP_LIMIT_S = 40.0
URL = re.compile(r"http://(?:127\.\d+\.\d+\.\d+|localhost)(?::\d+)?")
OPERATOR = re.compile(r"^\s*operator\s+(\S+)\s+(\S+)", re.IGNORECASE | re.MULTILINE)


@contextlib.contextmanager
def port_offset() -> Iterator[int]:
    """An offset for this test alone."""
    folder = Path(tempfile.gettempdir()) / "meterworks-test-offsets"
    folder.mkdir(exist_ok=True)
    for offset in OFFSETS:
        handle = os.open(folder / str(offset), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            continue
        if is_taken(8080 + offset):
            os.close(handle)
            continue
        try:
            yield offset
        finally:
            os.close(handle)
        return
    pytest.fail("no port offset is free on this machine")


def is_taken(port: int) -> bool:
    """Whether somebody who is no test listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class RunningSystem:
    """One `meterworks up`."""

    def __init__(self, data: Path, offset: int, *options: str) -> None:
        self.data = data
        self.offset = offset
        self._argv = [
            sys.executable, "-m", "meterworks.cli.main", "up",
            "--data", str(data), "--port-offset", str(offset), *options,
        ]  # fmt: skip
        self._process: subprocess.Popen[str] | None = None
        self._output: list[str] = []
        self._pump: threading.Thread | None = None
        self.token = ""

    @property
    def output(self) -> str:
        """What the command has printed so far."""
        return "".join(self._output)

    @property
    def url(self) -> str:
        """The first loopback address it printed: the portal's."""
        found = URL.search(self.output)
        return found.group(0) if found else ""

    def start(self, *, healthy: bool = True) -> "RunningSystem":
        """Start it and, unless told otherwise, wait until it is healthy and log in."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("METERWORKS_")}
        self._process = subprocess.Popen(
            self._argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
            start_new_session=True,
        )  # fmt: skip
        self._pump = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._pump.start()
        if healthy:
            self.wait(lambda: bool(self.url) and self.healthy(), "healthy", START_LIMIT_S)
            self.log_in()
        return self

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self._output.append(line)

    def healthy(self) -> bool:
        """Whether `api/v1/health` says so."""
        try:
            return self.get("/health", authorised=False).get("status") == "ok"
        except (OSError, ValueError):
            return False

    def log_in(self) -> None:
        """Take a token with the operator's password, which the first start printed, and enrol a second factor.

        A later start goes on with the token: a one-time code is taken once.
        """
        remembered = self.data.parent / f"{self.data.name}.token"
        found = OPERATOR.search(self.output)
        if not found:
            self.token = remembered.read_text()
            return
        self.token = self.request("POST", "/tokens", {"user": found.group(1), "password": found.group(2)})["token"]
        secret = self.request("POST", "/account/factors/totp")["secret"]
        self.request("POST", "/account/factors/totp/confirmation", {"code": pyotp.TOTP(secret).now()})
        remembered.write_text(self.token)

    def request(self, method: str, path: str, body: object | None = None, *, accept: str = "application/json") -> Any:
        """One call of the API; raises HTTPError for an answer that is an error."""
        headers = {"Accept": accept, "Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if accept == "application/json" else content

    def get(self, path: str, *, accept: str = "application/json", authorised: bool = True) -> Any:
        """One GET."""
        if authorised:
            return self.request("GET", path, accept=accept)
        with urllib.request.urlopen(f"{self.url}/api/v1{path}", timeout=5) as answer:
            return json.loads(answer.read())

    def process_id(self, name: str) -> int | None:
        """The number of a child process, as the system tells it."""
        try:
            return json.loads((self.data / "run" / "processes.json").read_text()).get(name)
        except (OSError, ValueError):
            return None

    def kill(self, name: str) -> None:
        """kill -9 of one child; its supervisor starts it again."""
        number = self.process_id(name)
        if number is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def wait(self, condition: Any, what: str, limit_s: float = 60.0, every_s: float = 0.1) -> None:
        """Wait for a condition; fail with the system's own words when it takes too long or the system has ended."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                if condition():
                    return
            if self._process is not None and self._process.poll() is not None:
                pytest.fail(f"the system ended while the test waited for {what}:\n{self.output}")
            time.sleep(every_s)
        pytest.fail(f"not {what} after {limit_s} s:\n{self.output[-3000:]}")

    def interrupt(self) -> int:
        """Ctrl-C, and the exit code it ends with."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(STOP_LIMIT_S)
        assert self._pump is not None
        self._pump.join(5)
        return code

    def finished(self, limit_s: float = START_LIMIT_S) -> int:
        """Wait for its own end."""
        assert self._process is not None
        code = self._process.wait(limit_s)
        assert self._pump is not None
        self._pump.join(5)
        return code

    def stop(self) -> None:
        """End it whatever it does."""
        if self._process is None:
            return
        if self._process.poll() is None:
            try:
                self.interrupt()
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(10)
        if self._pump is not None:
            self._pump.join(5)


@contextlib.contextmanager
def running_system(data: Path, *options: str) -> Iterator[RunningSystem]:
    """A healthy system, stopped at the end."""
    with port_offset() as offset:
        system = RunningSystem(data, offset, *options)
        try:
            yield system.start()
        finally:
            system.stop()
