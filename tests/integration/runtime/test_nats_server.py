"""NatsServer: what is in use is named, the port is kept over restarts, and nothing is left behind."""

import asyncio
import json
import os
import signal
import socket
import sys

import psutil
import pytest

from meterworks.runtime import (
    ChildFailedError,
    FolderInUseError,
    NatsServer,
    NatsServerSettings,
    PortInUseError,
    connect_bus,
)


async def test_a_server_starts_on_a_free_port_and_answers(nats_server):
    bus = await connect_bus(nats_server.url)
    await bus.put("bucket", "key", b"value")
    assert await bus.get("bucket", "key") == b"value"
    await bus.close()


async def test_streams_outlive_a_restart(tmp_path):
    for expected in (1, 2):
        async with NatsServer(NatsServerSettings(folder=tmp_path, port=0)) as server:
            bus = await connect_bus(server.url)
            await bus.ensure_stream("LOG", ["log"])
            assert await bus.publish("log", b"x") == expected
            await bus.close()


async def test_a_second_server_on_the_folder_is_told_who_holds_it(nats_server):
    second = NatsServer(NatsServerSettings(folder=nats_server.settings.folder, port=0))
    with pytest.raises(FolderInUseError, match="message bus server, process"):
        await second.start()
    bus = await connect_bus(nats_server.url)  # the first one is not disturbed
    await bus.close()


async def test_a_port_in_use_is_named(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        server = NatsServer(NatsServerSettings(folder=tmp_path, port=port))
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{port}"):
            await server.start()
    async with NatsServer(NatsServerSettings(folder=tmp_path, port=port)):
        pass  # both folder and port are free again


async def test_a_killed_server_comes_back_on_its_port(nats_server):
    url, first = nats_server.url, nats_server.process_id
    bus = await connect_bus(url)
    os.kill(first, signal.SIGKILL)
    await bus.put("bucket", "key", b"value")
    assert nats_server.url == url
    assert nats_server.process_id != first
    await bus.close()


async def test_a_stopped_server_leaves_no_process_and_no_ports_file(tmp_path):
    server = NatsServer(NatsServerSettings(folder=tmp_path, port=0))
    await server.start()
    process_id = server.process_id
    await server.stop()
    assert not psutil.pid_exists(process_id)
    assert list(tmp_path.glob("*.ports")) == []
    await server.stop()


async def test_a_store_that_cannot_be_used_shows_the_servers_own_words(tmp_path):
    (tmp_path / "jetstream").write_text("in the way")
    server = NatsServer(NatsServerSettings(folder=tmp_path, port=0, ready_timeout_s=5))
    with pytest.raises(ChildFailedError, match="storage directory is not a directory"):
        await server.start()


async def test_a_server_takes_messages_of_eight_megabytes(nats_server):
    bus = await connect_bus(nats_server.url)
    await bus.ensure_stream("LOG", ["log"])
    data = bytes(8 * 2**20 - 1_000)
    await bus.publish("log", data)
    (message,) = await bus.fetch("LOG")
    assert message.data == data
    await bus.close()


async def test_a_server_may_sync_each_message(tmp_path):
    async with NatsServer(NatsServerSettings(folder=tmp_path, port=0, sync_always=True)) as server:
        bus = await connect_bus(server.url)
        await bus.ensure_stream("LOG", ["log"])
        assert await bus.publish("log", b"x") == 1
        await bus.close()
    assert json.loads((tmp_path / "nats-server.conf").read_text())["jetstream"]["sync_interval"] == "always"


OWNER = """
import asyncio, sys
from pathlib import Path
from meterworks.runtime import NatsServer, NatsServerSettings

async def main():
    async with NatsServer(NatsServerSettings(folder=Path(sys.argv[1]), port=0)) as server:
        print(server.process_id, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
async def test_the_server_dies_with_the_process_that_started_it(tmp_path):
    command = (sys.executable, "-c", OWNER, str(tmp_path))
    owner = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    server_id = int(await owner.stdout.readline())
    server = psutil.Process(server_id)
    owner.kill()
    await owner.wait()
    await asyncio.to_thread(psutil.wait_procs, [server], 10)
    assert not psutil.pid_exists(server_id)
    async with NatsServer(NatsServerSettings(folder=tmp_path, port=0)):
        pass
