"""Supervisor with real child processes: order, restarts, back-off, output and clean ends."""

import asyncio
import os
import signal
import sys

import psutil
import pytest

from meterworks.errors import UsageError
from meterworks.runtime import BackOff, Child, ChildFailedError, ChildState, ChildUsageError, Supervisor

FAST = BackOff(second_s=0.02, longest_s=0.05)


def shell(name: str, script: str, **options) -> Child:
    return Child(name=name, argv=["/bin/sh", "-c", script], **options)


def sleeper(name: str, **options) -> Child:
    return shell(name, "exec sleep 1000", **options)


class Watch:
    """Records what a supervisor reports and waits for what a test expects."""

    def __init__(self) -> None:
        self.seen: list = []
        self._changed = asyncio.Event()

    def __call__(self, status) -> None:
        self.seen.append(status)
        self._changed.set()

    async def until(self, condition) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def states(self, name: str) -> list[ChildState]:
        return [status.state for status in self.seen if status.name == name]


async def test_children_start_in_order_and_stop_in_reverse():
    watch = Watch()
    async with Supervisor([sleeper("bus"), sleeper("writer"), sleeper("web")], on_change=watch):
        assert [status.name for status in watch.seen if status.state is ChildState.READY] == ["bus", "writer", "web"]
    assert [status.name for status in watch.seen if status.state is ChildState.STOPPED] == ["web", "writer", "bus"]


async def test_a_child_starts_only_when_the_one_before_is_ready():
    watch, open_door = Watch(), asyncio.Event()

    async def ready(_process_id: int) -> None:
        await open_door.wait()

    supervisor = Supervisor([sleeper("first", ready=ready), sleeper("second")], on_change=watch)
    starting = asyncio.create_task(supervisor.start())
    await watch.until(lambda: ChildState.STARTING in watch.states("first"))
    assert supervisor.status("second").state is ChildState.WAITING
    open_door.set()
    await starting
    assert supervisor.status("second").state is ChildState.READY
    await supervisor.stop()


async def test_children_that_start_at_once_do_not_wait_for_each_other_and_stop_in_reverse():
    watch, open_door = Watch(), asyncio.Event()

    async def ready(_process_id: int) -> None:
        await open_door.wait()

    children = [sleeper("writer", ready=ready), sleeper("web")]
    supervisor = Supervisor(children, on_change=watch, at_once=True)
    starting = asyncio.create_task(supervisor.start())
    await watch.until(lambda: ChildState.READY in watch.states("web"))
    assert supervisor.status("writer").state is ChildState.STARTING
    open_door.set()
    await starting
    await supervisor.stop()
    assert [status.name for status in watch.seen if status.state is ChildState.STOPPED] == ["web", "writer"]


async def test_one_that_fails_among_those_that_start_at_once_ends_them_all():
    async def never(_process_id: int) -> None:
        await asyncio.Event().wait()

    children = [sleeper("writer", ready=never), shell("web", "echo no such port; exit 2", ready=never)]
    supervisor = Supervisor(children, at_once=True)
    with pytest.raises(ChildUsageError, match="no such port"):
        await supervisor.start()
    assert supervisor.status("writer").state is ChildState.STOPPED
    assert supervisor.status("web").state is ChildState.FAILED


async def test_a_killed_child_is_started_again():
    watch = Watch()
    async with Supervisor([sleeper("a"), sleeper("b")], on_change=watch, back_off=FAST) as supervisor:
        first, other = supervisor.status("a").process_id, supervisor.status("b").process_id
        os.kill(first, signal.SIGKILL)
        await watch.until(
            lambda: supervisor.status("a").restarts == 1 and supervisor.status("a").process_id is not None
        )
        await watch.until(lambda: supervisor.status("a").state is ChildState.READY)
        assert supervisor.status("a").process_id != first
        assert supervisor.status("a").exit_code == -signal.SIGKILL
        assert supervisor.status("b").process_id == other


async def test_a_child_that_dies_again_and_again_is_started_again_and_again():
    watch = Watch()
    async with Supervisor([shell("a", "exit 7")], on_change=watch, back_off=FAST) as supervisor:
        await watch.until(lambda: supervisor.status("a").restarts >= 5)
    assert {status.exit_code for status in watch.seen if status.state is ChildState.BACKING_OFF} == {7}


def test_waits_grow_from_none_to_the_longest():
    back_off = BackOff()
    assert [back_off.wait_s(deaths) for deaths in (1, 2, 3, 4, 5, 6, 7, 1_000)] == [0, 0.5, 1, 2, 4, 8, 10, 10]


async def test_a_child_that_was_healthy_starts_over_at_once():
    watch = Watch()
    patient = BackOff(second_s=1_000, longest_s=1_000, healthy_after_s=0)
    async with Supervisor([sleeper("a")], on_change=watch, back_off=patient) as supervisor:
        for restarts in (1, 2, 3):
            os.kill(supervisor.status("a").process_id, signal.SIGKILL)
            await watch.until(lambda n=restarts: supervisor.status("a").restarts == n)
            await watch.until(lambda: supervisor.status("a").state is ChildState.READY)
        assert supervisor.status("a").restarts == 3


async def test_output_goes_to_its_file(tmp_path):
    path = tmp_path / "log" / "a.out"
    child = shell("a", "echo to stdout; echo to stderr >&2; exec sleep 1000", output_path=path)
    async with Supervisor([child]):
        async with asyncio.timeout(5):
            while not path.exists() or len(path.read_text().splitlines()) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert sorted(path.read_text().splitlines()) == ["to stderr", "to stdout"]


