"""One lasting connection to a NATS server or cluster: it comes back by itself, and tells who waits when it broke.

All replies come to one inbox and are handed to the call they belong to by the last word of their subject. When the
connection breaks, every waiting call is told at once, so that it can ask again as soon as the server is back instead of
waiting for its time-out.
"""

import asyncio
import contextlib
import itertools
import json
import re
import ssl
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from meterworks.errors import MeterworksError
from meterworks.runtime.bus.contract import BusSettings
from meterworks.runtime.bus.nats_client import GuardedClient, Msg, NatsSubscription, errors
from meterworks.runtime.errors import BusForbiddenError, BusUnreachableError, BusUsageError
from meterworks.runtime.telemetry import get_logger

__all__ = ["Link", "LinkLost", "NoResponder", "status_of"]

RECONNECT_WAIT_S = 0.2
CANCEL_AGAIN_S = 0.1
PING_INTERVAL_S = 5  # a server that is silent for two of them is taken for lost
PENDING_SIZE_MAX = (
    256 * 2**20
)  # never reached: our own window is smaller; nats-py's flush at its limit eats cancellation
STATUS: Final = "Status"
NO_RESPONDER: Final = "503"
_VIOLATION = re.compile(r'permissions violation for (?:publish|subscription) to "([^"]+)"', re.IGNORECASE)

_log = get_logger("runtime.bus")


class LinkLost(Exception):  # a state of affairs that this folder handles; it never leaves it
    """The connection broke, or no reply came in time, while a call waited."""


class NoResponder(Exception):  # as above
    """The server says that nobody listens at the subject."""


