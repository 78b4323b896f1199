"""Core dumps off and memory closed: asked of the kernel, in a process of its own.

That another user cannot read the memory cannot be tried here where tests run as root, whom nothing stops; so the flags
are judged that make the kernel refuse it.
"""

import subprocess
import sys
from pathlib import Path

import pytest

HARDENED = """
from meterworks.trust.hardening import harden_process
first, second = harden_process(), harden_process()
assert first == second
limit = next(line.split()[4:6] for line in open("/proc/self/limits") if line.startswith("Max core"))
import ctypes
print(*limit, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), first.core_dumps_off, first.non_dumpable)
"""
CHILD = """
import subprocess, sys
from meterworks.trust.hardening import harden_process
harden_process()
print(subprocess.run(["cat", "/proc/self/limits"], capture_output=True, text=True).stdout)
"""

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the flags are read from /proc")


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@linux_only
def test_a_hardened_process_dumps_no_core_and_is_not_dumpable():
    assert run(HARDENED) == "0 0 0 True True"


@linux_only
def test_its_children_dump_no_core_either():
    line = next(line for line in run(CHILD).splitlines() if line.startswith("Max core"))
    assert line.split()[4:6] == ["0", "0"]


@linux_only
def test_a_process_that_was_not_hardened_is_told_apart():
    told = run("from meterworks.trust.hardening import hardening_of_process as of; print(of().non_dumpable)")
    assert told == "False"


@pytest.mark.parametrize("path", ["system/serving/process.py", "system/start.py"])
def test_every_process_of_a_system_is_hardened_before_it_opens_anything(path):
    text = (Path(__file__).resolve().parents[3] / "src" / "meterworks" / path).read_text()
    assert "harden_process()" in text
