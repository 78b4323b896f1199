"""Keeps child processes running: started in order or at once, restarted when they die, stopped in reverse order.

A child is restarted at once after its first death, then after 0.5 s, 1 s ... up to 10 s; one that was healthy for a
minute starts over. Each child is the head of its own session, so that Ctrl-C in the terminal reaches the supervisor
alone, which then stops them in order. On Linux the kernel ends the children when the supervisor dies, however it dies.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from meterworks.errors import MeterworksError, UsageError
from meterworks.runtime.errors import ChildFailedError, ChildUsageError
from meterworks.runtime.telemetry import counter, get_logger

__all__ = ["BackOff", "Child", "ChildState", "ChildStatus", "Supervisor"]

OUTPUT_FILE_SIZE_MAX = 16 * 2**20
OUTPUT_TAIL_SIZE = 4_000  # bytes of a child's last output that an error shows
READ_SIZE = 65_536
OUTPUT_LINGER_S = 1.0  # how long output is still read after a child's end: a grandchild may hold the pipe
START_ATTEMPTS_MAX = 3  # deaths before it was ever ready after which a child is given up

# Runs in the child before the program: asks the kernel for SIGTERM at the parent's death, then becomes the program. A
# little program of its own, because Python code between fork and exec is unsafe in a process that has threads.
_LAUNCH = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
try:
    os.execvpe(sys.argv[2], sys.argv[2:], os.environ)
except OSError as error:
    print(f"cannot run {sys.argv[2]}: {error.strerror}", file=sys.stderr)
    os._exit(127)
"""

_log = get_logger("runtime.supervise")
_restarts = counter("child_restarts_total", "Child processes that died and were started again.", ["child"])


class ChildState(Enum):
    """Where a child is in its life."""

    WAITING = "waiting"  # for those before it
    STARTING = "starting"  # runs, not ready yet
    READY = "ready"
    BACKING_OFF = "backing off"  # died, will be started again
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"  # given up while the system started


@dataclass(frozen=True, kw_only=True)
class ChildStatus:
    """What the supervisor knows of a child."""

    name: str
    state: ChildState = ChildState.WAITING
    process_id: int | None = None
    restarts: int = 0
    exit_code: int | None = None  # of the last end; minus the signal's number when a signal ended it


