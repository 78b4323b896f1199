"""What a supervisor hands a child goes through its standard input, at every start, and shows nowhere else."""

import asyncio
import os
import sys
from pathlib import Path

from meterworks.runtime import BackOff, Child, Supervisor

KEEPER = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read()); time.sleep(60)"
SECRET = b"of this start only"


async def told(path: Path) -> bytes:
    """Wait for what the child wrote, and take it away."""
    async with asyncio.timeout(20):
        while not path.exists() or path.read_bytes() != SECRET:  # noqa: ASYNC110, ASYNC240  # written by another process
            await asyncio.sleep(0.01)
    path.unlink()  # noqa: ASYNC240  # as above
    return SECRET


async def test_a_child_finds_it_at_each_start_and_the_machine_does_not(tmp_path: Path) -> None:
    path = tmp_path / "found"
    child = Child(name="keeper", argv=[sys.executable, "-I", "-c", KEEPER, str(path)], handed=lambda: SECRET)
    async with Supervisor([child], back_off=BackOff()) as supervisor:
        assert await told(path) == SECRET
        number = supervisor.status("keeper").process_id
        assert number is not None
        if sys.platform == "linux":
            shown = Path(f"/proc/{number}/cmdline").read_bytes() + Path(f"/proc/{number}/environ").read_bytes()  # noqa: ASYNC240
            assert SECRET not in shown
        os.kill(number, 9)
        assert await told(path) == SECRET
