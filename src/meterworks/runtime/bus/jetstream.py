"""The bus on NATS with JetStream.

Publishing: each message carries an id; it is sent again under the same id until the server acknowledges it or our
patience ends, so a server that is killed and started again costs nothing but time.

Reading: by JetStream's batched direct get, which names the sequence to start from. The server keeps no state for a
reader, so nothing is lost or forgotten with a connection. Waiting for new messages is asking again, at growing
distances.
"""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from meterworks.runtime.bus.contract import (
    DUPLICATE_WINDOW_S,
    MAX_AGE_S,
    MAX_BYTES,
    BusSettings,
    Handler,
    Message,
    Responder,
    Subscription,
    WhenFull,
    checked_headers,
    checked_key,
    checked_subject,
)
from meterworks.runtime.bus.failure import answer, error_of
from meterworks.runtime.bus.link import Link, LinkLost, NoResponder
from meterworks.runtime.bus.nats_client import Msg, NatsSubscription
from meterworks.runtime.bus.window import Window
from meterworks.runtime.errors import BusUnreachableError, BusUsageError
from meterworks.runtime.telemetry import get_logger

__all__ = ["NatsBus"]

ATTEMPT_S = 5.0  # how long one try waits for its reply
RETRY_WAIT_S = 0.1
POLL_WAIT_S = (0.002, 0.05)  # first and longest wait before asking a stream again
RESPONSES_MAX = 256  # requests answered at the same time by one responder
KEYS_AT_ONCE = 500  # of a bucket; the server gives at most 1,024 in one answer
NO_MESSAGE = "404"
RESET = "reset"  # in place of a creation time: the reader has not yet got a message of the new stream
STREAM_NOT_FOUND = 10059
NAME_IN_USE = 10058
_FINAL_CODES = frozenset({400})  # what the server will not change its mind about

Result = TypeVar("Result")
_log = get_logger("runtime.bus")


