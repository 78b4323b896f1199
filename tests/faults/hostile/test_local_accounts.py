"""Other accounts of the same machine: the bus is locked for them, and the data folder's parts are closed."""

import json
import os
import stat
from pathlib import Path

import pytest

from meterworks.runtime import BusSettings, BusUnreachableError, NatsServer, NatsServerSettings, connect_bus
from meterworks.system.configuration import Layout, load_configuration
from meterworks.system.start import _keep_private

TOKEN = "of-this-start-only"


def layout_in(folder: Path) -> Layout:
    return Layout(load_configuration(command_line={"system.data": folder}).configuration)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("token", ["", "guessed", TOKEN[:-1]])
async def test_the_bus_lets_nobody_in_without_its_token(tmp_path: Path, token: str) -> None:
    async with NatsServer(NatsServerSettings(folder=tmp_path, port=0, token=TOKEN)) as server:
        with pytest.raises(BusUnreachableError):
            await connect_bus(BusSettings(url=server.url, token=token, connect_timeout_s=1.0))
        bus = await connect_bus(BusSettings(url=server.url, token=TOKEN))
        await bus.put("bucket", "key", b"value")
        assert await bus.get("bucket", "key") == b"value"
        await bus.close()


async def test_the_token_is_readable_by_its_owner_only_and_never_printed(tmp_path: Path) -> None:
    settings = NatsServerSettings(folder=tmp_path, port=0, token=TOKEN)
    async with NatsServer(settings):
        written = tmp_path / "nats-server.conf"
        assert json.loads(written.read_text())["authorization"] == {"token": TOKEN}
        assert mode_of(written) == 0o600
    assert TOKEN not in repr(settings) + repr(BusSettings(token=TOKEN))


def test_the_own_bus_is_joined_with_the_token_of_its_start_and_another_one_is_not(tmp_path: Path) -> None:
    layout = layout_in(tmp_path)
    assert layout.bus.token == ""
    layout.bus_token.parent.mkdir()
    layout.bus_token.write_text(TOKEN)
    assert layout.bus.token == TOKEN
    foreign = load_configuration(command_line={"system.data": tmp_path, "bus.url": "nats://10.0.0.1:4222"})
    assert Layout(foreign.configuration).bus.token == ""


def test_folders_with_keys_and_readings_are_closed_even_where_they_were_open(tmp_path: Path) -> None:
    layout = layout_in(tmp_path / "var")
    (layout.data / "db").mkdir(parents=True, mode=0o755)
    before = os.umask(0o022)
    try:
        _keep_private(layout)
        (layout.data / "new").mkdir()
    finally:
        os.umask(before)
    assert {mode_of(folder) for folder in (*layout.private, layout.data / "new")} == {0o700}
    assert layout.master_key.parent in layout.private
    assert layout.nats in layout.private
