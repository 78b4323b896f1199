"""Other accounts of the same machine: the bus is locked for them, and the data folder's parts are closed."""

import os
import ssl
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from meterworks.runtime import BusSettings, BusUnreachableError, NatsServer, NatsServerSettings, connect_bus
from meterworks.system.configuration import Layout, load_configuration
from meterworks.system.identity import BusAdmission, prepared_identities
from meterworks.system.privilege import IDENTITIES
from meterworks.system.start import _keep_private
from meterworks.system.vault import open_vault, secrets_for


def layout_in(folder: Path) -> Layout:
    return Layout(load_configuration(command_line={"system.data": folder}).configuration)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A data folder with the certificates of every process."""
    layout = layout_in(tmp_path_factory.mktemp("var"))
    with prepared_identities(layout):
        return layout


async def test_the_bus_of_a_system_lets_nobody_in_without_a_certificate(prepared: Layout, tmp_path: Path) -> None:
    settings = NatsServerSettings(
        folder=tmp_path, port=0, tls=BusAdmission(prepared).current(), probe=prepared.bus("supervisor").tls
    )
    async with NatsServer(settings) as server:
        plain = BusSettings(url=server.url.replace("tls://", "nats://"), connect_timeout_s=0.5)
        stranger = ssl.create_default_context(cafile=prepared.tls("web").anchors)
        nameless = replace(prepared.bus("writer"), url=server.url, tls=stranger, connect_timeout_s=0.5)
        for settings_of_a_stranger in (plain, nameless):
            with pytest.raises(BusUnreachableError):
                await connect_bus(settings_of_a_stranger)
        bus = await connect_bus(replace(prepared.bus("writer"), url=server.url))
        await bus.put("readings", "key", b"value")
        assert await bus.get("readings", "key") == b"value"
        await bus.close()


def test_every_secret_is_readable_by_its_owner_only_and_never_printed(prepared: Layout) -> None:
    secret = [path for path in prepared.data.rglob("*") if path.suffix in (".key", ".secret") or "vault" in path.parts]
    files = [path for path in secret if path.is_file()]
    assert len(files) > len(IDENTITIES)
    assert {mode_of(path) for path in files} == {0o600}
    for path in prepared.secrets.iterdir():
        text = path.read_text()
        assert text not in repr(secrets_for(prepared, "pki")) + repr(open_vault(prepared, "pki"))


def test_the_own_bus_is_joined_with_the_own_certificate_and_a_plain_one_without(prepared: Layout) -> None:
    own = prepared.bus("web")
    assert own.url.startswith("tls://127.0.0.1:")
    assert own.tls is not None
    assert own.inbox_prefix != prepared.bus("headend").inbox_prefix
    foreign = load_configuration(command_line={"system.data": prepared.data, "bus.url": "nats://10.0.0.1:4222"})
    assert Layout(foreign.configuration).bus("web").tls is None


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