async def test_an_output_file_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("meterworks.runtime.supervise.OUTPUT_FILE_SIZE_MAX", 100_000)
    monkeypatch.setattr("meterworks.runtime.supervise.READ_SIZE", 10_000)
    watch = Watch()
    child = shell("a", "head -c 450000 /dev/zero", output_path=tmp_path / "a.out")
    async with Supervisor([child], on_change=watch, back_off=BackOff(first_s=1_000)) as supervisor:
        await watch.until(lambda: supervisor.status("a").state is ChildState.BACKING_OFF)
    sizes = sorted((file.name, file.stat().st_size) for file in tmp_path.iterdir())
    assert [name for name, _ in sizes] == ["a.out", "a.out.1"]
    assert all(size <= 100_000 for _, size in sizes)


async def never(_process_id: int) -> None:
    await asyncio.Event().wait()


async def test_a_child_that_dies_before_it_is_ready_is_given_up_with_its_last_words():
    watch = Watch()
    children = [sleeper("bus"), shell("writer", "echo no disk; exit 1", ready=never)]
    supervisor = Supervisor(children, on_change=watch, back_off=FAST)
    with pytest.raises(ChildFailedError, match="no disk") as caught:
        await supervisor.start()
    assert caught.value.facts["exit_code"] == 1
    assert watch.states("writer").count(ChildState.STARTING) == 3
    assert supervisor.status("writer").state is ChildState.FAILED
    assert supervisor.status("bus").state is ChildState.STOPPED


async def test_a_child_that_is_misused_is_not_tried_twice():
    watch = Watch()
    supervisor = Supervisor([shell("web", "echo port 8080 is in use; exit 2", ready=never)], on_change=watch)
    with pytest.raises(ChildUsageError, match="port 8080 is in use"):
        await supervisor.start()
    assert watch.states("web").count(ChildState.STARTING) == 1


async def test_a_child_that_never_gets_ready_is_given_up():
    supervisor = Supervisor([sleeper("slow", ready=never, ready_timeout_s=0.02)], back_off=FAST)
    with pytest.raises(ChildFailedError, match=r"not ready after 0\.02 s"):
        await supervisor.start()


async def test_what_is_raised_before_a_start_is_told_as_it_is():
    def refuse() -> None:
        raise UsageError("the folder is in use")

    supervisor = Supervisor([sleeper("a", before_start=refuse)])
    with pytest.raises(UsageError, match="the folder is in use"):
        await supervisor.start()
    assert supervisor.status("a").process_id is None


async def test_a_program_that_is_not_there_is_named():
    supervisor = Supervisor([Child(name="a", argv=["/nowhere/program"], ready=never)], back_off=FAST)
    with pytest.raises((ChildFailedError, ChildUsageError), match="/nowhere/program"):
        await supervisor.start()


async def test_a_child_that_ignores_the_stop_is_killed_with_all_its_own():
    deaf = "trap '' TERM; while :; do sleep 1; done"
    script = f"( {deaf} ) & {deaf}"
    supervisor = Supervisor([shell("stubborn", script, stop_timeout_s=0.2)])
    await supervisor.start()
    outer = psutil.Process(supervisor.status("stubborn").process_id)
    async with asyncio.timeout(5):
        while len(outer.children(recursive=True)) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    family = [outer, *outer.children(recursive=True)]
    await supervisor.stop()
    await asyncio.to_thread(psutil.wait_procs, family, 5)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)


async def test_stopping_while_a_child_starts_ends_it():
    watch = Watch()
    supervisor = Supervisor([sleeper("a", ready=never)], on_change=watch)
    starting = asyncio.create_task(supervisor.start())
    await watch.until(lambda: supervisor.status("a").process_id is not None)
    process_id = supervisor.status("a").process_id
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert not psutil.pid_exists(process_id)
    assert supervisor.status("a").state is ChildState.STOPPED


async def test_a_child_gets_the_environment_and_a_session_of_its_own(tmp_path):
    child = shell("a", 'echo "$METER" > result; exec sleep 1000', environment={"METER": "17"})
    child = Child(**{**vars(child), "argv": ["/bin/sh", "-c", f"cd {tmp_path}; " + child.argv[2]]})
    async with Supervisor([child]) as supervisor:
        async with asyncio.timeout(5):
            while not (tmp_path / "result").exists() or not (tmp_path / "result").read_text():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        process_id = supervisor.status("a").process_id
        assert os.getsid(process_id) == process_id
    assert (tmp_path / "result").read_text() == "17\n"


async def test_names_are_unique_and_known():
    with pytest.raises(UsageError, match="same name"):
        Supervisor([sleeper("a"), sleeper("a")])
    with pytest.raises(UsageError, match="'b'"):
        Supervisor([sleeper("a")]).status("b")


PARENT = """
import asyncio
from meterworks.runtime import Child, Supervisor

async def main():
    async with Supervisor([Child(name="a", argv=["sleep", "1000"])]) as supervisor:
        print(supervisor.status("a").process_id, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
async def test_children_end_when_the_supervisor_is_killed():
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE)
    child = psutil.Process(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    gone, _ = await asyncio.to_thread(psutil.wait_procs, [child], 10)
    assert child in gone or child.status() == psutil.STATUS_ZOMBIE