class Link:
    """The connection. `connect()` first; then `ask`, `ask_many`, `send`, `subscribe`."""

    def __init__(self, settings: BusSettings) -> None:
        self.settings = settings
        self.generation = 0  # grows with each reconnection
        self._client = GuardedClient(self._judge)
        self._up = asyncio.Event()
        self._waiting: dict[str, Callable[[Msg | None], None]] = {}
        self._forbidden: set[str] = set()  # subjects the server refused on this connection, in lower case
        self._asked: dict[str, str] = {}  # subject of each waiting call, in lower case
        self._tokens = itertools.count()
        self._inbox = ""
        self._last_error = ""
        self._closed = False

    async def connect(self) -> None:
        """Connect for the first time, trying until the time is up."""
        settings = self.settings
        try:
            await _within(settings.connect_timeout_s, self._connect())
        except (TimeoutError, OSError, errors.Error) as error:
            await self.close()
            reason = self._last_error or str(error) or type(error).__name__
            raise BusUnreachableError(
                f"the message bus at {_without_password(settings.url)} does not answer ({reason}): start it, or give"
                " another address",
                waited_s=settings.connect_timeout_s,
            ) from error
        self._up.set()

    async def _connect(self) -> None:
        settings = self.settings
        await self._client.connect(
            servers=[url.strip() for url in settings.url.split(",")],
            name=settings.client_name,
            tls=settings.tls,
            tls_handshake_first=settings.tls_first,
            inbox_prefix=settings.inbox_prefix,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]  # the library sleeps any number
            connect_timeout=2,
            ping_interval=PING_INTERVAL_S,
            pending_size=PENDING_SIZE_MAX,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
        )
        self._inbox = self._client.new_inbox()
        await self._client.subscribe(f"{self._inbox}.*", cb=self._on_reply, pending_msgs_limit=0, pending_bytes_limit=0)
        await self._client.flush()

    async def wait_up(self, limit_s: float) -> None:
        """Wait until connected. Raises BusUnreachableError when closed or not back within the time."""
        if self._up.is_set():
            return
        if self._closed:
            raise BusUnreachableError("the bus was closed")
        try:
            async with asyncio.timeout(limit_s):
                await self._up.wait()
        except TimeoutError as error:
            raise BusUnreachableError(
                f"the message bus was away for {limit_s:.1f} s ({self._last_error})", waited_s=limit_s
            ) from error

    async def ask(self, subject: str, data: bytes, timeout_s: float, headers: Mapping[str, str] | None = None) -> Msg:
        """Send a request and give its one reply. Raises LinkLost or NoResponder."""
        arrived: asyncio.Future[Msg | None] = asyncio.get_running_loop().create_future()

        def on_reply(reply: Msg | None) -> None:
            if not arrived.done():
                arrived.set_result(reply)

        token = await self._send_waiting(subject, data, headers, on_reply)
        try:
            async with asyncio.timeout(timeout_s):
                reply = await arrived
        except TimeoutError as error:
            raise LinkLost(f"no reply within {timeout_s} s") from error
        finally:
            self._forget(token)
        if reply is None:
            self.check_allowed(subject)
            raise LinkLost("the connection broke")
        if status_of(reply) == NO_RESPONDER:
            raise NoResponder(subject)
        return reply

    async def ask_many(self, subject: str, request: Mapping[str, Any], timeout_s: float) -> tuple[list[Msg], str]:
        """Send a request that is answered by any number of messages and a status; gives both.

        When the link breaks in the middle, gives what came in order until then, with the status "lost".
        """
        replies: asyncio.Queue[Msg | None] = asyncio.Queue()
        token = await self._send_waiting(subject, json.dumps(request).encode(), None, replies.put_nowait)
        messages: list[Msg] = []
        try:
            while True:
                if replies.empty():
                    async with asyncio.timeout(timeout_s):
                        reply = await replies.get()
                else:
                    reply = replies.get_nowait()
                if reply is None:
                    break
                status = status_of(reply)
                if status == NO_RESPONDER:
                    raise NoResponder(subject)
                if status:
                    return messages, status
                messages.append(reply)
        except TimeoutError:
            pass
        finally:
            self._forget(token)
        if not messages:
            self.check_allowed(subject)
            raise LinkLost("the connection broke or no reply came")
        return messages, "lost"

    async def send(
        self, subject: str, data: bytes, headers: Mapping[str, str] | None = None, reply_to: str = ""
    ) -> None:
        """Send a core message. Raises BusForbiddenError once the server has refused the subject."""
        self.check_allowed(subject)
        try:
            await self._client.publish(subject, data, reply=reply_to, headers=dict(headers) if headers else None)
        except errors.MaxPayloadError as error:
            raise BusUsageError(
                f"a message of {len(data)} bytes on {subject} is over the bus's limit of {self._client.max_payload}",
                subject=subject,
            ) from error
        except (errors.Error, OSError) as error:
            raise LinkLost(str(error) or type(error).__name__) from error

    async def subscribe(self, subject: str, queue: str, callback: Callable[[Msg], Any]) -> NatsSubscription:
        """Subscribe; it comes back with the connection. Every server that is asked after this call knows of it."""
        try:
            return await self._client.subscribe(subject, queue=queue, cb=callback)
        except (errors.Error, OSError) as error:
            raise BusUnreachableError(f"cannot subscribe to {subject}: {error}", subject=subject) from error

    def check_allowed(self, subject: str) -> None:
        """Raises BusForbiddenError if the server has refused the subject, or pattern, on this connection."""
        if subject.lower() in self._forbidden:
            raise BusForbiddenError(
                f"the message bus does not let {self.settings.client_name} use {subject}: its identity has no right to"
                " it",
                subject=subject,
            )

    async def flush(self, timeout_s: float) -> None:
        """Wait until the server has all that was sent."""
        try:
            await self._client.flush(timeout=max(1, round(timeout_s)))
        except (errors.Error, OSError, TimeoutError) as error:
            raise LinkLost(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Disconnect for good and tell all who wait."""
        self._closed = True
        if self._up.is_set():
            with contextlib.suppress(LinkLost):
                await self.flush(2)
        self._up.clear()
        with contextlib.suppress(errors.Error, OSError):
            await self._client.close()
        self._release_waiting()

    async def _send_waiting(
        self, subject: str, data: bytes, headers: Mapping[str, str] | None, on_reply: Callable[[Msg | None], None]
    ) -> str:
        if not self._up.is_set():
            raise LinkLost(self._last_error)
        token = format(next(self._tokens), "x")
        self._waiting[token] = on_reply
        self._asked[token] = subject.lower()
        try:
            await self.send(subject, data, headers, f"{self._inbox}.{token}")
        except BaseException:
            self._forget(token)
            raise
        return token

    def _forget(self, token: str) -> None:
        self._waiting.pop(token, None)
        self._asked.pop(token, None)

    def _judge(self, ssl_object: ssl.SSLObject | None) -> None:
        """Whoever stands before the server may say that it wants no TLS, or show another's certificate."""
        if self.settings.tls is None:
            return
        if ssl_object is None:
            raise OSError("it talks without TLS, which our settings ask for")
        if self.settings.check_server is not None:
            try:
                self.settings.check_server(ssl_object)
            except MeterworksError as error:
                raise OSError(str(error)) from error

    async def _on_reply(self, message: Msg) -> None:
        on_reply = self._waiting.get(message.subject.rpartition(".")[2])
        if on_reply is not None:
            on_reply(message)

    async def _on_error(self, error: Exception) -> None:
        self._last_error = str(error) or type(error).__name__
        if not self._client.is_connected and self._client._transport is not None:
            # Of a failed attempt to reconnect: nats-py drops it without closing it.
            self._client._transport.close()  # type: ignore[no-untyped-call]  # the library leaves it untyped
        violation = _VIOLATION.search(self._last_error)
        if violation is not None:
            self._tell_forbidden(violation.group(1).lower())
        elif isinstance(error, errors.SlowConsumerError):
            _log.warning("a subscriber is too slow: messages are dropped", subject=error.subject)
        else:
            _log.debug("the bus reports an error", error=self._last_error)

    def _tell_forbidden(self, subject: str) -> None:
        """Tell the calls that wait on a subject that the server has refused."""
        self._forbidden.add(subject)
        _log.warning("the bus refused a subject to this process", subject=subject, client=self.settings.client_name)
        for token in [token for token, asked in self._asked.items() if asked == subject]:
            on_reply = self._waiting.get(token)
            if on_reply is not None:
                on_reply(None)

    async def _on_disconnected(self) -> None:
        if not self._closed and self._up.is_set():
            _log.warning("the connection to the bus broke: trying again", error=self._last_error)
        self._up.clear()
        self._release_waiting()

    async def _on_reconnected(self) -> None:
        self.generation += 1
        self._forbidden.clear()  # the server may have learnt other rights
        self._up.set()
        _log.info("connected to the bus again")

    def _release_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        self._asked.clear()
        for on_reply in waiting.values():
            on_reply(None)


def status_of(message: Msg) -> str:
    """The status line of a reply that the server wrote itself; empty for a message."""
    return (message.headers or {}).get(STATUS, "") if not message.data else ""


def _without_password(url: str) -> str:
    return ",".join(part.rpartition("@")[2] if "@" in part else part for part in url.split(","))


async def _within(limit_s: float, work: Coroutine[Any, Any, None]) -> None:
    """Await the work, and raise TimeoutError when it takes longer.

    The library waits in a way that can swallow a cancellation and then tries on for ever, so it is cancelled until it
    has ended.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=limit_s)
        if not task.done():
            raise TimeoutError
        task.result()
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_AGAIN_S)
        if not task.cancelled():
            task.exception()  # told above, or of a work that nobody waits for any more