class NatsBus:
    """A connection to NATS. Make it with `connect_bus`."""

    def __init__(self, settings: BusSettings) -> None:
        self._settings = settings
        self._link = Link(settings)
        self._window = Window(settings.in_flight_bytes_max)
        self._streams: dict[str, dict[str, Any]] = {}  # what we ensured, to make it again on a server that lost it
        self._incarnations: dict[tuple[str, str | None], tuple[int, str]] = {}  # link generation, creation time
        self._subscriptions: list[_NatsSubscription] = []

    async def connect(self) -> None:
        """Connect; raises BusUnreachableError when no server answers in time."""
        await self._link.connect()

    async def ensure_stream(
        self,
        name: str,
        subjects: Sequence[str],
        *,
        max_age_s: float = MAX_AGE_S,
        max_bytes: int = MAX_BYTES,
        duplicate_window_s: float = DUPLICATE_WINDOW_S,
        when_full: WhenFull = "drop-oldest",
    ) -> None:
        """See Bus."""
        config = {
            "name": checked_key(name),
            "subjects": [checked_subject(subject, pattern=True) for subject in subjects],
            "max_age": round(max_age_s * 1e9),
            "max_bytes": max_bytes,
            "duplicate_window": round(min(duplicate_window_s, max_age_s) * 1e9),
            "discard": "new" if when_full == "refuse" else "old",
            **_COMMON_CONFIG,
        }
        await self._ensure(config)

    async def delete_stream(self, name: str) -> None:
        """See Bus."""
        self._streams.pop(name, None)
        await self._api(f"STREAM.DELETE.{checked_key(name)}", {}, absent_is_fine=True)

    async def publish(
        self, subject: str, data: bytes, *, headers: Mapping[str, str] | None = None, message_id: str | None = None
    ) -> int:
        """See Bus."""
        checked_subject(subject)
        given = checked_headers(headers)
        return await self._publish(subject, data, {**given, "Nats-Msg-Id": message_id or uuid.uuid4().hex})

    async def fetch(
        self,
        stream: str,
        *,
        after_sequence: int = 0,
        subject: str | None = None,
        batch_max: int = 256,
        bytes_max: int = 32 * 2**20,
        timeout_s: float = 1.0,
    ) -> list[Message]:
        """See Bus."""
        request: dict[str, Any] = {"batch": batch_max, "max_bytes": bytes_max}
        if subject is not None:
            request["next_by_subj"] = checked_subject(subject, pattern=True)
        reader = _Reader(stream, subject, after_sequence)
        deadline = asyncio.get_running_loop().time() + timeout_s
        wait_s, wait_s_max = POLL_WAIT_S
        await self._place(reader, anew=False)
        while True:
            messages = await self._get_batch(stream, {**request, "seq": reader.position + 1})
            if reader.generation != self._link.generation or (not messages and not reader.checked):
                await self._place(reader, anew=True)  # another server, or nothing there: is it still the same stream?
                continue
            if messages:
                self._incarnations[stream, subject] = reader.generation, reader.created
                return messages
            remaining_s = deadline - asyncio.get_running_loop().time()
            if remaining_s <= 0:
                return []
            await asyncio.sleep(min(wait_s, remaining_s))
            wait_s = min(wait_s * 1.5, wait_s_max)

    async def last_sequence(self, stream: str) -> int:
        """See Bus."""
        return int((await self._info(stream))["state"]["last_seq"])

    async def trim(self, stream: str, before_sequence: int) -> None:
        """See Bus."""
        if before_sequence > 1:
            await self._api(f"STREAM.PURGE.{checked_key(stream)}", {"seq": before_sequence})

    async def send(self, subject: str, data: bytes, *, headers: Mapping[str, str] | None = None) -> None:
        """See Bus."""
        checked_subject(subject)
        given = checked_headers(headers)
        await self._retry(subject, lambda: self._link.send(subject, data, given))

    async def subscribe(self, subject: str, handler: Handler) -> Subscription:
        """See Bus."""

        async def handle(message: Msg) -> None:
            try:
                await handler(_message(message.subject, message, 0))
            except Exception:  # noqa: BLE001  # the shell of someone else's handler
                _log.exception("a subscriber failed", subject=message.subject)

        return await self._subscribe(checked_subject(subject, pattern=True), "", handle)

    async def request(self, subject: str, data: bytes, *, timeout_s: float = 10.0) -> bytes:
        """See Bus."""
        checked_subject(subject)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        await self._link.wait_up(timeout_s)
        try:
            reply = await self._link.ask(subject, data, deadline - loop.time())
        except NoResponder as error:
            raise BusUnreachableError(f"nobody responds at {subject}", subject=subject) from error
        except LinkLost as error:
            raise BusUnreachableError(
                f"no answer from {subject}: {error}", subject=subject, waited_s=timeout_s
            ) from error
        failure = error_of(subject, reply.headers or {})
        if failure is not None:
            raise failure
        return reply.data

    async def respond(self, subject: str, handler: Responder) -> Subscription:
        """See Bus."""
        places = asyncio.Semaphore(RESPONSES_MAX)
        tasks: set[asyncio.Task[None]] = set()

        async def reply_to(message: Msg) -> None:
            try:
                data, headers = await answer(handler, subject, message.data)
                with contextlib.suppress(LinkLost):  # the one who asked has been told that the link broke
                    await self._link.send(message.reply, data, headers)
            finally:
                places.release()

        async def handle(message: Msg) -> None:
            await places.acquire()
            task = asyncio.create_task(reply_to(message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        return await self._subscribe(checked_subject(subject, pattern=True), "responders", handle, tasks)

    async def put(self, bucket: str, key: str, value: bytes) -> None:
        """See Bus."""
        await self.put_many(bucket, {key: value})

    async def put_many(self, bucket: str, values: Mapping[str, bytes]) -> None:
        """See Bus."""
        await self._ensure_bucket(bucket)
        items = [(f"$KV.{bucket}.{checked_key(key)}", value) for key, value in values.items()]
        for start in range(0, len(items), KEYS_AT_ONCE):
            async with asyncio.TaskGroup() as tasks:
                for subject, value in items[start : start + KEYS_AT_ONCE]:
                    tasks.create_task(self._publish(subject, value, {}))

    async def get(self, bucket: str, key: str) -> bytes | None:
        """See Bus."""
        return (await self.get_many(bucket, [key])).get(key)

    async def get_many(self, bucket: str, keys: Sequence[str]) -> dict[str, bytes]:
        """See Bus. Reading makes no bucket: whoever reads needs no right to make one."""
        prefix = f"$KV.{checked_key(bucket)}."
        subjects = [prefix + checked_key(key) for key in dict.fromkeys(keys)]
        values: dict[str, bytes] = {}
        for start in range(0, len(subjects), KEYS_AT_ONCE):
            request = {"multi_last": subjects[start : start + KEYS_AT_ONCE], "batch": KEYS_AT_ONCE}
            for found in await self._direct_get(f"KV_{bucket}", request, whole=True, absent_is_fine=True):
                name = (found.headers or {})["Nats-Subject"]
                values[name.removeprefix(prefix)] = found.data
        return values

    async def close(self) -> None:
        """See Bus."""
        for subscription in list(self._subscriptions):
            await subscription.unsubscribe()
        await self._link.close()

    async def _publish(self, subject: str, data: bytes, headers: Mapping[str, str]) -> int:
        async def attempt() -> int:
            try:
                reply = await self._link.ask(subject, data, ATTEMPT_S, headers)
            except NoResponder as error:
                await self._ensure_again()
                raise LinkLost(f"no stream keeps {subject}: ensure one first") from error
            acknowledgement = _checked_reply(subject, reply)
            return int(acknowledgement["seq"])

        async with self._window.place(len(data)):
            return await self._retry(subject, attempt)

    async def _place(self, reader: "_Reader", *, anew: bool) -> None:
        """Set from where to read: after the reader's sequence, or from the first if that is of an earlier stream."""
        key = reader.stream, reader.subject
        reader.generation = self._link.generation
        generation, known = self._incarnations.get(key, (-1, ""))
        if generation == reader.generation and not anew:
            reader.created = known
            return
        info = await self._info(reader.stream)
        reader.checked, reader.created = True, info["created"]
        reset = reader.after_sequence > info["state"]["last_seq"] or known not in ("", reader.created)
        reader.position = 0 if reset else reader.after_sequence
        if reset and reader.after_sequence > 0 and known != RESET:
            _log.warning(
                "a stream was reset: reading it from its first message",
                stream=reader.stream,
                position=reader.after_sequence,
            )
        self._incarnations[key] = (-1, RESET) if reset else (reader.generation, reader.created)

    async def _get_batch(self, stream: str, request: Mapping[str, Any]) -> list[Message]:
        found = await self._direct_get(stream, request, whole=False)
        return [_stored_message(message) for message in found]

    async def _direct_get(
        self, stream: str, request: Mapping[str, Any], *, whole: bool, absent_is_fine: bool = False
    ) -> list[Msg]:
        """whole: ask again when the link broke in the middle; else what came until then will do.

        absent_is_fine: a stream that was never made holds nothing; one that this process made is made again.
        """

        async def attempt() -> list[Msg]:
            try:
                messages, status = await self._link.ask_many(f"$JS.API.DIRECT.GET.{stream}", request, ATTEMPT_S)
            except NoResponder as error:
                await self._ensure_again()
                if absent_is_fine and stream not in self._streams and await self._is_absent(stream):
                    return []
                raise LinkLost(f"there is no stream {stream}") from error
            if status == "lost" and whole:
                raise LinkLost("the connection broke")
            if status not in ("204", "lost", NO_MESSAGE):
                raise BusUsageError(f"the bus refused to read {stream}: status {status}", stream=stream)
            return messages

        return await self._retry(stream, attempt)

    async def _ensure_bucket(self, bucket: str) -> None:
        name = f"KV_{checked_key(bucket)}"
        if name not in self._streams:
            subjects = [f"$KV.{bucket}.>"]
            limits = {"max_msgs_per_subject": 1, "discard": "new", "allow_rollup_hdrs": True, "deny_delete": True}
            await self._ensure({"name": name, "subjects": subjects, **limits, **_COMMON_CONFIG})

    async def _ensure(self, config: dict[str, Any]) -> None:
        name = config["name"]
        reply = await self._api(f"STREAM.CREATE.{name}", config, name_in_use_is_fine=True)
        if "error" in reply:
            await self._api(f"STREAM.UPDATE.{name}", config)
        self._streams[name] = config

    async def _ensure_again(self) -> None:
        """Make the streams we know of on a server that lost them; the caller tries again, whatever becomes of it."""
        for name, config in self._streams.items():
            with contextlib.suppress(LinkLost, NoResponder):
                await self._link.ask(f"$JS.API.STREAM.CREATE.{name}", json.dumps(config).encode(), ATTEMPT_S)

    async def _is_absent(self, stream: str) -> bool:
        """Whether the server says that it has no such stream, and not only that it keeps none yet."""
        try:
            reply = await self._link.ask(f"$JS.API.STREAM.INFO.{stream}", b"{}", ATTEMPT_S)
        except NoResponder as error:
            raise LinkLost("the bus keeps no streams (JetStream is off)") from error
        return bool(json.loads(reply.data).get("error", {}).get("err_code") == STREAM_NOT_FOUND)

    async def _info(self, stream: str) -> dict[str, Any]:
        return await self._api(f"STREAM.INFO.{checked_key(stream)}", {})

    async def _api(
        self,
        operation: str,
        request: Mapping[str, Any],
        *,
        absent_is_fine: bool = False,
        name_in_use_is_fine: bool = False,
    ) -> dict[str, Any]:
        fine = {STREAM_NOT_FOUND} if absent_is_fine else {NAME_IN_USE} if name_in_use_is_fine else set()

        async def attempt() -> dict[str, Any]:
            try:
                reply = await self._link.ask(f"$JS.API.{operation}", json.dumps(request).encode(), ATTEMPT_S)
            except NoResponder as error:  # the server is up and JetStream not yet
                raise LinkLost("the bus keeps no streams (JetStream is off)") from error
            if json.loads(reply.data).get("error", {}).get("err_code") == STREAM_NOT_FOUND and not absent_is_fine:
                await self._ensure_again()
            return _checked_reply(operation, reply, fine)

        return await self._retry(operation, attempt)

    async def _retry(self, what: str, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Try until it succeeds or patience ends."""
        loop = asyncio.get_running_loop()
        patience_s = self._settings.patience_s
        deadline = loop.time() + patience_s
        while True:
            await self._link.wait_up(max(0.0, deadline - loop.time()))
            try:
                return await attempt()
            except LinkLost as error:
                if loop.time() + RETRY_WAIT_S > deadline:
                    raise BusUnreachableError(
                        f"the message bus did not do {what} within {patience_s} s: {error}",
                        subject=what,
                        waited_s=patience_s,
                    ) from error
            await asyncio.sleep(RETRY_WAIT_S)

    async def _subscribe(
        self,
        subject: str,
        queue: str,
        handle: Callable[[Msg], Awaitable[None]],
        tasks: set[asyncio.Task[None]] | None = None,
    ) -> Subscription:
        await self._link.wait_up(self._settings.patience_s)
        subscription = _NatsSubscription(await self._link.subscribe(subject, queue, handle), tasks, self._subscriptions)
        with contextlib.suppress(LinkLost):  # it comes back with the link
            await self._link.flush(ATTEMPT_S)
        self._link.check_allowed(subject)
        return subscription


_COMMON_CONFIG: dict[str, Any] = {"storage": "file", "retention": "limits", "allow_direct": True, "num_replicas": 1}


@dataclass(slots=True)
class _Reader:
    """Where one call of `fetch` stands."""

    stream: str
    subject: str | None
    after_sequence: int
    position: int = field(init=False)
    created: str = ""  # the stream's time of creation: tells it from an earlier one of the same name
    generation: int = -1  # of the link, when the position was set
    checked: bool = False  # whether the stream was looked at in this call

    def __post_init__(self) -> None:
        self.position = self.after_sequence


class _NatsSubscription:
    def __init__(
        self, subscription: NatsSubscription, tasks: set[asyncio.Task[None]] | None, home: list["_NatsSubscription"]
    ) -> None:
        self._subscription = subscription
        self._tasks = set() if tasks is None else tasks
        self._home = home
        home.append(self)

    async def unsubscribe(self) -> None:
        """Take the handler away and stop the answers under way."""
        if self not in self._home:
            return
        self._home.remove(self)
        with contextlib.suppress(Exception):  # the link may be down or closed: then there is nothing to take away
            await self._subscription.unsubscribe()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _checked_reply(what: str, reply: Msg, fine: frozenset[int] | set[int] = frozenset()) -> dict[str, Any]:
    """The JSON of a JetStream reply. Raises BusUsageError for what will never do, LinkLost for what may do later."""
    content: dict[str, Any] = json.loads(reply.data)
    error = content.get("error")
    if error is None or error.get("err_code") in fine:
        return content
    text = f"the bus refused {what}: {error.get('description', error)}"
    if error.get("code") in _FINAL_CODES:
        raise BusUsageError(text, subject=what, reason=error.get("err_code"))
    raise LinkLost(text)


def _stored_message(message: Msg) -> Message:
    headers = message.headers or {}
    return _message(headers["Nats-Subject"], message, int(headers["Nats-Sequence"]))


def _message(subject: str, message: Msg, sequence: int) -> Message:
    headers = {str(name): value for name, value in (message.headers or {}).items() if not str(name).startswith("Nats-")}
    return Message(subject=subject, data=message.data, headers=headers, sequence=sequence)
