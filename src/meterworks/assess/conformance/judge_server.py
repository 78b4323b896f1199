"""The judge on a socket: serves the client that connects until it was judged, or is told to stop."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast

from meterworks.assess.conformance.client_row import judge_record
from meterworks.assess.conformance.credential import Credential
from meterworks.assess.conformance.judge import ClientJudge, Conversation, JudgedConnection
from meterworks.assess.conformance.judge_device import MAX_PDU, JudgeDevice
from meterworks.assess.conformance.suite import Report
from meterworks.errors import UnreachableError

__all__ = ["JudgeSettings", "serve_judge"]

OPEN_MAX: Final = 16  # connections at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSettings:
    """Where a client is judged, and as whom it must come.

    port: 0 takes any, which `listening` is told. connections: ends after so many; 0 ends when every scenario was played
    and the last connection has ended. idle_s_max: ends a connection that is silent so long.
    """

    credential: Credential
    host: str = "127.0.0.1"
    port: int = 4059
    connections: int = 0
    idle_s_max: float = 60.0
    max_pdu: int = MAX_PDU


class _Judged(asyncio.Protocol):
    """One connection of the client."""

    def __init__(self, bench: "_Bench") -> None:
        self._bench = bench
        self._transport: asyncio.Transport | None = None
        self._connection: JudgedConnection | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connection = self._bench.admit(self)
        if self._connection is None:
            self._transport.abort()
            return
        self._watch()

    def _watch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._timer = asyncio.get_running_loop().call_later(self._bench.settings.idle_s_max, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        if self._connection is None or self._transport is None:
            return
        self._watch()
        self._transport.write(self._connection.receive(data))
        if self._connection.closed:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._connection is not None:
            self._connection.lost()
            self._bench.dismiss(self, self._connection.conversation)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class _Bench:
    """The connections of a run, and when it is over."""

    def __init__(
        self, judge: ClientJudge, settings: JudgeSettings, progress: Callable[[Conversation], None] | None
    ) -> None:
        self.judge = judge
        self.settings = settings
        self.over = asyncio.Event()
        self._progress = progress
        self._open: set[_Judged] = set()

    def admit(self, one: _Judged) -> JudgedConnection | None:
        if len(self._open) >= OPEN_MAX:
            return None
        connection = self.judge.connection()
        if connection is not None:
            self._open.add(one)
        return connection

    def dismiss(self, one: _Judged, conversation: Conversation) -> None:
        self._open.discard(one)
        if self._progress is not None:
            self._progress(conversation)
        ended = sum(conversation.ended for conversation in self.judge.record.conversations)
        wanted = self.settings.connections
        if ended >= wanted if wanted else self.judge.is_complete and not self._open:
            self.over.set()

    def end(self) -> None:
        for one in list(self._open):
            one.abort()


async def serve_judge(
    settings: JudgeSettings,
    *,
    listening: Callable[[int], None] | None = None,
    progress: Callable[[Conversation], None] | None = None,
    stop: asyncio.Event | None = None,
) -> Report:
    """Serve until the client was judged, or `stop` is set; give the report.

    listening: is told the port. progress: is told each conversation when it has ended. Raises UnreachableError where
    the address cannot be listened on.
    """
    began = datetime.now(UTC)
    device = JudgeDevice(settings.credential, lambda: datetime.now(UTC), max_pdu=settings.max_pdu)
    judge = ClientJudge(device)
    bench = _Bench(judge, settings, progress)
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(lambda: _Judged(bench), settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise UnreachableError(f"cannot listen on {where}: {error}", host=settings.host, port=settings.port) from error
    try:
        if listening is not None:
            listening(server.sockets[0].getsockname()[1])
        waits = [asyncio.ensure_future(event.wait()) for event in (bench.over, stop) if event is not None]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
    finally:
        server.close()
        bench.end()
        await server.wait_closed()
    return judge_record(judge, began=began, max_pdu=settings.max_pdu)