@dataclass(frozen=True, kw_only=True)
class Child:
    """A program to keep running."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)  # added to the supervisor's own
    before_start: Callable[[], None] | None = None  # before each start; what it raises counts as a failed start
    ready: Callable[[int], Awaitable[None]] | None = None  # given the process id, returns when it serves
    ready_timeout_s: float = 60.0
    stop_timeout_s: float = 10.0  # between SIGTERM and SIGKILL
    output_path: Path | None = None  # where its standard output and error go; one older file is kept beside it
    handed: Callable[[], bytes] | None = None  # read at each start: what it finds on its standard input, up to its end


@dataclass(frozen=True, kw_only=True)
class BackOff:
    """How long to wait before a child is started again."""

    first_s: float = 0.0
    second_s: float = 0.5
    longest_s: float = 10.0
    healthy_after_s: float = 60.0  # of readiness: then its deaths are forgotten

    def wait_s(self, deaths: int) -> float:
        """After this many deaths in a row."""
        return self.first_s if deaths <= 1 else min(self.second_s * 2 ** min(deaths - 2, 30), self.longest_s)


class Supervisor:
    """Runs children. `start()` returns when all are ready; `stop()` when all have ended.

    at_once: children start side by side, and wait themselves for what they need of each other.

    async with Supervisor([bus, writer, web], on_change=show): await stop_requested.wait()
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        on_change: Callable[[ChildStatus], None] | None = None,
        back_off: BackOff | None = None,
        at_once: bool = False,
    ) -> None:
        self._at_once = at_once
        self._keepers = [_Keeper(child, on_change or _ignore, back_off or BackOff()) for child in children]
        if len({child.name for child in children}) != len(children):
            raise UsageError("two children have the same name")

    @property
    def statuses(self) -> tuple[ChildStatus, ...]:
        """Of all children, in their order."""
        return tuple(keeper.status for keeper in self._keepers)

    def status(self, name: str) -> ChildStatus:
        """Of one child."""
        for status in self.statuses:
            if status.name == name:
                return status
        raise UsageError(f"there is no child {name!r}", name=name)

    async def start(self) -> None:
        """Start all, each when the one before is ready, or all at once.

        When one exits as misused (code 2), dies three times before it is ready, or `before_start` raises, all are
        stopped and ChildUsageError, ChildFailedError or what was raised tells why, with the child's last output.
        """
        starting: list[asyncio.Task[None]] = []
        try:
            for keeper in self._keepers:
                starting.append(asyncio.create_task(keeper.start()))
                if not self._at_once:
                    await starting[-1]
            await asyncio.gather(*starting)
        except BaseException:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all in reverse order: SIGTERM, and SIGKILL for one that is not gone within its limit."""
        for keeper in reversed(self._keepers):
            await keeper.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


class _Keeper:
    """Keeps one child."""

    def __init__(self, child: Child, on_change: Callable[[ChildStatus], None], back_off: BackOff) -> None:
        self._child = child
        self._on_change = on_change
        self._back_off = back_off
        self._output = _Output(child.output_path)
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._deaths = 0
        self._was_ready = False
        self.status = ChildStatus(name=child.name)

    async def start(self) -> None:
        """Start and wait until it is ready for the first time."""
        first_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep(first_ready))
        await first_ready

    async def stop(self) -> None:
        """Stop the child and its keeping."""
        if self._task is None:
            return
        task, self._task = self._task, None
        failed = self.status.state is ChildState.FAILED
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self._end_process()
        self._output.close()
        if not failed:
            self._change(state=ChildState.STOPPED, process_id=None)

    async def _keep(self, first_ready: "asyncio.Future[None]") -> None:
        while True:
            failure = await self._live(first_ready)
            if not self._was_ready and self._given_up(failure):
                self._change(state=ChildState.FAILED, process_id=None)
                if not first_ready.done():
                    first_ready.set_exception(failure)
                return
            wait_s = self._back_off.wait_s(self._deaths)
            _log.warning(
                "a child ended and will be started again",
                child=self._child.name,
                exit_code=self.status.exit_code,
                wait_s=wait_s,
                reason=str(failure).partition(";")[0].partition("\n")[0],
            )
            self._change(state=ChildState.BACKING_OFF, process_id=None)
            await asyncio.sleep(wait_s)
            _restarts.labels(self._child.name).inc()
            self.status = replace(self.status, restarts=self.status.restarts + 1)

    def _given_up(self, failure: MeterworksError) -> bool:
        return isinstance(failure, UsageError) or self._deaths >= START_ATTEMPTS_MAX

    async def _live(self, first_ready: "asyncio.Future[None]") -> MeterworksError:
        """One life of the child, from its start to its end; gives why it ended."""
        loop = asyncio.get_running_loop()
        self._deaths += 1
        try:
            process = await self._spawn()
        except MeterworksError as error:
            return error
        ended = asyncio.create_task(process.wait())
        pump = asyncio.create_task(self._output.pump(process))
        failure: MeterworksError | None = None
        try:
            failure = await self._until_ready(process, ended)
            if failure is None:
                ready_at = loop.time()
                self._was_ready = True
                self._change(state=ChildState.READY)
                if not first_ready.done():
                    first_ready.set_result(None)
                await asyncio.shield(ended)
                if loop.time() - ready_at >= self._back_off.healthy_after_s:
                    self._deaths = 1
        finally:
            await self._end_process()
            await asyncio.gather(ended)
            await _finish(pump, OUTPUT_LINGER_S)
            self._process = None
            self.status = replace(self.status, exit_code=process.returncode)
        return failure or self._failure(process.returncode)

    async def _spawn(self) -> asyncio.subprocess.Process:
        child = self._child
        if child.before_start is not None:
            child.before_start()
        argv = list(child.argv)
        if sys.platform == "linux":
            argv = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *argv]
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL if child.handed is None else asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **child.environment},
                start_new_session=True,
            )
        except OSError as error:
            raise ChildUsageError(f"cannot run {child.name} ({argv[0]}): {error}", name=child.name) from error
        self._process = process
        self._change(state=ChildState.STARTING, process_id=process.pid)
        if child.handed is not None and process.stdin is not None:
            process.stdin.write(child.handed())  # small: it fits into the pipe, however long the child takes to read
            process.stdin.close()
        return process

    async def _until_ready(
        self, process: asyncio.subprocess.Process, ended: "asyncio.Task[int]"
    ) -> MeterworksError | None:
        """None when it is ready; else why it will not be."""
        if self._child.ready is None:
            return None
        ready = asyncio.ensure_future(self._child.ready(process.pid))
        try:
            await asyncio.wait({ready, ended}, timeout=self._child.ready_timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return self._failure(process.returncode)
            if not ready.done():
                return self._failed(f"is not ready after {self._child.ready_timeout_s} s", None)
            error = ready.exception()
            if error is not None and not isinstance(error, MeterworksError):
                raise error
            return error
        finally:
            ready.cancel()
            await asyncio.gather(ready, return_exceptions=True)

    def _failure(self, exit_code: int | None) -> MeterworksError:
        if exit_code == UsageError.exit_code:
            text = self._output.tail or f"{self._child.name} says it is misused"
            return ChildUsageError(text, name=self._child.name, exit_code=exit_code)
        how = (
            f"was ended by signal {-exit_code}"
            if exit_code is not None and exit_code < 0
            else f"exited with {exit_code}"
        )
        return self._failed(how, exit_code)

    def _failed(self, how: str, exit_code: int | None) -> ChildFailedError:
        output = self._output.tail
        where = f" (all of it in {self._child.output_path})" if self._child.output_path else ""
        text = f"{self._child.name} {how}" + (f"; its last output{where}:\n{output}" if output else "")
        return ChildFailedError(text, name=self._child.name, exit_code=exit_code, output=output)

    async def _end_process(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._change(state=ChildState.STOPPING)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(self._child.stop_timeout_s):
                await asyncio.shield(process.wait())
        except TimeoutError:
            _log.warning("a child did not stop in time and is killed", child=self._child.name)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    def _change(self, **changes: object) -> None:
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]  # fields of ChildStatus, from this class
        self._on_change(self.status)


class _Output:
    """A child's output: appended to a file of bounded size, its end kept for error messages."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._tail = b""
        self._size = 0
        self._descriptor: int | None = None

    @property
    def tail(self) -> str:
        """The last output."""
        return self._tail.decode(errors="replace").strip()

    async def pump(self, process: asyncio.subprocess.Process) -> None:
        """Take all output until the child's end."""
        self._tail = b""
        stream = cast("asyncio.StreamReader", process.stdout)
        while data := await stream.read(READ_SIZE):
            self._tail = (self._tail + data)[-OUTPUT_TAIL_SIZE:]
            self._write(data)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, data: bytes) -> None:
        if self._path is None:
            return
        if self._descriptor is not None and self._size + len(data) > OUTPUT_FILE_SIZE_MAX:
            self.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
        if self._descriptor is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._size = os.fstat(self._descriptor).st_size
        os.write(self._descriptor, data)
        self._size += len(data)


async def _finish(task: "asyncio.Task[None]", limit_s: float) -> None:
    await asyncio.wait({task}, timeout=limit_s)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _ignore(_status: ChildStatus) -> None:
    pass
