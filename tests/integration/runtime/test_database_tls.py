"""Database on PostgreSQL with TLS and client certificates: the name is verified, and nothing goes in the clear.

Skipped where no PostgreSQL is installed.
"""

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.certificates import TestAuthority

from meterworks.runtime import Database, DatabaseSettings, DatabaseUnreachableError, DatabaseUsageError

SERVER_USER = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, user=SERVER_USER, cwd="/")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class SecuredPostgresql:
    """A server that lets in whoever shows a certificate of its authority with the account's name."""

    def __init__(self, folder: Path) -> None:
        self.authority = TestAuthority(folder / "pki")
        server = self.authority.issue("server")
        self.data, self.port = folder / "data", free_port()
        if SERVER_USER:
            for path in (folder, folder / "pki", server.key, server.certificate, server.anchors):
                shutil.chown(path, SERVER_USER)
        run("initdb", "--pgdata", str(self.data), "--auth", "trust", "--username", "meter", "--no-sync")
        (self.data / "pg_hba.conf").write_text(
            "local all all trust\nhostssl all all 127.0.0.1/32 cert\nhostnossl all all 127.0.0.1/32 reject\n"
        )
        options = {
            "listen_addresses": "127.0.0.1,127.0.0.2",
            "port": str(self.port),
            "unix_socket_directories": str(folder),
            "ssl": "on",
            "ssl_cert_file": str(server.certificate),
            "ssl_key_file": str(server.key),
            "ssl_ca_file": str(server.anchors),
            "ssl_min_protocol_version": "TLSv1.2",
        }
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in options.items())
        run("pg_ctl", "--pgdata", str(self.data), "--log", str(folder / "log"), "--wait", "start")

    def settings(self, context: ssl.SSLContext | None, host: str = "127.0.0.1") -> DatabaseSettings:
        """As a client connects."""
        return DatabaseSettings(url=f"postgresql://meter@{host}:{self.port}/postgres", tls=context)

    def stop(self) -> None:
        run("pg_ctl", "--pgdata", str(self.data), "--mode", "immediate", "stop")


@pytest.fixture(scope="module")
def postgresql():
    """A server of this module's own."""
    if shutil.which("initdb") is None or shutil.which("pg_ctl") is None:
        pytest.skip("no PostgreSQL server programs (initdb, pg_ctl) on the path")
    with tempfile.TemporaryDirectory(prefix="mw-pg-", dir="/tmp") as folder:  # short: a socket's path is limited
        server = SecuredPostgresql(Path(folder))
        yield server
        server.stop()


async def answer(settings: DatabaseSettings) -> str:
    """What the server says about the connection: its TLS version and the client's name."""
    database = Database(settings)
    try:
        async with database.read() as connection:
            question = sa.text("select version || ' ' || client_dn from pg_stat_ssl where pid = pg_backend_pid()")
            return str((await connection.execute(question)).scalar_one())
    finally:
        await database.close()


async def test_the_connection_is_encrypted_and_the_client_is_known_by_its_certificate(postgresql):
    client = postgresql.authority.issue("meter")
    assert await answer(postgresql.settings(client.client())) == "TLSv1.3 /CN=meter"


async def test_a_certificate_of_another_name_does_not_open_the_account(postgresql):
    other = postgresql.authority.issue("web")
    with pytest.raises((DatabaseUnreachableError, DatabaseUsageError), match="certificate authentication failed"):
        await answer(postgresql.settings(other.client()))


async def test_a_client_without_certificate_is_refused(postgresql):
    context = ssl.create_default_context(cafile=postgresql.authority.anchors)
    with pytest.raises((DatabaseUnreachableError, DatabaseUsageError)):
        await answer(postgresql.settings(context))


async def test_a_server_of_another_authority_or_name_is_refused(postgresql, tmp_path):
    stranger = TestAuthority(tmp_path / "pki", name="another").issue("meter")
    with pytest.raises(DatabaseUnreachableError, match="certificate verify failed"):
        await answer(postgresql.settings(stranger.client()))
    elsewhere = postgresql.settings(postgresql.authority.issue("meter").client(), host="127.0.0.2")
    with pytest.raises(DatabaseUnreachableError, match="IP address mismatch"):
        await answer(elsewhere)


async def test_a_server_that_wants_no_tls_is_refused(postgresql):
    """Whoever stands between may answer that the server has no TLS."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(10)
        settings = postgresql.settings(postgresql.authority.issue("meter").client())
        settings = replace(settings, url=settings.url.replace(str(postgresql.port), str(listener.getsockname()[1])))
        asked = asyncio.ensure_future(asyncio.to_thread(_answer_without_tls, listener))
        with pytest.raises(DatabaseUnreachableError):
            await answer(settings)
        assert await asked == 8  # the request for TLS, and nothing after it


def _answer_without_tls(listener: socket.socket) -> int:
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(5)
        size = len(connection.recv(64))
        connection.sendall(b"N")
        return size + len(connection.recv(64))
