"""Core dumps off and memory closed: asked of the kernel, in a process of its own.

Nothing stops root, who may run these tests: so both the process and the one that looks into it become another account.
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

OTHER_ACCOUNT = """
import ctypes, os, sys
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # a change of account made it non-dumpable: undo that
"""
HOLDER = """
secret = ctypes.create_string_buffer(b"a key in memory")
if "harden" in sys.argv:
    harden_process()
print(os.getpid(), ctypes.addressof(secret), flush=True)
sys.stdin.read()
"""
LOOKER = """
process, address = map(int, sys.argv[1:])
try:
    with open(f"/proc/{process}/mem", "rb") as memory:
        memory.seek(address)
        print(memory.read(15).decode())
except OSError as error:
    print(type(error).__name__)
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


@linux_only
@pytest.mark.parametrize(("word", "seen"), [("harden", "PermissionError"), ("leave", "a key in memory")])
def test_another_process_of_the_account_cannot_read_its_memory(word, seen):
    program = "from meterworks.trust.hardening import harden_process" + OTHER_ACCOUNT + HOLDER
    with subprocess.Popen(
        [sys.executable, "-c", program, word], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        process, address = holder.stdout.readline().split()
        looker = [sys.executable, "-c", OTHER_ACCOUNT + LOOKER, process, address]
        told = subprocess.run(looker, capture_output=True, text=True, check=True).stdout.strip()
        holder.communicate("")
    assert told == seen


@pytest.mark.parametrize("path", ["system/serving/process.py", "system/start.py"])
def test_every_process_of_a_system_is_hardened_before_it_opens_anything(path):
    text = (Path(__file__).resolve().parents[3] / "src" / "meterworks" / path).read_text()
    assert "harden_process()" in text
